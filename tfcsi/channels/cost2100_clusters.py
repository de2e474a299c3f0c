"""Clusters of the COST 2100 channel model, and the paths that they make.

The symbols are those of Liu et al., "The COST 2100 MIMO channel model", IEEE Wireless
Communications 2012. A cluster is a cloud of multipath components (MPC) with one side
towards the base station (BS) and one towards the user (MS). A user sees it while it
stands in one of the cluster's visibility regions (VR).

`draw` draws once all that stays the same while a user moves. `paths` then returns what
the users see at their places at one moment. Rows are VRs, clusters or paths of all
drops one after the other, and `drop` says to which drop a row belongs. The BS is at the
origin. Horizontal positions are complex, x + jy, in m, with the array along x. The BS,
the users and the centres of clusters are at the same height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfcsi.channels.cost2100_scenarios import Scenario
from tfcsi.responses import Paths, joined

LIGHT = 3e8  # m/s, the value in the reference implementation
# Mean and standard deviation of the bearing of a cluster from its VR.
BEARING, BEARING_SPREAD = np.deg2rad([43, 39])
LOCAL_SIZE = np.array([1 / 3, 1 / 3, 1 / 60])  # of a local cluster: its std over a


@dataclass
class Cloud:
    """One side of clusters: the places of their MPCs.

    Attributes:
      centre: [clusters], complex.
      mpc: [clusters, num_mpc], complex.
      height: [clusters, num_mpc], height of the MPCs above the antennas.
    """

    centre: np.ndarray
    mpc: np.ndarray
    height: np.ndarray


@dataclass
class Drops:
    """All that is drawn once for many users.

    Attributes:
      scenario: parameters.
      wavelength: wavelength of the carrier, m.
      num: number of users.
      facing: [num], complex of modulus one, direction of the array of each user.
      vr: [vrs], complex, centres of the VRs near the ways of the users.
      vr_cluster: [vrs], the cluster of each VR, ascending.
      drop: [clusters], the drop of each far cluster, ascending.
      at_bs, at_ms: the two sides of the far clusters.
      link: [clusters], delay between the two sides, s.
      fading: [clusters, num_mpc], complex, with shadowing.
      local: the clusters around the BS and around the users, if the scenario has them:
        whether it is around the users, a `Cloud` of centre 0, its fading.
      los_centre: [num], complex, centre of the VR of the direct path.
      los_k: [num], power of the direct path over that of all other paths.
    """

    scenario: Scenario
    wavelength: float
    num: int
    facing: np.ndarray
    vr: np.ndarray
    vr_cluster: np.ndarray
    drop: np.ndarray
    at_bs: Cloud
    at_ms: Cloud
    link: np.ndarray
    fading: np.ndarray
    local: list[tuple[bool, Cloud, np.ndarray]]
    los_centre: np.ndarray | None
    los_k: np.ndarray | None


def draw(
    s: Scenario,
    carrier: float,
    user: np.ndarray,
    way: np.ndarray,
    rng: np.random.Generator,
) -> Drops:
    """Draws the surroundings of users.

    Args:
      s: parameters.
      carrier: Hz.
      user: [num], complex, start of each user, in the cell.
      way: [num], complex, way from there to its end, straight on.
      rng: generator of all random numbers.

    Returns:
      The surroundings. Each user sees at least one cluster from its start.
    """
    num = len(user)
    vr, vr_cluster, drop, reference = _visibility(s, user, way, rng)
    at_bs, at_ms, link, fading = _far_clusters(s, drop, reference, rng)
    local = []
    for around_user, there in ((False, s.local_bs), (True, s.local_ms)):
        if there:
            shadow, tau, *_ = _spreads(s, num, rng)
            size = LOCAL_SIZE[:, None] * tau * LIGHT / 2
            cloud = _cloud(np.zeros(num), np.ones(num), size, _gaussian(s, num, rng))
            local.append((around_user, cloud, _fading(s, shadow, rng)))
    los_centre = los_k = None
    if s.los is not None:
        side = s.los.range - s.los.radius
        los_centre = rng.uniform(0, side, num) + 1j * rng.uniform(0, side, num)
        k_db = s.los.k_factor + s.los.k_spread * rng.standard_normal(num)
        los_k = 10 ** (0.1 * k_db)
    return Drops(
        scenario=s,
        wavelength=LIGHT / carrier,
        num=num,
        facing=_turn(rng.uniform(-np.pi, np.pi, num)),
        vr=vr,
        vr_cluster=vr_cluster,
        drop=drop,
        at_bs=at_bs,
        at_ms=at_ms,
        link=link,
        fading=fading,
        local=local,
        los_centre=los_centre,
        los_k=los_k,
    )


def paths(drops: Drops, user: np.ndarray) -> Paths:
    """Returns the paths to users at places on their ways.

    Local clusters move with the users; all others stay where they are.

    Args:
      drops: surroundings of the users.
      user: [num], complex, places of the users now.

    Returns:
      All paths. Their gains include the free-space loss.
    """
    parts = [_far_paths(drops, user)]
    for around_user, cloud, fading in drops.local:
        mpc = cloud.mpc + (user[:, None] if around_user else 0)
        seen = mpc - user[:, None]
        length = np.hypot(np.abs(mpc), cloud.height)
        length += np.hypot(np.abs(seen), cloud.height)
        drop = np.arange(drops.num)
        parts.append(_flat(drops, drop, fading, length / LIGHT, mpc, seen))
    every = joined(parts)
    if drops.los_k is not None:
        every = joined([every, _line_of_sight(drops, user, every)])
    every.gain *= (drops.wavelength / (4 * np.pi) / np.abs(user))[every.user]
    return every


def visibility(drops: Drops, user: np.ndarray) -> np.ndarray:
    """Returns the amplitude gain A of each far cluster, 0 if it is not seen.

    Args:
      drops: surroundings of the users.
      user: [num], complex, places of the users now.

    Returns:
      [clusters], in [0, 1]. The nearest VR of a cluster counts.
    """
    s = drops.scenario
    distance = np.abs(drops.vr - user[drops.drop][drops.vr_cluster])
    first = np.searchsorted(drops.vr_cluster, np.arange(len(drops.drop)))
    nearest = np.minimum.reduceat(distance, first)
    y = nearest - (s.vr_radius - s.vr_transition)
    steepness = 2 * np.sqrt(2 / (drops.wavelength * s.vr_transition))
    gain = 0.5 - np.arctan(steepness * y) / np.pi
    return np.where(nearest <= s.vr_radius, gain, 0)


def _far_paths(drops: Drops, user: np.ndarray) -> Paths:
    """Returns the paths over the far clusters that are seen."""
    s = drops.scenario
    gain = visibility(drops, user)
    seen = np.flatnonzero(gain)
    drop, link = drops.drop[seen], drops.link[seen]
    at = user[drop]
    tau_0 = np.abs(at) / LIGHT
    tau_m = np.abs(drops.at_bs.centre[seen]) + np.abs(at - drops.at_ms.centre[seen])
    tau_m = tau_m / LIGHT + link
    if s.tau_b is not None:
        tau_m = np.minimum(tau_m, s.tau_b * 1e-6)
    # As in the reference, this exceeds 1 if a cluster is nearer than geometry allows.
    gain = gain[seen] * np.exp(-s.k_tau * 1e6 * (tau_m - tau_0) / 2)

    mpc_bs, mpc_ms = drops.at_bs.mpc[seen], drops.at_ms.mpc[seen] - at[:, None]
    length = np.hypot(np.abs(mpc_bs), drops.at_bs.height[seen])
    length += np.hypot(np.abs(mpc_ms), drops.at_ms.height[seen])
    delay = length / LIGHT + link[:, None]
    fading = drops.fading[seen] * gain[:, None]
    return _flat(drops, drop, fading, delay, mpc_bs, mpc_ms)


def _line_of_sight(drops: Drops, user: np.ndarray, others: Paths) -> Paths:
    """Returns the direct paths that are seen, K times as strong as all others."""
    los, centre, factor = drops.scenario.los, drops.los_centre, drops.los_k
    assert los is not None and centre is not None and factor is not None
    power = np.bincount(others.user, np.abs(others.gain) ** 2, drops.num)
    seen = np.abs(user) <= los.range
    seen &= np.abs(user - centre) <= los.radius
    drop = np.flatnonzero(seen)
    at = user[drop, None]
    amplitude = np.sqrt(factor * power)[drop, None]
    return _flat(drops, drop, amplitude, np.abs(at) / LIGHT, at, -at)


def _visibility(
    s: Scenario, user: np.ndarray, way: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draws the VRs that the users come into, and the clusters that these share.

    Among n_vr VRs that are uniform in the cell, the number of those within `reach` of a
    point is Binomial(n_vr, (reach / R)^2). They are uniform in that disc, and its parts
    outside the cell hold none. Drops without a VR at the start are drawn again.

    Returns:
      vr: [vrs], complex, centres.
      vr_cluster: [vrs], the cluster of each VR, ascending.
      drop: [clusters], the drop of each cluster, ascending.
      reference: [clusters], complex, centre of the reference VR of each cluster. It is
        uniform among all VRs of the cluster, also those far away.
    """
    middle, reach = user + way / 2, s.vr_radius + np.abs(way) / 2
    num_vr = np.zeros(len(user), np.int64)
    waiting = np.arange(len(user))
    drop, vr = np.empty(0, np.int64), np.empty(0, complex)
    while waiting.size:
        far: float | np.ndarray = s.num_far
        if s.num_far_poisson:
            far = np.maximum(rng.poisson(far, waiting.size), 1)
        ratio = s.cell / (s.vr_radius - s.vr_transition)
        num_vr[waiting] = np.rint(far * ratio**2)
        near = rng.binomial(num_vr[waiting], (reach[waiting] / s.cell) ** 2)
        owner = np.repeat(waiting, near)
        centre = middle[owner] + reach[owner] * _disc(owner.size, rng)
        owner, centre = (a[np.abs(centre) <= s.cell] for a in (owner, centre))
        holds = np.abs(centre - user[owner]) <= s.vr_radius
        done = np.isin(waiting, owner[holds])
        kept = np.isin(owner, waiting[done])
        drop, vr = np.append(drop, owner[kept]), np.append(vr, centre[kept])
        waiting = waiting[~done]

    cluster, size = _groups(s, drop, num_vr, rng)
    order = np.argsort(cluster, kind="stable")
    first = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    count = np.diff(np.append(first, len(order)))
    drop, vr, size = drop[order], vr[order], size[order][first]
    cluster = np.repeat(np.arange(len(first)), count)

    # Any VR of a group may be its reference: one that is near or, by chance, one that
    # is far away.
    reference, of = vr[first], drop[first]
    away = np.flatnonzero(rng.random(len(first)) * size > count)
    while away.size:
        reference[away] = s.cell * _disc(away.size, rng)
        inside = np.abs(reference[away] - middle[of[away]]) <= reach[of[away]]
        away = away[inside]
    return vr, cluster, of, reference


