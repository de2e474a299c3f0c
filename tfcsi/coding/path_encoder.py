"""The encoder of path coding: from matrices to lists of paths, within a limit."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from tfcsi import metrics
from tfcsi.coding import contexts, path_fit, path_moves, pursuit
from tfcsi.coding.atoms import Atoms
from tfcsi.coding.contexts import PathTables
from tfcsi.coding.path_coder import PathCoder
from tfcsi.coding.path_lists import Lists
from tfcsi.coding.path_sets import AnyCoder
from tfcsi.coding.path_steps import STEPS, coarsest, step_of
from tfcsi.coding.wishes import limit_of, warn_of_missed

_FITTED_STEPS = tuple(range(16, 64, 4))  # 2^(-2) to 2^(-7.5).
_ENOUGH = 36  # Mean number of paths beyond which no finer step is fitted.
_INSIDE = 1 - 1e-5  # Share of a limit of NMSE that is used: errors are in float32.
_FINER = 5  # Steps that are tried from the finest on that keeps to a limit.
# Shares of the entries that are taken for weak; the first one estimates the noise. The
# variances that they tell are alike up to a factor. See docs/paths.md.
_QUANTILES = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
_ALIKE = 0.75
_ENTRIES = 512  # Entries that a matrix must have for it: quantiles of few are not sure.
_ALONE = 0.8  # Share of the energy from which on a matrix looks like noise alone.
_MIDDLE = contexts.NORMS // 2  # Number of the norm 1.


def norm_of(number: np.ndarray) -> np.ndarray:
    """Returns the norms of numbers, half an octave apart."""
    return 2.0 ** ((number - _MIDDLE) / 2)


def scaled(h: np.ndarray, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Divides matrices by about their norms.

    Args:
      h: complex [n, num_tx, num_delay].
      atoms: Atoms of these matrices.

    Returns:
      Pictures float32 [n, num_tx, 2, num_delay], and the numbers of the norms by which
      they were divided, int64 [n].

    Raises:
      ValueError: If a norm is out of range.
    """
    norm = np.sqrt((np.abs(h.astype(np.complex128)) ** 2).sum(axis=(1, 2)))
    exponent = 2 * np.log2(np.where(norm > 0, norm, 1.0))
    number = np.rint(exponent).astype(np.int64) + _MIDDLE
    outside = (number < 0) | (number >= contexts.NORMS)
    if outside.any():
        row = int(np.argmax(outside))
        raise ValueError(
            f"h[{row}] has norm {norm[row]:.3g}; this codec takes "
            f"{norm_of(np.array(0)):.2g} to {norm_of(np.array(255)):.2g}"
        )
    unit = (h / norm_of(number)[:, None, None]).astype(np.complex64)
    return atoms.picture(unit), number


def estimated_noise(picture: np.ndarray) -> np.ndarray:
    """Estimates the variance of white noise from the weak entries of pictures.

    The powers of entries without paths are exponential with the variance as the mean.
    A low quantile of all powers is hardly changed by the few entries that have paths.

    Args:
      picture: float32 [n, num_tx, 2, num_delay].

    Returns:
      float64 [n], E |n|^2 of an entry. Matrices without noise get the level that their
      weak entries have, which is small.
    """
    return _variances(picture)[0]


def likely_noise(picture: np.ndarray) -> np.ndarray:
    """As `estimated_noise`, but 0 where the weak entries do not look like white noise.

    Of white noise all low quantiles tell about the same variance. Of a channel without
    noise they do not. A matrix of fewer than 512 entries is too small to tell.
    """
    if picture[0].size < 2 * _ENTRIES:
        return np.zeros(len(picture))
    variances = _variances(picture)
    alike = variances.min(axis=0) >= _ALIKE * variances.max(axis=0)
    return np.where(alike, variances[0], 0.0)


def _variances(picture: np.ndarray) -> np.ndarray:
    """Variances of noise that quantiles of the power tell, float64 [quantiles, n]."""
    power = (picture.astype(np.float64) ** 2).sum(axis=2).reshape(len(picture), -1)
    return np.quantile(power, _QUANTILES, axis=1) / -np.log1p(-_QUANTILES)[:, None]


