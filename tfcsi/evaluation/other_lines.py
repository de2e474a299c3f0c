"""Lines of trained networks from results files that other commands wrote."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence

from tfcsi import results
from tfcsi.codecs.zoo import RESULTS_FILE

_LEAST = 0.1  # Least gain of a point over the one before it [dB].
_KEPT = (
    *("num_matrices", "nmse_db", "nmse_db_low", "nmse_db_high", "sgcs", "bits", "bpp"),
    *("packet_bytes", "ue_params", "bs_params", "config", "train_seconds"),
    *("epochs_before", "train_seconds_before", "num_train", "val_gain_db"),
)


def read(
    paths: Iterable[str | os.PathLike],
    dataset: str,
    num_matrices: int,
    networks: Sequence[str] = (),
) -> list[dict]:
    """Reads the points of trained networks on the test matrices of a source.

    A line is a network after some number of epochs, such as "stqenet, 16 epochs". A run
    that was trained on for another rate belongs to the line of its source; one that was
    trained for several is a line of its own, such as "stqenet, many rates". Left out
    are points that are less than 0.1 dB better than one of the line with fewer bits,
    and runs that were trained on with fake quantisation.

    Args:
      paths: Results files.
      dataset: Name of the source.
      num_matrices: Its number of test matrices. Points of fewer are left out.
      networks: Names of networks to take; all if there are none.

    Returns:
      Points with `codec`, the name of the line; `measured_as`, the codec's name in its
      file; and `results`, the name of the file, with its folder if it is in a zoo. A
      codec without a network has no line.

    Raises:
      ValueError: If a file is no results file, or none has such a point.
    """
    lines: dict[str, list[dict]] = {}
    for path in map(pathlib.Path, paths):
        for point in results.read(path)["points"]:
            config = point.get("config", {})
            network = config.get("model")
            epochs = point.get("epochs_before", config.get("epochs"))
            sound = {"split": "test", "dataset": dataset, "num_matrices": num_matrices}
            if epochs is None or any(point.get(k) != v for k, v in sound.items()):
                continue
            if "snr_db" in point or "qat" in config:
                continue
            if networks and network not in networks:
                continue
            name = f"{network}, {epochs} epoch{'s' if epochs != 1 else ''}"
            if config.get("quantizer") == "uniform_rates":
                name = f"{network}, many rates"
            kept = {key: point[key] for key in _KEPT if key in point}
            kept |= {"codec": name, "dataset": dataset, "split": "test"}
            of_zoo = path.name == RESULTS_FILE
            file = f"{path.parent.name}/{path.name}" if of_zoo else path.name
            kept |= {"measured_as": point["codec"], "results": file}
            lines.setdefault(name, []).append(kept)
    if not lines:
        raise ValueError(
            f"{', '.join(map(str, paths))}: no point of a trained network on the "
            f"{num_matrices} test matrices of {dataset}"
        )
    return [point for line in lines.values() for point in _front(line)]


def _front(line: Sequence[dict]) -> list[dict]:
    """The points that are better than all with fewer bits, by rising bits."""
    front: list[dict] = []
    for point in sorted(line, key=lambda p: (p["bits"], p["nmse_db"])):
        if not front or point["nmse_db"] < front[-1]["nmse_db"] - _LEAST:
            front.append(point)
    return front
