"""Reads weights from files of PyTorch, without PyTorch.

`torch.save` has two forms. The form since version 1.6 is a zip archive of a pickle and
one file for each storage. The earlier form is a row of pickles and then the storages.
Both are read here, with NumPy alone; `unpickling` says what their pickles may hold.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np

from tfcsi.weights import unpickling
from tfcsi.weights.unpickling import Storage, Tensor

ZIP = b"PK\x03\x04"
MAGIC = 0x1950A86A20F9469CFC6C  # The first number of the earlier form.
VERSION = 1001
# Keys of a checkpoint that hold the weights of the network.
NESTED = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")
BESIDE = ("optimizer", "optimizer_state_dict", "scheduler")  # Hold other tensors.


def read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Reads the weights of a file that `torch.save` wrote.

    Args:
      path: The file: a state_dict, or a checkpoint that holds one.

    Returns:
      Name of each tensor to its numbers. Floats are float32.

    Raises:
      ValueError: If it is no such file, or names anything but tensors and plain
        records. The message names the file.
    """
    with open(path, "rb") as file:
        is_zip = file.read(len(ZIP)) == ZIP
        file.seek(0)
        stored = _read_zip(path) if is_zip else _read_row(file, path)
    held, numbers = stored
    if not isinstance(held, Mapping):
        raise ValueError(
            f"{path} holds a {type(held).__name__}; give a file of named weights, as "
            f"torch.save(model.state_dict(), FILE) writes it"
        )
    arrays = {}
    for name, tensor in _tensors(held).items():
        try:
            arrays[name] = tensor.array(numbers(tensor.storage))
        except (ValueError, KeyError, OSError) as error:
            raise ValueError(f"{path} is damaged: {name}: {error}") from error
    if not arrays:
        raise ValueError(f"{path} holds no tensors")
    return arrays


def _tensors(held: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors of a state_dict or a checkpoint by name."""
    for key in NESTED:
        if isinstance(held.get(key), Mapping) and _tensors(held[key]):
            return _tensors(held[key])
    found = {}
    for key, value in held.items():
        if isinstance(value, Tensor):
            found[str(key)] = value
        elif isinstance(value, Mapping) and key not in BESIDE:
            found |= {f"{key}.{name}": t for name, t in _tensors(value).items()}
    return found


def _read_zip(path: str | os.PathLike) -> tuple[Any, Callable]:
    """What a file of the form since 1.6 holds, and the function of its storages."""
    size = os.path.getsize(path)
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            (name,) = (n for n in members if n == "data.pkl" or n.endswith("/data.pkl"))
            folder = name[: -len("data.pkl")]
            for info in members.values():
                if info.compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"{info.filename} is compressed")
                if info.file_size > size:
                    raise ValueError(f"{info.filename} is longer than the file")
            parts = {n: archive.read(n) for n in members if n.startswith(folder)}
    except Exception as error:  # A damaged archive raises errors of many kinds.
        raise ValueError(f"{path} is no file of PyTorch: {error}") from error
    if parts.get(f"{folder}byteorder", b"little") != b"little":
        raise ValueError(f"{path} was written on a big-endian machine; it is not read")

    def numbers(storage: Storage) -> np.ndarray:
        return np.frombuffer(parts[f"{folder}data/{storage.key}"], storage.dtype)

    return unpickling.read_bytes(parts[name], f"{path}"), numbers


def _read_row(file: BinaryIO, path: str | os.PathLike) -> tuple[Any, Callable]:
    """What a file of the earlier form holds, and the function of its storages."""
    place = f"{path}"
    head = [_head(file, place) for _ in range(3)]
    if head[:2] != [MAGIC, VERSION]:
        raise ValueError(f"{path} is no file of PyTorch")
    if isinstance(head[2], Mapping) and not head[2].get("little_endian", True):
        raise ValueError(f"{path} was written on a big-endian machine; it is not read")
    known: dict[str, Storage] = {}
    held = unpickling.read(file, place, known)
    keys = unpickling.read(file, place)
    types = {key: storage.dtype for key, storage in known.items()}
    rest, stored, at = file.read(), {}, 0
    for key in keys if isinstance(keys, list) else []:
        dtype = np.dtype(types.get(str(key), "u1"))
        if len(rest) < at + 8:
            raise ValueError(f"{path} is damaged: it ends within a storage")
        count = int.from_bytes(rest[at : at + 8], "little")
        at += 8
        if str(key) not in types or len(rest) < at + count * dtype.itemsize:
            raise ValueError(f"{path} is damaged: storage {key!s:.40} is not whole")
        stored[str(key)] = np.frombuffer(rest, dtype, count, at)
        at += count * dtype.itemsize
    return held, lambda storage: stored[storage.key]


def _head(file: BinaryIO, place: str) -> Any:
    try:
        return unpickling.read(file, place)
    except ValueError as error:
        if "refused" in str(error):
            raise
        raise ValueError(f"{place} is no file of PyTorch") from error
