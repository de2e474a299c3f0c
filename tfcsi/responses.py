"""From propagation paths to matrices, in angle and delay without the two DFTs.

If a path is sampled at antennas and subcarriers and transformed, it becomes a Dirichlet
kernel in angle times one in delay. Both have a closed form. So the result is that of
`transforms.to_angular_delay`, up to scale, at a fraction of the work. Simulators and
readers of files of paths share this module.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tfcsi import transforms

SELECTIONS = ("spread", "first")
_ENTRIES = 1 << 18  # Entries of a kernel in memory at a time.
_ON_GRID = 1e-10  # In periods; a tone that is nearer to the grid counts as on it.
_USERS = 1024  # Number of users with matrices in double precision at a time.


@dataclasses.dataclass
class Paths:
    """Paths of many users, a path in each row; the paths of a user follow one another.

    Attributes:
      user: [paths], integers, number of the user, ascending.
      gain: [paths], real or complex, linear, at delay zero or at the lowest frequency;
        or [paths, num_tx], at each antenna of the base station (BS).
      delay: [paths], s; or [paths, num_tx], at each antenna.
      departure: [paths], cosine of the angle between the path and the array of the BS;
        or [paths, 3], unit vectors from the BS, from which a reader computes the gains
        at each antenna. None if the gains are given at each antenna.
      arrival: [paths], cosine of the angle between the path and the array of the user.
        None for users with one antenna.
    """

    user: np.ndarray
    gain: np.ndarray
    delay: np.ndarray
    departure: np.ndarray | None = None
    arrival: np.ndarray | None = None

    def __getitem__(self, rows: np.ndarray | slice) -> Paths:
        """Returns the paths of some rows."""
        return _paths(None if x is None else x[rows] for x in self._columns())

    def of_users(self, chosen: np.ndarray) -> Paths:
        """Selects the paths of some users.

        Args:
          chosen: [users], integers, the numbers of these users, ascending.

        Returns:
          Their paths. The new numbers of the users begin at 0.
        """
        first = np.searchsorted(self.user, chosen, "left")
        end = np.searchsorted(self.user, chosen, "right")
        count = end - first
        skipped = np.repeat(first - (np.cumsum(count) - count), count)
        paths = self[skipped + np.arange(count.sum())]
        paths.user = np.repeat(np.arange(len(chosen)), count)
        return paths

    def column(self, name: str) -> np.ndarray:
        """Returns an attribute by its name; raises a ValueError if it is None."""
        column = getattr(self, name)
        if column is None:
            raise ValueError(f"these paths have no {name}")
        return column

    def _columns(self) -> list[np.ndarray | None]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]


def joined(parts: Sequence[Paths]) -> Paths:
    """Joins several sets of paths of the same users, sorted by user."""
    order = np.argsort(np.concatenate([p.user for p in parts]), kind="stable")
    columns = zip(*(p._columns() for p in parts))
    return _paths(None if c[0] is None else np.concatenate(c)[order] for c in columns)


def _paths(columns: Iterable[np.ndarray | None]) -> Paths:
    """Makes paths from their columns; raises ValueError if a required one is None."""
    user, gain, delay, *angles = columns
    if user is None or gain is None or delay is None:
        raise ValueError("paths must have users, gains and delays")
    return Paths(user, gain, delay, *angles)


def unpadded(gain: np.ndarray, delay: np.ndarray) -> Paths:
    """Makes paths of arrays with the same number of paths for each user.

    Args:
      gain: [n, num_tx, num_paths], complex; 0 at all antennas if there is no path.
      delay: [n, num_paths], or [n, num_tx, num_paths] with delays of each antenna, s.

    Returns:
      The paths of users 0 to n - 1, with gains at each antenna.
    """
    user, path = np.nonzero(gain.any(axis=1))
    each = delay if delay.ndim == 2 else np.moveaxis(delay, 1, -1)
    return Paths(user, np.moveaxis(gain, 1, -1)[user, path], each[user, path])


@dataclasses.dataclass(frozen=True)
class Band:
    """A band, and the delay taps or subcarriers that are kept of it.

    Attributes:
      bandwidth: bandwidth, Hz.
      num_fft: number of subcarriers; delays wrap around after num_fft / bandwidth.
      num_sc: number of delay taps or subcarriers that are kept.
      select: which subcarriers are kept: "spread" evenly over the band, or the "first".
      lowest: frequency of the first subcarrier, Hz; 0 if gains are given there.
    """

    bandwidth: float
    num_fft: int
    num_sc: int
    select: str = "spread"
    lowest: float = 0.0

    def __post_init__(self) -> None:
        if not self.bandwidth > 0:
            raise ValueError(f"bandwidth is {self.bandwidth}; it must be positive, Hz")
        if self.select not in SELECTIONS:
            known = ", ".join(SELECTIONS)
            raise ValueError(f"select is {self.select!r}; it must be one of {known}")
        if not 1 <= self.num_sc <= self.num_fft:
            raise ValueError(f"num_sc is {self.num_sc}; it must be 1 to {self.num_fft}")
        if self.select == "spread" and self.num_fft % self.num_sc:
            raise ValueError(
                f"num_sc is {self.num_sc}; to be spread evenly it must divide num_fft, "
                f"{self.num_fft}"
            )

    @property
    def spacing(self) -> float:
        """Distance of neighbouring subcarriers, Hz."""
        return self.bandwidth / self.num_fft

    @property
    def step(self) -> int:
        """Distance of the subcarriers that are kept, in subcarriers."""
        return self.num_fft // self.num_sc if self.select == "spread" else 1

    def subcarriers(self) -> np.ndarray:
        """Numbers of the subcarriers that are kept, [num_sc]."""
        return self.step * np.arange(self.num_sc)


@dataclasses.dataclass(frozen=True)
class Antennas:
    """Antennas of the BS and of the user, each in a line.

    Attributes:
      num_tx, num_rx: numbers of antennas of the BS and of the user.
      tx_spacing, rx_spacing: distance between them, in wavelengths of the carrier.
    """

    num_tx: int
    tx_spacing: float = 0.5
    num_rx: int = 1
    rx_spacing: float = 0.5


def dirichlet(
    s: np.ndarray, size: int, bins: np.ndarray, exact: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean over k < size of exp(2 pi j k (m / size - s)), in closed form.

    This is the inverse DFT of a tone at bin m: a path of delay s (in periods of the
    grid) at delay taps, or a plane wave at angles. With u = m / size - s it is
    exp(j pi (size - 1) u) sin(pi size u) / (size sin(pi u)). It splits into factors of
    s, of m, and of both. The last one is real and needs no trigonometric functions of
    both.

    Args:
      s: [paths], float64.
      size: length of the DFT.
      bins: [num], the integers m.
      exact: whether values on the grid are exact, or within 1e-6. Simulators use the
        latter, so that the matrices of a seed stay the same to the last bit.

    Returns:
      of_s: [paths], complex128; of_m: [num], complex128; of_both: [paths, num],
      float64. The value is their product.
    """
    nearest = np.rint(size * s)
    on_grid = np.flatnonzero(np.abs(size * s - nearest) < size * _ON_GRID)
    s = s.copy()
    s[on_grid] += 2 * _ON_GRID  # Avoids 0 / 0 in the kernel.
    of_s = np.exp(-1j * np.pi * (size - 1) * s) * -np.sin(np.pi * size * s) / size
    angle = np.pi * bins / size
    of_m = np.exp(1j * angle * (size - 1)) * np.where(bins % 2, -1, 1)
    # sin(angle - pi s) as two products, because the difference would lose bits.
    of_both = np.cos(np.pi * s)[:, None] * np.sin(angle)
    of_both -= np.sin(np.pi * s)[:, None] * np.cos(angle)
    np.reciprocal(of_both, out=of_both)
    if exact and on_grid.size:  # There the mean is 1 at one bin and 0 at all others.
        tap = nearest[on_grid]
        of_s[on_grid] = np.exp(-1j * np.pi * (size - 1) / size * tap)
        of_s[on_grid] *= np.where(tap % 2, -1, 1)
        there = (bins - tap[:, None]) % size == 0
        of_both[on_grid] = there * np.rint((of_s[on_grid, None] * of_m).real)
    return of_s, of_m, of_both


