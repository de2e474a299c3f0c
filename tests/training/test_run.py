"""Laws of training: it learns, it can be stopped at any moment, it refuses nonsense."""

from __future__ import annotations

import csv
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import LEARNED, slow
from tfcsi import metrics, transforms
from tfcsi.codecs.neural import load
from tfcsi.coding.packets import CRC_BITS
from tfcsi.coding.tables import CODERS
from tfcsi.entropy import priors, quantizers
from tfcsi.training.run import train

ROOT = pathlib.Path(__file__).parents[2]
MULAW = {"quantizer": "mulaw", "quantizer_args": {"bits": 4, "mu": 255.0}}
# All that makes sense: a dither needs a uniform grid, a coder symbols.
NETWORKS = ("scale_hyperprior", "mean_scale_hyperprior", "contexts")
QUICK = ("uniform-factorized-range", "mulaw-histogram-huffman", "float-none-range")
COMBINATIONS = [
    pytest.param(
        *(quantizer, prior, coder),
        marks=[pytest.mark.slow] * (f"{quantizer}-{prior}-{coder}" not in QUICK),
    )
    for quantizer in quantizers.QUANTIZERS
    for prior in priors.PRIORS
    for coder in CODERS
    if (quantizer, prior) != ("mulaw", "universal")
    and (quantizer != "uniform_rates" or prior in NETWORKS)
    and (coder == "range" or prior not in NETWORKS)
    and (quantizer == "float") == (prior == "none")
]

TRAIN = """
import json, sys
import ml_collections
import numpy as np
from tfcsi.training import run

config, workdir, csi = sys.argv[1:]
config = ml_collections.ConfigDict(json.loads(config))
h = np.load(csi)
run.train(config, workdir, h[:300], h[300:], progress=False)
"""


class Interrupted(np.ndarray):
    """CSI whose reader presses Ctrl-C when batch number `stop` is due."""

    batch, stop, read = 0, math.inf, 0

    def __getitem__(self, key):
        if isinstance(key, np.ndarray) and len(key) == self.batch:
            self.read += 1
            if self.read > self.stop:
                raise KeyboardInterrupt
        return super().__getitem__(key)


def run(config, workdir, h, **options):
    """Trains on the first 300 matrices and validates on the others."""
    return train(config, workdir, h[:300], h[300:], progress=False, **options)


