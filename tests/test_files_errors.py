"""What a path leads to is told by name, before anything is read or written."""

from __future__ import annotations

import os
import resource
import socket

import h5py
import numpy as np
import pytest

from tfcsi import files, results
from tfcsi.coding.packet_file import read_file
from tfcsi.coding.packet_index import PacketFile
from tfcsi.datasets import any_file, cost2100

# Name of a path of the fixture to the words that an error has behind it.
KINDS = {
    "missing": ": no such file",
    "file/below": ": no such file",
    "link": "is a link to nowhere, which does not exist",
    "folder": "is a folder; give the name of a file",
    "pipe": "is a pipe; give a file",
    "socket": "is a socket; give a file",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a path of each kind."""
    folder = tmp_path_factory.mktemp("kinds")
    (folder / "file").touch()
    (folder / "folder").mkdir()
    os.symlink("nowhere", folder / "link")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(folder)  # The name of a socket is short.
        server.bind("socket")
        os.chdir(before)
    return folder


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "read", [files.check_input, read_file, PacketFile, results.read, any_file.read_csi]
)
def test_a_path_that_is_no_file_is_called_what_it_is(folder, name, read):
    with pytest.raises((OSError, ValueError)) as error:
        read(folder / name)
    words = str(error.value)
    assert f"{folder / name}" in words and KINDS[name] in words


def test_a_device_is_no_file_but_standard_input_may_be_read():
    with pytest.raises(OSError, match="/dev/zero is a device; give a file"):
        files.check_input("/dev/zero")
    files.check_input("/dev/stdin", stream=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_lack_of_permission_is_named(tmp_path):
    (tmp_path / "mine").touch(mode=0o000)
    with pytest.raises(PermissionError, match="no permission to read it"):
        files.check_input(tmp_path / "mine")
    (tmp_path / "closed").mkdir(mode=0o500)
    for check in (files.check_parent, results.check_output, files.check_folder):
        with pytest.raises(PermissionError, match="no permission to write"):
            check(tmp_path / "closed" / "x")


def test_a_folder_to_write_to_is_none_below_a_file(folder):
    files.check_folder(folder / "new" / "newer")
    assert not (folder / "new").exists()
    for name in ("file", "file/below/further"):
        with pytest.raises(NotADirectoryError, match="file is a file; give a folder"):
            files.check_folder(folder / name)
    with pytest.raises(FileNotFoundError, match="the folder .*new does not exist"):
        files.check_output(folder / "new" / "x", files.ARRAY)
    with pytest.raises(FileNotFoundError, match="the folder .*file is a file"):
        files.check_output(folder / "file" / "x", files.ARRAY)


@pytest.fixture
def small_disk():
    """No file of this process can have more than 100,000 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def write_array(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(1_000_000))


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file["h"] = np.zeros(1_000_000)


@pytest.mark.parametrize("write", [write_array, write_hdf5, "bytes"])
def test_a_full_disk_is_told_by_the_name_of_the_file(tmp_path, small_disk, write):
    with pytest.raises(OSError) as error:
        if write == "bytes":
            files.write_bytes(tmp_path / "out", bytes(1_000_000))
        else:
            with files.replacing(tmp_path / "out") as temporary:
                write(temporary)
    assert f"{tmp_path / 'out'}" in str(error.value) and ".tmp" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path):
    files.write_text(tmp_path / ("x" * 255), "text")
    assert (tmp_path / ("x" * 255)).read_text() == "text"
    with pytest.raises(OSError, match="too long: '.*y'$"):
        files.write_text(tmp_path / ("y" * 256), "text")


def test_a_cache_without_space_is_named_with_the_remedy(
    tmp_path, draw_csi, monkeypatch
):
    cost2100.write(tmp_path / cost2100.file_name("test"), draw_csi(20, (32, 32)))
    monkeypatch.setenv("TFCSI_CACHE", str(tmp_path / "cache"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError) as error:
            cost2100.load(tmp_path, "indoor", "test", "angular_delay")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    words = str(error.value)
    assert f"the cache {tmp_path / 'cache'} cannot be written (File too large)" in words
    assert "TFCSI_CACHE" in words and not list((tmp_path / "cache").iterdir())


def test_a_memory_map_has_its_space_before_it_is_written(tmp_path, small_disk):
    with pytest.raises(OSError, match="File too large: '.*x.npy'"):
        with files.replacing(tmp_path / "x.npy") as temporary:
            files.allocated(temporary, np.complex64, (100, 32, 32))
    assert not list(tmp_path.iterdir())
    files.allocated(tmp_path / "x.npy", np.complex64, (10, 32, 32))
    assert np.load(tmp_path / "x.npy").shape == (10, 32, 32)
