"""Writes files of simulated channels.

Matrices come in blocks. Those of block i depend on the channel, the seed, the stream
(a split, or an epoch) and i alone. So any number of processes makes the same files, and
a run that was stopped continues at the next block. Processes are started as
`python -m tfcsi.channels.workers` and load NumPy, not TensorFlow.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import as_completed
from pathlib import Path

import numpy as np
from tqdm import tqdm

import tfcsi
from tfcsi import channels, files
from tfcsi.channels import shards
from tfcsi.channels.blocks import SPLITS, blocks_of, draw, memory_map, parts_of
from tfcsi.channels.workers import workers
from tfcsi.datasets.generated import MANIFEST, SUFFIXES
from tfcsi.locks import LOCK_FILE, locked
from tfcsi.transforms import NUM_SC

SHARD = 10000  # Matrices of a TFRecord file.
FORMATS = tuple(SUFFIXES)
PARTS = "parts"
_MAT5_BYTES = 1 << 31  # A variable of MATLAB v5 is smaller.


def generate(
    channel: str,
    num: Mapping[str, int],
    seed: int,
    out: str | os.PathLike,
    form: str = "mat",
    processes: int | None = None,
    progress: bool = True,
    setup: Mapping | None = None,
    overwrite: bool = False,
    shard: tuple[int, int] | None = None,
) -> list[Path]:
    """Writes data sets, split by split.

    The test split comes with frequency-domain truth if the simulator gives it. A run
    that was stopped continues at the next block if the arguments are the same. Finished
    splits are kept. A split that has fewer matrices than are asked for is written anew;
    it begins with the same matrices.

    Args:
      channel: name of a simulator and its scenario, such as "cost2100_outdoor".
      num: number of matrices of each split, "train", "val" and "test"; 0 for none.
      seed: not negative.
      out: folder of the files.
      form: form of the files. "mat" is the published form of COST 2100, in MATLAB v5
        format, or v7.3 if it is too large for that; "hdf5" is SPLIT.h5 with complex `h`
        (and `hf`); "tfrecord" is SPLIT-*.tfrecord of `datasets.tfrecord`, 10000
        matrices each.
      processes: number of processes that simulate; one for each CPU if None.
      progress: whether to show a progress bar on standard error.
      setup: further arguments of the simulator, such as {"carrier": 3.5e9}.
      overwrite: whether a finished split may be replaced by one of fewer matrices.
      shard: number of a part, from 1, and number of parts; only the blocks of the part
        are simulated, as `shards` tells. None for the whole.

    Returns:
      The paths of the files; of a part, its folder.

    Raises:
      ValueError: an argument is out of range, or the folder holds another data set, or
        a split of more matrices.
      FileExistsError: another process writes to the folder.
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
    for count in num.values():
        blocks_of(count)  # Refuses too many.
    setup, simulator = dict(setup or {}), channels.get(model)
    domain = {**simulator.options, **setup}.get("domain")
    # Frequency-domain truth exists only for test matrices of angles by delays.
    frequency = simulator.simulate_with_frequency is not None
    frequency = frequency and domain == "angular_delay" and "test" in num
    # Raises the errors of wrong arguments before any process starts.
    head, _ = draw(channel, seed, 0, 0, 1, frequency, setup=setup)
    write = _writer(form, model, scenario, head.shape[1:], domain)
    out = Path(out)
    if shard:
        out = out / shards.FOLDER / shards.name_of(*shard)
    request = {"channel": channel, "setup": setup, "seed": seed, "format": form}
    if shard:
        request["num"] = num
    with locked(out):
        done = _claim(out, request)
        _check_splits(out, num, done, form, scenario, overwrite)
        out.mkdir(parents=True, exist_ok=True)
        _write_manifest(out, request, done)
        written = []
        most = max(len(blocks_of(count)) for count in num.values())
        with workers(min(processes or _cpus(), most)) as submit:
            for split, count in num.items():
                if done.get(split) == count:
                    written += sorted(out.glob(_pattern(form, split, scenario)))
                    continue
                job = {"channel": channel, "seed": seed, "setup": setup}
                job["stream"] = SPLITS.index(split)
                job["frequency"] = frequency and split == "test"
                job["folder"] = str(out / PARTS / split)
                shape = (count, *head.shape[1:])
                if shard:
                    job["folder"] = str(out / split)
                    mine = shards.blocks_of_part(count, *shard)
                    shape = (sum(size for *_, size in mine), *shape[1:])
                    if mine:
                        _simulate(submit, job, shape, mine, split, progress)
                    continue
                for_part = {**request, "num": num}
                took = functools.partial(_is_same, request=for_part)
                mine = blocks_of(count)
                arrays = _simulate(submit, job, shape, mine, split, progress, took)
                written += write(out, split, *arrays)
                done[split] = count
                _write_manifest(out, request, done)
                del arrays
                shutil.rmtree(out / PARTS / split)
        if shard:
            return [out]
        # The folder of parts stays if it holds another split.
        with contextlib.suppress(OSError):
            (out / PARTS).rmdir()
        return written


def _check_splits(
    out: Path,
    num: Mapping[str, int],
    done: Mapping[str, int],
    form: str,
    scenario: str,
    overwrite: bool,
) -> None:
    """Refuses to replace splits of more matrices, and files of others."""
    for split, count in num.items():
        if count < done.get(split, 0) and not overwrite:
            raise ValueError(
                f"{out} holds {done[split]} {split} matrices, more than the {count} "
                f"that are asked for: give another folder, or --overwrite to replace "
                f"them"
            )
    for split in num.keys() - done.keys():
        there = sorted(out.glob(_pattern(form, split, scenario)))
        if there and not (out / PARTS / split).exists():
            raise ValueError(
                f"{there[0]} exists and was not written by tfcsi generate; "
                "give another folder"
            )


