"""A codec of one's own: the first delay taps, quantised and entropy-coded.

tfcsi train --config=classical:own_taps --data_dir=DIR --workdir=runs/own
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import files, transforms
from tfcsi.codecs import workdir as run
from tfcsi.codecs.classical import ClassicalCodec, quantized
from tfcsi.coding import sending
from tfcsi.coding.packets import session_of
from tfcsi.coding.tables import Tables

_LARGEST = 1 << 15  # Magnitude of a symbol.


class Taps(ClassicalCodec):
    """Sends the first taps of each matrix.

    Attributes:
      name: "own_taps".
      taps: Number of delay taps that are sent.
      step: Bin width of the quantiser.
      tables: Tables of the symbols, one a tap.
    """

    name = "own_taps"
    remedies = dict.fromkeys(
        ("step", "nmse_db", "max_bits"), "train another one with --config.network.step"
    )

    def __init__(self, shape: Sequence[int], taps: int, step: float, tables: Tables):
        """See the attributes."""
        super().__init__(tuple(shape))
        self.taps, self.step, self.tables = taps, step, tables
        content = np.array([taps, step], "<f8"), tables.fingerprint()
        self._session = session_of(self.name, self.shape, *content)

    def _packets(self, h: np.ndarray) -> list[bytes]:
        h = transforms.finite_csi(h, self.shape)
        symbols = _symbols(h, self.taps, self.step)
        side = np.zeros((len(h), 0), np.uint16)
        return sending.packets(symbols, side, self.session, self.tables)

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices; taps that were not sent are zero."""
        symbols, _ = sending.receive(packets, 0, self.session, self.tables)
        h_hat = np.zeros((len(symbols), *self.shape), np.complex64)
        sent = (symbols * np.float32(self.step)).astype(np.float32).view(np.complex64)
        h_hat[:, :, : self.taps] = sent.reshape(-1, self.shape[0], self.taps)
        return h_hat

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of the codec."""
        return {"codec": self.name, "step": self.step, "config": dict(self.config)}

    def _arrays(self) -> dict[str, np.ndarray]:
        tables = {f"tables/{k}": v for k, v in self.tables.arrays().items()}
        return {"taps": np.array(self.taps), "step": np.array(self.step), **tables}


def _symbols(h: np.ndarray, taps: int, step: float) -> np.ndarray:
    """Returns symbols int32 [n, 2 num_tx taps] of the first taps."""
    x = np.ascontiguousarray(h[:, :, :taps], np.complex64).view(np.float32)
    return quantized(x.reshape(len(h), -1), step, _LARGEST).astype(np.int32)


def fit(
    h_train: np.ndarray, h_val: np.ndarray, taps: int = 16, step: float = 0.05
) -> Taps:
    """Counts symbols of training matrices, as `tfcsi train` asks for.

    Args:
      h_train: complex64 [n, num_tx, num_delay].
      h_val: Not used: nothing is chosen.
      taps: Number of delay taps that are sent.
      step: Bin width of the quantiser.
    """
    del h_val
    taps = min(taps, h_train.shape[2])
    symbols = _symbols(h_train, taps, step)
    index = np.tile(np.repeat(np.arange(taps), 2), h_train.shape[1])
    tables = Tables.from_counts(symbols, index=index)
    return Taps(h_train.shape[1:], taps, step, tables)


def load(workdir: str | os.PathLike) -> Taps:
    """Loads what `Taps.save` wrote; see `tfcsi.load`."""
    return run.load_classical(workdir, _of_arrays)


def _of_arrays(config: dict, arrays: Mapping[str, np.ndarray]) -> Taps:
    tables = Tables.from_arrays(files.part(arrays, "tables"))
    taps, step = int(arrays["taps"]), float(arrays["step"])
    return Taps(config["shape"], taps, step, tables)
