"""Stages of a training: which part of a pair learns when."""

from __future__ import annotations

import dataclasses

import ml_collections
import numpy as np

from tfcsi.codecs.fields import with_defaults
from tfcsi.codecs.schema import STAGE


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a training.

    Attributes:
      epochs: Number of epochs, at least one. Those of all stages sum to
        `config.epochs`.
      train: Regular expression of the layers that are trained; "" for all.
      quantize: Whether the codeword is quantised and its bits count.
      noise: Whether the noise of the config is applied.
      loss: "csi" or "codeword".
    """

    epochs: int
    train: str
    quantize: bool
    noise: bool
    loss: str


def stages_of(config: ml_collections.ConfigDict) -> list[Stage]:
    """Returns the stages of a training.

    Args:
      config: Of the run; `epochs` and `stages` count.

    Returns:
      The stages, or one of all epochs if the config has none.

    Raises:
      ValueError: If there are too few epochs for the stages.
    """
    entries = [{**with_defaults(STAGE), **stage} for stage in config.stages]
    entries = entries or [{**with_defaults(STAGE), "share": 1}]
    shares = [entry.pop("share") for entry in entries]
    ends = np.rint(config.epochs * np.cumsum(shares) / sum(shares)).astype(int)
    epochs = np.diff(ends, prepend=0)
    if epochs.min() < 1:
        raise ValueError(
            f"epochs is {config.epochs}; too few for {len(entries)} stages of shares "
            f"{shares}"
        )
    return [Stage(int(number), **entry) for number, entry in zip(epochs, entries)]
