"""Contexts of a quantised grid of angles and delays: integers that choose a table.

Entries are sent delay by delay, and angle by angle within a delay. The context of a
real part is a sum of the magnitudes of neighbours that were sent before, with integer
weights, and of a number of its own place. An imaginary part also has the magnitude of
its real part. All sums are of integers, the same on every machine.
"""

from __future__ import annotations

import numpy as np

# (delay, angle) of the neighbours, relative to the entry. Angles wrap around between
# delays; within a delay they do not.
NEIGHBOURS = (
    *((0, -1), (0, -2), (0, -3)),
    *((-1, -3), (-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2), (-1, 3)),
    *((-2, -1), (-2, 0), (-2, 1), (-3, 0)),
)
UNIT = 1024  # Integer of a magnitude of one.
# Contexts at which the next table begins, three an octave.
BORDERS = np.unique(np.rint(2.0 ** (np.arange(1, 60) / 3)).astype(np.int64))[:47]
_ITERATIONS = 60


def features(size: np.ndarray) -> np.ndarray:
    """Magnitudes of the neighbours of each entry.

    Args:
      size: int64 [n, num_delay, num_tx], |re| + |im|.

    Returns:
      int64 [n, num_delay, num_tx, neighbours].
    """
    num_delay, num_tx = size.shape[1:]
    out = np.zeros((*size.shape, len(NEIGHBOURS)), np.int64)
    for k, (delay, angle) in enumerate(NEIGHBOURS):
        moved = np.roll(size, -angle, axis=2)
        if delay == 0:
            moved[:, :, : min(-angle, num_tx)] = 0
        if -delay < num_delay:
            out[:, -delay:, :, k] = moved[:, : num_delay + delay]
    return out


def fit_weights(re: np.ndarray, im: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds weights such that the weighted sums are the mean magnitudes.

    They maximise the likelihood of exponential magnitudes by multiplicative updates, as
    in Fevotte et al., "Nonnegative matrix factorization with the Itakura-Saito
    divergence", Neural Computation 2009.

    Args:
      re: int64 [n, num_delay, num_tx], training symbols.
      im: The same of the imaginary parts.

    Returns:
      weights int64 [neighbours + 1], the last that of the real part; base int64
      [num_delay, num_tx].
    """
    size = np.abs(re) + np.abs(im)
    near = features(size).reshape(-1, len(NEIGHBOURS)).astype(np.float32)
    mean = size.mean(axis=0).ravel() / 2 + 1e-4
    place = np.tile(mean, len(size)).astype(np.float32)
    own = np.zeros((2, len(near), 3), np.float32)  # Real part, place, one.
    own[1, :, 0] = np.abs(re).ravel()
    own[:, :, 1], own[:, :, 2] = place, 1e-3
    x = np.concatenate([np.hstack([near, own[0]]), np.hstack([near, own[1]])])
    y = np.concatenate([np.abs(re).ravel(), np.abs(im).ravel()]) + np.float32(1e-3)
    weight = np.full(x.shape[1], 0.5 / x.shape[1], np.float32)
    weight[-2:] = 0.5
    for _ in range(_ITERATIONS):
        scale = x @ weight
        up, down = x.T @ (y / scale**2), x.T @ (1 / scale)
        weight *= np.sqrt(up / np.maximum(down, 1e-12))
    base = UNIT * (weight[-2] * mean + 1e-3 * weight[-1])
    weights = np.rint(UNIT * weight[:-2]).astype(np.int64)
    return weights, np.rint(base).astype(np.int64).reshape(re.shape[1:])


def tables_of(sums: np.ndarray) -> np.ndarray:
    """Returns the number of the table of contexts, int64 of the same shape."""
    return np.searchsorted(BORDERS, sums, side="right")
