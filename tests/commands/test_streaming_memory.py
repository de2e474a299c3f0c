"""The memory of the commands does not grow with the file, and a kill loses nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tfcsi.channels.cost2100 import simulate

pytestmark = pytest.mark.slow
NUM = 40_000  # Matrices, 328 MB as they lie in the file.
MOST = 330  # MB; all at once 60,000 took 1600 MB for compress, 1100 for decompress.
# Runs a command and writes the largest memory of the process in KiB to a file. What
# `wait4` tells may be that of the process that started it.
MEASURED = """
import pathlib, sys
from tfcsi.__main__ import main
status = main(["tfcsi", *sys.argv[2:]])
most = pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
pathlib.Path(sys.argv[1]).write_text(most)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with big.npy, 40,000 x 32 x 32."""
    folder = tmp_path_factory.mktemp("big")
    h = simulate(500, 3, "indoor")
    shape = (NUM, 32, 32)
    big = np.lib.format.open_memmap(folder / "big.npy", "w+", np.complex64, shape)
    for start in range(0, NUM, len(h)):
        big[start : start + len(h)] = h * np.exp(1j * start).astype(np.complex64)
    return folder


def started(folder, *arguments):
    """Starts a command."""
    words = [folder / "memory", *arguments]
    command = [sys.executable, "-c", MEASURED, *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def finished(folder, process):
    """Waits for a process; returns its exit status and its largest memory in MB."""
    status = process.wait()
    return status, int((folder / "memory").read_text()) / 1024


def compress(folder, output):
    files = [f"--input={folder}/big.npy", f"--output={folder}/{output}"]
    words = ("compress", "--codec=paths", "--step=0.5", "--effort=light")
    return started(folder, *words, *files)


def test_compress_and_decompress_take_little_memory(folder):
    code, memory = finished(folder, compress(folder, "big.tcsi"))
    assert code == 0 and memory < MOST
    files = [f"--input={folder}/big.tcsi", f"--output={folder}/back.npy"]
    words = ("decompress", "--codec=paths")
    code, memory = finished(folder, started(folder, *words, *files))
    assert code == 0 and memory < MOST
    assert np.load(folder / "back.npy", mmap_mode="r").shape == (NUM, 32, 32)


def test_killed_commands_go_on_to_the_same_bytes(folder):
    assert finished(folder, compress(folder, "whole.tcsi"))[0] == 0
    whole = (folder / "whole.tcsi").read_bytes()
    kept = []
    for share in (0.1, 0.4, 0.8):
        process = compress(folder, "killed.tcsi")
        while process.poll() is None:
            parts = [*folder.glob("killed.tcsi.*.part")]
            if parts and parts[0].stat().st_size > share * len(whole):
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
        assert process.wait() == -signal.SIGKILL
        assert not (folder / "killed.tcsi").exists()
        kept.append(parts[0].stat().st_size)
    assert kept == sorted(kept)
    assert finished(folder, compress(folder, "killed.tcsi"))[0] == 0
    assert (folder / "killed.tcsi").read_bytes() == whole


def test_statistics_take_little_memory(folder):
    output = f"--output={folder}/page.html"
    code, memory = finished(
        folder, started(folder, "data", "stats", folder / "big.npy", output)
    )
    assert code == 0 and memory < 2 * MOST  # Two matrices of 2048 x 2048 and their KLT.
