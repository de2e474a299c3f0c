"""Files that take long to write: what is finished outlives a stop of the process.

Such a file is written under a name of its own, beside its place, and gets its own name
when it is complete. The name tells the job, so that only the same job goes on with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from tfcsi import files

_LONGEST = 200  # Characters of the name of a file that the other name begins with.


class Unfinished:
    """A file that is being written.

    Attributes:
      stream: Binary file, to read and to write, at its start.
      path: Path of the file under its other name; None of a device or an open stream,
        such as /dev/stdout, which nothing can go on with.
      num: Number of matrices that it holds, as the writer counts them. A file of none
        is not kept if the process stops.
    """

    def __init__(self, stream: IO[bytes], path: pathlib.Path | None):
        """See the attributes."""
        self.stream, self.path, self.num = stream, path, 0


@contextlib.contextmanager
def unfinished(
    path: str | os.PathLike,
    job: Mapping[str, Any] | None,
    report: Callable[[str], None],
) -> Iterator[Unfinished]:
    """Opens a file to write, or to go on with; it appears whole or not at all.

    If the process is stopped, or the disk is full, what was written stays. After an
    error of the data, a ValueError, nothing stays.

    Args:
      path: File to write. A device or an open stream is written to as it is.
      job: What the content depends on, as JSON can hold it; None if nothing can go on
        with the file.
      report: Is called with a line if an unfinished file stays.

    Yields:
      The file. It begins with what an earlier process wrote for the same job.

    Raises:
      FileExistsError: If another process is writing it for the same job.
      OSError: As `files.replacing`.
    """
    target = pathlib.Path(os.path.realpath(path))
    number = files.stream_number(path)
    if number is not None or (target.exists() and not target.is_file()):
        with tempfile.TemporaryFile() as stream:
            yield Unfinished(stream, None)
            stream.seek(0)
            place = path if number is None else os.dup(number)
            with files.named(path, target), open(place, "wb") as output:
                shutil.copyfileobj(stream, output)
        return
    files.check_parent(path)
    text = json.dumps([target.name, job or uuid.uuid4().hex], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    part = target.with_name(f"{target.name[:_LONGEST]}.{digest}.part")
    with files.named(path, part), _locked(part, path) as stream:
        file = Unfinished(stream, part)
        try:
            yield file
            stream.flush()
            os.replace(part, target)
        except BaseException as error:
            if isinstance(error, ValueError) or not (job and file.num):
                part.unlink(missing_ok=True)
            else:
                report(
                    f"{part} keeps what is finished, {file.num} matrices; the same "
                    f"command goes on with them"
                )
            raise


@contextlib.contextmanager
def _locked(part: pathlib.Path, path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Opens a file that no other process has open in this way."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        with open(descriptor, "r+b") as stream:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise FileExistsError(
                    f"{os.fspath(path)} is being written by another process; wait "
                    f"until it has ended, or give another --output"
                ) from None
            # The process that had it before may have finished it.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(part)):
                    yield stream
                    return
