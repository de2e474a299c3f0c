"""Files of the published form: read, cached, written, refused in words."""

import os
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from tfcsi import datasets, transforms
from tfcsi.datasets import any_file, cost2100

NAME = "DATA_Htestin.mat"


def random_matrices(n=5, seed=0):
    rng = np.random.default_rng(seed)
    h = rng.uniform(-0.5, 0.5, (n, 32, 32, 2)).astype(np.float32)
    return transforms.to_complex(h)


def load(folder, split, scenario="indoor", **options):
    return cost2100.load(folder, scenario, split, "angular_delay", **options)


def random_frequency(n=5):
    rng = np.random.default_rng(0)
    hf = rng.standard_normal((n, 32, 125)) + 1j * rng.standard_normal((n, 32, 125))
    return hf.astype(np.complex64)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFCSI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# The published form.


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("split", cost2100.SPLITS)
@pytest.mark.parametrize("scenario", cost2100.SCENARIOS)
def test_load_inverts_write(tmp_path, version, split, scenario):
    h = random_matrices()
    cost2100.write(tmp_path / cost2100.file_name(split, scenario), h, version)
    back = load(tmp_path, split, scenario)
    assert back.dtype == np.complex64
    np.testing.assert_array_equal(back, h)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_files_of_several_blocks_are_read_in_order(tmp_path, version, monkeypatch):
    monkeypatch.setattr("tfcsi.datasets._files.BLOCK", 7)
    h, hf = random_matrices(20), random_frequency(20)
    cost2100.write(tmp_path / NAME, h, version)
    cost2100.write_frequency(tmp_path / "DATA_HtestFin_all.mat", hf, version)
    np.testing.assert_array_equal(load(tmp_path, "test"), h)
    np.testing.assert_array_equal(any_file.read_csi(tmp_path / NAME), h)
    np.testing.assert_array_equal(cost2100.load_frequency(tmp_path), hf)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_load_frequency_inverts_write_frequency(tmp_path, version):
    hf = random_frequency()
    name = cost2100.frequency_file_name("outdoor")
    cost2100.write_frequency(tmp_path / name, hf, version)
    back = cost2100.load_frequency(tmp_path, "outdoor")
    assert back.dtype == np.complex64
    np.testing.assert_array_equal(back, hf)


def test_the_order_on_disk_is_the_published_one(tmp_path):
    ht = np.full((1, 2, 32, 32), 0.5)
    ht[0, 0, 3, 7], ht[0, 1, 4, 8] = 1.0, 0.25
    scipy.io.savemat(tmp_path / NAME, {"HT": ht.reshape(1, 2048)})
    h = load(tmp_path, "test")
    assert h[0, 3, 7] == 0.5 and h[0, 4, 8] == -0.25j
    assert np.count_nonzero(h) == 2


def test_v73_files_are_as_matlab_writes_them(tmp_path):
    cost2100.write(tmp_path / "a.mat", random_matrices(), "7.3")
    head = (tmp_path / "a.mat").read_bytes()[:128]
    assert head.startswith(b"MATLAB 7.3 MAT-file") and head[124:] == b"\x00\x02IM"
    with h5py.File(tmp_path / "a.mat") as file:
        assert file["HT"].shape == (2048, 5) and file["HT"].dtype == np.float64
        assert file["HT"].attrs["MATLAB_class"] == b"double"
    cost2100.write_frequency(tmp_path / "b.mat", random_frequency(), "7.3")
    with h5py.File(tmp_path / "b.mat") as file:
        assert file["HF_all"].shape == (4000, 5)
        assert file["HF_all"].dtype.names == ("real", "imag")


def test_v5_files_hold_double_precision_rows(tmp_path):
    cost2100.write(tmp_path / "a.mat", random_matrices())
    assert scipy.io.whosmat(tmp_path / "a.mat") == [("HT", (5, 2048), "double")]


