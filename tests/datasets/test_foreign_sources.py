"""Sources made of foreign files: blocked users, dropped axes, scales and units."""

import shutil

import numpy as np
import pytest

from tfcsi import metrics, transforms
from tfcsi.datasets import cost2100, deepmimo, quadriga
from tfcsi.datasets._files import DataError


def matrices(*shape, seed=0):
    """Complex128 of a shape, no two axes alike in statistics."""
    x = np.random.default_rng(seed).standard_normal((*shape, 2)) @ [1, 1j]
    for axis, size in enumerate(shape):
        ramp = np.expand_dims(
            np.arange(1, size + 1), tuple(range(1, len(shape) - axis))
        )
        x = x * ramp**0.25
    return x


H = matrices(50, 32, 32)
LAST = np.moveaxis(H, 0, -1)
UNIT = transforms.to_unit_interval(H)[0]
HT = np.moveaxis(UNIT, -1, 1).reshape(50, 2048)


@pytest.mark.parametrize("scale", [1e-200, 1e-61, 1e-47, 1, 1e59, 1e200])
def test_a_source_is_read_at_any_scale_of_double_precision(tmp_path, foreign, scale):
    foreign.savemat(tmp_path / "a.mat", {"H": scale * LAST})
    options = {"num_val": 10, "num_test": 20, "stored": "space_frequency"}
    h = quadriga.load(tmp_path, "a.mat", "test", "angular_delay", **options)
    sent = transforms.to_peak(transforms.to_angular_delay(H[-20:], 32))[0]
    assert metrics.to_db(metrics.nmse(sent, h).max()) < -70


def source_options(**more):
    return {"num_val": 10, "num_test": 20, "shuffle": False, **more}


def blocked(kind):
    """Users 3 and 41 of 50 have no channel; 41 is a test user."""
    h = H[:, None].copy()
    h[[3, 41]] = {"zero": 0, "NaN": np.nan}[kind]
    return h


@pytest.mark.parametrize("kind", ["zero", "NaN"])
@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_blocked_users_are_left_out_and_counted(
    tmp_path, foreign, caplog, kind, suffix
):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        np.savez(path, channel=blocked(kind))
    else:
        foreign.matlab73(path, {"channel": blocked(kind)})
    options = source_options()
    h = deepmimo.load(tmp_path, path.name, "test", "space_frequency", **options)
    kept = np.delete(H[30:], 11, axis=0)
    assert metrics.to_db(metrics.nmse(transforms.to_peak(kept)[0], h).max()) < -70
    assert "1 of 20 matrices are zero, NaN or empty and are left out" in caplog.text
    options["keep_empty"] = True
    h = deepmimo.load(tmp_path, path.name, "test", "space_frequency", **options)
    assert len(h) == 20 and not h[11].any() and h[12].any()


def test_zero_snapshots_of_quadriga_are_left_out(tmp_path, foreign, caplog):
    h = LAST.copy()
    h[..., [31, 49]] = 0
    foreign.savemat(tmp_path / "a.mat", {"H": h})
    options = {"num_val": 10, "num_test": 20}
    loaded = quadriga.load(tmp_path, "a.mat", "test", "angular_delay", **options)
    assert len(loaded) == 18 and "2 of 20 matrices are zero" in caplog.text


@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 32), "rx,tx"), ((1, 32), "rx,tx"), ((4, 32), "tx,sc")]
)
def test_a_dropped_axis_of_one_is_asked_for(tmp_path, foreign, shape, axes):
    h = matrices(50, *shape)
    users = np.empty((1, 50), object)
    for i, channel in enumerate(h):
        users[0, i] = {"channel": channel}
    station = np.empty((1, 1), object)
    station[0, 0] = {"user": users}
    foreign.savemat(tmp_path / "cells.mat", {"DeepMIMO_dataset": station})
    foreign.matlab73(tmp_path / "array.mat", {"channel": h[..., None]})
    num_sc = 1 if axes == "rx,tx" else 32
    options = source_options(num_sc=num_sc, select="first")
    for name, told in (("cells.mat", axes), ("array.mat", f"n,{axes}")):
        with pytest.raises(DataError, match=r"axes=(n,)?tx,sc.*axes=(n,)?rx,tx"):
            deepmimo.load(tmp_path, name, "test", "space_frequency", **options)
        loaded = deepmimo.load(
            tmp_path, name, "test", "space_frequency", axes=told, **options
        )
        sent = h[-20:] if axes == "tx,sc" else h[-20:, 0, :, None]
        sent = transforms.to_peak(sent)[0]
        assert metrics.to_db(metrics.nmse(sent, loaded).max()) < -70


