"""CSI matrices in TFRecord files, one `tf.train.Example` for each matrix.

An example has `x`, a float list with the matrix [num_tx, num_delay, 2] (re, im) in C
order, and `shape`, an int64 list with num_tx and num_delay. Frequency-domain truth, if
there is any, is stored in the same way as `xf` and `shape_f`.
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcsi import files, transforms
from tfcsi.datasets._files import DataError, check_file
from tfcsi.matrices import BLOCK, Matrices


def write(path: str | os.PathLike, h: np.ndarray, hf: np.ndarray | None = None) -> None:
    """Writes matrices to a file, which appears only when it is complete.

    Args:
      path: path of the file to write.
      h: [n, num_tx, num_delay], complex.
      hf: [n, num_tx, num_sc], complex, or None.
    """
    import tensorflow as tf

    def fields(name: str, shape: str, values: np.ndarray) -> dict:
        x = tf.train.FloatList(value=transforms.to_real(values).ravel())
        axes = tf.train.Int64List(value=values.shape)
        return {
            name: tf.train.Feature(float_list=x),
            shape: tf.train.Feature(int64_list=axes),
        }

    with files.replacing(path) as temporary:
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for i in range(len(h)):
                feature = fields("x", "shape", h[i])
                if hf is not None:
                    feature |= fields("xf", "shape_f", hf[i])
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())


_SIZE = struct.Struct("<Q")  # Of a record.
_GZIP = b"\x1f\x8b\x08"  # What a file that gzip packed begins with.
_SHAPES = {"x": "shape", "xf": "shape_f"}  # Key of the shape of each matrix.


def _spec(key: str) -> dict[str, Any]:
    """What is parsed of an example."""
    import tensorflow as tf

    return {
        key: tf.io.RaggedFeature(tf.float32),
        _SHAPES[key]: tf.io.RaggedFeature(tf.int64),
    }


def dataset(paths: Sequence[str | os.PathLike], key: str = "x") -> Any:
    """Streams the matrices of files, in their order.

    Args:
      paths: paths of files that `write` made.
      key: "x", or "xf" for the frequency-domain truth.

    Returns:
      A `tf.data.Dataset` of float32 [num_tx, num_delay, 2] (re, im). Errors of the
      matrices are raised by TensorFlow while it is read, which believes the sizes in a
      record: 4 GiB of memory at most. `matrices` checks them.

    Raises:
      DataError: a file is missing or cut, or a record of it has no sound size.
    """
    import tensorflow as tf

    _check_sizes(paths)

    def parse(record: Any) -> Any:
        example = tf.io.parse_single_example(record, _spec(key))
        return tf.reshape(example[key], tf.concat([example[_SHAPES[key]], [2]], 0))

    records = tf.data.TFRecordDataset([os.fspath(path) for path in paths])
    return records.map(parse, tf.data.AUTOTUNE)


def has(path: str | os.PathLike, key: str) -> bool:
    """Returns whether the first matrix of a file has an entry, such as "xf".

    Raises:
      DataError: the file is missing or damaged.
    """
    import tensorflow as tf

    _check_sizes([path])
    record = _read(lambda: next(_records([path]), b""), [path])
    example = _read(lambda: tf.train.Example.FromString(record), [path])
    return key in example.features.feature


def read(paths: Sequence[str | os.PathLike], key: str = "x") -> np.ndarray:
    """Reads the matrices of files, in their order.

    Args:
      paths: paths of files that `write` made; all matrices have the same shape.
      key: as for `dataset`.

    Returns:
      [n, num_tx, num_delay], complex64.

    Raises:
      DataError: a file is missing, damaged or of another form, or there are none.
    """
    return matrices(paths, key).whole()


def matrices(paths: Sequence[str | os.PathLike], key: str = "x") -> Matrices:
    """Opens files, whose matrices are read a block at a time, in their order.

    Args:
      paths: as for `read`.
      key: as for `dataset`.

    Returns:
      The matrices, complex64, of unknown number.

    Raises:
      DataError: as `read`; some of that shows only when they are read.
    """

    def parts(first: int) -> Iterator[np.ndarray]:
        blocks = _blocks(paths, key, first)
        while (h := _read(lambda: next(blocks, None), paths)) is not None:
            if (bad := ~np.isfinite(h).all((1, 2))).any():
                raise DataError(
                    f"{', '.join(map(str, paths))}: matrix {first + np.argmax(bad)} "
                    f"has NaN or infinite values, expected finite"
                )
            if h.shape[1:] != shape:
                raise DataError(
                    f"{', '.join(map(str, paths))}: matrix {first} has shape "
                    f"{h.shape[1:]}, expected {shape} as the first one"
                )
            first += len(h)
            yield h

    _check_sizes(paths)
    one = _read(lambda: next(_blocks(paths, key, 0, 1), None), paths)
    if one is None:
        raise DataError(f"no matrices in {list(map(str, paths))}")
    shape = one.shape[1:]
    return Matrices(shape, None, parts)


def _blocks(
    paths: Sequence[str | os.PathLike], key: str, first: int, size: int = BLOCK
) -> Iterator[np.ndarray]:
    """Yields blocks [size, num_tx, num_delay], complex64, from a matrix on."""
    import tensorflow as tf

    records = itertools.islice(_records(paths), first, None)
    while block := list(itertools.islice(records, size)):
        for record in block:
            _check_fields(record, 0, len(record))
        example = tf.io.parse_example(block, _spec(key))
        x, axes = example[key], example[_SHAPES[key]]
        shapes = {tuple(map(int, row)) for row in axes.to_list()}
        (shape, *others), sizes = shapes, set(x.row_lengths().numpy().tolist())
        if others or len(shape) != 2 or min(shape) < 1:
            raise ValueError(
                f"matrices of shapes {sorted(shapes)[:5]}, expected one shape "
                f"(num_tx, num_delay)"
            )
        if sizes != {2 * math.prod(shape)}:
            raise ValueError(
                f"matrices of {sorted(sizes)[:5]} numbers, expected "
                f"{2 * math.prod(shape)} of shape {shape}"
            )
        yield transforms.to_complex(x.flat_values.numpy().reshape(-1, *shape, 2))


def _records(paths: Sequence[str | os.PathLike]) -> Iterator[bytes]:
    """Yields the records of files whose sizes were checked.

    The reader is that of TensorFlow 1: tf.data makes a graph for each file, and may
    wait for itself without end when it drops the iterator of a damaged one.
    """
    import tensorflow as tf
    from tensorflow.python.util import deprecation

    for path in paths:
        with deprecation.silence():
            records = tf.compat.v1.io.tf_record_iterator(os.fspath(path))
        yield from records


def _check_sizes(paths: Sequence[str | os.PathLike]) -> None:
    """Refuses files with a record that would not fit: TensorFlow reserves its memory.

    A record is its size in 8 bytes, 4 bytes of check, so many bytes, and 4 of check.
    """
    for path in paths:
        check_file(Path(path))
        end = os.path.getsize(path)
        if not end:
            continue
        with open(path, "rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        at = number = 0
        with content:
            while at < end:
                size = _SIZE.unpack_from(content, at)[0] if end - at >= 16 else end
                if (after := at + 16 + size) > end:
                    if content[: len(_GZIP)] == _GZIP:
                        raise DataError(
                            f"{path}: it is compressed by gzip; unpack it with gunzip"
                        )
                    raise DataError(
                        f"{path}: record {number} of TFRecord goes to byte {after}, "
                        f"but the file has {end}; it is cut or damaged"
                    )
                at, number = after, number + 1


# Fields of Example, Features, an entry of their map, Feature: what lies in each other.
_INNER: tuple[tuple[int, ...], ...] = ((1,), (1,), (2,), (1, 2, 3), ())


def _check_fields(record: bytes, at: int, end: int, deep: int = 0) -> None:
    """Refuses an example with a field that goes over its end.

    TensorFlow reserves the memory that a field says it has before it looks further.

    Args:
      record: A serialised `tf.train.Example`.
      at: First byte of a message in it.
      end: The byte behind the message.
      deep: Number of messages that this one lies in.

    Raises:
      ValueError: There is such a field, or one of an unknown kind.
    """
    while at < end:
        tag, at = _varint(record, at, end)
        kind = tag & 7
        size = {1: 8, 5: 4}.get(kind, 0)
        if kind in (0, 2):
            size, at = _varint(record, at, end)
        if kind > 5 or kind in (3, 4) or (kind != 0 and size > end - at):
            raise ValueError(f"a field at byte {at} of kind {kind} has {size} bytes")
        if kind == 2 and tag >> 3 in _INNER[deep]:
            _check_fields(record, at, at + size, deep + 1)
        at += size if kind else 0


def _varint(record: bytes, at: int, end: int) -> tuple[int, int]:
    """Reads a number of seven bits a byte; returns it and the place behind it."""
    value = shift = 0
    while at < end and shift < 64:
        value |= (record[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if record[at - 1] < 128:
            return value, at
    raise ValueError(f"a number at byte {at} has no end")


def _read(get: Callable[[], Any], paths: Sequence[str | os.PathLike]) -> Any:
    """Calls a function; errors of TensorFlow and NumPy name the files."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if not paths:
        raise DataError("no matrices in no files")
    try:
        return get()
    except (tf.errors.OpError, ValueError, DecodeError) as error:
        message = str(error).splitlines()[0]
        raise DataError(
            f"{', '.join(map(str, paths))}: cannot be read as TFRecord of CSI: "
            f"{message}"
        ) from error
