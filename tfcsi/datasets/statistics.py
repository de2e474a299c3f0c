"""What a set of CSI matrices looks like: energy, sparsity, dimension; NumPy only.

Two sets of one kind of channel agree in all of these; sets that agree in none of them
should not be mixed in training. Sums run over blocks of matrices, so a memory map of
any length will do.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ENERGY_SHARES = (0.9, 0.99)  # of a matrix, for which entries are counted
VARIANCE_SHARES = (0.9, 0.99, 0.999)  # of a set, for which coefficients are counted
PCA_SIZES = (512, 128, 64, 32)  # coefficients kept
NUM_DELAY = 32  # taps kept by the data sets of the field
LARGEST = 4096  # reals of a matrix; beyond, eigenvectors take too long
_HELD_OUT = 5  # one matrix in so many is kept from the fit of the PCA
_BLOCK = 500  # matrices at a time


def statistics(h: np.ndarray) -> dict:
    """Measures a set of matrices.

    Args:
      h: [n, num_tx, num_delay], complex, angles by delay taps, zero-centred, of any
        scale. Taps beyond the 32nd count for `energy_kept` alone.

    Returns:
      A dict that JSON can hold. Where each matrix counts the same, it is divided by its
      peak max|h| (*) or by its energy (**) first.

      num_matrices, num_tx, num_delay: of `h`.
      energy_db_mean, energy_db_std: of ||h||^2 in dB, in the scale given.
      peak_ratio: mean of max|h|^2 / ||h||^2.
      entries: {share: mean number of entries that hold this share of the energy}, the
        strongest first.
      delay_profile, angle_profile: shares of the energy of all matrices (*).
      mean_delay, delay_spread: mean over matrices of the first two moments of the delay
        (**), in taps.
      angle_concentration: mean over matrices of |sum_i p_i exp(2 pi j i / num_tx)|, p
        the shares of energy in the angles (**): 1 if all is in one bin.
      energy_kept: mean and 5 % quantile of the share of the energy in the first 32
        taps; only where `h` has more.
      klt: {share: coefficients of the Karhunen-Loeve transform of the 2 num_tx
        num_delay reals that hold this share of the variance} (*).
      pca_nmse_db: {k: NMSE of one matrix in five, rebuilt from k principal components
        of the others} (*). Both are absent beyond 4096 reals; k that are no fewer than
        the reals or the matrices of the fit are left out.

    Raises:
      ValueError: `h` has another shape or is real, or a matrix has no energy, NaN or
        infinite entries.
    """
    if h.ndim != 3 or h.dtype.kind != "c" or not h.size:
        raise ValueError(
            "h must be complex [n, num_tx, num_delay] and not empty, got "
            f"{h.dtype} {list(h.shape)}"
        )
    n, num_tx, _ = h.shape
    num_delay = min(h.shape[2], NUM_DELAY)
    energy, kept, peak, delay, spread, concentration = np.empty((6, n))
    entries = np.empty((len(ENERGY_SHARES), n))
    by_delay, by_angle = np.zeros(num_delay), np.zeros(num_tx)
    taps, turn = np.arange(num_delay), np.exp(2j * np.pi * np.arange(num_tx) / num_tx)
    for rows, block in _blocks(h):
        power = np.abs(block).astype(np.float64) ** 2
        total = power.sum(axis=(1, 2))
        if not (np.isfinite(total) & (total > 0)).all():
            bad = rows.start + np.argmin(np.isfinite(total) & (total > 0))
            raise ValueError(f"matrix {bad} of h has no energy or is not finite")
        power = power[:, :, :num_delay]
        energy[rows] = power.sum(axis=(1, 2))
        kept[rows] = energy[rows] / total
        largest = power.max(axis=(1, 2))
        peak[rows] = largest / energy[rows]
        by_delay += (power.sum(axis=1) / largest[:, None]).sum(axis=0)
        by_angle += (power.sum(axis=2) / largest[:, None]).sum(axis=0)
        power /= energy[rows][:, None, None]
        delay[rows] = power.sum(axis=1) @ taps
        second = power.sum(axis=1) @ taps**2
        spread[rows] = np.sqrt(np.maximum(second - delay[rows] ** 2, 0))
        concentration[rows] = np.abs(power.sum(axis=2) @ turn)
        falling = np.sort(power.reshape(len(power), -1), axis=1)[:, ::-1].cumsum(axis=1)
        for number, share in zip(entries, ENERGY_SHARES):
            number[rows] = 1 + (falling < share).sum(axis=1)
    db = 10 * np.log10(energy)
    measured = {
        "num_matrices": n,
        "num_tx": num_tx,
        "num_delay": num_delay,
        "energy_db_mean": float(db.mean()),
        "energy_db_std": float(db.std()),
        "peak_ratio": float(peak.mean()),
        "entries": {str(s): float(e.mean()) for s, e in zip(ENERGY_SHARES, entries)},
        "delay_profile": (by_delay / by_delay.sum()).tolist(),
        "angle_profile": (by_angle / by_angle.sum()).tolist(),
        "mean_delay": float(delay.mean()),
        "delay_spread": float(spread.mean()),
        "angle_concentration": float(concentration.mean()),
    }
    if h.shape[2] > num_delay:
        measured["energy_kept"] = {
            "mean": float(kept.mean()),
            "5 %": float(np.quantile(kept, 0.05)),
        }
    if 2 * num_tx * num_delay <= LARGEST:
        measured.update(_dimension(h[:, :, :num_delay]))
    return measured


def _dimension(h: np.ndarray) -> dict:
    """`klt` and `pca_nmse_db` of `statistics`."""
    size = 2 * h.shape[1] * h.shape[2]
    of_fit, held_out = np.zeros((2, size, size))
    weights = np.zeros(len(h))
    for rows, x in _scaled(h):
        test = np.arange(rows.start, rows.stop) % _HELD_OUT == 0
        of_fit += x[~test].T @ x[~test]
        weights[rows] = 1 / (x**2).sum(axis=1)
        # A mean of error over energy, so each matrix counts the same.
        x = x[test] * np.sqrt(weights[rows][test])[:, None]
        held_out += x.T @ x
    num_test = -(-len(h) // _HELD_OUT)
    variances, basis = np.linalg.eigh(of_fit)
    basis = np.ascontiguousarray(basis[:, ::-1])
    # Of the mean energy 1 of a test matrix, what each component takes away.
    taken = np.einsum("ij,ij->j", basis, held_out @ basis) / num_test
    variances = np.cumsum(variances[::-1]) / variances.sum()
    measured: dict[str, dict[str, float]] = {
        "klt": {str(s): int(1 + (variances < s).sum()) for s in VARIANCE_SHARES},
        "pca_nmse_db": {},
    }
    for k in PCA_SIZES:
        if k < min(size, len(h) - num_test):
            left = max(1 - taken[:k].sum(), np.finfo(float).tiny)
            measured["pca_nmse_db"][str(k)] = float(10 * np.log10(left))
    return measured


def _blocks(h: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(h), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(h)))
        yield rows, np.asarray(h[rows])


def _scaled(h: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Blocks as float32 [b, 2 num_tx num_delay], of peak one."""
    for rows, block in _blocks(h):
        block = block / np.abs(block).max(axis=(1, 2), keepdims=True)
        x = np.concatenate([block.real, block.imag], axis=1, dtype=np.float32)
        yield rows, x.reshape(len(x), -1)
