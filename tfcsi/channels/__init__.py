"""Channel simulators: one model a module, each with the same `simulate`.

`contract.Simulator` says what all of them offer. A channel is a simulator and one of
its scenarios, with the name `SIMULATOR_SCENARIO`.
"""

from __future__ import annotations

import importlib

from tfcsi.channels.contract import Simulator

CHANNELS = {
    "cost2100": "tfcsi.channels.cost2100",
    "tr38901": "tfcsi.channels.tr38901",
    "raytraced": "tfcsi.channels.raytraced",
}


def get(name: str) -> Simulator:
    """Returns a channel simulator by its name.

    Args:
      name: a key of `CHANNELS`, such as "cost2100".

    Returns:
      The simulator.

    Raises:
      ValueError: no such simulator; the message lists those there are.
    """
    if name not in CHANNELS:
        raise ValueError(f"unknown channel {name!r}; known: {', '.join(CHANNELS)}")
    return importlib.import_module(CHANNELS[name]).SIMULATOR
