"""From propagation paths to angular-delay matrices, without the two DFTs.

Sampled at antennas and subcarriers and transformed, a path becomes a Dirichlet kernel
in angle times one in delay. Both are summed here in closed form: the result is that of
`transforms.to_angular_delay`, up to scale, at a fraction of the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_ENTRIES = 1 << 18  # of a kernel in memory at a time


@dataclass
class Paths:
    """Paths of many users: one a row, or [num, most paths] once `padded`.

    Attributes:
      drop: whose the path is, an index.
      amplitude: real or complex, linear, at delay zero or at the carrier.
      delay: in s.
      azimuth: of departure from the BS, in rad, 0 along the array.
    """

    drop: np.ndarray
    amplitude: np.ndarray
    delay: np.ndarray
    azimuth: np.ndarray


def padded(paths: Paths, num: int) -> Paths:
    """Turns paths in rows into [num, most paths a drop], amplitude 0 where none is."""
    order = np.argsort(paths.drop, kind="stable")
    drop = paths.drop[order]
    count = np.bincount(drop, minlength=num)
    column = np.arange(len(drop)) - np.repeat(np.cumsum(count) - count, count)

    def table(values: np.ndarray) -> np.ndarray:
        out = np.zeros((num, count.max(initial=0)), values.dtype)
        out[drop, column] = values[order]
        return out

    columns = (paths.drop, paths.amplitude, paths.delay, paths.azimuth)
    return Paths(*map(table, columns))


def dirichlet(
    s: np.ndarray, size: int, bins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over k < size of exp(2 pi j k (m / size - s)), in closed form.

    This is the inverse DFT at bin m of a tone: of a path of delay s (in periods of the
    grid) at delay taps, of a plane wave at angles. With u = m / size - s it is
    exp(j pi (size - 1) u) sin(pi size u) / (size sin(pi u)), which splits into factors
    of s, of m, and of both, the last real and made without trigonometric functions.

    Args:
      s: [...], float64.
      size: length of the DFT.
      bins: [num], integers m.

    Returns:
      of_s: [...], complex128; of_m: [num], complex128; of_both: [..., num], float64.
      The value is their product, to 1e-6.
    """
    off_grid = size * s - np.rint(size * s)
    s = np.where(np.abs(off_grid) < 1e-10 * size, s + 2e-10, s)  # no 0 / 0 at a bin
    of_s = np.exp(-1j * np.pi * (size - 1) * s) * -np.sin(np.pi * size * s) / size
    angle = np.pi * bins / size
    of_m = np.exp(1j * angle * (size - 1)) * np.where(bins % 2, -1, 1)
    of_both = np.cos(np.pi * s)[..., None] * np.sin(angle)
    of_both -= np.sin(np.pi * s)[..., None] * np.cos(angle)
    return of_s, of_m, np.reciprocal(of_both, out=of_both)


def angular_delay(
    paths: Paths,
    carrier: float,
    spacing: float,
    num_sc: int,
    num_tx: int,
    num_delay: int,
) -> np.ndarray:
    """Matrices of users with an array of half-wavelength spacing, in angle and delay.

    Of sum a exp(-2 pi j (carrier + k spacing) delay) exp(-pi j i cos(azimuth)), over
    antennas i the FFT over sqrt(num_tx), zero angle in the middle, and over subcarriers
    k < num_sc the inverse FFT.

    Args:
      paths: [num, most paths], as `padded` makes them.
      carrier: lowest frequency, Hz.
      spacing: between subcarriers, Hz.
      num_sc: subcarriers.
      num_tx: antennas.
      num_delay: delay taps computed, at most `num_sc`.

    Returns:
      [num, num_tx, num_delay], complex128.
    """
    num, width = paths.delay.shape
    step = max(1, _ENTRIES // max(1, width * max(num_tx, num_delay)))
    h = np.empty((num, num_tx, num_delay), np.complex128)
    angles = num_tx // 2 - np.arange(num_tx)  # minus the bins of the shifted FFT
    for i in range(0, num, step):
        delay, amplitude = paths.delay[i : i + step], paths.amplitude[i : i + step]
        cosine = np.cos(paths.azimuth[i : i + step])
        a_s, a_m, a_both = dirichlet(cosine / 2, num_tx, angles)
        d_s, d_m, d_both = dirichlet(delay * spacing, num_sc, np.arange(num_delay))
        weight = amplitude * np.exp(-2j * np.pi * carrier * delay) * a_s * d_s
        turned = np.swapaxes(a_both, 1, 2)
        part = h[i : i + step]
        part.real = turned @ (d_both * weight.real[..., None])
        part.imag = turned @ (d_both * weight.imag[..., None])
        part *= np.sqrt(num_tx) * a_m[:, None] * d_m
    return h
