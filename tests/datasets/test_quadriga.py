"""QuaDRiGa files and the registry of sources: conventions, splits, refusals."""

import h5py
import numpy as np
import pytest

from tfcsi import datasets
from tfcsi.channels import cost2100 as simulator
from tfcsi.datasets import cost2100, quadriga, raytraced

NAME = "quadriga_uma_nlos_28ghz.mat"
COMPOUND = np.dtype([("real", "<f4"), ("imag", "<f4")])


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
    h = quadriga.load(folder, "28ghz", "test")
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
    found = np.abs(quadriga.load(tmp_path, "28ghz", "test"))
    expected = np.zeros((601, 32, 32))
    expected[np.arange(601), 16 + directions, 5] = 0.5
    np.testing.assert_allclose(found, expected[-400:], atol=1e-5)


def test_the_splits_are_the_file_in_order(folder):
    parts = [quadriga.load(folder, "28ghz", s) for s in ("train", "val", "test")]
    assert [len(part) for part in parts] == [40, 200, 400]
    peaks = np.concatenate([np.abs(part).argmax(2).argmax(1) for part in parts])
    sent = np.swapaxes(np.abs(matrices(640)), 1, 2).argmax(2)
    np.testing.assert_array_equal(peaks, np.roll(sent, 16, axis=1).argmax(1))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda h: h[:600], "600 matrices in 'H', expected at least 601"),
        (lambda h: h[:, :31], r"'H' is complex \[32, 31, 640\], expected complex H"),
        (lambda h: h[:, None], r"'H' is complex \[32, 32, 1, 640\], expected"),
        (lambda h: h.real.copy(), r"'H' is real \[32, 32, 640\], expected complex H"),
        (lambda h: h * np.where(np.arange(640) == 39, np.nan, 1)[:, None, None], "NaN"),
        (lambda h: h * (np.arange(640) != 39)[:, None, None], "all zero and has no sc"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, spoil, words):
    h = spoil(matrices(640))
    write(tmp_path, h if h.dtype.kind == "f" else h.astype(np.complex64))
    with pytest.raises(quadriga.DataError, match=f"{NAME}: .*{words}"):
        quadriga.load(tmp_path, "28ghz", "train")


def test_a_file_without_the_variable_says_what_it_has(tmp_path):
    write(tmp_path, matrices(2), key="HT")
    words = r"no variable 'H', expected complex H .*; found HT \[32, 32, 2\], fc"
    with pytest.raises(quadriga.DataError, match=words):
        quadriga.load(tmp_path, "28ghz", "test")


def test_missing_and_truncated_files_are_refused(tmp_path, folder):
    (tmp_path / "other.mat").touch()
    with pytest.raises(quadriga.DataError, match=f"{NAME}: no such file; .*other.mat"):
        quadriga.load(tmp_path, "28ghz", "test")
    whole = (folder / NAME).read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no MATLAB file"):
        (tmp_path / NAME).write_bytes(content)
        with pytest.raises(quadriga.DataError, match=f"{NAME}: cannot be read"):
            quadriga.load(tmp_path, "28ghz", "test")


def test_unknown_names_are_refused_with_the_known_ones(folder):
    with pytest.raises(ValueError, match="unknown name '60ghz'; known: 28ghz, 5p3ghz"):
        quadriga.load(folder, "60ghz", "test")
    with pytest.raises(ValueError, match="unknown split 'dev'; known: train, val, te"):
        quadriga.load(folder, "28ghz", "dev")


# The registry.


def test_a_source_is_read_from_the_folder_of_its_module(folder):
    root = folder.parent
    found = datasets.load("quadriga_28ghz", root, "val")
    np.testing.assert_array_equal(found, quadriga.load(folder, "28ghz", "val"))
    h = simulator.simulate(5, 0, "outdoor")
    (root / "cost2100").mkdir()
    cost2100.write(root / "cost2100" / cost2100.file_name("val", "outdoor"), h)
    found = datasets.load("cost2100_outdoor", root, "val")
    np.testing.assert_allclose(found, h, atol=1e-6)
    with pytest.raises(ValueError, match="raytraced/munich_3p5ghz.npz: no such file"):
        datasets.load("raytraced_munich", root, "val")


def test_the_registry_has_every_scenario_of_every_module():
    names = {f"cost2100_{name}" for name in cost2100.SCENARIOS}
    names |= {f"quadriga_{name}" for name in quadriga.FILES}
    names |= {f"raytraced_{name}" for name in raytraced.FILES}
    assert set(datasets.SOURCES) == names
    for name in names:
        module, scenario = datasets.parts(name)
        assert datasets.get(module) and f"{module}_{scenario}" == name
    with pytest.raises(
        ValueError, match="unknown source 'quadriga'; known: cost2100_i"
    ):
        datasets.load("quadriga", "data", "test")
