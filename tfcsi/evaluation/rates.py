"""A codec at all of its usual rates on test matrices, as its card in the zoo tells."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tqdm

from tfcsi import datasets
from tfcsi.codecs.contract import Codec, rates_of
from tfcsi.codecs.paths import Paths
from tfcsi.coding.path_steps import step_of
from tfcsi.evaluation import measure

_PATH_STEPS = tuple(2.0**-i for i in (2, 3, 4, 5, 6, 7))
_EACH = 3  # Each so many rates of a codec that has several are measured.


def steps_of(codec: Codec) -> list[float | None]:
    """Returns the steps at which a codec is measured; None is its only rate."""
    if isinstance(codec, Paths):
        return list(_PATH_STEPS)
    if (rates := rates_of(codec)) is not None:
        steps, usual = rates
        return [float(step) for step in steps[usual % _EACH :: _EACH]]
    return [None]


def usual_step(codec: Codec) -> float | None:
    """Returns the step that a codec takes if none is given; None if it has no steps."""
    if isinstance(codec, Paths):
        return float(step_of(codec.step))
    rates = rates_of(codec)
    return None if rates is None else float(rates[0][rates[1]])


def sources_of(config: Mapping[str, Any]) -> list[str]:
    """Returns the sources that a codec was trained on, by its config.

    Raises:
      ValueError: If the config names none.
    """
    if config.get("dataset") == "mixed":
        return config["scenario"].split(",")
    return [datasets.source_of(config)]


def read(config: Any, source: str, folder: str | os.PathLike, split: str) -> np.ndarray:
    """Reads matrices of a source as a codec takes them; raises as `datasets.read`.

    Args:
      config: Of the codec.
      source: Name of the source.
      folder: Folder of its files.
      split: Name of the split.

    Returns:
      complex64 [n, num_tx, num_delay].
    """
    options = datasets.options_of(config, source)
    return datasets.read(source, folder, split, **options)


def points(
    codec: Codec,
    folders: Mapping[str, str | os.PathLike],
    facts: Mapping[str, Any],
    progress: bool = True,
    num: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Measures a codec on the test matrices of sources, at all of its rates.

    Args:
      codec: The codec.
      folders: Name of each source to the folder of its files.
      facts: What each point has besides, such as `codec`, its name.
      progress: Show a progress bar.
      num: Number of the first test matrices of a source that are measured; None takes
        all.

    Yields:
      Points of a results file. `usual` tells whether `compress` without wishes gives
      the point; `encode_ms` and `decode_ms` are processor times of a matrix [ms].

    Raises:
      ValueError, OSError: If the test matrices of a source cannot be read or coded.
    """
    steps = steps_of(codec)
    jobs = [(source, step) for source in folders for step in steps]
    read_last, h = "", np.zeros(0)
    for source, step in tqdm.tqdm(jobs, desc="rates", disable=not progress):
        if source != read_last:
            h = read(codec.config, source, folders[source], "test")[:num]
            read_last = source
        yield {
            **codec.describe(),
            **({} if step is None else {"step": step}),
            **point(codec, h, step),
            "dataset": source,
            "split": "test",
            "usual": step == usual_step(codec),
            **facts,
        }


def point(codec: Codec, h: np.ndarray, step: float | None) -> dict[str, float]:
    """Measures a codec at one rate.

    Args:
      codec: The codec.
      h: complex64 [n, num_tx, num_delay].
      step: Of the quantiser, or None.

    Returns:
      The values of `measure.measure`, with `encode_ms` and `decode_ms`.
    """
    began = time.process_time()
    packets = codec.compress(h) if step is None else codec.compress(h, step=step)
    between = time.process_time()
    h_hat = codec.decompress(packets)
    ended = time.process_time()
    return {
        **measure.measure(h, h_hat, packets, codec.domain),
        "encode_ms": 1e3 * (between - began) / len(h),
        "decode_ms": 1e3 * (ended - between) / len(h),
    }
