"""Channel simulators: one model a module, each with `simulate(num, seed, ...)`."""

from __future__ import annotations

from types import ModuleType

from tfcsi.channels import cost2100, tr38901

CHANNELS = {"cost2100": cost2100, "tr38901": tr38901}


def get(name: str) -> ModuleType:
    """The module of a channel simulator, by name.

    Raises:
      ValueError: no such simulator; the message lists those there are.
    """
    if name not in CHANNELS:
        raise ValueError(f"unknown channel {name!r}; known: {', '.join(CHANNELS)}")
    return CHANNELS[name]
