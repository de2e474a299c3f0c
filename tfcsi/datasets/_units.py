"""Refuses numbers of paths in a file that are likely in another unit."""

from __future__ import annotations

import numpy as np

from tfcsi.datasets._files import DataError

_LONGEST = 1e-3  # s. An echo that is later has travelled 300 km.
_ENOUGH = 8  # Paths from which a unit can be told.


def check_delays(delay: np.ndarray, label: str) -> None:
    """Refuses delays [.] in s, unless all are 0 to 1 ms; `label` names them."""
    late = delay.max(initial=0)
    if delay.min(initial=0) < 0 or not late <= _LONGEST:
        raise DataError(
            f"{label} are {delay.min():.3g} to {late:.3g}; they are in s, 0 to "
            f"{_LONGEST:g}, so these are likely in microseconds or nanoseconds"
        )


def check_degrees(zenith: np.ndarray, label: str) -> None:
    """Refuses zenith angles [.] in degrees that are likely in radians."""
    if len(zenith) >= _ENOUGH and 0 < zenith.max() <= np.pi and zenith.min() >= 0:
        raise DataError(
            f"{label} from the zenith are {zenith.min():.3g} to {zenith.max():.3g}; "
            f"they are in degrees, so these are likely in radians"
        )


def check_decibels(power: np.ndarray, label: str) -> None:
    """Refuses powers [.] in dB that are no powers, or are likely linear."""
    linear = len(power) >= _ENOUGH and power.min() >= 0 and power.max() < 1
    if linear or power.max(initial=0) > 100 or power.min(initial=0) < -500:
        raise DataError(
            f"{label} are {power.min():.3g} to {power.max():.3g}; they are in dB, -500 "
            f"to 100" + (", so these are likely linear" if linear else "")
        )
