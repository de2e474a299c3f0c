"""Training on several devices or machines: what one gives, and it outlives a kill."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tfcsi.codecs.workdir import load
from tfcsi.datasets import cost2100
from tfcsi.training import strategy
from tfcsi.training.log import read_log

ROOT = pathlib.Path(__file__).parents[2]
EPOCHS = 4
CONFIG = [
    "--config=autoencoder:dense",
    "--config.init=random",
    "--config.latent_dim=16",
    "--config.prior_warmup_steps=5",
    "--config.batch_size=50",
    f"--config.epochs={EPOCHS}",
]
COMMAND = """
import sys
from tfcsi import models
from tfcsi.__main__ import main
models.MODELS["dense"] = "tests.dense_pair"
sys.exit(main(["tfcsi", *sys.argv[1:]]))
"""
# Makes two logical devices of the CPU first.
TWO_DEVICES = (
    """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
one = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [one, one])
"""
    + COMMAND
)


@pytest.fixture(scope="module")
def data(tmp_path_factory, draw_csi):
    """A folder of 200 training and 60 validation matrices in the published form."""
    folder = tmp_path_factory.mktemp("data")
    h = draw_csi(260, (32, 32))
    cost2100.write(folder / cost2100.file_name("train"), h[:200])
    cost2100.write(folder / cost2100.file_name("val"), h[200:])
    return folder


def start(data, workdir, *flags, program=COMMAND, config=None):
    """Starts a training."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop(strategy.CLUSTER, None)
    if config is not None:
        environment[strategy.CLUSTER] = json.dumps(config)
    arguments = ["train", *CONFIG, f"--data_dir={data}", f"--workdir={workdir}"]
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments, "--noprogress", *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(data, workdir, *flags):
    """Starts two workers on this machine; the first one is the chief."""
    places = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            places.append(f"127.0.0.1:{free.getsockname()[1]}")
    return [
        start(
            data,
            workdir,
            "--strategy=multiworker",
            *flags,
            config={
                "cluster": {"worker": places},
                "task": {"type": "worker", "index": index},
            },
        )
        for index in range(2)
    ]


def end(process):
    """Waits for a training that must go well."""
    _, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def alone(tmp_path_factory, data):
    """The run of one process."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    end(start(data, workdir))
    return workdir


def assert_alike(workdir, alone, h):
    """Two runs have alike losses, and their codecs code alike."""
    one, other = (read_log(each) for each in (alone, workdir))
    assert [row["epoch"] for row in other] == [*range(1, EPOCHS + 1)]
    for name in ("train_loss", "val_loss", "train_bits", "val_bits"):
        a, b = ([row[name] for row in rows] for rows in (one, other))
        np.testing.assert_allclose(b, a, rtol=2e-2)
    codecs = [load(each) for each in (alone, workdir)]
    bits = [8 * np.mean([*map(len, codec.compress(h))]) for codec in codecs]
    np.testing.assert_allclose(bits[1], bits[0], rtol=2e-2)


@pytest.mark.slow
def test_two_devices_train_what_one_trains(tmp_path, data, alone, dense, draw_csi):
    flags = ("--strategy=mirrored",)
    end(start(data, tmp_path / "run", *flags, program=TWO_DEVICES))
    assert_alike(tmp_path / "run", alone, draw_csi(50, (32, 32), seed=1))


@pytest.mark.slow
def test_two_workers_train_what_one_trains(tmp_path, data, alone, dense, draw_csi):
    workers = start_workers(data, tmp_path / "run")
    for worker in workers:
        end(worker)
    assert_alike(tmp_path / "run", alone, draw_csi(50, (32, 32), seed=1))
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {path.name for path in alone.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_worker_ends_the_job_and_a_restart_goes_on(
    tmp_path, data, alone, dense, draw_csi, killed
):
    workdir = tmp_path / "run"
    workers = start_workers(data, workdir)
    while not (workdir / "log.csv").exists() or len(read_log(workdir)) < 2:
        assert workers[0].poll() is None, workers[0].communicate()
        time.sleep(0.05)
    workers[killed].send_signal(signal.SIGKILL)
    _, errors = workers[1 - killed].communicate(timeout=600)
    assert workers[1 - killed].returncode == 1
    assert "another worker has ended" in errors and "--resume" in errors
    assert "Traceback" not in errors
    workers[killed].communicate()
    for worker in start_workers(data, workdir, "--resume"):
        end(worker)
    assert_alike(workdir, alone, draw_csi(50, (32, 32), seed=1))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}',
    ],
)
def test_a_cluster_that_is_none_is_refused_with_an_example(monkeypatch, content):
    monkeypatch.setenv(strategy.CLUSTER, content)
    with pytest.raises(ValueError, match='TF_CONFIG is .*"task": {"type": "worker"'):
        strategy.get("multiworker")


def test_an_unknown_strategy_is_refused():
    with pytest.raises(ValueError, match="known: mirrored, multiworker"):
        strategy.get("tpu")
