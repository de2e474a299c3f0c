"""The training of the codec `learned`: it learns, resumes, and starts from others."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfcsi
from tests.codecs.learned_weights import arrays
from tfcsi.__main__ import main
from tfcsi.codecs.learned import Learned
from tfcsi.training import config as configs
from tfcsi.training import fit, tokens
from tfcsi.training.augment import shift_angles
from tfcsi.training.log import read_log

SMALL = (
    *("network.ue_width=(8,8)", "network.ue_blocks=(1,1)", "network.width=(16,8)"),
    *("network.blocks=(1,1)", "network.rates=3", "network.octaves=3"),
    *("network.rate=1", "network.settled=0.4", "network.average=0.9"),
    *("epochs=3", "batch_size=20", "learning_rate=3e-3", "prior_learning_rate=1e-2"),
)


@pytest.fixture(scope="module")
def matrices(draw_csi):
    """Complex64 [160, 8, 8]; the first 120 train."""
    return draw_csi(160, (8, 8))


def train(workdir, h, *changes, **keywords):
    config = configs.read("learned_indoor", [*SMALL, *changes])
    keywords = {"progress": False, **keywords}
    return fit.train(config, workdir, h[:120], h[120:], **keywords)


@pytest.fixture(scope="module")
def run(matrices, tmp_path_factory):
    """A codec and the folder of its training."""
    folder = tmp_path_factory.mktemp("run")
    return train(folder / "a", matrices), folder / "a"


@pytest.mark.slow
def test_a_training_lowers_the_loss_and_its_codec_is_loaded(run, matrices):
    codec, folder = run
    rows = read_log(folder)
    assert rows[-1]["val_loss"] < 0.9 * rows[0]["val_loss"]
    again = tfcsi.load(folder)
    packets = codec.compress(matrices[120:])
    assert again.compress(matrices[120:]) == packets
    np.testing.assert_array_equal(again.decompress(packets), codec.decompress(packets))
    assert again.facts["best_epoch"] == 3 and again.facts["training"]["epochs"] == 3
    assert again.config["network"]["rates"] == 3 == len(again.steps)


@pytest.mark.slow
def test_a_stopped_training_continues_to_the_same_codec(run, matrices, tmp_path):
    def until_the_second(epoch):
        if epoch == 1 and not resumed:
            raise KeyboardInterrupt
        return matrices[:120]

    config, resumed = configs.read("learned_indoor", SMALL), False
    rest = (tmp_path / "b", until_the_second, matrices[120:])
    with pytest.raises(KeyboardInterrupt):
        fit.train(config, *rest, progress=False)
    resumed = True
    codec = fit.train(config, *rest, resume=True, progress=False)
    assert codec.session == run[0].session
    again = fit.train(config, *rest, resume=True, progress=False)  # It is finished.
    assert again.session == codec.session


@pytest.fixture(scope="module")
def source(matrices, tmp_path_factory):
    """A codec that was trained elsewhere, and its folder."""
    folder = tmp_path_factory.mktemp("source")
    np.savez(folder / "weights.npz", **arrays())
    codec = Learned.trained(folder / "weights.npz", matrices[:120], rate=1)
    codec.save(folder / "codec")
    return codec, folder / "codec"


@pytest.mark.slow
def test_a_training_starts_from_a_codec(source, matrices, tmp_path):
    source, folder = source
    rates = ("learning_rate=1e-9", "prior_learning_rate=1e-9", "epochs=1")
    codec = train(tmp_path / "tuned", matrices, f"network.start={folder}", *rates)
    assert codec.weights.keys() == source.weights.keys()
    for name, weight in source.weights.items():
        np.testing.assert_allclose(codec.weights[name], weight, atol=1e-3, err_msg=name)
    for name, array in source.contexts.arrays.items():
        np.testing.assert_array_equal(codec.contexts.arrays[name], array, name)
    _, symbols = codec.symbols(matrices[:40], np.arange(40) % 3)
    _, expected = source.symbols(matrices[:40], np.arange(40) % 3)
    assert np.mean(symbols != expected) < 0.01


@pytest.mark.slow
def test_a_training_betters_the_codec_it_starts_from(source, matrices, tmp_path):
    train(tmp_path / "run", matrices, f"network.start={source[1]}", "epochs=8")
    assert read_log(tmp_path / "run")[-1]["val_loss"] < 0.8  # Of that of the source.


@pytest.mark.slow
def test_bfloat16_learns_as_well_as_float32(run, matrices, tmp_path):
    if not tokens.has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    train(tmp_path / "b", matrices, "network.precision=bfloat16")
    losses = [read_log(f)[-1]["val_loss"] for f in (run[1], tmp_path / "b")]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1] != losses[0]
    assert tf.keras.mixed_precision.global_policy().name == "float32"


def test_bfloat16_is_refused_by_name_where_no_kernel_has_it(monkeypatch):
    def conv2d(*args):
        raise tf.errors.AbortedError(None, None, "could not create a primitive")

    monkeypatch.setattr(tf.nn, "conv2d", conv2d)
    with (
        pytest.raises(ValueError, match="a processor with AVX512; this machine trains"),
        tokens.precision("bfloat16"),
    ):
        pass


def test_a_shift_of_whole_bins_is_a_roll(matrices):
    x = np.stack([matrices.real, matrices.imag], -1)[:4]
    moved = shift_angles(x, 0.5, [1, 2]).numpy()
    energy = np.square(moved).sum((1, 2, 3))
    np.testing.assert_allclose(energy, np.square(x).sum((1, 2, 3)), rtol=1e-4)
    assert 0.01 < np.abs(moved - x).max()
    # Shifts are drawn uniformly in -reach ... reach, here those of one seed.
    move = tf.random.stateless_uniform([4, 1, 1], [1, 2], -1.0, 1.0).numpy().ravel()
    whole = shift_angles(x[:1], float(1 / abs(move[0])), [1, 2]).numpy()
    rolled = np.roll(x[:1], int(np.sign(move[0])), axis=1)
    np.testing.assert_allclose(whole, rolled, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("network.start=paths", "network.start is paths, the codec 'paths'"),
        ("network.start=learned_cost2100_indoor", r"a codec of \(32, 32\) matrices"),
        ("network.precision=int8", "network.precision is 'int8'; it must be one of"),
    ],
)
def test_what_cannot_be_trained_is_refused(matrices, tmp_path, change, words):
    with pytest.raises(ValueError, match=words):
        train(tmp_path / "run", matrices, change)


def test_a_field_that_the_training_does_not_use_is_refused(tmp_path, capsys):
    words = [
        "--config=learned_indoor",
        f"--workdir={tmp_path}",
        f"--data_dir={tmp_path}",
    ]
    assert main(["tfcsi", "train", *words, "--config.lmbda=1e-3"]) != 0
    assert "the codec learned has no such part" in capsys.readouterr().err
