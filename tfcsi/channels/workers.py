"""Worker processes that simulate blocks. They load NumPy, not TensorFlow."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

import tfcsi
from tfcsi.channels.blocks import draw

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextlib.contextmanager
def workers(count: int) -> Iterator[Callable[[dict], Future]]:
    """Starts processes that simulate blocks; they end with the context.

    Jobs that have not begun when the context ends are dropped.

    Args:
      count: number of processes.

    Yields:
      Function that hands a job to an idle process and returns its `Future`. A job is a
      dict with the arguments of `blocks.draw` and with `folder` and `start`: the
      matrices are written to the arrays h.npy and hf.npy of the folder, from row
      `start` on. The future raises a RuntimeError if the simulation fails.

    Raises:
      ValueError: `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"processes is {count}; it must be 1 or more")
    root = str(Path(tfcsi.__file__).parents[1])  # tfcsi may not be installed.
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": path}
    idle: queue.SimpleQueue = queue.SimpleQueue()
    started = []

    def serve(job: dict) -> None:
        process = idle.get()
        try:
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:  # The process has ended.
            answer = ""
        idle.put(process)
        if not answer:
            raise RuntimeError(
                f"a process that simulates {job['channel']} {_ending(process.wait())}"
            )
        if error := json.loads(answer):
            raise RuntimeError(f"simulating {job['channel']}: {error}")

    executor = ThreadPoolExecutor(count)
    try:
        for _ in range(count):
            command = [sys.executable, "-m", "tfcsi.channels.workers"]
            started.append(
                subprocess.Popen(
                    command,
                    env=env,
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            idle.put(started[-1])
        yield lambda job: executor.submit(serve, job)
    finally:
        for process in started:
            process.terminate()
        executor.shutdown(cancel_futures=True)
        for process in started:
            process.communicate()


def _ending(status: int) -> str:
    """How a process ended, from its exit status."""
    if status >= 0:
        return f"ended with exit status {status}"
    text = f"was ended by {signal.Signals(-status).name}"
    if status == -signal.SIGKILL:
        text += (
            ", as the system does when memory is over: take fewer processes. What is "
            "finished is kept, and the same command goes on with it"
        )
    return text


def _work() -> None:
    """Runs a worker process.

    Each line of stdin is a job in JSON. The answer is a line on stdout: null, or the
    message of an error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent process ends this one.
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)  # A training has priority.
    answers, sys.stdout = sys.stdout, sys.stderr  # Simulators may print.
    for line in sys.stdin:
        job = json.loads(line)
        keys = ("channel", "seed", "stream", "block", "num", "frequency", "setup")
        error = None
        try:
            made = draw(*(job[key] for key in keys))
            rows = slice(job["start"], job["start"] + job["num"])
            for name, values in zip(("h", "hf"), made):
                if values is not None:
                    path = Path(job["folder"], f"{name}.npy")
                    target = np.load(path, mmap_mode="r+")
                    target[rows] = values
                    target.flush()
                    del target
            Path(job["folder"], f"{job['block']}.done").touch()
        except Exception as raised:  # The parent process raises it.
            error = f"{type(raised).__name__}: {raised}"
        print(json.dumps(error), file=answers, flush=True)


if __name__ == "__main__":
    _work()
