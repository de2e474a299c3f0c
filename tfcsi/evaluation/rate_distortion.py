"""Codecs without a network, and trained runs, at several rates on one source.

Everything is learned on training matrices and chosen on validation matrices. Bits are
those of whole packets, which are written and read back.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import tqdm
from scipy.interpolate import PchipInterpolator

from tfcsi import datasets
from tfcsi.codecs.contract import Codec
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.gaussian_mixture import GaussianMixture, fit_scales
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.learned import Learned
from tfcsi.codecs.paths import NUM_FFT, Paths
from tfcsi.codecs.topk import TopK
from tfcsi.codecs.workdir import load
from tfcsi.codecs.zoo import entries
from tfcsi.evaluation import baselines, measure
from tfcsi.evaluation.rates import steps_of

REFERENCE = "klt"  # The codec that BD-rates are relative to.
_STEPS = (
    0.5,
    0.35,
    0.25,
    0.16,
    0.1,
    0.06,
    0.03,
    0.015,
)  # Relative to the root mean square norm.
_PATH_STEPS = tuple(2.0**-i for i in (2, 3, 4, 5, 6, 7, 7.5))
_EACH = 2  # Each so many rates of the codec `learned` are measured.
_COMPONENTS = 256
_BITS = (100, 200, 400, 800, 1600)


class Job(NamedTuple):
    """A point to measure.

    Attributes:
      codec: Name of its line.
      rate: The rate, or None.
      make: Returns the codec and the arguments of its `compress`.
      fitted: Whether the codec is there already, in a zoo or a folder. Then the
        point belongs to one session, and is measured anew if the codec has changed.
    """

    codec: str
    rate: float | None
    make: Callable[[], tuple[Codec, dict]]
    fitted: bool


class Csi(NamedTuple):
    """The matrices of a source, complex64 [n, num_tx, num_delay] each.

    Attributes:
      name: Of the source.
      data_root: Folder of the folders of the data sets.
      train, val, test: Its splits.
      num_fft: Length of the DFT over the band, of which they have the first taps.
    """

    name: str
    data_root: str | os.PathLike
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    num_fft: int


def rates_of(name: str, csi: Csi) -> dict[float, Callable[[], tuple[Codec, dict]]]:
    """The rates of a codec: step or bits to what makes it.

    Args:
      name: A name of `CODECS`.
      csi: Matrices of the source.

    Returns:
      Rate to a function that returns the codec and the arguments of its `compress`.
      Nothing for `learned` if no zoo has one of the source.
    """
    norm = float(np.sqrt((np.abs(csi.train) ** 2).sum((1, 2)).mean()))
    return CODECS[name](csi, norm)


def _klt(csi: Csi, norm: float) -> dict[float, Callable]:
    return {s: lambda s=s: (Klt.fit(csi.train, s * norm), {}) for s in _STEPS}


def _gaussian_mixture(csi: Csi, norm: float) -> dict[float, Callable]:
    made: list[np.ndarray] = []  # One mixture for all steps.

    def at(step: float) -> tuple[Codec, dict]:
        if not made:
            made.append(fit_scales(csi.train, _COMPONENTS))
        number = round(4 * math.log2(step * norm))
        codec = GaussianMixture.at_step(csi.train, made[0], number, datasets.DOMAINS[0])
        return codec, {}

    return {s: lambda s=s: at(s) for s in _STEPS}


def _dft_grid(csi: Csi, norm: float) -> dict[float, Callable]:
    del norm
    return {s: lambda s=s: (DftGrid.fit(csi.train, s), {}) for s in _STEPS}


def _topk(csi: Csi, norm: float) -> dict[float, Callable]:
    del norm
    mu = baselines.TOPK_MU
    return {b: lambda b=b: (TopK.at_bits(csi.val, b, mu), {}) for b in _BITS}


def _paths(csi: Csi, norm: float) -> dict[float, Callable]:
    del norm
    made: list[Paths] = []  # One for all rates.

    def at(step: float) -> tuple[Codec, dict]:
        if not made:
            made.append(paths_of(csi))
        return made[0].at_step(step), {}

    return {s: lambda s=s: at(s) for s in _PATH_STEPS}


def paths_of(csi: Csi) -> Paths:
    """The codec `paths` of a source: that of a zoo, or one that is fitted now."""
    codec = _of_zoo(Paths.name, csi)
    if codec is None:
        return Paths.fit(csi.train, num_fft=csi.num_fft)
    assert isinstance(codec, Paths)
    return codec


def _learned(csi: Csi, norm: float) -> dict[float, Callable]:
    del norm
    codec = _of_zoo(Learned.name, csi)
    if codec is None:
        return {}
    assert isinstance(codec, Learned)
    steps = codec.steps[codec.rate % _EACH :: _EACH].tolist()
    return {s: lambda s=s: (codec, {"step": s}) for s in steps}


def _of_folder(workdir: str, step: float | None) -> tuple[Codec, dict]:
    """The codec of a run, and the arguments of its `compress` for a step."""
    return load(workdir), {} if step is None else {"step": step}


def _of_zoo(kind: str, csi: Csi) -> Codec | None:
    """The codec of a kind that a zoo has for a source, or None."""
    name = f"{kind}_{csi.name}"
    known = entries()
    return load(name) if name in known and known[name].is_here() else None


# Name of a codec to the function (csi, norm) that `rates_of` calls.
CODECS: Mapping[str, Callable[[Csi, float], dict[float, Callable]]] = {
    "klt": _klt,
    "gaussian_mixture": _gaussian_mixture,
    "topk": _topk,
    "dft_grid": _dft_grid,
    "paths": _paths,
    "learned": _learned,
}


def available(csi: Csi) -> list[str]:
    """Returns the names of `CODECS` that a source has."""
    return [name for name in CODECS if rates_of(name, csi)]


def read(dataset: str, data_root: str | os.PathLike) -> Csi:
    """Reads a source in the angular-delay domain; raises as `datasets.load`."""
    domain = datasets.DOMAINS[0]
    train, val, test = (
        datasets.load(dataset, data_root, split, domain)
        for split in ("train", "val", "test")
    )
    # The matrices of ray tracing have all delay taps; the others are the first of many.
    own = {"quadriga": 1024, "raytraced": test.shape[2]}
    return Csi(
        dataset,
        data_root,
        train,
        val,
        test,
        own.get(datasets.parts(dataset)[0], NUM_FFT),
    )


def matrices(csi: Csi, codec: Codec, split: str) -> np.ndarray:
    """The matrices of a split in the domain of a codec, complex64 [n, ...]."""
    if codec.domain == datasets.DOMAINS[0]:
        return getattr(csi, split)
    return datasets.load(csi.name, csi.data_root, split, codec.domain)


def measure_all(
    csi: Csi,
    dataset: str,
    codecs: Sequence[str],
    workdirs: Sequence[str] = (),
    points: Sequence[Mapping] = (),
    progress: bool = True,
) -> Iterator[list[dict]]:
    """Measures codecs at all of their rates.

    Args:
      csi: Matrices of the source.
      dataset: Name of the source.
      codecs: Names of `CODECS`.
      workdirs: Folders of runs that were trained on this source.
      points: Points that are there already. They are kept and not measured again,
        except those of a codec that was fitted before and is another one now: each
        point has the fingerprint of its session.
      progress: Show a progress bar.

    Yields:
      All points so far, after each new one.

    Raises:
      ValueError: If a name is not known or no zoo has the codec, or if a run takes
        other matrices.
    """
    if unknown := sorted({*codecs} - {*CODECS}):
        raise ValueError(f"unknown codec {unknown[0]!r}; known: {', '.join(CODECS)}")
    there = {(point["codec"], point.get("rate")): dict(point) for point in points}
    jobs = []
    for name in codecs:
        fitted = name in (Paths.name, Learned.name) and _of_zoo(name, csi) is not None
        rates = rates_of(name, csi)
        if not rates:
            raise ValueError(
                f"no zoo has a codec {name}_{csi.name}; tfcsi zoo lists all"
            )
        jobs += [Job(name, rate, make, fitted) for rate, make in rates.items()]
    for workdir in workdirs:
        name = os.path.basename(os.path.normpath(workdir))
        for step in steps_of(load(workdir)):
            jobs.append(Job(name, step, partial(_of_folder, workdir, step), True))
    measured = {(job.codec, job.rate) for job in jobs}
    ordered = [point for key, point in there.items() if key not in measured]
    for job in tqdm.tqdm(jobs, desc=dataset, disable=not progress):
        point = there.get((job.codec, job.rate))
        if point is None or job.fitted:
            codec, wishes = job.make()
            session = codec.session.fingerprint.hex()
            if point is None or point.get("session") != session:
                point = {**_point(codec, wishes, csi), "codec": job.codec}
                point |= {"dataset": dataset, "split": "test", "session": session}
                point |= {} if job.rate is None else {"rate": job.rate}
        ordered.append(point)
        yield with_bd_rates(ordered)


def _point(codec: Codec, wishes: dict, csi: Csi) -> dict:
    """A point of one codec, in its own domain: facts, measures and processor times."""
    h = matrices(csi, codec, "test")
    began = time.process_time()
    packets = codec.compress(h, **wishes)
    between = time.process_time()
    h_hat = codec.decompress(packets)
    ended = time.process_time()
    return {
        **codec.describe(),
        **measure.measure(h, h_hat, packets, codec.domain),
        "encode_ms": 1e3 * (between - began) / len(h),
        "decode_ms": 1e3 * (ended - between) / len(h),
    }


def with_bd_rates(points: Sequence[Mapping]) -> list[dict]:
    """Returns points with `bd_rate` of their codec, where one can be computed."""
    lines: dict[str, list] = {}
    for point in points:
        lines.setdefault(point["codec"], []).append((point["bits"], point["nmse_db"]))
    rates = {}
    for name, line in lines.items():
        rate = bd_rate(line, lines.get(REFERENCE, []))
        if rate is not None and name != REFERENCE:
            rates[name] = {"bd_rate": rate}
    bare = [{k: v for k, v in p.items() if k != "bd_rate"} for p in points]
    return [{**point, **rates.get(point["codec"], {})} for point in bare]


def bd_rate(
    line: Sequence[tuple[float, float]], reference: Sequence[tuple[float, float]]
) -> float | None:
    """Bjontegaard's mean difference of rates at equal NMSE.

    G. Bjontegaard, "Calculation of average PSNR differences between RD-curves",
    VCEG-M33 (2001), with piecewise cubic interpolation (PCHIP) of log bits over NMSE.

    Args:
      line: (bits, NMSE in dB) of the codec.
      reference: The same of the codec to compare with.

    Returns:
      Relative difference of the bits; -0.5 is half of the bits. None if one of them
      has fewer than two points, or if their NMSE do not overlap.
    """
    curves, spans = [], []
    for points in (line, reference):
        nmse_db, order = np.unique([p[1] for p in points], return_index=True)
        if len(nmse_db) < 2:
            return None
        log_bits = np.log([points[i][0] for i in order])
        curves.append(PchipInterpolator(nmse_db, log_bits))
        spans.append((nmse_db[0], nmse_db[-1]))
    low, high = max(s[0] for s in spans), min(s[1] for s in spans)
    if low >= high:
        return None
    one, two = (curve.integrate(low, high) for curve in curves)
    return float(np.expm1((one - two) / (high - low)))