def training_lists(
    h_train: np.ndarray, atoms: Atoms
) -> tuple[np.ndarray, list[int], list[Lists], PathTables]:
    """Finds the paths of training matrices at several steps.

    The search is made twice, the second time with the prices of the first.

    Args:
      h_train: complex64 [n, num_tx, num_delay].
      atoms: Atoms of these matrices.

    Returns:
      The numbers of the norms, int64 [n]; the numbers of the steps; sorted lists of a
      third of the matrices for each step; and the tables of these lists.
    """
    picture, norm = scaled(h_train, atoms)
    effort, prices = pursuit.EFFORTS["default"], None
    for _ in range(2):
        lists = []
        for offset, i in enumerate(_FITTED_STEPS):
            part = np.flatnonzero(np.arange(len(norm)) % 3 == offset % 3)
            x = picture[part] / np.float32(step_of(i))
            lists.append(pursuit.find(x, atoms, prices, effort, i).sorted())
            if len(part) and lists[-1].count.mean() > _ENOUGH:
                break
        steps = list(_FITTED_STEPS[: len(lists)])
        tables = path_fit.fit(norm, steps, lists, atoms)
        prices = PathCoder(tables, atoms, steps[0]).prices
    return norm, steps, lists, tables


class Limit(NamedTuple):
    """A limit of the size of packets.

    Attributes:
      bits: Most bits of a packet.
      usual: Number of the step that costs least, also for matrices without paths.
    """

    bits: float
    usual: int