def read_log(workdir):
    with open(workdir / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def assert_same_run(one, two):
    """Codecs are the same bit by bit, logs but for the time they took."""
    assert without_seconds(read_log(one)) == without_seconds(read_log(two))
    with np.load(one / "codec.npz") as first, np.load(two / "codec.npz") as second:
        assert sorted(first.files) == sorted(second.files)
        for name in set(first.files) - {"facts"}:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert load(one).session == load(two).session


@pytest.mark.slow
def test_the_loss_falls(make_config, dense, h, tmp_path):
    config = make_config(
        model=dense, init="random", epochs=6, learning_rate=3e-3, lmbda=1e-4
    )
    run(config, tmp_path / "run", h)
    for split in ("train", "val"):
        loss = [float(row[f"{split}_loss"]) for row in read_log(tmp_path / "run")]
        assert loss[-1] < loss[2] < loss[0] and loss[-1] < 0.8 * loss[0]


@pytest.mark.slow
def test_training_improves_on_the_klt_it_starts_from(make_config, h, tmp_path):
    network = {"amplitude": "kept"}
    config = make_config(model="stqenet", init="klt", network=network)
    run(config, tmp_path / "run", h)
    first, last = read_log(tmp_path / "run")
    assert float(last["train_loss"]) < float(first["train_loss"])
    assert float(last["val_loss"]) < float(first["val_loss"])


def test_a_workdir_tells_what_was_run(workdir, make_config):
    rows = read_log(workdir)
    columns = [
        f"{s}_{k}" for s in ("train", "val") for k in ("loss", "nmse_db", "bits")
    ]
    assert list(rows[0]) == ["epoch", *columns, "seconds"]
    assert [int(row["epoch"]) for row in rows] == [*range(1, 1 + LEARNED["epochs"])]
    assert all(math.isfinite(float(value)) for row in rows for value in row.values())
    facts = json.loads((workdir / "run.json").read_text())
    assert facts["seed"] == 1
    assert facts["versions"]["tensorflow"] == tf.__version__
    config = json.loads((workdir / "config.json").read_text())
    assert config == json.loads(json.dumps(make_config(**LEARNED).to_dict()))
    assert not (workdir / "tensorboard").exists()  # Nobody asked for it.
    assert not [path for path in workdir.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.slow
def test_matrices_may_come_anew_for_each_epoch(workdir, make_config, h, tmp_path):
    asked = []

    def same(epoch):
        asked.append(epoch)
        return h[:300]

    train(make_config(**LEARNED), tmp_path / "same", same, h[300:], progress=False)
    assert_same_run(tmp_path / "same", workdir)
    assert asked == sorted(asked) and set(asked) == {*range(LEARNED["epochs"])}


@pytest.mark.slow
def test_a_run_on_fresh_matrices_resumes_to_the_same_bits(
    make_config, dense, draw_csi, h, tmp_path
):
    config, stop = make_config(model=dense, epochs=3), [2]

    def fresh(epoch):
        if epoch in stop:
            raise KeyboardInterrupt
        return draw_csi(60, seed=epoch)

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "stopped", fresh, h[300:], progress=False)
    stop.clear()
    options = {"resume": True, "progress": False}
    for name in ("stopped", "whole"):
        train(config, tmp_path / name, fresh, h[300:], **options)
    assert_same_run(tmp_path / "stopped", tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_bits(workdir, make_config, h, tmp_path):
    config, killed = make_config(**LEARNED), tmp_path / "killed"
    np.save(tmp_path / "h.npy", h)
    arguments = [json.dumps(config.to_dict()), str(killed), str(tmp_path / "h.npy")]
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, *arguments],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
    )
    state = killed / "checkpoints" / "checkpoint"
    while not state.exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(0.1)  # A few steps into the second epoch.
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "codec.npz").exists()
    assert read_log(killed)

    run(config, killed, h, resume=True)
    assert_same_run(killed, workdir)


