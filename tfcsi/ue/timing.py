"""How long a phone takes for a packet."""

from __future__ import annotations

import time

import numpy as np

from tfcsi.coding.sending import network_input, packets
from tfcsi.ue.encoders import Ue


def microseconds(ue: Ue, h: np.ndarray, runs: int = 300) -> dict[str, float]:
    """Measures how long a matrix takes on the way to its packet.

    Args:
      ue: Ue.
      h: complex64 [num_tx, num_delay].
      runs: How often each step is measured.

    Returns:
      Median times [us]: `network`, the network alone; `packet`, the entropy coder, the
      check and the header; `whole`, `encode` from end to end.
    """
    x, _ = network_input(h[None], h.shape, ue.send_gain)
    symbols, side = ue.symbols(h)
    steps = {
        "network": lambda: ue.analysis(x),
        "packet": lambda: packets(symbols, side, ue.session, ue.tables),
        "whole": lambda: ue.encode(h),
    }
    medians = {}
    for name, step in steps.items():
        step()  # Fills caches.
        times = []
        for _ in range(runs):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        medians[name] = 1e6 * float(np.median(times))
    return medians
