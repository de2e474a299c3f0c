"""What `tfcsi export` writes of the networks is the networks."""

from __future__ import annotations

import importlib.util
import shutil
import sys

import numpy as np
import pytest

import tfcsi
from tfcsi import models, transforms
from tfcsi.__main__ import main
from tfcsi.codecs import neural, published
from tfcsi.coding.tables import Tables
from tfcsi.models import exchange
from tfcsi.training import config as configs

LATENT = 32
needs_onnx = pytest.mark.skipif(
    not importlib.util.find_spec("tf2onnx"), reason="tfcsi[onnx] is not installed"
)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Folder of a run of CsiNet in the released form."""
    folder = tmp_path_factory.mktemp("released") / "run"
    model = models.get("csinet")
    release = model.releases[0]
    networks = [
        build((32, 32), LATENT, **release.options)
        for build in (model.encoder, model.decoder)
    ]
    config = configs.defaults("csinet", rate=False)
    config.latent_dim = LATENT
    arrays = exchange.weights_of(release, networks)
    published.codec_of(config, [arrays], "a.h5", {}).save(folder)
    return folder


def export(run, folder, name):
    """The status of an export."""
    words = [f"--workdir={run}", f"--folder={folder}", f"--format={name}"]
    return main(["tfcsi", "export", *words])


def again(run, weights, workdir, network=""):
    """The codec of an import of exported weights, with the sizes of a run."""
    config = tfcsi.load(run).config
    num_tx, num_delay = config.shape
    words = [f"--model={config.model}", f"--latent_dim={config.latent_dim}"]
    words += [f"--shape={num_tx},{num_delay}", f"--weights={weights}"]
    words += [f"--workdir={workdir}", *([f"--network={network}"] if network else [])]
    assert main(["tfcsi", "import", *words]) == 0
    return tfcsi.load(workdir)


def assert_same(codec, other):
    for one, two in ((codec.encoder, other.encoder), (codec.decoder, other.decoder)):
        for weight, same in zip(one.get_weights(), two.get_weights()):
            np.testing.assert_array_equal(weight, same)


def test_the_weights_of_a_released_network_have_its_names_and_come_back(
    released, tmp_path
):
    assert export(released, tmp_path / "out", "npz") == 0
    path = tmp_path / "out" / "weights.npz"
    with np.load(path) as arrays:
        assert arrays["conv2d.0.kernel"].shape == (3, 3, 2, 2)
    codec = again(released, path, tmp_path / "again")
    assert_same(tfcsi.load(released), codec)


def test_the_weights_of_any_other_network_have_our_names_and_come_back(
    tmp_path,
):
    config = configs.defaults("csinet_plus", rate=False)
    config.update(latent_dim=LATENT, shape=(16, 16), network={"blocks": 1})
    codec = neural.Codec(config)
    codec.use(Tables.from_pmf([[1.0]], 0, np.zeros(0, np.int32)))
    codec.save(tmp_path / "run")
    assert export(tmp_path / "run", tmp_path, "npz") == 0
    weights = tmp_path / "weights.npz"
    other = again(tmp_path / "run", weights, tmp_path / "again", "blocks=1")
    assert_same(codec, other)


def test_without_tf2onnx_an_export_says_what_to_install(
    released, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert export(released, tmp_path, "onnx") == 1
    words = "error: tf2onnx is not installed: pip install 'tfcsi[onnx]'\n"
    assert capsys.readouterr().err.endswith(words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["npz", "onnx"])
def test_flags_of_tflite_files_do_not_go_with_another_format(name, released, capsys):
    words = [f"--workdir={released}", f"--format={name}", "--precision=int8"]
    assert main(["tfcsi", "export", *words]) == 2
    assert f"--precision does not go with --format={name}" in capsys.readouterr().err


@pytest.mark.onnx
@needs_onnx
def test_the_onnx_files_give_the_codewords_and_the_csi_of_keras(released, tmp_path, h):
    import onnx
    from onnx.reference import ReferenceEvaluator

    assert export(released, tmp_path, "onnx") == 0
    codec = tfcsi.load(released)
    x = np.tile(transforms.to_real(h[:3]), (1, 2, 2, 1))
    y = codec.encoder(x).numpy()
    for part, values, expected in (
        ("encoder", {"x": x}, y),
        ("decoder", {"y_hat": y}, codec.decoder(y).numpy()),
    ):
        network = ReferenceEvaluator(onnx.load(tmp_path / f"{part}.onnx"))
        (result,) = network.run(None, values)
        np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.onnx
@needs_onnx
def test_a_run_with_fake_quantisation_is_refused(released, tmp_path, capsys):
    codec = tfcsi.load(released)
    shutil.copytree(released, tmp_path / "run")
    config = codec.config.copy_and_resolve_references()
    with config.unlocked():
        config.qat = configs.section("qat")
    type(codec)(config).save(tmp_path / "run")
    assert export(tmp_path / "run", tmp_path / "out", "onnx") == 1
    assert "this run has fake quantisation" in capsys.readouterr().err
