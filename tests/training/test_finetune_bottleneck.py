"""Fine-tuning gives a run of float codewords a quantiser, a prior and a rate."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics
from tfcsi.training import config as configs
from tfcsi.training import finetune_bottleneck, run


@pytest.fixture(scope="module")
def floats(dense, make_config, h, tmp_path_factory):
    """Folder of a run of float codewords, which starts as the KLT."""
    floats = {"quantizer": "float", "prior": "none", "learning_rate": 1e-5}
    config = make_config(model=dense, epochs=1, **floats)
    folder = tmp_path_factory.mktemp("floats") / "run"
    run.train(config, folder, h[:300], h[300:], progress=False)
    return folder


def tuning(**fields):
    """The fields of the config, for a training of a second."""
    config = configs.read("bottleneck")
    config.update(learning_rate=1e-5)
    with config.unlocked():
        config.update(epochs=1, batch_size=20, prior_warmup_steps=60, lmbda=1e-5)
        config.prior_warmup_learning_rate = 5e-2
        config.update(fields)
    return config


def test_a_run_of_floats_gets_a_rate_and_keeps_what_it_learned(floats, h, tmp_path):
    source = tfcsi.load(floats)
    parts = (h[:300], h[300:])
    finetune_bottleneck.finetune(
        source, tuning(), tmp_path / "a", *parts, progress=False
    )
    codec = tfcsi.load(tmp_path / "a")
    packets = codec.compress(h[300:])
    bits = 8 * np.mean([len(packet) for packet in packets])
    assert bits < 0.5 * 8 * np.mean([len(p) for p in source.compress(h[300:])])
    before, after = (
        metrics.to_db(metrics.nmse(h[300:], c.decompress(c.compress(h[300:]))).mean())
        for c in (source, codec)
    )
    assert before < -6 and after < before + 1
    assert codec.config.network == source.config.network
    assert codec.describe()["epochs_before"] == source.config.epochs
    seconds = source.describe()["train_seconds"]
    assert codec.describe()["train_seconds_before"] == seconds


@pytest.mark.slow
def test_a_quantiser_with_arguments_takes_those_of_the_tuning(floats, h, tmp_path):
    args = {"bits": 4, "mu": 50.0}
    fields = tuning(quantizer="mulaw", prior="histogram", quantizer_args=args)
    parts = (h[:300], h[300:])
    codec = finetune_bottleneck.finetune(
        tfcsi.load(floats), fields, tmp_path / "a", *parts, progress=False
    )
    assert codec.config.quantizer_args.to_dict() == args


def test_a_run_with_fake_quantisation_is_refused(floats, h, tmp_path):
    source = tfcsi.load(floats)
    with source.config.unlocked():
        source.config.qat = configs.section("qat")
    with pytest.raises(ValueError, match="this run has fake quantisation; give the"):
        finetune_bottleneck.finetune(source, tuning(), tmp_path / "a", h, h)
