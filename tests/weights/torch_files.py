"""Files as `torch.save` writes them, without PyTorch."""

from __future__ import annotations

import contextlib
import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np


class FloatStorage:
    """Stands for torch.FloatStorage in a pickle."""


def _rebuild_tensor_v2(*_):
    """Stands for the function of this name in a pickle."""


class _Pickler(pickle.Pickler):
    """Writes arrays as tensors, each with a storage of its own."""

    def __init__(self, file, row):
        super().__init__(file, 2)
        self.row, self.storages = row, []

    def reducer_override(self, value):
        if not isinstance(value, np.ndarray):
            return NotImplemented
        value = np.ascontiguousarray(value, np.float32)
        strides = tuple(step // value.itemsize for step in value.strides)
        hooks = OrderedDict()
        arguments = (_Held(value), 0, value.shape, strides, False, hooks)
        return _rebuild_tensor_v2, arguments

    def persistent_id(self, value):
        if not isinstance(value, _Held):
            return None
        key = str(len(self.storages))
        self.storages.append(value.array)
        more = (None,) if self.row else ()
        return ("storage", FloatStorage, key, "cpu", value.array.size, *more)


class _Held:
    def __init__(self, array):
        self.array = array


def save(held, path, row=False):
    """Writes what `torch.save` writes: a zip archive, or a row of pickles."""
    file = io.BytesIO()
    pickler = _Pickler(file, row)
    with _as_pytorch():
        pickler.dump(held)
    blocks = [array.astype("<f4").tobytes() for array in pickler.storages]
    if not row:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", file.getvalue())
            archive.writestr("archive/version", "3\n")
            for key, block in enumerate(blocks):
                archive.writestr(f"archive/data/{key}", block)
        return
    heads = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    content = b"".join(pickle.dumps(head, 2) for head in heads) + file.getvalue()
    content += pickle.dumps([str(key) for key in range(len(blocks))], 2)
    for array, block in zip(pickler.storages, blocks):
        content += int(array.size).to_bytes(8, "little") + block
    path.write_bytes(content)


@contextlib.contextmanager
def _as_pytorch():
    """The two names are those of PyTorch, for the pickler."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage, utils._rebuild_tensor_v2 = FloatStorage, _rebuild_tensor_v2
    torch._utils = utils
    stand_ins = {"torch": torch, "torch._utils": utils}
    before = {name: sys.modules.get(name) for name in stand_ins}
    sys.modules.update(stand_ins)
    FloatStorage.__module__, _rebuild_tensor_v2.__module__ = stand_ins
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
