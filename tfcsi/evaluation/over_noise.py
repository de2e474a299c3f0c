"""Evaluation with noise on the way, and with errors in the bits of packets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfcsi import metrics, transforms
from tfcsi.codecs.contract import Codec, CodewordCodec
from tfcsi.codecs.topk import TopK
from tfcsi.coding.packets import PacketError, sound
from tfcsi.evaluation.measure import measure
from tfcsi.noise import awgn, flip_bits

NOISES = ("codeword", "latent", "csi")


def over_snr(
    codec: Codec,
    h: np.ndarray,
    snr_db: Sequence[float],
    kind: str,
    seed: int,
    known: str | float | None = None,
) -> list[dict]:
    """Measures a codec with noise on the way, at some SNRs.

    The noise is white and Gaussian. Its power is relative to the power of each single
    matrix or codeword. The same draw is used at all SNRs, scaled.

    Args:
      codec: Codec with a codeword, such as a trained network. For noise on the CSI it
        may be any codec.
      h: complex64 [n, num_tx, num_delay], without noise.
      snr_db: SNRs [dB].
      kind: Where the noise is:
        "codeword": on y_hat, between the packets and the decoder;
        "latent": on y, between the encoder and the quantiser;
        "csi": on the CSI that the UE measures. It is encoded at its own scale, so its
        peak is no longer 0.5. The NMSE compares with `h`.
      seed: Seed of the noise.
      known: For codecs without a codeword, what their `compress` gets as
        `noise_variance`: "known" for that of each matrix, or the value itself, such as
        "estimate". None leaves it out, as codecs demand that do not have it.

    Returns:
      A point for each SNR: snr_db, noise (the kind), and the values of `measure`. The
      bits are those of the packets that were written with the noise.

    Raises:
      ValueError: If the kind is not known, or as the codec's `compress`.
    """
    if kind not in NOISES:
        raise ValueError(f"noise is {kind!r}; it must be one of {', '.join(NOISES)}")
    if not isinstance(codec, CodewordCodec):
        if kind == "csi":
            return [_with_noisy_csi(codec, h, snr, seed, known) for snr in snr_db]
        raise ValueError(
            f"codec {codec.name!r} has no codeword that noise could be added to; "
            f"measure it with noise on the csi or a bit error rate instead"
        )

    def noisy(y: np.ndarray, snr: float) -> np.ndarray:
        return awgn(y, snr, (seed, 0))

    y, gain = codec.codewords(h)
    if kind == "codeword":
        packets = codec.send(*codec.quantize(y, gain))
        y_hat, scale = codec.dequantize(*codec.receive(packets))
        decode = _decoder_under_noise(codec)
    points = []
    for snr in snr_db:
        if kind == "codeword":
            h_hat = transforms.to_complex(decode(noisy(y_hat, snr), y_hat)) * scale
        else:
            sent = (noisy(y, snr), gain)
            if kind == "csi":
                measured = transforms.to_complex(noisy(transforms.to_real(h), snr))
                sent = codec.codewords(measured, any_scale=True)
            packets = codec.send(*codec.quantize(*sent))
            h_hat = codec.decompress(packets)
        point = {"snr_db": float(snr), "noise": kind}
        points.append({**point, **measure(h, h_hat, packets, codec.domain)})
    return points


def _with_noisy_csi(
    codec: Codec, h: np.ndarray, snr_db: float, seed: int, known: str | float | None
) -> dict:
    """A point of a codec without a codeword whose UE measures h with noise.

    Top-K takes matrices of one peak. The base station gets the scale for free, as with
    noise on the CSI of networks.
    """
    x = transforms.to_real(h)
    noisy = transforms.to_complex(awgn(x, snr_db, (seed, 0)))
    wishes: dict[str, Any] = {} if known is None else {"noise_variance": known}
    if known == "known":
        power = np.mean(np.abs(h) ** 2, axis=(1, 2))
        wishes = {"noise_variance": power * 10 ** (-snr_db / 10)}
    if isinstance(codec, TopK):
        noisy, scale = transforms.to_peak(noisy)
        packets = codec.compress(noisy)
        h_hat = transforms.from_peak(codec.decompress(packets), scale)
    else:
        packets = codec.compress(noisy, **wishes)
        h_hat = codec.decompress(packets)
    point = {"snr_db": float(snr_db), "noise": "csi"}
    return {**point, **measure(h, h_hat, packets, codec.domain)}


def _decoder_under_noise(
    codec: CodewordCodec,
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The decoder as a function of received and clean codewords [n, latent]."""
    # A codec that has a decoder has loaded TensorFlow. This module works without it.
    from tfcsi.codecs.batched import batched
    from tfcsi.models.noise_path import under_noise

    decoder = codec.decoder
    shapes = [decoder.input_shape] * 2
    return batched(under_noise(decoder), shapes, decoder.output_shape)


def over_bit_errors(
    codec: Codec, h: np.ndarray, rates: Sequence[float], seed: int
) -> list[dict]:
    """Measures a codec with inverted bits in its packets, at some bit error rates.

    The base station refuses a packet that fails its check, that the codec cannot read,
    or that gives CSI which is not finite. It then keeps the CSI of the last packet that
    it accepted (zero if there is none). A second measure puts zero in its place.

    Args:
      codec: Any codec.
      h: complex64 [n, num_tx, num_delay], in the order of sending.
      rates: Probabilities that a bit is inverted, each 0 to 1.
      seed: Seed of the errors.

    Returns:
      A point for each rate: bit_error_rate; the values of `measure`, with the last CSI
      in place of refused CSI; nmse_db_zero, with zero in its place; refused, the share
      of packets that were refused; undetected, the share that was accepted with errors.

    Raises:
      ValueError: If a rate is not a probability, or as the codec's `compress`.
    """
    packets = codec.compress(h)
    clean = codec.decompress(packets)
    points = []
    for rate in rates:
        received = flip_bits(packets, rate, seed)
        hit = np.array([one != two for one, two in zip(packets, received)], bool)
        accepted, zero = ~hit, clean.copy()
        # Packets without errors were decoded above. Few with errors pass the check.
        for row in np.flatnonzero(hit & sound(received, codec.session)):
            accepted[row] = _decode(codec, received[row], zero[row])
        zero[~accepted] = 0
        last = np.maximum.accumulate(np.where(accepted, np.arange(len(h)), -1))
        filled = np.where(last[:, None, None] < 0, 0, zero[last])
        point = {
            "bit_error_rate": float(rate),
            **measure(h, filled, packets, codec.domain),
        }
        point["nmse_db_zero"] = float(metrics.to_db(metrics.nmse(h, zero).mean()))
        point["refused"] = float(np.mean(~accepted))
        point["undetected"] = float(np.mean(accepted & hit))
        points.append(point)
    return points


def _decode(codec: Codec, packet: bytes, h_hat: np.ndarray) -> bool:
    """Puts the CSI of a packet into h_hat; False if the codec refuses it."""
    try:
        with np.errstate(all="ignore"):  # Damaged numbers may overflow.
            h_hat[:] = codec.decompress([packet])[0]
    except PacketError:
        return False
    return bool(np.isfinite(h_hat).all())
