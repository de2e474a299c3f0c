"""Makes runs of weights that were trained elsewhere.

The codeword of such a run is not quantised, so a packet has 32 bits a real, as in most
papers. `requantize` gives it fewer bits without a training, and a fine-tuning with a
quantiser and a prior gives it a rate that was learned.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np

from tfcsi import models
from tfcsi.codecs import schema
from tfcsi.codecs.neural import Codec
from tfcsi.entropy import priors
from tfcsi.models import exchange

FACT = "weights"  # Of a codec: where its weights came from.


def codec_of(
    config: ml_collections.ConfigDict,
    files: Sequence[Mapping[str, np.ndarray]],
    place: str,
    options: Mapping[str, Any],
) -> Codec:
    """Makes a codec of float codewords with the weights of some files.

    Args:
      config: Of a run with all fields. Its field `network` becomes what the weights
        tell and what `options` say.
      files: Name to weight, of each file.
      place: Names of the files, for messages and for the run.
      options: Options of the network that are given.

    Returns:
      The codec, which sends and receives.

    Raises:
      ValueError: If a field is out of range, or the weights do not fit the network.
        The message names each weight.
    """
    model = models.get(config.model)
    release, arrays = exchange.match(model, files, place)
    told = release.options_of(arrays) if release else {}
    with config.unlocked():
        config.network = ml_collections.ConfigDict({**model.options, **told, **options})
    config.update(quantizer="float", quantizer_args={}, prior="none")
    schema.check(config, whole=True)
    codec = Codec(config)
    exchange.fill(release, (codec.encoder, codec.decoder), arrays, place)
    prior = priors.get(config.prior)(0, None, config.coder)
    codec.use(prior.freeze(np.zeros((0, 0), np.int32)))
    source = release.code if release else "tfcsi"
    codec.facts = {FACT: f"{place} of {source}"}
    return codec


def weights_of(codec: Codec) -> dict[str, np.ndarray]:
    """Returns the weights of a codec, as `codec_of` takes them.

    Args:
      codec: A codec with a network. If the network is a released one, the names and
        axes are those of the release; otherwise they are our own.
    """
    release = exchange.release_of(models.get(codec.name), codec.config.network)
    return exchange.weights_of(release, (codec.encoder, codec.decoder))


def name_of(paths: Sequence[str | os.PathLike]) -> str:
    """Returns the names of files without their folders."""
    return ", ".join(os.path.basename(os.fspath(path)) for path in paths)