class PathEncoder:
    """The search of the lists of some matrices.

    Attributes:
      picture: float32 [n, num_tx, 2, num_delay], of about unit norm.
      norm: int64 [n], numbers of the norms.
    """

    def __init__(
        self,
        h: np.ndarray,
        atoms: Atoms,
        coder: AnyCoder,
        effort: str,
        noise: np.ndarray | float | str | None,
    ):
        """Takes complex [n, num_tx, num_delay] and the variance of its noise.

        None is the estimate of matrices that look noisy; a word is that of all.
        """
        self.picture, self.norm = scaled(h, atoms)
        if noise is None:
            self.noise = likely_noise(self.picture)
        elif isinstance(noise, str):
            self.noise = estimated_noise(self.picture)
        else:
            self.noise = np.broadcast_to(noise, len(h)) / norm_of(self.norm) ** 2
        self.atoms, self.coder = atoms, coder
        self.effort = pursuit.EFFORTS[effort]

    def find(self, rows: np.ndarray, steps: np.ndarray) -> Lists:
        """Returns lists of the matrices `rows` at steps [rows].

        Of the lists of several searches, the one with the least D + lambda R wins. R
        counts the whole bytes of its packet.
        """
        noise = self.noise[rows] / step_of(steps) ** 2
        x = self.picture[rows] / step_of(steps).astype(np.float32)[:, None, None, None]
        best, least = Lists.empty(len(rows), 0), np.full(len(rows), np.inf)
        for effort in (self.effort, *self.effort.more):
            how = (self.coder.prices, effort, steps, noise)
            lists = pursuit.find(x, self.atoms, *how)
            if not self.effort.more:
                best = lists
                break
            rest = x - self.atoms.synthesize(*lists.gains_and_places())
            cost = (rest**2).sum(axis=(1, 2, 3))
            cost += pursuit.LAMBDA * self.bits(rows, steps, lists)
            better = np.flatnonzero(cost < least)
            least[better] = cost[better]
            best = best.wider(lists.re.shape[1])
            best.put(better, lists[better])
        return self._moved(
            rows, steps, best, lambda _, error, bits: error + pursuit.LAMBDA * bits
        )

    def _moved(
        self,
        rows: np.ndarray,
        steps: np.ndarray,
        lists: Lists,
        cost: path_moves.Cost,
    ) -> Lists:
        """Makes small moves that lower a cost, if the effort allows it."""
        if not self.effort.moves:
            return lists
        x = self.picture[rows] / step_of(steps).astype(np.float32)[:, None, None, None]
        code = path_moves.Code(self.coder, steps, self.norm[rows])
        return path_moves.improved(x, lists, self.atoms, code, cost)

    def noise_alone(self) -> int:
        """Returns the number of matrices that are hardly more than their noise."""
        energy = (self.picture.astype(np.float64) ** 2).sum(axis=(1, 2, 3))
        noise = self.noise * self.atoms.num_tx * self.atoms.num_delay
        return int(((noise >= _ALONE * energy) & (energy > 0)).sum())

    def bits(self, rows: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
        """Returns the bits of packets, int64 [rows]."""
        code = path_moves.Code(self.coder, steps, self.norm[rows])
        return code.packets(np.arange(len(rows)), lists.sorted())

    def nmse(self, rows: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
        """Returns the NMSE of matrices, linear, float64 [rows]."""
        gain, *places = lists.gains_and_places()
        picture_hat = self.atoms.synthesize(gain * step_of(steps)[:, None], *places)
        csi = self.atoms.csi
        return metrics.nmse(csi(self.picture[rows]), csi(picture_hat))

    def meet(
        self, nmse_db: float, limit_of_bits: Limit | None = None
    ) -> tuple[np.ndarray, Lists]:
        """The coarsest steps whose NMSE is not above a limit, and their lists.

        Where their packets are above a limit of bits, those of `within` take their
        place.
        """
        limit, num = limit_of(nmse_db), len(self.norm)

        def meets(rows: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
            return self.nmse(rows, steps, lists) <= limit

        steps, lists, met = coarsest(num, self.find, meets)
        if limit_of_bits:
            steps, lists, cut = self.cut_to(limit_of_bits, steps, lists)
            met[cut] = meets(cut, steps[cut], lists[cut])
        missed = np.flatnonzero(~met)
        nmse = self.nmse(missed, steps[missed], lists[missed])
        warn_of_missed(nmse, num, nmse_db, stacklevel=3)
        energy = (self.picture.astype(np.float64) ** 2).sum(axis=(1, 2, 3))
        most = np.where(met, _INSIDE * limit * energy / step_of(steps) ** 2, -1.0)

        def cost(rows: np.ndarray, error: np.ndarray, bits: np.ndarray) -> np.ndarray:
            return np.where((error.T <= most[rows]).T, bits, np.inf)

        return steps, self._moved(np.arange(num), steps, lists, cost)

    def part(self, rows: np.ndarray) -> PathEncoder:
        """Returns the search of some of the matrices."""
        other = copy.copy(self)
        other.picture, other.norm = self.picture[rows], self.norm[rows]
        other.noise = self.noise[rows]
        return other

    def cut_to(
        self, limit: Limit, steps: np.ndarray, lists: Lists
    ) -> tuple[np.ndarray, Lists, np.ndarray]:
        """Puts what `within` finds in the place of lists above a limit of bits.

        Returns:
          The steps, the lists, and the rows that were above the limit.
        """
        over = np.flatnonzero(
            self.bits(np.arange(len(steps)), steps, lists) > limit.bits
        )
        if over.size:
            steps = steps.copy()
            steps[over], others = self.part(over).within(limit)
            lists = lists.wider(others.re.shape[1])
            lists.put(over, others)
        return steps, lists, over

    def within(self, limit: Limit) -> tuple[np.ndarray, Lists]:
        """Steps and lists with the least NMSE whose packets keep to a limit.

        The finest step whose packet keeps to it is tried, and the next finer ones and
        the usual one with their weakest paths left out.
        """

        def exceeds(rows: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
            return self.bits(rows, steps, lists) > limit.bits

        # The coarsest step that exceeds the limit; the one before it keeps to it.
        rows = np.arange(len(self.norm))
        first, _, over = coarsest(len(rows), self.find, exceeds)
        first = np.where(over, np.maximum(first - 1, 0), first)
        tried = [np.minimum(first + more, STEPS - 1) for more in range(_FINER)]
        steps, lists = self._cut(tried[0], limit)
        least = self.nmse(rows, steps, lists)
        for numbers in (*tried[1:], np.full(len(rows), limit.usual)):
            others = self._cut(numbers, limit)
            nmse = self.nmse(rows, *others)
            better = np.flatnonzero(nmse < least)
            least[better], steps[better] = nmse[better], others[0][better]
            lists = lists.wider(others[1].re.shape[1])
            lists.put(better, others[1][better])

        def cost(rows: np.ndarray, error: np.ndarray, bits: np.ndarray) -> np.ndarray:
            return np.where(bits <= limit.bits, error, np.inf)

        return steps, self._moved(rows, steps, lists, cost)

    def _cut(self, steps: np.ndarray, limit: Limit) -> tuple[np.ndarray, Lists]:
        """Steps and lists without the weakest paths, as far as a limit demands it."""
        rows, steps = np.arange(len(self.norm)), steps.copy()
        lists = self.find(rows, steps).sorted()
        steps[lists.count == 0] = limit.usual  # Without paths any step will do.
        while (over := self.bits(rows, steps[rows], lists[rows]) > limit.bits).any():
            rows = rows[over]
            last = lists.count[rows] - 1
            if (last < 0).any():
                least = int(self.bits(rows, steps[rows], lists[rows]).min())
                raise ValueError(
                    f"max_bits is {limit.bits:g}; a packet without paths takes {least}"
                )
            lists.put(rows, lists[rows].without(last))
            steps[rows[last == 0]] = limit.usual
        return steps, lists
