"""Options of a COST 2100 simulation: scenario, users, array, band, movement."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import numpy as np

from tfcsi.channels.cost2100_scenarios import SCENARIOS
from tfcsi.options import check_options
from tfcsi.responses import Antennas, Band
from tfcsi.transforms import DOMAINS, NUM_FFT


def farthest(law: tuple) -> float:
    """Returns the largest range of a law of the users' places.

    Args:
      law: as `Setup.users`.

    Returns:
      The largest distance from the base station, in m.

    Raises:
      ValueError: the law is none of those that `Setup.users` lists.
    """
    kind, values = None, []
    with contextlib.suppress(TypeError, ValueError):
        kind, *sizes = law
        values = [np.asarray(value, float) for value in sizes]
    shapes = [np.shape(value) for value in values]
    if kind in ("square", "disc") and shapes == [()] and values[0] > 0:
        return float(values[0] * (np.sqrt(2) if kind == "square" else 1))
    if kind == "ring" and shapes == [(), ()] and 0 <= values[0] < values[1]:
        return float(values[1])
    if kind == "ring" and [len(shape) for shape in shapes] == [1, 1]:
        edges, weights = values
        rising = len(edges) == len(weights) + 1 > 1 and (np.diff(edges) > 0).all()
        if rising and edges[0] >= 0 and weights.min() >= 0 < weights.sum() < np.inf:
            return float(edges[-1])
    raise ValueError(
        "users must be ('square', half side), ('disc', radius), ('ring', least range, "
        f"largest range) or ('ring', rising edges, weights), in m, got {law!r}"
    )


def places(law: tuple, num: int, rng: np.random.Generator) -> np.ndarray:
    """Draws places of users around the base station.

    Args:
      law: as `Setup.users`, checked by `farthest`.
      num: number of users.
      rng: generator that they are drawn from.

    Returns:
      [num], complex128, x + j y in m, with the base station at 0.
    """
    kind, *values = law
    if kind == "square":
        return values[0] * (rng.uniform(-1, 1, num) + 1j * rng.uniform(-1, 1, num))
    if kind == "ring" and np.ndim(values[0]):
        edges, weights = np.asarray(values[0], float), np.asarray(values[1], float)
        ring = rng.choice(len(weights), num, p=weights / weights.sum())
        distance = edges[ring] + np.diff(edges)[ring] * rng.random(num)
    else:
        least, most = (0, *values)[-2:]
        distance = np.sqrt(rng.uniform(least**2, most**2, num))
    return distance * np.exp(1j * rng.uniform(-np.pi, np.pi, num))


@dataclasses.dataclass(frozen=True)
class Setup:
    """All that a simulation depends on, besides the seed.

    Attributes:
      scenario: "indoor_hall_5ghz", "semi_urban_300mhz_los" or "semi_urban_300mhz_nlos".
      users: law of the users' places around the base station (BS), in m: ("square",
        half side), ("disc", radius) or ("ring", least, largest range), each uniform in
        its area; or ("ring", edges, weights), where all directions are alike, each ring
        between two edges has the probability of its weight, and the range is uniform in
        the ring.
      carrier: middle of the band, Hz.
      subcarrier_spacing: Hz; a delay tap is 1 / (num_sc * subcarrier_spacing).
      num_sc: number of subcarriers.
      num_delay: number of delay taps that are kept, at most `num_sc`.
      num_tx: number of antennas of the BS, a uniform linear array.
      tx_spacing: distance between them, in wavelengths.
      num_rx: number of antennas of a user, a uniform linear array in a random
        direction.
      rx_spacing: distance between them, in wavelengths.
      num_time: number of snapshots of a user, who moves straight on in a random
        direction.
      interval: time between snapshots, s.
      speed: speed of the user, m/s.
      domain: "angular_delay", or "space_frequency" for antennas by subcarriers.
      scaled: whether each drop is scaled to max|h| = 0.5 over its antennas and
        snapshots. If not, amplitudes are those of the model, with free-space loss.
    """

    scenario: str
    users: tuple
    carrier: float
    subcarrier_spacing: float = 78.125e3
    num_sc: int = NUM_FFT
    num_delay: int = 32
    num_tx: int = 32
    tx_spacing: float = 0.5
    num_rx: int = 1
    rx_spacing: float = 0.5
    num_time: int = 1
    interval: float = 0.0
    speed: float = 0.0
    domain: str = DOMAINS[0]
    scaled: bool = True

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            known = ", ".join(SCENARIOS)
            raise ValueError(f"unknown scenario {self.scenario!r}; known: {known}")
        for name in ("num_sc", "num_delay", "num_tx", "num_rx", "num_time"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise ValueError(f"{name} must be an integer, got {value!r}")
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.num_delay > self.num_sc and self.domain == DOMAINS[0]:
            raise ValueError(
                f"num_delay must be at most num_sc, {self.num_sc}, got {self.num_delay}"
            )
        for name in ("carrier", "subcarrier_spacing", "tx_spacing", "rx_spacing"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("interval", "speed"):
            if not 0 <= getattr(self, name) < np.inf:
                value = getattr(self, name)
                raise ValueError(f"{name} must not be negative, got {value}")
        if self.num_sc * self.subcarrier_spacing >= 2 * self.carrier:
            raise ValueError(
                f"the band, num_sc * subcarrier_spacing = "
                f"{self.num_sc * self.subcarrier_spacing:g} Hz, must be less than "
                f"twice the carrier, {self.carrier:g} Hz"
            )
        if self.domain not in DOMAINS:
            raise ValueError(
                f"domain must be one of {', '.join(DOMAINS)}, got {self.domain!r}"
            )
        self._check_places()

    def _check_places(self) -> None:
        most, cell = farthest(self.users), SCENARIOS[self.scenario].cell
        if most > cell:
            raise ValueError(
                f"users {self.users} are up to {most:g} m from the BS, more than "
                f"the cell of {self.scenario}, {cell} m"
            )
        longest = 2 * (cell - SCENARIOS[self.scenario].vr_radius)
        if self.way > longest:
            raise ValueError(
                f"users move (num_time - 1) * interval * speed = {self.way:g} m, at "
                f"most {longest:g} m in {self.scenario}"
            )

    @property
    def way(self) -> float:
        """Distance of a user's last snapshot from its first, in m."""
        return (self.num_time - 1) * self.interval * self.speed

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a drop: (num_time, num_rx, num_tx, num_delay or num_sc).

        The first two are left out if they are 1.
        """
        last = self.num_delay if self.domain == DOMAINS[0] else self.num_sc
        several = (n for n in (self.num_time, self.num_rx) if n > 1)
        return (*several, self.num_tx, last)

    @property
    def antennas(self) -> Antennas:
        """Antennas of the base station and of a user, with their spacings."""
        return Antennas(self.num_tx, self.tx_spacing, self.num_rx, self.rx_spacing)

    def band(self, size: int) -> Band:
        """Returns the band, with its first `size` delay taps or subcarriers kept."""
        lowest = self.carrier - (self.num_sc - 1) / 2 * self.subcarrier_spacing
        bandwidth = self.num_sc * self.subcarrier_spacing
        return Band(bandwidth, self.num_sc, size, "first", lowest)


# Twelve rings of about a delay tap each, and their weights in %. They are fitted to the
# delays of the strongest paths of an outdoor set. The range law of that set reproduces
# the published delay profile.
_RANGES = tuple(112.5 + 15 * ring for ring in range(13))
_WEIGHTS = (0.84, 3.69, 6.2, 9.93, 11.33, 12.74, 17.85, 15.25, 10.43, 6.96, 3.18, 1.6)

PRESETS = {
    "indoor": Setup("indoor_hall_5ghz", ("square", 20), 5.3e9),
    "outdoor": Setup("semi_urban_300mhz_los", ("ring", _RANGES, _WEIGHTS), 285e6),
    "indoor_hall_5ghz": Setup("indoor_hall_5ghz", ("square", 10), 5.3e9),
    "semi_urban_300mhz_los": Setup("semi_urban_300mhz_los", ("square", 200), 285e6),
    "semi_urban_300mhz_nlos": Setup("semi_urban_300mhz_nlos", ("square", 200), 285e6),
}


# Options of the simulator; None where each preset has its own.
OPTIONS = {
    field.name: None if field.default is dataclasses.MISSING else field.default
    for field in dataclasses.fields(Setup)
    if field.name != "scenario"
}


def setup(scenario: str = "indoor", **changes: Any) -> Setup:
    """Returns a preset with changes.

    Args:
      scenario: a key of `PRESETS`.
      **changes: fields of `Setup` other than its scenario.

    Returns:
      The setup, checked.

    Raises:
      ValueError: unknown preset or field, or a value out of range.
    """
    if scenario not in PRESETS:
        known = ", ".join(PRESETS)
        raise ValueError(f"unknown scenario {scenario!r}; known: {known}")
    check_options(changes, OPTIONS, "cost2100")
    return dataclasses.replace(PRESETS[scenario], **changes)
