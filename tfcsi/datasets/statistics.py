"""Statistics of a set of CSI matrices: energy, sparsity, dimension. NumPy only.

Two sets of one kind of channel agree in all of these. Sets that agree in none of them
should not be mixed in training. Sums run over blocks of matrices, so `h` may be a
memory map of any length.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tfcsi import transforms

ENERGY_SHARES = (0.9, 0.99)  # Shares of a matrix's energy.
VARIANCE_SHARES = (0.9, 0.99, 0.999)  # Shares of a set's variance.
PCA_SIZES = (512, 128, 64, 32)  # Numbers of coefficients that are kept.
NUM_DELAY = 32  # Delay taps that the data sets of the field keep.
LARGEST = 4096  # Reals of a matrix. More take too long to decompose.
_HELD_OUT = 5  # One of so many matrices is kept out of the fit of the PCA.
_BLOCK = 500  # Matrices in memory at a time.


def statistics(h: np.ndarray, domain: str, dimension: bool = True) -> dict:
    """Measures a set of matrices.

    Args:
      h: [n, num_tx, num_delay or num_sc], complex, zero-centred, of any scale.
      domain: "angular_delay" or "space_frequency", the domain of `h`. All statistics
        are those of angles and delay taps: matrices of the second domain are
        transformed first. Taps beyond the 32nd count for `energy_kept` alone.
      dimension: Whether `klt` and `pca_nmse_db` are wanted, which take long.

    Returns:
      A dict that JSON can hold. Each matrix has the same weight in the entries that are
      marked: it is first divided by its peak max|h| (*) or by its energy (**).

      num_matrices, num_tx, num_delay: the numbers of matrices, angles and delay taps.
      energy_db_mean, energy_db_std: mean and standard deviation of ||h||^2 in dB, in
        the scale of `h`. One matrix has no standard deviation.
      peak_ratio: mean of max|h|^2 / ||h||^2.
      entries: {share: mean number of the strongest entries that hold this share of the
        energy}.
      delay_profile, angle_profile: shares of the energy of all matrices (*).
      mean_delay, delay_spread: mean over matrices of the mean delay and of its standard
        deviation (**), in taps.
      angle_concentration: mean over matrices of |sum_i p_i exp(2 pi j i / num_tx)|,
        where p_i is the share of the energy in angle i (**); 1 if all is in one bin.
      energy_kept: mean and 5 % quantile of the share of the energy in the first 32
        taps; absent if there are no more taps.
      klt: {share: number of coefficients of the Karhunen-Loeve transform of the 2
        num_tx num_delay reals that hold this share of the variance} (*).
      pca_nmse_db: {k: NMSE of one matrix in five, rebuilt from k principal components
        of the others} (*). A k is left out unless it is less than the number of reals
        and of matrices of the fit. This and `klt` are absent beyond 4096 reals, and for
        one matrix.

    Raises:
      ValueError: `h` has another shape or is real, the domain is unknown, or a matrix
        has no energy, NaN or infinite entries.
    """
    transforms.check_domain(domain)
    if h.ndim != 3 or h.dtype.kind != "c" or not h.size:
        raise ValueError(
            "h must be complex [n, num_tx, num_delay] and not empty, got "
            f"{h.dtype} {list(h.shape)}"
        )
    if domain == "space_frequency":
        h = transforms.to_angular_delay(h, h.shape[2])
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
        **({"energy_db_std": float(db.std())} if n > 1 else {}),
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
    if dimension and n > 1 and 2 * num_tx * num_delay <= LARGEST:
        measured.update(_dimension(h[:, :, :num_delay]))
    return measured


def doubts(measured: dict) -> list[str]:
    """Says what a set is too small to tell.

    Args:
      measured: What `statistics` returned.

    Returns:
      Sentences; empty if there are enough matrices.
    """
    n = measured["num_matrices"]
    num_reals = 2 * measured["num_tx"] * measured["num_delay"]
    if n == 1:
        return ["one matrix has no energy_db_std, no klt and no pca_nmse_db"]
    lines = []
    if n < num_reals and "klt" in measured:
        lines.append(
            f"klt describes these {n} matrices, not their channel; for the channel it "
            f"needs more matrices than a matrix has reals, {num_reals}"
        )
    sizes = measured.get("pca_nmse_db", dict.fromkeys(map(str, PCA_SIZES)))
    missing = [str(k) for k in PCA_SIZES if k < num_reals and str(k) not in sizes]
    if missing:
        lines.append(f"{n} matrices are too few for pca_nmse_db {', '.join(missing)}")
    return lines


def _dimension(h: np.ndarray) -> dict:
    """`klt` and `pca_nmse_db` of `statistics`."""
    size = 2 * h.shape[1] * h.shape[2]
    of_fit, held_out = np.zeros((2, size, size))
    weights = np.zeros(len(h))
    for rows, x in _scaled(h):
        test = np.arange(rows.start, rows.stop) % _HELD_OUT == 0
        of_fit += x[~test].T @ x[~test]
        weights[rows] = 1 / (x**2).sum(axis=1)
        # The NMSE is a mean of error over energy, so each matrix counts the same.
        x = x[test] * np.sqrt(weights[rows][test])[:, None]
        held_out += x.T @ x
    num_test = -(-len(h) // _HELD_OUT)
    variances, basis = np.linalg.eigh(of_fit)
    basis = np.ascontiguousarray(basis[:, ::-1])
    # The mean energy of a test matrix is 1; this is each component's share of it.
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
    """Yields blocks as float32 [b, 2 num_tx num_delay], each matrix with peak one."""
    for rows, block in _blocks(h):
        block = block / np.abs(block).max(axis=(1, 2), keepdims=True)
        x = np.concatenate([block.real, block.imag], axis=1, dtype=np.float32)
        yield rows, x.reshape(len(x), -1)
