"""DeepMIMO scenario folders, written here in each layout that users have."""

import h5py
import numpy as np
import pytest
import scipy.io

from tfcsi import metrics, transforms
from tfcsi.datasets import deepmimo
from tfcsi.datasets.deepmimo import Band

GRIDS = np.array([[1, 4, 20], [5, 7, 10]])  # rows R1 to R4 of 20 users, R5 to R7 of 10
NUM = 110
MARK = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"


def load(folder, scenario, split, domain="angular_delay", **options):
    return deepmimo.load(folder, scenario, split, domain, **options)


def scene(seed=0):
    """[paths, 5] of each user: phase, delay, power, azimuth, zenith; some have none."""
    rng = np.random.default_rng(seed)
    users = []
    for user in range(NUM):
        num = 0 if user % 11 == 3 else rng.integers(1, 5)
        low, high = [-180, 0, -140, -180, 60], [180, 300e-9, -80, 180, 120]
        users.append(rng.uniform(low, high, (num, 5)))
    return users


def expected(paths, num_fft=32, num_sc=32, bandwidth=100e6, array=(32, 1)):
    """[num_tx, num_sc] by the sum that DeepMIMO is defined by."""
    h = 0
    y = np.tile(np.arange(array[0]), array[1])
    z = np.repeat(np.arange(array[1]), array[0])
    for phase, delay, power, azimuth, zenith in paths:
        phi, theta = np.deg2rad([azimuth, zenith])
        turns = 0.5 * (y * np.sin(theta) * np.sin(phi) + z * np.cos(theta))
        k = np.arange(num_fft)[:: num_fft // num_sc]
        tone = np.exp(-2j * np.pi * k * delay * bandwidth / num_fft)
        amplitude = 10 ** (power / 20) * np.exp(1j * np.deg2rad(phase))
        h = h + amplitude * np.outer(np.exp(2j * np.pi * turns), tone)
    return h / np.sqrt(num_fft)


def with_paths(users=None):
    return [paths for paths in users or scene() if len(paths)]


def write_v2(folder, users=None):
    users, vectors = users or scene(), {"CIR": [NUM], "DoD": [NUM]}
    for number, paths in enumerate(users, 1):
        for kind, columns in (("CIR", [0, 1, 2]), ("DoD", [3, 4, 2])):
            numbered = np.column_stack([np.arange(len(paths)) + 1, paths[:, columns]])
            vectors[kind] += [number, len(paths), *numbered.ravel()]
    for kind, values in vectors.items():
        name = f"{kind}_array_full"
        scipy.io.savemat(folder / f"O1_3p5.2.{kind}.mat", {name: np.array(values)})
    params = {"carrier_freq": 3.5e9, "transmit_power": 0.0, "num_BS": 18}
    scipy.io.savemat(folder / "O1_3p5.params.mat", {**params, "user_grids": GRIDS})


def write_v3(folder, users=None, version="5"):
    users = users or scene()
    params = {"version": 3, "carrier_freq": 3.5e9, "transmit_power": 0.0, "num_BS": 18}
    params |= {"doppler_available": 0, "dual_polar_available": 0, "user_grids": GRIDS}
    scipy.io.savemat(folder / "params.mat", params)
    for first, end in ((0, 60), (60, NUM)):
        cells = np.empty((1, end - first), object)
        for i, paths in enumerate(users[first:end]):
            phase, delay, power, azimuth, zenith = paths.T
            arrival = np.full((2, len(paths)), 77.0)
            rows = [phase, delay, power, *arrival, azimuth, zenith, 0 * phase]
            cells[0, i] = {"p": np.array(rows)}
        path = folder / f"BS2_UE_{first}-{end}.mat"
        if version == "5":
            mat = {"channels": cells, "rx_locs": np.zeros((end - first, 5))}
            scipy.io.savemat(path, {**mat, "tx_loc": np.zeros(3)}, do_compression=True)
            continue
        with h5py.File(path, "w", userblock_size=512) as file:
            references = np.empty((end - first, 1), h5py.ref_dtype)
            for i, cell in enumerate(cells[0]):
                group = file.create_group(f"#refs#/{i}")
                p = group.create_dataset("p", data=cell["p"].T)
                if not cell["p"].size:
                    p.attrs["MATLAB_empty"] = 1
                references[i] = group.ref
            file.create_dataset("channels", data=references)
        with open(path, "r+b") as file:
            file.write(MARK)


def write_v4(folder, users=None, suffix="npz"):
    users, start = users or scene(), 0
    keys = ("phase", "delay", "power", "aod_az", "aod_el")
    (folder / "params.json").write_text("{}")
    for r, (low, high, width) in enumerate(GRIDS):
        part = users[start : start + (high + 1 - low) * width]
        start += len(part)
        table = np.full((len(part), 6, 5), np.nan, np.float32)
        for row, paths in zip(table, part):
            row[: len(paths)] = paths
        rows, columns = np.divmod(np.arange(len(part)), width)
        position = np.stack([0.2 * columns, 0.2 * rows, 2 + 0 * rows], 1)
        arrays = dict(zip(keys, np.moveaxis(table, -1, 0)), rx_pos=position)
        for t in (3, 4):
            for key, values in arrays.items():
                path = folder / f"{key}_t{t:03}_tx000_r{r:03}.{suffix}"
                if suffix == "npz":
                    np.savez_compressed(path, **{key: values})
                elif suffix == "npy":
                    np.save(path, values)
                else:
                    scipy.io.savemat(path, {key: values})


WRITERS = {
    "v2": write_v2,
    "v3": write_v3,
    "v3, MATLAB 7.3": lambda folder: write_v3(folder, version="7.3"),
    "v4 npz": write_v4,
    "v4 npy": lambda folder: write_v4(folder, suffix="npy"),
    "v4 mat": lambda folder: write_v4(folder, suffix="mat"),
}


@pytest.fixture(scope="module", params=WRITERS)
def scenario(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deepmimo") / "O1_3p5"
    folder.mkdir()
    WRITERS[request.param](folder)
    return folder


@pytest.fixture
def v3(tmp_path):
    write_v3(tmp_path)
    return tmp_path


# Scenarios.


def test_a_scenario_becomes_the_32_by_32_matrices_of_its_paths(scenario):
    paths = deepmimo.read(scenario, 2, None)
    h, lost = deepmimo.matrices(paths, Band(100e6, 32, 32), "space_frequency")
    assert h.dtype == np.complex64 and h.shape == (100, 32, 32)
    sums = np.array([expected(p) for p in with_paths()])
    assert metrics.nmse(sums, h).max() < 1e-5 and not lost.any()
    assert list(np.unique(paths.user)) == [u for u in range(NUM) if u % 11 != 3]


def test_users_are_chosen_by_rows(scenario):
    for rows, first, end in (((2, 2), 20, 40), ((4, 6), 60, 100)):
        paths = deepmimo.read(scenario, 2, rows)
        assert list(np.unique(paths.user)) == [
            u for u in range(first, end) if u % 11 != 3
        ]
        h, _ = deepmimo.matrices(paths, Band(100e6, 32, 32), "space_frequency")
        sums = np.array([expected(p) for p in with_paths(scene()[first:end])])
        assert metrics.nmse(sums, h).max() < 1e-5
    with pytest.raises(ValueError, match=r"rows is \(5, 8\); .* has rows 1 to 7"):
        deepmimo.read(scenario, 2, (5, 8))


def test_a_base_station_that_is_not_there_is_refused(scenario):
    with pytest.raises(ValueError, match=r"BS9|O1_3p5\.9\.CIR\.mat|bs is 9; .*1 to 2"):
        deepmimo.read(scenario, 9, None)


def test_the_splits_share_no_user_and_the_scale_is_0_5_a_matrix(scenario):
    options = {"bs": 2, "num_val": 10, "num_test": 30, "num_fft": 32}
    parts = [
        load(scenario.parent, "O1_3p5", split, **options)
        for split in ("train", "val", "test")
    ]
    assert [len(part) for part in parts] == [60, 10, 30]
    assert len({matrix.tobytes() for part in parts for matrix in part}) == 100
    for part in parts:
        np.testing.assert_allclose(np.abs(part).max((1, 2)), 0.5, rtol=1e-6)


def test_both_domains_are_one_channel_when_all_taps_are_kept(v3):
    paths = deepmimo.read(v3, 2, None)
    band = Band(100e6, 32, 32)
    h_sf, _ = deepmimo.matrices(paths, band, "space_frequency")
    h, lost = deepmimo.matrices(paths, band, "angular_delay")
    np.testing.assert_allclose(h, transforms.to_angular_delay(h_sf, 32), atol=1e-9)
    np.testing.assert_allclose(lost, 0, atol=1e-12)


def test_few_taps_are_those_of_the_whole_band_and_the_loss_is_reported(v3):
    paths = deepmimo.read(v3, 2, None)
    all_sc, _ = deepmimo.matrices(paths, Band(100e6, 256, 256), "space_frequency")
    h, lost = deepmimo.matrices(paths, Band(100e6, 256, 16), "angular_delay")
    np.testing.assert_allclose(h, transforms.to_angular_delay(all_sc, 16), atol=1e-9)
    np.testing.assert_allclose(lost, transforms.truncation_loss(all_sc, 16), atol=1e-5)
    assert 0.1 < lost.mean() < 0.9


def test_subcarriers_are_spread_over_the_band_or_the_first_of_it(v3):
    paths = deepmimo.read(v3, 2, None)
    all_sc, _ = deepmimo.matrices(paths, Band(100e6, 64, 64), "space_frequency")
    spread, _ = deepmimo.matrices(paths, Band(100e6, 64, 16), "space_frequency")
    np.testing.assert_allclose(spread, all_sc[..., ::4], rtol=1e-5)
    few = Band(100e6, 64, 16, "first")
    first, _ = deepmimo.matrices(paths, few, "space_frequency")
    np.testing.assert_allclose(first, all_sc[..., :16], rtol=1e-5)
    with pytest.raises(ValueError, match="num_sc is 24; to be spread evenly it must"):
        Band(100e6, 64, 24)


def test_late_paths_are_clipped_or_come_round(v3):
    paths = deepmimo.read(v3, 2, None)
    band = Band(100e6, 16, 16)  # 160 ns
    clipped, lost = deepmimo.matrices(paths, band, "space_frequency")
    early = [p[p[:, 1] < 160e-9] for p in with_paths()]
    sums = np.array([expected(p, 16, 16) + np.zeros((32, 16)) for p in early])
    np.testing.assert_allclose(clipped, sums, atol=1e-10)
    assert np.all(lost[[len(p) == 0 for p in early]] == 1)
    round_, lost = deepmimo.matrices(paths, band, "space_frequency", clip=False)
    sums = np.array([expected(p, 16, 16) for p in with_paths()])
    assert metrics.nmse(sums, round_).max() < 1e-10 and not lost.any()


def test_the_array_may_be_a_panel_or_unscaled_and_paths_few(v3):
    paths, band = deepmimo.read(v3, 2, None), Band(100e6, 32, 32)

    def assert_sums(make, **options):
        h, _ = deepmimo.matrices(paths, band, "space_frequency", **options)
        sums = np.array([make(p) for p in with_paths()])
        assert metrics.nmse(sums, h).max() < 1e-10

    assert_sums(lambda p: expected(p, array=(8, 4)), array=(8, 4))
    assert_sums(lambda p: np.sqrt(32) * expected(p), normalize=False)
    assert_sums(lambda p: expected(p[:1]), max_paths=1)


def test_a_turned_array_sees_turned_paths_as_before(tmp_path):
    write_v3(tmp_path, [p + np.array([0, 0, 0, 30.0, 0]) for p in scene()])
    paths, band = deepmimo.read(tmp_path, 2, None), Band(100e6, 32, 32)
    h, _ = deepmimo.matrices(paths, band, "space_frequency", rotation=30.0)
    sums = np.array([expected(p) for p in with_paths()])
    assert metrics.nmse(sums, h).max() < 1e-10


def test_delays_may_count_from_the_strongest_path(v3):
    options = {"bs": 2, "num_val": 10, "num_test": 30, "shuffle": False}
    h = load(v3.parent, v3.name, "test", "space_frequency", **options)
    options["timing"] = "strongest"
    late = load(v3.parent, v3.name, "test", "space_frequency", **options)
    for one, two, paths in zip(h, late, with_paths()[-30:]):
        delay = paths[paths[:, 2].argmax(), 1]
        turns = delay * 100e6 / 1024 * np.arange(0, 1024, 32)
        np.testing.assert_allclose(two, one * np.exp(2j * np.pi * turns), atol=1e-5)
    with pytest.raises(
        ValueError, match="timing is 'x'; it must be one of absolute, s"
    ):
        load(v3.parent, v3.name, "test", timing="x")


# What is no scenario.


def damage(folder, name, **variables):
    scipy.io.savemat(folder / name, variables)


@pytest.mark.parametrize(
    ("writer", "spoil", "words"),
    [
        (write_v3, lambda f: (f / "params.mat").unlink(), "no DeepMIMO scenario; exp"),
        (
            write_v3,
            lambda f: damage(f, "params.mat", x=1.0),
            "no variable 'user_grids'",
        ),
        (
            write_v3,
            lambda f: damage(f, "BS2_UE_0-60.mat", x=1.0),
            "no variable 'channels'; found x",
        ),
        (
            write_v3,
            lambda f: damage(f, "BS2_UE_0-60.mat", channels=np.zeros(60)),
            "must be a cell of 60 structs",
        ),
        (
            write_v3,
            lambda f: write_v3(f, [p * np.nan for p in scene()]),
            "none of the users has a path",
        ),
        (
            write_v3,
            lambda f: write_v3(f, [p * [1, -1, 1, 1, 1] for p in scene()]),
            r"delays of paths are -.*; they are in s, 0 to 0.001",
        ),
        (
            write_v3,
            lambda f: write_v3(f, [p * [np.nan, 1, 1, 1, 1] for p in scene()]),
            "phase of a path is NaN",
        ),
        (write_v3, lambda f: (f / "BS2_UE_0-60.mat").write_bytes(b"x"), "cannot be re"),
        (
            write_v2,
            lambda f: damage(f, "O1_3p5.2.CIR.mat", x=np.array([2, 1, 9, 1, 1])),
            "the vector ends within user 0",
        ),
        (
            write_v2,
            lambda f: damage(f, "O1_3p5.2.CIR.mat", x=np.array([2, 1, 0])),
            "1 users in a vector of 3",
        ),
        (
            write_v4,
            lambda f: (f / "delay_t004_tx000_r001.npz").unlink(),
            "delay_t004_tx000_r001.npz: no such file",
        ),
        (
            write_v4,
            lambda f: np.savez(f / "delay_t004_tx000_r001.npz", delay=np.ones((3, 2))),
            r"expected the same \[users, paths\]",
        ),
        (
            write_v4,
            lambda f: np.savez(f / "delay_t004_tx000_r001.npz", x=np.ones((3, 2))),
            "no variable 'delay', expected the array 'delay'; found x",
        ),
    ],
)
def test_malformed_scenarios_are_refused(tmp_path, writer, spoil, words):
    writer(tmp_path)
    spoil(tmp_path)
    with pytest.raises(deepmimo.DataError, match=words):
        deepmimo.read(tmp_path, 2, None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"domain": "time"}, "domain is 'time'; it must be one of angular_delay, sp"),
        ({"bandwidth": 0.0}, "bandwidth is 0; it is in Hz, 10000 to"),
        ({"num_sc": 0}, "num_sc is 0; it must be 1 to 1024"),
        ({"select": "odd"}, "select is 'odd'; it must be one of spread, first"),
        ({"array": (32,)}, r"array is \(32,\); give antennas along y and along z"),
        ({"num_test": 0}, "num_val is 5 and num_test 0; both are 1 or more"),
        ({"num_val": 90}, "100 users with a path, expected at least 111"),
    ],
)
def test_options_out_of_range_are_refused(v3, options, words):
    known = {"bs": 2, "num_val": 5, "num_test": 20, **options}
    with pytest.raises(ValueError, match=words):
        load(v3.parent, v3.name, "train", **known)
