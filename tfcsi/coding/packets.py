"""Packets: one CSI matrix as a checked byte string.

A packet of version 2 is an 11-bit check, then the bits of the payload, then zeros up to
a whole byte. The check is the cyclic redundancy check of uplink control information in
5G. It also covers the fingerprint of the session, which never travels with a packet. So
packets of another model, and packets that were damaged on their way, are refused and
not decoded. The payload has no length: its symbols say where it ends, and `check_ends`
compares.

A packet of version 1 is a 3-byte header, which holds the length of the payload and the
check, and a payload of whole bytes. Runs that were saved before version 2 keep it.

`tfcsi.coding.packet_file` writes files of packets. `docs/bitstream.md` describes every
bit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from tfcsi import transforms
from tfcsi.coding.crc import CRC_BITS, crc11

MAGIC = b"TCSI"
VERSION = 2  # Of the packets of new runs.
VERSIONS = (1, 2)
HEADER_BYTES = 3  # Of a packet of version 1.
MAX_PAYLOAD = (1 << 13) - 1  # bytes


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
      codec: str, name of the codec, at most 255 bytes of UTF-8. It ends in
        "@space_frequency" if the CSI is of that domain.
      num_tx: int, antennas or angles of a CSI matrix, 0..65535.
      num_delay: int, delays of a CSI matrix, 0..65535.
      fingerprint: 8 bytes. They change with anything that both sides must share.
      version: int, format of the packets and of their file, 1 or 2.

    Raises:
      ValueError: if a field is out of these bounds.
    """

    codec: str
    num_tx: int
    num_delay: int
    fingerprint: bytes
    version: int = VERSION

    def __post_init__(self) -> None:
        """Checks the bounds."""
        if len(self.codec.encode()) > 255:
            raise ValueError("codec name must be at most 255 bytes of UTF-8")
        for name in ("num_tx", "num_delay"):
            if not 0 <= getattr(self, name) < 1 << 16:
                raise ValueError(f"{name} must fit 16 bits: {getattr(self, name)}")
        if not isinstance(self.fingerprint, bytes) or len(self.fingerprint) != 8:
            raise ValueError(f"fingerprint must be 8 bytes, got {self.fingerprint!r}")
        if self.version not in VERSIONS:
            raise ValueError(f"version must be one of {VERSIONS}, got {self.version}")

    def in_domain(self, domain: str) -> Session:
        """Returns a session with the domain of the CSI in its name and fingerprint."""
        transforms.check_domain(domain)
        if domain == transforms.DOMAINS[0]:
            return self
        digest = hashlib.sha256(self.fingerprint + domain.encode()).digest()
        name = f"{self.codec}@{domain}"
        return dataclasses.replace(self, codec=name, fingerprint=digest[:8])

    def to_bytes(self) -> bytes:
        """Returns the header that stands at the start of a file."""
        name = self.codec.encode()
        shape = struct.pack(">HH", self.num_tx, self.num_delay)
        head = MAGIC + bytes([self.version, len(name)]) + name
        head += shape + self.fingerprint
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
        if len(stream) >= 5 and stream[4] not in VERSIONS:
            raise PacketError(
                f"header is of version {stream[4]}, this tfcsi reads 1 to {VERSION}"
            )
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
        return cls(codec, num_tx, num_delay, fingerprint, stream[4]), size


