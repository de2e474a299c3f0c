"""Processes that are killed at random moments: nothing is lost or read half-written.

Each job runs once undisturbed. Then it is killed at a random moment of that time, and
run again, until it ends. Its files are then those of the undisturbed job, and at no
moment was one of them there in another form. A sample runs with the suite or with the
slow tests; `make soak` runs twenty of each and adds to results/soak.json.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from tests.conftest import correlated_csi
from tfcsi.codecs.klt import Klt
from tfcsi.datasets import cost2100
from tfcsi.transforms import to_real

ROOT = pathlib.Path(__file__).parents[2]
RUNS = pathlib.Path(__file__).parents[1] / "golden" / "workdirs"
KILLS = int(os.environ.get("TFCSI_KILLS", "20"))  # Of each job, in the soak.
RECORD = os.environ.get("TFCSI_SOAK")  # File that gets the counts.
GENERATE = """
import sys
from tfcsi.channels import blocks, generate
blocks.BLOCK = 30
generate.generate("cost2100_indoor", {"train": 600}, 1, "out", "hdf5", 1, False)
"""
CACHE = """
import numpy as np
from tfcsi.datasets import _files, cost2100
_files.BLOCK = 10
h = cost2100.load("data", "indoor", "test", "angular_delay", cache_dir="cache")
np.save("read.npy", np.array(h))
"""
TRAIN = """
import ml_collections, json, numpy as np
from tfcsi import models
from tfcsi.training import run
models.MODELS["dense"] = "tests.dense_pair"
config = ml_collections.ConfigDict(json.loads(open("config.json").read()))
h = np.load("h.npy")
run.train(config, "run", h[:300], h[300:], resume=True, progress=False)
"""
NORMALISATION = ("gamma", "beta", "moving_mean", "moving_variance")
_DIGESTS = re.compile("(-[0-9a-f]{16}){2}")
PAPERS = ("reproduce", "rate-distortion", "--dataset=cost2100_indoor", "--data_root=.")


@dataclasses.dataclass(frozen=True)
class Job:
    """A process, and what it writes.

    Attributes:
      words: Its command line behind Python.
      whole: Patterns of files that are there whole or not at all, at any moment.
      last: Files that say the same at the end.
      refusal: Part of the error if a job that has ended is run again; "" if it may be.
    """

    words: tuple[str, ...]
    whole: tuple[str, ...]
    last: tuple[str, ...]
    refusal: str = ""


def makes_run(*words):
    """A job that makes the run new."""
    files = ("new/codec.npz", "new/config.json", "new/calibration.npy")
    return Job(("-m", "tfcsi", *words), files, files, "already holds a run")


JOBS = {
    "compressing": Job(
        (
            "-m",
            "tfcsi",
            "compress",
            "--workdir=klt",
            "--input=h.npy",
            "--output=x.tcsi",
        ),
        ("x.tcsi",),
        ("x.tcsi",),
    ),
    "generating": Job(("-c", GENERATE), ("out/train.h5",), ("out/train.h5",)),
    "caching": Job(("-c", CACHE), ("cache/*.npy", "read.npy"), ("cache/*.npy",)),
    "exporting": Job(
        ("-m", "tfcsi", "export", "--workdir=csinet", "--precision=float32"),
        ("csinet/tables.npz", "csinet/encoder_float32.tflite"),
        ("csinet/tables.npz", "csinet/encoder_float32.tflite"),
    ),
    "training": Job(
        ("-c", TRAIN),
        ("run/codec.npz", "run/calibration.npy"),
        ("run/codec.npz", "run/log.csv", "run/calibration.npy"),
    ),
    "reproducing": Job(
        (*("-m", "tfcsi", *PAPERS), "--output=rd.json", "--codecs=topk"),
        (),
        ("rd.json",),
    ),
    "importing": makes_run(
        *("import", "--model=csinet", "--latent_dim=8", "--shape=8,8"),
        *("--network=blocks=2", "--weights=csinet.npz", "--workdir=new"),
    ),
    "quantising": makes_run("quantize", "--workdir=csinet", "--bits=4", "--output=new"),
}
QUICK = ("compressing",)
SAMPLES = [pytest.param(j, marks=[pytest.mark.slow] * (j not in QUICK)) for j in JOBS]


def weights_of(arrays):
    """The weights of a run by the names of `tfcsi export --format=npz`."""
    out = {}
    for name in arrays:
        layer, _, number = name.rpartition("/")
        if name.startswith(("encoder/", "decoder/")):
            parts = NORMALISATION if layer.endswith("_bn") else ("kernel", "bias")
            out[f"{layer}/{parts[int(number)]}"] = arrays[name]
    return out


def prepare(folder, make_config):
    """Writes what the jobs read."""
    h = correlated_csi(400, (16, 16))
    np.save(folder / "h.npy", h)
    Klt.at_bits(h[:300], 200).save(folder / "klt")
    shutil.copytree(RUNS / "csinet", folder / "csinet")
    x = to_real(correlated_csi(50, (8, 8))).astype(np.float16)
    np.save(folder / "csinet" / "calibration.npy", x)
    config = make_config(model="dense", prior_warmup_steps=5).to_dict()
    (folder / "config.json").write_text(json.dumps(config))
    with np.load(folder / "csinet" / "codec.npz") as arrays:
        np.savez(folder / "csinet.npz", **weights_of(arrays))
    for place in ("data", "cost2100"):
        (folder / place).mkdir()
        for split, count in (("train", 300), ("val", 60), ("test", 200)):
            name = cost2100.file_name(split)
            cost2100.write(folder / place / name, correlated_csi(count, (32, 32)))


def content(path):
    """What a file says; the same for files that differ in times alone."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {k: arrays[k].tobytes() for k in arrays if k != "facts"}
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return {name: file[name][()].tobytes() for name in file}
    if path.suffix == ".csv":
        return [row.rpartition(",")[0] for row in path.read_text().splitlines()]
    if path.suffix == ".json":
        read = json.loads(path.read_text())
        times = ("encode_ms", "decode_ms", "encode_seconds", "decode_seconds")
        points = read.get("points", [read])
        return [{k: v for k, v in p.items() if k not in times} for p in points]
    return path.read_bytes()


