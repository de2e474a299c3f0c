"""The COST 2100 channel model in the form of the CsiNet data set; NumPy only.

Liu et al., "The COST 2100 MIMO channel model", IEEE Wireless Communications 2012, whose
symbols are kept: clusters are seen where a user stands in their visibility regions
(VR), and each is a cloud of multipath components (MPC) with one side towards the base
station (BS) and one towards the user (MS). Parameters are those of the public reference
implementation: IndoorHall_5GHz and SemiUrban_300MHz with line of sight.

What differs from it: single drops, not routes; all at the height of the BS; path loss
is left out, because every matrix is scaled to one peak; paths go straight to the angles
and delay taps through the Dirichlet kernel, which is what the two DFTs would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from tfcsi.channels._paths import Paths, angular_delay, padded
from tfcsi.transforms import NUM_FFT, NUM_SC, to_subcarriers

NUM_TX, NUM_DELAY = 32, 32
PEAK = 0.5  # max|h| of a matrix, the published scale
SPACING = 78.125e3  # Hz between subcarriers: 20 MHz in NUM_FFT points
LIGHT = 3e8  # m/s, the value in the reference implementation
BLOCK = 128  # drops simulated at a time, from one seed
BEARING, BEARING_SPREAD = np.deg2rad([43, 39])  # of a cluster from its VR, mean and std


def _lognormal(mean: float, std: float) -> tuple[float, float]:
    """Median and dB spread of the log-normal law of a mean and standard deviation."""
    variance = np.log1p((std / mean) ** 2)
    return mean * np.exp(-variance / 2), 10 / np.log(10) * np.sqrt(variance)


@dataclass(frozen=True)
class Scenario:
    """Parameters of a scenario; lengths in m, times in us, angles in degrees, dB.

    Attributes:
      carrier: lowest frequency of the band, Hz.
      cell: radius R of the cell, within which visibility regions lie.
      vr: radius r_c of a visibility region and length l_c of its transition.
      num_far: mean number of clusters seen, n_far.
      poisson: whether that number is Poisson (at least 1), or the same in all drops.
      ms_common: mean number of further visibility regions sharing a cluster.
      k_tau: decay of a cluster's power with its excess delay, 1/us.
      tau_b: delay from which the decay stops, or None.
      k_sel: share of clusters with one side only (single bounce).
      num_mpc: multipath components of a cluster.
      spreads: (median, dB) of shadowing, delay spread, elevation and azimuth spread at
        the BS, the same two at the MS.
      correlation: 6 x 6 of these in dB.
      r_max: largest distance of a cluster from the BS.
      link: mean and minimum of the delay between the sides of a cluster.
      local_bs: whether there is a cluster around the BS (there is one around the MS).
      los: largest range d_co and radius r_l of line of sight, K factor (median, dB);
        None if there is none.
      square: half side of the square of the users, or None.
      ring: least, likeliest and largest range of the users, isotropic and triangular in
        range, or None.
    """

    carrier: float
    cell: float
    vr: tuple[float, float]
    num_far: float
    poisson: bool
    ms_common: float
    k_tau: float
    tau_b: float | None
    k_sel: float
    num_mpc: int
    spreads: tuple[tuple[float, float], ...]
    correlation: np.ndarray
    r_max: float
    link: tuple[float, float]
    local_bs: bool
    los: tuple[float, float, float, float] | None
    square: float | None = None
    ring: tuple[float, float, float] | None = None


_CORRELATED = np.eye(6)
_CORRELATED[np.ix_([1, 3, 5], [1, 3, 5])] = 0.9
np.fill_diagonal(_CORRELATED, 1)

SCENARIOS = {
    # IndoorHall_5GHz, users in +-20 m as the published delay profile has it
    "indoor": Scenario(
        carrier=5.29e9,
        cell=30,
        vr=(2.72, 1),
        num_far=3.8,
        poisson=True,
        ms_common=4,
        k_tau=16,
        tau_b=None,
        k_sel=0,
        num_mpc=3,
        spreads=(
            (1, 0),
            _lognormal(3e-3, 0.6e-3),
            _lognormal(1.5, 1.5),
            _lognormal(3, 2),
            _lognormal(1, 1),
            _lognormal(4, 2),
        ),
        correlation=np.eye(6),
        r_max=30,
        link=(107e-3, 33.6e-3),
        local_bs=True,
        los=None,
        square=20,
    ),
    # SemiUrban_300MHz, line of sight, range law fitted to the published delay profile
    "outdoor": Scenario(
        carrier=275e6,
        cell=500,
        vr=(32.8, 16.8),
        num_far=6,
        poisson=False,
        ms_common=0,
        k_tau=2.786,
        tau_b=2.4,
        k_sel=0.1,
        num_mpc=27,
        spreads=(
            (1, 2.05),
            (139e-3, 3.66),
            (90.4, 0),
            (14.61, 2.43),
            (1.578, 0),
            (14.75, 2.68),
        ),
        correlation=_CORRELATED,
        r_max=500,
        link=(854e-3, 47.9e-3),
        local_bs=False,
        los=(350, 343, 10**-0.47, 2),
        ring=(115, 219, 284),
    ),
}


def simulate(
    num: int,
    seed: int,
    scenario: str = "indoor",
    progress: bool = False,
    return_frequency: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Draws independent channels of users at random places.

    Matrix i depends on the seed, the scenario and i, not on `num`.

    Args:
      num: number of matrices.
      seed: not negative.
      scenario: "indoor" or "outdoor".
      progress: whether to show a progress bar on standard error.
      return_frequency: whether to return the frequency-domain truth as well.

    Returns:
      h: [num, 32, 32], complex64, angles by delay taps of 49.8 ns, zero-centred, each
        scaled to max|h| = 0.5.
      hf: with `return_frequency`, [num, 32, 125], complex64, angles by subcarriers, all
        delays included, in the scale of `transforms.to_subcarriers(h)`.

    Raises:
      ValueError: unknown scenario, or `num` or `seed` negative.
    """
    if scenario not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        raise ValueError(f"unknown scenario {scenario!r}; known: {known}")
    if num < 0 or seed < 0:
        raise ValueError(f"num and seed must not be negative, got {num} and {seed}")
    parameters = SCENARIOS[scenario]
    grid = (SPACING, NUM_FFT, NUM_TX, NUM_FFT if return_frequency else NUM_DELAY)
    h = np.empty((num, NUM_TX, NUM_DELAY), np.complex64)
    hf = np.empty((num if return_frequency else 0, NUM_TX, NUM_SC), np.complex64)
    for block in tqdm(range(-(-num // BLOCK)), disable=not progress, unit="block"):
        rng = np.random.default_rng([seed, block])
        where = slice(block * BLOCK, min((block + 1) * BLOCK, num))
        paths = padded(_drops(parameters, BLOCK, rng), BLOCK)
        full = angular_delay(paths, parameters.carrier, *grid)[
            : where.stop - where.start
        ]
        full *= PEAK / np.abs(full[..., :NUM_DELAY]).max(axis=(1, 2), keepdims=True)
        h[where] = full[..., :NUM_DELAY]
        if return_frequency:
            hf[where] = to_subcarriers(full)
    return (h, hf) if return_frequency else h


# The model: users, visibility regions, clusters, paths. Rows are clusters or paths of
# all drops one after the other, and `drop` says whose they are.


def _drops(p: Scenario, num: int, rng: np.random.Generator) -> Paths:
    """Paths of `num` drops."""
    user = _users(p, num, rng)
    drop, distance, reference = _clusters(p, user, rng)
    parts = [_far(p, user, drop, distance, reference, rng), _local(p, user, user, rng)]
    if p.local_bs:
        parts.append(_local(p, user, np.zeros_like(user), rng))
    if p.los is not None:
        parts.append(_line_of_sight(p, user, parts, rng))
    fields = ("drop", "amplitude", "delay", "azimuth")
    return Paths(*(np.concatenate([getattr(q, f) for q in parts]) for f in fields))


def _users(p: Scenario, num: int, rng: np.random.Generator) -> np.ndarray:
    """Positions [num, 3] of the users; the BS is at the origin."""
    user = np.zeros((num, 3))
    if p.square is not None:
        user[:, :2] = rng.uniform(-p.square, p.square, (num, 2))
    else:
        user[:, :2] = rng.triangular(*p.ring, num)[:, None] * _bearing(
            rng.uniform(-np.pi, np.pi, num)
        )
    return user


def _clusters(
    p: Scenario, user: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clusters seen by each user, at least one.

    The VRs that hold a user are Binomial(n_vr, (r_c/R)^2), uniform in the disc of
    radius r_c about the user: the same law as that of n_vr VRs uniform in the cell.

    Returns:
      drop: [clusters], whose they are, ascending.
      distance: [clusters], from the user to the nearest VR of the cluster.
      reference: [clusters, 3], centre of the cluster's reference VR, uniform among its
        VRs, those that do not hold the user included.
    """
    r_c, l_c = p.vr
    num_vr, seen = np.zeros((2, len(user)), dtype=np.int64)
    while (none := np.flatnonzero(seen == 0)).size:  # the drop is redrawn
        far = rng.poisson(p.num_far, none.size) if p.poisson else p.num_far
        num_vr[none] = np.rint(np.maximum(far, 1) * p.cell**2 / (r_c - l_c) ** 2)
        seen[none] = rng.binomial(num_vr[none], (r_c / p.cell) ** 2)
    # Which of all VRs they are, all different, and the groups these belong to.
    drop = np.repeat(np.arange(len(user)), seen)
    first = np.cumsum(num_vr) - num_vr
    vr = first[drop] + rng.integers(num_vr[drop])
    while (again := _repeated(vr)).size:
        vr[again] = first[drop[again]] + rng.integers(num_vr[drop[again]])
    sizes = 1 + rng.poisson(p.ms_common, num_vr.sum())
    group = np.searchsorted(np.cumsum(sizes), vr, side="right")
    size = sizes[group]

    position = user[drop]
    radius = r_c * np.sqrt(rng.random(len(drop)))
    position[:, :2] += radius[:, None] * _bearing(rng.uniform(-np.pi, np.pi, len(drop)))
    _, start, seen = np.unique(
        drop * sizes.size + group, return_index=True, return_counts=True
    )
    order = np.lexsort((group, drop))
    distance = np.minimum.reduceat(radius[order], np.cumsum(seen) - seen)
    reference = position[start]  # any of those seen, or else any in the cell
    unseen = rng.random(len(start)) * size[start] > seen
    other = p.cell * np.sqrt(rng.random(len(start)))
    other = other[:, None] * _bearing(rng.uniform(-np.pi, np.pi, len(start)))
    reference[unseen, :2] = other[unseen]
    return drop[start], distance, reference


def _far(
    p: Scenario,
    user: np.ndarray,
    drop: np.ndarray,
    distance: np.ndarray,
    reference: np.ndarray,
    rng: np.random.Generator,
) -> Paths:
    """Paths by way of the far clusters, single and twin."""
    num = len(drop)
    shadow, tau, theta_bs, phi_bs, theta_ms, phi_ms = _spreads(p, num, rng)
    tan_bs, tan_ms = np.tan(phi_bs / 2), np.tan(phi_ms / 2)
    towards = np.arctan2(reference[:, 1], reference[:, 0])

    bearing = towards + rng.normal(BEARING, BEARING_SPREAD, num)
    d_bs = rng.uniform(0, p.r_max, num)
    at_bs = _planar(d_bs, bearing)
    axes_bs = _axes(-at_bs)
    a, b = tau * 1e-6 * LIGHT / 2, d_bs * tan_bs
    size_bs = np.stack([a, b, d_bs * np.tan(theta_bs / 2)], axis=1)

    bearing = towards + rng.normal(BEARING, BEARING_SPREAD, num)
    d_ms = d_bs * tan_bs / tan_ms
    at_ms = reference + _planar(d_ms, bearing)
    axes_ms = _axes(reference - at_ms)
    size_ms = np.stack([a, b, d_ms * np.tan(theta_ms / 2)], axis=1)
    mean, least = p.link
    link = (least + rng.exponential(mean, num)) * 1e-6

    single = rng.random(num) < p.k_sel
    at_ms[single], axes_ms[single] = at_bs[single], axes_bs[single]
    size_ms[single], link[single] = size_bs[single], 0

    r_c, l_c = p.vr
    y = distance - (r_c - l_c)
    wavelength = LIGHT / p.carrier
    gain = 0.5 - np.arctan(2 * np.sqrt(2) * y / np.sqrt(wavelength * l_c)) / np.pi
    place, length = user[drop], np.linalg.norm
    tau_0 = length(place, axis=1) / LIGHT
    tau_m = (length(at_bs, axis=1) + length(place - at_ms, axis=1)) / LIGHT + link
    if p.tau_b is not None:
        tau_m = np.minimum(tau_m, p.tau_b * 1e-6)
    strength = gain * np.sqrt(np.exp(-p.k_tau * 1e6 * (tau_m - tau_0)) * shadow)

    cloud = rng.standard_normal((num, p.num_mpc, 3)) / 3
    mpc_bs = at_bs[:, None] + (cloud * size_bs[:, None]) @ axes_bs
    mpc_ms = at_ms[:, None] + (cloud * size_ms[:, None]) @ axes_ms
    way = length(mpc_bs, axis=2) + length(place[:, None] - mpc_ms, axis=2)
    amplitude = strength[:, None] * _fading((num, p.num_mpc), rng)
    return _paths(drop, amplitude, way / LIGHT + link[:, None], mpc_bs)


def _local(
    p: Scenario, user: np.ndarray, centre: np.ndarray, rng: np.random.Generator
) -> Paths:
    """Paths by way of the cluster around `centre` [num, 3], the user or the BS."""
    num = len(user)
    shadow, tau, *_ = _spreads(p, num, rng)
    a = tau * 1e-6 * LIGHT / 2
    cloud = rng.standard_normal((num, p.num_mpc, 3)) * np.array([1 / 3, 1 / 3, 1 / 60])
    mpc = centre[:, None] + cloud * a[:, None, None]
    length = np.linalg.norm(mpc, axis=2) + np.linalg.norm(user[:, None] - mpc, axis=2)
    amplitude = np.sqrt(shadow)[:, None] * _fading((num, p.num_mpc), rng)
    return _paths(np.arange(num), amplitude, length / LIGHT, mpc)


def _line_of_sight(
    p: Scenario, user: np.ndarray, parts: list[Paths], rng: np.random.Generator
) -> Paths:
    """The direct path, K times as strong as the paths of `parts` together."""
    d_co, r_l, k_factor, k_spread = p.los
    num = len(user)
    power = sum(
        np.bincount(q.drop, np.abs(q.amplitude) ** 2, minlength=num) for q in parts
    )
    k = k_factor * 10 ** (0.1 * k_spread * rng.standard_normal(num))
    centre = rng.uniform(0, d_co - r_l, (num, 2))
    away = np.linalg.norm(user[:, :2] - centre, axis=1)
    r = np.linalg.norm(user, axis=1)
    amplitude = np.sqrt(k * power) * ((r <= d_co) & (away <= r_l))
    delay = np.linalg.norm(user[:, :2], axis=1) / LIGHT
    return _paths(np.arange(num), amplitude[:, None], delay[:, None], user[:, None])


def _spreads(p: Scenario, num: int, rng: np.random.Generator) -> np.ndarray:
    """Shadowing, delay [us], theta_BS, phi_BS, theta_MS, phi_MS [rad]: [6, num]."""
    q = rng.standard_normal((num, 6)) @ np.linalg.cholesky(p.correlation).T
    median, spread = np.array(p.spreads).T
    out = (median * 10 ** (0.1 * spread * q)).T
    out[2:] = np.deg2rad(out[2:])
    return out


def _fading(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Complex Gaussian amplitudes of the MPCs of clusters, of unit energy a cluster."""
    a = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return a / np.linalg.norm(a, axis=1, keepdims=True)


def _paths(
    drop: np.ndarray, amplitude: np.ndarray, delay: np.ndarray, seen: np.ndarray
) -> Paths:
    """Flattens [clusters, mpc]; the BS sees the paths at `seen` [clusters, mpc, 3]."""
    azimuth = np.arctan2(seen[..., 1], seen[..., 0]).ravel()
    drop = np.repeat(drop, amplitude.shape[1])
    return Paths(drop, amplitude.ravel(), delay.ravel(), azimuth)


def _bearing(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _planar(distance: np.ndarray, angle: np.ndarray) -> np.ndarray:
    flat = distance[:, None] * _bearing(angle)
    return np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)


def _axes(line: np.ndarray) -> np.ndarray:
    """Axes [n, 3, 3] (rows) of clusters: along a horizontal line, across it, up."""
    x, y = (line[:, :2] / np.linalg.norm(line[:, :2], axis=1, keepdims=True)).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = [[x, y, zero], [-y, x, zero], [zero, zero, one]]
    return np.moveaxis(np.array(rows), -1, 0)


def _repeated(values: np.ndarray) -> np.ndarray:
    """Indices of the values that were there before."""
    _, first = np.unique(values, return_index=True)
    return np.setdiff1d(np.arange(len(values)), first)
