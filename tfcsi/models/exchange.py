"""Weights from other programs into networks, and back.

A file of weights has the names of a release of the model (`releases`), or our own: the
part, the layer and the weight, such as `encoder/codeword/kernel`, as Keras has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfcsi.models import releases
from tfcsi.models.contract import Model
from tfcsi.models.releases import IGNORED, Release

if TYPE_CHECKING:
    from tensorflow.keras import Model as Network

OWN = "encoder/"  # Our own names begin so.
PARTS = ("encoder", "decoder")
LEAST = 0.5  # Share of the rows of a release that a file of it has.
_DENSE = {"latent": "dense"}  # What a release is that does not say its latent.
SHOWN = 12  # Names in a message.


def match(
    model: Model, files: Sequence[Mapping[str, np.ndarray]], place: str
) -> tuple[Release | None, dict[str, np.ndarray]]:
    """Finds the release whose weights some files hold.

    Names may have something before them that all of a file have, such as "module.".
    Encoder and decoder may be in two files without a name of the part.

    Args:
      model: The model.
      files: Name to weight, of each file.
      place: Names of the files, for messages.

    Returns:
      The release, None for our own names; and the weights by its names.

    Raises:
      ValueError: If the names are of no release of the model, or twice in the files.
    """
    if any(name.startswith(OWN) for arrays in files for name in arrays):
        return None, _joined(files, place)
    found = []
    for release in model.releases:
        arrays = _joined([_named(release, arrays) for arrays in files], place)
        likeness = release.likeness(arrays)
        found.append((likeness, _told(release, arrays), release, arrays))
    best = max(found, key=lambda entry: entry[:2], default=None)
    if best is None or best[0] < LEAST:
        codes = ", ".join(dict.fromkeys(r.code for r in model.releases)) or "none"
        names = _shown(name for arrays in files for name in arrays)
        raise ValueError(
            f"{place} holds no weights of {model.name}: its names are {names}. Known "
            f"are those of the released code ({codes}) and our own, such as "
            f"encoder/codeword/kernel"
        )
    return best[2], best[3]


def fill(
    release: Release | None,
    networks: Sequence[Network],
    arrays: Mapping[str, np.ndarray],
    place: str,
) -> None:
    """Gives networks the weights of a release.

    Args:
      release: The release, or None for our own names.
      networks: Encoder and decoder.
      arrays: Weights by the names of the release.
      place: Name of the file, for messages.

    Raises:
      ValueError: If a weight is missing, is not known or has another shape. The message
        names each.
    """
    wanted = weights_of(release, networks)
    unused = re.compile(release.unused if release else "$^")
    missing = [name for name in wanted if name not in arrays]
    unknown = [
        name
        for name in arrays
        if name not in wanted and not IGNORED.search(name) and not unused.match(name)
    ]
    shapes = [
        f"{name} is {list(arrays[name].shape)} and not {list(weight.shape)}"
        for name, weight in wanted.items()
        if name in arrays and arrays[name].shape != weight.shape
    ]
    faults = [
        f"{words} {_shown(names)}"
        for words, names in (
            ("it lacks", missing),
            ("it has unknown weights,", unknown),
            ("wrong shapes,", shapes),
        )
        if names
    ]
    if faults:
        code = release.code if release else "this tfcsi"
        raise ValueError(
            f"{place} does not fit the network of {code}: {'; '.join(faults)}. Give "
            f"the latent_dim and the options with which it was trained"
        )
    if release is None:
        for part, network in zip(PARTS, networks):
            for weight in network.weights:
                weight.assign(arrays[_own_name(part, weight)])
        return
    shape = networks[0].input_shape[1:3]
    for part, network in zip(PARTS, networks):
        for layer, slots in releases.slots(release, part, network, shape):
            weights = layer.get_weights()
            for slot in slots:
                for i, weight in zip(slot.indices, slot.ours(arrays[slot.name])):
                    weights[i] = weight
            layer.set_weights(weights)


def weights_of(
    release: Release | None, networks: Sequence[Network]
) -> dict[str, np.ndarray]:
    """Returns the weights of networks by the names of a release.

    Args:
      release: The release, or None for our own names.
      networks: Encoder and decoder.

    Returns:
      Name to weight, in the axes of the release.
    """
    if release is None:
        return {
            _own_name(part, weight): weight.numpy()
            for part, network in zip(PARTS, networks)
            for weight in network.weights
        }
    shape, arrays = networks[0].input_shape[1:3], {}
    for part, network in zip(PARTS, networks):
        for layer, slots in releases.slots(release, part, network, shape):
            weights = layer.get_weights()
            for slot in slots:
                arrays[slot.name] = slot.theirs([weights[i] for i in slot.indices])
    return arrays


def release_of(model: Model, options: Mapping[str, object]) -> Release | None:
    """Returns the release that a network with some options is; None if there is none.

    Args:
      model: The model.
      options: Of the network, those that differ from the defaults at least.
    """
    options = {**model.options, **options}
    for release in model.releases:
        asked = (
            {**_DENSE, **release.options} if "latent" in options else release.options
        )
        if all(options[name] == value for name, value in asked.items()):
            return release
    return None


def _own_name(part: str, weight) -> str:
    return f"{part}/{weight.name.partition(':')[0]}"


def _named(release: Release, arrays: Mapping[str, np.ndarray]) -> dict:
    """The weights of a file by the names of the release, as far as they are that."""
    variants = [dict(arrays)]
    while len({name.partition(".")[0] for name in variants[-1]}) == 1:
        shorter = {n.partition(".")[2]: a for n, a in variants[-1].items()}
        if "" in shorter:
            break
        variants.append(shorter)
    variants += [
        {f"{part}.{name}": array for name, array in arrays.items()}
        for arrays in variants[:]
        for part in PARTS
    ]
    return max(variants, key=lambda named: len(release.known(named)))


def _told(release: Release, arrays: Mapping[str, np.ndarray]) -> int:
    """Whether the shapes of weights tell that they are of a release; 0 if unknown."""
    if not release.telling:
        return 0
    fits = (
        name in arrays and arrays[name].shape == shape
        for name, shape in release.telling.items()
    )
    return 1 if all(fits) else -1


def _joined(files: Iterable[Mapping[str, np.ndarray]], place: str) -> dict:
    joined: dict[str, np.ndarray] = {}
    for arrays in files:
        if twice := [name for name in arrays if name in joined]:
            raise ValueError(f"{place}: {_shown(twice)} is in more than one file")
        joined |= arrays
    return joined


def _shown(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
