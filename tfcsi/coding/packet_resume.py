"""Files of packets that were not finished, and are written on."""

from __future__ import annotations

import contextlib
import io
import itertools
from typing import IO

from tfcsi.coding.packet_file import Writer, read_stream
from tfcsi.coding.packets import PacketError, Session, unpack


def resumed(stream: IO[bytes], session: Session, whole: int) -> tuple[Writer, int, int]:
    """Goes on with a file of packets that was not finished.

    Args:
      stream: File to read and to write, at its start. It may be empty. What cannot be
        kept is cut off.
      session: Session of the packets.
      whole: Packets are kept in blocks of so many, all of which pass their checks.

    Returns:
      The writer of further packets, the number of those that are there, and how many
      bytes these have.
    """
    writer, num, num_bytes = Writer(io.BytesIO(), session), 0, 0
    with contextlib.suppress(PacketError):
        there, packets = read_stream(stream)
        while there == session:
            block = list(itertools.islice(packets, whole))
            if len(block) < whole:
                break
            unpack(block, session)
            for packet in block:
                writer.write(packet)
            num, num_bytes = num + whole, num_bytes + sum(map(len, block))
            writer.stream = io.BytesIO()  # What it wrote is in the file.
    stream.seek(writer.num_bytes if num else 0)
    stream.truncate()
    if not num:
        return Writer(stream, session), 0, 0
    writer.stream = stream
    return writer, num, num_bytes
