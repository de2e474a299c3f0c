"""Simulated channels in bulk: files of them, or fresh ones for each epoch of training.

Matrices come in blocks. Those of block i depend on the channel, the seed, the stream
(a split, or an epoch) and i alone, so that any number of processes make the same files
and a run that was stopped goes on where it was. Processes are started as
`python -m tfcsi.generation` and load NumPy, not TensorFlow.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from tqdm import tqdm

import tfcsi
from tfcsi import channels, files
from tfcsi.transforms import NUM_SC

BLOCK = 1024  # matrices of one seed
SHARD = 10000  # matrices of a TFRecord file
SPLITS = ("train", "val", "test")  # streams 0, 1, 2; those of epochs follow
FORMATS = ("mat", "hdf5", "tfrecord")
MANIFEST, PARTS = "generate.json", "parts"
_MAT5_BYTES = 1 << 31  # of a variable, at which MATLAB v5 ends
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def parts_of(channel: str) -> tuple[str, str]:
    """Simulator and scenario of a name such as "cost2100_outdoor", or a ValueError."""
    model, _, scenario = channel.partition("_")
    if model not in channels.CHANNELS or not scenario:
        known = ", ".join(f"{name}_SCENARIO" for name in channels.CHANNELS)
        raise ValueError(f"unknown channel {channel!r}; known: {known}")
    return model, scenario


def draw(
    channel: str,
    seed: int,
    stream: int,
    block: int,
    num: int,
    frequency: bool = False,
    setup: Mapping | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Simulates the first `num` matrices of a block; the only call of a simulator.

    Args:
      channel: name of a simulator and its scenario, such as "cost2100_indoor".
      seed: not negative.
      stream: number of the split, or 3 and more for epochs.
      block: number of the block in the stream.
      num: matrices, at most `BLOCK`.
      frequency: whether frequency-domain truth is wanted.
      setup: further arguments of the simulator, such as {"carrier": 3.5e9}.

    Returns:
      h: [num, num_tx, num_delay], complex64, max|h| = 0.5 a matrix.
      hf: [num, num_tx, num_sc], complex64, or None.

    Raises:
      ValueError: unknown channel, or an argument that the simulator does not take.
    """
    model, scenario = parts_of(channel)
    state = np.random.SeedSequence([seed, stream, block]).generate_state(1, np.uint64)
    arguments = {**(setup or {}), **({"return_frequency": True} if frequency else {})}
    try:
        made = channels.get(model).simulate(num, int(state[0]), scenario, **arguments)
    except TypeError as error:
        raise ValueError(f"setup is {dict(setup or {})}: {error}") from error
    return made if frequency else (made, None)


