"""HDF5 files of others: text is read, and a damaged heap is refused, not followed."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.conftest import correlated_csi
from tfcsi import hdf5_files
from tfcsi.datasets import _channel_objects, _files, inputs
from tfcsi.datasets._files import DataError
from tfcsi.datasets._matlab_cells import nested
from tfcsi.weights import keras_files

MARK = b"GCOL\x01"
CSI = correlated_csi(4, (8, 9))


def attributes(file):
    file["H"].attrs["axes"] = "n,tx,delay"
    file["names"] = np.array(["one", "two"], object)
    file["names"].attrs["MATLAB_empty"] = "no"
    for number in range(200):
        file["H"].attrs[f"note{number}"] = "x" * number


def fill_value(file):
    options = {"dtype": h5py.string_dtype(), "fillvalue": "abc", "chunks": (2,)}
    file.create_dataset("names", (5,), **options)[0] = "x"


def virtual(file):
    layout = h5py.VirtualLayout(CSI.shape, CSI.dtype)
    layout[:] = h5py.VirtualSource(".", "H", CSI.shape)
    file.create_virtual_dataset("names", layout)


FILLS = (attributes, virtual)  # Those whose heap is read.


def write(path, fill=attributes, **options):
    """A file of CSI with something in its heap."""
    with h5py.File(path, "w", **options) as file:
        file["H"] = CSI
        fill(file)


@pytest.mark.parametrize(
    "options", [{}, {"libver": "latest"}, {"userblock_size": 512}], ids=str
)
def test_text_of_any_length_is_read_as_an_attribute(tmp_path, options):
    write(tmp_path / "h.h5", **options)
    with _files.arrays(tmp_path / "h.h5") as known:
        assert known["H"].axes == "n,tx,delay"
        assert known["names"].kind() == "not numeric"
    h = inputs.read(tmp_path / "h.h5", "angular_delay")
    np.testing.assert_array_equal(h, CSI)


@pytest.mark.parametrize("axes", [["n,tx,delay"], [b"n,tx,delay"], [["n,tx,delay"]]])
def test_the_axes_may_be_an_array_of_one_text(tmp_path, axes):
    with h5py.File(tmp_path / "h.h5", "w") as file:
        file["H"] = CSI
        file["H"].attrs["axes"] = np.array(axes, object)
    with _files.arrays(tmp_path / "h.h5") as known:
        assert known["H"].axes == "n,tx,delay"


def with_size(content, size):
    """Writes a size into the first object of each heap, and says that it is free."""
    content, at = bytearray(content), content.find(MARK)
    assert at >= 0
    while at >= 0:
        content[at + 24 : at + 32] = size.to_bytes(8, "little")
        content[at + 16 : at + 18] = bytes(2)
        at = content.find(MARK, at + 1)
    return bytes(content)


def damage(path, size=0):
    path.write_bytes(with_size(path.read_bytes(), size))
    return path


@pytest.mark.parametrize("size", [0, 8, 1 << 20, 2**63, 2**64 - 8])
@pytest.mark.parametrize("fill", FILLS)
def test_a_heap_that_leads_nowhere_is_refused_at_once(tmp_path, fill, size):
    path = tmp_path / "h.h5"
    write(path, fill, libver="latest" if fill is virtual else None)
    damage(path, size)
    with pytest.raises(DataError, match=rf"h\.h5: .*heap .* an object of {size} bytes"):
        inputs.read(path, "angular_delay")
    with pytest.raises(DataError, match=r"h\.h5: .*heap .* an object of"):
        nested(path, "names")


def of_all_readers(path, fill, libver="latest"):
    with h5py.File(path, "w", libver=libver) as file:
        file["H"] = CSI
        file["dense/dense/kernel:0"] = np.ones((3, 2), np.float32)
        for kind, shape in (("Coeffs", (1, 4, 2, 1)), ("Delays", (2, 1))):
            file[f"channel_00001_{kind}"] = np.full(shape, 1e-6)
        fill(file)
    return path


def test_every_other_reader_refuses_it_too(tmp_path):
    path = damage(of_all_readers(tmp_path / "h.h5", virtual))
    with pytest.raises(ValueError, match=r"h\.h5 .*heap .* an object of 0 bytes"):
        keras_files.read(path)
    with pytest.raises(DataError, match=r"h\.h5: .*heap .* an object of 0 bytes"):
        _channel_objects.channels(path)


def with_length(path, length):
    """Writes a length into each text of any length, which has the place of its heap."""
    content = bytearray(path.read_bytes())
    with h5py.File(path, "r") as file:
        start = file.userblock_size
    heaps = [m.start() - start for m in re.finditer(re.escape(MARK), content)]
    places = [
        m.start()
        for at in heaps
        for m in re.finditer(re.escape(at.to_bytes(8, "little")), content)
    ]
    assert places
    for at in places:
        content[at - 4 : at] = length.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def test_a_fill_value_of_text_is_read_by_no_reader(tmp_path):
    path = of_all_readers(tmp_path / "h.h5", fill_value, libver="earliest")
    with_length(path, 1 << 30)
    with _files.arrays(path) as known:
        np.testing.assert_array_equal(known["H"][(slice(None),) * 3], CSI)
        assert known["names"].kind() == "not numeric"
    assert nested(path, "names").shape == (5,)
    assert keras_files.read(path)["dense.0.kernel"].shape == (3, 2)
    assert _channel_objects.channels(path)[1] == 1


@pytest.mark.parametrize("options", [{}, {"userblock_size": 512}], ids=str)
@pytest.mark.parametrize("length", [4096 + 1, 1 << 30, (1 << 32) - 1])
@pytest.mark.parametrize("axes", ["n,tx,delay", np.array([["n,tx,delay"]], object)])
def test_a_text_longer_than_its_heap_is_refused_at_once(
    tmp_path, options, length, axes
):
    """HDF5 would make room for it, three times, before it looks for it."""
    path = tmp_path / "h.h5"
    with h5py.File(path, "w", **options) as file:
        file["H"] = CSI
        file["H"].attrs["axes"] = axes
    match = rf"h\.h5: .* an attribute axes of {length} bytes is longer than its heap"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=match):
        inputs.read(with_length(path, length), "angular_delay")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 64 << 10  # Kilobytes.


def test_only_axes_may_be_an_attribute_of_any_length(tmp_path):
    path = tmp_path / "h.h5"
    with h5py.File(path, "w") as file:
        file["H"] = file["G"] = CSI
        file["H"].attrs["MATLAB_class"] = file["H"].attrs["note"] = "text"
        file["H"].attrs["number"] = 7
    with hdf5_files.opened(with_length(path, 1 << 31)) as file:
        assert hdf5_files.attribute(file["H"], "number", 0) == 7
        for name in ("MATLAB_class", "note", "gone"):
            assert hdf5_files.attribute(file["H"], name, "none") == "none"


@pytest.mark.parametrize(
    "axes", [np.array(["n", "tx"], object), h5py.Empty(h5py.string_dtype())], ids=str
)
def test_axes_that_are_several_texts_or_nothing_are_not_read(tmp_path, axes):
    with h5py.File(tmp_path / "h.h5", "w") as file:
        file.attrs["axes"] = axes
    with hdf5_files.opened(tmp_path / "h.h5") as file:
        assert hdf5_files.attribute(file, "axes", "") == ""


def test_a_text_of_a_shared_data_type_is_refused(tmp_path):
    """Its description is elsewhere, so it is not known that it has any length."""
    path = tmp_path / "h.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["type"] = h5py.string_dtype()
        file["H"] = CSI
        file["H"].attrs.create("axes", "n,tx,delay", dtype=file["type"])
    with pytest.raises(DataError, match=r"h\.h5: .* axes has a shared data type"):
        inputs.read(path, "angular_delay")


def test_an_attribute_whose_check_fails_is_refused_and_not_passed_over(tmp_path):
    path = tmp_path / "h.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["H"] = CSI
        for number in range(20):  # So many that HDF5 puts them into a heap.
            file["H"].attrs[f"note{number}"] = number
        file["H"].attrs["axes"] = np.bytes_("n,tx,delay")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"n,tx,delay", b"n,tx,delbx"))
    with pytest.raises(DataError, match=r"h\.h5: cannot be read.*axes"):
        inputs.read(path, "angular_delay")


def test_a_heap_larger_than_its_file_is_refused(tmp_path):
    path = tmp_path / "h.h5"
    write(path)
    content = bytearray(path.read_bytes())
    at = content.find(MARK)
    content[at + 8 : at + 16] = (1 << 40).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"h\.h5: cannot be read, truncated or corrupt"):
        inputs.read(path, "angular_delay")


@pytest.fixture
def checked(tmp_path):
    """Opens bytes as HDF5 does; what is read goes into a buffer."""
    opened = []

    def read(content, at=0, size=None):
        (tmp_path / "bytes").write_bytes(content)
        opened.append(hdf5_files._Checked(tmp_path / "bytes", 8, 8))
        opened[-1].seek(at)
        buffer = bytearray(b"?" * (size or len(content)))
        count = opened[-1].readinto(buffer)
        return count, bytes(buffer)

    yield read
    for file in opened:
        file.close()


def heap(*lengths, size=4096):
    """A heap with free objects of some sizes."""
    out = MARK + bytes(3) + size.to_bytes(8, "little")
    for length in lengths:
        out += bytes(8) + length.to_bytes(8, "little") + bytes(max(0, length - 16))
    return out.ljust(size, b"\0")


@pytest.mark.parametrize("at", [0, 5000, (1 << 20) - 3, 3 << 20])
def test_a_damaged_heap_is_found_anywhere_in_a_long_read(checked, at):
    """HDF5 reads the image of its cache at once, and parses it from memory."""
    sound, content = heap(4080), bytes((4 << 20) + 7)
    assert checked(content[:at] + sound + content[at:])[0] == len(content) + 4096
    with pytest.raises(OSError, match=f"heap at byte {at} has an object of 0 bytes"):
        checked(content[:at] + heap(16, 0) + content[at:])


def test_a_damaged_heap_is_refused_again_and_again(tmp_path):
    write(tmp_path / "h.h5")
    with hdf5_files.opened(damage(tmp_path / "h.h5")) as file:
        for _ in range(3):
            with pytest.raises(OSError, match="has an object of 0 bytes"):
                file["H"].attrs["axes"]


def test_heaps_in_each_other_are_refused(checked):
    """Each would be walked to its end, so many of them would take for ever."""
    heads = b"".join(heap(size=24).ljust(24) for _ in range(200))
    nested = heads.replace((24).to_bytes(8, "little"), (8192).to_bytes(8, "little"))
    with pytest.raises(OSError, match="an object of|lies in others"):
        checked(nested + bytes(16384))


def test_a_heap_with_more_objects_than_numbers_for_them_is_refused(checked):
    size = 16 + 16 * 70_000
    with pytest.raises(OSError, match="has more than 65536 objects"):
        checked(heap(*[16] * 70_000, size=size))


def test_many_sound_heaps_are_read_in_time_that_grows_with_the_file(checked):
    content = heap(4080) * 4000
    assert checked(content) == (len(content), content)


def test_a_read_that_the_system_cuts_goes_on(checked, monkeypatch):
    """Linux reads 2 GiB at most at once."""
    content, whole = np.random.default_rng(0).bytes(300_000), os.pread
    monkeypatch.setattr(os, "pread", lambda f, n, at: whole(f, min(n, 7001), at))
    assert checked(content) == (300_000, content)
    assert checked(content, 299_990, 50) == (10, content[-10:] + b"?" * 40)


@pytest.mark.parametrize("chunks", [None, (1, 8, 9)])
def test_numbers_and_text_that_look_like_a_heap_are_read(tmp_path, chunks):
    path = tmp_path / "h.h5"
    h = CSI.copy()
    marks = np.frombuffer(MARK * 40, np.uint8)[: h.nbytes // 8 * 8]
    raw = np.random.default_rng(0).integers(0, 60, h.nbytes, np.uint8)
    raw[: len(marks)] = raw[-len(marks) :] = marks
    h = raw.view(np.float32).reshape(4, 16, 9)
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("H", data=h, chunks=chunks)
        file["H"].attrs["axes"] = "n,tx,delay"
        file["H"].attrs["note"] = "GCOL\x01" * 300
        file["H"].attrs["fixed"] = np.bytes_(MARK)
    with open(path, "r+b") as file:
        file.write(MARK + bytes(3))
    with _files.arrays(path) as known:
        assert known["H"].axes == "n,tx,delay"
        np.testing.assert_array_equal(known["H"][(slice(None),) * 3], h)


def test_a_large_file_is_read_as_by_h5py(tmp_path):
    path = tmp_path / "h.h5"
    h = np.random.default_rng(0).normal(size=(300, 64, 64))
    with h5py.File(path, "w") as file:
        file["whole"] = h
        file.create_dataset("packed", data=h, chunks=(7, 64, 64), compression="gzip")
    with hdf5_files.opened(path) as file:
        np.testing.assert_array_equal(file["whole"][()], h)
        np.testing.assert_array_equal(file["whole"][5:290:3, 1], h[5:290:3, 1])
        np.testing.assert_array_equal(file["packed"][3:200], h[3:200])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_processes_share_an_open_file_after_a_fork(tmp_path):
    path = tmp_path / "h.h5"
    h = np.arange(4000 * 64.0).reshape(4000, 64)
    with h5py.File(path, "w") as file:
        file.create_dataset("H", data=h, chunks=(1, 64))
    with hdf5_files.opened(path) as file:
        item = file["H"]
        child = os.fork()
        right = all((item[i] == h[i]).all() for i in range(0, 4000, 3))
        if child == 0:
            os._exit(0 if right else 1)
        assert right and os.waitpid(child, 0)[1] == 0


def test_a_process_may_end_while_a_file_is_open(tmp_path):
    write(damage_free := tmp_path / "h.h5")
    code = (
        "from tfcsi import hdf5_files\n"
        "def rows():\n"
        f"    with hdf5_files.opened({str(damage_free)!r}) as file:\n"
        "        item = file['H']\n"
        "        yield item\n"
        "open_still = rows(); item = next(open_still)\n"
        f"context = hdf5_files.opened({str(damage_free)!r})\n"
        "group = context.__enter__()['names']\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_link_that_leads_to_another_file_is_refused_wherever_it_is(tmp_path):
    """HDF5 would take the file itself for any other that a link names."""
    path = tmp_path / "h.h5"
    with h5py.File(path, "w") as file:
        file["k"] = CSI
        file["a/b/x"] = h5py.ExternalLink("other.h5", "/k")
        file["soft"] = h5py.SoftLink("/a/./b/x")
        file["sound"] = h5py.SoftLink("k")
    for name in ("a", "soft"):
        with pytest.raises(DataError, match="x leads to another file, other.h5"):
            nested(path, name)
    with pytest.raises(DataError, match="x leads to another file, other.h5"):
        with _files.arrays(path):
            pass
    with h5py.File(path, "a") as file:
        del file["a"], file["soft"]
    np.testing.assert_array_equal(nested(path, "sound"), CSI)


def test_an_array_whose_header_is_damaged_is_refused_and_not_left_out(tmp_path):
    path = tmp_path / "h.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["H"], file["other"] = CSI, np.arange(3)
        file["other"].attrs["note"] = np.bytes_("a note of its own")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"a note of its own", b"a note of its owl"))
    with pytest.raises(DataError, match=r"h\.h5: cannot be read.*checksum"):
        inputs.read(path, "angular_delay")


def test_links_that_lead_nowhere_are_left_out(tmp_path):
    path = tmp_path / "h.h5"
    write(path)
    with h5py.File(path, "a") as file:
        file["round"] = h5py.SoftLink("/round")
        file["one"], file["two"] = h5py.SoftLink("two/x"), h5py.SoftLink("/one/x")
        file["gone"] = h5py.SoftLink("H/nothing/more")
        for i in range(20):
            file[f"chain{i}"] = h5py.SoftLink(f"chain{i + 1}/chain{i + 1}")
    with _files.arrays(path) as known:
        assert known.keys() == {"H", "names"}
