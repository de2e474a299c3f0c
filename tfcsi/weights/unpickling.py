"""Reads pickles that may hold tensors and plain data, and refuses all else by name.

A pickle is a program: it names functions and calls them. PyTorch writes its checkpoints
as pickles. Here the only names that a pickle may use are those of tensors and of the
plain records that stand beside them in checkpoints. Each of them is a class or function
of this module, so that nothing of PyTorch, and nothing of whoever wrote the file, is
imported or called. Records are read and forgotten.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import pickletools
from collections.abc import Callable
from typing import IO, Any, BinaryIO, NamedTuple, cast

import numpy as np

# PyTorch's names of the types of a storage; bfloat16 is the upper half of a float32.
STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
# Plain records beside the tensors of checkpoints; their values are not used.
RECORDS = (
    *("argparse.Namespace", "builtins.set", "__builtin__.set", "torch.device"),
    *("numpy.dtype", "numpy.core.multiarray.scalar", "_codecs.encode"),
    *("numpy._core.multiarray.scalar", "torch.Size"),
    # The best result so far, in the checkpoints of CRNet, CLNet and their kin.
    "utils.solver.Result",
)


class Storage(NamedTuple):
    """Numbers that tensors look at.

    Attributes:
      key: Name of the storage in its file.
      dtype: A value of `STORAGES`.
      wide: Whether the numbers are the upper halves of float32.
      numbers: How many numbers it has.
      offset: Number of the first one in the storage of that name.
    """

    key: str
    dtype: str
    wide: bool
    numbers: int
    offset: int = 0


class Tensor(NamedTuple):
    """A tensor, before its numbers are read.

    Attributes:
      storage: Where its numbers are.
      offset: Number of the first one.
      size: Lengths of its axes.
      stride: Steps of its axes, in numbers.
    """

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self, numbers: np.ndarray) -> np.ndarray:
        """Returns the tensor, float32 or as it is stored.

        Args:
          numbers: All numbers of the storage of its key.

        Raises:
          ValueError: If it looks at numbers that the storage does not have.
        """
        steps = [s * (n - 1) for n, s in zip(self.size, self.stride) if n]
        first = self.storage.offset + self.offset
        count = math.prod(self.size)
        if (
            len(self.size) != len(self.stride)
            or min((*self.size, *self.stride, first), default=0) < 0
            or count > self.storage.numbers
            or (count and first + sum(steps) >= len(numbers))
        ):
            raise ValueError(
                f"a tensor of {list(self.size)} does not lie in its storage of "
                f"{len(numbers)} numbers"
            )
        item = numbers.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            numbers[first:], self.size, [item * step for step in self.stride]
        )
        if self.storage.wide:
            return (view.astype("<u4") << 16).view("<f4")
        return np.array(view, "<f4" if view.dtype.kind == "f" else view.dtype)


def read(file: BinaryIO, place: str, storages: dict[str, Storage] | None = None) -> Any:
    """Reads one pickle of a file of PyTorch, up to its end.

    Args:
      file: Stands at the pickle, and behind it afterwards.
      place: Name of the file, for messages.
      storages: Gets every storage that the pickle points to, by its key.

    Returns:
      What it holds; tensors are of the class `Tensor`.

    Raises:
      ValueError: If it names anything that is not allowed, or is no pickle.
    """
    try:
        _check_sizes(file)
        return _Unpickler(file, {} if storages is None else storages).load()
    except RefusedName as refused:
        raise ValueError(
            f"{place} is refused, because its pickle names {refused}; give a file of "
            f"the weights alone, as torch.save(model.state_dict(), FILE) writes it"
        ) from None
    except Exception as error:  # A damaged pickle raises errors of many kinds.
        raise ValueError(f"{place} is damaged: {error}") from error


def read_bytes(content: bytes, place: str) -> Any:
    """Reads the pickle that is the content of a file; as `read`."""
    return read(io.BytesIO(content), place)


class _Rest:
    """The rest of a file, of which no more is asked than there is."""

    def __init__(self, file: BinaryIO):
        """`file` can be sought in."""
        self._file, self._at = file, file.tell()
        self.size = file.seek(0, io.SEEK_END)
        file.seek(self._at)

    def read(self, count: int) -> bytes:
        """Returns at most so many bytes."""
        return self._file.read(min(count, self.size - self._file.tell()))

    def readline(self) -> bytes:
        """Returns the bytes up to the end of a line."""
        return self._file.readline()

    def tell(self) -> int:
        """Returns the place in the file."""
        return self._file.tell()


def _check_sizes(file: BinaryIO) -> None:
    """Refuses a pickle that would take much more memory than its file has bytes.

    The unpickler of Python makes room for what a pickle declares before it reads it.

    Args:
      file: Stands at the pickle, here and afterwards.

    Raises:
      ValueError: If a number of the memo, a frame or an array is too large, or the
        pickle is damaged.
    """
    start, rest = file.tell(), _Rest(file)
    for operation, argument, _ in pickletools.genops(cast("IO[bytes]", rest)):
        sized = operation.name in ("FRAME", "PUT", "LONG_BINPUT")
        if sized and int(argument or 0) > rest.size:
            raise ValueError(f"{operation.name} of {argument} is too large")
    file.seek(start)


class RefusedName(Exception):
    """A name that no pickle may use."""


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows a few names only, and imports none of them."""

    def __init__(self, file: BinaryIO, storages: dict[str, Storage]):
        super().__init__(file, encoding="latin1")
        self._known, self._storages = _known_names(), storages

    def find_class(self, module: str, name: str) -> Any:
        """Returns what stands for a name."""
        full = f"{module}.{name}"
        if full not in self._known:
            raise RefusedName(full)
        return self._known[full]

    def persistent_load(self, saved_id: Any) -> Storage:
        """Returns the storage that a pickle points to."""
        kind, (dtype, wide), key, _, count, *view = saved_id
        if kind != "storage":
            raise RefusedName(f"the reference {kind}")
        offset = 0
        if view and view[0] is not None:  # A part of another storage.
            _, offset, count = view[0]
        storage = Storage(str(key), dtype, wide, int(count), int(offset))
        self._storages[storage.key] = storage
        return storage


def _known_names() -> dict[str, Any]:
    """Returns what stands for each name, made anew for each pickle."""

    class Record:
        """What a pickle holds besides tensors; it keeps nothing."""

        def __new__(cls, *_: object, **__: object) -> Record:
            return super().__new__(cls)

        def __init__(self, *_: object, **__: object):
            pass

        def __setstate__(self, state: object) -> None:
            pass

    class Names(collections.OrderedDict):
        """Stands for OrderedDict, so that a pickle cannot change that class."""

    def rebuild(storage: Storage, offset: int, size: Any, stride: Any, *_: Any) -> Any:
        if not isinstance(storage, Storage):
            raise ValueError("a tensor has no storage")
        return Tensor(
            storage, int(offset), tuple(map(int, size)), tuple(map(int, stride))
        )

    def parameter(tensor: Tensor, *_: object) -> Tensor:
        return tensor

    def record(*_: object) -> Record:
        return Record()

    known: dict[str, Any] = {
        "collections.OrderedDict": Names,
        "torch._utils._rebuild_tensor": rebuild,
        "torch._utils._rebuild_tensor_v2": rebuild,
        "torch._utils._rebuild_parameter": parameter,
    }
    for name, dtype in STORAGES.items():
        known[f"torch.{name}"] = (dtype, name == "BFloat16Storage")
    made: dict[str, type | Callable] = {name: Record for name in RECORDS}
    made["_codecs.encode"] = record
    return {**known, **made}