def generate(
    channel: str,
    num: Mapping[str, int],
    seed: int,
    out: str | os.PathLike,
    form: str = "mat",
    processes: int | None = None,
    progress: bool = True,
    setup: Mapping | None = None,
) -> list[Path]:
    """Writes data sets, split by split; that of test with frequency-domain truth.

    A run that was stopped goes on at the block where it was, if the arguments are the
    same; finished splits are kept.

    Args:
      channel: name of a simulator and its scenario, such as "cost2100_outdoor".
      num: split ("train", "val", "test") to its number of matrices; 0 for none.
      seed: not negative.
      out: folder of the files.
      form: "mat", the published form of COST 2100, MATLAB v5 where it can hold them,
        else v7.3; "hdf5", SPLIT.h5 with `h` (and `hf`), complex; or "tfrecord",
        SPLIT-*.tfrecord of `datasets.tfrecord`, 10000 matrices each.
      processes: that simulate; as many as there are CPUs if None.
      progress: whether to show a progress bar on standard error.
      setup: further arguments of the simulator, such as {"carrier": 3.5e9}.

    Returns:
      The files.

    Raises:
      ValueError: an argument is out of range, or the folder holds another data set.
      RuntimeError: a process failed.
    """
    model, scenario = parts_of(channel)
    num = {split: num.get(split, 0) for split in SPLITS if num.get(split, 0)}
    if form not in FORMATS:
        raise ValueError(f"format is {form!r}; it must be one of {', '.join(FORMATS)}")
    if not num or min(num.values()) < 0 or seed < 0:
        raise ValueError(
            f"num is {dict(num)} and seed {seed}; numbers and seed are not negative, "
            f"and one split or more has matrices"
        )
    setup = dict(setup or {})
    # Refuses what no process can do.
    head, _ = draw(channel, seed, 0, 0, 1, setup=setup)
    write = _writer(form, model, scenario, head.shape[1:])
    out = Path(out)
    given = {"channel": channel, "setup": setup, "seed": seed, "format": form}
    done = _claim(out, given)
    for split in num.keys() - done.keys():
        there = sorted(out.glob(_pattern(form, split, scenario)))
        if there and not (out / PARTS / split).exists():
            raise ValueError(
                f"{there[0]} is there and was not written here; give another folder"
            )
    out.mkdir(parents=True, exist_ok=True)
    _write_manifest(out, given, done)
    written = []
    most = max(len(_blocks(count)) for count in num.values())
    with workers(min(processes or _cpus(), most)) as submit:
        for split, count in num.items():
            if done.get(split) == count:
                written += sorted(out.glob(_pattern(form, split, scenario)))
                continue
            job = {"channel": channel, "seed": seed, "setup": setup}
            job["stream"] = SPLITS.index(split)
            job["frequency"] = split == "test" and model == "cost2100"
            job["folder"] = str(out / PARTS / split)
            shape = (count, *head.shape[1:])
            arrays = _simulate(submit, job, shape, split, progress)
            written += write(out, split, *arrays)
            done[split] = count
            _write_manifest(out, given, done)
            del arrays
            shutil.rmtree(out / PARTS / split)
    with contextlib.suppress(OSError):  # Another split may still lie there.
        (out / PARTS).rmdir()
    return written


def _simulate(submit, job: dict, shape: tuple, name: str, progress: bool):
    """Memory maps h and hf of a stream, each block simulated if it is not there yet."""
    folder, count = Path(job["folder"]), shape[0]
    folder.mkdir(parents=True, exist_ok=True)
    h = _map(folder, "h", shape)
    hf = _map(folder, "hf", (*shape[:-1], NUM_SC)) if job["frequency"] else None
    with tqdm(total=count, desc=name, unit=" matrices", disable=not progress) as bar:
        waiting = {}
        for block, size in _blocks(count):
            if (folder / f"{block}.done").exists():
                bar.update(size)
            else:
                part = {"block": block, "start": block * BLOCK, "num": size}
                waiting[submit({**job, **part})] = size
        for future in as_completed(waiting):
            future.result()
            bar.update(waiting[future])
    return h, hf


class Epochs:
    """Fresh training matrices for each epoch, simulated while the one before trains.

    Those of an epoch depend on (channel, seed, epoch) alone. Called with the number of
    an epoch, from 0, it gives complex64 [num, num_tx, num_delay]. Used as a context, it
    ends its process and deletes its files at the end.

    Args:
      channel: name of a simulator and its scenario, such as "cost2100_indoor".
      num: matrices of an epoch.
      seed: not negative.
      epochs: of the training; none beyond is simulated ahead.
      setup: further arguments of the simulator, such as {"carrier": 3.5e9}.
    """

    def __init__(
        self,
        channel: str,
        num: int,
        seed: int,
        epochs: int,
        setup: Mapping | None = None,
    ):
        if num < 1:
            raise ValueError(f"num_train is {num}; it must be positive")
        head, _ = draw(channel, seed, 0, 0, 1, setup=setup)
        self.channel, self.seed, self.epochs = channel, seed, epochs
        self.setup = dict(setup or {})
        self.shape = (num, *head.shape[1:])
        self._exit = contextlib.ExitStack()
        temporary = tempfile.TemporaryDirectory(prefix="tfcsi_epochs_")
        self._folder = Path(self._exit.enter_context(temporary))
        self._submit = self._exit.enter_context(workers(1))
        self._running: dict[int, list[Future]] = {}
        self._last: tuple[int, np.ndarray] | None = None

    def __call__(self, epoch: int) -> np.ndarray:
        """Waits for the matrices of an epoch and starts those of the next."""
        if self._last is None or self._last[0] != epoch:
            self._last = None
            for future in self._running.pop(epoch, None) or self._start(epoch):
                future.result()
            path = self._folder / str(epoch) / "h.npy"
            self._last = epoch, np.load(path)
            shutil.rmtree(path.parent)
        if epoch + 1 < self.epochs and epoch + 1 not in self._running:
            self._running[epoch + 1] = self._start(epoch + 1)
        return self._last[1]

    def _start(self, epoch: int) -> list[Future]:
        folder = self._folder / str(epoch)
        folder.mkdir()
        _map(folder, "h", self.shape)
        job = {"channel": self.channel, "seed": self.seed, "folder": str(folder)}
        job.update(stream=len(SPLITS) + epoch, frequency=False, setup=self.setup)
        blocks = _blocks(self.shape[0])
        parts = [{"block": b, "start": b * BLOCK, "num": size} for b, size in blocks]
        return [self._submit({**job, **part}) for part in parts]

    def __enter__(self) -> Epochs:
        return self

    def __exit__(self, *error) -> None:
        self._exit.__exit__(*error)


