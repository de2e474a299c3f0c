"""Locks of folders: one process at a time writes to a folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import sys
from collections.abc import Iterator

from tfcsi import files

LOCK_FILE = "in_use.lock"
_descriptors: dict[pathlib.Path, int] = {}  # Of the locks that this process holds.


@contextlib.contextmanager
def locked(folder: str | os.PathLike, name: str = LOCK_FILE) -> Iterator[None]:
    """Keeps other processes and threads from a folder while its block runs.

    The system frees the lock of a process that has ended, however it ended. So a file
    that such a process left does not block anyone.

    Args:
      folder: The folder; it is made if it is missing.
      name: Name of a file in it, which is there while the lock is held.

    Raises:
      FileExistsError: If the lock is held; the message names the process.
      OSError: As `files.check_folder`.
    """
    files.check_folder(folder)
    folder = pathlib.Path(folder)
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    descriptor = _descriptors[path] = _open(path)
    try:
        yield
    finally:
        del _descriptors[path]
        if _is(path, descriptor):
            path.unlink()
        os.close(descriptor)
        if new and folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def check_held(folder: str | os.PathLike, name: str = LOCK_FILE) -> None:
    """Checks that a folder is still the one that this process has locked.

    Args:
      folder: The folder, as it was given to `locked`.
      name: Name of the file of the lock.

    Raises:
      FileNotFoundError: If the folder or its lock is gone, or is another one now.
    """
    path = pathlib.Path(folder) / name
    if not _is(path, _descriptors[path]):
        raise FileNotFoundError(
            f"{folder} has vanished, or is another folder now: {path} is not the file "
            f"that this process made, so nothing more is written there"
        )


def _is(path: pathlib.Path, descriptor: int) -> bool:
    """Whether a path is that of an open file."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    return False


def _open(path: pathlib.Path) -> int:
    """Locks a file, and writes into it who holds it; returns its descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 1000).decode(errors="replace").strip()
            os.close(descriptor)
            raise FileExistsError(
                f"{path.parent} is in use by {holder or 'another process'}; wait until "
                f"it has ended, or give another folder"
            ) from None
        # A process that has ended meanwhile may have deleted the file.
        if _is(path, descriptor):
            break
        os.close(descriptor)
    os.ftruncate(descriptor, 0)
    program = pathlib.Path(sys.argv[0] or "python").name
    os.write(descriptor, f"process {os.getpid()} ({program})\n".encode())
    return descriptor
