"""Limits of the size of networks: what is too large is refused before it is built."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from tfcsi import models

MAX_REALS = 2**24  # Of a matrix: 4096 antennas by 2048 taps.
MAX_PARAMS = 2**30  # Of a network: 4 GiB.
MAX_OPTION = 2**16  # A width or a number of layers.
_USUAL = 2048  # A network without a larger number is built without being counted.


def check(
    name: str, shape: tuple[int, int], latent_dim: int, options: Mapping[str, object]
) -> None:
    """Refuses a network that is too large, before it takes any memory.

    Args:
      name: A key of `models.MODELS`.
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      options: Arguments of the builders besides; those not given have their defaults.

    Raises:
      ValueError: If the codeword is longer than the matrix, or if the matrix, an option
        or one of the two networks is larger than the limits of this module.
    """
    reals = 2 * math.prod(shape)
    if reals > MAX_REALS:
        raise ValueError(
            f"shape is {tuple(shape)}, which are {reals:,} reals a matrix; "
            f"the limit is {MAX_REALS:,}"
        )
    if latent_dim > reals:
        raise ValueError(
            f"latent_dim is {latent_dim}; it must be at most the {reals} reals of a "
            f"matrix of shape {tuple(shape)}"
        )
    numbers = [(key, n) for key, value in options.items() for n in _integers(value)]
    for key, number in numbers:
        if number > MAX_OPTION:
            raise ValueError(f"network.{key} is {number}; the limit is {MAX_OPTION}")
    large = max((number for _, number in numbers), default=0) > _USUAL
    if large or reals * latent_dim > MAX_PARAMS // 4:
        _count(name, shape, latent_dim, options)


def _integers(value: object) -> Iterator[int]:
    """The integers of an option: itself, or those of a sequence."""
    for number in value if isinstance(value, Sequence) else (value,):
        if isinstance(number, int):
            yield number


def _count(
    name: str, shape: tuple[int, int], latent_dim: int, options: Mapping[str, object]
) -> None:
    """Builds both networks as graphs that hold no variables, and counts them."""
    import tensorflow as tf

    model = models.get(name)
    for side, build in (("encoder", model.encoder), ("decoder", model.decoder)):
        with tf.Graph().as_default():
            params = build(shape, latent_dim, **options).count_params()
        if params > MAX_PARAMS:
            raise ValueError(
                f"the {side} of {name} would have {params:,} parameters with shape "
                f"{tuple(shape)}, latent_dim {latent_dim} and {dict(options)}; the "
                f"limit is {MAX_PARAMS:,}"
            )
