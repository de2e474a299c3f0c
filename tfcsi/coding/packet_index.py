"""Packets of a file by number, by the index at its end."""

from __future__ import annotations

import bisect
import os
import pathlib
import struct
import zlib

from tfcsi import files
from tfcsi.coding.packet_file import (
    _COUNTS,
    _END_BYTES,
    _TAIL,
    END_MAGIC,
    STRIDE,
    _Source,
)
from tfcsi.coding.packets import PacketError, Session, unpack


class PacketFile:
    """The packets of a file by number, without reading those before.

    `with PacketFile("h.tcsi") as file: packet = file[1000]`; `len(file)` tells how many
    there are. What is read is checked: headers, ends and the packets that are asked
    for, but not the check over the whole file, which `read_file` makes.

    Attributes:
      session: Session of the packets.
    """

    def __init__(self, path: str | os.PathLike):
        """Reads the ends and headers of the files that it is joined of.

        Raises:
          PacketError: If the file has no valid end or header, or is of version 1, which
            has no index. The message names the file.
        """
        files.check_input(path)
        self._path = pathlib.Path(path)
        self._stream = open(path, "rb")
        try:
            self._open()
        except PacketError as error:
            self._stream.close()
            raise PacketError(f"{os.fspath(path)}: {error}") from error

    def _open(self) -> None:
        at = self._stream.seek(0, os.SEEK_END)
        segments: list[tuple[Session, int, list[int]]] = []
        while at or not segments:
            at, session, count, index = self._segment(at)
            segments.append((session, count, index))
            if session != segments[0][0]:
                raise PacketError("files of two sessions are joined")
        self.session = segments[0][0]
        self._starts, self._offsets = [0], []
        for _, count, index in reversed(segments):
            self._starts.append(self._starts[-1] + count)
            self._offsets.append(index)

    def _segment(self, end: int) -> tuple[int, Session, int, list[int]]:
        """Reads the file that ends at a byte: its first byte, session and index."""
        damaged = PacketError(
            "it does not end as a file of packets of version 2: it is cut off, damaged "
            "or of version 1"
        )
        tail = self._read(max(end - _END_BYTES, 0), min(end, _END_BYTES))
        if len(tail) < _END_BYTES or tail[-4:] != END_MAGIC:
            raise damaged
        count, before, _ = _COUNTS.unpack(tail[: _COUNTS.size])
        size = 1 + 8 * -(-count // STRIDE) + _END_BYTES
        start = end - size - before
        if start < 0:
            raise damaged
        content = self._read(end - size, size)
        if zlib.crc32(content[: -_TAIL.size]) != _TAIL.unpack(tail[_COUNTS.size :])[0]:
            raise damaged
        session, _ = Session.from_bytes(self._read(start, 6 + 255 + 16))
        index = struct.unpack(f">{-(-count // STRIDE)}Q", content[1:-_END_BYTES])
        return start, session, count, [start + at for at in index]

    def _read(self, at: int, size: int) -> bytes:
        self._stream.seek(at)
        return self._stream.read(size)

    def __len__(self) -> int:
        """Returns the number of packets."""
        return self._starts[-1]

    def __getitem__(self, number: int) -> bytes:
        """Returns a packet; PacketError if it is damaged."""
        if not -len(self) <= number < len(self):
            raise IndexError(f"packet {number} of {len(self)}")
        number %= len(self)
        segment = bisect.bisect_right(self._starts, number) - 1
        entry, more = divmod(number - self._starts[segment], STRIDE)
        self._stream.seek(self._offsets[segment][entry])
        source = _Source(self._stream)
        for k in range(number - more, number + 1):
            packet = source.take(source.varint(k), f"packet {k}")
        try:
            unpack([packet], self.session)
        except PacketError:
            raise PacketError(
                f"{self._path}: packet {number} fails its check", number
            ) from None
        return packet

    def __enter__(self) -> PacketFile:
        """Returns itself; the file is closed at the end of the block."""
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the file."""
        self._stream.close()
