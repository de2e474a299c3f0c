"""Physics of the clusters, and their laws against drawing all there is."""

import dataclasses

import numpy as np
import pytest

from tfcsi.channels import cost2100_clusters as model
from tfcsi.channels.cost2100_scenarios import SCENARIOS

INDOOR, LOS, NLOS = SCENARIOS  # by name
CARRIER = {INDOOR: 5.3e9, LOS: 285e6, NLOS: 285e6}
RANGE = {INDOOR: 15.0, LOS: 200.0, NLOS: 200.0}


def surroundings(name, num=300, way=0.0, seed=0, **changes):
    """Drops of users on a circle, who stand or move; and the users."""
    rng = np.random.default_rng(seed)
    user = RANGE[name] * np.exp(1j * rng.uniform(-np.pi, np.pi, num))
    scenario = dataclasses.replace(SCENARIOS[name], **changes)
    way = way * np.exp(1j * rng.uniform(-np.pi, np.pi, num))
    return model.draw(scenario, CARRIER[name], user, way, rng), user, way


def power_of_drops(paths, num):
    return np.bincount(paths.user, np.abs(paths.gain) ** 2, num)


@pytest.mark.parametrize(("name", "mean"), [(INDOOR, 9.5), (LOS, 25.2), (NLOS, 23.8)])
def test_the_number_of_active_clusters_is_the_measured_one(name, mean):
    drops, user, _ = surroundings(name, 1000)
    assert (model.visibility(drops, user) > 0).all()
    count = np.bincount(drops.drop, minlength=1000)
    assert count.min() >= 1 and count.mean() == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize("distance", [5.0, 29.0])
def test_visible_clusters_are_those_of_a_cell_drawn_whole(distance):
    """A group of VRs is one cluster; near the edge of the cell there are fewer."""
    s, num = SCENARIOS[INDOOR], 600
    rng = np.random.default_rng(1)
    user = np.full(num, distance + 0j)
    drops = model.draw(s, 5.3e9, user, 0 * user, rng)
    counts = []
    while len(counts) < num:
        far = max(1, rng.poisson(s.num_far))
        num_vr = round(far * s.cell**2 / (s.vr_radius - s.vr_transition) ** 2)
        vr = s.cell * model._disc(num_vr, rng)
        sizes = 1 + rng.poisson(s.ms_common, num_vr)
        group = np.repeat(np.arange(num_vr), sizes)[:num_vr]
        seen = len(set(group[np.abs(vr - distance) <= s.vr_radius]))
        counts += [seen] * (seen > 0)
    count = np.bincount(drops.drop, minlength=num)
    error = np.hypot(np.std(counts), count.std()) / np.sqrt(num)
    assert abs(np.mean(counts) - count.mean()) < 4 * error
    assert np.std(counts) == pytest.approx(count.std(), rel=0.15)


def test_reference_regions_are_uniform_in_their_groups():
    """Of 1 + Poisson(m) VRs in a group, the one seen is seldom the reference."""
    rng = np.random.default_rng(0)
    user = 10 * np.exp(1j * rng.uniform(-np.pi, np.pi, 2000))
    s = SCENARIOS[INDOOR]
    vr, cluster, drop, reference = model._visibility(s, user, 0 * user, rng)
    here = np.abs(reference - user[drop]) <= s.vr_radius
    # Groups are met in proportion to their size: 1 / size is 1 / E[size] on average.
    assert here.mean() == pytest.approx(1 / (1 + s.ms_common), rel=0.12)
    assert (np.diff(cluster) >= 0).all() and (np.diff(drop) >= 0).all()
    assert np.abs(vr).max() <= s.cell and np.abs(reference).max() <= s.cell


def test_a_cluster_fades_in_over_the_transition_of_its_region():
    drops, user, _ = surroundings(LOS, 1)
    s = drops.scenario
    one = dataclasses.replace(drops, vr=np.array([0j]), vr_cluster=np.array([0]))
    one.drop = np.array([0])
    border = s.vr_radius - s.vr_transition
    places = np.array([0, border, s.vr_radius - 1e-9, s.vr_radius + 1e-9])
    gain = [model.visibility(one, np.array([x + 0j]))[0] for x in places]
    assert gain[0] > 0.85 and gain[1] == pytest.approx(0.5)
    assert 0 < gain[2] < 0.5 and gain[3] == 0
    twice = dataclasses.replace(
        one, vr=np.array([0j, 9e9]), vr_cluster=np.zeros(2, int)
    )
    assert model.visibility(twice, np.array([0j]))[0] == gain[0]  # the nearest


@pytest.mark.parametrize("name", SCENARIOS)
def test_path_powers_add_up_to_those_of_the_clusters(name):
    drops, user, _ = surroundings(name)
    s = drops.scenario
    gain = model.visibility(drops, user)
    at = user[drops.drop]
    tau = np.abs(drops.at_bs.centre) + np.abs(at - drops.at_ms.centre)
    tau = tau / model.LIGHT + drops.link
    if s.tau_b is not None:
        tau = np.minimum(tau, s.tau_b * 1e-6)
    excess = (tau - np.abs(at) / model.LIGHT) * 1e6
    shadow = (np.abs(drops.fading) ** 2).sum(axis=1)
    power = np.bincount(drops.drop, gain**2 * np.exp(-s.k_tau * excess) * shadow)
    for _, _, fading in drops.local:
        power += (np.abs(fading) ** 2).sum(axis=1)
    if s.los is not None:
        power *= 1 + drops.los_k  # all of these users are near enough
    free_space = (model.LIGHT / CARRIER[name] / (4 * np.pi * RANGE[name])) ** 2
    power_of_paths = power_of_drops(model.paths(drops, user), drops.num)
    np.testing.assert_allclose(power_of_paths, power * free_space, rtol=1e-9)


