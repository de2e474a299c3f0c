"""The training-free codecs at multiples of a rate."""

from __future__ import annotations

import numpy as np
import tqdm

from tfcsi import metrics
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.topk import TopK
from tfcsi.coding.path_steps import STEPS, step_of
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


def paths_at_bits(codec: Paths, h: np.ndarray, bits: float) -> Paths:
    """Finds the finest usual step of path coding that keeps to mean bits.

    Args:
      codec: Any codec of paths.
      h: complex64 [n, num_tx, num_delay], validation matrices.
      bits: What the mean packet may take at most, whole packets [bits].

    Returns:
      The codec with that step, or with the coarsest one if none keeps to `bits`.
    """
    low, high = 0, STEPS
    while high - low > 1:
        middle = (low + high) // 2
        packets = codec.at_step(float(step_of(middle))).compress(h)
        keeps = metrics.bits_per_csi(packets) <= bits
        low, high = (middle, high) if keeps else (low, middle)
    return codec.at_step(float(step_of(low)))
