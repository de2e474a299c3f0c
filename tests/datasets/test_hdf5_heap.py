"""Text of any length in HDF5 files: it is read, and a damaged heap is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.conftest import correlated_csi
from tfcsi.datasets import _files, inputs
from tfcsi.datasets._files import DataError
from tfcsi.datasets._matlab_cells import nested


def write(path, **options):
    """A file with text in its heap: an attribute, a data set, and much more text."""
    with h5py.File(path, "w", **options) as file:
        file["H"] = correlated_csi(4, (8, 9))
        file["H"].attrs["axes"] = "n,tx,delay"
        file["names"] = np.array(["one", "two"], object)
        file["names"].attrs["MATLAB_empty"] = "no"
        for number in range(200):
            file["H"].attrs[f"note{number}"] = "x" * number


@pytest.mark.parametrize(
    "options", [{}, {"libver": "latest"}, {"userblock_size": 512}], ids=str
)
def test_text_of_any_length_is_read_as_an_attribute(tmp_path, options):
    write(tmp_path / "h.h5", **options)
    with _files.arrays(tmp_path / "h.h5") as known:
        assert known["H"].axes == "n,tx,delay"
        assert known["names"].kind() == "not numeric"
    h = inputs.read(tmp_path / "h.h5", "angular_delay")
    np.testing.assert_array_equal(h, correlated_csi(4, (8, 9)))


def with_size(content, size):
    """Writes a size into the first object of each heap."""
    content, at = bytearray(content), content.find(b"GCOL\x01")
    while at >= 0:
        content[at + 24 : at + 32] = size.to_bytes(8, "little")
        content[at + 16 : at + 18] = bytes(2)  # Free space.
        at = content.find(b"GCOL\x01", at + 1)
    return bytes(content)


@pytest.mark.parametrize("size", [0, 8, 1 << 20, 2**63, 2**64 - 8])
def test_a_heap_that_leads_nowhere_is_refused_at_once(tmp_path, size):
    path = tmp_path / "h.h5"
    write(path)
    path.write_bytes(with_size(path.read_bytes(), size))
    with pytest.raises(DataError, match=rf"h\.h5: .*heap .* an object of {size} bytes"):
        inputs.read(path, "angular_delay")
    with pytest.raises(DataError, match=r"h\.h5: .*heap .* an object of"):
        nested(path, "names")


def test_a_heap_larger_than_its_file_is_refused(tmp_path):
    path = tmp_path / "h.h5"
    write(path)
    content = bytearray(path.read_bytes())
    at = content.find(b"GCOL\x01")
    content[at + 8 : at + 16] = (1 << 40).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"h\.h5: .*heap at byte \d+ has a size of"):
        inputs.read(path, "angular_delay")
