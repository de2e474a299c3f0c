"""DeepMIMO in the forms that its versions, MATLAB and users give it."""

import numpy as np
import pytest
from foreign_writers import matlab5, matlab73

from tfcsi import metrics, transforms
from tfcsi.datasets import deepmimo
from tfcsi.datasets._files import DataError

NUM = 20
OPTIONS = {"num_val": 4, "num_test": 6, "shuffle": False, "num_fft": 32}
KEYS = ("phase", "delay", "power", "aod_az", "aod_el")


def channels(count):
    """`count` data sets of NUM users, complex64 [n, 1, 32, 32]."""
    x = np.random.default_rng(3).standard_normal((count, NUM, 1, 32, 32, 2))
    return x.astype(np.float32).view(np.complex64)[..., 0]


def load(folder, name, split="test", **options):
    return deepmimo.load(
        folder, name, split, "space_frequency", **{**OPTIONS, **options}
    )


def assert_is(h, sent):
    expected = transforms.to_peak(sent[-6:, 0])[0]
    assert metrics.to_db(metrics.nmse(expected, h).max()) < -70


def write_v73(path, value):
    matlab73(path, {"DeepMIMO_dataset": value})


def write_v5(path, value):
    matlab5(path, {"DeepMIMO_dataset": value})


def users(h, kind):
    """Users as a cell of structs (list) or an array of structs (tuple)."""
    return kind({"channel": each, "loc": np.zeros(3, "f4")} for each in h)


@pytest.mark.parametrize("write", [write_v5, write_v73])
@pytest.mark.parametrize("inner", [list, tuple])
@pytest.mark.parametrize("outer", [list, tuple])
def test_cells_and_arrays_of_structs_are_read_alike(tmp_path, write, inner, outer):
    one, two = channels(2)
    stations = outer(
        {"user": users(h, inner), "loc": np.zeros(3, "f4")} for h in (one, two)
    )
    write(tmp_path / "a.mat", stations)
    assert_is(load(tmp_path, "a.mat"), one)
    assert_is(load(tmp_path, "a.mat", bs=2), two)
    with pytest.raises(ValueError, match="bs is 3; .* has 2 base stations"):
        load(tmp_path, "a.mat", bs=3)


@pytest.mark.parametrize("write", [write_v5, write_v73])
def test_a_cell_of_scenes_is_read_by_its_scene(tmp_path, write):
    sets = channels(4)
    stations = [{"user": users(h, list), "loc": np.zeros(3, "f4")} for h in sets]
    write(tmp_path / "a.mat", [stations[:2], stations[2:]])
    assert_is(load(tmp_path, "a.mat"), sets[0])
    assert_is(load(tmp_path, "a.mat", bs=2, scene=1), sets[3])
    with pytest.raises(ValueError, match="scene is 2; .* has scenes 0 to 1"):
        load(tmp_path, "a.mat", scene=2)


def write_v4(folder, seed, positions):
    """A scenario of version 4: NUM users of three paths, on a grid of 4 by 5."""
    folder.mkdir(parents=True)
    low, high = [-180, 0, -120, -180, 60], [180, 300e-9, -80, 180, 120]
    table = np.random.default_rng(seed).uniform(low, high, (NUM, 3, 5))
    arrays = dict(zip(KEYS, np.moveaxis(table, -1, 0)), rx_pos=positions)
    for key, array in arrays.items():
        np.savez(folder / f"{key}_t001_tx000_r000.npz", **{key: array})


def grid():
    """Positions [NUM, 3], scanned in four rows of five users."""
    y, x = np.divmod(np.arange(NUM), 5)
    return np.stack([x, y, 0 * x], 1).astype(float)


def test_the_scenes_of_a_dynamic_scenario_are_folders(tmp_path):
    for scene in (0, 1):
        write_v4(tmp_path / "city" / f"scene_{scene}", scene, grid())
        write_v4(tmp_path / f"alone{scene}", scene, grid())
    for scene in (0, 1):
        h = load(tmp_path, "city", scene=scene)
        np.testing.assert_array_equal(h, load(tmp_path, f"alone{scene}"))
    assert not np.array_equal(load(tmp_path, "city"), load(tmp_path, "city", scene=1))
    with pytest.raises(ValueError, match="scene is 2; .* has scenes 0, 1"):
        load(tmp_path, "city", scene=2)
    with pytest.raises(ValueError, match="scene is 1; .* has scenes none, only one"):
        load(tmp_path, "alone0", scene=1)


@pytest.mark.parametrize("form", ["[n, 3]", "[3, n]", "[n, 2]"])
def test_rows_are_found_by_positions_of_any_shape(tmp_path, form):
    positions = {"[n, 3]": grid(), "[3, n]": grid().T, "[n, 2]": grid()[:, :2]}[form]
    write_v4(tmp_path / "a", 0, positions)
    write_v4(tmp_path / "b", 0, grid())
    few = {"num_val": 2, "num_test": 3}
    parts = [
        load(tmp_path, "a", s, rows=(2, 3), **few) for s in ("train", "val", "test")
    ]
    every = [
        load(tmp_path, "b", s, num_val=1, num_test=1) for s in ("train", "val", "test")
    ]
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(every)[5:15])


def test_positions_that_do_not_fit_the_users_are_named(tmp_path):
    write_v4(tmp_path / "a", 0, grid()[:-1])
    with pytest.raises(DataError, match=r"rx_pos of .* is \[19, 3\], expected \[20, 3"):
        load(tmp_path, "a", rows=(1, 2))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickled_lists_of_dicts_are_refused_with_the_safe_way(tmp_path, name):
    (h,) = channels(1)
    dataset = np.array([{"user": {"channel": h}}], object)
    if name == "a.npy":
        np.save(tmp_path / name, dataset)
    else:
        np.savez(tmp_path / name, channel=dataset)
    with pytest.raises(DataError) as refusal:
        load(tmp_path, name)
    words = str(refusal.value)
    assert "pickled Python objects" in words and "numpy.savez(" in words
    loaded = np.load(tmp_path / name, allow_pickle=True)  # What the message says.
    dataset = loaded if name == "a.npy" else loaded["channel"]
    np.savez(tmp_path / "NAME.npz", channel=dataset[0]["user"]["channel"])
    assert_is(load(tmp_path, "NAME.npz"), h)