def size_of(num_bits: int, version: int = VERSION) -> int:
    """Returns the number of bytes of a packet with a payload of so many bits."""
    if version == 1:
        return HEADER_BYTES + -(-num_bits // 8)
    return -(-(CRC_BITS + num_bits) // 8)


def pack(
    payloads: Sequence[bytes],
    session: Session,
    num_bits: Sequence[int] | None = None,
) -> list[bytes]:
    """Makes packets of payloads.

    Args:
      payloads: n bytes objects of at most 8191 bytes.
      session: Session that the payloads belong to.
      num_bits: Bits of each payload, counted from its first one; the others are zero.
        None if the payloads are whole bytes; those of version 1 always are.

    Returns:
      n packets; `size_of` tells their lengths.

    Raises:
      ValueError: If a payload is longer than 8191 bytes.
    """
    for i, payload in enumerate(payloads):
        if len(payload) > MAX_PAYLOAD:
            raise ValueError(
                f"payload {i} has {len(payload)} bytes; at most {MAX_PAYLOAD} fit"
            )
    if session.version == 1:
        lengths = [len(payload) << CRC_BITS for payload in payloads]
        heads = [n.to_bytes(HEADER_BYTES, "big") for n in lengths]
        bare = [head + payload for head, payload in zip(heads, payloads)]
    else:
        sizes = [8 * len(payload) for payload in payloads]
        counts = sizes if num_bits is None else num_bits
        bare = []
        for payload, size, count in zip(payloads, sizes, counts):
            length = size_of(count)
            shift = 8 * length - CRC_BITS - size
            body = int.from_bytes(payload, "big")
            body = body << shift if shift >= 0 else body >> -shift
            bare.append(body.to_bytes(length, "big"))
    end, shift = (HEADER_BYTES, 0) if session.version == 1 else (2, 16 - CRC_BITS)
    return [
        (int.from_bytes(packet[:end], "big") | check << shift).to_bytes(end, "big")
        + packet[end:]
        for packet, check in zip(bare, _checks(bare, session).tolist())
    ]


def unpack(packets: Sequence[bytes], session: Session) -> list[bytes]:
    """Checks packets and returns their payloads, the inverse of `pack`.

    Args:
      packets: n bytes objects.
      session: Session that they were packed with.

    Returns:
      n payloads. Those of version 2 have the zeros of the packet behind their last bit,
      and three more up to a whole byte: give their numbers of bits to `check_ends`.

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
    if session.version == 1:
        return [bytes(packet[HEADER_BYTES:]) for packet in packets]
    return [
        ((_body(packet) << CRC_BITS) >> 8).to_bytes(len(packet) - 1, "big")
        for packet in packets
    ]


def check_ends(payloads: Sequence[bytes], num_bits: Sequence[int] | np.ndarray) -> None:
    """Checks that packets of version 2 end where their payloads do.

    Together with payloads that are no beginnings of each other, this refuses every
    packet that was truncated or extended.

    Args:
      payloads: n bytes objects from `unpack`.
      num_bits: Bits that the symbols of each payload take, below 0 if no encoder
        writes these symbols so.

    Raises:
      PacketError: If no encoder writes a payload, or if it has fewer bits than its
        symbols take, or a whole byte more, or the bits behind them are not zero.
    """
    counts = np.asarray(num_bits).tolist()
    for row, (payload, count) in enumerate(zip(payloads, counts)):
        room = 8 * (len(payload) + 1) - CRC_BITS
        if count < 0:
            raise PacketError(
                f"packet {row}: the encoder would not have written these bits", row
            )
        if not 0 <= room - count < 8:
            raise PacketError(
                f"packet {row}: its symbols take {count} bits, and it has {room}", row
            )
        if int.from_bytes(payload[-2:], "big") & (1 << 8 * len(payload) - count) - 1:
            raise PacketError(f"packet {row}: its last bits are not zero", row)


def sound(packets: Sequence[bytes], session: Session) -> np.ndarray:
    """Tells which packets are sound; a damaged packet raises no exception.

    Args:
      packets: n bytes objects.
      session: Session that they were packed with.

    Returns:
      [n], bool, whether the check of each packet, and in version 1 its length, are
      right for this session. One of 2048 damaged packets passes by chance.

    Raises:
      PacketError: If `packets` is one bytes object or something else than a list.
    """
    packets = _listed(packets)
    passed = np.array([_whole(packet, session) for packet in packets], bool)
    rows = np.flatnonzero(passed)
    whole = [bytes(packets[i]) for i in rows]
    mask = (1 << CRC_BITS) - 1
    if session.version == 1:
        heads = [int.from_bytes(packet[:HEADER_BYTES], "big") for packet in whole]
        bare = [
            (head & ~mask).to_bytes(HEADER_BYTES, "big") + packet[HEADER_BYTES:]
            for head, packet in zip(heads, whole)
        ]
        stated = [head & mask for head in heads]
    else:
        bare = [_body(packet).to_bytes(len(packet), "big") for packet in whole]
        stated = [int.from_bytes(packet[:2], "big") >> 5 for packet in whole]
    passed[rows] = np.array(stated) == _checks(bare, session)
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


def _body(packet: bytes) -> int:
    """Returns a packet of version 2 without its check, as one number."""
    return int.from_bytes(packet, "big") & (1 << 8 * len(packet) - CRC_BITS) - 1


def _checks(bare: Sequence[bytes], session: Session) -> np.ndarray:
    """Returns the check [n], int64, of packets in which the bits of it are zero."""
    if session.version == 1:
        heads = [int.from_bytes(p[:HEADER_BYTES], "big") >> CRC_BITS for p in bare]
        return crc11(
            [
                session.fingerprint + head.to_bytes(2, "big") + packet[HEADER_BYTES:]
                for head, packet in zip(heads, bare)
            ]
        )
    before = int.from_bytes(session.fingerprint, "big")
    return crc11(
        [
            (
                before << 8 * len(packet) - CRC_BITS | int.from_bytes(packet, "big")
            ).to_bytes(len(packet) + 7, "big")
            for packet in bare
        ]
    )


def split(stream: bytes, session: Session) -> list[bytes]:
    """Cuts a stream of packets of version 1 and checks each of them.

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


def _whole(packet: bytes, session: Session) -> bool:
    """Returns whether the packet has a length that packets of this session can have."""
    if session.version == 1:
        return len(packet) >= HEADER_BYTES and len(packet) == _size(packet)
    return size_of(0) <= len(packet) <= size_of(8 * MAX_PAYLOAD)


def _refusal(packet: bytes, session: Session) -> str:
    """Says what is wrong with a packet that is not sound."""
    if not _whole(packet, session):
        size = f"has {len(packet)} bytes; "
        if session.version != 1:
            return f"{size}packets have {size_of(0)} to {size_of(8 * MAX_PAYLOAD)}"
        if len(packet) < HEADER_BYTES:
            return f"{size}its header takes {HEADER_BYTES}"
        return f"{size}its header says {_size(packet)}"
    return (
        f"fails its check: it is damaged or belongs to another session than "
        f"{session.codec!r} {session.fingerprint.hex()}"
    )


def _size(packet: bytes) -> int:
    """Returns the number of bytes that the header of a packet of version 1 states."""
    return HEADER_BYTES + (int.from_bytes(packet[:HEADER_BYTES], "big") >> CRC_BITS)


def session_of(
    name: str,
    shape: tuple[int, ...],
    *content: bytes | np.ndarray,
    version: int = VERSION,
) -> Session:
    """Makes the session of a codec from what both sides share.

    Args:
      name: Name of the codec.
      shape: (num_tx, num_delay).
      *content: Bytes and arrays that the fingerprint covers besides name and shape.
      version: Format of the packets.

    Returns:
      The session.
    """
    digest = hashlib.sha256(f"tfcsi {name} {tuple(shape)}".encode())
    for part in content:
        digest.update(part if isinstance(part, bytes) else part.tobytes())
    num_tx, num_delay = shape
    return Session(name, num_tx, num_delay, digest.digest()[:8], version)
