"""The trained arrays of a neural codec by name, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfcsi.coding.any_tables import AnyTables


def arrays_of(codec: Any) -> dict[str, np.ndarray]:
    """Returns the trained arrays of a `neural.Codec` by name, without its tables."""
    arrays = _weights(codec.encoder, "encoder") | _weights(codec.decoder, "decoder")
    for i, variable in enumerate(codec.quantizer.variables):
        arrays[f"quantizer/{i}"] = variable.numpy()
    return arrays


def assign(codec: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Gives a `neural.Codec` trained arrays, the inverse of `arrays_of`.

    Args:
      codec: The codec.
      arrays: By name; those of `tables/` and without a "/" are not looked at.

    Raises:
      KeyError: If one is missing.
      ValueError: If one has another shape, or has a name that is not known.
    """
    for name, network in (("encoder", codec.encoder), ("decoder", codec.decoder)):
        for layer in network.layers:
            count = len(layer.weights)
            layer.set_weights(
                [arrays[f"{name}/{layer.name}/{i}"] for i in range(count)]
            )
    for i, variable in enumerate(codec.quantizer.variables):
        variable.assign(arrays[f"quantizer/{i}"])
    unknown = {k for k in arrays if "/" in k and k.split("/")[0] != "tables"}
    if unknown := unknown - arrays_of(codec).keys():
        raise ValueError(f"it has unknown arrays: {', '.join(sorted(unknown))}")


def fingerprint(codec: Any, tables: AnyTables) -> bytes:
    """Returns 8 bytes of a digest of all that both sides share.

    Args:
      codec: `neural.Codec`; its quantiser and its decoder count.
      tables: Tables of the symbols.
    """
    digest = hashlib.sha256(tables.fingerprint())
    shared = [codec.config.send_gain, codec.config.quantizer]
    for field in ("network", "quantizer_args"):
        shared.append(json.dumps(codec.config[field].to_dict(), sort_keys=True))
    digest.update(repr(shared).encode())
    weights = _weights(codec.decoder, "decoder")
    weights |= {v.name: v.numpy() for v in codec.quantizer.variables}
    for name in sorted(weights):
        digest.update(np.ascontiguousarray(weights[name], "<f4").tobytes())
    return digest.digest()[:8]


def _weights(model: tf.keras.Model, name: str) -> dict[str, np.ndarray]:
    """Weights by name/layer/number, whatever the order of the layers."""
    return {
        f"{name}/{layer.name}/{i}": weight
        for layer in model.layers
        for i, weight in enumerate(layer.get_weights())
    }
