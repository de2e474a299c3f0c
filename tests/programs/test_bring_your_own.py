"""The data set, the model and the codec of examples/bring_your_own work like ours.

They are found as an installed package is: by a folder of metadata on the path.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from tfcsi import plugins
from tfcsi.channels import cost2100

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "bring_your_own"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a process in which the example is installed."""
    site = tmp_path_factory.mktemp("site")
    metadata = site / "tfcsi_bring_your_own-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: tfcsi-bring-your-own\nVersion: 0.1.0\n")
    text = (EXAMPLE / "pyproject.toml").read_text()
    groups = re.findall(
        r'\[project\.entry-points\."(.+)"\]\n(.+) = "(.+)"', text, re.MULTILINE
    )
    lines = [f"[{group}]\n{name} = {module}\n" for group, name, module in groups]
    assert len(lines) == 3
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    path = os.pathsep.join(map(str, (ROOT, EXAMPLE, site)))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folder with `own/hall_{split}.npy`, and `h.npy`."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "own").mkdir()
    h = cost2100.simulate(160, 3, "indoor")
    for split, part in zip(("train", "val", "test"), np.split(h, [100, 120])):
        np.save(folder / "own" / f"hall_{split}.npy", part)
    np.save(folder / "h.npy", h[-3:])
    return folder


def tfcsi(installed, folder, *words):
    done = subprocess.run(
        [sys.executable, "-m", "tfcsi", *words],
        env=installed,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_codec_of_another_package_trains_on_its_data_set_and_sends(installed, data):
    train = ["train", "--config=classical:own_taps", "--workdir=run"]
    source = ["--data_root=.", "--sources=own_hall"]
    assert "own_taps fitted to 100" in tfcsi(installed, data, *train, *source)
    shown = tfcsi(installed, data, "evaluate", "--codec=run", "--data_dir=own")
    assert "own_taps" in shown
    files = ["--input=h.npy", "--output=h.tcsi"]
    tfcsi(installed, data, "compress", "--codec=run", *files)
    files = ["--input=h.tcsi", "--output=h_hat.npy"]
    tfcsi(installed, data, "decompress", "--codec=run", *files)
    h, h_hat = np.load(data / "h.npy"), np.load(data / "h_hat.npy")
    assert np.mean(np.abs(h - h_hat) ** 2) < 0.1 * np.mean(np.abs(h) ** 2)


@pytest.mark.slow
def test_a_model_of_another_package_trains_and_sends(installed, data):
    train = ["train", "--config=autoencoder:own_linear", "--workdir=network"]
    train += ["--data_root=.", "--sources=own_hall", "--config.epochs=1"]
    train += ["--config.latent_dim=32", "--config.batch_size=20", "--noprogress"]
    train += ["--config.network.bias=False"]
    assert "epoch " in tfcsi(installed, data, *train)
    shown = tfcsi(installed, data, "evaluate", "--codec=network", "--data_dir=own")
    assert re.search(r"\nown_linear +-?\d", shown)


def test_an_entry_point_with_a_name_of_ours_is_left_out_with_a_warning(
    tmp_path, monkeypatch
):
    folder = tmp_path / "other-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: other\nVersion: 1.0\n")
    lines = "[tfcsi.codecs]\nklt = other\nnew = other.module:thing\n"
    (folder / "entry_points.txt").write_text(lines)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UserWarning, match="'klt' of tfcsi.codecs, module other, has"):
        assert plugins.modules(plugins.CODECS, ["klt"]) == {"new": "other.module"}
