"""The training-free codecs at multiples of a rate."""

from __future__ import annotations

import numpy as np
import tqdm

from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.evaluation import measure

RATES = (0.5, 1.0, 1.7)  # Bits of the training-free codecs, relative to the network's.
TOPK_MU = 10.0


def baselines(
    bits: float, h_train: np.ndarray, h_val: np.ndarray, h_test: np.ndarray
) -> list[dict]:
    """Measures KLT and top-K coding at multiples of a rate, learned on training data.

    Args:
      bits: Real bits a matrix.
      h_train: complex64 [n, num_tx, num_delay], for the KLT and its tables.
      h_val: complex64 [n, num_tx, num_delay], by which top-K chooses k and value_bits.
      h_test: complex64 [n, num_tx, num_delay], to measure on.

    Returns:
      Points; `rate` is the multiple in `RATES`.
    """
    points = []
    for rate in tqdm.tqdm(RATES, desc="training-free codecs", leave=False):
        for codec in (
            Klt.at_bits(h_train, rate * bits),
            TopK.at_bits(h_val, rate * bits, TOPK_MU),
        ):
            point = measure.evaluate(codec, h_test)
            points.append({"codec": codec.name, **point, "rate": rate})
    return points
