"""Refusal of options: names that are not declared, and numbers in a wrong unit.

Each message says what was probably meant.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping


def meant(name: str, known: Iterable[str]) -> str:
    """Returns "did you mean ...?" with the nearest known name; "" if none is near."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def check_options(names: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Refuses the first option that is not declared.

    Args:
      names: names of the options that a caller gives.
      known: names of the declared options.
      owner: name of what has the options, for the message.

    Raises:
      ValueError: an option is not declared; the message has the nearest name, if one is
        near, and all that are declared.
    """
    known = list(known)
    for name in names:
        if name not in known:
            hint = f" {meant(name, known)}".rstrip()
            listed = ", ".join(known) or "-"
            raise ValueError(f"{owner} has no option {name!r};{hint} known: {listed}")


@dataclasses.dataclass(frozen=True)
class Quantity:
    """What a physical number may be.

    Attributes:
      unit: its unit.
      low: least plausible magnitude; 0 if it may be zero.
      high: largest plausible magnitude.
      usual: range in which another unit is likely to be meant.
      others: name of another unit to its size in `unit`.
      remark: what else a message says.
    """

    unit: str
    low: float
    high: float
    usual: tuple[float, float] = (0.0, 0.0)
    others: Mapping[str, float] = dataclasses.field(default_factory=dict)
    remark: str = ""


_OF_HZ = {"kHz": 1e3, "MHz": 1e6, "GHz": 1e9}
_SPACING = Quantity("wavelengths", 0.01, 100, remark="half a wavelength is 0.5")
QUANTITIES = {
    "bandwidth": Quantity("Hz", 1e4, 1e11, (1e6, 2e10), _OF_HZ),
    "carrier": Quantity("Hz", 1e7, 1e12, (2e8, 5e11), _OF_HZ),
    "subcarrier_spacing": Quantity("Hz", 100, 1e9, (1e3, 1e7), _OF_HZ),
    "spacing": _SPACING,
    "tx_spacing": _SPACING,
    "rx_spacing": _SPACING,
    "rotation": Quantity("degrees", 0, 360),
    "snr_db": Quantity("dB", 0, 300),
}


def check_physical(**values: float) -> None:
    """Refuses numbers that are not plausible in their unit.

    Args:
      **values: name in `QUANTITIES` to a number.

    Raises:
      ValueError: a number is out of range; the message has the unit and what was
        likely meant.
    """
    for name, value in values.items():
        quantity = QUANTITIES[name]
        if quantity.low <= abs(value) <= quantity.high:
            continue
        likely = [
            f"; for {value:g} {unit} give {value * size:g}"
            for unit, size in quantity.others.items()
            if quantity.usual[0] <= value * size <= quantity.usual[1]
        ]
        remark = f"; {quantity.remark}" if quantity.remark else ""
        low = quantity.low if quantity.low else -quantity.high
        raise ValueError(
            f"{name} is {value:g}; it is in {quantity.unit}, {low:g} to "
            f"{quantity.high:g}{(likely or [remark])[0]}"
        )
