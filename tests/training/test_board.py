"""Summaries for TensorBoard: what they hold, and that they change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.__main__ import main
from tfcsi.training.board import BOARD_FOLDER, pictures_of
from tfcsi.training.log import read_log
from tfcsi.training.run import train


@pytest.fixture(scope="module")
def trained(make_config, dense, h, tmp_path_factory):
    """The function (name, tensorboard) -> folder of the same training."""
    folder = tmp_path_factory.mktemp("board")
    config = make_config(model=dense, prior_warmup_steps=5)

    def train_once(name, tensorboard):
        parts = (h[:100], h[300:320])
        options = {"progress": False, "tensorboard": tensorboard}
        train(config, folder / name, *parts, **options)
        return folder / name

    return train_once


@pytest.fixture(scope="module")
def workdir(trained):
    """Folder of a training with summaries."""
    return trained("with", True)


def summaries(workdir):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(workdir / BOARD_FOLDER), size_guidance={"tensors": 0})
    return events.Reload()


@pytest.mark.slow
def test_summaries_change_nothing_in_the_training(workdir, trained):
    rows, others = (read_log(each) for each in (workdir, trained("without", False)))
    for row, other in zip(rows, others):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}


def test_every_epoch_has_curves_histograms_and_images(workdir):
    events = summaries(workdir)
    tags = set(events.Tags()["tensors"])
    assert tags > {"codeword", "symbols", "true, decoded, error", "val_nmse_db"}
    for tag in tags:
        assert [event.step for event in events.Tensors(tag)] == [1, 2]
    from tensorboard.util.tensor_util import make_ndarray

    shown = [float(make_ndarray(e.tensor_proto)) for e in events.Tensors("val_nmse_db")]
    logged = [row["val_nmse_db"] for row in read_log(workdir)]
    np.testing.assert_allclose(shown, logged, rtol=1e-6)


def test_a_codec_without_epochs_has_no_summaries(tmp_path, capsys):
    words = ["--config=classical:klt", "--data_dir=none", f"--workdir={tmp_path}"]
    assert main(["tfcsi", "train", *words, "--tensorboard"]) == 2
    assert "the codec klt has no epochs" in capsys.readouterr().err


def test_a_picture_is_truth_reconstruction_and_error_on_one_scale(h):
    h_hat = 0.5 * h[:2]
    picture = pictures_of(h[:2], h_hat)
    assert picture.shape == (2, 6 * 16, 6 * (3 * 16 + 2), 1)
    truth, back, error = (
        picture[:, ::6, 6 * k : 6 * (k + 16) : 6, 0] for k in (0, 17, 34)
    )
    np.testing.assert_allclose(truth, np.abs(h[:2]) / 0.5, rtol=1e-5)
    np.testing.assert_allclose(back, truth / 2, rtol=1e-5)
    np.testing.assert_allclose(error, truth / 2, rtol=1e-5)
