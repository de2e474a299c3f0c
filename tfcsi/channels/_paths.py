"""From propagation paths to matrices, in angle and delay without the two DFTs.

Sampled at antennas and subcarriers and transformed, a path becomes a Dirichlet kernel
in angle times one in delay. Both are known in closed form: the result is that of
`transforms.to_angular_delay`, up to scale, at a fraction of the work.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

_ENTRIES = 1 << 18  # of a kernel in memory at a time
_OFF_GRID = 2e-10  # of a period: keeps the kernel from 0 / 0


@dataclass
class Paths:
    """Paths of many users, one a row; those of a user follow one another.

    Attributes:
      drop: whose the path is, an index, ascending.
      amplitude: real or complex, linear, at delay zero or at the carrier.
      delay: in s.
      departure: cosine of the angle between the path and the array of the BS.
      arrival: the same at the user.
    """

    drop: np.ndarray
    amplitude: np.ndarray
    delay: np.ndarray
    departure: np.ndarray
    arrival: np.ndarray


def joined(parts: list[Paths]) -> Paths:
    """Puts the paths of several kinds together, drop by drop."""
    order = np.argsort(np.concatenate([p.drop for p in parts]), kind="stable")
    rows = ([getattr(p, f.name) for p in parts] for f in fields(Paths))
    return Paths(*(np.concatenate(row)[order] for row in rows))


def dirichlet(
    s: np.ndarray, size: int, bins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over k < size of exp(2 pi j k (m / size - s)), in closed form.

    This is the inverse DFT at bin m of a tone: of a path of delay s (in periods of the
    grid) at delay taps, of a plane wave at angles. With u = m / size - s it is
    exp(j pi (size - 1) u) sin(pi size u) / (size sin(pi u)), which splits into factors
    of s, of m, and of both, the last real and made without trigonometric functions.

    Args:
      s: [paths], float64.
      size: length of the DFT.
      bins: [num], integers m.

    Returns:
      of_s: [paths], complex128; of_m: [num], complex128; of_both: [paths, num],
      float32. The value is their product, to 1e-6.
    """
    off_grid = size * s - np.rint(size * s)
    s = np.where(np.abs(off_grid) < size * _OFF_GRID / 2, s + _OFF_GRID, s)
    of_s = np.exp(-1j * np.pi * (size - 1) * s) * -np.sin(np.pi * size * s) / size
    angle = np.pi * bins / size
    of_m = np.exp(1j * angle * (size - 1)) * np.where(bins % 2, -1, 1)
    # sin(angle - pi s), by two products: the difference needs all its 53 bits.
    of_both = np.cos(np.pi * s)[:, None] * np.sin(angle)
    of_both -= np.sin(np.pi * s)[:, None] * np.cos(angle)
    return of_s, of_m, np.reciprocal(of_both, out=of_both).astype(np.float32)


def tones(s: np.ndarray, size: int) -> np.ndarray:
    """exp(-2 pi j k s) of k < size: [paths, size], complex64."""
    step = int(np.ceil(np.sqrt(size)))  # k = step * i + j: few exponentials
    coarse = np.exp(-2j * np.pi * step * s[:, None] * np.arange(-(-size // step)))
    fine = np.exp(-2j * np.pi * s[:, None] * np.arange(step))
    product = coarse[:, :, None] * fine[:, None, :]
    return product.reshape(len(s), -1)[:, :size].astype(np.complex64)


@dataclass(frozen=True)
class Grid:
    """Antennas and frequencies.

    Attributes:
      carrier: middle of the band, Hz.
      subcarrier_spacing: Hz.
      num_sc: subcarriers.
      num_tx, num_rx: antennas of the BS and of the user, each in a line.
      tx_spacing, rx_spacing: between antennas, in wavelengths of the carrier.
    """

    carrier: float
    subcarrier_spacing: float
    num_sc: int
    num_tx: int
    tx_spacing: float
    num_rx: int
    rx_spacing: float

    @property
    def lowest(self) -> float:
        """Lowest frequency, Hz."""
        return self.carrier - (self.num_sc - 1) / 2 * self.subcarrier_spacing


def matrices(
    paths: Paths, num: int, grid: Grid, angles: bool, delays: bool, size: int
) -> np.ndarray:
    """Sums paths over antennas, angles, frequencies and delays.

    In space and frequency, of antennas r and i and subcarrier k, this is
    sum a exp(-2 pi j (lowest + k spacing) delay - 2 pi j (r rx_spacing arrival
    + i tx_spacing departure)). Angles are its FFT over i divided by sqrt(num_tx), zero
    in the middle; delays its inverse FFT over k.

    Args:
      paths: of `num` drops.
      num: number of drops.
      grid: antennas and frequencies.
      angles: whether the BS axis is angles, or antennas.
      delays: whether the last axis is delay taps, or subcarriers.
      size: taps or subcarriers computed, the first ones.

    Returns:
      [num, num_rx, num_tx, size], complex64.
    """
    start = np.searchsorted(paths.drop, np.arange(num + 1))
    h = np.empty((num, grid.num_rx, grid.num_tx, size), np.complex64)
    bins = grid.num_tx // 2 - np.arange(grid.num_tx)  # minus those of the shifted FFT
    most = max(1, _ENTRIES // max(grid.num_tx, size))
    first = 0
    while first < num:
        last = np.searchsorted(start, start[first] + most, side="right") - 1
        last = min(max(last, first + 1), num)
        chunk = slice(start[first], start[last])
        delay, amplitude = paths.delay[chunk], paths.amplitude[chunk]
        weight = amplitude * np.exp(-2j * np.pi * grid.lowest * delay)
        factor = np.ones((grid.num_tx, size))
        if angles:
            s = grid.tx_spacing * paths.departure[chunk]
            of_s, of_m, left = dirichlet(s, grid.num_tx, bins)
            weight *= of_s
            factor = factor * (np.sqrt(grid.num_tx) * of_m[:, None])
        else:
            left = tones(grid.tx_spacing * paths.departure[chunk], grid.num_tx)
        s = grid.subcarrier_spacing * delay
        if delays:
            of_s, of_m, right = dirichlet(s, grid.num_sc, np.arange(size))
            weight *= of_s
            factor = factor * of_m
        else:
            right = tones(s, size)
        turn = np.exp(-2j * np.pi * grid.rx_spacing * paths.arrival[chunk])
        rows = start[first : last + 1] - start[first]
        for r in range(grid.num_rx):
            _sum_drops(left, right, weight * turn**r, rows, h[first:last, r])
        h[first:last] *= factor.astype(np.complex64)
        first = last
    return h


def _sum_drops(left, right, weight, rows, out) -> None:
    """Writes sum over the paths of each drop of left [., i] weight [.] right [., m]."""
    weight = weight.astype(np.complex64)[:, None]
    drops = [slice(*ends) for ends in zip(rows, rows[1:])]
    if np.iscomplexobj(left) or np.iscomplexobj(right):
        weighted = right * weight
        for i, drop in enumerate(drops):
            np.matmul(left[drop].T, weighted[drop], out=out[i])
    else:
        real, imag = right * weight.real, right * weight.imag
        for i, drop in enumerate(drops):
            out[i].real = left[drop].T @ real[drop]
            out[i].imag = left[drop].T @ imag[drop]
