"""MATLAB files of version 5 are read as SciPy reads those that are sound."""

from __future__ import annotations

import io
import pathlib
import struct

import numpy as np
import pytest
import scipy.io

from tfcsi.datasets import _matlab5

rng = np.random.default_rng(0)
CELL = np.empty((2, 3), object)
for place in np.ndindex(CELL.shape):
    CELL[place] = rng.standard_normal(place[::-1])
VALUES = {
    "double": rng.standard_normal((3, 4, 5)),
    "single": rng.standard_normal((3, 1)).astype(np.float32),
    "complex": rng.standard_normal((2, 3, 4)) + 1j * rng.standard_normal((2, 3, 4)),
    "csingle": (rng.standard_normal((7, 2)) + 1j).astype(np.complex64),
    "small": np.array([[1.0]]),
    "empty": np.zeros((0, 3)),
    **{f"of_{t}": np.arange(12, dtype=t).reshape(3, 4) for t in ("i1", "u2", "i8")},
    "logical": np.array([[True, False]]),
    "cell": CELL,
    "struct": {"a": np.eye(2), "b": {"c": rng.standard_normal((2, 2, 2)), "d": CELL}},
    "structs": np.array(
        [(1.0, np.eye(2)), (2.0, np.eye(3))], [("x", object), ("yy", object)]
    ),
}


def same(one, two):
    assert one.shape == two.shape and one.dtype.names == two.dtype.names
    if one.dtype.names:
        for name in one.dtype.names:
            same(one[name], two[name])
    elif one.dtype == object:
        for a, b in zip(one.ravel(), two.ravel()):
            same(np.asarray(a), np.asarray(b))
    else:
        assert one.dtype == two.dtype.newbyteorder("=")
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("packed", [False, True])
def test_each_variable_is_as_scipy_reads_it(tmp_path, packed):
    path = tmp_path / "h.mat"
    scipy.io.savemat(
        path, {**VALUES, "text": ["words", "verbs"]}, do_compression=packed
    )
    right, own = scipy.io.loadmat(path), _matlab5.loaded(path, [*VALUES, "text", "no"])
    assert own.keys() == {*VALUES, "text"}
    for name in VALUES:
        same(own[name], right[name])
    assert own["text"].tolist() == ["words", "verbs"]
    listed = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
    assert {name: shape for name, shape, _ in _matlab5.listed(path)} == listed
    kinds = {name: kind for name, _, kind in _matlab5.listed(path)}
    assert [name for name in kinds if kinds[name] == "struct"] == ["struct", "structs"]


def test_files_of_either_byte_order_are_read_as_scipy_does():
    folder = pathlib.Path(scipy.io.matlab.__file__).parent / "tests" / "data"
    files = [path for path in folder.glob("test[a-gi-z]*_[67].*.mat")]
    if not files:
        pytest.skip("SciPy came without the files of its tests")
    count = 0
    for path in files:
        for name, value in scipy.io.loadmat(path).items():
            if name[:2] != "__" and isinstance(value, np.ndarray):
                if value.dtype.kind in "fciu":
                    same(_matlab5.loaded(path, [name])[name], value)
                    count += 1
    assert count > 10


def test_zeros_in_the_place_of_a_variable_are_refused(tmp_path):
    # SciPy 1.11.4 ends the process with a segmentation fault in some of these.
    content = io.BytesIO()
    scipy.io.savemat(content, {"H": rng.standard_normal((3, 4)), "s": {"a": 1.0}})
    content, path = content.getvalue(), tmp_path / "h.mat"
    refused = 0
    for start in range(128, len(content), 8):
        path.write_bytes(content[:start] + bytes(len(content) - start))
        try:
            list(_matlab5.loaded(path, ["H", "s"]))
        except (ValueError, struct.error):
            refused += 1
    assert refused > 12


@pytest.mark.parametrize("at", [0, 124, 127])
def test_another_file_is_no_file_of_matlab(tmp_path, at):
    content = io.BytesIO()
    scipy.io.savemat(content, {"H": np.eye(3)})
    content = bytearray(content.getvalue())
    content[at] = 7
    (tmp_path / "h.mat").write_bytes(content)
    if at:
        with pytest.raises(ValueError, match="it is no file of MATLAB"):
            _matlab5.listed(tmp_path / "h.mat")
    else:  # The text at the start is free.
        assert _matlab5.listed(tmp_path / "h.mat")[0][0] == "H"
