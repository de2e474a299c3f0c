"""QuaDRiGa files and the registry of sources: conventions, splits, refusals."""

import h5py
import numpy as np
import pytest
import scipy.io

from tfcsi import datasets, transforms
from tfcsi.channels import cost2100 as simulator
from tfcsi.datasets import cost2100, quadriga, raytraced

NAME = "quadriga_uma_nlos_28ghz.mat"
COMPOUND = np.dtype([("real", "<f4"), ("imag", "<f4")])


def load(folder, scenario, split, domain="angular_delay", **options):
    return quadriga.load(folder, scenario, split, domain, **options)


def matrices(n, seed=0):
    """[n, 32 delays, 32 angles], as h5py shows them."""
    x = np.random.default_rng(seed).standard_normal((n, 32, 32, 2))
    return x.astype(np.float32).view(np.complex64)[..., 0]


def write(folder, h, key="H", name=NAME):
    """Writes a file in the published layout, MATLAB v7.3."""
    folder.mkdir(exist_ok=True)
    with h5py.File(folder / name, "w", userblock_size=512) as file:
        data = h.view(COMPOUND) if h.dtype == np.complex64 else h
        file.create_dataset(key, data=data).attrs["MATLAB_class"] = np.bytes_("single")
        file.create_dataset("fc", data=np.array([[28e9]]))
        file.create_dataset("gain_db", data=np.zeros((1, len(h)), np.float32))
    with open(folder / name, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a file of 640 matrices."""
    folder = tmp_path_factory.mktemp("root") / "quadriga"
    write(folder, matrices(640))
    return folder


def test_the_axes_are_angle_then_delay_and_the_scale_is_0_5_a_matrix(folder):
    h = load(folder, "28ghz", "test")
    assert h.dtype == np.complex64 and h.shape == (400, 32, 32)
    sent = np.swapaxes(matrices(640)[-400:], 1, 2)
    sent *= 0.5 / np.abs(sent).max((1, 2), keepdims=True)
    np.testing.assert_allclose(np.roll(h, 16, axis=1), sent, atol=1e-6)


def test_a_plane_wave_is_one_angle_and_broadside_is_in_the_middle(tmp_path):
    directions = np.arange(601) % 32 - 16  # Of phase pi / 16 from antenna to antenna.
    waves = np.exp(1j * np.pi / 16 * np.outer(directions, np.arange(32)))
    h = np.zeros((601, 32, 32), np.complex64)
    h[:, 5] = np.fft.fft(waves)  # The FFT in its own order, at delay tap 5.
    write(tmp_path, h)
    magnitude = np.abs(load(tmp_path, "28ghz", "test"))
    expected = np.zeros((601, 32, 32))
    expected[np.arange(601), 16 + directions, 5] = 0.5
    np.testing.assert_allclose(magnitude, expected[-400:], atol=1e-5)


def test_the_splits_are_the_file_in_order(folder):
    parts = [load(folder, "28ghz", s) for s in ("train", "val", "test")]
    assert [len(part) for part in parts] == [40, 200, 400]
    peaks = np.concatenate([np.abs(part).argmax(2).argmax(1) for part in parts])
    sent = np.swapaxes(np.abs(matrices(640)), 1, 2).argmax(2)
    np.testing.assert_array_equal(peaks, np.roll(sent, 16, axis=1).argmax(1))


def spoilt(h, place, value):
    h[place] = value
    return h


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda h: h[:600], "600 matrices in 'H', expected at least 601"),
        (lambda h: h[:, :31], r"'H' is complex \[32, 31, 640\], expected complex H"),
        (lambda h: h[:, None], r"'H' is complex \[32, 32, 1, 640\], expected"),
        (lambda h: h.real.copy(), r"'H' is real \[32, 32, 640\], expected complex H"),
        (lambda h: spoilt(h, (39, 3, 3), np.nan), "'H', matrix 39: NaN or infinite"),
        (lambda h: spoilt(h, (39, 3, 3), np.inf), "'H', matrix 39: NaN or infinite"),
        (lambda h: spoilt(h, (slice(0, 40),), 0), "all 40 matrices are zero, NaN"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, spoil, words):
    h = spoil(matrices(640))
    write(tmp_path, h if h.dtype.kind == "f" else h.astype(np.complex64))
    with pytest.raises(quadriga.DataError, match=f"{NAME}: .*{words}"):
        load(tmp_path, "28ghz", "train")


def test_a_file_without_the_variable_says_what_it_has(tmp_path):
    write(tmp_path, matrices(2), key="HT")
    words = r"no variable 'H', expected complex H .*; found HT \[32, 32, 2\], fc"
    with pytest.raises(quadriga.DataError, match=words):
        load(tmp_path, "28ghz", "test")


def test_missing_and_truncated_files_are_refused(tmp_path, folder):
    (tmp_path / "other.mat").touch()
    with pytest.raises(quadriga.DataError, match=f"{NAME}: no such file; .*other.mat"):
        load(tmp_path, "28ghz", "test")
    written = (folder / NAME).read_bytes()
    for content in (written[: len(written) // 2], b"", b"no MATLAB file"):
        (tmp_path / NAME).write_bytes(content)
        with pytest.raises(quadriga.DataError, match=f"{NAME}: cannot be read"):
            load(tmp_path, "28ghz", "test")


def test_unknown_names_are_refused_with_the_known_ones(folder):
    with pytest.raises(
        ValueError, match="unknown scenario '60ghz'; known: 28ghz, 5p3ghz"
    ):
        load(folder, "60ghz", "test")
    with pytest.raises(ValueError, match="unknown split 'dev'; known: train, val, te"):
        load(folder, "28ghz", "dev")


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("last", [True, False])
def test_matrices_of_a_script_are_read_first_or_last(tmp_path, version, last):
    sent = transforms.to_angular_delay(matrices(640).astype(complex), 32)
    stored = np.moveaxis(sent, 0, -1) if last else sent
    if version == "5":
        scipy.io.savemat(tmp_path / "my.mat", {"G": stored})
    else:
        write(tmp_path, np.ascontiguousarray(stored.T), "G", "my.mat")
    options = {"key": "G", "stored": "angular_delay_centred", "num_sc": 16}
    h = load(tmp_path, "my.mat", "test", **options)
    cut = transforms.to_peak(sent[-400:, :, :16])[0]
    np.testing.assert_allclose(h, cut, atol=1e-6)


def test_frequency_responses_of_a_script_are_read(tmp_path):
    sent = np.random.default_rng(0).standard_normal((601, 8, 64, 2)) @ [1, 1j]
    stored = np.stack([0 * sent, sent]).transpose(0, 2, 3, 1)  # rx, tx, subcarrier, n
    scipy.io.savemat(tmp_path / "my.mat", {"H": stored})
    options = {"stored": "space_frequency", "rx": 1}
    h = load(tmp_path, "my.mat", "test", **options)
    expected = transforms.to_angular_delay(sent[-400:], 32)
    np.testing.assert_allclose(h, transforms.to_peak(expected)[0], atol=1e-6)
    h = load(tmp_path, "my.mat", "test", "space_frequency", **options)
    expected = transforms.to_peak(sent[-400:, :, ::2])[0]
    np.testing.assert_allclose(h, expected, atol=1e-6)
    with pytest.raises(ValueError, match="stored is 'x'; it must be one of"):
        load(tmp_path, "my.mat", "test", stored="x")
    with pytest.raises(quadriga.DataError, match="no variable 'G', expected complex G"):
        load(tmp_path, "my.mat", "test", key="G")


# The registry.


def test_a_source_is_read_from_the_folder_of_its_module(folder):
    root = folder.parent
    loaded = datasets.load("quadriga_28ghz", root, "val", "angular_delay")
    np.testing.assert_array_equal(loaded, load(folder, "28ghz", "val"))
    h = simulator.simulate(5, 0, "outdoor")
    (root / "cost2100").mkdir()
    cost2100.write(root / "cost2100" / cost2100.file_name("val", "outdoor"), h)
    loaded = datasets.load("cost2100_outdoor", root, "val", "angular_delay")
    np.testing.assert_allclose(loaded, h, atol=1e-6)
    with pytest.raises(ValueError, match="raytraced/munich_3p5ghz.npz: no such file"):
        datasets.load("raytraced_munich", root, "val", "angular_delay")


def test_both_domains_of_a_source_are_one_channel(folder):
    h = datasets.load("quadriga_28ghz", folder.parent, "val", "angular_delay")
    h_sf = datasets.load("quadriga_28ghz", folder.parent, "val", "space_frequency")
    np.testing.assert_allclose(np.abs(h_sf).max((1, 2)), 0.5, rtol=1e-6)
    back = transforms.to_peak(transforms.to_angular_delay(h_sf, 32))[0]
    np.testing.assert_allclose(back, h, atol=1e-6)
    with pytest.raises(ValueError, match="domain is 'time'; it must be one of angul"):
        datasets.load("quadriga_28ghz", folder.parent, "val", "time")


def test_options_of_a_source_are_those_of_its_module(folder):
    loaded = datasets.load(
        "quadriga_28ghz", folder.parent, "val", "angular_delay", num_sc=16
    )
    assert loaded.shape == (200, 32, 16)
    for name, words in (
        ("quadriga_28ghz", "quadriga has no option 'bs'; known: key, stored, rx"),
        ("cost2100_indoor", "cost2100 has no option 'bs'; known: cache_dir"),
    ):
        with pytest.raises(ValueError, match=words):
            datasets.load(name, folder.parent, "val", "angular_delay", bs=1)


def test_the_registry_has_every_scenario_of_every_module():
    names = {f"cost2100_{name}" for name in cost2100.SCENARIOS}
    names |= {f"quadriga_{name}" for name in quadriga.FILES}
    names |= {f"raytraced_{name}" for name in raytraced.FILES}
    assert set(datasets.SOURCES) == names
    for name in (*names, "deepmimo_O1_3p5", "quadriga_my.mat"):
        module, scenario = datasets.parts(name)
        assert datasets.get(module) and f"{module}_{scenario}" == name
    with pytest.raises(
        ValueError, match="unknown source 'quadriga'; known: cost2100_i"
    ):
        datasets.load("quadriga", "data", "test", "angular_delay")


def test_a_file_that_trains_is_read_alike_as_an_input(tmp_path):
    x = np.random.default_rng(0).standard_normal((700, 24, 20, 2))
    scipy.io.savemat(tmp_path / "a.mat", {"H": x @ [1, 1j]})
    own = {"stored": "angular_delay_centred", "num_sc": 20}
    parts = [
        load(tmp_path, "a.mat", split, **own) for split in ("train", "val", "test")
    ]
    h = quadriga.DATASET.read_file(tmp_path / "a.mat", "angular_delay", **own)
    np.testing.assert_array_equal(h, np.concatenate(parts))


def test_the_number_of_columns_is_compared_with_the_axis_of_the_file(tmp_path):
    x = np.random.default_rng(0).standard_normal((700, 24, 30, 2))
    scipy.io.savemat(tmp_path / "a.mat", {"G": x @ [1, 1j]})
    own = {"key": "G", "stored": "space_frequency"}
    words = "matrices of 'G' in .*a.mat have 30 subcarriers or delay taps"
    for domain, num_sc, remedy in (
        ("angular_delay", 32, "give 1 to 30"),
        ("space_frequency", 0, "give 1 to 30"),
        ("space_frequency", 20, "a number that divides 30, or select=first"),
    ):
        with pytest.raises(ValueError, match=f"num_sc is {num_sc}; {words}.*{remedy}"):
            load(tmp_path, "a.mat", "test", domain, num_sc=num_sc, **own)
    first = load(tmp_path, "a.mat", "test", num_sc=20, **own)  # Taps are the first.
    assert first.shape == (400, 24, 20)
    few = {"num_sc": 20, "select": "first", **own}
    assert load(tmp_path, "a.mat", "test", "space_frequency", **few).shape[2] == 20
