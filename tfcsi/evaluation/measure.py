"""Evaluation of a codec: what was lost, and the bits of the written packets.

`evaluate` sends CSI without any error. `tfcsi.evaluation.over_noise` adds noise to the
CSI or the codeword, and errors to the bits of packets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfcsi import metrics
from tfcsi.codecs.contract import Codec, SymbolCodec
from tfcsi.matrices import Matrices, numbered


def evaluate(
    codec: Codec,
    h: np.ndarray | Matrices,
    hf: np.ndarray | None = None,
    done: Callable[[int], object] = lambda num: None,
) -> dict[str, float]:
    """Sends CSI through a codec, a block at a time, and measures what arrives.

    Args:
      codec: Any codec, as `tfcsi.load(workdir)` gives it.
      h: complex64 [n, num_tx, num_delay], or matrices that are read by blocks.
      hf: complex64 [n, num_tx, 125], the frequency-domain truth of the published test
        set, for rho; or None.
      done: Is called with the number of matrices that were measured since its last
        call.

    Returns:
      The values of `measure`, and for a `SymbolCodec` also `bits_estimated`, the
      payload bits that its tables promise.

    Raises:
      ValueError: As the codec's `compress`.
    """
    return summary(*evaluated(codec, h, hf, done))


def evaluated(
    codec: Codec,
    h: np.ndarray | Matrices,
    hf: np.ndarray | None = None,
    done: Callable[[int], object] = lambda num: None,
) -> tuple[dict[str, np.ndarray], tuple[int, int]]:
    """Measures each matrix as `evaluate` does.

    Args:
      codec: As of `evaluate`.
      h: As of `evaluate`.
      hf: As of `evaluate`.
      done: As of `evaluate`.

    Returns:
      Name of each value to its numbers [n], as `values` returns them; and the shape of
      a matrix. `summary` takes both.

    Raises:
      ValueError: As `evaluate`, and if there are no matrices.
    """
    matrices = h if isinstance(h, Matrices) else Matrices.of(h)
    parts: list[dict[str, np.ndarray]] = []
    first = 0
    for block in matrices.blocks():
        with numbered(first):
            packets = codec.compress(block)
            truth = None if hf is None else hf[first : first + len(block)]
            h_hat = codec.decompress(packets)
            part = values(block, h_hat, packets, codec.domain, truth)
            if isinstance(codec, SymbolCodec):
                symbols, _ = codec.symbols(block)
                part["bits_estimated"] = codec.bits_estimated(symbols)
        parts.append(part)
        first += len(block)
        done(len(block))
    return joined(parts), matrices.shape


def joined(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Joins the values of parts of a set, in their order.

    Raises:
      ValueError: If there are none, or they are not of the same names.
    """
    if not parts or any(part.keys() != parts[0].keys() for part in parts):
        names = [", ".join(part) for part in parts] or "no matrices"
        raise ValueError(f"the values of parts do not go together: {names}")
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def measure(
    h: np.ndarray,
    h_hat: np.ndarray,
    packets: Sequence[bytes],
    domain: str,
    hf: np.ndarray | None = None,
) -> dict[str, float]:
    """Compares sent and received CSI.

    Args:
      h: complex64 [n, num_tx, num_delay], what was measured.
      h_hat: complex64 [n, num_tx, num_delay], what the base station has.
      packets: n packets; a matrix cost 8 len(packet) bits, check and side
        information included.
      domain: "angular_delay" or "space_frequency", that of h and h_hat.
      hf: complex64 [n, num_tx, 125] or None, see `evaluate`.

    Returns:
      num_matrices; nmse_db, the mean over the matrices in dB, with nmse_db_low and
      nmse_db_high, its 95 % confidence interval, which one matrix does not have; sgcs
      and, with hf, rho (means); bits, the mean of a matrix; bpp, bits a real entry;
      packet_bytes, the mean.

    Raises:
      ValueError: As `metrics.nmse`, `metrics.sgcs` and `metrics.bits_per_csi`.
    """
    return summary(values(h, h_hat, packets, domain, hf), h.shape[1:])


def values(
    h: np.ndarray,
    h_hat: np.ndarray,
    packets: Sequence[bytes],
    domain: str,
    hf: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Measures each matrix; arguments and errors as of `measure`.

    Returns:
      `nmse`, linear, `sgcs`, `bytes` of the packets, and with hf `rho`; each [n].
    """
    metrics.bits_per_csi(packets)
    sizes = np.array([len(packet) for packet in packets])
    return {**distortion(h, h_hat, domain, hf), "bytes": sizes}


def distortion(
    h: np.ndarray, h_hat: np.ndarray, domain: str, hf: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Returns what `values` does, without the bytes of packets."""
    measured = {
        "nmse": metrics.nmse(h, h_hat),
        "sgcs": metrics.sgcs(h, h_hat, domain),
    }
    if hf is not None:
        measured["rho"] = metrics.rho(h_hat, hf, domain)
    return measured


def summary(
    values: Mapping[str, np.ndarray], shape: tuple[int, ...]
) -> dict[str, float]:
    """Returns what `measure` does of the values of all matrices, of such a shape."""
    nmse = values["nmse"]
    bits = 8 * int(values["bytes"].sum()) / len(nmse)
    point = {
        "num_matrices": len(nmse),
        "nmse_db": float(metrics.to_db(nmse.mean())),
    }
    if len(nmse) > 1:
        ends = metrics.confidence_interval(nmse)
        names = ("nmse_db_low", "nmse_db_high")
        point |= {k: float(metrics.to_db(end)) for k, end in zip(names, ends)}
    point |= {
        "sgcs": float(values["sgcs"].mean()),
        "bits": bits,
        "bpp": metrics.bits_per_pixel(bits, 2 * math.prod(shape)),
        "packet_bytes": bits / 8,
    }
    if "rho" in values:
        point["rho"] = float(values["rho"].mean())
    if "bits_estimated" in values:
        point["bits_estimated"] = float(np.mean(values["bits_estimated"]))
    return point