@pytest.mark.parametrize(
    ("stop", "fields"),
    [
        (5, {}),
        pytest.param(37, {**MULAW, "prior": "histogram"}, marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_continues_to_the_same_bits(
    make_config, dense, h, tmp_path, stop, fields
):
    config = make_config(model=dense, epochs=3, prior_warmup_steps=5, **fields)
    run(config, tmp_path / "whole", h)
    folder, h_train = tmp_path / "stopped", h[:300].view(Interrupted)
    h_train.batch, h_train.stop = config.batch_size, 5 + stop
    with pytest.raises(KeyboardInterrupt):
        train(config, folder, h_train, h[300:], progress=False)
    with pytest.raises(FileNotFoundError, match="training is not finished"):
        load(folder)
    run(config, folder, h, resume=True)
    assert_same_run(folder, tmp_path / "whole")


def test_a_finished_run_is_neither_written_over_nor_changed(
    make_config, dense, h, tmp_path
):
    config, folder = make_config(model=dense, epochs=1), tmp_path / "run"
    run(config, folder, h, resume=True)  # There is none: it starts one.
    before = {path: path.read_bytes() for path in folder.glob("*.*")}
    with pytest.raises(FileExistsError, match="already holds a run.*--resume"):
        run(config, folder, h)
    other = make_config(model=dense, epochs=2, lmbda=1e-2)
    with pytest.raises(
        ValueError, match=r"another config: it differs in epochs, lmbda;"
    ):
        run(other, folder, h, resume=True)
    assert before == {path: path.read_bytes() for path in folder.glob("*.*")}

    shutil.copytree(folder, tmp_path / "copy")
    run(config, folder, h, resume=True)
    assert_same_run(folder, tmp_path / "copy")


def test_a_misspelt_field_in_the_config_of_a_run_is_named_with_the_nearest(
    make_config, dense, tmp_path, h
):
    fields = make_config(model=dense, epochs=1).to_dict()
    fields["lmbd"] = fields.pop("lmbda")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match="no field 'lmbd'; did you mean 'lmbda'") as e:
        run(make_config(model=dense, epochs=1), tmp_path, h, resume=True)
    assert str(e.value).startswith(str(path))


def test_a_checkpoint_of_the_first_loop_is_refused_with_the_remedy(
    make_config, dense, h, tmp_path
):
    config = make_config(model=dense, epochs=1)
    run(config, tmp_path / "run", h)
    folder = tmp_path / "run" / "checkpoints"
    shutil.rmtree(folder)  # The first loop wrote all but the mark.
    state = tf.train.Checkpoint(epoch=tf.Variable(1, dtype=tf.int64))
    tf.train.CheckpointManager(state, folder, 1).save(1)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.*")}
    words = "another training loop, so it cannot be resumed: give another --workdir"
    with pytest.raises(ValueError, match=words):
        run(config, tmp_path / "run", h, resume=True)
    assert all(path.read_bytes() == content for path, content in before.items())
    load(tmp_path / "run")  # It can be used.


def test_the_epoch_that_validation_likes_best_is_kept(
    make_config, dense, draw_csi, tmp_path
):
    few, others = draw_csi(20, (8, 8), seed=1), draw_csi(100, (8, 8), seed=2)
    config = make_config(
        model=dense,
        shape=(8, 8),
        epochs=8,
        learning_rate=1e-2,
        final_rate=1.0,
        augment="none",
        lmbda=1e-4,
    )
    codec = train(config, tmp_path, few, others, progress=False)
    rows = read_log(tmp_path)
    loss = [float(row["val_loss"]) for row in rows]
    best = int(np.argmin(loss))
    assert best < 7 and loss[best] < 0.99 * loss[-1]  # It learns the few by heart.
    h_hat = codec.decompress(codec.compress(others))
    nmse_db = metrics.to_db(metrics.nmse(others, h_hat).mean())
    assert nmse_db == pytest.approx(float(rows[best]["val_nmse_db"]), abs=1e-3)
    assert codec.facts["best_epoch"] == best + 1


@pytest.mark.parametrize(("quantizer", "prior", "coder"), COMBINATIONS)
def test_real_payloads_are_as_long_as_validation_promised(
    make_config, dense, h, tmp_path, quantizer, prior, coder
):
    fields = MULAW if quantizer == "mulaw" else {"quantizer": quantizer}
    config = make_config(
        model=dense,
        epochs=1,
        prior=prior,
        coder=coder,
        prior_warmup_steps=150,
        **fields,
    )
    codec = run(config, tmp_path, h)
    promised = float(read_log(tmp_path)[0]["val_bits"])
    real = 8 * np.mean([len(packet) for packet in codec.compress(h[300:])]) - CRC_BITS
    print(f"{quantizer} {prior} {coder}: promised {promised:.1f}, real {real:.1f}")
    if prior in ("factorized", "universal") and coder == "huffman":
        # The promise is for ideal code words; those of whole bits are longer.
        assert promised - 8 < real < 1.15 * promised + 8
    else:
        assert abs(real - promised) <= 0.01 * promised + 8
    symbols, _ = codec.symbols(h[300:])
    np.testing.assert_array_equal(codec.receive(codec.compress(h[300:]))[0], symbols)


def test_the_loss_is_distortion_and_lmbda_times_bits(
    workdir, codec, make_config, dense, h, tmp_path
):
    sse = make_config(model=dense, epochs=1, distortion="sse")
    for each, folder in ((codec, workdir), (run(sse, tmp_path, h), tmp_path)):
        row = read_log(folder)[each.facts["best_epoch"] - 1]
        error = np.abs(h[300:] - each.decompress(each.compress(h[300:]))) ** 2
        error = error.sum((1, 2))
        if each.config.distortion == "nmse":
            error /= np.sum(np.abs(h[300:]) ** 2, (1, 2))
        expected = error.mean() + each.config.lmbda * float(row["val_bits"])
        assert float(row["val_loss"]) == pytest.approx(expected, rel=1e-3)


# With 20 it is seen in training, with 300 in validation.
@pytest.mark.parametrize("batch_size", [20, slow(300)])
def test_a_loss_that_is_not_finite_stops_the_run(
    make_config, dense, h, tmp_path, batch_size
):
    config = make_config(
        model=dense, learning_rate=1e30, epochs=1, batch_size=batch_size
    )
    words = r"not finite at step \d+, (batch \d+|in validation); lower learning_rate"
    with pytest.raises(FloatingPointError, match=words):
        run(config, tmp_path, h)
    assert not (tmp_path / "codec.npz").exists()


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda h: h * np.where(np.arange(len(h)) == 7, np.nan, 1)[:, None, None],
            "NaN",
        ),
        (lambda h: 2 * h, r"max \|h\| = 1; networks are trained on max \|h\| = 0.5"),
        (lambda h: h[:, :8], r"this codec takes complex \[n, 16, 16\]"),
        (lambda h: transforms.to_real(h), r"this codec takes complex \[n, 16, 16\]"),
        (lambda h: h[:0], "matrices; at least batch_size = 20 and 1 are needed"),
    ],
)
def test_csi_that_no_codec_takes_is_refused_at_once(
    make_config, dense, h, tmp_path, part, spoil, words
):
    sets = [h[:300], h[300:]]
    sets[part == "val"] = spoil(sets[part == "val"])
    with pytest.raises(ValueError, match=words):
        train(make_config(model=dense), tmp_path, *sets, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"distortion": "mae"}, "distortion is 'mae'; it must be one of"),
        ({"augment": "noise"}, "augment is 'noise'; it must be one of"),
        ({"init": "best"}, "init is 'best'; it must be one of"),
        ({"epochs": 0}, "epochs is 0; it must be positive"),
        ({"batch_size": 0}, "batch_size is 0; it must be positive"),
        ({"learning_rate": -1e-3}, "learning_rate is -0.001; it must be positive"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0; it must be positive"),
        ({"lmbda": float("nan")}, "lmbda is nan; it must be positive"),
        ({"batch_size": 301}, "300 training and 100 validation matrices; at least"),
        ({"model": "csenet"}, "model is 'csenet'; did you mean 'csinet'"),
        ({"quantizer": "vector"}, "quantizer is 'vector'; known quantizers"),
        ({"prior": "flat"}, "prior is 'flat'; it must be one of"),
        ({"prior": "universal", **MULAW}, "prior 'universal' dithers a uniform grid"),
        ({"rounding": "noise", **MULAW}, "'noise' is for quantizer 'uniform'"),
        ({"prior": "contexts", "coder": "huffman"}, "takes coder 'range'"),
        ({"prior": "contexts", "prior_args": {"group": 2}}, "did you mean 'groups'"),
        ({"rounding": "hard"}, "rounding is 'hard'; it must be one of"),
        ({"coder": "arithmetic"}, "coder is 'arithmetic'; it must be one of"),
    ],
)
def test_config_fields_out_of_range_are_refused_and_claim_no_workdir(
    make_config, dense, h, tmp_path, fields, words
):
    config = make_config(**{"model": dense, **fields})
    with pytest.raises(ValueError, match=words):
        run(config, tmp_path, h)
    assert not list(tmp_path.iterdir())