def test_write_refuses_what_does_not_fit_and_leaves_no_file(tmp_path):
    h = random_matrices()
    for version in "5", "7.3":
        with pytest.raises(ValueError, match="within 0.5, its peak is 1"):
            cost2100.write(tmp_path / "a.mat", h + 1, version)
        with pytest.raises(ValueError, match="finite and within 0.5"):
            cost2100.write(tmp_path / "a.mat", h * np.nan, version)
        with pytest.raises(ValueError, match="hf must be finite"):
            hf = random_frequency() * np.inf
            cost2100.write_frequency(tmp_path / "a.mat", hf, version)
    with pytest.raises(ValueError, match=r"must be \[n, 32, 32\], got \[5, 32, 16\]"):
        cost2100.write(tmp_path / "a.mat", h[..., :16])
    with pytest.raises(ValueError, match=r"must be \[n, 32, 125\], got \[5, 32, 32\]"):
        cost2100.write_frequency(tmp_path / "a.mat", h)
    with pytest.raises(ValueError, match="unknown MATLAB version '7'; known: 5, 7.3"):
        cost2100.write(tmp_path / "a.mat", h, "7")
    assert not list(tmp_path.iterdir())


# The cache.


def test_the_conversion_is_a_read_only_memory_map_and_is_used_again(tmp_path, cache):
    cost2100.write(tmp_path / NAME, random_matrices())
    h = load(tmp_path, "test")
    assert isinstance(h, np.memmap) and not h.flags.writeable
    (file,) = cache.iterdir()
    made = file.stat().st_mtime_ns
    np.testing.assert_array_equal(load(tmp_path, "test"), h)
    assert [f.stat().st_mtime_ns for f in cache.iterdir()] == [made]


def test_the_conversion_is_made_anew_when_the_file_changes(tmp_path, cache):
    for seed in 0, 1:
        h = random_matrices(seed=seed)
        cost2100.write(tmp_path / NAME, h)
        os.utime(tmp_path / NAME, ns=(seed, seed))
        np.testing.assert_array_equal(load(tmp_path, "test"), h)
        assert len(list(cache.iterdir())) == 1  # the stale one is gone


def test_files_of_one_name_in_two_folders_are_kept_apart(tmp_path):
    for seed in 0, 1:
        (tmp_path / str(seed)).mkdir()
        cost2100.write(tmp_path / str(seed) / NAME, random_matrices(seed=seed))
    for seed in 0, 1, 0:
        h = load(tmp_path / str(seed), "test")
        np.testing.assert_array_equal(h, random_matrices(seed=seed))


def test_the_cache_folder_is_the_argument_or_the_variables(tmp_path, monkeypatch):
    cost2100.write(tmp_path / NAME, random_matrices())
    load(tmp_path, "test", cache_dir=tmp_path / "given")
    monkeypatch.delenv("TFCSI_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load(tmp_path, "test")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load(tmp_path, "test")
    for folder in "given", "xdg/tfcsi", "home/.cache/tfcsi":
        assert len(list((tmp_path / folder).glob("*.npy"))) == 1


def test_a_conversion_that_fails_midway_leaves_nothing(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("tfcsi.datasets._files.BLOCK", 2)
    ht = np.full((5, 2048), 0.5)
    ht[4, 9] = np.nan
    scipy.io.savemat(tmp_path / NAME, {"HT": ht})
    with pytest.raises(cost2100.DataError, match="matrix 4: NaN or infinite"):
        load(tmp_path, "test")
    assert not list(cache.iterdir())


def test_data_may_lie_in_a_read_only_folder(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    cost2100.write(folder / NAME, random_matrices())
    folder.chmod(0o555)
    try:
        assert len(load(folder, "test")) == 5
        assert [f.name for f in folder.iterdir()] == [NAME]
    finally:
        folder.chmod(0o755)


# Refusals.


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"HX": np.zeros((3, 2048))}, r"no variable 'HT'.*found HX \[3, 2048\]"),
        ({"HT": np.zeros((3, 1024))}, r"HT is \[3, 1024\], expected HT \[n, 2048\]"),
        ({"HT": np.zeros((3, 2048)) - 1}, r"in \[-1, -1\], expected \[0, 1\]"),
        ({"HT": np.zeros((3, 2048)) + 7}, r"in \[7, 7\], expected \[0, 1\]"),
        ({"HT": np.zeros((3, 2048)) + 1j}, r"complex, expected real in \[0, 1\]"),
        ({"HT": np.full((3, 2048), np.inf)}, "NaN or infinite values"),
        ({"HT": np.full((3, 2048), "a")}, "'HT' is not numeric"),
        ({"HT": np.zeros((0, 2048))}, r"expected HT \[n, 2048\]"),
    ],
)
def test_load_refuses_a_file_of_another_form(tmp_path, content, words):
    scipy.io.savemat(tmp_path / NAME, content)
    with pytest.raises(cost2100.DataError, match=words) as refusal:
        load(tmp_path, "test")
    assert NAME in str(refusal.value)


