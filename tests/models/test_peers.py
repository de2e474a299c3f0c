"""The released networks themselves: their weights in our layers give their numbers.

TFCSI_PEERS_DIR names a folder of vectors that the released code made: for each network
an input x in [0, 1], the codeword y, the output and all weights, by their names there.
Every file is compared end to end. Ours take CSI centred at zero.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

from tfcsi import models, results
from tfcsi.__main__ import main
from tfcsi.models import exchange, noise_path
from tfcsi.weights import reading

FOLDER = os.environ.get("TFCSI_PEERS_DIR")
DATA = os.environ.get("TFCSI_DATA_DIR")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not FOLDER, reason="TFCSI_PEERS_DIR names no folder of vectors"),
]
# File without suffix to the model and the length of the codeword.
FILES = {
    "acrnet_convlatent_cr16": ("acrnet", 128),
    "acrnet_cr64_expansion1": ("acrnet", 32),
    "bcsinet_b3_cr64": ("bcsinet", 32),
    "cllwcsinet_cr16": ("cllwcsinet", 128),
    "cllwcsinet_cr4": ("cllwcsinet", 512),
    "cllwcsinet_cr8": ("cllwcsinet", 256),
    "clnet_cr64": ("clnet", 32),
    "crnet_convlatent_cr8": ("crnet", 256),
    "crnet_cr64": ("crnet", 32),
    "dcrnet_cr64": ("dcrnet", 32),
    "published_crnet_cr64_indoor": ("crnet", 32),
    "stnet_cr4": ("stnet", 512),
    "transnet_cr64_batchfirst": ("transnet", 32),
}
# Published weights: file, model, length of the codeword, scenario, NMSE of its test
# file by the released code.
PUBLISHED = (
    ("published_crnet_cr64_indoor.npz", "crnet", 32, "indoor", -5.92),
    ("published_csinet_cr64_indoor_channels_last.h5", "csinet", 32, "indoor", -5.91),
    ("published_csinet_cr16_outdoor_channels_last.h5", "csinet", 128, "outdoor", -2.26),
)


def image(x):
    """Released [n, 2, num_tx, num_delay] to ours, [n, num_tx, num_delay, 2]."""
    return np.moveaxis(x, 1, -1)


def codeword(y):
    """Released [n, code, 1, num_delay], [n, latent, 1] or [n, latent] to ours."""
    return (image(y) if y.ndim == 4 else y).reshape(len(y), -1)


def assert_near(ours, released):
    assert ours.shape == released.shape
    np.testing.assert_allclose(ours, released, atol=1e-4, rtol=0)


def test_every_file_of_the_folder_is_compared():
    names = {path.name for path in pathlib.Path(FOLDER).glob("*.[nh]*")}
    assert names == {*(f"{n}.npz" for n in FILES), *(case[0] for case in PUBLISHED)}


@pytest.mark.parametrize("file", FILES)
def test_the_released_form_gives_the_released_codeword_and_output(file):
    name, latent_dim = FILES[file]
    model, path = models.get(name), pathlib.Path(FOLDER) / f"{file}.npz"
    release, weights = exchange.match(model, [reading.read(path)], file)
    options = release.options_of(weights)
    if name == "cllwcsinet":  # The vectors have the clean codeword in one branch.
        options["noise_path"] = "released"
    networks = [
        build((32, 32), latent_dim, **options)
        for build in (model.encoder, model.decoder)
    ]
    exchange.fill(release, networks, weights, file)
    encoder, decoder = networks
    with np.load(path) as arrays:
        y = encoder(image(arrays["x"]) - 0.5).numpy()
        assert_near(y, codeword(arrays["y"]))
        noise = codeword(arrays["noise"]) if "noise" in arrays else 0
        x = noise_path.under_noise(decoder)(y + noise, y).numpy() + 0.5
        assert_near(x, image(arrays["out"]))


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="TFCSI_DATA_DIR names no folder of COST 2100")
@pytest.mark.parametrize(("file", "model", "latent_dim", "scenario", "nmse"), PUBLISHED)
def test_an_import_of_published_weights_reaches_what_the_released_code_does(
    file, model, latent_dim, scenario, nmse, tmp_path
):
    words = [f"--model={model}", f"--latent_dim={latent_dim}", f"--scenario={scenario}"]
    words += [f"--weights={pathlib.Path(FOLDER) / file}", f"--workdir={tmp_path / 'a'}"]
    assert main(["tfcsi", "import", *words]) == 0
    words = [f"--workdir={tmp_path / 'a'}", f"--data_dir={DATA}"]
    words += [f"--output={tmp_path / 'a.json'}"]
    assert main(["tfcsi", "evaluate", *words]) == 0
    (point,) = results.read(tmp_path / "a.json")["points"]
    assert point["nmse_db"] == pytest.approx(nmse, abs=0.0051)
