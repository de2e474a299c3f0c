"""Classical codecs without training of a network: KLT and top-K.

They keep the contract of the neural codecs, `compress(h) -> packets` and
`decompress(packets) -> h_hat`, all bits counted, and are the lines to beat. `h` is
[n, num_tx, num_delay], complex64, angular-delay domain, zero-centred, in the published
COST 2100 form: each matrix scaled so that its largest magnitude is 0.5.
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import math
from collections.abc import Sequence

import numpy as np

from tfcsi import bitstream, metrics, rangecoder
from tfcsi.bitstream import PacketError
from tfcsi.rangecoder import Tables

# A coefficient x becomes sign(x) floor(|x| / step + ROUNDING). Below 1/2 this widens
# the zero bin; the grid point is then so near each bin's centroid that transmitting
# or storing centroids gains less than 0.06 dB (COST 2100 indoor, 230 to 970 bits).
ROUNDING = 0.375
PEAK = 0.5  # Largest magnitude of a matrix.


class Klt:
    """Complex Karhunen-Loeve transform, uniform quantiser, range coder.

    The phase of a channel is uniform, so that a vectorised matrix has mean zero and
    E[h h^T] = 0 (it is circular): the Hermitian covariance E[h h^H] says all there is
    to second order. Its eigenvectors U give uncorrelated coefficients z = U^H h, whose
    real and imaginary parts are alike. One step for all of them is reverse
    water-filling (Cover and Thomas, "Elements of Information Theory", section 10.3)
    at entropy-coded rate: a coefficient below the water level is always zero.

    Attributes:
      name: str, "klt".
      shape: (num_tx, num_delay).
      basis: [num_coeffs, num_tx * num_delay], complex64, rows u^H, strongest first.
      step: float, bin width of the quantiser, in units of `h`.
      tables: Tables of the positions re 0, im 0, re 1, ...; one a coefficient.
      session: bitstream.Session, its fingerprint covers all of the above.
    """

    name = "klt"

    def __init__(
        self, shape: tuple[int, int], basis: np.ndarray, step: float, tables: Tables
    ):
        """See the attributes; `fit` and `at_bits` make them from data."""
        self.shape = tuple(shape)
        self.basis = np.ascontiguousarray(basis, np.complex64)
        self.step = float(step)
        self.tables = tables
        content = (np.float64(step).astype("<f8"), self.basis.astype("<c8"))
        self.session = _session(self, tables.fingerprint(), *content)

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
        header = 8 * bitstream.HEADER_BYTES
        if bits <= header:
            raise ValueError(f"bits must exceed the header's {header}, got {bits}")
        basis, z = _klt(h_train)
        low, high = 1e-5, 2 * float(np.abs(z).max())
        while high / low > 1.01:  # Ideal code lengths are quick and nearly exact.
            step = math.sqrt(low * high)
            codec, symbols = cls._at_step(h_train.shape[1:], basis, z, step)
            ideal = rangecoder.code_bits(symbols, codec.tables).mean() + header
            low, high = (low, step) if ideal <= bits else (step, high)
        step = low
        while True:  # Real packets decide.
            codec, symbols = cls._at_step(h_train.shape[1:], basis, z, step)
            payloads = rangecoder.encode(symbols, codec.tables)
            if 8 * np.mean([len(p) for p in payloads]) + header <= bits:
                return codec
            step *= 1.004

    @classmethod
    def _at_step(cls, shape, basis, z, step) -> tuple[Klt, np.ndarray]:
        """Codec and training symbols at a step."""
        if not step > 0:
            raise ValueError(f"step must be positive, got {step}")
        symbols = _quantize(z, step)
        used = symbols.any(axis=0).reshape(-1, 2).any(axis=1)
        used[0] = True
        symbols = symbols[:, np.repeat(used, 2)]
        index = np.repeat(np.arange(used.sum()), 2)
        tables = Tables.from_counts(symbols, index=index)
        return cls(shape, basis[used], step, tables), symbols

    def compress(self, h: np.ndarray) -> list[bytes]:
        """Codes matrices.

        Args:
          h: [n, num_tx, num_delay], complex64.

        Returns:
          n packets.

        Raises:
          ValueError: if `h` is of another shape or not finite.
        """
        symbols = _quantize(_flat(h, self.shape) @ self.basis.T, self.step)
        payloads = rangecoder.encode(symbols, self.tables)
        return bitstream.pack(payloads, self.session)

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices.

        Args:
          packets: n bytes from `compress`.

        Returns:
          h_hat [n, num_tx, num_delay], complex64.

        Raises:
          bitstream.PacketError: if a packet is damaged or foreign.
        """
        payloads = bitstream.unpack(packets, self.session)
        try:
            symbols = rangecoder.decode(payloads, self.tables)
        except rangecoder.PayloadError as error:
            raise PacketError(f"packet {error.row}: {error.reason}") from None
        z = symbols.astype(np.float32).view(np.complex64) * np.float32(self.step)
        return (z @ self.basis.conj()).reshape(-1, *self.shape)