@pytest.mark.parametrize("name", SCENARIOS)
def test_spreads_and_shadowing_have_their_laws_and_correlations(name):
    s = SCENARIOS[name]
    spreads = model._spreads(s, 20000, np.random.default_rng(0))
    median, db = s.spreads()
    unit = np.array([1, 1e-9, *[np.pi / 180] * 4])
    log = 10 * np.log10(spreads / (median * unit)[:, None])
    np.testing.assert_allclose(log.std(axis=1), db, atol=0.07)
    np.testing.assert_allclose(log.mean(axis=1), 0, atol=0.1)
    random = db > 0
    expected = s.correlation[np.ix_(random, random)]
    np.testing.assert_allclose(np.corrcoef(log[random]), expected, atol=0.03)


def test_the_indoor_spreads_have_the_means_of_the_table():
    spreads = model._spreads(SCENARIOS[INDOOR], 50000, np.random.default_rng(0))
    spreads[1] *= 1e9
    spreads[2:] = np.rad2deg(spreads[2:])
    assert spreads[0].std() == 0
    np.testing.assert_allclose(spreads[1:].mean(axis=1), [3, 1.5, 3, 1, 4], rtol=0.03)
    np.testing.assert_allclose(spreads[1:].std(axis=1), [0.6, 1.5, 2, 1, 2], rtol=0.09)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_angles_of_paths_spread_as_their_cluster_does(name):
    """A third of the half width b = d tan(phi/2) is the standard deviation."""
    drops, *_ = surroundings(name, aod_spread=(6, 0), delay_spread=(0.1, 0))
    far = np.abs(drops.at_bs.centre) > 1
    angle = np.angle(drops.at_bs.mpc / drops.at_bs.centre[:, None])[far]
    spread = np.sqrt((angle**2).mean())
    assert spread == pytest.approx(np.tan(np.deg2rad(6) / 2) / 3, rel=0.02)


@pytest.mark.parametrize("name", SCENARIOS)
def test_both_sides_of_a_cluster_are_one_cloud_turned(name):
    drops, *_ = surroundings(name)
    bs, ms = (np.abs(c.mpc - c.centre[:, None]) for c in (drops.at_bs, drops.at_ms))
    np.testing.assert_allclose(bs, ms, rtol=1e-6)
    single = drops.link == 0
    assert single.mean() == pytest.approx(drops.scenario.k_sel, abs=0.02)
    assert (drops.at_bs.mpc == drops.at_ms.mpc)[single].all()
    assert (drops.link[~single] > drops.scenario.link_min * 1e-9).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_path_of_one_bounce_is_shorter_than_the_direct_one(name):
    """Twin clusters may be: their link delay knows nothing of where their sides are."""
    drops, user, _ = surroundings(name, k_sel=1)
    paths = model.paths(drops, user)
    direct = np.abs(user)[paths.user] / model.LIGHT
    assert (paths.delay >= direct * (1 - 1e-12)).all()
    twins, user, _ = surroundings(name, k_sel=0, local_bs=False, local_ms=False)
    paths = model.paths(dataclasses.replace(twins, los_k=None), user)
    assert paths.delay.min() >= twins.scenario.link_min * 1e-9
    assert (paths.delay < np.abs(user)[paths.user] / model.LIGHT).any()


def test_the_direct_path_is_k_times_the_others_within_its_range():
    drops, user, _ = surroundings(LOS, 600)
    k_db = 10 * np.log10(drops.los_k)
    assert k_db.mean() == pytest.approx(-4.7, abs=0.25)
    assert k_db.std() == pytest.approx(2, rel=0.1)
    with_los = model.paths(drops, user)
    without = model.paths(dataclasses.replace(drops, los_k=None), user)
    ratio = power_of_drops(with_los, 600) / power_of_drops(without, 600)
    np.testing.assert_allclose(ratio, 1 + drops.los_k)
    first = with_los.delay * model.LIGHT - np.abs(user)[with_los.user]
    assert (np.abs(first) < 1e-9).sum() == 600
    far = user * 351 / np.abs(user)
    assert len(model.paths(drops, far).user) == len(
        model.paths(dataclasses.replace(drops, los_k=None), far).user
    )


def test_arrivals_of_the_direct_path_are_seen_from_the_array_of_the_user():
    drops, user, _ = surroundings(LOS, 50)
    paths = model.paths(drops, user)
    direct = np.abs(paths.delay * model.LIGHT - np.abs(user)[paths.user]) < 1e-9
    expected = np.cos(np.angle(-user) - np.angle(drops.facing))
    np.testing.assert_allclose(paths.arrival[direct], expected, atol=1e-9)
    expected = np.cos(np.angle(user))
    np.testing.assert_allclose(paths.departure[direct], expected, atol=1e-9)


@pytest.mark.parametrize("name", SCENARIOS)
def test_delays_change_no_more_than_a_user_moves(name):
    drops, user, way = surroundings(name, way=1e-6)
    before, after = model.paths(drops, user), model.paths(drops, user + way)
    moved = np.abs(after.delay - before.delay) * model.LIGHT
    assert 0.9e-6 < moved.max() < 1.001e-6


def test_clusters_come_and_go_on_a_long_way():
    drops, user, way = surroundings(LOS, 200, way=60)
    seen = [model.visibility(drops, user + way * x) > 0 for x in (0, 0.5, 1)]
    for gain in seen:  # The same number on average all along the way.
        assert gain.sum() / 200 == pytest.approx(25.2, rel=0.06)
    kept = (seen[0] & seen[2]).sum() / seen[0].sum()
    assert kept < 0.25  # Discs of 32.8 m radius, 60 m apart, share a twentieth.
    assert np.bincount(drops.drop[seen[0]], minlength=200).min() >= 1
