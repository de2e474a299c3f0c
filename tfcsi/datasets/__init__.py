"""Data sources: one module each, which owns its file keys and constants."""

from __future__ import annotations

from types import ModuleType

from tfcsi.datasets import cost2100

DATASETS = {"cost2100": cost2100}


def get(name: str) -> ModuleType:
    """The module of a data source, by name.

    Raises:
      ValueError: no such source; the message lists those there are.
    """
    if name not in DATASETS:
        raise ValueError(f"unknown dataset {name!r}; known: {', '.join(DATASETS)}")
    return DATASETS[name]
