"""One process at a time writes to a folder, and a dead one blocks nobody."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest

from tfcsi.channels.generate import generate
from tfcsi.locks import LOCK_FILE, check_held, locked

HOLD = """
import sys, time
from tfcsi.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of tmp_path / "run"."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_process_that_holds_a_folder_is_named(tmp_path, other):
    words = f"run is in use by process {other.pid} .*wait until it has ended"
    with pytest.raises(FileExistsError, match=words), locked(tmp_path / "run"):
        pass
    assert (tmp_path / "run" / LOCK_FILE).exists()


def test_a_killed_process_leaves_no_lock(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / "run" / LOCK_FILE).exists()
    with locked(tmp_path / "run"):
        content = (tmp_path / "run" / LOCK_FILE).read_text()
        assert content.startswith(f"process {os.getpid()} (")
    assert not (tmp_path / "run").exists() or not os.listdir(tmp_path / "run")


def test_a_folder_that_stays_empty_is_taken_away_again(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "a"):
        raise KeyError
    assert not (tmp_path / "a").exists()
    with locked(tmp_path / "a"):
        (tmp_path / "a" / "file").touch()
    assert os.listdir(tmp_path / "a") == ["file"]


def test_two_simulations_do_not_write_to_one_folder(tmp_path, other):
    with pytest.raises(FileExistsError, match="is in use by process"):
        generate("cost2100_indoor", {"test": 3}, 1, tmp_path / "run", processes=1)
    assert os.listdir(tmp_path / "run") == [LOCK_FILE]
    other.kill()
    other.wait()
    generate("cost2100_indoor", {"test": 3}, 1, tmp_path / "run", processes=1)
    assert not (tmp_path / "run" / LOCK_FILE).exists()


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_that_vanished_or_is_another_one_is_named(tmp_path, again):
    with locked(tmp_path / "run"):
        check_held(tmp_path / "run")
        shutil.rmtree(tmp_path / "run")
        if again:
            (tmp_path / "run").mkdir()
            (tmp_path / "run" / LOCK_FILE).write_text("process 1 (other)")
        with pytest.raises(FileNotFoundError, match="run has vanished"):
            check_held(tmp_path / "run")
    assert (tmp_path / "run" / LOCK_FILE).exists() == again