def test_load_frequency_refuses_real_numbers_and_other_widths(tmp_path):
    path = tmp_path / cost2100.frequency_file_name()
    scipy.io.savemat(path, {"HF_all": np.zeros((3, 4000))})
    with pytest.raises(cost2100.DataError, match="real, expected complex"):
        cost2100.load_frequency(tmp_path)
    scipy.io.savemat(path, {"HF_all": np.zeros((3, 2048)) + 1j})
    with pytest.raises(cost2100.DataError, match=r"expected HF_all \[n, 4000\]"):
        cost2100.load_frequency(tmp_path)


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path, version, share):
    cost2100.write(tmp_path / NAME, random_matrices(50), version)
    written = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(written[: int(share * len(written))])
    with pytest.raises(cost2100.DataError, match=NAME):
        load(tmp_path, "test")


def test_damaged_bytes_are_refused_with_their_cause(tmp_path):
    cost2100.write(tmp_path / NAME, random_matrices(50))
    content = bytearray((tmp_path / NAME).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / NAME).write_bytes(content)
    words = "cannot be read, truncated or corrupt"
    with pytest.raises(cost2100.DataError, match=words) as refusal:
        load(tmp_path, "test")
    assert isinstance(refusal.value.__cause__, (zlib.error, OSError, TypeError))


def test_a_missing_file_is_named_with_those_there_are(tmp_path):
    with pytest.raises(cost2100.DataError, match="nowhere: no such folder; give the"):
        load(tmp_path / "nowhere", "test")
    with pytest.raises(cost2100.DataError, match="none of the COST 2100 files is here"):
        load(tmp_path, "test")
    cost2100.write(tmp_path / NAME, random_matrices())
    words = f"DATA_Htrainout.mat: no such file; the folder has {NAME}"
    with pytest.raises(cost2100.DataError, match=words):
        load(tmp_path, "train", "outdoor")


def test_unknown_names_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="unknown split 'dev'; known: train, val, te"):
        load(tmp_path, "dev")
    with pytest.raises(ValueError, match="unknown scenario 'in'; known: indoor, outd"):
        load(tmp_path, "test", "in")
    assert datasets.get("cost2100") is cost2100.DATASET
    with pytest.raises(ValueError, match="unknown dataset 'c'; known: .*cost2100"):
        datasets.get("c")


# Users' files.


def test_read_csi_takes_every_form_of_the_same_matrices(tmp_path):
    h = random_matrices(20)
    np.save(tmp_path / "h.npy", h)
    np.save(tmp_path / "double.npy", h.astype(np.complex128))
    np.savez(tmp_path / "h.npz", h=h, snr=np.zeros(5))
    cost2100.write(tmp_path / "ht5.mat", h, "5")
    cost2100.write(tmp_path / "ht73.mat", h, "7.3")
    other = {"fc": 5.3e9, "rx_pos": np.zeros((20, 3))}
    scipy.io.savemat(tmp_path / "first.mat", {"H": h, **other})
    scipy.io.savemat(tmp_path / "last.mat", {"H": np.moveaxis(h, 0, -1), **other})
    with h5py.File(tmp_path / "matlab.mat", "w") as file:  # [num_tx, num_delay, n]
        parts = np.dtype([("real", "f4"), ("imag", "f4")])
        file["H"] = np.ascontiguousarray(h.swapaxes(1, 2)).view(parts)
        file["H"].attrs["MATLAB_class"] = np.bytes_("single")
        file["gain_db"] = np.zeros((1, 20))
    with h5py.File(tmp_path / "python.h5", "w") as file:
        file["h"] = h
        file.create_group("about")
    for path in tmp_path.glob("*.*"):
        back = any_file.read_csi(path)
        assert back.dtype == np.complex64, path
        np.testing.assert_array_equal(back, h, err_msg=str(path))


