"""The DFT grid with contexts: uniform quantisation, and tables chosen by neighbours.

The norm of a matrix is sent in half octaves, and the step is relative to it. Each entry
of the grid of angles and delays is coded with one of 48 tables. A weighted sum of the
magnitudes that were sent before chooses the table (`tfcsi.coding.grid_contexts`). Only
weights and counts are learned.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import files, transforms
from tfcsi.codecs import workdir as run
from tfcsi.codecs.classical import ClassicalCodec, quantized
from tfcsi.coding import chosen_tables, grid_contexts
from tfcsi.coding.grid_contexts import BORDERS, NEIGHBOURS
from tfcsi.coding.intervals import Reader, encode_intervals
from tfcsi.coding.packets import check_ends, pack, session_of, unpack
from tfcsi.coding.tables import PRECISION, Tables

_MAX_TRAIN = 2000  # Matrices that are counted.


class DftGrid(ClassicalCodec):
    """Quantised entries of angles and delays, with contexts.

    Attributes:
      name: "dft_grid".
      shape: (num_tx, num_delay).
      step: float, bin width relative to the norm of a matrix.
      weights: int64 [neighbours + 1], see `grid_contexts.fit_weights`.
      base: int64 [num_delay, num_tx].
      norms: Tables of one table, that of the norm.
      tables: Tables of the entries.
    """

    name = "dft_grid"
    remedies = {
        "step": "its tables are those of one step; train another codec with "
        "--config.network.step",
        "nmse_db": "train another codec with a finer --config.network.step",
        "max_bits": "train another codec with a coarser --config.network.step",
    }

    def __init__(
        self,
        shape: tuple[int, ...],
        step: float,
        weights: np.ndarray,
        base: np.ndarray,
        norms: Tables,
        tables: Tables,
        domain: str = transforms.DOMAINS[0],
    ):
        """See the attributes; `fit` makes one from data."""
        super().__init__(shape, domain)
        self.step = float(step)
        self.weights, self.base = weights.astype(np.int64), base.astype(np.int64)
        self.norms, self.tables = norms, tables
        self._session = session_of(
            self.name,
            self.shape,
            np.array([step], "<f8"),
            self.weights.astype("<i8"),
            self.base.astype("<i8"),
            norms.fingerprint(),
            tables.fingerprint(),
            domain.encode(),
        )

    @classmethod
    def fit(
        cls, h_train: np.ndarray, step: float, domain: str = transforms.DOMAINS[0]
    ) -> DftGrid:
        """Learns weights and counts for a step.

        Args:
          h_train: complex64 [n, num_tx, num_delay].
          step: Bin width relative to the norm of a matrix.
          domain: Domain of `h_train`.

        Raises:
          ValueError: If `h_train` is empty or the step is not positive.
        """
        if h_train.ndim != 3 or not len(h_train):
            raise ValueError(f"h_train must be [n, num_tx, num_delay]: {h_train.shape}")
        if not 0 < step < math.inf:
            raise ValueError(f"step must be positive, got {step}")
        chosen = np.linspace(0, len(h_train) - 1, min(_MAX_TRAIN, len(h_train)))
        shape = h_train.shape[1:]
        norm, q = _quantize(h_train[chosen.astype(int)], shape, step, domain)
        few = q[:: max(1, len(q) // 400)]
        weights, base = grid_contexts.fit_weights(few[..., 0], few[..., 1])
        table = _tables_of(q, weights, base)
        tables = chosen_tables.symmetric(q.ravel(), table.ravel(), len(BORDERS) + 1)
        norms = Tables.from_counts(norm[:, None])
        return cls(shape, step, weights, base, norms, tables, domain)

    def _packets(self, h: np.ndarray) -> list[bytes]:
        norm, q = _quantize(h, self.shape, self.step, self.domain)
        chosen_tables.warn_of_norms(norm, self.norms, stacklevel=3)
        table = _tables_of(q, self.weights, self.base)
        payloads, zero = [], np.zeros(1, np.int64)
        for i in range(len(q)):
            first, end = chosen_tables.parts(norm[i : i + 1], zero, self.norms)
            lower, upper = chosen_tables.parts(
                q[i].ravel(), table[i].ravel(), self.tables
            )
            payloads.append(encode_intervals(first + lower, end + upper, PRECISION))
        return pack([p for p, _ in payloads], self.session, [b for _, b in payloads])

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices.

        Args:
          packets: n bytes from `compress`.

        Returns:
          h_hat complex64 [n, num_tx, num_delay].

        Raises:
          packets.PacketError: If a packet is damaged or foreign.
        """
        payloads = unpack(packets, self.session)
        n, (num_tx, num_delay) = len(payloads), self.shape
        if not n:
            return np.zeros((0, *self.shape), np.complex64)
        reader, rows = Reader(payloads), np.arange(n)
        norm = chosen_tables.read(reader, rows, np.zeros(n, np.int64), self.norms)
        sums = np.tile(self.base, (n, 1, 1))
        q = np.zeros((n, num_delay, num_tx, 2), np.int64)
        for i in range(num_delay):
            for k in range(num_tx):
                table = grid_contexts.tables_of(sums[:, i, k])
                re = chosen_tables.read(reader, rows, table, self.tables)
                own = sums[:, i, k] + self.weights[-1] * np.abs(re)
                table = grid_contexts.tables_of(own)
                im = chosen_tables.read(reader, rows, table, self.tables)
                q[:, i, k, 0], q[:, i, k, 1] = re, im
                if re.any() or im.any():
                    self._pass_on(sums, np.abs(re) + np.abs(im), i, k)
        strange = (np.abs(norm) > 512) | (np.abs(q) > 2**24).any((1, 2, 3))
        check_ends(payloads, np.where(strange, -1, reader.num_bits))
        z = (q[..., 0] + 1j * q[..., 1]) * (self.step * 2.0 ** (norm / 2))[
            :, None, None
        ]
        return transforms.in_domain(z.swapaxes(1, 2).astype(np.complex64), self.domain)

    def _pass_on(self, sums: np.ndarray, size: np.ndarray, i: int, k: int) -> None:
        """Adds an entry that was read to the contexts of the entries behind it."""
        num_tx, num_delay = self.shape
        for weight, (delay, angle) in zip(self.weights, NEIGHBOURS):
            at = k - angle
            if i - delay < num_delay and (delay or at < num_tx):
                sums[:, i - delay, at % num_tx] += weight * size

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec: name, sizes, config."""
        facts = {"codec": self.name, "ue_params": self.weights.size + self.base.size}
        return {**facts, "step": self.step, "config": dict(self.config)}

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"step": np.array(self.step), "base": self.base}
        arrays |= {"weights": self.weights}
        arrays |= {f"norms/{k}": v for k, v in self.norms.arrays().items()}
        return arrays | {f"tables/{k}": v for k, v in self.tables.arrays().items()}


def fit(
    h_train: np.ndarray,
    h_val: np.ndarray,
    step: float = 0.125,
    domain: str = "angular_delay",
) -> DftGrid:
    """Makes a codec, as `tfcsi train` does.

    Args:
      h_train: complex64 [n, num_tx, num_delay].
      h_val: Not used: nothing is chosen.
      step: Bin width relative to the norm of a matrix.
      domain: Domain of the matrices.
    """
    del h_val
    return DftGrid.fit(h_train, step, domain)


def load(workdir: str | os.PathLike) -> DftGrid:
    """Loads what `DftGrid.save` wrote; see `tfcsi.load`."""
    return run.load_classical(workdir, _of_arrays)


def _of_arrays(config: dict, arrays: Mapping[str, np.ndarray]) -> DftGrid:
    """Makes a codec of the fields and arrays that `DftGrid.save` wrote."""
    norms = Tables.from_arrays(files.part(arrays, "norms"))
    tables = Tables.from_arrays(files.part(arrays, "tables"))
    weights, base = arrays["weights"], arrays["base"]
    if weights.shape != (len(NEIGHBOURS) + 1,) or len(tables.length) <= len(BORDERS):
        raise ValueError("the weights do not fit the tables")
    size = tuple(config["shape"][::-1])
    if base.shape != size:
        raise ValueError(f"base is {base.shape}, expected {size}")
    step, domain = float(arrays["step"]), transforms.domain_of(config)
    if not 0 < step < math.inf:
        raise ValueError(f"step is {step}, expected a finite number above 0")
    return DftGrid(config["shape"], step, weights, base, norms, tables, domain)


def _quantize(
    h: np.ndarray, shape: tuple[int, ...], step: float, domain: str
) -> tuple[np.ndarray, np.ndarray]:
    """Norms [n] and symbols [n, num_delay, num_tx, 2], int64."""
    h = transforms.in_angular_delay(transforms.finite_csi(h, shape), domain)
    z = np.ascontiguousarray(h.swapaxes(1, 2), np.complex128)
    length = np.sqrt((np.abs(z) ** 2).sum(axis=(1, 2)))
    norm = np.rint(2 * np.log2(np.where(length > 0, length, 1.0))).astype(np.int64)
    x = z.view(np.float64).reshape(*z.shape, 2)
    width = (step * 2.0 ** (norm / 2))[:, None, None, None]
    symbols = quantized(
        x, width, chosen_tables.LARGEST, "fit a codec of a coarser step"
    )
    return norm, symbols.astype(np.int64)


def _tables_of(q: np.ndarray, weights: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Numbers of the tables of symbols, int64 of the same shape."""
    size = np.abs(q[..., 0]) + np.abs(q[..., 1])
    sums = grid_contexts.features(size) @ weights[:-1] + base
    own = sums + weights[-1] * np.abs(q[..., 0])
    return grid_contexts.tables_of(np.stack([sums, own], axis=-1))
