"""Packets and a decoder of others, measured in the same way as codecs of tfcsi.

The decoder is a command. It runs in a new folder that holds the packets alone, and
writes the file `h_hat.npy` there. That folder is no jail: a program can read every file
that its user can read, so a decoder of strangers belongs into a container.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import numpy as np

from tfcsi import files
from tfcsi.coding.packet_file import read_file, remark
from tfcsi.evaluation import measure
from tfcsi.matrices import Matrices

RESULT = "h_hat.npy"  # The file that a decoder writes.
_LOOK = 0.1  # Seconds between two looks at the folder of a decoder.
_SHOWN = 500  # Characters of what a decoder printed that an error tells.


@dataclasses.dataclass(frozen=True)
class Packets:
    """Packets of any codec.

    Attributes:
      path: File or folder that holds them.
      name: Name of the file or folder that the decoder finds.
      form: What the decoder is given, in a few words.
      parts: Files of a folder, in the order of the matrices; empty for one file.
      sizes: Bytes of each packet; None where one file holds all of them in a form that
        is not known.
      num_bytes: Bytes that are counted, of all matrices.
      codec: Name of the codec; empty if it is not known.
      shape: (num_tx, num_delay) of the matrices; None if it is not known.
      remark: What cannot be told of the packets; empty if there is nothing.
    """

    path: pathlib.Path
    name: str
    form: str
    parts: tuple[pathlib.Path, ...]
    sizes: tuple[int, ...] | None
    num_bytes: int
    codec: str = ""
    shape: tuple[int, int] | None = None
    remark: str = ""

    def put(self, folder: pathlib.Path) -> None:
        """Copies the packets to a folder, under names that tell nothing.

        Raises:
          OSError: If a file cannot be read or written.
        """
        if not self.parts:
            shutil.copyfile(self.path, folder / self.name)
            return
        inner = folder / self.name
        inner.mkdir()
        digits = max(6, len(str(len(self.parts))))
        for number, part in enumerate(self.parts):
            shutil.copyfile(part, inner / f"{number:0{digits}d}")

    def bytes_of(self, num: int) -> np.ndarray:
        """Returns the bytes of each of `num` matrices, int64 [num].

        The bytes of a file of an unknown form are shared among its matrices.

        Raises:
          ValueError: If there is another number of packets.
        """
        if self.sizes is None:
            return np.diff(np.arange(num + 1) * self.num_bytes // num)
        if len(self.sizes) != num:
            raise ValueError(
                f"{self.path} holds {len(self.sizes)} packets, and the truth {num} "
                f"matrices; give one packet for each matrix"
            )
        return np.array(self.sizes, np.int64)


def read(path: str | os.PathLike) -> Packets:
    """Reads what is handed in: how many bytes each matrix takes.

    Args:
      path: A file of packets of tfcsi, of which the packets count; a folder with one
        file for each matrix, which count in the order of their names, numbers by
        value; or any other file, which counts as a whole.

    Raises:
      PacketError: If a file of packets of tfcsi is damaged.
      ValueError: If a folder is empty, or has anything but files.
      OSError: As `files.check_input`.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        parts = sorted(path.iterdir(), key=_natural)
        for part in parts:
            if part.is_symlink() or not part.is_file():
                raise ValueError(f"{part} is no file; {path} holds one for each matrix")
        if not parts:
            raise ValueError(f"{path} is empty; give a file for each matrix")
        sizes = tuple(part.stat().st_size for part in parts)
        form = f"{len(parts)} files, one a matrix"
        return Packets(path, "packets", form, tuple(parts), sizes, sum(sizes))
    files.check_input(path)
    with open(path, "rb") as file:
        is_ours = file.read(len(files.PACKETS)) == files.PACKETS
    if not is_ours:
        size = path.stat().st_size
        form = f"a file of {size} bytes, which all count"
        return Packets(path, "packets.bin", form, (), None, size)
    session, packets = read_file(path)
    sizes = tuple(map(len, packets))
    return Packets(
        *(path, "packets.tcsi", f"{len(sizes)} packets of tfcsi", (), sizes),
        *(sum(sizes), session.codec, (session.num_tx, session.num_delay)),
        remark(session),
    )


def _natural(path: pathlib.Path) -> tuple[list, str]:
    """Sorts 9.bin before 10.bin."""
    parts = re.split(r"(\d+)", path.name)
    return [int(p) if p.isdecimal() else p for p in parts], path.name


@contextlib.contextmanager
def decoded(
    packets: Packets,
    command: Sequence[str],
    seconds: float,
    megabytes: float = math.inf,
) -> Iterator[tuple[Matrices, float]]:
    """Runs a decoder on packets, and opens what it wrote.

    Args:
      packets: The packets.
      command: Program of the decoder and its arguments.
      seconds: Time limit [s].
      megabytes: Limit of what the folder may hold [10^6 bytes], packets included. It is
        looked at ten times a second, so a fast decoder may write more before it ends.

    Yields:
      The matrices that the decoder wrote, complex, and how long it ran [s]. They can be
      read until the block ends.

    Raises:
      TimeoutError: If the decoder takes longer. It is ended then.
      OverflowError: If the folder holds more. The decoder is ended then.
      ValueError: If it fails, or writes no complex [n, num_tx, num_delay].
      OSError: If it cannot be started, or the packets cannot be copied.
    """
    with tempfile.TemporaryDirectory(prefix="tfcsi_score_") as name:
        folder = pathlib.Path(name)
        packets.put(folder)
        began = time.monotonic()
        _run(command, folder, seconds, megabytes)
        took = time.monotonic() - began
        result = folder / RESULT
        if result.is_symlink() or not result.exists():
            raise ValueError(
                f"the decoder ended, but there is no file {RESULT} in the folder in "
                f"which it was started"
            )
        try:
            matrices = Matrices.of_npy(result)
        except (ValueError, OSError) as error:
            told = str(error).replace(str(result), RESULT)
            raise ValueError(f"what the decoder wrote is of no use: {told}") from None
        yield matrices, took


