"""Files of PyTorch are read without PyTorch, and nothing in them is executed.

The files of the folder `files` are PyTorch's own; `files/make.py` made them.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from tests.weights import torch_files
from tfcsi.weights import reading, unpickling

FILES = pathlib.Path(__file__).parent / "files"
BOTH = pytest.mark.parametrize("row", [False, True], ids=["zip", "row"])


@pytest.mark.parametrize("name", ["state_zip.pth", "state_row.pth.tar"])
def test_every_kind_of_tensor_is_read_from_the_files_of_pytorch(name):
    arrays = reading.read(FILES / name)
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = {
        "matrix": matrix,
        "transposed": matrix.T,
        "part": matrix.ravel()[4:8],
        "parameter": np.full(2, 0.5, np.float32),
        "half": np.float32([1.5, -2.0]),
        "bfloat": np.float32([1.5, -2.0]),
        "double": np.float32([0.25]),
        "count": np.int64(7),
        "empty": np.zeros((0, 3), np.float32),
    }
    assert arrays.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(arrays[key], value)
        assert arrays[key].dtype == value.dtype and arrays[key].shape == value.shape


@pytest.mark.parametrize("name", ["checkpoint_zip.pth", "checkpoint_row.pth.tar"])
def test_of_a_checkpoint_the_state_dict_is_read_and_not_the_optimizer(name):
    arrays = reading.read(FILES / name)
    assert arrays.keys() == {"module.weight", "module.bias"}
    expected = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(arrays["module.weight"], expected)


@BOTH
def test_records_beside_the_weights_are_read_and_forgotten(row, tmp_path):
    best = argparse.Namespace(nmse=np.float32([-6.5]))
    held = {"best": best, "state_dict": {"a": np.ones(2)}, "epoch": 3}
    torch_files.save(held, tmp_path / "a.pth", row)
    assert reading.read(tmp_path / "a.pth").keys() == {"a"}


def test_a_pickled_module_is_refused_by_the_name_of_its_class():
    with pytest.raises(ValueError, match=r"whole_module.pth is refused.*Linear;.*save"):
        reading.read(FILES / "whole_module.pth")


@BOTH
def test_what_the_writer_of_these_tests_writes_is_read_again(row, tmp_path):
    rng = np.random.default_rng(1)
    state = {f"a.{n}": rng.standard_normal((n, 3)).astype("f4") for n in (1, 2)}
    torch_files.save(state, tmp_path / "a.pth", row)
    arrays = reading.read(tmp_path / "a.pth")
    assert arrays.keys() == state.keys()
    for key, value in state.items():
        np.testing.assert_array_equal(arrays[key], value)


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.made_by = function, arguments

    def __reduce__(self):
        return self.made_by


@BOTH
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch MARK",), r"(posix|nt)\.system"),
        (eval, ("open('MARK', 'w')",), r"(builtins|__builtin__)\.eval"),
        (os.mkdir, ("MARK",), r"(posix|nt)\.mkdir"),
        (pickle.loads, (b"",), r"_?pickle\.loads"),
        (getattr, ("", "join"), r"(builtins|__builtin__)\.getattr"),
    ],
)
def test_a_pickle_that_names_anything_else_is_refused_and_not_executed(
    function, arguments, name, row, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    held = {"state_dict": {"a": np.ones(2)}, "epoch": Call(function, *arguments)}
    torch_files.save(held, tmp_path / "a.pth", row)
    with pytest.raises(ValueError, match=f"a.pth is refused, .* names {name}; give"):
        reading.read(tmp_path / "a.pth")
    assert not (tmp_path / "MARK").exists()


def test_every_file_that_was_cut_is_refused_by_its_name(tmp_path):
    path = tmp_path / "cut.pth"
    for source in ("state_zip.pth", "state_row.pth.tar", "checkpoint_row.pth.tar"):
        content = (FILES / source).read_bytes()
        for end in range(0, len(content) - 1, 29):
            path.write_bytes(content[:end])
            with pytest.raises(ValueError, match="cut.pth"):
                reading.read(path)


def test_changed_bytes_are_read_or_refused_and_raise_nothing_else(tmp_path):
    rng, path = np.random.default_rng(1), tmp_path / "changed.pth"
    for source in ("state_zip.pth", "state_row.pth.tar"):
        content = (FILES / source).read_bytes()
        for _ in range(150):
            changed = bytearray(content)
            changed[rng.integers(len(content))] = rng.integers(256)
            path.write_bytes(changed)
            try:
                reading.read(path)
            except ValueError as error:
                assert "changed.pth" in str(error)


@pytest.mark.parametrize(
    ("pickled", "words"),
    [
        (b"\x80\x02}r\xff\xff\xff\x7f.", "LONG_BINPUT of 2147483647 is too large"),
        (b"\x80\x02}p2147483647\n.", "PUT of 2147483647 is too large"),
        (b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"a.", "bytearray8"),
        (b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little") + b"}.", "FRAME of 10995"),
        (b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"a.", "bytes8"),
    ],
)
def test_a_pickle_that_declares_much_memory_is_refused_in_little(pickled, words):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"a.pth is damaged: .*{words}"):
            unpickling.read_bytes(pickled, "a.pth")
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path):
    content = (FILES / "state_row.pth.tar").read_bytes()
    size = b"K\x03K\x04\x86"  # The tuple (3, 4) of the pickle.
    assert size in content
    (tmp_path / "a.pth").write_bytes(content.replace(size, b"K\x03K\xff\x86", 1))
    with pytest.raises(ValueError, match="a.pth is damaged: matrix: a tensor of"):
        reading.read(tmp_path / "a.pth")


def test_a_compressed_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}." + bytes(10**6))
    with pytest.raises(ValueError, match="a.pth is no file of PyTorch: .* compressed"):
        reading.read(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ([np.ones(2)], "a.pth holds a list; give a file of named weights"),
        ({"epoch": 3}, "a.pth holds no tensors"),
        ({"a": np.float32([np.nan])}, "a.pth: a is not finite"),
    ],
)
def test_a_file_without_finite_named_weights_is_refused(held, words, tmp_path):
    torch_files.save(held, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=words):
        reading.read(tmp_path / "a.pth")


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.pth").write_text("weights")
    with pytest.raises(ValueError, match="a.pth is no file of PyTorch"):
        reading.read(tmp_path / "a.pth")
    with pytest.raises(FileNotFoundError, match=r"b.pth: no such file"):
        reading.read(tmp_path / "b.pth")
