"""Fine-tuning of a trained codec with another quantiser and prior, for a rate."""

from __future__ import annotations

import functools
import os

import ml_collections
import numpy as np

from tfcsi.codecs.neural import Codec
from tfcsi.training import config as configs
from tfcsi.training import run


def finetune(
    source: Codec,
    tuning: ml_collections.ConfigDict,
    workdir: str | os.PathLike,
    h_train: np.ndarray,
    h_val: np.ndarray,
    resume: bool = False,
    progress: bool = True,
) -> Codec:
    """Continues the training of the networks of a codec under another config.

    The quantiser and the prior are new. They start at the codewords of the trained
    networks.

    Args:
      source: A trained codec without fake quantisation.
      tuning: Fields that replace those of the source's config, as in
        configs/bottleneck.py.
      workdir: Folder of the new run.
      h_train: complex64 [n, num_tx, num_delay], as `run.train`.
      h_val: complex64 [n_val, num_tx, num_delay].
      resume: As `run.train`.
      progress: As `run.train`.

    Returns:
      The codec with its tables, as `tfcsi.load(workdir)` gives it.

    Raises:
      ValueError: If the source has fake quantisation, or as `run.train`.
      FileExistsError: As `run.train`.
    """
    if source.config.get("qat"):
        raise ValueError(
            "this run has fake quantisation; give the float run that it came from"
        )
    config = configs.complete(source.config)
    config.update(tuning)
    config.stages = ()
    if config.quantizer != source.config.quantizer and "quantizer_args" not in tuning:
        with config.unlocked():
            config.quantizer_args = ml_collections.ConfigDict()
    start = functools.partial(_copy, source=source)
    return run.train(
        config, workdir, h_train, h_val, resume, progress, start, source=source
    )


def _copy(codec: Codec, h: np.ndarray, source: Codec) -> None:
    """Gives a codec the weights of the networks of another one."""
    del h
    codec.encoder.set_weights(source.encoder.get_weights())
    codec.decoder.set_weights(source.decoder.get_weights())
