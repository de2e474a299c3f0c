"""Evaluation of a codec: what was lost, and the bits of the written packets.

`evaluate` sends CSI over a clean way. `over_snr` and `over_bit_errors` add noise to the
CSI or codeword, and errors to the bits of packets (`tfcsi.channel_noise`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfcsi import bitstream, metrics, transforms

NOISES = ("codeword", "latent", "csi")


def evaluate(codec, h: np.ndarray, hf: np.ndarray | None = None) -> dict[str, float]:
    """Sends CSI through a codec and measures what arrives.

    Args:
      codec: Object with `compress(h)` and `decompress(packets)`.
      h: complex64 [n, num_tx, num_delay].
      hf: complex64 [n, num_tx, 125], the frequency-domain truth of the published test
        set, for rho; or None.

    Returns:
      As `measure`, and `bits_estimated`, the payload bits that the entropy model
      promises (codecs that have one).

    Raises:
      ValueError: As the codec's `compress`.
    """
    packets = codec.compress(h)
    point = measure(h, codec.decompress(packets), packets, hf)
    if hasattr(codec, "bits_estimated"):
        symbols, _ = codec.symbols(h)
        point["bits_estimated"] = float(np.mean(codec.bits_estimated(symbols)))
    return point


def measure(
    h: np.ndarray,
    h_hat: np.ndarray,
    packets: Sequence[bytes],
    hf: np.ndarray | None = None,
) -> dict[str, float]:
    """Compares sent and received CSI.

    Args:
      h: complex64 [n, num_tx, num_delay], what was measured.
      h_hat: complex64 [n, num_tx, num_delay], what the base station has.
      packets: n packets; a matrix cost 8 len(packet) bits, header, check and side
        information included.
      hf: complex64 [n, num_tx, 125] or None, see `evaluate`.

    Returns:
      num_matrices; nmse_db, the mean over the matrices in dB, with nmse_db_low and
      nmse_db_high, its 95 % confidence interval; sgcs and, with hf, rho (means); bits,
      the mean of a matrix; bpp, bits a real entry; packet_bytes, the mean.
    """
    nmse = metrics.nmse(h, h_hat)
    low, high = metrics.confidence_interval(nmse)
    bits = metrics.bits_per_csi(packets)
    point = {
        "num_matrices": len(h),
        "nmse_db": float(metrics.to_db(nmse.mean())),
        "nmse_db_low": float(metrics.to_db(low)),
        "nmse_db_high": float(metrics.to_db(high)),
        "sgcs": float(metrics.sgcs(h, h_hat).mean()),
        "bits": bits,
        "bpp": metrics.bits_per_pixel(bits, 2 * h[0].size),
        "packet_bytes": bits / 8,
    }
    if hf is not None:
        point["rho"] = float(metrics.rho(h_hat, hf).mean())
    return point


def over_snr(
    codec, h: np.ndarray, snr_db: Sequence[float], kind: str, seed: int
) -> list[dict]:
    """Measures a codec with noise on the way, at some SNRs.

    The noise is white and Gaussian; its power is relative to that of each matrix or
    codeword for itself. The draw is the same at all SNRs, only stronger or weaker.

    Args:
      codec: tfcsi.codec.Codec.
      h: complex64 [n, num_tx, num_delay], without noise.
      snr_db: SNRs [dB].
      kind: Where the noise is:
        "codeword": on y_hat, between the packets and the decoder;
        "latent": on y, between the encoder and the quantiser;
        "csi": on what the UE measures; it is encoded at its own scale, whose peak is
        no longer 0.5. The NMSE is that against `h`.
      seed: Of the noise.

    Returns:
      A point for each SNR: snr_db, noise (the kind), and as `measure`; the bits are
      those of packets written with the noise.

    Raises:
      ValueError: If the kind is not known, or as the codec's `compress`.
    """
    if kind not in NOISES:
        raise ValueError(f"noise is {kind!r}; it must be one of {', '.join(NOISES)}")
    from tfcsi import channel_noise  # Loads TensorFlow.

    def noisy(y: np.ndarray, snr: float) -> np.ndarray:
        return channel_noise.awgn(y, snr, (seed, 0)).numpy()

    y, gain = codec.codewords(h)
    if kind == "codeword":
        packets = codec.send(*codec.quantize(y, gain))
        y_hat, scale = codec.dequantize(*codec.receive(packets))
    points = []
    for snr in snr_db:
        if kind == "codeword":
            h_hat = codec.synthesis(noisy(y_hat, snr), y_hat) * scale
        else:
            sent = (noisy(y, snr), gain)
            if kind == "csi":
                measured = transforms.to_complex(noisy(transforms.to_real(h), snr))
                sent = codec.codewords(measured, any_scale=True)
            packets = codec.send(*codec.quantize(*sent))
            h_hat = codec.decompress(packets)
        point = {"snr_db": float(snr), "noise": kind}
        points.append({**point, **measure(h, h_hat, packets)})
    return points


def over_bit_errors(
    codec, h: np.ndarray, rates: Sequence[float], seed: int
) -> list[dict]:
    """Measures a codec whose packets arrive with inverted bits, at some rates of them.

    The base station refuses a packet that fails its check, that the codec cannot read,
    or whose CSI is not finite. It then takes the CSI of the last packet before that it
    accepted (zero if there is none), or, as a second measure, zero.

    Args:
      codec: Object with `compress(h)`, `decompress(packets)` and `session`.
      h: complex64 [n, num_tx, num_delay], in the order of sending.
      rates: Probabilities that a bit is inverted, each 0 to 1.
      seed: Of the errors.

    Returns:
      A point for each rate: bit_error_rate; as `measure`, with the last CSI in the
      place of what was refused; nmse_db_zero, with zero in its place; refused, the
      share of packets that were; undetected, the share that was accepted with errors.

    Raises:
      ValueError: If a rate is no probability, or as the codec's `compress`.
    """
    from tfcsi import channel_noise  # Loads TensorFlow.

    packets = codec.compress(h)
    clean = codec.decompress(packets)
    points = []
    for rate in rates:
        received = channel_noise.flip_bits(packets, rate, seed)
        hit = np.array([one != two for one, two in zip(packets, received)], bool)
        accepted, zero = ~hit, clean.copy()
        # What has no error was decoded above; few packets with errors pass the check.
        for row in np.flatnonzero(hit & bitstream.sound(received, codec.session)):
            accepted[row] = _decode(codec, received[row], zero[row])
        zero[~accepted] = 0
        last = np.maximum.accumulate(np.where(accepted, np.arange(len(h)), -1))
        filled = np.where(last[:, None, None] < 0, 0, zero[last])
        point = {"bit_error_rate": float(rate), **measure(h, filled, packets)}
        point["nmse_db_zero"] = float(metrics.to_db(metrics.nmse(h, zero).mean()))
        point["refused"] = float(np.mean(~accepted))
        point["undetected"] = float(np.mean(accepted & hit))
        points.append(point)
    return points


def _decode(codec, packet: bytes, h_hat: np.ndarray) -> bool:
    """Puts the CSI of a packet into h_hat; False if the codec refuses it."""
    try:
        with np.errstate(all="ignore"):  # Damaged numbers may overflow.
            h_hat[:] = codec.decompress([packet])[0]
    except bitstream.PacketError:
        return False
    return bool(np.isfinite(h_hat).all())
