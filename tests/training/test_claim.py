"""A folder is taken by a run as soon as there is something to keep, and not before."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tfcsi import load
from tfcsi.codecs.workdir import holds_run
from tfcsi.training import pair, run


def train(config, workdir, h, **options):
    return run.train(config, workdir, h[:60], h[300:320], progress=False, **options)


@pytest.fixture
def failing(monkeypatch):
    """Trainings end in their first epoch."""

    def stop(*arguments):
        raise FloatingPointError("the loss is nan at step 2")

    with monkeypatch.context() as patch:
        patch.setattr(pair.Pair, "train_epoch", stop)
        yield patch


@pytest.mark.slow
@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_failed_at_once_does_not_block_its_folder(
    make_config, dense, h, tmp_path, failing, resume
):
    config, folder = make_config(model=dense, epochs=1), tmp_path / "run"
    with pytest.raises(FloatingPointError):
        train(config, folder, h)
    assert (folder / "config.json").exists() and not holds_run(folder)
    failing.undo()
    other = make_config(model=dense, epochs=1, lmbda=2e-3)
    codec = train(other, folder, h, resume=resume)
    assert holds_run(folder) and load(folder).session == codec.session
    assert json.loads((folder / "config.json").read_text())["lmbda"] == 2e-3
    with pytest.raises(FileExistsError, match="to start again, delete the folder"):
        train(other, folder, h)


def test_a_run_that_failed_after_an_epoch_is_kept(
    make_config, dense, h, tmp_path, monkeypatch
):
    config, folder = make_config(model=dense, epochs=3), tmp_path / "run"
    whole = pair.Pair.train_epoch

    def once(self, *arguments):
        if int(self.epoch):
            raise FloatingPointError
        return whole(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pair.Pair, "train_epoch", once)
        with pytest.raises(FloatingPointError):
            train(config, folder, h)
    assert holds_run(folder) and not (folder / "codec.npz").exists()
    with pytest.raises(FileExistsError, match="already holds a run"):
        train(config, folder, h)
    other = make_config(model=dense, epochs=3, lmbda=2e-3)
    with pytest.raises(ValueError, match=r"another config: it differs in lmbda;"):
        train(other, folder, h, resume=True)
    train(config, folder, h, resume=True)
    assert np.isfinite(load(folder).decompress(load(folder).compress(h[:2]))).all()


def test_a_config_of_another_origin_is_not_replaced(make_config, dense, h, tmp_path):
    (tmp_path / "config.json").write_text('{"mine": 1}')
    with pytest.raises(FileExistsError, match="already holds a run"):
        train(make_config(model=dense), tmp_path, h)
    assert (tmp_path / "config.json").read_text() == '{"mine": 1}'