def _is_same(folder: Path, request: dict) -> bool:
    """Whether a folder of a part is of a data set."""
    try:
        manifest = files.read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    wanted = {**request, "version": tfcsi.__version__}
    return all(manifest.get(key) == value for key, value in wanted.items())


def _simulate(
    submit: Callable,
    job: dict,
    shape: tuple,
    blocks: list[tuple[int, int, int]],
    name: str,
    progress: bool,
    took: Callable[[Path], bool] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Simulates the blocks of a stream that are missing; returns memory maps h, hf.

    Blocks of the parts for which `took` is true are copied.
    """
    folder, count = Path(job["folder"]), shape[0]
    folder.mkdir(parents=True, exist_ok=True)
    h = memory_map(folder, "h", shape)
    hf = memory_map(folder, "hf", (*shape[:-1], NUM_SC)) if job["frequency"] else None
    if took:
        names = ("h", "hf") if job["frequency"] else ("h",)
        shards.gather(folder.parents[1], name, count, folder, names, took)
    with tqdm(total=count, desc=name, unit=" matrices", disable=not progress) as bar:
        waiting = {}
        for block, start, size in blocks:
            if (folder / f"{block}.done").exists():
                bar.update(size)
            else:
                part = {"block": block, "start": start, "num": size}
                waiting[submit({**job, **part})] = size
        for future in as_completed(waiting):
            future.result()
            bar.update(waiting[future])
    return h, hf


def _claim(out: Path, request: dict) -> dict[str, int]:
    """Returns the finished splits and their numbers of matrices.

    Raises:
      ValueError: the folder holds another data set.
    """
    path = out / MANIFEST
    if not path.exists():
        own = (LOCK_FILE, PARTS, shards.FOLDER)
        if others := sorted(p for p in out.iterdir() if p.name not in own):
            raise ValueError(
                f"{others[0]} exists and was not written by tfcsi generate; "
                "give another folder"
            )
        return {}
    manifest = files.read_json(path)
    if not isinstance(manifest, dict):
        raise ValueError(f"{path} is damaged: it holds no fields")
    request = {**request, "version": tfcsi.__version__}
    if differs := [k for k, value in request.items() if manifest.get(k) != value]:
        raise ValueError(
            f"{out} holds another data set: "
            + ", ".join(
                f"{k} is {manifest.get(k)!r}, not {request[k]!r}" for k in differs
            )
            + "; give another folder"
        )
    return manifest["done"]


def _write_manifest(out: Path, request: dict, done: dict) -> None:
    manifest = {**request, "version": tfcsi.__version__, "done": done}
    files.write_json(out / MANIFEST, manifest)


def _pattern(form: str, split: str, scenario: str) -> str:
    """Returns a pattern of the names of a split's files."""
    if form != "mat":
        return f"{split}.h5" if form == "hdf5" else f"{split}-*.tfrecord"
    from tfcsi.datasets import cost2100

    suffix = cost2100.SCENARIOS[scenario]
    return f"DATA_H{split}*{suffix}*.mat"


def _writer(
    form: str, model: str, scenario: str, shape: tuple, domain: str | None
) -> Callable:
    """Returns the function (out, split, h, hf) that writes the files of a split."""
    if form == "mat":
        from tfcsi.datasets import cost2100

        if scenario not in cost2100.SCENARIOS or shape != (32, 32):
            raise ValueError(
                f"format is 'mat', which holds 32 x 32 matrices of cost2100_indoor or "
                f"cost2100_outdoor; these are {' x '.join(map(str, shape))} matrices "
                f"of {model}_{scenario}: give hdf5 or tfrecord"
            )
        if domain != "angular_delay":
            raise ValueError(
                f"format is 'mat'; the published form holds angles by delays, not "
                f"domain {domain!r}: give hdf5 or tfrecord"
            )
        return lambda *args: _write_mat(scenario, *args)
    if form == "tfrecord":
        return _write_tfrecord
    columns = "delay" if domain == "angular_delay" else "sc"
    return lambda *args: _write_hdf5(f"n,tx,{columns}", *args)


def _write_mat(
    scenario: str, out: Path, split: str, h: np.ndarray, hf: np.ndarray | None
) -> list[Path]:
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


def _write_hdf5(
    axes_of_h: str, out: Path, split: str, h: np.ndarray, hf: np.ndarray | None
) -> list[Path]:
    import h5py

    path = out / f"{split}.h5"
    with files.replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values, axes in (("h", h, axes_of_h), ("hf", hf, "n,tx,sc")):
            if values is None:
                continue
            chunks = (min(64, len(values)), *values.shape[1:])
            data = file.create_dataset(name, values.shape, values.dtype, chunks=chunks)
            data.attrs["axes"] = axes
            for _, start, size in blocks_of(len(values)):
                rows = slice(start, start + size)
                data[rows] = values[rows]
    return [path]


def _write_tfrecord(
    out: Path, split: str, h: np.ndarray, hf: np.ndarray | None
) -> list[Path]:
    from tfcsi.datasets import tfrecord

    paths, shards = [], -(-len(h) // SHARD)
    for i in range(shards):
        paths.append(out / f"{split}-{i:05d}-of-{shards:05d}.tfrecord")
        rows = slice(i * SHARD, (i + 1) * SHARD)
        tfrecord.write(paths[-1], h[rows], None if hf is None else hf[rows])
    for stale in set(out.glob(f"{split}-*.tfrecord")) - set(paths):
        stale.unlink()
    return paths


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
