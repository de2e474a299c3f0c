"""What the tables and figures of papers measure on a trained network."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfcsi import transforms
from tfcsi.codecs import requantize
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.workdir import CALIBRATION_FILE, load
from tfcsi.coding.packets import CRC_BITS
from tfcsi.evaluation import over_noise
from tfcsi.evaluation.measure import evaluate
from tfcsi.evaluation.measure import measure as compared
from tfcsi.model_optimization import dynamic
from tfcsi.papers.matrices import Splits
from tfcsi.tflite import convert, runner

_SEED = 1
_ALL_LAYERS = "all layers"  # A precision.


class Run(NamedTuple):
    """A trained network and what it is measured on.

    Attributes:
      codec: The trained codec. Only "path_rates" takes one without a network.
      folder: Its workdir.
      splits: The matrices that it was trained on.
      h: complex64 [n, num_tx, num_delay], test matrices.
    """

    codec: Any
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
      **arguments: Of the measure; `capacity`, for `tfcsi.papers.capacity`, is none of
        them.

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


def _path_rates(run: Run, steps: Sequence[float], beside: str) -> list[dict]:
    """NMSE over the bits of path coding with its own tables, and with those of others.

    `steps` are those of the gains, relative to the norm of a matrix. `beside` is the
    name of a pretrained codec that knows nothing of these channels.
    """
    own, foreign = run.codec, load(beside)
    assert isinstance(own, Paths) and isinstance(foreign, Paths)
    atoms = own.atoms
    shape = (atoms.num_tx, atoms.num_delay)
    foreign = foreign.resized(shape, atoms.num_fft, own.domain)
    named: list[tuple[Paths, dict]] = [(own, {}), (foreign, {"codec": beside})]
    return [
        {**evaluate(codec.at_step(step), run.h), "step": step, **name}
        for codec, name in named
        for step in steps
    ]


def _dynamic(run: Run) -> list[dict]:
    """Float networks, and both in 8 bits: NMSE and sizes.

    `precision` is "float32"; "dynamic", the TFLite form, which leaves layers of less
    than 1024 weights in float; or "all layers", which leaves none. `bytes` is the size
    of both networks: of their TFLite files, or for "all layers" of the weights alone.
    """
    codec = run.codec
    flat = tf.keras.layers.Flatten()(codec.decoder.output)
    networks = (codec.encoder, tf.keras.Model(codec.decoder.input, flat))
    x, points = transforms.to_real(run.h), []
    for precision in ("float32", "dynamic", _ALL_LAYERS):
        (ue, ue_bytes), (bs, bs_bytes) = (_form(n, precision) for n in networks)
        side = np.zeros((len(x), 0), np.uint16)
        packets = codec.send(*codec.quantize(ue(x), side))
        y_hat, _ = codec.dequantize(*codec.receive(packets))
        h_hat = transforms.to_complex(bs(y_hat).reshape(x.shape))
        point = compared(run.h, h_hat, packets, codec.domain)
        sizes = {"ue_bytes": ue_bytes, "bytes": ue_bytes + bs_bytes}
        points.append({"precision": precision, **point, **sizes})
    return points


def _form(network: tf.keras.Model, precision: str) -> tuple[Callable, int]:
    """A network of some precision as a function of arrays, and its bytes."""
    if precision == _ALL_LAYERS:
        made = dynamic.dynamic(network)
        return lambda x: made.predict(x, verbose=0), dynamic.num_bytes(network)
    lite = runner.Runner(convert.convert(network, precision))
    return lite, lite.size


MEASURES: Mapping[str, Callable[..., list[dict]]] = {
    "nmse": _nmse,
    "snr": _snr,
    "bits": _bits,
    "steps": _steps,
    "dynamic": _dynamic,
    "path_rates": _path_rates,
}
