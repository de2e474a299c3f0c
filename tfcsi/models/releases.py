"""How released networks name their weights, and the way between theirs and ours.

A model's file has a table for each release of its network, a row a layer:

    stem                decoder_feature.conv5x5_bn
    block{i}_path1_3x3  decoder_feature.CRBlock{i+1}.path1.conv3x3

On the left stands our layer, on the right the beginning of its names there. `{i}` is a
number of a layer of ours; `{i+1}` or `{3i-2}` is what is computed from it. A third word
says how the numbers of a dense layer are stored, see `HOW`. The row of a convolution
holds for the normalisation behind it, too.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from tensorflow.keras import layers

from tfcsi.models.binary import BinaryDense
from tfcsi.models.grouped import GroupedConv2D

# What PyTorch and thop add to the weights of a layer.
IGNORED = re.compile(r"(^|\.)(num_batches_tracked|total_ops|total_params)$")
# A dense layer as a matrix [outputs, inputs] (or [inputs, outputs], of Keras); as a
# convolution of length 1; as a transposed one; as a 1 x 1 convolution of Keras; as
# Keras has it for an image in the order height, width, channel at its input or output.
HOW = ("", "conv1d", "transposed", "1x1", "from_hwc", "to_hwc")
_PLACE = re.compile(r"\{(\d*)i([+-]\d+)?\}")


@dataclasses.dataclass(frozen=True)
class Release:
    """A released network.

    Attributes:
      code: Where it was released, for people.
      encoder: Table of the layers of the encoder, see above.
      decoder: Table of the layers of the decoder.
      kind: "pytorch" or "keras", which says how weights are called and stored.
      options: Options of our network that it is.
      derived: Option to a function of the weights that returns its value.
      telling: Name of a weight to its number of axes and last length, by which this
        release is told from the next one with the same names.
      unused: Regular expression of names of weights that nothing uses.
      conv: What is behind the name of a normalised convolution.
      norm: What is behind the name of its normalisation.
    """

    code: str
    encoder: str
    decoder: str
    kind: str = "pytorch"
    options: Mapping[str, object] = dataclasses.field(
        default_factory=lambda: {"form": "released"}
    )
    derived: Mapping[str, Callable[[Mapping], object]] = dataclasses.field(
        default_factory=dict
    )
    telling: Mapping[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    unused: str = "$^"
    conv: str = ".conv"
    norm: str = ".bn"

    def rows(self, part: str) -> list[tuple[str, str, str]]:
        """Returns the rows of "encoder" or "decoder": ours, theirs and how."""
        text = self.encoder if part == "encoder" else self.decoder
        rows = [line.split() for line in text.splitlines() if line.strip()]
        return [(row[0], row[1], row[2] if len(row) > 2 else "") for row in rows]

    def known(self, names: Iterable[str]) -> list[str]:
        """Returns the names of weights that are of a layer in the tables."""
        rows = [*self.rows("encoder"), *self.rows("decoder")]
        one = re.compile("|".join(rf"(?:{_pattern(row[1])})\..+" for row in rows))
        return [name for name in names if one.fullmatch(name)]

    def likeness(self, names: Iterable[str]) -> float:
        """Returns the share of the rows that some of the names are of."""
        text = "\n".join(names)
        rows = [*self.rows("encoder"), *self.rows("decoder")]
        found = [
            row
            for row in rows
            if re.search(rf"^{_pattern(row[1])}\..+$", text, re.MULTILINE)
        ]
        return len(found) / len(rows)

    def options_of(self, arrays: Mapping[str, np.ndarray]) -> dict[str, object]:
        """Returns the options of our network that some weights are of.

        Args:
          arrays: Weights by the names of the release; some may be missing.
        """
        options = dict(self.options)
        for option, derive in self.derived.items():
            try:
                options[option] = derive(arrays)
            except (KeyError, ValueError):  # `fill` says which weight is missing.
                continue
        return options


def numbered(pattern: str) -> Callable[[Mapping], int]:
    """Returns the function that counts what the names of weights number from 0.

    Args:
      pattern: Regular expression of the beginning of a name, with the number.
    """

    def count(arrays: Mapping) -> int:
        matches = (re.match(pattern, name) for name in arrays)
        return 1 + max(int(match[1]) for match in matches if match)

    return count


class Slot(NamedTuple):
    """One weight of a release, and what it is here.

    Attributes:
      name: Its name there.
      indices: Numbers of our weights of the layer that it holds.
      ours: Function of its numbers to those of our weights.
      theirs: Function of our weights to its numbers.
    """

    name: str
    indices: tuple[int, ...]
    ours: Callable[[np.ndarray], list[np.ndarray]]
    theirs: Callable[[list[np.ndarray]], np.ndarray]


def slots(
    release: Release, part: str, network, shape: tuple[int, int]
) -> Iterable[tuple[layers.Layer, list[Slot]]]:
    """Yields the layers of a network that have weights, each with its slots.

    Args:
      release: The release.
      part: "encoder" or "decoder".
      network: Our network.
      shape: (num_tx, num_delay).

    Raises:
      KeyError: If the table has no row for a layer.
    """
    rows = release.rows(part)
    named = {layer.name for layer in network.layers}
    for layer in network.layers:
        if not layer.weights:
            continue
        row = _row(rows, layer.name)
        if row is None and layer.name.endswith("_bn"):
            row = _row(rows, layer.name[: -len("_bn")])
            row = row and (row[0] + release.norm, "")
        elif f"{layer.name}_bn" in named and not _row(rows, f"{layer.name}_bn"):
            row = row and (row[0] + release.conv, row[1])
        if row is None:
            raise KeyError(f"the table of {release.code} has no row for {layer.name}")
        yield layer, _slots_of(layer, *row, release.kind, shape)


def _row(rows, name: str) -> tuple[str, str] | None:
    """The beginning of the names of a layer of ours there, and how it is stored."""
    for ours, theirs, how in rows:
        if match := re.fullmatch(_pattern(ours), name):
            return _filled(theirs, int(match[1]) if match.groups() else 0), how
    return None


def _pattern(text: str) -> str:
    """The regular expression of a name in a table."""
    parts = re.split(r"\{.*?\}", text)
    return r"(\d+)".join(map(re.escape, parts))


def _filled(text: str, number: int) -> str:
    """A name in a table for one number."""

    def computed(match: re.Match) -> str:
        factor, shift = match.groups()
        return str(int(factor or 1) * number + int(shift or 0))

    return _PLACE.sub(computed, text)


def _slots_of(layer, theirs: str, how: str, kind: str, shape) -> list[Slot]:
    """The slots of a layer."""
    keras = kind == "keras"
    if isinstance(layer, layers.BatchNormalization):
        names = ("weight", "bias", "running_mean", "running_var")
        if keras:
            names = ("gamma", "beta", "moving_mean", "moving_variance")
        return [_plain(f"{theirs}.{name}", i) for i, name in enumerate(names)]
    if isinstance(layer, layers.MultiHeadAttention):
        return _attention(layer, theirs)
    if isinstance(layer, layers.LayerNormalization):
        return [_plain(f"{theirs}.{n}", i) for i, n in enumerate(("weight", "bias"))]
    kernel, bias = ("kernel", "bias") if keras else ("weight", "bias")
    if isinstance(layer, layers.PReLU):
        alpha = layer.get_weights()[0].shape
        return [
            Slot(
                f"{theirs}.{kernel}",
                (0,),
                lambda a: [a.reshape(alpha)],
                lambda w: w[0].reshape(-1),
            )
        ]
    made = [_kernel(layer, f"{theirs}.{kernel}", how, keras, shape)]
    if len(layer.weights) > 1:
        made.append(_plain(f"{theirs}.{bias}", 1))
    if how == "to_hwc":
        order = _hwc(shape)
        made[1] = Slot(
            made[1].name,
            (1,),
            lambda a: [a[order]],
            lambda w: w[0][np.argsort(order)],
        )
    return made


def _plain(name: str, index: int) -> Slot:
    """A weight that is the same here."""
    return Slot(name, (index,), lambda a: [a], lambda w: w[0])


def _hwc(shape) -> np.ndarray:
    """Place in the order height, width, channel of each entry of ours."""
    count = 2 * shape[0] * shape[1]
    return np.arange(count).reshape(*shape, 2).transpose(2, 0, 1).ravel()


def _kernel(layer, name: str, how: str, keras: bool, shape) -> Slot:
    """The kernel of a convolution or a dense layer."""
    convolutions = (layers.Conv2D, layers.Conv2DTranspose, GroupedConv2D)
    if isinstance(layer, convolutions):
        if keras:
            return _plain(name, 0)
        return Slot(
            name,
            (0,),
            lambda a: [a.transpose(2, 3, 1, 0)],
            lambda w: w[0].transpose(3, 2, 0, 1),
        )
    if not isinstance(layer, (layers.Dense, BinaryDense)):
        raise TypeError(f"there is no rule for the layer {layer.name}")
    order = _hwc(shape)
    back = np.argsort(order)
    pair = {
        "": (lambda a: a.T, lambda w: w.T),
        "conv1d": (lambda a: a[:, :, 0].T, lambda w: w.T[:, :, None]),
        "transposed": (lambda a: a[:, :, 0], lambda w: w[:, :, None]),
        "1x1": (lambda a: a[0, 0], lambda w: w[None, None]),
        "from_hwc": (lambda a: a[order], lambda w: w[back]),
        "to_hwc": (lambda a: a[:, order], lambda w: w[:, back]),
    }[how]
    if keras and not how:
        return _plain(name, 0)
    return Slot(name, (0,), lambda a: [pair[0](a)], lambda w: pair[1](w[0]))


def _attention(layer, theirs: str) -> list[Slot]:
    """PyTorch's multi-head attention, with query, key and value in one matrix."""
    shapes = [w.shape for w in layer.get_weights()]

    def kernels(a: np.ndarray) -> list[np.ndarray]:
        return [w.T.reshape(shapes[2 * i]) for i, w in enumerate(np.split(a, 3))]

    def biases(a: np.ndarray) -> list[np.ndarray]:
        return [b.reshape(shapes[2 * i + 1]) for i, b in enumerate(np.split(a, 3))]

    width = shapes[0][0]
    return [
        Slot(
            f"{theirs}.in_proj_weight",
            (0, 2, 4),
            kernels,
            lambda w: np.concatenate([k.reshape(width, -1).T for k in w]),
        ),
        Slot(
            f"{theirs}.in_proj_bias",
            (1, 3, 5),
            biases,
            lambda w: np.concatenate([b.reshape(-1) for b in w]),
        ),
        Slot(
            f"{theirs}.out_proj.weight",
            (6,),
            lambda a: [a.T.reshape(shapes[6])],
            lambda w: w[0].reshape(-1, width).T,
        ),
        _plain(f"{theirs}.out_proj.bias", 7),
    ]
