"""KLT transform coding: the classical reference, without a network."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import files
from tfcsi.codecs import workdir as run
from tfcsi.codecs.classical import (
    ClassicalCodec,
    quantized,
    stored_weakest,
    weakest_of,
)
from tfcsi.coding import rangecoder, sending
from tfcsi.coding.packets import CRC_BITS, VERSION, session_of, size_of
from tfcsi.coding.tables import Tables
from tfcsi.matrices import product
from tfcsi.transforms import klt_basis, vectorised


class Klt(ClassicalCodec):
    """Complex Karhunen-Loeve transform, uniform quantiser, range coder.

    The phase of a channel is uniform, so that a vectorised matrix has mean zero and
    E[h h^T] = 0 (it is circular). So the Hermitian covariance E[h h^H] holds all
    second-order statistics. Its eigenvectors U give uncorrelated coefficients
    z = U^H h, with real and imaginary parts of equal variance. One step for all of
    them, with entropy coding, is reverse water-filling (Cover and Thomas, "Elements of
    Information Theory", section 10.3): a coefficient below the water level is always
    zero.

    Attributes:
      name: str, "klt".
      shape: (num_tx, num_delay).
      basis: [num_coeffs, num_tx * num_delay], complex64, rows u^H, strongest first.
      step: float, bin width of the quantiser, in units of `h`.
      tables: Tables of the positions re 0, im 0, re 1, ...; one a coefficient.
    """

    name = "klt"
    remedies = {
        "step": "its tables are those of one step; make another codec by "
        "Klt.fit(h_train, step)",
        "nmse_db": "train another codec with more bits (--config.network.bits)",
        "max_bits": "train another codec with --config.network.bits, which limits the "
        "mean",
    }
    names_domain = True

    def __init__(
        self,
        shape: tuple[int, ...],
        basis: np.ndarray,
        step: float,
        tables: Tables,
        packet_version: int = VERSION,
    ):
        """See the attributes; `fit` and `at_bits` make them from data."""
        super().__init__(shape)
        self.basis = np.ascontiguousarray(basis, np.complex64)
        self.step = float(step)
        self.tables = tables
        content = (np.float64(step).astype("<f8"), self.basis.astype("<c8"))
        self._session = session_of(
            self.name,
            self.shape,
            tables.fingerprint(),
            *content,
            version=packet_version,
        )

    @classmethod
    def fit(cls, h_train: np.ndarray, step: float) -> Klt:
        """Learns the transform and the tables for a given step.

        Args:
          h_train: [n, num_tx, num_delay], complex64, training matrices.
          step: float > 0, bin width. Coefficients that are zero in all training
            matrices at this step are dropped.

        Returns:
          A Klt.

        Raises:
          ValueError: if `h_train` is empty or of another rank, or step is not positive.
        """
        basis, z = _klt(h_train)
        return cls._at_step(h_train.shape[1:], basis, z, step)[0]

    @classmethod
    def at_bits(cls, h_train: np.ndarray, bits: float) -> Klt:
        """Finds the step for a rate, on the training matrices alone.

        Args:
          h_train: [n, num_tx, num_delay], complex64, training matrices.
          bits: float, what the mean packet may take at most, header included [bits].

        Returns:
          The Klt with the finest step found that keeps to `bits`.

        Raises:
          ValueError: if `h_train` is empty or of another rank, or if `bits` is less
            than an empty packet takes.
        """
        if not 8 * size_of(0) < bits < math.inf:  # NaN is refused too.
            raise ValueError(
                f"bits is {bits:g}; it must be a finite number above {8 * size_of(0)}, "
                f"the bits of an empty packet"
            )
        basis, z = _klt(h_train)
        high = 2 * float(np.abs(z).max()) or 1.0
        low = 1e-5 * min(1.0, high)  # For matrices of any unit.
        while high / low > 1.01:  # Ideal code lengths are quick and nearly exact.
            step = math.sqrt(low * high)
            codec, symbols = cls._at_step(h_train.shape[1:], basis, z, step)
            ideal = rangecoder.code_bits(symbols, codec.tables).mean() + CRC_BITS
            low, high = (low, step) if ideal <= bits else (step, high)
        step = low
        while True:  # Real packets decide.
            codec, symbols = cls._at_step(h_train.shape[1:], basis, z, step)
            _, num_bits = rangecoder.encode_bits(symbols, codec.tables)
            if 8 * np.mean([size_of(n) for n in num_bits]) <= bits:
                return codec
            step *= 1.004

    @classmethod
    def _at_step(
        cls, shape: tuple[int, ...], basis: np.ndarray, z: np.ndarray, step: float
    ) -> tuple[Klt, np.ndarray]:
        """Codec and training symbols at a step."""
        if not step > 0:
            raise ValueError(f"step must be positive, got {step}")
        symbols = _quantize(z, step)
        used = symbols.any(axis=0).reshape(-1, 2).any(axis=1)
        used[0] = True
        symbols = symbols[:, np.repeat(used, 2)]
        index = np.repeat(np.arange(used.sum()), 2)
        tables = Tables.from_counts(symbols, index=index)
        codec = cls(shape, basis[used], step, tables)
        codec.weakest = weakest_of(z)
        return codec, symbols

    def _packets(self, h: np.ndarray) -> list[bytes]:
        return sending.packets(*self.symbols(h), self.session, self.tables)

    def symbols(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the symbols int32 [n, 2 num_coeffs] and side uint16 [n, 0] of CSI.

        Raises:
          ValueError: As `compress`.
        """
        rows = vectorised(h, self.shape)
        symbols = _quantize(product(rows, self.basis.T), self.step)
        self._refuse_too_weak(rows, ~symbols.any(axis=1), self.step)
        return symbols, np.zeros((len(symbols), 0), np.uint16)

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices.

        Args:
          packets: n bytes from `compress`.

        Returns:
          h_hat [n, num_tx, num_delay], complex64.

        Raises:
          packets.PacketError: if a packet is damaged or foreign.
        """
        symbols, _ = self.receive(packets)
        z = symbols.astype(np.float32).view(np.complex64) * np.float32(self.step)
        return product(z, self.basis.conj()).reshape(-1, *self.shape)

    def receive(self, packets: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Returns exactly the (symbols, side) sent; raises as `decompress`."""
        return sending.receive(packets, 0, self.session, self.tables)

    def bits_estimated(self, symbols: np.ndarray) -> np.ndarray:
        """Returns the bits [n] that the tables promise for symbols [n, ...]."""
        return rangecoder.code_bits(symbols, self.tables)

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec: name, sizes, config.

        `ue_params` counts the reals of the basis.
        """
        facts = {"codec": self.name, "ue_params": 2 * self.basis.size}
        return {**facts, "step": self.step, "config": dict(self.config)}

    def _arrays(self) -> dict[str, np.ndarray]:
        tables = {f"tables/{k}": v for k, v in self.tables.arrays().items()}
        return {"basis": self.basis, "step": np.array(self.step), **tables}


def fit(h_train: np.ndarray, h_val: np.ndarray, bits: float = 250.0) -> Klt:
    """Makes a Klt for a rate, as `tfcsi train` does.

    Args:
      h_train: complex64 [n, num_tx, num_delay].
      h_val: Not used: nothing is chosen.
      bits: What the mean packet of `h_train` may take at most [bits].
    """
    del h_val
    return Klt.at_bits(h_train, bits)


def load(workdir: str | os.PathLike) -> Klt:
    """Loads what `Klt.save` wrote; see `tfcsi.load`."""
    return run.load_classical(workdir, _of_arrays)


def _of_arrays(config: dict, arrays: Mapping[str, np.ndarray]) -> Klt:
    """Makes a codec of the fields and arrays that `Klt.save` wrote."""
    tables = Tables.from_arrays(files.part(arrays, "tables"))
    basis, step = arrays["basis"], float(arrays["step"])
    size = (len(tables.index) // 2, math.prod(config["shape"]))
    if basis.shape != size or not np.isfinite(basis).all():
        raise ValueError(f"basis is {basis.shape}, expected {size} and finite")
    if not 0 < step < math.inf:
        raise ValueError(f"step is {step}, expected a finite number above 0")
    version = run.packet_version(arrays, run.CODEC_FILE)
    codec = Klt(config["shape"], basis, step, tables, version)
    codec.names_domain = run.names_domain(arrays)
    codec.weakest = stored_weakest(arrays)
    return codec


def _klt(h_train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows u^H of the sample covariance, strongest first, and z of the training set."""
    basis = klt_basis(h_train)[1].conj().T.astype(np.complex64)
    return basis, vectorised(h_train, h_train.shape[1:]) @ basis.T


def _quantize(z: np.ndarray, step: float) -> np.ndarray:
    """Symbols [n, 2 num_coeffs], int32, in the order re 0, im 0, re 1, ..."""
    x = np.ascontiguousarray(z, np.complex64).view(np.float32)
    return quantized(x, step, 2**30).astype(np.int32)
