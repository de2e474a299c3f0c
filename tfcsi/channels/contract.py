"""What every channel simulator offers: one way to call it, and declared options."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import numpy as np

from tfcsi.options import QUANTITIES, check_options, check_physical


class Simulate(Protocol):
    """A function that simulates channels."""

    def __call__(
        self,
        num: int,
        seed: int,
        scenario: str,
        progress: bool = False,
        **options: Any,
    ) -> np.ndarray:
        """Draws independent channels of users at random places.

        Matrix i depends on the seed, the scenario, the options and i, not on `num`: the
        same matrices come in blocks of any size and from any number of processes.

        Args:
          num: number of matrices.
          seed: not negative.
          scenario: name of a scenario of the simulator.
          progress: whether to show a progress bar on standard error.
          **options: options of the simulator.

        Returns:
          [num, num_tx, num_delay], complex64, angles (zero in the middle) by delay
          taps, zero-centred; with domain="space_frequency" antennas by subcarriers.
          max|h| = 0.5 a matrix.

        Raises:
          ValueError: unknown scenario or option, or an argument out of range.
          ImportError: a package is missing; the message has the command.
        """


class SimulateWithFrequency(Protocol):
    """A function like `Simulate` that returns frequency-domain truth as well."""

    def __call__(
        self,
        num: int,
        seed: int,
        scenario: str,
        progress: bool = False,
        **options: Any,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns h as `Simulate`, and hf, complex64 [num, num_tx, 125]."""


@dataclasses.dataclass(frozen=True)
class Simulator:
    """A channel model.

    Attributes:
      name: key in `tfcsi.channels.CHANNELS`.
      simulate: the function.
      scenarios: names of its scenarios.
      options: name of each option to its default, None if the scenario has its own.
      simulate_with_frequency: the function with frequency-domain truth, or None.
    """

    name: str
    simulate: Simulate
    scenarios: tuple[str, ...]
    options: Mapping[str, Any]
    simulate_with_frequency: SimulateWithFrequency | None = None


def defaults(setup: type) -> dict[str, Any]:
    """Returns name to default of each option that a dataclass declares."""
    return {field.name: field.default for field in dataclasses.fields(setup)}


def check_request(
    name: str,
    num: int,
    seed: int,
    scenario: str,
    scenarios: Collection[str],
    options: Mapping[str, Any],
    known: Collection[str],
) -> None:
    """Refuses what no simulator can do.

    Args:
      name: name of the simulator, for messages.
      num: number of matrices.
      seed: seed of all that is random.
      scenario: the scenario that is asked for.
      scenarios: the scenarios that there are.
      options: names and values of the options that are given.
      known: names of the options that are declared.

    Raises:
      ValueError: the scenario or an option is unknown, or `num` or `seed` is not an
        integer or is negative, or a frequency or distance is likely in another unit.
    """
    if scenario not in scenarios:
        listed = ", ".join(scenarios)
        raise ValueError(f"{name}: unknown scenario {scenario!r}; known: {listed}")
    for label, value in (("num", num), ("seed", seed)):
        is_integer = isinstance(value, (int, np.integer)) and not isinstance(
            value, bool
        )
        if not is_integer or value < 0:
            raise ValueError(f"{label} is {value!r}; it must be an integer, 0 or more")
    check_options(options, known, name)
    physical = {k: v for k, v in options.items() if k in QUANTITIES and v is not None}
    for label, value in physical.items():
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            unit = QUANTITIES[label].unit
            raise ValueError(f"{label} is {value!r}; it must be a number, in {unit}")
    # The simulators refuse what is not positive.
    check_physical(**{k: v for k, v in physical.items() if not v <= 0})