class TopK:
    """The K strongest entries of a matrix; nothing is learned.

    The support is one of C(N, K) sets, N = num_tx * num_delay, and is sent as its
    number in the combinatorial number system: ceil(log2 C(N, K)) bits, within one bit
    of the entropy of a uniform support. Real and imaginary parts of the entries go
    through a mu-law quantiser of 2**value_bits levels over +-0.5. All packets have the
    same length.

    Attributes:
      name: str, "topk".
      shape: (num_tx, num_delay).
      num_bytes: int, size of a packet.
      num_supports: int, C(N, k).
      k: int, entries kept.
      value_bits: int, bits of a real or imaginary part.
      mu: float, of the mu-law; 0 is the uniform quantiser.
      session: bitstream.Session, its fingerprint covers all of the above.

    Raises:
      ValueError: if k is not in 1..N, value_bits not in 1..16 or mu negative.
    """

    name = "topk"

    def __init__(self, shape: tuple[int, int], k: int, value_bits: int, mu: float):
        """See the attributes."""
        self.shape = tuple(shape)
        size = math.prod(self.shape)
        if not 1 <= k <= size:
            raise ValueError(f"k must be in 1..{size}, got {k}")
        if not 1 <= value_bits <= 16:
            raise ValueError(f"value_bits must be in 1..16, got {value_bits}")
        if not mu >= 0:
            raise ValueError(f"mu must not be negative, got {mu}")
        self.k, self.value_bits, self.mu = int(k), int(value_bits), float(mu)
        self.num_bytes = _topk_bytes(size, self.k, self.value_bits)
        self.num_supports = math.comb(size, self.k)
        self.session = _session(self, np.array([k, value_bits, mu], "<f8"))

    @classmethod
    def at_bits(cls, h: np.ndarray, bits: float, mu: float) -> TopK:
        """Chooses k and value_bits for a rate by the NMSE on some matrices.

        Args:
          h: [n, num_tx, num_delay], complex64, training or validation matrices.
          bits: float, what a packet may take at most, header included [bits].
          mu: float >= 0, of the mu-law.

        Returns:
          The best TopK whose packets keep to `bits`, with k at most N / 2.

        Raises:
          ValueError: if `bits` has no room for one entry.
        """
        size = math.prod(h.shape[1:])
        best, best_nmse = None, math.inf
        for value_bits in range(2, 11):
            k = 0
            while k < size // 2 and 8 * _topk_bytes(size, k + 1, value_bits) <= bits:
                k += 1
            if not k:
                continue
            codec = cls(h.shape[1:], k, value_bits, mu)
            nmse = metrics.nmse(h, codec._place(*codec._quantize(h))).mean()
            if nmse < best_nmse:
                best, best_nmse = codec, nmse
        if best is None:
            raise ValueError(f"{bits} bits have no room for one entry")
        return best

    def compress(self, h: np.ndarray) -> list[bytes]:
        """Codes matrices.

        Args:
          h: [n, num_tx, num_delay], complex64, largest magnitude 0.5.

        Returns:
          n packets of `num_bytes`.

        Raises:
          ValueError: if `h` is of another shape or scale, or not finite.
        """
        support, levels = self._quantize(h)
        shifts = np.arange(self.value_bits - 1, -1, -1)
        num_bits = levels.shape[1] * self.value_bits
        bits = (levels[:, :, None] >> shifts & 1).reshape(len(levels), num_bits)
        rows = _binomials(math.prod(self.shape), self.k)
        num_bytes = self.num_bytes - bitstream.HEADER_BYTES
        payloads = []
        for entries, packed in zip(support.tolist(), np.packbits(bits, axis=1)):
            rank = sum(row[entry] for row, entry in zip(rows, entries))
            values = int.from_bytes(packed.tobytes(), "big") >> -num_bits % 8
            number = rank << num_bits | values
            payloads.append(number.to_bytes(num_bytes, "big"))
        return bitstream.pack(payloads, self.session)

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices.

        Args:
          packets: n bytes from `compress`.

        Returns:
          h_hat [n, num_tx, num_delay], complex64.

        Raises:
          bitstream.PacketError: if a packet is damaged or foreign.
        """
        payloads = bitstream.unpack(packets, self.session)
        size, num_bits = math.prod(self.shape), 2 * self.k * self.value_bits
        num_bytes = self.num_bytes - bitstream.HEADER_BYTES
        rows = _binomials(size, self.k)
        support = np.zeros((len(payloads), self.k), np.int64)
        packed = []
        for i, payload in enumerate(payloads):
            number = int.from_bytes(payload, "big")
            rank = number >> num_bits
            if len(payload) != num_bytes:
                raise PacketError(
                    f"packet {i}: {len(payload)} bytes of payload, expected {num_bytes}"
                )
            if rank >= self.num_supports:
                raise PacketError(f"packet {i}: its support has too large a number")
            for j in reversed(range(self.k)):
                support[i, j] = bisect.bisect_right(rows[j], rank) - 1
                rank -= rows[j][support[i, j]]
            values = (number & (1 << num_bits) - 1) << -num_bits % 8
            packed.append(values.to_bytes(-(-num_bits // 8), "big"))
        packed = np.frombuffer(b"".join(packed), np.uint8)
        packed = packed.reshape(len(payloads), -(-num_bits // 8))
        bits = np.unpackbits(packed, axis=1, count=num_bits)
        bits = bits.reshape(len(payloads), 2 * self.k, self.value_bits)
        levels = bits @ (1 << np.arange(self.value_bits - 1, -1, -1))
        return self._place(support, levels)

    def _quantize(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Support [n, k], rising, and levels [n, 2 k] in the order re 0, im 0, ..."""
        h = _flat(h, self.shape)
        peak = np.abs(h).max(initial=0)
        if peak > 1.05 * PEAK:
            raise ValueError(f"h has max |h| = {peak:.3g}, this codec takes {PEAK}")
        support = np.argpartition(-np.abs(h), self.k - 1, axis=1)[:, : self.k]
        support.sort(axis=1)
        x = np.take_along_axis(h, support, axis=1).view(np.float32) / PEAK
        num_levels = 1 << self.value_bits
        levels = np.floor((_compress_mu(x, self.mu) + 1) / 2 * num_levels)
        return support, np.clip(levels, 0, num_levels - 1).astype(np.int64)

    def _place(self, support: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Matrices with the middles of the levels' bins on the support."""
        y = (2 * levels + 1) / (1 << self.value_bits) - 1
        x = (PEAK * _expand_mu(y, self.mu)).astype(np.float32)
        h_hat = np.zeros((len(support), math.prod(self.shape)), np.complex64)
        np.put_along_axis(h_hat, support, x.view(np.complex64), axis=1)
        return h_hat.reshape(-1, *self.shape)


def klt_basis(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Karhunen-Loeve transform: eigenvalues and eigenvectors U of E[h h^H].

    Args:
      h: [n, num_tx, num_delay], complex64, circularly symmetric: see `Klt`.

    Returns:
      variances [num_tx * num_delay], float64, falling, and basis
      [num_tx * num_delay, num_tx * num_delay], complex128, a component a column. The
      coefficients of a vectorised matrix are z = U^H h.

    Raises:
      ValueError: if `h` is empty, of another rank or not finite.
    """
    if h.ndim != 3 or not len(h):
        raise ValueError(f"h_train must be [n, num_tx, num_delay]: {h.shape}")
    flat = _flat(h, h.shape[1:])
    covariance = (flat.T @ flat.conj()).astype(np.complex128) / len(h)  # E[h h^H]
    variances, basis = np.linalg.eigh(covariance)
    return variances[::-1], basis[:, ::-1]


def _session(codec: Klt | TopK, *content: bytes | np.ndarray) -> bitstream.Session:
    """Session whose fingerprint covers name, shape and content."""
    digest = hashlib.sha256(f"tfcsi {codec.name} {codec.shape}".encode())
    for part in content:
        digest.update(part if isinstance(part, bytes) else part.tobytes())
    return bitstream.Session(codec.name, *codec.shape, digest.digest()[:8])


def _flat(h: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Vectorised matrices [n, num_tx * num_delay], complex64."""
    if h.ndim != 3 or h.shape[1:] != tuple(shape):
        raise ValueError(f"h must be [n, {shape[0]}, {shape[1]}], got {list(h.shape)}")
    if not np.isfinite(h).all():
        raise ValueError("h holds NaN or infinity")
    return np.ascontiguousarray(h, np.complex64).reshape(len(h), math.prod(shape))


def _klt(h_train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows u^H of the sample covariance, strongest first, and z of the training set."""
    basis = klt_basis(h_train)[1].conj().T.astype(np.complex64)
    return basis, _flat(h_train, h_train.shape[1:]) @ basis.T


def _quantize(z: np.ndarray, step: float) -> np.ndarray:
    """Symbols [n, 2 num_coeffs], int32, in the order re 0, im 0, re 1, ..."""
    x = np.ascontiguousarray(z, np.complex64).view(np.float32)
    magnitude = np.minimum(np.floor(np.abs(x) / step + ROUNDING), 2.0**30)
    return (np.sign(x) * magnitude).astype(np.int32)


def _topk_bytes(size: int, k: int, value_bits: int) -> int:
    """Bytes of a packet with k of `size` entries."""
    bits = (math.comb(size, k) - 1).bit_length() + 2 * k * value_bits
    return bitstream.HEADER_BYTES + -(-bits // 8)


@functools.lru_cache(maxsize=4)
def _binomials(size: int, k: int) -> list[list[int]]:
    """Row j holds C(p, j + 1) for p = 0 .. size - 1."""
    rows = [list(range(size))]
    for _ in range(1, k):
        rows.append([0, *itertools.accumulate(rows[-1][:-1])])
    return rows


def _compress_mu(x: np.ndarray, mu: float) -> np.ndarray:
    """Mu-law of ITU-T G.711 before its rounding, [-1, 1] to [-1, 1]."""
    return np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu) if mu else x


def _expand_mu(y: np.ndarray, mu: float) -> np.ndarray:
    """Inverse of `_compress_mu`."""
    return np.sign(y) * np.expm1(np.abs(y) * np.log1p(mu)) / mu if mu else y
