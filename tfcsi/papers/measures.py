"""What the tables and figures of papers measure on a trained network."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfcsi import transforms
from tfcsi.codecs import neural, requantize
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.workdir import CALIBRATION_FILE
from tfcsi.coding.packets import CRC_BITS
from tfcsi.evaluation import baselines, over_noise
from tfcsi.evaluation.measure import evaluate
from tfcsi.evaluation.measure import measure as compared
from tfcsi.evaluation.rate_distortion import Csi, paths_of
from tfcsi.papers.matrices import Splits
from tfcsi.tflite import convert, runner

_SEED = 1
_NUM_FFT = 257  # Length of the DFT over the band of COST 2100.


class Run(NamedTuple):
    """A trained network and what it is measured on.

    Attributes:
      codec: The trained codec.
      folder: Its workdir.
      splits: The matrices that it was trained on.
      h: complex64 [n, num_tx, num_delay], test matrices.
    """

    codec: neural.Codec
    folder: pathlib.Path
    splits: Splits
    h: np.ndarray

    @property
    def calibration(self) -> np.ndarray:
        """Training matrices, float32 [n, num_tx, num_delay, 2]."""
        return np.load(self.folder / CALIBRATION_FILE).astype(np.float32)


def measure(run: Run, kind: str, **arguments: Any) -> list[dict]:
    """Measures a trained network.

    Args:
      run: The network and the matrices.
      kind: A key of `MEASURES`.
      **arguments: Of the measure; `capacity` is none of them.

    Returns:
      Points, see `tfcsi.evaluation.measure`.

    Raises:
      ValueError: If the kind is not known.
    """
    if kind not in MEASURES:
        raise ValueError(f"measure is {kind!r}; known: {', '.join(MEASURES)}")
    arguments.pop("capacity", None)
    return MEASURES[kind](run, **arguments)


def _nmse(run: Run) -> list[dict]:
    """NMSE and bits, and `bpp_raw`: bits of the codeword before the entropy coder."""
    point: dict[str, Any] = evaluate(run.codec, run.h)
    if bits := run.codec.config.quantizer_args.get("bits"):
        reals = 2 * run.h[0].size
        point["bpp_raw"] = bits * run.codec.config.latent_dim / reals
    return [point]


def _snr(run: Run, snr_db: Sequence[float], noise: str) -> list[dict]:
    """NMSE over the SNR of noise on the codeword."""
    return over_noise.over_snr(run.codec, run.h, snr_db, noise, _SEED)


def _bits(run: Run, bits: Sequence[int]) -> list[dict]:
    """NMSE with codewords that are quantised after the training, and coding gains.

    `coding_gain` is the share of a fixed-length code that whole packets save;
    `coding_gain_estimated` leaves out the filling to whole bytes.
    """
    points = []
    for number in bits:
        codec = requantize.quantized(run.codec, run.calibration, number)
        point: dict[str, Any] = evaluate(codec, run.h)
        fixed = number * codec.config.latent_dim
        point["codeword_bits"] = number
        point["coding_gain"] = 1 - (point["bits"] - CRC_BITS) / fixed
        point["coding_gain_estimated"] = 1 - point["bits_estimated"] / fixed
        points.append(point)
    return points


def _steps(run: Run, steps: Sequence[int]) -> list[dict]:
    """NMSE over the gradient steps of the encoder of CSI-INR."""
    points = []
    for number in steps:
        codec = requantize.variant(run.codec, network={"steps": number})
        assert run.codec.tables is not None
        codec.use(run.codec.tables)
        points.append({"steps": number, **evaluate(codec, run.h)})
    return points


def _dynamic(run: Run) -> list[dict]:
    """Float networks, and both with 8-bit weights of all layers: NMSE and sizes.

    The 8-bit weights are those of TFLite's "dynamic" form, which leaves layers of less
    than 1024 weights in float; `bytes` is the size of both networks as TFLite files.
    """
    codec, points = run.codec, []
    flat = tf.keras.layers.Flatten()(codec.decoder.output)
    networks = (codec.encoder, tf.keras.Model(codec.decoder.input, flat))
    for precision in ("float32", "dynamic"):
        ue, bs = (runner.Runner(convert.convert(n, precision)) for n in networks)
        x = transforms.to_real(run.h)
        packets = codec.send(*codec.quantize(ue(x), np.zeros((len(x), 0), np.uint16)))
        y_hat, _ = codec.dequantize(*codec.receive(packets))
        h_hat = transforms.to_complex(bs(y_hat).reshape(x.shape))
        point = compared(run.h, h_hat, packets, codec.domain)
        sizes = {"ue_bytes": ue.size, "bytes": ue.size + bs.size}
        points.append({"precision": precision, **point, **sizes})
    return points


def capacity(source: str, splits: Splits, arguments: Mapping[str, Any]) -> list[dict]:
    """What codecs reach with as many bits as a noisy codeword can carry.

    A codeword of n reals at an SNR carries at most n / 2 log2(1 + SNR) bits (Shannon).
    The codecs are path coding and the KLT, whose packets would arrive without errors.

    Args:
      source: Name of the source.
      splits: Its matrices, in the angular-delay domain.
      arguments: `snr_db`, the SNRs [dB]; `capacity`, the length of the codeword.

    Returns:
      Points with `snr_db`; one is missing if no codec keeps to so few bits.
    """
    csi = Csi(source, "", *splits, _NUM_FFT)
    paths, points = paths_of(csi), []
    for snr in arguments["snr_db"]:
        bits = arguments["capacity"] / 2 * np.log2(1 + 10 ** (snr / 10))
        codecs: dict[str, Callable] = {
            "path coding": lambda b=bits: baselines.paths_at_bits(paths, splits.val, b),
            "KLT": lambda b=bits: Klt.at_bits(splits.train, b),
        }
        for name, make in codecs.items():
            codec = make()
            point: dict[str, Any] = evaluate(codec, splits.test)
            if point["bits"] > 1.05 * bits:
                continue
            point |= {"codec": f"capacity of the codeword, {name}", "dataset": source}
            point |= {"snr_db": float(snr), "capacity_bits": float(bits)}
            points.append({**point, "train_on": source, "split": "test"})
    return points


MEASURES: Mapping[str, Callable[..., list[dict]]] = {
    "nmse": _nmse,
    "snr": _snr,
    "bits": _bits,
    "steps": _steps,
    "dynamic": _dynamic,
}
