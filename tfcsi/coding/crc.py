"""The 11-bit cyclic redundancy check of uplink control information in 5G."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

CRC_BITS = 11
# gCRC11(D) = D^11 + D^10 + D^9 + D^5 + 1, 3GPP TS 38.212 section 5.1, without D^11.
CRC_POLYNOMIAL = 0b110_0010_0001
_ROWS = 512  # Packets checked at a time; bounds the memory of a large batch.


@functools.cache
def _remainders(size: int) -> np.ndarray:
    """Returns remainders [size, 256], uint16, of a byte with k bytes behind it.

    Entry [k, b] is the remainder of byte b, followed by k zero bytes and 11 zero bits.
    """
    state = np.arange(256, dtype=np.uint16) << (CRC_BITS - 8)
    for _ in range(8):
        carry = state >> (CRC_BITS - 1) & 1
        state = (state << 1 & (1 << CRC_BITS) - 1) ^ carry * CRC_POLYNOMIAL
    table = np.empty((size, 256), np.uint16)
    table[0] = state
    for k in range(1, size):
        state = (state << 8 & (1 << CRC_BITS) - 1) ^ table[0, state >> (CRC_BITS - 8)]
        table[k] = state
    return table


def crc11(messages: Sequence[bytes]) -> np.ndarray:
    """Computes cyclic redundancy checks of 3GPP TS 38.212, the register zero at first.

    Args:
      messages: n bytes objects of any lengths.

    Returns:
      [n], int64, each in 0..2047.
    """
    crc = np.zeros(len(messages), np.int64)
    for start in range(0, len(messages), _ROWS):
        rows = messages[start : start + _ROWS]
        width = max(map(len, rows))
        # Zeros before a message leave the register at zero. So shorter messages are
        # filled up in front, and all messages end at the same column.
        data = np.frombuffer(b"".join(m.rjust(width, b"\0") for m in rows), np.uint8)
        # The remainder of a sum is the sum of the remainders of its bytes.
        table = _remainders(1 << width.bit_length())
        shares = table[np.arange(width)[::-1], data.reshape(len(rows), width)]
        crc[start : start + _ROWS] = np.bitwise_xor.reduce(shares, axis=1)
    return crc