def validation(
    channel: str, num: int, seed: int, setup: Mapping | None = None
) -> np.ndarray:
    """Simulated validation matrices, [num, num_tx, num_delay]; those of `generate`."""
    where = channel, seed, SPLITS.index("val")
    blocks = [draw(*where, b, size, setup=setup)[0] for b, size in _blocks(num)]
    return np.concatenate(blocks)


@contextlib.contextmanager
def workers(count: int) -> Iterator[Callable[[dict], Future]]:
    """Starts processes and yields a function that gives one of them a job.

    What is not begun when the context ends is dropped.
    """
    if count < 1:
        raise ValueError(f"processes is {count}; it must be 1 or more")
    root = str(Path(tfcsi.__file__).parents[1])  # tfcsi may be a plain folder.
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
        except OSError:  # It has ended before.
            answer = ""
        idle.put(process)
        if not answer:
            raise RuntimeError(
                f"a process that simulates {job['channel']} ended with exit status "
                f"{process.wait()}"
            )
        if error := json.loads(answer):
            raise RuntimeError(f"simulating {job['channel']}: {error}")

    executor = ThreadPoolExecutor(count)
    try:
        for _ in range(count):
            command = [sys.executable, "-m", "tfcsi.generation"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            started.append(subprocess.Popen(command, env=env, text=True, **pipes))
            idle.put(started[-1])
        yield lambda job: executor.submit(serve, job)
    finally:
        for process in started:
            process.terminate()
        executor.shutdown(cancel_futures=True)
        for process in started:
            process.communicate()


def _work() -> None:
    """A process of `workers`: a job a line on stdin, null or what failed on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The one that started it will end it.
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)  # Training comes first.
    answers, sys.stdout = sys.stdout, sys.stderr  # Simulators may print.
    for line in sys.stdin:
        job = json.loads(line)
        keys = ("channel", "seed", "stream", "block", "num", "frequency", "setup")
        error = None
        try:
            made = draw(*(job[key] for key in keys))
            where = slice(job["start"], job["start"] + job["num"])
            for name, values in zip(("h", "hf"), made):
                if values is not None:
                    path = Path(job["folder"], f"{name}.npy")
                    target = np.load(path, mmap_mode="r+")
                    target[where] = values
                    target.flush()
                    del target
            Path(job["folder"], f"{job['block']}.done").touch()
        except Exception as raised:  # Told to the one that asked, who raises it.
            error = f"{type(raised).__name__}: {raised}"
        print(json.dumps(error), file=answers, flush=True)


def _blocks(count: int) -> list[tuple[int, int]]:
    """(number, matrices) of the blocks of `count` matrices; the last may be short."""
    return [(i, min(BLOCK, count - i * BLOCK)) for i in range(-(-count // BLOCK))]


def _map(folder: Path, name: str, shape: tuple) -> np.ndarray:
    """The array `name` of a folder, made if it is not there with this shape."""
    path = folder / f"{name}.npy"
    if not path.exists() or np.load(path, mmap_mode="r").shape != shape:
        for mark in folder.glob("*.done"):
            mark.unlink()
        with files.replacing(path) as temporary:
            np.lib.format.open_memmap(temporary, "w+", np.complex64, shape).flush()
    return np.load(path, mmap_mode="r")


def _claim(out: Path, given: dict) -> dict[str, int]:
    """Splits that are done, split to number; refuses a folder of another data set."""
    path = out / MANIFEST
    if not path.exists():
        return {}
    manifest = json.loads(path.read_text())
    given = {**given, "version": tfcsi.__version__}
    if differs := [k for k, value in given.items() if manifest.get(k) != value]:
        raise ValueError(
            f"{out} holds another data set: "
            + ", ".join(
                f"{k} is {manifest.get(k)!r}, not {given[k]!r}" for k in differs
            )
            + "; give another folder"
        )
    return manifest["done"]


def _write_manifest(out: Path, given: dict, done: dict) -> None:
    manifest = {**given, "version": tfcsi.__version__, "done": done}
    files.write_text(out / MANIFEST, json.dumps(manifest, indent=2) + "\n")


def _pattern(form: str, split: str, scenario: str) -> str:
    """Pattern of the names of a split's files."""
    if form != "mat":
        return f"{split}.h5" if form == "hdf5" else f"{split}-*.tfrecord"
    from tfcsi.datasets import cost2100

    suffix = cost2100.SCENARIOS[scenario]
    return f"DATA_H{split}*{suffix}*.mat"


def _writer(form: str, model: str, scenario: str, shape: tuple) -> Callable:
    """Function (out, split, h, hf) that writes the files of a split."""
    if form == "mat":
        from tfcsi.datasets import cost2100

        if scenario not in cost2100.SCENARIOS or shape != (32, 32):
            raise ValueError(
                f"format is 'mat'; the published form is of cost2100_indoor and "
                f"cost2100_outdoor, 32 x 32, not of {model}_{scenario} {shape}: give "
                f"hdf5 or tfrecord"
            )
        return lambda *args: _write_mat(scenario, *args)
    return _write_hdf5 if form == "hdf5" else _write_tfrecord


def _write_mat(scenario: str, out: Path, split: str, h, hf) -> list[Path]:
    from tfcsi.datasets import cost2100

    paths = [out / cost2100.file_name(split, scenario)]
    cost2100.write(paths[0], h, _version(8 * len(h) * cost2100.WIDTH))
    if hf is not None:
        paths.append(out / cost2100.frequency_file_name(scenario))
        size = 16 * len(hf) * cost2100.WIDTH_FREQUENCY
        cost2100.write_frequency(paths[1], hf, _version(size))
    return paths


def _version(num_bytes: int) -> str:
    return "5" if num_bytes < _MAT5_BYTES else "7.3"


def _write_hdf5(out: Path, split: str, h, hf) -> list[Path]:
    import h5py

    path = out / f"{split}.h5"
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in (("h", h), ("hf", hf)):
            if values is None:
                continue
            chunks = (min(64, len(values)), *values.shape[1:])
            data = file.create_dataset(name, values.shape, values.dtype, chunks=chunks)
            for block, size in _blocks(len(values)):
                where = slice(block * BLOCK, block * BLOCK + size)
                data[where] = values[where]
    return [path]


def _write_tfrecord(out: Path, split: str, h, hf) -> list[Path]:
    from tfcsi.datasets import tfrecord

    paths, shards = [], -(-len(h) // SHARD)
    for i in range(shards):
        paths.append(out / f"{split}-{i:05d}-of-{shards:05d}.tfrecord")
        where = slice(i * SHARD, (i + 1) * SHARD)
        tfrecord.write(paths[-1], h[where], None if hf is None else hf[where])
    for stale in set(out.glob(f"{split}-*.tfrecord")) - set(paths):
        stale.unlink()
    return paths


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


if __name__ == "__main__":
    _work()
