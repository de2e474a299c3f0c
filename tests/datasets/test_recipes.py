"""The recipes of docs/data.md, run on files as other tools write them."""

import pathlib
import re
import types

import numpy as np
import pytest
import scipy.io

from tfcsi import metrics
from tfcsi.datasets import any_file
from tfcsi.datasets._files import DataError

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "data.md").read_text()
SECTION = PAGE.split("## Recipes for other tools")[1].split("\n## ")[0]


def csi(*shape):
    """Complex128 of a shape, of multiples of 1 / 256, which int16 can hold."""
    parts = np.random.default_rng(0).integers(-999, 1000, (*shape, 2))
    return parts @ [1, 1j] / 256


def write_intel(folder):
    h = csi(7, 3, 2, 30)
    packets = np.empty((7, 1), object)
    for i, matrix in enumerate(h):
        packets[i, 0] = {"csi": matrix, "rssi_a": 30.0}
    scipy.io.savemat(folder / "intel.mat", {"csi_trace": packets})
    return h[:, :, 0], {}


def write_nexmon(folder):
    h = csi(9, 256)
    np.save(folder / "nexmon.npy", h)
    return h[:, None], {}


def write_nexmon_iq(folder):
    h = csi(9, 256) * 256
    parts = np.stack([h.real, h.imag], -1).astype(np.int16)
    parts.tofile(folder / "nexmon.iq")
    return h[:, None], {}


def write_csikit(folder):
    h = csi(7, 64, 2, 3)
    frames = [types.SimpleNamespace(csi_matrix=matrix) for matrix in h]
    data = types.SimpleNamespace(frames=frames)
    return np.swapaxes(h[:, :, 0], 1, 2), {"data": data}


def write_dichasus(folder):
    import tensorflow as tf

    h = csi(6, 32, 40)
    parts = np.stack([h.real, h.imag], -1).astype(np.float32)
    with tf.io.TFRecordWriter(str(folder / "dichasus.tfrecords")) as writer:
        for tensor in parts:
            value = [tf.io.serialize_tensor(tensor).numpy()]
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
            features = tf.train.Features(feature={"csi": feature})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return h, {"tf": tf}


def write_csv(folder):
    h = csi(5, 32, 32)
    parts = np.stack([h.real, h.imag], -1).reshape(5, -1)
    np.savetxt(folder / "table.csv", parts, delimiter=",")
    return h, {}


# Words that begin a recipe, to the writer of its file and the file that it makes.
RECIPES = {
    "**Intel 5300 CSI Tool**": (write_intel, "intel.npy"),
    "**Nexmon**, complex": (write_nexmon, "nexmon.npy"),
    "**Nexmon**, I and Q": (write_nexmon_iq, "nexmon_iq.npy"),
    "**CSIKit**": (write_csikit, "csikit.npy"),
    "**DICHASUS, ESPARGOS**": (write_dichasus, "dichasus.npy"),
    "**CSV**": (write_csv, "table.npy"),
}


def recipe(words):
    """Flags and code of the recipe that begins with some words."""
    (text,) = (
        part for part in re.split(r"\n(?=\*\*)", SECTION) if part.startswith(words)
    )
    flags = dict(re.findall(r"--(axes|rx)=([\w,]+)", text))
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return flags, "".join(code)


def test_each_recipe_of_the_page_is_run_here():
    begun = re.findall(r"^\*\*.*", SECTION, re.MULTILINE)
    assert len(begun) == len(RECIPES)
    assert all(any(line.startswith(words) for words in RECIPES) for line in begun)


@pytest.mark.parametrize("words", RECIPES)
def test_a_recipe_gives_the_csi_that_was_written(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    write, name = RECIPES[words]
    expected, names = write(tmp_path)
    flags, code = recipe(words)
    exec(code, {"np": np, "scipy": scipy, **names})
    rx = int(flags["rx"]) if "rx" in flags else None
    h = any_file.read_csi(tmp_path / name, axes=flags["axes"], rx=rx)
    assert h.shape == expected.shape
    assert metrics.to_db(metrics.nmse(expected, h).max()) < -70


def test_amplitudes_of_csikit_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.abs(csi(9, 64, 2)))
    with pytest.raises(DataError, match="amplitudes without phases are no CSI"):
        any_file.read_csi(tmp_path / "a.npy", axes="n,sc,reim")
