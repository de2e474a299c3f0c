"""What the registry holds of a model: how to build it, and what else it can do."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from tensorflow.keras import Model as Network

    from tfcsi.models.releases import Release


@dataclasses.dataclass(frozen=True)
class Model:
    """One model of the registry; each module of this package declares its own.

    The optional functions are None where a model has no such step.

    Attributes:
      name: Key of `tfcsi.models.MODELS`.
      encoder: Function (shape, latent_dim, **options) that builds the UE network, Keras
        model x float32 [n, num_tx, num_delay, 2] -> y float32 [n, latent_dim].
      decoder: Function of the same arguments that builds the BS network, Keras model
        y_hat float32 [n, latent_dim] -> x_hat float32 [n, num_tx, num_delay, 2].
      share: Function (encoder, decoder) that gives both the same variables, for a model
        that has one network at both ends.
      fold: Function of an encoder that returns the same network with fewer operations,
        for export to the phone.
      fold_to_train: The same with parts that can still be trained, for a training with
        fake quantisation.
      initialize_klt: Function (encoder, decoder, h) that sets weights so that the pair
        is the Karhunen-Loeve transform of training matrices h, complex64
        [n, num_tx, num_delay].
      releases: Released networks whose weights it takes, see `tfcsi.models.releases`.
      options: Option to default: the arguments of `encoder` besides shape and
        latent_dim, which are those of `decoder`, too.

    Raises:
      TypeError: If the two builders differ in their options.
    """

    name: str
    encoder: Callable[..., Network]
    decoder: Callable[..., Network]
    share: Callable[[Network, Network], None] | None = None
    fold: Callable[[Network], Network] | None = None
    fold_to_train: Callable[[Network], Network] | None = None
    initialize_klt: Callable[[Network, Network, np.ndarray], None] | None = None
    releases: Sequence[Release] = ()
    options: Mapping[str, object] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        """Reads the options from the builders."""
        options, others = map(_options, (self.encoder, self.decoder))
        if options != others:
            raise TypeError(
                f"{self.name}: the options of the encoder are {options}, those of the "
                f"decoder are {others}"
            )
        object.__setattr__(self, "options", options)


def _options(build: Callable) -> dict[str, object]:
    """The arguments of a function with their defaults, but the first two."""
    _, _, *arguments = inspect.signature(build).parameters.values()
    return {argument.name: argument.default for argument in arguments}
