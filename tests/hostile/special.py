"""Files that are dangerous by intention, which no random change would make."""

from __future__ import annotations

import io
import pathlib
import pickle
import struct
import zipfile
import zlib

import h5py
import numpy as np
import scipy.io


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: pathlib.Path):
        """`path` is the file."""
        self.path = path

    def __reduce__(self):
        """What unpickling runs."""
        return pathlib.Path.touch, (self.path,)


def zip_bomb(size: int) -> bytes:
    """Returns a small archive with an array of zeros of so many bytes."""
    header = np.lib.format.header_data_from_array_1_0(np.zeros(0, np.complex64))
    header["shape"] = (size // 8192, 32, 32)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("H.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, header)
            for start in range(0, size, 1 << 24):
                member.write(bytes(min(1 << 24, size - start)))
    return out.getvalue()


def mat_bomb(size: int) -> bytes:
    """Returns a small `.mat` file of version 5 with so many bytes of zeros."""
    inner = struct.pack("<4I", 6, 8, 7, 0)  # The class of the array: single.
    inner += struct.pack("<4I", 5, 8, size // 4, 1) + struct.pack("<2I", 1, 1)
    inner += b"H".ljust(8, b"\0") + struct.pack("<2I", 7, size)
    packer = zlib.compressobj(1)
    packed = packer.compress(struct.pack("<2I", 14, len(inner) + size) + inner)
    for start in range(0, size, 1 << 24):
        packed += packer.compress(bytes(min(1 << 24, size - start)))
    packed += packer.flush()
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<2H", 0x100, 0x4D49)
    return head + struct.pack("<2I", 15, len(packed)) + packed


def _hdf5(fill) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        fill(file)
    return out.getvalue()


def _chunks(file: h5py.File) -> None:
    options = {"chunks": (1 << 19, 8, 8), "compression": "gzip"}
    file.create_dataset("H", (1 << 19, 8, 8), "c8", **options)
    file["H"].id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(1 << 28), 1))


def _outside(file: h5py.File) -> None:
    outside = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("H", (9, 4, 2), "c8", external=outside)


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((30, 8, 8), "c8")
    layout[:] = h5py.VirtualSource("other.h5", "H", (30, 8, 8))
    file.create_virtual_dataset("H", layout)


def _link(file: h5py.File) -> None:
    file["H"] = h5py.ExternalLink("other.h5", "/H")


def _circle(file: h5py.File) -> None:
    file.create_group("a")["b"] = file["/"]


def _deep(file: h5py.File) -> None:
    group = file
    for _ in range(3000):
        group = group.create_group("g")


def _many(file: h5py.File) -> None:
    for i in range(20000):
        file[f"x{i}"] = h5py.SoftLink("/x")


def _references(file: h5py.File) -> None:
    file["x"] = np.zeros((30, 8, 8), np.complex64)
    file.create_dataset("H", (3,), h5py.ref_dtype)[:] = [file["x"].ref] * 3


def _strings(file: h5py.File) -> None:
    file.create_dataset("H", (30, 8, 8), h5py.string_dtype())


def files(folder: pathlib.Path) -> dict[str, bytes]:
    """Name of each file to its bytes; traps touch a file "sprung" in the folder."""
    trap = np.array([Trap(folder / "sprung")], object)
    pickled, archive = io.BytesIO(), io.BytesIO()
    np.save(pickled, trap, allow_pickle=True)
    np.savez(archive, H=trap)
    matlab = io.BytesIO()
    nested = {"a": 1}
    for _ in range(300):
        nested = {"a": nested}
    scipy.io.savemat(matlab, {"H": nested}, long_field_names=True)
    other = _hdf5(lambda file: file.update(H=np.ones((30, 8, 8), "c8")))
    (folder / "other.h5").write_bytes(other)
    huge = b"\x93NUMPY\x01\x00v\x00{'descr': '<c8', 'fortran_order': False, 'shape': "
    huge = (huge + b"(1099511627776, 8, 8)}").ljust(127) + b"\n" + bytes(64)
    return {
        "pickled.npy": pickled.getvalue(),
        "pickled.npz": archive.getvalue(),
        "pickle.npy": pickle.dumps(Trap(folder / "sprung")),
        "pickle.mat": pickle.dumps(Trap(folder / "sprung")),
        "huge.npy": huge,
        "zip_bomb.npz": zip_bomb(1 << 28),
        "bomb.mat": mat_bomb(1 << 28),
        "nested.mat": matlab.getvalue(),
        **{
            f"{fill.__name__[1:]}.h5": _hdf5(fill)
            for fill in (
                *(_chunks, _outside, _virtual, _link, _circle, _deep, _many),
                *(_references, _strings),
            )
        },
    }