def _groups(
    s: Scenario, drop: np.ndarray, num_vr: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the group of each VR, ascending with the drop, and the group's size."""
    if not s.ms_common:
        order = np.argsort(drop, kind="stable")
        group = np.empty(len(drop), np.int64)
        group[order] = np.arange(len(drop))
        return group, np.ones(len(drop), np.int64)
    # The number of each VR among all VRs of all drops. All numbers differ.
    start = np.cumsum(num_vr) - num_vr
    number = start[drop] + rng.integers(num_vr[drop])
    while (again := _repeated(number)).size:
        number[again] = start[drop[again]] + rng.integers(num_vr[drop[again]])
    # Each group takes the numbers that follow those of the group before. A fifth more
    # groups than the mean always suffice.
    enough = 100 + int(1.2 * num_vr.sum() / (1 + s.ms_common))
    sizes = 1 + rng.poisson(s.ms_common, enough)
    group = np.searchsorted(np.cumsum(sizes), number, side="right")
    return drop * enough + group, sizes[group]


def _far_clusters(
    s: Scenario, drop: np.ndarray, reference: np.ndarray, rng: np.random.Generator
) -> tuple[Cloud, Cloud, np.ndarray, np.ndarray]:
    """Draws both sides of far clusters, single and twin, link delays [s] and fading."""
    num = len(drop)
    shadow, tau, theta_bs, phi_bs, theta_ms, phi_ms = _spreads(s, num, rng)
    tan_bs, tan_ms = np.tan(phi_bs / 2), np.tan(phi_ms / 2)
    length, towards = tau * LIGHT / 2, np.angle(reference)

    d_bs = rng.uniform(0, s.r_max, num)
    out = _turn(towards + rng.normal(BEARING, BEARING_SPREAD, num))
    centre_bs, axis_bs = d_bs * out, -out
    size_bs = np.stack([length, d_bs * tan_bs, d_bs * np.tan(theta_bs / 2)]) / 3

    d_ms = d_bs * tan_bs / tan_ms
    out = _turn(towards + rng.normal(BEARING, BEARING_SPREAD, num))
    centre_ms, axis_ms = reference + d_ms * out, -out
    size_ms = np.stack([length, d_ms * tan_ms, d_ms * np.tan(theta_ms / 2)]) / 3
    link = (s.link_min + rng.exponential(s.link_mean, num)) * 1e-9

    single = rng.random(num) < s.k_sel
    centre_ms[single], axis_ms[single] = centre_bs[single], axis_bs[single]
    size_ms[:, single], link[single] = size_bs[:, single], 0

    r = _gaussian(s, num, rng)  # Both sides have the same MPCs.
    at_bs = _cloud(centre_bs, axis_bs, size_bs, r)
    at_ms = _cloud(centre_ms, axis_ms, size_ms, r)
    return at_bs, at_ms, link, _fading(s, shadow, rng)


def _spreads(s: Scenario, num: int, rng: np.random.Generator) -> np.ndarray:
    """Draws shadowing (power), delay [s], theta_BS, phi_BS, theta_MS, phi_MS [rad]."""
    q = rng.standard_normal((num, 6)) @ np.linalg.cholesky(s.correlation).T
    median, spread = s.spreads()
    out = (median * 10 ** (0.1 * spread * q)).T
    out[1] *= 1e-9
    out[2:] = np.deg2rad(out[2:])
    return out


def _gaussian(s: Scenario, num: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((3, num, s.num_mpc))


def _cloud(
    centre: np.ndarray, axis: np.ndarray, size: np.ndarray, r: np.ndarray
) -> Cloud:
    """Puts MPCs around centres: r [3, num, num_mpc] along an axis, across it, up."""
    along, across, up = r * size[:, :, None]
    return Cloud(centre, centre[:, None] + (along + 1j * across) * axis[:, None], up)


def _fading(s: Scenario, shadow: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws amplitudes of MPCs, complex Gaussian, with the power of their cluster."""
    a = rng.standard_normal((2, len(shadow), s.num_mpc))
    a = a[0] + 1j * a[1]
    return a * np.sqrt(shadow / (np.abs(a) ** 2).sum(axis=1))[:, None]


def _flat(
    drops: Drops,
    drop: np.ndarray,
    amplitude: np.ndarray,
    delay: np.ndarray,
    seen_bs: np.ndarray,
    seen_ms: np.ndarray,
) -> Paths:
    """Makes paths of arrays [clusters, num_mpc].

    `seen_bs` and `seen_ms` point to where each end sees the path come from.
    """
    seen_ms = seen_ms * drops.facing[drop][:, None].conj()
    departure = seen_bs.real / np.abs(seen_bs)
    arrival = seen_ms.real / np.abs(seen_ms)
    drop = np.repeat(drop, amplitude.shape[1])
    rows = (amplitude, delay, departure, arrival)
    return Paths(drop, *(row.ravel() for row in rows))


def _turn(angle: np.ndarray) -> np.ndarray:
    return np.cos(angle) + 1j * np.sin(angle)


def _disc(num: int, rng: np.random.Generator) -> np.ndarray:
    """Draws points that are uniform in the unit disc."""
    return np.sqrt(rng.random(num)) * _turn(rng.uniform(-np.pi, np.pi, num))


def _repeated(values: np.ndarray) -> np.ndarray:
    """Returns the indices of values that occur earlier."""
    _, first = np.unique(values, return_index=True)
    return np.setdiff1d(np.arange(len(values)), first)
