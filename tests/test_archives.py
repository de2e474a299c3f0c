"""Arrays of `.npz` files are read when they are asked for, within a limit of memory."""

from __future__ import annotations

import shutil
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
import scipy.io

import tfcsi
from tfcsi import archives
from tfcsi.archives import Archive
from tfcsi.datasets import any_file

HUGE = 1 << 30


@pytest.fixture(scope="module")
def zeros():
    """A compressed array of 1 GiB of zeros, about 1 MB."""
    head = np.lib.format.header_data_from_array_1_0(np.zeros(0, np.uint8))
    head["shape"] = (HUGE,)
    return head


def add_zeros(path, name, head):
    """Adds an array of 1 GiB of zeros to an archive."""
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, head)
            for _ in range(HUGE >> 24):
                member.write(bytes(1 << 24))


def test_arrays_come_back_and_those_nobody_asks_for_are_not_read(tmp_path, zeros):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.eye(2))
    add_zeros(tmp_path / "a.npz", "z", zeros)
    tracemalloc.start()
    archive = Archive(tmp_path / "a.npz")
    assert set(archive) == {"x", "y", "z"} and "z" in archive and len(archive) == 3
    np.testing.assert_array_equal(archive["x"], np.arange(3))
    assert archive.get("none") is None
    with pytest.raises(ValueError, match="npz: array 'z' is of 1,073,741,9.* may take"):
        archive["z"]
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_a_run_with_an_array_that_is_not_its_own_loads_in_little_memory(
    tmp_path, workdir, zeros
):
    shutil.copytree(workdir, tmp_path / "run")
    add_zeros(tmp_path / "run" / "codec.npz", "more", zeros)
    tracemalloc.start()
    codec = tfcsi.load(tmp_path / "run")
    assert tracemalloc.get_traced_memory()[1] < 1 << 27
    tracemalloc.stop()
    assert codec.session == tfcsi.load(workdir).session


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY\x01\x00", bytes(100)])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="it is no .npz file"):
        Archive(tmp_path / "a.npz")


def test_a_damaged_array_is_named_and_the_others_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(1000), y=np.arange(5))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[1000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    archive = Archive(tmp_path / "a.npz")
    np.testing.assert_array_equal(archive["y"], np.arange(5))
    with pytest.raises(ValueError, match="npz is damaged: array 'x': Bad CRC-32"):
        archive["x"]


def test_the_limit_leaves_room_for_what_compresses_well(tmp_path):
    size = archives.FREE // 8
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(size))
    assert Archive(tmp_path / "a.npz")["x"].shape == (size,)


@pytest.mark.parametrize("name", ["declared.h5", "declared.mat"])
def test_a_small_file_that_declares_millions_of_matrices_is_refused(tmp_path, name):
    with h5py.File(tmp_path / name, "w") as file:
        file.create_dataset("h", (4_000_000, 32, 32), "c8", chunks=(64, 32, 32))
    assert (tmp_path / name).stat().st_size < 3000
    words = "declares 4,096,000,000 numbers; a file of .* bytes may declare 16,7"
    with pytest.raises(ValueError, match=words):
        any_file.read_csi(tmp_path / name)


def test_a_file_of_zeros_that_compress_well_is_read(tmp_path):
    h = np.zeros((400, 32, 32), np.complex64)
    h[:, 0, 0] = 1
    with h5py.File(tmp_path / "h.h5", "w") as file:
        file.create_dataset("h", data=h, compression="gzip")
    np.testing.assert_array_equal(any_file.read_csi(tmp_path / "h.h5"), h)


@pytest.mark.parametrize("name", ["a.npz", "array.mat", "struct.mat"])
def test_a_compressed_file_of_too_many_numbers_is_refused_before_it_is_read(
    tmp_path, name
):
    zeros = np.zeros((20_000, 32, 32), np.complex64)
    if name == "a.npz":
        np.savez_compressed(tmp_path / name, H=zeros, t=np.zeros(3))
    else:
        variables = {"H": zeros} if name == "array.mat" else {"s": {"H": zeros}}
        scipy.io.savemat(tmp_path / name, variables, do_compression=True)
    tracemalloc.start()
    with pytest.raises(ValueError, match="declares .* numbers|unreadable"):
        any_file.read_csi(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < zeros.nbytes / 4
    tracemalloc.stop()
