"""Every codec on every source in one table: what it reaches within some bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from tfcsi import results
from tfcsi.evaluation.rate_distortion import REFERENCE, with_bd_rates
from tfcsi.metrics import to_db

BUDGETS = (64, 128, 256, 512, 1024)  # Bits of a packet, the mean.
COLUMNS = (
    *("dataset", "codec", *(f"nmse_db_{bits}" for bits in BUDGETS)),
    *("bd_rate", "published_share"),
)


def rows(points: Iterable[Mapping]) -> list[dict]:
    """Makes the rows of the table from points of results files.

    Between two measured points of a codec lies what it reaches if some matrices are
    sent as in one and the others as in the other: the mean bits and the mean NMSE of
    both are shared in the same way. So nothing is told that the codec does not reach.

    Args:
      points: Points with `codec`, `dataset`, `bits`, `nmse_db` and `num_matrices`.
        Points of validation matrices, and those with noise, are left out.

    Returns:
      A row for each codec of each source: `dataset`, `codec`, `bd_rate` if there is
      one, `published_share`, that of the longest training, if it is known, and
      `nmse_db_64` and so on, the NMSE within so many bits. Sources have the order of
      the points, and the best BD-rates of a source come first.

    Raises:
      ValueError: If a point lacks a field, or codecs of a source were measured on
        different numbers of matrices.
    """
    sources: dict[str, list[Mapping]] = {}
    for point in points:
        if point.get("split", "test") == "test" and "snr_db" not in point:
            sources.setdefault(_source(point), []).append(point)
    made = []
    for source, of_source in sources.items():
        _check_same_matrices(source, of_source)
        codecs: dict[str, list[Mapping]] = {}
        for point in with_bd_rates(of_source):
            codecs.setdefault(point["codec"], []).append(point)
        lines = [{"dataset": source, **_row(name, own)} for name, own in codecs.items()]
        made += sorted(lines, key=lambda row: row.get("bd_rate", _rank_of(row)))
    return made


def _source(point: Mapping) -> str:
    for field in ("codec", "dataset", "bits", "nmse_db", "num_matrices"):
        if field not in point:
            raise ValueError(f"a point of the leaderboard needs the field {field}")
    return point["dataset"]


def _check_same_matrices(source: str, points: Sequence[Mapping]) -> None:
    """Refuses codecs that were measured on different numbers of matrices."""
    first = points[0]
    for point in points:
        if point["num_matrices"] != first["num_matrices"]:
            raise ValueError(
                f"{point['codec']} was measured on {point['num_matrices']} matrices of "
                f"{source}, and {first['codec']} on {first['num_matrices']}; measure "
                f"on all test matrices"
            )


def _rank_of(row: Mapping) -> float:
    """The codec of reference has the BD-rate 0, and those without one come last."""
    return 0.0 if row["codec"] == REFERENCE else np.inf


def _row(name: str, points: Sequence[Mapping]) -> dict:
    """A codec on a source."""
    points = sorted(points, key=lambda point: point["bits"])
    bits = np.array([point["bits"] for point in points])
    nmse = np.minimum.accumulate([10 ** (point["nmse_db"] / 10) for point in points])
    row: dict = {"codec": name}
    for most in BUDGETS:
        if most >= bits[0]:
            row[f"nmse_db_{most}"] = float(to_db(np.interp(most, bits, nmse)))
    if "bd_rate" in points[0]:
        row["bd_rate"] = points[0]["bd_rate"]
    shares = [results.published_share(point) for point in points]
    if known := [share for share in shares if share is not None]:
        row["published_share"] = max(known)
    return row
