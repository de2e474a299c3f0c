"""`tfcsi import` makes runs that do what other runs do."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

import tfcsi
from tests.conftest import slow
from tests.weights import torch_files
from tfcsi import metrics, models, transforms
from tfcsi.__main__ import main
from tfcsi.channels import cost2100
from tfcsi.models import exchange

LATENT = 32


def released(name, seed=1, **options):
    """Networks of a model on 32 x 32 and their weights by released names."""
    model = models.get(name)
    release = exchange.release_of(model, {"form": "released", **options})
    networks = [
        build((32, 32), LATENT, **{**release.options, **options})
        for build in (model.encoder, model.decoder)
    ]
    rng = np.random.default_rng(seed)
    for network in networks:
        for weight in network.weights:
            if weight.shape.rank < 2:
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return networks, exchange.weights_of(release, networks)


def command(path, workdir, model="crnet", **flags):
    """The status of an import."""
    words = {"model": model, "latent_dim": LATENT, "weights": path, "workdir": workdir}
    return main(
        ["tfcsi", "import", *(f"--{k}={v}" for k, v in {**words, **flags}.items())]
    )


@pytest.fixture(scope="module")
def h():
    """Complex64 [60, 32, 32] of another seed than the matrices of the run."""
    return cost2100.simulate(60, 5, "indoor")


@pytest.mark.parametrize("row", [False, slow(True)], ids=["zip", "row"])
def test_a_checkpoint_of_pytorch_becomes_a_run_of_its_network(row, h, tmp_path, capsys):
    (encoder, decoder), arrays = released("crnet")
    state = {f"module.{name}": array for name, array in arrays.items()}
    torch_files.save({"epoch": 1, "state_dict": state}, tmp_path / "a.pth.tar", row)
    assert command(tmp_path / "a.pth.tar", tmp_path / "run") == 0
    assert (
        "crnet of a.pth.tar of Kylin9511/CRNet; form=released"
        in capsys.readouterr().out
    )
    codec = tfcsi.load(tmp_path / "run")
    x_hat = decoder(encoder(transforms.to_real(h)))
    h_hat = codec.decompress(codec.compress(h))
    np.testing.assert_allclose(transforms.to_real(h_hat), x_hat, atol=1e-5)
    assert codec.facts == {"weights": "a.pth.tar of Kylin9511/CRNet"}


def test_a_file_of_keras_becomes_a_run_of_its_network(h, tmp_path):
    (encoder, decoder), arrays = released("csinet")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in arrays.items():
            kind, i, part = name.split(".")
            layer = f"{kind}_{int(i) + 3}"
            file[f"{layer}/{layer}/{part}:0"] = array
    assert command(tmp_path / "a.h5", tmp_path / "run", "csinet") == 0
    codec = tfcsi.load(tmp_path / "run")
    assert codec.config.network.form == "released"
    x_hat = decoder(encoder(transforms.to_real(h)))
    np.testing.assert_allclose(
        codec.decoder(codec.analysis(transforms.to_real(h))), x_hat, atol=1e-6
    )


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Folder of a run of CRNet from a .npz file."""
    folder = tmp_path_factory.mktemp("imported")
    _, arrays = released("crnet")
    np.savez(folder / "a.npz", **{f"w/{k}": v for k, v in arrays.items()})
    assert command(folder / "a.npz", folder / "run", scenario="outdoor") == 0
    return folder


def test_a_run_keeps_matrices_of_its_scenario_and_tells_the_command(imported):
    config = json.loads((imported / "run" / "config.json").read_text())
    assert config["scenario"] == "outdoor" and config["quantizer"] == "float"
    kept = np.load(imported / "run" / "calibration.npy")
    h = transforms.to_complex(kept.astype(np.float32))
    expected = cost2100.simulate(50, config["seed"], "outdoor")
    assert metrics.to_db(metrics.nmse(expected, h[:50]).mean()) < -55
    facts = json.loads((imported / "run" / "run.json").read_text())
    assert "versions" in facts


@pytest.mark.slow
def test_a_run_is_quantised_exported_and_sends_like_any_other(imported, h, tmp_path):
    run, quantised = imported / "run", tmp_path / "six"
    words = [f"--workdir={run}", f"--output={quantised}", "--bits=6"]
    assert main(["tfcsi", "quantize", *words]) == 0
    np.save(tmp_path / "h.npy", h)
    files = [f"--input={tmp_path / 'h.npy'}", f"--output={tmp_path / 'h.tcsi'}"]
    assert main(["tfcsi", "compress", f"--workdir={quantised}", *files]) == 0
    assert main(["tfcsi", "export", f"--workdir={quantised}", "--precision=int8"]) == 0
    assert (quantised / "encoder_int8.tflite").exists()
    codec = tfcsi.load(quantised)
    assert 8 * len(codec.compress(h)[0]) < 8 * 40


def test_wrong_weights_are_refused_by_name_and_leave_no_run(imported, tmp_path, capsys):
    assert command(imported / "a.npz", tmp_path / "a", latent_dim=64) == 1
    shown = capsys.readouterr().err
    assert "encoder_fc.weight is [32, 2048] and not [64, 2048]" in shown
    assert "Traceback" not in shown and not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        ({"model": "paths"}, 2, "--model=paths; this codec has no network"),
        ({"model": "crnett"}, 2, "'crnet'"),
        ({"network": "size=3"}, 1, "no field 'network.size'"),
        ({"network": "form=new"}, 1, "form is 'new'"),
        ({"weights": "none.pth"}, 1, "none.pth: no such file"),
        ({"scenario": "quadriga_28ghz"}, 2, "give the folder of its files"),
        ({"scenario": "hall"}, 1, "hall"),
        ({"model": "csinet_plus"}, 1, "holds no weights of csinet_plus"),
    ],
)
def test_what_cannot_be_imported_is_refused(
    flags, status, words, imported, tmp_path, capsys
):
    assert command(imported / "a.npz", tmp_path / "a", **flags) == status
    shown = capsys.readouterr().err
    assert words in shown and "Traceback" not in shown
    assert not (tmp_path / "a").exists()


def test_a_folder_that_holds_a_run_is_refused(imported, capsys):
    assert command(imported / "a.npz", imported / "run") == 1
    assert "already holds a run" in capsys.readouterr().err
