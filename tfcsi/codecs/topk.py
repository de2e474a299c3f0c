"""Top-K coding: the largest entries of a matrix, their places and their values."""

from __future__ import annotations

import bisect
import functools
import itertools
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import metrics
from tfcsi.codecs import workdir as run
from tfcsi.codecs.classical import ClassicalCodec
from tfcsi.coding.packets import (
    VERSION,
    PacketError,
    check_ends,
    pack,
    session_of,
    size_of,
    unpack,
)
from tfcsi.transforms import PEAK, vectorised


class TopK(ClassicalCodec):
    """The K strongest entries of a matrix; nothing is learned.

    The support is one of C(N, K) sets, N = num_tx * num_delay, and is sent as its
    number in the combinatorial number system: ceil(log2 C(N, K)) bits, within one bit
    of the entropy of a uniform support. Real and imaginary parts of the entries go
    through a mu-law quantiser of 2**value_bits levels over +-0.5, so the codec takes
    CSI with max |h| = 0.5. All packets have the same length.

    Attributes:
      name: str, "topk".
      shape: (num_tx, num_delay).
      num_bits: int, size of a payload.
      num_bytes: int, size of a packet.
      num_supports: int, C(N, k).
      k: int, entries kept.
      value_bits: int, bits of a real or imaginary part.
      mu: float, of the mu-law; 0 is the uniform quantiser.

    Raises:
      ValueError: if k is not in 1..N, value_bits not in 1..16 or mu negative.
    """

    name = "topk"
    remedies = {
        "step": "make a codec with other value_bits by TopK(shape, k, value_bits, mu)",
        "nmse_db": "train another codec with more bits (--config.network.bits)",
        "max_bits": "all of its packets have one length; train another codec with "
        "--config.network.bits",
    }
    names_domain = True

    def __init__(
        self,
        shape: tuple[int, ...],
        k: int,
        value_bits: int,
        mu: float,
        packet_version: int = VERSION,
    ):
        """See the attributes."""
        super().__init__(shape)
        size = math.prod(self.shape)
        if not 1 <= k <= size:
            raise ValueError(f"k must be in 1..{size}, got {k}")
        if not 1 <= value_bits <= 16:
            raise ValueError(f"value_bits must be in 1..16, got {value_bits}")
        if not mu >= 0:
            raise ValueError(f"mu must not be negative, got {mu}")
        self.k, self.value_bits, self.mu = int(k), int(value_bits), float(mu)
        self.num_bits = _topk_bits(size, self.k, self.value_bits)
        self.num_bytes = size_of(self.num_bits, packet_version)
        self.num_supports = math.comb(size, self.k)
        self._session = session_of(
            self.name,
            self.shape,
            np.array([k, value_bits, mu], "<f8"),
            version=packet_version,
        )

    @classmethod
    def at_bits(cls, h: np.ndarray, bits: float, mu: float) -> TopK:
        """Chooses k and value_bits for a rate by the NMSE on some matrices.

        Args:
          h: [n, num_tx, num_delay], complex64, training or validation matrices.
          bits: float, what a packet may take at most, header included [bits].
          mu: float >= 0, of the mu-law.

        Returns:
          The best TopK with packets of at most `bits`, and k at most N / 2.

        Raises:
          ValueError: if `bits` has no room for one entry.
        """
        size = math.prod(h.shape[1:])
        best, best_nmse = None, math.inf
        for value_bits in range(2, 11):
            k = 0
            while k < size // 2 and (
                8 * size_of(_topk_bits(size, k + 1, value_bits)) <= bits
            ):
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

    def _packets(self, h: np.ndarray) -> list[bytes]:
        support, levels = self._quantize(h)
        shifts = np.arange(self.value_bits - 1, -1, -1)
        num_bits = levels.shape[1] * self.value_bits
        bits = (levels[:, :, None] >> shifts & 1).reshape(len(levels), num_bits)
        rows = _binomials(math.prod(self.shape), self.k)
        # In version 1, zero bits fill the first byte; in version 2, the last one.
        num_bytes = -(-self.num_bits // 8)
        fill = 0 if self.session.version == 1 else -self.num_bits % 8
        payloads = []
        for entries, packed in zip(support.tolist(), np.packbits(bits, axis=1)):
            rank = sum(row[entry] for row, entry in zip(rows, entries))
            values = int.from_bytes(packed.tobytes(), "big") >> -num_bits % 8
            number = rank << num_bits | values
            payloads.append((number << fill).to_bytes(num_bytes, "big"))
        sizes = None if self.session.version == 1 else [self.num_bits] * len(payloads)
        return pack(payloads, self.session, sizes)

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices.

        Args:
          packets: n bytes from `compress`.

        Returns:
          h_hat [n, num_tx, num_delay], complex64.

        Raises:
          packets.PacketError: if a packet is damaged or foreign.
        """
        payloads = unpack(packets, self.session)
        size, num_bits = math.prod(self.shape), 2 * self.k * self.value_bits
        num_bytes, fill = -(-self.num_bits // 8), 0
        if self.session.version != 1:
            check_ends(payloads, [self.num_bits] * len(payloads))
            fill = 8 * (self.num_bytes - 1) - self.num_bits  # At least 3.
        rows = _binomials(size, self.k)
        support = np.zeros((len(payloads), self.k), np.int64)
        rows_of_bits = []
        for i, payload in enumerate(payloads):
            number = int.from_bytes(payload, "big") >> fill
            rank = number >> num_bits
            if not fill and len(payload) != num_bytes:
                raise PacketError(
                    f"packet {i}: {len(payload)} bytes of payload, expected "
                    f"{num_bytes}",
                    i,
                )
            if rank >= self.num_supports:
                raise PacketError(
                    f"packet {i}: the number of its support is too large", i
                )
            for j in reversed(range(self.k)):
                support[i, j] = bisect.bisect_right(rows[j], rank) - 1
                rank -= rows[j][support[i, j]]
            values = (number & (1 << num_bits) - 1) << -num_bits % 8
            rows_of_bits.append(values.to_bytes(-(-num_bits // 8), "big"))
        packed = np.frombuffer(b"".join(rows_of_bits), np.uint8)
        packed = packed.reshape(len(payloads), -(-num_bits // 8))
        bits = np.unpackbits(packed, axis=1, count=num_bits)
        bits = bits.reshape(len(payloads), 2 * self.k, self.value_bits)
        levels = bits @ (1 << np.arange(self.value_bits - 1, -1, -1))
        return self._place(support, levels)

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec: name, arguments, config."""
        return {"codec": self.name, **self._arguments(), "config": dict(self.config)}

    def _arguments(self) -> dict[str, float]:
        return {"k": self.k, "value_bits": self.value_bits, "mu": self.mu}

    def _arrays(self) -> dict[str, np.ndarray]:
        return {name: np.array(number) for name, number in self._arguments().items()}

    def _quantize(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Support [n, k], rising, and levels [n, 2 k] in the order re 0, im 0, ..."""
        flat = vectorised(h, self.shape)
        peak = np.abs(flat).max(axis=1, initial=0)
        off = (peak > 0) & (np.abs(peak - PEAK) > 0.05)
        if off.any():
            raise ValueError(
                f"h[{np.argmax(off)}] has max |h| = {peak[off][0]:.3g}, this codec "
                f"takes {PEAK}; scale h with tfcsi.transforms.to_peak (--scale)"
            )
        support = np.argpartition(-np.abs(flat), self.k - 1, axis=1)[:, : self.k]
        support.sort(axis=1)
        x = np.take_along_axis(flat, support, axis=1).view(np.float32) / PEAK
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


def fit(
    h_train: np.ndarray, h_val: np.ndarray, bits: float = 250.0, mu: float = 10.0
) -> TopK:
    """Makes a TopK for a rate, as `tfcsi train` does.

    Args:
      h_train: Not used: nothing is learned.
      h_val: complex64 [n, num_tx, num_delay], by which k and value_bits are chosen.
      bits: What a packet may take at most [bits].
      mu: Of the mu-law.
    """
    del h_train
    return TopK.at_bits(h_val, bits, mu)


def load(workdir: str | os.PathLike) -> TopK:
    """Loads what `TopK.save` wrote; see `tfcsi.load`."""
    return run.load_classical(workdir, _of_arrays)


def _of_arrays(config: dict, arrays: Mapping[str, np.ndarray]) -> TopK:
    """Makes a codec of the fields and arrays that `TopK.save` wrote."""
    k, value_bits, mu = (arrays[key].item() for key in ("k", "value_bits", "mu"))
    version = run.packet_version(arrays, run.CODEC_FILE)
    codec = TopK(config["shape"], k, value_bits, mu, version)
    codec.names_domain = run.names_domain(arrays)
    return codec


def _topk_bits(size: int, k: int, value_bits: int) -> int:
    """Bits of a payload with k of `size` entries."""
    return (math.comb(size, k) - 1).bit_length() + 2 * k * value_bits


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
