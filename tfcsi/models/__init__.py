"""Model registry: one module a paper, each with `encoder` and `decoder`."""

from __future__ import annotations

import importlib
from types import ModuleType

MODELS = {"stqenet": "tfcsi.models.stqenet"}


def get(name: str) -> ModuleType:
    """Returns the module of a model.

    Args:
      name: A key of `MODELS`.

    Raises:
      ValueError: If the name is not known; the message lists the known names.
    """
    if name not in MODELS:
        raise ValueError(
            f"model is {name!r}; known models: {', '.join(sorted(MODELS))}"
        )
    return importlib.import_module(MODELS[name])
