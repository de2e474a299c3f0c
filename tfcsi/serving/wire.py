"""The bytes of requests and answers of the service, as in `docs/serving.md`.

A request is records, one a packet: the fingerprint of its session, its length, and the
packet. An answer has one record for each, in the same order: a matrix, or the reason
why the packet is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Union

import numpy as np

from tfcsi.coding.packets import PacketError

Answer = Union[np.ndarray, PacketError]  # CSI [num_tx, num_delay], or the refusal.
DECODED, REFUSED = 0, 1
CONTENT_TYPE = "application/octet-stream"
_RECORD = struct.Struct(">8sH")  # Fingerprint of the session, bytes of the packet.
_HEAD = struct.Struct(">BI")  # DECODED or REFUSED, bytes that follow.
_MATRIX = np.dtype("<c8")  # complex64, little-endian, in C order.


def write_request(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns the bytes of a request.

    Args:
      records: Fingerprint (8 bytes) and packet, n times.

    Raises:
      PacketError: If a packet is longer than 65535 bytes, which no packet is.
    """
    parts = []
    for row, (fingerprint, packet) in enumerate(records):
        if len(packet) >= 1 << 16:
            raise PacketError(f"packet {row} has {len(packet)} bytes", row)
        parts += [_RECORD.pack(fingerprint, len(packet)), bytes(packet)]
    return b"".join(parts)


def read_request(content: bytes, most: int) -> list[tuple[bytes, bytes]]:
    """Reads what `write_request` wrote.

    Args:
      content: Bytes of the request.
      most: Most packets that are taken.

    Returns:
      Fingerprint and packet, n times. The packets are not checked.

    Raises:
      PacketError: If the request is cut off or has more packets.
    """
    records: list[tuple[bytes, bytes]] = []
    at = 0
    while at < len(content):
        if len(records) == most:
            raise PacketError(f"the request has more than {most} packets")
        start = at + _RECORD.size
        if start > len(content):
            raise PacketError(
                f"the head of packet {len(records)} is cut off", len(records)
            )
        fingerprint, size = _RECORD.unpack_from(content, at)
        at = start + size
        if at > len(content):
            raise PacketError(
                f"packet {len(records)} is cut off after {len(content) - start} of "
                f"{size} bytes",
                len(records),
            )
        records.append((fingerprint, content[start:at]))
    return records


def write_answer(answers: Sequence[Answer]) -> bytes:
    """Returns the bytes of the answer to a request, one record a packet."""
    parts = []
    for answer in answers:
        if isinstance(answer, PacketError):
            status, content = REFUSED, str(answer).encode()
        else:
            status, content = DECODED, answer.astype(_MATRIX).tobytes()
        parts += [_HEAD.pack(status, len(content)), content]
    return b"".join(parts)


def read_answer(content: bytes, shapes: Sequence[tuple[int, int]]) -> list[Answer]:
    """Reads what `write_answer` wrote.

    Args:
      content: Bytes of the answer.
      shapes: (num_tx, num_delay) of the session of each packet of the request.

    Returns:
      For each packet complex64 [num_tx, num_delay] or a PacketError, not raised.

    Raises:
      ValueError: If these bytes do not answer so many packets of these shapes.
    """
    answers: list[Answer] = []
    at = 0
    for row, shape in enumerate(shapes):
        start = at + _HEAD.size
        if start > len(content):
            raise ValueError(f"the answer ends before packet {row} of {len(shapes)}")
        status, size = _HEAD.unpack_from(content, at)
        at = start + size
        record = content[start:at]
        if status == REFUSED and len(record) == size:
            answers.append(PacketError(record.decode(errors="replace"), row))
        elif status == DECODED and len(record) == size == 8 * shape[0] * shape[1]:
            matrix = np.frombuffer(record, _MATRIX).reshape(shape)
            answers.append(matrix.astype(np.complex64))
        else:
            raise ValueError(
                f"the answer to packet {row} is no {shape[0]} x {shape[1]} matrix"
            )
    if at != len(content):
        raise ValueError(f"the answer has {len(content) - at} bytes too many")
    return answers
