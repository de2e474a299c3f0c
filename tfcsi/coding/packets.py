"""Packets: one CSI matrix as a checked byte string, and files of packets.

A packet is a 3-byte header and a payload. The header holds the length of the payload
and the 11-bit cyclic redundancy check of uplink control information in 5G. The check
also covers the fingerprint of the session, which never travels with a packet. So
packets of another model, and packets that were damaged on their way, are refused and
not decoded.
`docs/bitstream.md` describes every byte.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
import struct
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from tfcsi import files

MAGIC = b"TCSI"
VERSION = 1
HEADER_BYTES = 3
MAX_PAYLOAD = (1 << 13) - 1  # bytes
CRC_BITS = 11
# gCRC11(D) = D^11 + D^10 + D^9 + D^5 + 1, 3GPP TS 38.212 section 5.1, without D^11.
CRC_POLYNOMIAL = 0b110_0010_0001
_ROWS = 512  # Packets checked at a time; bounds the memory of a large batch.


class PacketError(ValueError):
    """These bytes are not a packet, a session header or a file of this session.

    Attributes:
      row: int, position of the packet in its batch. None if the position is not known.
    """

    def __init__(self, message: str, row: int | None = None):
        """See the attributes."""
        super().__init__(message)
        self.row = row


@dataclasses.dataclass(frozen=True)
class Session:
    """What phone (UE) and base station (BS) agree on once, before any packet.

    Attributes:
      codec: str, name of the codec, at most 255 bytes of UTF-8.
      num_tx: int, antennas or angles of a CSI matrix, 0..65535.
      num_delay: int, delays of a CSI matrix, 0..65535.
      fingerprint: 8 bytes. They change with anything that both sides must share.

    Raises:
      ValueError: if a field is out of these bounds.
    """

    codec: str
    num_tx: int
    num_delay: int
    fingerprint: bytes

    def __post_init__(self) -> None:
        """Checks the bounds."""
        if len(self.codec.encode()) > 255:
            raise ValueError("codec name must be at most 255 bytes of UTF-8")
        for name in ("num_tx", "num_delay"):
            if not 0 <= getattr(self, name) < 1 << 16:
                raise ValueError(f"{name} must fit 16 bits: {getattr(self, name)}")
        if not isinstance(self.fingerprint, bytes) or len(self.fingerprint) != 8:
            raise ValueError(f"fingerprint must be 8 bytes, got {self.fingerprint!r}")

    def to_bytes(self) -> bytes:
        """Returns the header that stands at the start of a file."""
        name = self.codec.encode()
        shape = struct.pack(">HH", self.num_tx, self.num_delay)
        head = MAGIC + bytes([VERSION, len(name)]) + name + shape + self.fingerprint
        return head + struct.pack(">I", zlib.crc32(head))

    @classmethod
    def from_bytes(cls, stream: bytes) -> tuple[Session, int]:
        """Reads the header at the start of `stream`, the inverse of `to_bytes`.

        Args:
          stream: bytes that begin with a header. More bytes may follow it.

        Returns:
          The session and the number of bytes that its header takes.

        Raises:
          PacketError: If the first bytes, the version, the length or the check are not
            as expected.
        """
        if stream[:4] != MAGIC:
            raise PacketError(f"header begins {stream[:4]!r}, expected {MAGIC!r}")
        if len(stream) >= 5 and stream[4] != VERSION:
            raise PacketError(f"header is of version {stream[4]}, expected {VERSION}")
        size = 6 + (stream[5] if len(stream) >= 6 else 0) + 16
        if len(stream) < size:
            raise PacketError(f"header has {len(stream)} bytes, expected {size}")
        (check,) = struct.unpack(">I", stream[size - 4 : size])
        computed = zlib.crc32(stream[: size - 4])
        if check != computed:
            raise PacketError(f"header has CRC {computed:08x}, expected {check:08x}")
        num_tx, num_delay = struct.unpack(">HH", stream[size - 16 : size - 12])
        try:
            codec = stream[6 : size - 16].decode()
        except UnicodeDecodeError as error:
            raise PacketError(f"header names no UTF-8 codec: {error}") from error
        fingerprint = bytes(stream[size - 12 : size - 4])
        return cls(codec, num_tx, num_delay, fingerprint), size


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


def _headers(payloads: Sequence[bytes], session: Session) -> list[bytes]:
    """Returns the 3-byte header of each payload: 13 bits of length, 11 of check."""
    lengths = [len(payload).to_bytes(2, "big") for payload in payloads]
    crc = crc11([session.fingerprint + n + p for n, p in zip(lengths, payloads)])
    return [
        (len(payload) << CRC_BITS | check).to_bytes(HEADER_BYTES, "big")
        for payload, check in zip(payloads, crc.tolist())
    ]


def pack(payloads: Sequence[bytes], session: Session) -> list[bytes]:
    """Puts a header before each payload.

    Args:
      payloads: n bytes objects of at most 8191 bytes.
      session: Session that the payloads belong to.

    Returns:
      n packets, each 3 bytes longer than its payload.

    Raises:
      ValueError: If a payload is longer than 8191 bytes.
    """
    for i, payload in enumerate(payloads):
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(
                f"payload {i} has {len(payload)} bytes; at most {MAX_PAYLOAD} fit"
            )
    return [
        head + payload for head, payload in zip(_headers(payloads, session), payloads)
    ]


def unpack(packets: Sequence[bytes], session: Session) -> list[bytes]:
    """Checks packets and returns their payloads, the inverse of `pack`.

    Args:
      packets: n bytes objects.
      session: Session that they were packed with.

    Returns:
      n payloads.

    Raises:
      PacketError: If a packet is too short or too long, is damaged, or belongs to
        another session.
    """
    packets = _listed(packets)
    passed = sound(packets, session)
    if not passed.all():
        row = int(np.argmin(passed))
        reason = _refusal(packets[row], session)
        raise PacketError(f"packet {row} {reason}", row)
    return [bytes(packet[HEADER_BYTES:]) for packet in packets]


def sound(packets: Sequence[bytes], session: Session) -> np.ndarray:
    """Tells which packets are sound; a damaged packet raises no exception.

    Args:
      packets: n bytes objects.
      session: Session that they were packed with.

    Returns:
      [n], bool, whether the length and the check of each packet are right for this
      session. One of 2048 damaged packets of the right length passes by chance.

    Raises:
      PacketError: If `packets` is one bytes object or something else than a list.
    """
    packets = _listed(packets)
    passed = np.array([_whole(packet) for packet in packets], bool)
    rows = np.flatnonzero(passed)
    heads = _headers([bytes(packets[i][HEADER_BYTES:]) for i in rows], session)
    passed[rows] = [packets[i][:HEADER_BYTES] == head for i, head in zip(rows, heads)]
    return passed


def _listed(packets: Iterable[bytes]) -> list[bytes]:
    """Returns packets as a list, or refuses what is none."""
    one = isinstance(packets, (bytes, bytearray, memoryview, str))
    if one or not isinstance(packets, Iterable):
        raise PacketError(
            f"packets is one {type(packets).__name__} object; give a list of packets"
        )
    packets = list(packets)
    for i, packet in enumerate(packets):
        if not isinstance(packet, (bytes, bytearray, memoryview)):
            raise PacketError(
                f"packet {i} is a {type(packet).__name__} object; a packet is bytes", i
            )
    return packets


def split(stream: bytes, session: Session) -> list[bytes]:
    """Cuts a stream into its packets and checks each of them.

    Args:
      stream: bytes, whole packets one after the other.
      session: Session that they were packed with.

    Returns:
      The packets.

    Raises:
      PacketError: If a packet fails its check, or the last one is cut off.
    """
    packets, start = [], 0
    while start < len(stream):
        head = stream[start : start + HEADER_BYTES]
        size = _size(head) if len(head) == HEADER_BYTES else HEADER_BYTES
        packets.append(stream[start : start + size])
        start += size
    rest = packets.pop() if start > len(stream) else b""
    unpack(packets, session)  # Damage further up is named first: it explains the end.
    if rest:
        raise PacketError(
            f"packet {len(packets)} is cut off after {len(rest)} of {size} bytes"
        )
    return packets


def _whole(packet: bytes) -> bool:
    """Returns whether the packet is as long as its header says."""
    return len(packet) >= HEADER_BYTES and len(packet) == _size(packet)


def _refusal(packet: bytes, session: Session) -> str:
    """Says what is wrong with a packet that is not sound."""
    if len(packet) < HEADER_BYTES:
        return f"has {len(packet)} bytes; its header takes {HEADER_BYTES}"
    if not _whole(packet):
        return f"has {len(packet)} bytes; its header says {_size(packet)}"
    return (
        f"fails its check: it is damaged or belongs to another session than "
        f"{session.codec!r} {session.fingerprint.hex()}"
    )


def _size(packet: bytes) -> int:
    """Returns the number of bytes of the packet that begins with this header."""
    return HEADER_BYTES + (int.from_bytes(packet[:HEADER_BYTES], "big") >> CRC_BITS)


def write_file(
    path: str | os.PathLike, session: Session, packets: Sequence[bytes]
) -> None:
    """Writes a session header and packets; the file appears whole or not at all.

    Args:
      path: File to write.
      session: Session of the packets.
      packets: n packets from `pack`.
    """
    files.write_bytes(path, b"".join([session.to_bytes(), *packets]))


def read_file(path: str | os.PathLike) -> tuple[Session, list[bytes]]:
    """Reads what `write_file` wrote.

    Args:
      path: File to read.

    Returns:
      The session and its packets. Each packet is checked.

    Raises:
      PacketError: If the header or a packet is damaged, is cut off, or is followed by
        anything else. The message names the file.
    """
    stream = pathlib.Path(path).read_bytes()
    try:
        session, size = Session.from_bytes(stream)
        return session, split(stream[size:], session)
    except PacketError as error:
        raise PacketError(f"{os.fspath(path)}: {error}") from error


def session_of(
    name: str, shape: tuple[int, ...], *content: bytes | np.ndarray
) -> Session:
    """Makes the session of a codec from what both sides share.

    Args:
      name: Name of the codec.
      shape: (num_tx, num_delay).
      *content: Bytes and arrays that the fingerprint covers besides name and shape.

    Returns:
      The session.
    """
    digest = hashlib.sha256(f"tfcsi {name} {tuple(shape)}".encode())
    for part in content:
        digest.update(part if isinstance(part, bytes) else part.tobytes())
    num_tx, num_delay = shape
    return Session(name, num_tx, num_delay, digest.digest()[:8])


def check_session(session: Session, expected: Session, path: str | os.PathLike) -> None:
    """Raises a PacketError, which names the file, if a file has another session.

    Args:
      session: Session that the file begins with.
      expected: Session that it should have.
      path: Name of the file, for the message.
    """
    if session != expected:
        raise PacketError(
            f"{path} is of codec {session.codec!r}, {session.num_tx} x "
            f"{session.num_delay}, fingerprint {session.fingerprint.hex()}; the "
            f"workdir has {expected.codec!r}, {expected.num_tx} x "
            f"{expected.num_delay}, {expected.fingerprint.hex()}"
        )
