"""Data sets generated with DeepMIMO, written here in each form that users have."""

import h5py
import numpy as np
import pytest
import scipy.io

from tfcsi import transforms
from tfcsi.datasets import deepmimo

MARK = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
COMPOUND = np.dtype([("real", "<f4"), ("imag", "<f4")])


def load(folder, scenario, split, domain="angular_delay", **options):
    return deepmimo.load(folder, scenario, split, domain, **options)


def channel(n=40, num_rx=2, num_sc=64):
    x = np.random.default_rng(1).standard_normal((n, num_rx, 32, num_sc, 2))
    return x.astype(np.float32).view(np.complex64)[..., 0]


def write_matlab(path, channels):
    """`DeepMIMO_dataset`, a cell of base stations, as MATLAB's version 2 has it."""
    stations = np.empty((1, 2), object)
    for b in range(2):
        users = np.empty((1, len(channels)), object)
        for i, h in enumerate(channels):
            users[0, i] = {"channel": (b + 1) * h, "loc": np.zeros(3)}
        stations[0, b] = {"user": users, "loc": np.zeros(3)}
    scipy.io.savemat(path, {"DeepMIMO_dataset": stations})


def write_matlab_v73(path, channels):
    """The same as MATLAB's `-v7.3` writes it: cells are references to `#refs#`."""
    with h5py.File(path, "w", userblock_size=512) as file:
        stations = np.empty((2, 1), h5py.ref_dtype)
        for b in range(2):
            users = np.empty((len(channels), 1), h5py.ref_dtype)
            for i, h in enumerate(channels):
                user = file.create_group(f"#refs#/user{b}_{i}")
                data = np.ascontiguousarray((b + 1) * h.T).view(COMPOUND)
                user.create_dataset("channel", data=data)
                user.create_dataset("loc", data=np.zeros((3, 1)))
                users[i] = user.ref
            station = file.create_group(f"#refs#/station{b}")
            station.create_dataset("user", data=users)
            stations[b] = station.ref
        file.create_dataset("DeepMIMO_dataset", data=stations)
    with open(path, "r+b") as file:
        file.write(MARK)


def write_h5(path, key, h):
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset(key, data=np.ascontiguousarray(h.T).view(COMPOUND))
    with open(path, "r+b") as file:
        file.write(MARK)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npz", lambda path, h: np.savez(path, channel=h, location=np.zeros(3))),
        ("a.npy", np.save),
        ("a.mat", lambda path, h: scipy.io.savemat(path, {"channel": h})),
        ("v73.mat", lambda path, h: write_h5(path, "channel", h)),
        ("matlab.mat", write_matlab),
        ("matlab_v73.mat", write_matlab_v73),
    ],
)
def test_a_generated_data_set_is_read_in_each_form(tmp_path, name, write):
    h = channel()
    write(tmp_path / name, h)
    options = {"num_val": 8, "num_test": 12, "shuffle": False, "rx": 1}
    loaded = load(tmp_path, name, "test", "space_frequency", **options)
    sent = h[-12:, 1, :, ::2]
    assert loaded.shape == (12, 32, 32) and loaded.dtype == np.complex64
    scaled, _ = transforms.to_peak(sent)
    np.testing.assert_allclose(loaded, scaled, rtol=1e-5)
    loaded = load(tmp_path, name, "test", **options)
    scaled, _ = transforms.to_peak(transforms.to_angular_delay(h[-12:, 1], 32))
    np.testing.assert_allclose(loaded, scaled, atol=1e-6)


def test_shuffled_splits_of_a_data_set_share_no_matrix(tmp_path):
    np.save(tmp_path / "a.npy", channel(num_rx=1))
    options = {"num_val": 8, "num_test": 12}
    parts = [
        load(tmp_path, "a.npy", split, "space_frequency", **options)
        for split in ("train", "val", "test")
    ]
    assert [len(part) for part in parts] == [20, 8, 12]
    assert len({matrix.tobytes() for part in parts for matrix in part}) == 40
    plain = load(tmp_path, "a.npy", "test", "space_frequency", shuffle=False, **options)
    assert not np.array_equal(plain, parts[2])


def test_malformed_data_sets_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", channels=channel(2))
    np.save(tmp_path / "b.npy", channel(2)[0, 0])
    np.save(tmp_path / "c.npy", np.array([{"channel": 1}]))
    scipy.io.savemat(tmp_path / "d.mat", {"H": channel(2)})
    write_matlab(tmp_path / "e.mat", [np.zeros((1, 32, 8)), np.zeros((1, 32, 4))])
    (tmp_path / "f.csv").write_text("1")
    for name, words in {
        "a.npz": "no variable 'channel', expected complex channel .*found channels",
        "b.npy": r"'array' is complex \[32, 64\], expected complex channel \[n, num_rx",
        "c.npy": "pickled Python objects",
        "d.mat": "no variable 'DeepMIMO_dataset'; found H",
        "e.mat": "channel of users differ in shape",
        "f.csv": "neither a scenario's folder nor a file of the formats .npy",
        "g": "neither a scenario's folder",
    }.items():
        with pytest.raises(deepmimo.DataError, match=words):
            load(tmp_path, name, "train")
    write_matlab(tmp_path / "h.mat", channel(3))
    with pytest.raises(ValueError, match="bs is 3; .*h.mat has 2 base stations"):
        load(tmp_path, "h.mat", "train", bs=3)
    np.save(tmp_path / "i.npy", channel(2))
    with pytest.raises(ValueError, match="rx is 2; .*i.npy has antennas 0 to 1"):
        load(tmp_path, "i.npy", "train", rx=2)
