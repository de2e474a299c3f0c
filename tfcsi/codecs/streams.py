"""Compresses and decompresses files of any length, a block at a time.

A process that was stopped leaves what it has finished. The same call goes on with it,
and writes the same bytes as without the stop.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from stat import S_ISREG
from typing import IO, Any

import numpy as np

import tfcsi
from tfcsi.codecs.contract import Codec
from tfcsi.codecs.workdir import CODEC_FILE, CONFIG_FILE
from tfcsi.codecs.zoo import folder_of
from tfcsi.coding.packet_file import naming
from tfcsi.coding.packet_resume import resumed
from tfcsi.coding.scales import OtherScale, together
from tfcsi.coding.wishes import MissedTarget, NoiseAlone
from tfcsi.matrices import BLOCK, Matrices, numbered
from tfcsi.unfinished import Unfinished, unfinished


@dataclasses.dataclass
class Sent:
    """What `compress` wrote.

    Attributes:
      num: Number of packets.
      packet_bytes: Bytes of all packets.
      file_bytes: Bytes of the file.
      missed: What misses a target, None if there is nothing. It does not count what an
        earlier process has compressed.
      alone: What looks like noise alone, in the same way.
      scaled: What has another scale than the training, in the same way.
    """

    num: int = 0
    packet_bytes: int = 0
    file_bytes: int = 0
    missed: MissedTarget | None = None
    alone: NoiseAlone | None = None
    scaled: OtherScale | None = None


def job_of(
    workdir: str | os.PathLike, path: str | os.PathLike, **more: Any
) -> dict[str, Any] | None:
    """Returns what the result of a codec and a file depends on.

    Args:
      workdir: As of `tfcsi.load`: the content of the codec counts.
      path: The file that is read: its path, size and time of change count.
      **more: What else it depends on, as JSON can hold it.

    Returns:
      A job, as JSON can hold it; None of an open stream, such as /dev/stdin, which can
      be read only once.
    """
    stat = os.stat(path)
    if not S_ISREG(stat.st_mode):
        return None
    digest = hashlib.sha256()
    for name in (CONFIG_FILE, CODEC_FILE):
        digest.update((folder_of(workdir) / name).read_bytes())
    return {
        "tfcsi": tfcsi.__version__,
        "block": BLOCK,
        "codec": digest.hexdigest(),
        "input": [os.path.realpath(path), stat.st_size, stat.st_mtime_ns],
        **more,
    }


def compress(
    codec: Codec,
    matrices: Matrices,
    path: str | os.PathLike,
    job: Mapping[str, Any] | None,
    report: Callable[[str], None],
    done: Callable[[int], object] = lambda num: None,
    **wishes: Any,
) -> Sent:
    """Compresses matrices into a file of packets, which appears whole or not at all.

    Args:
      codec: Any codec.
      matrices: The matrices.
      path: File to write.
      job: As `job_of`; an unfinished file of the same job is gone on with. None if
        nothing can go on.
      report: Is called with a line if there is one, or if this process is stopped.
      done: Is called with the number of matrices that were compressed since the last
        call.
      **wishes: Arguments of `codec.compress`.

    Returns:
      What was written.

    Raises:
      ValueError: As `codec.compress`, and as the matrices when they are read.
      OSError: As `unfinished`.
    """
    sent = Sent()
    with unfinished(path, job, report) as file:
        writer, sent.num, sent.packet_bytes = resumed(file.stream, codec.session, BLOCK)
        _begin(file, sent.num, report, done)
        first, told = sent.num, []
        for block in matrices.blocks(sent.num):
            with warnings.catch_warnings(record=True) as caught:
                for kind in (MissedTarget, NoiseAlone, OtherScale):
                    warnings.simplefilter("always", kind)
                with numbered(sent.num):
                    packets = codec.compress(block, **wishes)
            told += [warning.message for warning in caught]
            for packet in packets:
                writer.write(packet)
            sent.packet_bytes += sum(map(len, packets))
            sent.num = _end_of_block(file, sent.num, len(packets), done)
        writer.close()
        sent.file_bytes = writer.num_bytes
    num = sent.num - first
    sent.missed = MissedTarget.together(told, num)
    sent.alone = NoiseAlone.together(told, num)
    sent.scaled = together([one for one in told if isinstance(one, OtherScale)])
    return sent


def decompress(
    codec: Codec,
    packets: Iterator[list[bytes]],
    source: str | os.PathLike,
    path: str | os.PathLike,
    job: Mapping[str, Any] | None,
    report: Callable[[str], None],
    done: Callable[[int], object] = lambda num: None,
) -> int:
    """Decompresses packets into a `.npy` file, which appears whole or not at all.

    Args:
      codec: Any codec.
      packets: Its packets in blocks of `BLOCK`, as `packet_file.blocks` yields them.
      source: File that they are from, for messages.
      path: File to write, complex64 [n, num_tx, num_delay].
      job: As of `compress`.
      report: As of `compress`.
      done: As of `compress`.

    Returns:
      The number of matrices.

    Raises:
      PacketError: If a packet is damaged or foreign, or the file of the packets is. The
        message names the file.
      OSError: As `unfinished`.
    """
    with unfinished(path, job, report) as file:
        num = _resumed_array(file.stream, codec.shape)
        _begin(file, num, report, done)
        first = 0
        for block in packets:
            if first == num:
                with naming(source, num):
                    h_hat = codec.decompress(block)
                file.stream.write(np.ascontiguousarray(h_hat, np.complex64).data)
                num = _end_of_block(file, num, len(block), done)
            first += len(block)
        file.stream.seek(0)
        file.stream.write(_header(num, codec.shape))
    return num


def _begin(
    file: Unfinished,
    num: int,
    report: Callable[[str], None],
    done: Callable[[int], object],
) -> None:
    """Tells what an earlier process has finished."""
    file.num = num
    if num:
        report(f"going on after {num} matrices that an earlier command has finished")
        done(num)


def _end_of_block(
    file: Unfinished, num: int, more: int, done: Callable[[int], object]
) -> int:
    """Makes sure that a block outlives the process; returns the number so far."""
    file.stream.flush()
    if more == BLOCK:  # Only the last block may be shorter, and it is done anew.
        file.num += more
    done(more)
    return num + more


def _header(num: int, shape: tuple[int, int]) -> bytes:
    """The header of a `.npy` file, as `np.save` writes it; its size is always alike."""
    header = io.BytesIO()
    descr = np.lib.format.dtype_to_descr(np.dtype(np.complex64))
    fields = {"descr": descr, "fortran_order": False, "shape": (num, *shape)}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _resumed_array(stream: IO[bytes], shape: tuple[int, int]) -> int:
    """Returns how many matrices an unfinished `.npy` file has; the rest is cut off."""
    header, num = _header(0, shape), 0
    if stream.read(len(header)) == header:
        size = stream.seek(0, os.SEEK_END) - len(header)
        num = size // (8 * shape[0] * shape[1]) // BLOCK * BLOCK
    stream.seek(0)
    stream.write(header)
    stream.seek(len(header) + num * 8 * shape[0] * shape[1])
    stream.truncate()
    return num
