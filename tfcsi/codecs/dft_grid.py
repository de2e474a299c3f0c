"""The DFT grid with contexts: uniform quantisation, and tables chosen by neighbours.

The norm of a matrix is sent in half octaves, and the step is relative to it. Each entry
of the grid of angles and delays is coded with one of 48 tables, which a weighted sum of
the magnitudes sent before chooses (`tfcsi.coding.grid_contexts`). Nothing is learned
but weights and counts.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcsi import files, transforms
from tfcsi.codecs import workdir as run
from tfcsi.codecs.contract import refuse_wishes
from tfcsi.coding import chosen_tables, grid_contexts
from tfcsi.coding.grid_contexts import BORDERS, NEIGHBOURS
from tfcsi.coding.intervals import Reader, encode_intervals
from tfcsi.coding.packets import PacketError, check_ends, pack, session_of, unpack
from tfcsi.coding.tables import PRECISION, Tables

ROUNDING = 0.375  # As in `tfcsi.codecs.klt`.
_MAX_TRAIN = 2000  # Matrices that are counted.
_REMEDIES = {
    "step": "its tables are those of one step; fit another with --config.network.step",
    "nmse_db": "fit one of a finer step with --config.network.step",
    "max_bits": "fit one of a coarser step with --config.network.step",
}


class DftGrid:
    """Quantised entries of angles and delays, with contexts.

    Attributes:
      name: "dft_grid".
      shape: (num_tx, num_delay).
      step: float, bin width relative to the norm of a matrix.
      weights: int64 [neighbours + 1], see `grid_contexts.fit_weights`.
      base: int64 [num_delay, num_tx].
      norms: Tables of one table, that of the norm.
      tables: Tables of the entries.
      config: dict of what config.json holds: model, shape, seed and domain, and what
        the caller adds, such as dataset and scenario of the training matrices.
      session: packets.Session, its fingerprint covers all of the above.
    """

    name = "dft_grid"

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
        num_tx, num_delay = shape
        self.shape, self.step = (num_tx, num_delay), float(step)
        self.weights, self.base = weights.astype(np.int64), base.astype(np.int64)
        self.norms, self.tables = norms, tables
        self.config: dict[str, Any] = {
            "model": self.name,
            "shape": list(self.shape),
            "seed": 0,
            "domain": domain,
        }
        self.session = session_of(
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
        norm, q = _quantize(h_train[chosen.astype(int)], step, domain)
        few = q[:: max(1, len(q) // 400)]
        weights, base = grid_contexts.fit_weights(few[..., 0], few[..., 1])
        which = _tables_of(q, weights, base)
        tables = chosen_tables.symmetric(q.ravel(), which.ravel(), len(BORDERS) + 1)
        norms = Tables.from_counts(norm[:, None])
        return cls(h_train.shape[1:], step, weights, base, norms, tables, domain)

    @property
    def domain(self) -> str:
        """Domain of its CSI, that of `config`."""
        return self.config["domain"]

    def compress(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
    ) -> list[bytes]:
        """Codes matrices.

        Args:
          h: complex64 [n, num_tx, num_delay].
          step: Not possible, nor are `nmse_db` and `max_bits`: leave them None.
          nmse_db: See `step`.
          max_bits: See `step`.

        Returns:
          n packets.

        Raises:
          ValueError: If `h` is of another shape or not finite, or as
            `contract.refuse_wishes`.
        """
        refuse_wishes(
            self.name, _REMEDIES, step=step, nmse_db=nmse_db, max_bits=max_bits
        )
        norm, q = _quantize(transforms.as_csi(h, self.shape), self.step, self.domain)
        which = _tables_of(q, self.weights, self.base)
        payloads, zero = [], np.zeros(1, np.int64)
        for i in range(len(q)):
            first, end = chosen_tables.parts(norm[i : i + 1], zero, self.norms)
            lower, upper = chosen_tables.parts(
                q[i].ravel(), which[i].ravel(), self.tables
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
                which = grid_contexts.tables_of(sums[:, i, k])
                re = chosen_tables.read(reader, rows, which, self.tables)
                own = sums[:, i, k] + self.weights[-1] * np.abs(re)
                which = grid_contexts.tables_of(own)
                im = chosen_tables.read(reader, rows, which, self.tables)
                q[:, i, k, 0], q[:, i, k, 1] = re, im
                if re.any() or im.any():
                    self._pass_on(sums, np.abs(re) + np.abs(im), i, k)
        num_bits = reader.num_bits
        bad = (num_bits < 0) | (np.abs(norm) > 512) | (np.abs(q) > 2**24).any((1, 2, 3))
        if bad.any():
            row = int(np.argmax(bad))
            raise PacketError(
                f"packet {row}: the encoder would not have written these bits", row
            )
        check_ends(payloads, num_bits)
        z = (q[..., 0] + 1j * q[..., 1]) * (self.step * 2.0 ** (norm / 2))[
            :, None, None
        ]
        h_hat = z.swapaxes(1, 2).astype(np.complex64)
        if self.domain == "space_frequency":
            h_hat = transforms.to_space_frequency(h_hat, num_delay)
        return h_hat

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

    def save(self, workdir: str | os.PathLike) -> None:
        """Writes the codec to a folder, for `tfcsi.load`; each file atomically."""
        arrays = {"step": np.array(self.step), "weights": self.weights}
        arrays |= {"base": self.base}
        arrays["session"] = np.frombuffer(self.session.to_bytes(), np.uint8)
        arrays |= {f"norms/{k}": v for k, v in self.norms.arrays().items()}
        arrays |= {f"tables/{k}": v for k, v in self.tables.arrays().items()}
        run.save(workdir, self.config, arrays)


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
    config, arrays = run.read_config(workdir), run.read_arrays(workdir)
    try:
        norms = Tables.from_arrays(files.part(arrays, "norms"))
        tables = Tables.from_arrays(files.part(arrays, "tables"))
        weights, base = arrays["weights"], arrays["base"]
        if weights.shape != (len(NEIGHBOURS) + 1,) or len(tables.length) <= len(
            BORDERS
        ):
            raise ValueError("weights and tables do not fit")
        if base.shape != tuple(config["shape"][::-1]):
            raise ValueError(f"base is {base.shape}")
        step, domain = float(arrays["step"]), transforms.domain_of(config)
        if not 0 < step < math.inf:
            raise ValueError(f"step is {step}, expected a positive and finite one")
        codec = DftGrid(config["shape"], step, weights, base, norms, tables, domain)
        codec.config = config
        run.check_classical(codec, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{workdir} holds no sound codec: {error!r}") from error
    return codec


def _quantize(h: np.ndarray, step: float, domain: str) -> tuple[np.ndarray, np.ndarray]:
    """Norms [n] and symbols [n, num_delay, num_tx, 2], int64."""
    if not np.isfinite(h).all():
        raise ValueError("h holds NaN or infinity")
    if domain == "space_frequency":
        h = transforms.to_angular_delay(h, h.shape[2])
    z = np.ascontiguousarray(h.swapaxes(1, 2), np.complex128)
    length = np.sqrt((np.abs(z) ** 2).sum(axis=(1, 2)))
    norm = np.rint(2 * np.log2(np.where(length > 0, length, 1.0))).astype(np.int64)
    x = z.view(np.float64).reshape(*z.shape, 2)
    x = x / (step * 2.0 ** (norm / 2))[:, None, None, None]
    size = np.minimum(np.floor(np.abs(x) + ROUNDING), 2**18)
    return norm, (np.sign(x) * size).astype(np.int64)


def _tables_of(q: np.ndarray, weights: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Numbers of the tables of symbols, int64 of the same shape."""
    size = np.abs(q[..., 0]) + np.abs(q[..., 1])
    sums = grid_contexts.features(size) @ weights[:-1] + base
    own = sums + weights[-1] * np.abs(q[..., 0])
    return grid_contexts.tables_of(np.stack([sums, own], axis=-1))