def named(folder, patterns):
    """Path in the folder to content of the files of some patterns."""
    paths = [path for pattern in patterns for path in folder.glob(pattern)]
    # The name of a converted variable tells the path and the time of its file.
    names = [_DIGESTS.sub("", str(path.relative_to(folder))) for path in paths]
    return {name: content(path) for name, path in zip(names, paths)}


def start(folder, job):
    variables = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *job.words],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Where tests run in the background, the signal is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, make_config):
    """The function job -> (folder that was prepared, what it writes, its seconds)."""
    given = tmp_path_factory.mktemp("given")
    prepare(given, make_config)
    known = {}

    def run(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name) / "whole"
            shutil.copytree(given, folder)
            began = time.time()
            process = start(folder, JOBS[name])
            assert not process.wait(), process.stderr.read()
            seconds = time.time() - began
            right = named(folder, JOBS[name].last)
            assert right
            known[name] = given, named(folder, JOBS[name].whole), right, seconds
        return known[name]

    return run


def kill_once(job, undisturbed, folder, rng, how=signal.SIGKILL):
    """Kills a job at a random moment, runs it again, and compares; says when."""
    given, whole, right, seconds = undisturbed
    shutil.copytree(given, folder)
    process, moment = start(folder, job), rng.uniform(0.0, seconds)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(how)
        process.wait()
    there = named(folder, job.whole)
    assert all(whole[name] == there[name] for name in there)
    ended = job.refusal and named(folder, job.last) == right
    process = start(folder, job)
    _, errors = process.communicate()
    assert process.returncode == bool(ended), errors
    assert not ended or job.refusal in errors
    assert named(folder, job.last) == right
    shutil.rmtree(folder)
    return moment


@pytest.mark.parametrize("name", SAMPLES)
def test_a_job_that_was_killed_ends_with_the_same_files(name, undisturbed, tmp_path):
    rng = random.Random(name)
    for _ in range(1 if name in QUICK else 2):
        kill_once(JOBS[name], undisturbed(name), tmp_path / "x", rng)


@pytest.mark.soak
@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_is_killed_at_many_moments_loses_nothing(
    name, undisturbed, tmp_path
):
    rng = random.Random(f"soak {name}")
    for i in range(KILLS):
        kill_once(JOBS[name], undisturbed(name), tmp_path / str(i), rng)
        note(f"kill -9, {name}", i + 1)


@pytest.mark.soak
@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_is_stopped_ends_with_the_same_files(
    name, how, undisturbed, tmp_path
):
    rng = random.Random(how)
    number = getattr(signal, how)
    kill_once(JOBS[name], undisturbed(name), tmp_path / "x", rng, number)
    note(f"{how}, {name}", 1)


def note(fault, count):
    """Adds a count to the record of the soak, if there is one."""
    if RECORD:
        path = pathlib.Path(RECORD)
        known = json.loads(path.read_text()) if path.exists() else {}
        known.setdefault("faults", {})[fault] = {"times": count, "losses": 0}
        path.write_text(json.dumps(known, indent=2) + "\n")
