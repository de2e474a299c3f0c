"""What a set of CSI matrices is like: its domain, where its energy is, how it fades.

`statistics` measures sets for comparison. This module says in words what a file holds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfcsi import metrics, transforms
from tfcsi.datasets.statistics import statistics

_SHARE = 0.99  # Of the energy, in the window of delay taps.
_FEW = 100  # Matrices by which the domain is told.


def likely_domain(h: np.ndarray) -> str:
    """Tells the domain in which matrices were written, by their sparsity.

    A channel has its energy in few angles and delays, and spread over all antennas and
    subcarriers. So matrices that are sparser as they are than after the transform to
    angles and delays are of the angular-delay domain.

    Args:
      h: complex [n, num_tx, num_delay or num_sc], of any scale.

    Returns:
      One of `transforms.DOMAINS`.

    Examples:
      >>> h = np.zeros((2, 8, 16), np.complex64)
      >>> h[:, 3, 2] = 1
      >>> likely_domain(h)
      'angular_delay'
      >>> likely_domain(transforms.to_space_frequency(h, 16))
      'space_frequency'
    """
    h = h[:_FEW]
    turned = transforms.to_angular_delay(h, h.shape[2])
    own, other = (_concentration(one) for one in (h, turned))
    return transforms.DOMAINS[0] if own >= other else transforms.DOMAINS[1]


def _concentration(h: np.ndarray) -> float:
    """Mean of sum |h|^4 / (sum |h|^2)^2 over matrices; 1 if one entry has all."""
    power = np.abs(h.astype(np.complex128)) ** 2
    energy = power.sum(axis=(1, 2))
    square = (power**2).sum(axis=(1, 2))
    return float(np.mean(square[energy > 0] / energy[energy > 0] ** 2))


def rician_factors(h: np.ndarray, domain: str) -> np.ndarray:
    """Estimates the Rician factor of each matrix from the moments of its envelope.

    L. Greenstein, D. Michelson and V. Erceg, "Moment-method estimation of the Ricean
    K-factor", IEEE Communications Letters 1999: with the mean G and the standard
    deviation S of |h|^2 over antennas and subcarriers, the power of the constant part
    is sqrt(G^2 - S^2).

    Args:
      h: complex [n, num_tx, num_delay or num_sc].
      domain: That of h.

    Returns:
      float64 [n], the ratio of the constant to the varying power; 0 where the envelope
      varies as much as that of Rayleigh fading or more, and infinite for one path.
    """
    if domain != "space_frequency":
        h = transforms.to_space_frequency(h, 2 * h.shape[2])
    power = np.abs(h.astype(np.complex128)) ** 2
    mean, deviation = power.mean(axis=(1, 2)), power.std(axis=(1, 2))
    constant = np.sqrt(np.maximum(mean**2 - deviation**2, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mean > constant, constant / (mean - constant), np.inf)


def character(h: np.ndarray, domain: str) -> dict[str, float]:
    """Measures what a set of matrices is like.

    Args:
      h: complex [n, num_tx, num_delay or num_sc], of any scale.
      domain: One of `transforms.DOMAINS`, that of h.

    Returns:
      peak_low and peak_high: least and largest max|h| of a matrix.
      first_tap and last_tap: the shortest window of delay taps that holds 99 % of the
        mean energy profile, each matrix divided by its energy. Taps before zero are
        those at the end of the axis, on which delays wrap around.
      entries_90 and entries_99: mean number of the strongest angles and delays that
        hold these shares of the energy.
      num_entries: entries of a matrix, of its first 32 taps if it has more.
      delay_spread: mean over matrices of the standard deviation of delay [taps].
      angle_spread: mean over matrices of the circular standard deviation of angle
        [bins].
      rician_db: median Rician factor [dB]; -inf for Rayleigh fading.

    Raises:
      ValueError: As `statistics`.
    """
    measured = statistics(h, domain, dimension=False)
    factor = float(np.median(rician_factors(h, domain)))
    h = transforms.in_angular_delay(h, domain)
    power = np.abs(h.astype(np.complex128)) ** 2
    power = power / power.sum(axis=(1, 2), keepdims=True)
    profile = power.sum(axis=1).mean(axis=0)
    first, last = _window(profile, circular=domain == "space_frequency")
    num_tx = h.shape[1]
    turn = np.exp(2j * np.pi * np.arange(num_tx) / num_tx)
    length = np.minimum(np.abs(power.sum(axis=2) @ turn), 1)
    spread = np.sqrt(-2 * np.log(np.maximum(length, 1e-12))) * num_tx / (2 * np.pi)
    peak = np.abs(h).max(axis=(1, 2))
    shares = {
        f"entries_{100 * float(k):.0f}": v for k, v in measured["entries"].items()
    }
    return {
        "peak_low": float(peak.min()),
        "peak_high": float(peak.max()),
        "first_tap": first,
        "last_tap": last,
        **shares,
        "num_entries": measured["num_tx"] * measured["num_delay"],
        "delay_spread": measured["delay_spread"],
        "angle_spread": float(spread.mean()),
        "rician_db": float(metrics.to_db(factor)) if factor > 0 else -np.inf,
    }


def _window(profile: np.ndarray, circular: bool) -> tuple[int, int]:
    """First and last tap of the shortest window that holds most of a profile."""
    num = len(profile)
    line = np.concatenate([profile, profile]) if circular else profile
    sums = np.concatenate([[0.0], np.cumsum(line)])
    wanted = sums[:num] + _SHARE * profile.sum()
    ends = np.searchsorted(sums, wanted * (1 - 1e-12))
    length = np.where(ends <= len(line), ends - np.arange(num), 2 * num)
    first = int(np.argmin(length))
    last = int(ends[first]) - 1
    return (first - num, last - num) if last >= num else (first, last)


def in_words(facts: Mapping[str, float]) -> list[str]:
    """Says what `character` measured, in sentences."""
    factor = facts["rician_db"]
    if factor < -10:
        fading = "the envelope varies as in Rayleigh fading or more: no strong path"
    elif factor == np.inf:
        fading = "the envelope is constant: one path"
    else:
        fading = f"Rician factor {factor:.1f} dB (median of the matrices)"
    share = facts["entries_99"] / facts["num_entries"]
    return [
        f"scale         max|h| of a matrix is {facts['peak_low']:.3g} to "
        f"{facts['peak_high']:.3g}",
        f"energy        delay taps {facts['first_tap']} to {facts['last_tap']} hold "
        f"99 % of it",
        f"sparsity      {facts['entries_90']:.1f} angles and delays hold 90 % of a "
        f"matrix, {facts['entries_99']:.1f} hold 99 % ({share:.1%} of all)",
        f"spread        {facts['delay_spread']:.2f} taps of delay, "
        f"{facts['angle_spread']:.2f} bins of angle (standard deviations)",
        f"fading        {fading}",
    ]
