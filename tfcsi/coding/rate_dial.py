"""The rate of each packet of a codec that has several, from what a caller wishes.

A codec whose packets name one of some rates (the codec `learned`, networks with the
quantiser "uniform_rates") grants a step, an NMSE or a limit of bits in the same way: it
goes through its rates. The codec and the software of a phone call the same functions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from tfcsi.coding.wishes import check_wishes, limit_of, warn_of_missed

Measure = Callable[[np.ndarray, Sequence[bytes]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Dial:
    """Matrices that can be sent at several rates.

    Attributes:
      num: Number of matrices.
      steps: float [rates], the step at each rate, falling: rate 0 is the coarsest one.
      usual: Number of the rate that is taken if nothing is wished.
      packets_at: Function of numbers of matrices, int64 [k], and a rate that returns k
        packets.
      nmse_of: Function of numbers of matrices, int64 [k], and their packets that
        returns the linear NMSE of each; None if no decoder is at hand.
      stacklevel: Of warnings, as of `warnings.warn` in the place of `send`.
    """

    num: int
    steps: np.ndarray
    usual: int
    packets_at: Callable[[np.ndarray, int], list[bytes]]
    nmse_of: Measure | None = None
    stacklevel: int = 2

    def send(
        self,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
    ) -> list[bytes]:
        """Returns the packets, `num` of them.

        Args:
          step: The nearest of `steps` is taken.
          nmse_db: Largest NMSE of a matrix [dB]: the coarsest rate that meets it, or
            the finest one. A warning says how many matrices miss it, and by how much.
          max_bits: Most bits of a packet: the finest rate that keeps to it. With `step`
            or `nmse_db` it holds for the matrices that would need more bits.

        Raises:
          ValueError: If a wish is no finite number or `step` not positive, if both
            `step` and `nmse_db` are given, or if `max_bits` cannot be met.
        """
        check_wishes(step=step, nmse_db=nmse_db, max_bits=max_bits)
        if step is not None and step <= 0:
            raise ValueError(f"step is {step}; it must be a positive number")
        if nmse_db is not None:
            if self.nmse_of is None:
                raise ValueError("nmse_db needs the decoder, which is not here")
            return self._meet(float(nmse_db), max_bits, self.nmse_of)
        every = np.arange(self.num)
        if not self.num:
            return []
        if max_bits is not None and step is None:
            return self._within(every, max_bits)
        rate = self.usual
        if step is not None:
            rate = int(np.argmin(np.abs(np.log(self.steps / step))))
        packets = self.packets_at(every, rate)
        if max_bits is not None:
            self._cut(max_bits, packets)
        return packets

    def _meet(
        self, nmse_db: float, max_bits: float | None, nmse_of: Measure
    ) -> list[bytes]:
        """The packets of the coarsest rates that meet an NMSE, or of the finest."""
        if not self.num:
            return []
        packets, left = [b""] * self.num, np.arange(self.num)
        nmse, limit = np.zeros(self.num), limit_of(nmse_db)
        for rate in range(len(self.steps)):
            tried = self.packets_at(left, rate)
            for i, packet in zip(left, tried):
                packets[i] = packet
            nmse[left] = nmse_of(left, tried)
            left = left[nmse[left] > limit]
            if not left.size:
                break
        if max_bits is not None:
            cut = self._cut(max_bits, packets)
            nmse[cut] = nmse_of(cut, [packets[i] for i in cut])
        missed = nmse[nmse > limit]
        warn_of_missed(missed, self.num, nmse_db, self.stacklevel + 2)
        return packets

    def _cut(self, max_bits: float, packets: list[bytes]) -> np.ndarray:
        """Puts packets of coarser rates in the place of those above a limit.

        Returns:
          int64 [k], numbers of those that changed.
        """
        over = np.flatnonzero([8 * len(packet) > max_bits for packet in packets])
        for i, packet in zip(over, self._within(over, max_bits)):
            packets[i] = packet
        return over

    def _within(self, rows: np.ndarray, max_bits: float) -> list[bytes]:
        """The packets of the finest rates that keep to a limit."""
        packets, left = dict.fromkeys(rows.tolist(), b""), rows
        for rate in reversed(range(len(self.steps))):
            tried = self.packets_at(left, rate)
            sizes = np.array([8 * len(packet) for packet in tried])
            short = sizes <= max_bits
            for i in np.flatnonzero(short):
                packets[left[i]] = tried[i]
            left, sizes = left[~short], sizes[~short]
            if not left.size:
                return list(packets.values())
        raise ValueError(
            f"max_bits is {max_bits}; at the coarsest rate {left.size} of {self.num} "
            f"matrices need more, up to {max(sizes)} (matrix {left[np.argmax(sizes)]})"
        )
