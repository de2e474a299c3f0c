"""What a training shows in TensorBoard: curves, symbols, and CSI before and after."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfcsi.codecs.neural import Codec

BOARD_FOLDER = "tensorboard"  # In the folder of the run.
_SHOWN = 4  # Matrices that are drawn.
_CODED = 200  # Matrices whose symbols are counted.
_GAP, _ZOOM = 1, 6  # Columns between matrices, and pixels of an entry.


class Board:
    """Writes the summaries of a run."""

    def __init__(self, workdir: pathlib.Path, h_val: np.ndarray):
        """Takes the folder of the run, and validation matrices [n, ...]."""
        self._writer = tf.summary.create_file_writer(str(workdir / BOARD_FOLDER))
        self._h = np.array(h_val[:_CODED])

    def write(self, row: Mapping[str, float], codec: Codec) -> None:
        """Writes an epoch.

        Args:
          row: Row of the log, with `epoch`.
          codec: The codec as it is after the epoch; it needs no tables.
        """
        y, gain = codec.codewords(self._h)
        symbols, side = codec.quantize(y, gain)
        few = slice(_SHOWN)
        y_hat, scale = codec.dequantize(symbols[few], side[few])
        h_hat = codec.synthesis(y_hat) * scale
        with self._writer.as_default(step=int(row["epoch"])):
            for key in row.keys() - {"epoch"}:
                tf.summary.scalar(key, row[key])
            tf.summary.histogram("codeword", y)
            if symbols.size:
                tf.summary.histogram("symbols", symbols)
            pictures = pictures_of(self._h[few], h_hat)
            tf.summary.image("true, decoded, error", pictures, max_outputs=_SHOWN)
        self._writer.flush()


def pictures_of(h: np.ndarray, h_hat: np.ndarray) -> np.ndarray:
    """Draws magnitudes of true matrices, decoded ones and errors side by side.

    Args:
      h: complex64 [n, num_tx, num_delay].
      h_hat: complex64 [n, num_tx, num_delay].

    Returns:
      float32 [n, height, width, 1]; the peak of each true matrix is 1.
    """
    peak = np.abs(h).max(axis=(1, 2), keepdims=True)
    parts = [np.abs(each) / peak for each in (h, h_hat, h - h_hat)]
    gap = np.ones((*h.shape[:2], _GAP))
    row = np.concatenate([parts[0], gap, parts[1], gap, parts[2]], axis=2)
    large = row.repeat(_ZOOM, axis=1).repeat(_ZOOM, axis=2)
    return np.clip(large, 0, 1)[..., None].astype(np.float32)