def tones(s: np.ndarray, size: int) -> np.ndarray:
    """Returns exp(-2 pi j k s) of s [paths] for k < size: [paths, size], complex128."""
    step = int(np.ceil(np.sqrt(size)))  # k = step * i + j needs few exponentials.
    coarse = np.exp(-2j * np.pi * step * s[:, None] * np.arange(-(-size // step)))
    fine = np.exp(-2j * np.pi * s[:, None] * np.arange(step))
    product = coarse[:, :, None] * fine[:, None, :]
    return product.reshape(len(s), -1)[:, :size]


def matrices(
    paths: Paths,
    num: int,
    antennas: Antennas,
    band: Band,
    angles: bool,
    delays: bool,
    dtype: Any = np.complex64,
) -> np.ndarray:
    """Sums the paths of each user at antennas or angles, and subcarriers or delays.

    At antennas r (user) and i (BS) and subcarrier k, the sum is that of
    gain exp(-2 pi j (lowest + k spacing) delay - 2 pi j (r rx_spacing arrival
    + i tx_spacing departure)). If gains are given at each antenna, they take the place
    of the last term. Angles are the FFT of this over i, divided by sqrt(num_tx), with
    zero in the middle. Delays are its inverse FFT over all k.

    Args:
      paths: paths of users 0 to `num` - 1.
      num: number of users.
      antennas: antennas of both ends.
      band: the band, and how many taps or subcarriers are kept.
      angles: whether the axis of the BS has angles; if not, antennas.
      delays: whether the last axis has the first delay taps; if not, subcarriers.
      dtype: complex64, or complex128 for sums and kernels in double precision.

    Returns:
      [num, num_rx, num_tx, num_sc], `dtype`.
    """
    num_tx, size = antennas.num_tx, band.num_sc
    at_antennas = paths.gain.ndim == 2 or paths.delay.ndim == 2
    start = np.searchsorted(paths.user, np.arange(num + 1))
    h = np.empty((num, antennas.num_rx, num_tx, size), dtype)
    real, exact = np.finfo(dtype).dtype, dtype == np.complex128
    bins = num_tx // 2 - np.arange(
        num_tx
    )  # Bins of the shifted FFT with the opposite sign.
    most = num_tx * size if paths.delay.ndim == 2 else max(num_tx, size)
    most = max(1, _ENTRIES // most)
    first = 0
    while first < num:
        last = np.searchsorted(start, start[first] + most, side="right") - 1
        last = min(max(last, first + 1), num)
        chunk = slice(start[first], start[last])
        delay, gain = paths.delay[chunk], paths.gain[chunk]
        weight = np.exp(-2j * np.pi * band.lowest * delay)
        factor = np.ones((num_tx, size))
        if at_antennas:
            left = gain if gain.ndim == 2 else np.repeat(gain[:, None], num_tx, 1)
            left = left.astype(dtype)
        elif angles:
            departure = paths.column("departure")
            s = antennas.tx_spacing * departure[chunk]
            of_s, of_m, left = dirichlet(s, num_tx, bins, exact)
            weight, left = gain * weight * of_s, left.astype(real)
            factor = factor * (np.sqrt(num_tx) * of_m[:, None])
        else:
            weight = gain * weight
            departure = paths.column("departure")
            left = tones(antennas.tx_spacing * departure[chunk], num_tx)
            left = left.astype(dtype)
        s = (band.spacing * delay).astype(np.float64)
        if delays:
            taps = np.arange(size)
            of_s, of_m, right = dirichlet(s.ravel(), band.num_fft, taps, exact)
            weight = weight * of_s.reshape(s.shape)
            factor, right = factor * of_m, right.astype(real)
        else:
            right = tones(band.step * s.ravel(), size).astype(dtype)
        rows = start[first : last + 1] - start[first]
        for r in range(antennas.num_rx):
            if r == 1:
                arrival = paths.column("arrival")[chunk]
                turn = np.exp(-2j * np.pi * antennas.rx_spacing * arrival)
            turned = (weight * turn**r if r else weight).astype(dtype)
            _sum_users(left, right, turned, rows, h[first:last, r])
        h[first:last] *= factor.astype(dtype)
        first = last
    return transforms.to_angles(h).astype(dtype) if angles and at_antennas else h


def _sum_users(
    left: np.ndarray,
    right: np.ndarray,
    weight: np.ndarray,
    rows: np.ndarray,
    out: np.ndarray,
) -> None:
    """Writes the sum of left [., i] weight [.] right [., m] over each user's paths."""
    users = [slice(*ends) for ends in zip(rows, rows[1:])]
    if weight.ndim == 2:  # Delays of each antenna.
        left = left * weight
        right = right.reshape(*weight.shape, -1)
        for i, user in enumerate(users):
            np.einsum("pi,pim->im", left[user], right[user], out=out[i])
        return
    weight = weight[:, None]
    if np.iscomplexobj(left) or np.iscomplexobj(right):
        weighted = right * weight
        for i, user in enumerate(users):
            np.matmul(left[user].T, weighted[user], out=out[i])
    else:
        real, imag = right * weight.real, right * weight.imag
        for i, user in enumerate(users):
            out[i].real = left[user].T @ real[user]
            out[i].imag = left[user].T @ imag[user]


def with_loss(
    paths: Paths, num: int, num_tx: int, band: Band, domain: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the matrices of users, and the energy that they do not hold.

    Args:
      paths: paths of users 0 to `num` - 1, with gains at each antenna.
      num: number of users.
      num_tx: number of antennas of the BS.
      band: the band, and how many taps or subcarriers are kept.
      domain: "angular_delay" for `transforms.to_angular_delay` of all subcarriers, a
        unitary 2-D DFT that is cut to the first taps; or "space_frequency" for the
        subcarriers that are kept.

    Returns:
      h: [num, num_tx, num_sc], complex64.
      lost: [num], float64, linear, the share of the energy in later taps. It is zero in
        the space-frequency domain: subcarriers are samples, and nothing is cut off.
    """
    transforms.check_domain(domain)
    in_taps = domain == "angular_delay"
    h, lost = np.empty((num, num_tx, band.num_sc), np.complex64), np.zeros(num)
    for start in range(0, num, _USERS):
        part = slice(start, min(start + _USERS, num))
        some = paths.of_users(np.arange(part.start, part.stop))
        form = (len(h[part]), Antennas(num_tx), band, in_taps, in_taps, np.complex128)
        block = matrices(some, *form)[:, 0]
        if in_taps:
            block *= np.sqrt(band.num_fft)
            total, kept = energy(some, len(block), band), np.abs(block) ** 2
            kept = kept.sum((1, 2))
            share = np.divide(kept, total, out=np.ones_like(total), where=total > 0)
            lost[part] = np.clip(1 - share, 0, 1)
        h[part] = block
    return h, lost


def energy(paths: Paths, num: int, band: Band) -> np.ndarray:
    """Returns the energy of users at all subcarriers, from the products of paths.

    Args:
      paths: paths of users 0 to `num` - 1, with gains at each antenna.
      num: number of users.
      band: the band; all of its subcarriers count.

    Returns:
      [num], float64, linear.
    """
    start = np.searchsorted(paths.user, np.arange(num + 1))
    counts, out = np.diff(start), np.zeros(num)
    for count in np.unique(counts[counts > 0]):
        users = np.flatnonzero(counts == count)
        width = count**2 * (paths.gain.shape[1] if paths.delay.ndim == 2 else 1)
        for some in np.array_split(users, -(-len(users) * width // _ENTRIES)):
            rows = start[some][:, None] + np.arange(count)
            gain = np.moveaxis(paths.gain[rows], -1, 1)  # [users, num_tx, paths]
            s = (band.spacing * paths.delay[rows]).astype(np.float64)
            s = s if s.ndim == 2 else np.moveaxis(s, -1, 1)
            lag = s[..., None, :] - s[..., None]
            of_s, of_m, of_both = dirichlet(lag.ravel(), band.num_fft, np.zeros(1, int))
            kernel = (of_s * of_m * of_both[:, 0]).reshape(lag.shape)
            if s.ndim == 2:
                products = np.swapaxes(gain.conj(), 1, 2) @ gain
                out[some] = (products * kernel).sum((1, 2)).real
            else:
                each = (gain.conj()[..., None, :] @ kernel @ gain[..., None])[..., 0, 0]
                out[some] = each.sum(1).real
    return band.num_fft * out
