"""CSI matrices in TFRecord files, one `tf.train.Example` for each matrix.

An example has `x`, a float list with the matrix [num_tx, num_delay, 2] (re, im) in C
order, and `shape`, an int64 list with num_tx and num_delay. Frequency-domain truth, if
there is any, is stored in the same way as `xf` and `shape_f`.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tfcsi import files, transforms
from tfcsi.datasets._files import DataError
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


_SHAPES = {"x": "shape", "xf": "shape_f"}  # Key of the shape of each matrix.


def dataset(paths: Sequence[str | os.PathLike], key: str = "x") -> Any:
    """Streams the matrices of files, in their order.

    Args:
      paths: paths of files that `write` made.
      key: "x", or "xf" for the frequency-domain truth.

    Returns:
      A `tf.data.Dataset` of float32 [num_tx, num_delay, 2] (re, im). Errors of the
      files are raised by TensorFlow while it is read.
    """
    import tensorflow as tf

    shape = _SHAPES[key]
    spec = {
        key: tf.io.RaggedFeature(tf.float32),
        shape: tf.io.RaggedFeature(tf.int64),
    }

    def parse(record: Any) -> Any:
        example = tf.io.parse_single_example(record, spec)
        return tf.reshape(example[key], tf.concat([example[shape], [2]], 0))

    records = tf.data.TFRecordDataset([os.fspath(path) for path in paths])
    return records.map(parse, tf.data.AUTOTUNE)


def has(path: str | os.PathLike, key: str) -> bool:
    """Returns whether the first matrix of a file has an entry, such as "xf"."""
    import tensorflow as tf

    records = tf.data.TFRecordDataset(os.fspath(path)).take(1).as_numpy_iterator()
    return any(key in tf.train.Example.FromString(r).features.feature for r in records)


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
        examples = dataset(paths, key).skip(first).as_numpy_iterator()

        def block() -> np.ndarray | None:
            x = list(itertools.islice(examples, BLOCK))
            return transforms.to_complex(np.stack(x)) if x else None

        while (h := _read(block, paths)) is not None:
            if (bad := ~np.isfinite(h).all((1, 2))).any():
                raise DataError(
                    f"{', '.join(map(str, paths))}: matrix {first + np.argmax(bad)} "
                    f"has NaN or infinite values, expected finite"
                )
            first += len(h)
            yield h

    one = _read(lambda: [*dataset(paths, key).take(1).as_numpy_iterator()], paths)
    if not one:
        raise DataError(f"no matrices in {list(map(str, paths))}")
    return Matrices(one[0].shape[:2], None, parts)


def _read(get: Callable[[], Any], paths: Sequence[str | os.PathLike]) -> Any:
    """Calls a function; errors of TensorFlow and NumPy name the files."""
    import tensorflow as tf

    if not paths:
        raise DataError("no matrices in no files")
    try:
        return get()
    except (tf.errors.OpError, ValueError) as error:
        message = str(error).splitlines()[0]
        raise DataError(
            f"{', '.join(map(str, paths))}: cannot be read as TFRecord of CSI: "
            f"{message}"
        ) from error
