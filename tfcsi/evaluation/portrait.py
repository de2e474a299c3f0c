"""What a report shows of codecs on some matrices: measures, pictures, packets."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tqdm

from tfcsi import metrics, results
from tfcsi.codecs.contract import Codec, CodewordCodec, rates_of
from tfcsi.codecs.paths import Paths
from tfcsi.evaluation import charts, measure, over_noise, packet_parts
from tfcsi.evaluation.report import Packet, Section, Table, table_of

SNR_DB = tuple(range(0, 31, 5))
MOST_NOISY = 100  # Matrices that are measured at each SNR.
SEED = 1  # Of the noise.
_PATH_STEPS = tuple(2.0**-i for i in (2, 3, 4, 5, 6, 7))
_RATES = 6  # Rates of a codec that has several, as many as are measured.
_MEASURES = ("codec", "bits", "nmse_db", "nmse_db_low", "sgcs", "packet_bytes")
# Facts of a codec to the headings of their columns.
_COSTS = {
    "ue_params": "UE parameters",
    "bs_params": "BS parameters",
    "ue_macs": "UE MACs",
    "bs_macs": "BS MACs",
    "encode_ms": "encoder [ms]",
    "decode_ms": "decoder [ms]",
}


@dataclass
class Portrait:
    """A codec on some matrices.

    Attributes:
      name: What the report calls it.
      codec: The codec.
      h: complex64 [n, num_tx, num_delay].
      packets: n packets.
      h_hat: complex64 [n, num_tx, num_delay].
      point: Facts, measures and processor times of its usual rate.
      line: Points of all rates that it has.
      noise: Points over the SNR of the measured CSI.
    """

    name: str
    codec: Codec
    h: np.ndarray
    packets: list[bytes]
    h_hat: np.ndarray
    point: dict[str, Any]
    line: list[dict[str, Any]]
    noise: list[dict[str, Any]]

    @property
    def nmse(self) -> np.ndarray:
        """Linear NMSE of each matrix, float64 [n]."""
        return np.asarray(metrics.nmse(self.h, self.h_hat))

    @property
    def middle(self) -> int:
        """Number of the matrix with the median NMSE."""
        return int(np.argsort(self.nmse)[(len(self.h) - 1) // 2])


def wishes_of(codec: Codec) -> list[dict[str, float]]:
    """Returns the arguments of `compress` for the rates of a codec; [{}] if it has one.

    Args:
      codec: Any codec.
    """
    if isinstance(codec, Paths):
        return [{"step": step} for step in _PATH_STEPS]
    if (rates := rates_of(codec)) is not None:
        steps = rates[0]
        chosen = np.linspace(0, len(steps) - 1, _RATES).round()
        return [{"step": float(steps[int(i)])} for i in chosen]
    return [{}]


def portray(
    codecs: Mapping[str, tuple[Codec, np.ndarray]], progress: bool = True
) -> list[Portrait]:
    """Measures codecs on matrices.

    Args:
      codecs: Name of a codec to the codec and complex64 [n, num_tx, num_delay], in its
        domain.
      progress: Show a progress bar.

    Raises:
      ValueError: As the codec's `compress`.
    """
    jobs = sum(2 + len(wishes_of(codec)) for codec, _ in codecs.values())
    portraits = []
    with tqdm.tqdm(total=jobs, desc="report", disable=not progress) as bar:
        for name, (codec, h) in codecs.items():
            bar.set_description(name)
            point, packets, h_hat = _sent(codec, h, {})
            point |= {"codec": name}
            bar.update()
            line = []
            for wish in wishes_of(codec):
                line.append({**(_sent(codec, h, wish)[0] if wish else point)})
                line[-1]["codec"] = name
                bar.update()
            noise = over_noise.over_snr(codec, h[:MOST_NOISY], SNR_DB, "csi", SEED)
            noise = [{"codec": name, **one} for one in noise]
            bar.update()
            portraits.append(
                Portrait(name, codec, h, packets, h_hat, point, line, noise)
            )
    return portraits


def _sent(
    codec: Codec, h: np.ndarray, wishes: Mapping[str, Any]
) -> tuple[dict[str, Any], list[bytes], np.ndarray]:
    """A point, the packets and what they give."""
    began = time.process_time()
    packets = codec.compress(h, **wishes)
    between = time.process_time()
    h_hat = codec.decompress(packets)
    ended = time.process_time()
    point = {
        **measure.measure(h, h_hat, packets, codec.domain),
        "encode_ms": 1e3 * (between - began) / len(h),
        "decode_ms": 1e3 * (ended - between) / len(h),
    }
    return point, packets, h_hat


def sections(portraits: Sequence[Portrait]) -> list[Section]:
    """Makes the sections of a report of codecs."""
    points = [portrait.point for portrait in portraits]
    lines = [point for portrait in portraits for point in portrait.line]
    noise = [point for portrait in portraits for point in portrait.noise]
    most = max(len(portrait.h) for portrait in portraits)
    made = [
        Section(
            "Rate and distortion",
            "NMSE is the mean over all matrices, then taken to dB. Every bit of a "
            "packet counts: check, side information, coded symbols, padding. The table "
            "has the usual rate of each codec.",
            {"NMSE over the bits of a packet": charts.rate_distortion(lines)},
            [table_of(points, _MEASURES)],
        ),
        Section(
            "Error of each matrix",
            "How the NMSE is spread over the matrices. Touch a line for the number of "
            "a matrix.",
            {
                "Share of the matrices that have at most this NMSE": charts.errors(
                    {portrait.name: portrait.nmse for portrait in portraits}
                )
            },
        ),
        Section(
            "Noise on the measured CSI",
            f"The phone measures the CSI with white noise. The NMSE compares with the "
            f"CSI without noise. The first {min(most, MOST_NOISY)} matrices are sent, "
            f"and the noise is the same for all codecs and SNRs.",
            {"NMSE over the SNR of the measured CSI": charts.over_snr(noise)},
        ),
        Section(
            "CSI matrices",
            "The matrix with the median NMSE of each codec: magnitudes before and "
            "after, and of the error, on one scale.",
            {
                f"{p.name}: matrix {p.middle}": charts.csi(
                    p.h[p.middle], p.h_hat[p.middle], p.codec.domain
                )
                for p in portraits
            },
        ),
    ]
    found = {
        f"{p.name}: the paths in the packet of matrix {p.middle}": charts.paths(
            p.codec, p.packets[p.middle], p.h[p.middle]
        )
        for p in portraits
        if isinstance(p.codec, Paths)
    }
    if found:
        made.append(
            Section(
                "Paths",
                "Path coding sends a list of propagation paths. Each ring is a path of "
                "the packet, larger if it is stronger. Behind them is the true matrix "
                "over angle and delay.",
                found,
            )
        )
    return [*made, _of_packets(portraits), _costs(portraits), _setup(portraits)]


def _of_packets(portraits: Sequence[Portrait]) -> Section:
    """What the bits of packets carry."""
    many = {p.name: packet_parts.parts(p.codec, p.packets) for p in portraits}
    return Section(
        "Bits of a packet",
        "What the bits carry. An entropy coder gives a symbol a fraction of bits, so a "
        "byte can have several colours.",
        {
            "Mean over all matrices": charts.bits_of_parts(
                {name: packet_parts.mean_bits(parts) for name, parts in many.items()}
            )
        },
        packets=[
            Packet(
                f"{p.name}: the {len(p.packets[p.middle])} bytes of the packet of "
                f"matrix {p.middle}",
                p.packets[p.middle],
                many[p.name][p.middle],
            )
            for p in portraits
        ],
    )


def _costs(portraits: Sequence[Portrait]) -> Section:
    """What codecs cost at both ends."""
    facts = [{**costs_of(p.codec), **p.point} for p in portraits]
    keys = [key for key in _COSTS if any(key in one for one in facts)]
    rows = [
        [p.name, *(_cost(one.get(key)) for key in keys)]
        for p, one in zip(portraits, facts)
    ]
    headings = ["codec", *(_COSTS[key] for key in keys)]
    return Section(
        "Complexity",
        "Multiply-accumulates (MACs) are those of one matrix. Times are processor "
        "times of this computer for one matrix, in a batch.",
        tables=[Table(headings, rows)],
    )


def costs_of(
    codec: Codec, sides: Sequence[str] = ("encoder", "decoder")
) -> dict[str, int]:
    """Returns parameters and multiply-accumulates of UE and BS, as far as known.

    Args:
      codec: Any codec. Those of `paths` are for ten paths and the usual effort.
      sides: The networks to count, each of which takes seconds.
    """
    facts = codec.describe()
    known = {key: facts[key] for key in _COSTS if key in facts}
    if isinstance(codec, CodewordCodec):
        known |= _macs(codec, sides)
    macs = known.get("ue_macs")
    if isinstance(macs, Mapping):
        known["ue_macs"] = macs["default"]
    return known  # type: ignore[return-value]  # Facts of a codec are objects.


def _macs(codec: CodewordCodec, sides: Sequence[str]) -> dict[str, int]:
    """Multiply-accumulates of networks, if they can be counted."""
    from tfcsi.codecs.neural import Codec as Neural
    from tfcsi.models.complexity import count

    if not isinstance(codec, Neural):
        return {}
    try:
        networks = {"encoder": codec.encoder, "decoder": codec.decoder}
        keys = {"encoder": "ue_macs", "decoder": "bs_macs"}
        return {keys[side]: count(networks[side])["macs"] for side in sides}
    except ValueError:  # Networks with loops, such as CSI-INR.
        return {}


def _cost(value: float | int | None) -> str:
    """A number as a cell."""
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else f"{value:,}"


def _setup(portraits: Sequence[Portrait]) -> Section:
    """Versions and configs."""
    versions = results.versions().items()
    return Section(
        "Versions and configs",
        tables=[Table(["package", "version"], [*versions])],
        details={
            f"config of {portrait.name}": json.dumps(
                portrait.codec.describe()["config"], indent=2, sort_keys=True
            )
            for portrait in portraits
        },
    )
