"""Reads weights from HDF5 files of Keras, whatever its version.

Keras numbers the layers of a kind through the whole process: the first convolution of a
network may be `conv2d`, `conv2d_1` or `conv2d_7`. Names are therefore made anew from
the kind of a layer and its place among those of its kind: `conv2d.0.kernel`.
"""

from __future__ import annotations

import os
import re

import numpy as np

from tfcsi.archives import check_declared

HDF5 = b"\x89HDF\r\n\x1a\n"
OPTIMIZERS = ("optimizer_weights", "optimizer", "_optimizer")
# Names of the weights of a layer that a file of Keras 3 only numbers.
PARTS = {
    4: ("gamma", "beta", "moving_mean", "moving_variance"),
    2: ("kernel", "bias"),
    1: ("kernel",),
}


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the weights of a file that `save_weights` or `save` of Keras wrote.

    Args:
      path: The file, .h5 or .weights.h5.

    Returns:
      `kind.number.weight` to the weight, as `conv2d.0.kernel`, float32.

    Raises:
      ValueError: If it is no such file. The message names it.
    """
    import h5py

    from tfcsi import hdf5_files

    found: dict[str, dict[str, np.ndarray]] = {}

    def visit(place: str, node: object) -> None:
        parts = place.split("/")
        if not isinstance(node, h5py.Dataset) or parts[0] in OPTIMIZERS:
            return
        check_declared(path, node.shape)
        if node.dtype.kind not in "fiub":
            return
        if node.external or node.is_virtual:
            raise ValueError(f"{place} is in another file")
        vars_of = len(parts) > 2 and parts[-2] == "vars"
        layer = parts[-3] if vars_of else parts[-2] if len(parts) > 1 else ""
        layer = layer.rpartition("\\")[2]  # As Keras 2.14 writes them.
        found.setdefault(layer, {})[parts[-1].partition(":")[0]] = np.asarray(
            node[()], np.float32
        )

    try:
        with hdf5_files.opened(path) as file:
            file.visititems(visit)
    except Exception as error:  # A damaged file raises errors of many kinds.
        raise ValueError(
            f"{path} cannot be read as a file of Keras: {error}"
        ) from error
    arrays = {
        f"{kind}.{i}.{name}": array
        for kind, i, layer in _in_order(found)
        for name, array in _named(found[layer]).items()
    }
    if not arrays:
        raise ValueError(f"{path} holds no weights")
    return arrays


def _in_order(layers: dict[str, dict[str, np.ndarray]]) -> list[tuple[str, int, str]]:
    """(kind, place among those of the kind, name) of each layer."""
    kinds: dict[str, list[tuple[int, str]]] = {}
    for layer in layers:
        number = re.search(r"_(\d+)$", layer)
        kind = layer[: number.start()] if number else layer
        kinds.setdefault(kind, []).append((int(number[1]) if number else 0, layer))
    return [
        (kind, i, layer)
        for kind, members in kinds.items()
        for i, (_, layer) in enumerate(sorted(members))
    ]


def _named(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of a layer by name, also if the file only numbers them."""
    if not all(name.isdigit() for name in weights):
        return weights
    names = PARTS.get(len(weights), tuple(weights))
    return {names[i]: weights[key] for i, key in enumerate(sorted(weights, key=int))}
