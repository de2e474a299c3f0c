"""Files of packets: written in one pass, read in one pass or a packet at a time.

A file begins with the header of its session. Each packet follows with its length before
it. The end is a mark, an index and the number of packets. So a file can go through a
pipe, a file that was cut anywhere is refused, and `packet_index` finds a packet without
reading those before it. Two files of one session that are joined, as `cat` does, are
one file.

Files of version 1 are a header and packets; they are still read, and are written for
sessions of version 1. `docs/bitstream.md` describes every byte.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import IO

from tfcsi import files
from tfcsi.coding.packets import (
    MAX_PAYLOAD,
    PacketError,
    Session,
    size_of,
    split,
    unpack,
)

END_MAGIC = b"TCSE"
STRIDE = 64  # Packets from one entry of the index to the next.
# Number of packets, bytes before the end mark, CRC-32 of those bytes; then CRC-32 of
# the end mark, the index and these three; then the magic.
_COUNTS, _TAIL = struct.Struct(">QQI"), struct.Struct(">I4s")
_END_BYTES = _COUNTS.size + _TAIL.size
_MOST = size_of(8 * MAX_PAYLOAD)  # Bytes of the longest packet.


class Writer:
    """Writes packets to a stream that need not be able to seek, such as a pipe.

    Attributes:
      stream: The binary stream.
      num_bytes: Bytes that were written.
    """

    def __init__(self, stream: IO[bytes], session: Session):
        """Writes the header of the session.

        Args:
          stream: Binary stream. It stays open.
          session: Session of the packets.
        """
        self.stream, self._version = stream, session.version
        self._index: list[int] = []
        self._count = self.num_bytes = self._check = 0
        self._put(session.to_bytes())

    def write(self, packet: bytes) -> None:
        """Writes a packet of the session."""
        if self._version == 1:
            self._put(packet)
            return
        if self._count % STRIDE == 0:
            self._index.append(self.num_bytes)
        self._count += 1
        self._put(_varint(len(packet)) + packet)

    def close(self) -> None:
        """Writes the end; nothing may follow but another file of the session."""
        if self._version == 1:
            return
        check = self._check
        before = self.num_bytes
        end = b"\0" + b"".join(struct.pack(">Q", at) for at in self._index)
        end += _COUNTS.pack(self._count, before, check)
        self._put(end + _TAIL.pack(zlib.crc32(end), END_MAGIC))

    def _put(self, content: bytes) -> None:
        self.stream.write(content)
        self.num_bytes += len(content)
        self._check = zlib.crc32(content, self._check)


def write_file(
    path: str | os.PathLike, session: Session, packets: Sequence[bytes]
) -> int:
    """Writes a file of packets; the file appears whole or not at all.

    Args:
      path: File to write.
      session: Session of the packets.
      packets: n packets from `packets.pack`.

    Returns:
      The number of bytes of the file.
    """
    stream = io.BytesIO()
    writer = Writer(stream, session)
    for packet in packets:
        writer.write(packet)
    writer.close()
    files.write_bytes(path, stream.getvalue())
    return writer.num_bytes


def read_file(path: str | os.PathLike) -> tuple[Session, list[bytes]]:
    """Reads what `write_file` wrote.

    Args:
      path: File to read.

    Returns:
      The session and its packets. Each packet is checked.

    Raises:
      PacketError: If the header or a packet is damaged, is cut off, or is followed by
        anything else than another file of the session. The message names the file.
      OSError: As `files.check_input`; standard input may be read.

    Examples:
      >>> import os, tempfile
      >>> from tfcsi.coding.packets import pack
      >>> session = Session("own", num_tx=32, num_delay=32, fingerprint=bytes(8))
      >>> packets = pack([b"one", b"two"], session)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = os.path.join(folder, "h.tcsi")
      ...     num_bytes = write_file(path, session, packets)
      ...     read_file(path) == (session, packets)
      True
    """
    with open_file(path) as (session, packets):
        return session, list(itertools.chain(*blocks(path, session, packets, STRIDE)))


@contextlib.contextmanager
def open_file(
    path: str | os.PathLike,
) -> Iterator[tuple[Session, Iterator[bytes]]]:
    """Opens a file of packets.

    Args:
      path: The file; standard input may be read.

    Yields:
      What `packet_file.read_stream` returns. It can be read until the block ends.

    Raises:
      PacketError: If the header is damaged. The message names the file.
      OSError: As `files.check_input`.
    """
    files.check_input(path, stream=True)
    with open(path, "rb") as stream:
        with naming(path):
            session, packets = read_stream(stream)
        yield session, packets


@contextlib.contextmanager
def naming(path: str | os.PathLike, first: int = 0) -> Iterator[None]:
    """Errors of packets tell the file, and the number of the packet in it.

    Args:
      path: The file.
      first: Number of the packet that the code inside counts as 0.

    Raises:
      PacketError: If the code inside raises one.
    """
    try:
        yield
    except PacketError as error:
        row, text = error.row, str(error)
        if row is not None:
            text = text.replace(f"packet {row}", f"packet {row + first}", 1)
            row += first
        raise PacketError(f"{os.fspath(path)}: {text}", row) from error


def blocks(
    path: str | os.PathLike, session: Session, packets: Iterator[bytes], size: int
) -> Iterator[list[bytes]]:
    """Yields the packets of a file in blocks, each packet checked.

    Args:
      path: The file, for messages.
      session: Its session.
      packets: Its packets, as `open_file` yields them.
      size: Packets of a block; the last one has those that are left.

    Raises:
      PacketError: If a packet is damaged, or the file is. The message names the file.
    """
    first = 0
    while True:
        block: list[bytes] = []
        try:
            with naming(path):
                for packet in itertools.islice(packets, size):
                    block.append(packet)
        finally:  # Damage further up is named first: it explains the end.
            with naming(path, first):
                unpack(block, session)
        if not block:
            return
        yield block
        first += len(block)


def remark(session: Session) -> str:
    """Says what cannot be told of a file of a session; empty if there is nothing."""
    if session.version != 1:
        return ""
    return (
        "files of version 1 do not hold the number of their packets, so it cannot be "
        "told whether packets are missing at the end"
    )


def read_stream(stream: IO[bytes]) -> tuple[Session, Iterator[bytes]]:
    """Reads a file of packets from a stream, such as a pipe.

    Args:
      stream: Binary stream.

    Returns:
      The session, and an iterator of its packets. The iterator reads on when it is
      asked. The checks of the packets are left to `unpack`, or to the codec that
      decompresses them; those of the file are made at its end.

    Raises:
      PacketError: If the header is damaged. The iterator raises it if the file is cut
        off, if its end does not fit its packets, or if anything else follows.
    """
    source = _Source(stream)
    session = source.session(source.upto(6))
    return session, _packets(source, session)


def _packets(source: _Source, session: Session) -> Iterator[bytes]:
    if session.version == 1:
        yield from split(source.stream.read(), session)
        return
    total = 0
    while True:
        index, count = [], 0
        while size := source.varint(total + count):
            if count % STRIDE == 0:
                index.append(source.before)
            yield source.take(size, f"packet {total + count}")
            count += 1
        source.end(index, count)
        total += count
        if not (head := source.upto(6)):
            return
        source.restart()
        other = source.session(head)
        if other != session:
            raise PacketError(
                f"after packet {total - 1}, a file of another session follows: codec "
                f"{other.codec!r}, fingerprint {other.fingerprint.hex()}"
            )


class _Source:
    """Reads parts of a stream, and keeps the check and the size of what was read."""

    def __init__(self, stream: IO[bytes]):
        self.stream = stream
        self.restart()

    def restart(self) -> None:
        """Begins a file."""
        self.at = self.check = 0  # Bytes of this file so far, and their CRC-32.
        self.before = self.check_before = 0  # The same before the last length.

    def upto(self, size: int) -> bytes:
        """Returns the next bytes, fewer where the stream ends."""
        parts = [self.stream.read(size)]
        while parts[-1] and sum(map(len, parts)) < size:  # A pipe gives what it has.
            parts.append(self.stream.read(size - sum(map(len, parts))))
        return b"".join(parts)

    def take(self, size: int, name: str) -> bytes:
        """Returns the next bytes; PacketError if the stream ends before."""
        content = self.upto(size)
        if len(content) < size:
            raise PacketError(f"{name} is cut off after {len(content)} of {size} bytes")
        return self._count(content)

    def session(self, head: bytes) -> Session:
        """Reads a header that begins with `head`."""
        if len(head) == 6:
            head += self.upto(head[5] + 16)
        session, _ = Session.from_bytes(head)
        self._count(head)
        return session

    def varint(self, number: int) -> int:
        """Reads the length of a packet, 0 at the end mark."""
        self.before, self.check_before = self.at, self.check
        size = shift = 0
        while True:
            (byte,) = self.take(1, f"the length of packet {number}")
            size += (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
            if size > _MOST or shift > 14:
                break
        if size > _MOST or (shift > 7 and not byte):
            raise PacketError(f"packet {number} has no valid length")
        return size

    def end(self, index: list[int], count: int) -> None:
        """Reads what follows the end mark, and compares it with what was read."""
        expected = b"\0" + b"".join(struct.pack(">Q", at) for at in index)
        expected += _COUNTS.pack(count, self.before, self.check_before)
        expected += _TAIL.pack(zlib.crc32(expected), END_MAGIC)
        if self.take(len(expected) - 1, "the end") != expected[1:]:
            raise PacketError(
                f"the end does not fit the {count} packets before it: the file is "
                f"damaged"
            )

    def _count(self, content: bytes) -> bytes:
        self.at += len(content)
        self.check = zlib.crc32(content, self.check)
        return content


def _varint(number: int) -> bytes:
    """Returns seven bits a byte, the lowest first; the last byte is below 128."""
    content = bytearray()
    while number > 127:
        content.append(number & 127 | 128)
        number >>= 7
    content.append(number)
    return bytes(content)


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
            f"{session.num_delay}, fingerprint {session.fingerprint.hex()}, packets of "
            f"version {session.version}; the workdir has {expected.codec!r}, "
            f"{expected.num_tx} x {expected.num_delay}, {expected.fingerprint.hex()}, "
            f"version {expected.version}"
        )


def check_same(
    session: Session,
    first: Session,
    path: str | os.PathLike,
    first_path: str | os.PathLike,
) -> None:
    """Raises a PacketError if two files, which it names, are of two sessions."""
    if session != first:
        raise PacketError(
            f"{path} is of another session than {first_path}: codec {session.codec!r}, "
            f"fingerprint {session.fingerprint.hex()}, and {first.codec!r}, "
            f"{first.fingerprint.hex()}"
        )
