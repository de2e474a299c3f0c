"""Data sets, models and codecs of other packages, found by their entry points.

A package names a module under one of the groups `tfcsi.datasets`, `tfcsi.models` and
`tfcsi.codecs`. The module declares what those of tfcsi declare: `DATASET`, `MODEL`, or
`load` and `fit`. `examples/bring_your_own` has one of each.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from importlib import metadata

DATASETS, MODELS, CODECS = (
    f"tfcsi.{kind}" for kind in ("datasets", "models", "codecs")
)


def modules(group: str, own: Iterable[str]) -> dict[str, str]:
    """Returns the modules that other packages add to a registry.

    Args:
      group: `DATASETS`, `MODELS` or `CODECS`.
      own: Names that tfcsi has itself. A package that takes one of them is left out,
        with a warning.

    Returns:
      Name to the full name of the module.
    """
    if sys.version_info >= (3, 10):
        points = list(metadata.entry_points(group=group))
    else:
        points = list(metadata.entry_points().get(group, ()))
    found = {point.name: point.value.partition(":")[0] for point in points}
    for name in sorted(found.keys() & set(own)):
        warnings.warn(
            f"the entry point {name!r} of {group}, module {found.pop(name)}, has the "
            f"name of one of tfcsi; it is left out",
            stacklevel=2,
        )
    return found