def _run(
    command: Sequence[str], folder: pathlib.Path, seconds: float, megabytes: float
) -> None:
    """Runs a command in a folder; all that it has started ends with it."""
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PWD": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise OSError(
            f"the decoder {command[0]!r} cannot be started: {error.strerror}; it is "
            f"started in another folder, so give an absolute path"
        ) from None
    printed = bytearray()
    reader = threading.Thread(target=_keep, args=(process.stdout, printed), daemon=True)
    reader.start()
    try:
        status = _wait(process, folder, seconds, megabytes)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(1)
    if status:
        how = (
            f"ended with status {status}" if status > 0 else f"died of signal {-status}"
        )
        raise ValueError(f"the decoder {how}{_told(printed)}{_astray(command)}")


def _wait(
    process: subprocess.Popen, folder: pathlib.Path, seconds: float, megabytes: float
) -> int:
    """The status of a process, which ends within a time and a size of its folder."""
    end, status = time.monotonic() + seconds, None
    while status is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(max(0.0, min(_LOOK, end - time.monotonic())))
        if _bytes_in(folder) > 1e6 * megabytes:
            raise OverflowError(
                f"the decoder wrote more than {megabytes:g} MB and was ended; "
                f"--megabytes sets the limit"
            )
        if status is None and time.monotonic() >= end:
            raise TimeoutError(
                f"the decoder still ran after {seconds:g} seconds and was ended; "
                f"--seconds sets the limit"
            )
    return status


def _bytes_in(folder: pathlib.Path) -> int:
    """Bytes that a folder takes on the disk, links not followed."""
    total = 0
    for inner, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # It was removed in between.
                total += 512 * os.lstat(os.path.join(inner, name)).st_blocks
    return total


def _keep(stream: IO[bytes], printed: bytearray) -> None:
    """Reads a stream to its end, and keeps the last of it."""
    while content := os.read(stream.fileno(), 1 << 16):
        printed += content
        del printed[: -4 * _SHOWN]
    stream.close()


def _told(printed: bytearray) -> str:
    """The last that a decoder printed, as one line."""
    text = " ".join(bytes(printed).decode(errors="replace").split())
    text = "".join(c for c in text if c.isprintable())
    return f"; it printed last: {text[-_SHOWN:]}" if text else "; it printed nothing"


def _astray(command: Sequence[str]) -> str:
    """Names a file of the command that only the folder of the user has."""
    for word in command:
        name = word.rpartition("=")[2]
        if name and not os.path.isabs(name) and os.path.isfile(name):
            return (
                f". {name} is a file of this folder, and the decoder runs in another "
                f"one: give its absolute path"
            )
    return ""


def score(
    h: Matrices,
    h_hat: Matrices,
    packets: Packets,
    domain: str,
    done: Callable[[int], object] = lambda num: None,
) -> dict[str, Any]:
    """Compares what was decoded with the truth.

    Args:
      h: The truth, complex64.
      h_hat: What was decoded.
      packets: The packets.
      domain: "angular_delay" or "space_frequency", that of both.
      done: Is called with the number of matrices that were measured since its last
        call.

    Returns:
      The values of `measure.measure`, without rho.

    Raises:
      ValueError: If the numbers or shapes of matrices differ, a decoded matrix has NaN
        or infinite values, or there are no matrices.
    """
    if h.shape != h_hat.shape:
        raise ValueError(
            f"{RESULT} of the decoder has matrices of {h_hat.shape[0]} x "
            f"{h_hat.shape[1]}, the truth of {h.shape[0]} x {h.shape[1]}"
        )
    parts: list[Mapping[str, np.ndarray]] = []
    first, blocks = 0, h_hat.blocks()
    for truth in h.blocks():
        block = next(blocks, np.zeros((0, *h.shape), np.complex64))[: len(truth)]
        if len(block) < len(truth):
            raise ValueError(
                f"{RESULT} of the decoder has {first + len(block)} matrices, and the "
                f"truth has more"
            )
        sound = np.isfinite(block).all(axis=(1, 2))
        if not sound.all():
            bad = first + int(np.argmin(sound))
            raise ValueError(
                f"matrix {bad} in {RESULT} of the decoder has NaN or infinite values"
            )
        parts.append(measure.distortion(truth, block, domain))
        first += len(truth)
        done(len(truth))
    if h_hat.num != first:
        raise ValueError(
            f"{RESULT} of the decoder has {h_hat.num} matrices, and the truth {first}"
        )
    if not first:
        raise ValueError("the truth has no matrices")
    values = measure.joined(parts)
    return measure.summary({**values, "bytes": packets.bytes_of(first)}, h.shape)
