"""Statistics of a set of CSI matrices: energy, sparsity, dimension. NumPy only.

Two sets of one kind of channel agree in all of these. Sets that agree in none of them
should not be mixed in training. Sums run over blocks of matrices, so `h` may be a file
of any length, which is read twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tfcsi import transforms
from tfcsi.matrices import Matrices

ENERGY_SHARES = (0.9, 0.99)  # Shares of a matrix's energy.
VARIANCE_SHARES = (0.9, 0.99, 0.999)  # Shares of a set's variance.
PCA_SIZES = (512, 128, 64, 32)  # Numbers of coefficients that are kept.
NUM_DELAY = 32  # Delay taps that the data sets of the field keep.
LARGEST = 4096  # Reals of a matrix. More take too long to decompose.
_HELD_OUT = 5  # One of so many matrices is kept out of the fit of the PCA.
_BLOCK = 500  # Matrices in memory at a time.


def statistics(h: np.ndarray | Matrices, domain: str, dimension: bool = True) -> dict:
    """Measures a set of matrices.

    Args:
      h: [n, num_tx, num_delay or num_sc], complex, zero-centred, of any scale; or such
        matrices, which are read by blocks.
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
    matrices = h if isinstance(h, Matrices) else _of_array(h)
    num_tx, width = matrices.shape
    if domain == "space_frequency":
        matrices = matrices.changed(lambda h: transforms.to_angular_delay(h, width))
    num_delay = min(width, NUM_DELAY)
    parts: list[dict[str, np.ndarray]] = []
    by_delay, by_angle = np.zeros(num_delay), np.zeros(num_tx)
    taps, turn = np.arange(num_delay), np.exp(2j * np.pi * np.arange(num_tx) / num_tx)
    for first, block in _blocks(matrices):
        power = np.abs(block).astype(np.float64) ** 2
        total = power.sum(axis=(1, 2))
        if not (np.isfinite(total) & (total > 0)).all():
            bad = first + np.argmin(np.isfinite(total) & (total > 0))
            raise ValueError(f"matrix {bad} of h has no energy or is not finite")
        power = power[:, :, :num_delay]
        energy = power.sum(axis=(1, 2))
        largest = power.max(axis=(1, 2))
        by_delay += (power.sum(axis=1) / largest[:, None]).sum(axis=0)
        by_angle += (power.sum(axis=2) / largest[:, None]).sum(axis=0)
        power /= energy[:, None, None]
        delay = power.sum(axis=1) @ taps
        second = power.sum(axis=1) @ taps**2
        falling = np.sort(power.reshape(len(power), -1), axis=1)[:, ::-1].cumsum(axis=1)
        part = {
            "energy": energy,
            "kept": energy / total,
            "peak": largest / energy,
            "delay": delay,
            "spread": np.sqrt(np.maximum(second - delay**2, 0)),
            "concentration": np.abs(power.sum(axis=2) @ turn),
        }
        for share in ENERGY_SHARES:
            part[f"entries {share}"] = 1.0 + (falling < share).sum(axis=1)
        parts.append(part)
    if not parts:
        raise ValueError("there are no matrices")
    of = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    n, kept = len(of["energy"]), of["kept"]
    db = 10 * np.log10(of["energy"])
    measured = {
        "num_matrices": n,
        "num_tx": num_tx,
        "num_delay": num_delay,
        "energy_db_mean": float(db.mean()),
        **({"energy_db_std": float(db.std())} if n > 1 else {}),
        "peak_ratio": float(of["peak"].mean()),
        "entries": {str(s): float(of[f"entries {s}"].mean()) for s in ENERGY_SHARES},
        "delay_profile": (by_delay / by_delay.sum()).tolist(),
        "angle_profile": (by_angle / by_angle.sum()).tolist(),
        "mean_delay": float(of["delay"].mean()),
        "delay_spread": float(of["spread"].mean()),
        "angle_concentration": float(of["concentration"].mean()),
    }
    if width > num_delay:
        measured["energy_kept"] = {
            "mean": float(kept.mean()),
            "5 %": float(np.quantile(kept, 0.05)),
        }
    if dimension and n > 1 and 2 * num_tx * num_delay <= LARGEST:
        measured.update(_dimension(matrices, num_delay, n))
    return measured


def _of_array(h: np.ndarray) -> Matrices:
    """Matrices of an array, checked."""
    if h.ndim != 3 or h.dtype.kind != "c" or not h.size:
        raise ValueError(
            "h must be complex [n, num_tx, num_delay] and not empty, got "
            f"{h.dtype} {list(h.shape)}"
        )
    return Matrices.of(h)


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


def _dimension(matrices: Matrices, num_delay: int, n: int) -> dict:
    """`klt` and `pca_nmse_db` of `statistics`, of n matrices."""
    size = 2 * matrices.shape[0] * num_delay
    of_fit, held_out = np.zeros((2, size, size))
    for first, block in _blocks(matrices):
        x = _scaled(block[:, :, :num_delay])
        test = np.arange(first, first + len(x)) % _HELD_OUT == 0
        of_fit += x[~test].T @ x[~test]
        # The NMSE is a mean of error over energy, so each matrix counts the same.
        x = x[test]
        x = x * np.sqrt((1 / (x**2).sum(axis=1)).astype(np.float64))[:, None]
        held_out += x.T @ x
    num_test = -(-n // _HELD_OUT)
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
        if k < min(size, n - num_test):
            left = max(1 - taken[:k].sum(), np.finfo(float).tiny)
            measured["pca_nmse_db"][str(k)] = float(10 * np.log10(left))
    return measured


def _blocks(matrices: Matrices) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the number of the first matrix of a block, and the block."""
    first = 0
    for block in matrices.blocks():
        for start in range(0, len(block), _BLOCK):
            part = block[start : start + _BLOCK]
            yield first, part
            first += len(part)


def _scaled(block: np.ndarray) -> np.ndarray:
    """Returns float32 [b, 2 num_tx num_delay], each matrix with peak one."""
    block = block / np.abs(block).max(axis=(1, 2), keepdims=True)
    x = np.concatenate([block.real, block.imag], axis=1, dtype=np.float32)
    return x.reshape(len(x), -1)
