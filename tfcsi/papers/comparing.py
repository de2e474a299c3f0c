"""How much published numbers gain by what they leave out or average, measured here.

Each point has the NMSE as this package measures it (`nmse_db`), the NMSE of the same
codec and matrices in the published way (`nmse_other_db`), and `difference_db`, the
second less the first. Codecs are learned on training matrices; what is chosen is chosen
on validation matrices, except where the effect is to choose on test matrices.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfcsi import metrics, transforms
from tfcsi.channels import blocks
from tfcsi.codecs import neural, requantize
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.workdir import CALIBRATION_FILE, CODEC_FILE
from tfcsi.evaluation import baselines
from tfcsi.evaluation.rate_distortion import Csi, paths_of, read
from tfcsi.training import config as configs
from tfcsi.training import fit
from tfcsi.training.log import read_log

SOURCES = ("cost2100_indoor", "cost2100_outdoor")
BITS = 250.0  # Mean bits of a packet where one rate is enough.
_TRAIN, _VAL = 2000, 100  # Matrices for the KLT, and for the step of path coding.
_SENT = 400  # Test matrices where many codecs are compared.
_NET_TRAIN, _NET_VAL = 4000, 500  # Matrices of the short trainings.
_RATE, _SIDE = 128.0, (16, 64)  # Bits of a short packet, and bits beside it.
_BATCHES = (200, 500)
_FIRST = 1000
_SIMULATED = 500
# The first effect of each part, in words.
_AVERAGE = "median of the matrices"
_CUT = "delay taps that are cut off are not part of the NMSE"
_SIDE_EFFECT = "{} bits of side information that are not counted"
_BEST = "the epoch that is best on the test matrices"


def measure(
    data_root: str | os.PathLike,
    workdir: str | os.PathLike,
    progress: bool = True,
    there: Sequence[Mapping] = (),
) -> Iterator[list[dict]]:
    """Measures the effects, one after the other.

    Args:
      data_root: Folder of the folders of the data sets.
      workdir: Folder of two short trainings of CsiNet.
      progress: Show progress bars.
      there: Points of an earlier call. The effects that they have are kept.

    Yields:
      All points so far: `codec`, `effect` in words, `dataset`, `bits`, `nmse_db`,
      `nmse_other_db` and `difference_db`.
    """
    points: list[dict] = [dict(point) for point in there]
    known = {point["effect"] for point in points}
    csi = read(SOURCES[0], data_root)
    if _AVERAGE not in known:
        points += _averages(csi)
        yield points
    if _CUT not in known:
        points += [point for source in SOURCES for point in _truncation(source)]
    if _SIDE_EFFECT.format(_SIDE[0]) not in known:
        points += _side_information(csi)
        yield points
    if _BEST not in known:
        points += _choice(csi, pathlib.Path(workdir), progress)
    yield points


def _point(
    effect: str,
    codec: str,
    dataset: str,
    nmse_db: float,
    other_db: float,
    **more: Any,
) -> dict:
    facts = {"codec": codec, "effect": effect, "dataset": dataset, "split": "test"}
    values = {"nmse_db": float(nmse_db), "nmse_other_db": float(other_db)}
    return {**facts, **values, "difference_db": float(other_db - nmse_db), **more}


def _codecs(csi: Csi, bits: float) -> dict[str, Any]:
    """The KLT and path coding at some mean bits."""
    paths = baselines.paths_at_bits(paths_of(csi), csi.val[:_VAL], bits)
    return {"klt": Klt.at_bits(csi.train[:_TRAIN], bits), "paths": paths}


def _averages(csi: Csi) -> list[dict]:
    """Ways to one number, for the KLT and path coding at `BITS`."""
    points, h = [], csi.test
    for name, codec in _codecs(csi, BITS).items():
        packets = codec.compress(h)
        nmse = metrics.nmse(h, codec.decompress(packets))
        bits = metrics.bits_per_csi(packets)
        for effect, other in ways(h, nmse).items():
            both = (_db(nmse.mean()), other)
            points.append(_point(effect, name, csi.name, *both, bits=bits))
    return points


def ways(h: np.ndarray, nmse: np.ndarray) -> dict[str, float]:
    """Returns what published ways make of the errors of many matrices.

    Args:
      h: complex64 [n, num_tx, num_delay], the matrices, in the order of the file.
      nmse: float64 [n], the NMSE of each, linear.

    Returns:
      The way in words, to its number [dB].
    """
    energy = (np.abs(h) ** 2).sum((1, 2))
    constant = 2 * 0.5**2 * h[0].size  # Energy of 0.5 in real and imaginary parts.
    found = {
        f"dB of each batch of {size}, then their mean": _of_batches(nmse, size)
        for size in _BATCHES
    }
    return {
        **found,
        "dB of each matrix, then their mean": _of_batches(nmse, 1),
        _AVERAGE: _db(np.median(nmse)),
        f"the first {_FIRST} test matrices": _db(nmse[:_FIRST].mean()),
        "sum of errors over sum of energies": _db((nmse * energy).sum() / energy.sum()),
        "relative to CSI from which 0.5 is not subtracted": _db(
            (nmse * energy).mean() / (constant + energy.mean())
        ),
    }


def _db(value: float) -> float:
    return float(metrics.to_db(float(value)))


def _of_batches(nmse: np.ndarray, size: int) -> float:
    num = max(1, len(nmse) // size)
    parts = np.split(nmse[: num * size], num)
    return float(np.mean([_db(part.mean()) for part in parts]))


def _side_information(csi: Csi) -> list[dict]:
    """What bits that are sent but not counted seem to gain."""
    h = csi.test[:_SENT]
    values: dict[str, list[float]] = {}
    for side in (0, *_SIDE):
        for name, codec in _codecs(csi, _RATE + side).items():
            h_hat = codec.decompress(codec.compress(h))
            value = _db(metrics.nmse(h, h_hat).mean())
            values.setdefault(name, []).append(value)
    return [
        _point(
            _SIDE_EFFECT.format(side),
            *(name, csi.name, honest, other),
            bits=_RATE,
        )
        for name, (honest, *others) in values.items()
        for side, other in zip(_SIDE, others)
    ]


def _truncation(source: str) -> list[dict]:
    """What the first 32 delay taps cannot hold, whatever the codec."""
    place = (source, 1, blocks.SPLITS.index("test"), 0, _SIMULATED)
    h, hf = blocks.draw(*place, frequency=True)
    assert hf is not None
    lost = metrics.nmse(hf, transforms.to_subcarriers(h))
    floor = _db(lost.mean())
    return [
        {
            **{"codec": "a perfect codec", "effect": _CUT, "dataset": source},
            **{"split": "test", "nmse_db": floor},
        }
    ]


def _trained(
    folder: pathlib.Path,
    name: str,
    changes: list[str],
    h_train: np.ndarray,
    h_val: np.ndarray,
    progress: bool,
) -> neural.Codec:
    """A short training of a network; a finished one is loaded."""
    if not (folder / CODEC_FILE).exists():
        config = configs.read(name, changes)
        fit.train(config, folder, h_train, h_val, True, progress)
    return neural.load(folder)


def _choice(csi: Csi, workdir: pathlib.Path, progress: bool) -> list[dict]:
    """The epoch that is best on test matrices, and entries of 32 bits.

    Two trainings of one seed have the same weights after each epoch. One is validated
    on validation matrices, the other one on test matrices.
    """
    changes = ["epochs=20", "batch_size=50", "latent_dim=128"]
    h_train = csi.train[:_NET_TRAIN]
    logs, codecs = [], []
    for split in ("val", "test"):
        h = {"val": csi.val, "test": csi.test}[split][:_NET_VAL]
        folder = workdir / f"csinet_best_on_{split}"
        arguments = ("paper_networks:csinet", changes, h_train, h)
        codecs.append(_trained(folder, *arguments, progress))
        logs.append([row["val_nmse_db"] for row in read_log(folder)])
    on_val, on_test = map(np.array, logs)
    name = "csinet, 20 epochs at one learning rate"
    points = [
        _point(effect, name, csi.name, tried[chosen.argmin()], tried.min())
        for effect, tried, chosen in (
            (_BEST, on_test, on_val),
            ("the same, of every tenth epoch", on_test[9::10], on_val[9::10]),
        )
    ]
    codec, h = codecs[0], csi.test[:_NET_VAL]
    x = np.load(workdir / "csinet_best_on_val" / CALIBRATION_FILE).astype(np.float32)
    reals = metrics.nmse(h, codec.decompress(codec.compress(h))).mean()
    for bits in (4, 6, 8):
        made = requantize.quantized(codec, x, bits)
        packets = made.compress(h)
        coded = metrics.nmse(h, made.decompress(packets)).mean()
        effect = f"a codeword of reals in place of {bits} bits an entry"
        both = (_db(each) for each in (coded, reals))
        sent = metrics.bits_per_csi(packets)
        points.append(_point(effect, name, csi.name, *both, bits=sent))
    return points