def test_parameters_in_the_file_tell_which_axis_was_dropped(tmp_path, foreign):
    h = matrices(50, 4, 32)
    users = np.empty((1, 50), object)
    for i, channel in enumerate(h):
        users[0, i] = {"channel": channel}
    station = np.empty((1, 1), object)
    station[0, 0] = {"user": users}
    params = {"num_ant_BS": np.array([1, 32, 1]), "num_ant_UE": np.array([1, 4, 1])}
    foreign.savemat(tmp_path / "a.mat", {"DeepMIMO_dataset": station, "params": params})
    options = source_options(num_sc=1, rx=2)
    loaded = deepmimo.load(tmp_path, "a.mat", "test", "space_frequency", **options)
    sent = transforms.to_peak(h[-20:, 2, :, None])[0]
    assert metrics.to_db(metrics.nmse(sent, loaded).max()) < -70


def test_a_cost2100_file_is_read_by_its_writer(tmp_path, foreign):
    foreign.python_h5(tmp_path / "DATA_Htestin.mat", {"HT": HT})
    h = cost2100.load(tmp_path, "indoor", "test", "angular_delay")
    expected = transforms.from_unit_interval(UNIT)
    np.testing.assert_allclose(h, expected, atol=1e-6)


def test_axes_of_a_quadriga_file_are_told_or_sure(tmp_path, foreign):
    h = matrices(40, 8, 64)
    foreign.savemat(tmp_path / "a.mat", {"H": h})
    options = {"num_val": 5, "num_test": 10, "stored": "space_frequency"}
    with pytest.raises(DataError, match="axes=n,tx,sc.* or .*axes=tx,sc,n"):
        quadriga.load(tmp_path, "a.mat", "test", "space_frequency", **options)
    options["axes"] = "n,tx,sc"
    loaded = quadriga.load(tmp_path, "a.mat", "test", "space_frequency", **options)
    sent = transforms.to_peak(h[-10:, :, ::2])[0]
    assert metrics.to_db(metrics.nmse(sent, loaded).max()) < -70


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"bandwidth": 0.05},
            "bandwidth is 0.05; it is in Hz.*for 0.05 GHz give 5e.07",
        ),
        ({"bandwidth": 20}, "for 20 MHz give 2e.07"),
        ({"spacing": 0.005}, "spacing is 0.005; it is in wavelengths"),
        ({"rotation": 1000}, "rotation is 1000; it is in degrees, -360 to 360"),
    ],
)
def test_units_of_a_scenario_are_checked(tmp_path, options, words):
    (tmp_path / "O1").mkdir()
    with pytest.raises(ValueError, match=words):
        deepmimo.load(tmp_path, "O1", "test", "angular_delay", **options)


def scenario(folder, **changes):
    """A folder of version 4 with 40 users of 2 paths, some values changed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    rng = np.random.default_rng(0)
    values = {
        "phase": rng.uniform(-180, 180, (40, 2)),
        "delay": rng.uniform(0, 3e-7, (40, 2)),
        "power": rng.uniform(-120, -80, (40, 2)),
        "aod_az": rng.uniform(-180, 180, (40, 2)),
        "aod_el": rng.uniform(60, 120, (40, 2)),
    }
    for key, array in values.items():
        array = changes.get(key, lambda x: x)(array)
        np.savez(folder / f"{key}_t001_tx000_r000.npz", **{key: array})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"delay": lambda x: 1e6 * x}, "they are in s, 0 to 0.001, .*microseconds"),
        ({"aod_el": np.deg2rad}, "they are in degrees, so these are likely in radians"),
        ({"power": lambda x: 10 ** (x / 10)}, "they are in dB, .*likely linear"),
    ],
)
def test_units_of_paths_are_checked(tmp_path, changes, words):
    scenario(tmp_path / "O1")
    options = source_options()
    assert len(deepmimo.load(tmp_path, "O1", "test", "angular_delay", **options)) == 20
    scenario(tmp_path / "O1", **changes)
    with pytest.raises(DataError, match=words):
        deepmimo.load(tmp_path, "O1", "test", "angular_delay", **options)