def test_read_csi_takes_matrices_of_other_sizes(tmp_path):
    h = random_matrices(20)[:, :16, :24]
    np.save(tmp_path / "h.npy", h)
    scipy.io.savemat(tmp_path / "h.mat", {"H": h})
    for path in tmp_path.glob("h.*"):
        np.testing.assert_array_equal(any_file.read_csi(path, axes="n,tx,sc"), h)
        np.testing.assert_array_equal(any_file.read_csi(path, shape=(16, 24)), h)


def test_read_csi_asks_for_a_key_when_several_or_none_fit(tmp_path):
    h = random_matrices(20)
    scipy.io.savemat(tmp_path / "a.mat", {"H": h, "G": 2 * h})
    with pytest.raises(
        cost2100.DataError, match=r"2 arrays could be .* G complex \[20, 32"
    ):
        any_file.read_csi(tmp_path / "a.mat")
    np.testing.assert_array_equal(any_file.read_csi(tmp_path / "a.mat", "G"), 2 * h)
    with pytest.raises(cost2100.DataError, match="no variable 'K'.*found H .*, G"):
        any_file.read_csi(tmp_path / "a.mat", "K")
    scipy.io.savemat(tmp_path / "b.mat", {"fc": 5.3e9})
    with pytest.raises(cost2100.DataError, match=r"'fc' is real \[1, 1\]"):
        any_file.read_csi(tmp_path / "b.mat")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((5, 32, 32)), r"is real \[5, 32, 32\], expected complex; if one"),
        (np.zeros((5, 32, 32, 2)) + 1j, r"is complex \[5, 32, 32, 2\], which can be"),
        (np.zeros((5, 1024)), r"is real \[5, 1024\], .* give axes=n,ht"),
        (np.zeros((0, 32, 32)) + 1j, r"is empty \[0, 32, 32\], expected complex"),
        (np.full((5, 32, 32), np.nan + 0j), "NaN or infinite values"),
        (np.array([None]), "pickled Python objects"),
    ],
)
def test_read_csi_refuses_what_is_not_csi(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(cost2100.DataError, match=words):
        any_file.read_csi(tmp_path / "a.npy")


def test_read_csi_refuses_unreadable_files(tmp_path):
    with pytest.raises(cost2100.DataError, match="a.npy: no such file"):
        any_file.read_csi(tmp_path / "a.npy")
    for name in "a.npy", "a.mat", "a.h5":
        (tmp_path / name).write_bytes(b"Not what the name says. " * 50)
        with pytest.raises(cost2100.DataError, match=f"{name}: cannot be read"):
            any_file.read_csi(tmp_path / name)
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(cost2100.DataError, match="expected one of .npy, .npz, .mat"):
        any_file.read_csi(tmp_path / "a.csv")


# The release.


def test_verify_tells_missing_from_different_from_published(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"abd")
    (tmp_path / "c").write_bytes(b"abcd")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    manifest = {name: (3, sha256) for name in "abcd"}
    monkeypatch.setattr(cost2100, "MANIFEST", manifest)
    report = cost2100.verify(tmp_path)
    assert [r[:2] for r in report] == [
        ("a", "ok"),
        ("b", "differs"),
        ("c", "differs"),
        ("d", "missing"),
    ]
    assert report[1][2].startswith("SHA-256 a52d159f262b2c6d")
    assert report[2][2] == "4 bytes, published 3"
    assert "3.00/3.00" in capsys.readouterr().err
    cost2100.verify(tmp_path, progress=False)
    assert capsys.readouterr().err == ""


def test_the_manifest_is_of_the_files_that_are_loaded():
    names = {
        cost2100.file_name(split, scenario)
        for split in cost2100.SPLITS
        for scenario in cost2100.SCENARIOS
    }
    names |= {cost2100.frequency_file_name(s) for s in cost2100.SCENARIOS}
    assert names == set(cost2100.MANIFEST)
    assert all(len(sha256) == 64 for _, sha256 in cost2100.MANIFEST.values())
