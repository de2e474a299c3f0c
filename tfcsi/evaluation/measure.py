"""Evaluation of a codec: what was lost, and the bits of the written packets.

`evaluate` sends CSI without any error. `tfcsi.evaluation.over_noise` adds noise to the
CSI or the codeword, and errors to the bits of packets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfcsi import metrics
from tfcsi.codecs.contract import Codec, SymbolCodec


def evaluate(
    codec: Codec, h: np.ndarray, hf: np.ndarray | None = None
) -> dict[str, float]:
    """Sends CSI through a codec and measures what arrives.

    Args:
      codec: Any codec, as `tfcsi.load(workdir)` gives it.
      h: complex64 [n, num_tx, num_delay].
      hf: complex64 [n, num_tx, 125], the frequency-domain truth of the published test
        set, for rho; or None.

    Returns:
      The values of `measure`, and for a `SymbolCodec` also `bits_estimated`, the
      payload bits that its tables promise.

    Raises:
      ValueError: As the codec's `compress`.
    """
    packets = codec.compress(h)
    point = measure(h, codec.decompress(packets), packets, codec.domain, hf)
    if isinstance(codec, SymbolCodec):
        symbols, _ = codec.symbols(h)
        point["bits_estimated"] = float(np.mean(codec.bits_estimated(symbols)))
    return point


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
    nmse = metrics.nmse(h, h_hat)
    bits = metrics.bits_per_csi(packets)
    point = {
        "num_matrices": len(h),
        "nmse_db": float(metrics.to_db(nmse.mean())),
    }
    if len(h) > 1:
        ends = metrics.confidence_interval(nmse)
        names = ("nmse_db_low", "nmse_db_high")
        point |= {k: float(metrics.to_db(end)) for k, end in zip(names, ends)}
    point |= {
        "sgcs": float(metrics.sgcs(h, h_hat, domain).mean()),
        "bits": bits,
        "bpp": metrics.bits_per_pixel(bits, 2 * h[0].size),
        "packet_bytes": bits / 8,
    }
    if hf is not None:
        point["rho"] = float(metrics.rho(h_hat, hf, domain).mean())
    return point
