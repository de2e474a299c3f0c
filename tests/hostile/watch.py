"""What must hold while foreign bytes are read: refused in words, in time, untouched.

`Watch` runs a reader. Whatever the bytes, the reader gives a result, or it raises an
error of tfcsi that names the file or the packet. Anything else is a `Fault`: an error
of another kind, one that names nothing, a read that takes too long, code that is
executed, or a file that is written.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

SECONDS = 10.0  # A read may take so long on a processor, and ten times as long in all.
# Events of Python (PEP 578) that no reader of data may cause.
_FORBIDDEN = (
    *("pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "os.fork"),
    *("os.posix_spawn", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod"),
    *("os.link", "os.symlink", "os.truncate", "socket.connect", "shutil.rmtree"),
)
# TensorFlow writes the code that it makes of functions into files of its own.
_OF_TENSORFLOW = re.compile(r"/__autograph_generated_file\w+\.py$")
_TEMPORARY = tempfile.gettempdir()
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_seen: list[str] | None = None


def _hear(event: str, arguments: tuple) -> None:
    if _seen is None or not arguments:
        return
    path = str(arguments[0])
    if path == _TEMPORARY or _OF_TENSORFLOW.search(path):
        return
    if event in _FORBIDDEN:
        _seen.append(f"{event} {arguments!r:.200}")
    elif event == "open" and isinstance(arguments[2], int):
        if arguments[2] & _WRITING:
            _seen.append(f"open for writing {arguments!r:.200}")


def _stop(*_: object) -> None:
    raise Fault("it waits for something")


class Fault(AssertionError):
    """A reader did what no reader may do with foreign bytes."""


class Watch:
    """Runs readers, and counts what comes of it.

    Attributes:
      refused, read: Numbers of the inputs that were refused, and of the others.
      slowest: The longest time of a read [s].
    """

    _listening = False

    def __init__(self, seconds: float = SECONDS):
        """`seconds` is the time that a read may take."""
        if not Watch._listening:  # It cannot be taken away again.
            sys.addaudithook(_hear)
            Watch._listening = True
        signal.signal(signal.SIGALRM, _stop)
        self.seconds = seconds
        self.refused, self.read, self.slowest = 0, 0, 0.0

    def __call__(self, reader: Callable[[], object], name: str) -> object:
        """Returns what a reader gives, or its error if it refuses in words.

        Args:
          reader: Reads the bytes.
          name: Pattern that the message of a refusal must hold, such as the file.

        Raises:
          Fault: If the reader does anything else.
        """
        global _seen
        began, _seen, given = time.process_time(), [], None
        try:
            signal.setitimer(signal.ITIMER_REAL, 10 * self.seconds)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                given = reader()
            self.read += 1
        except (ValueError, OSError) as error:
            if type(error).__module__.startswith(("h5py", "scipy", "zipfile")):
                raise Fault(f"a foreign error: {error!r}") from error
            if not re.search(name, str(error)):
                raise Fault(f"the error does not say {name}: {error!r}") from error
            given = error
            self.refused += 1
        except Fault:
            raise
        except Exception as error:
            raise Fault(f"no error of tfcsi: {error!r}") from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            heard, _seen = _seen, None
            took = time.process_time() - began
            self.slowest = max(self.slowest, took)
        if heard:
            raise Fault(f"a reader did more than read: {heard}")
        if took > self.seconds:
            raise Fault(f"it took {took:.1f} s")
        return given
