"""The released networks themselves: their weights in our layers give their numbers.

`conftest.py` maps the weights. Every file of the folder is compared end to end, in the
form "released". It takes CSI centred at zero, the released networks CSI in [0, 1].
"""

from __future__ import annotations

import os
import pathlib

import h5py
import numpy as np
import pytest

from tfcsi import datasets, metrics, models, transforms
from tfcsi.models import noise_path

FOLDER = os.environ.get("TFCSI_PEERS_DIR")
DATA = os.environ.get("TFCSI_DATA_DIR")
pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not FOLDER, reason="TFCSI_PEERS_DIR names no folder of vectors"),
]
FILES = (
    *("crnet_cr64", "published_crnet_cr64_indoor", "clnet_cr64", "dcrnet_cr64"),
    *("acrnet_cr64_expansion1", "bcsinet_b3_cr64", "transnet_cr64_batchfirst"),
    *("cllwcsinet_cr4", "cllwcsinet_cr8", "cllwcsinet_cr16", "stnet_cr4"),
    *("crnet_convlatent_cr8", "acrnet_convlatent_cr16"),
)
# File, latent_dim, data set and NMSE on its test file.
CSINET = (
    ("published_csinet_cr64_indoor_channels_last", 32, "cost2100_indoor", -5.906),
    ("published_csinet_cr16_outdoor_channels_last", 128, "cost2100_outdoor", -2.26),
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
    names = {path.stem for path in pathlib.Path(FOLDER).glob("*.[nh]*")}
    assert names == {*FILES, *(case[0] for case in CSINET)}


@pytest.mark.parametrize("file", FILES)
def test_the_released_form_gives_the_released_codeword_and_output(released, file):
    arrays, encoder, decoder = released(file)
    y = encoder(image(arrays["x"]) - 0.5).numpy()
    assert_near(y, codeword(arrays["y"]))
    noise = codeword(arrays["noise"]) if "noise" in arrays else 0
    x = noise_path.under_noise(decoder)(y + noise, y).numpy() + 0.5
    assert_near(x, image(arrays["out"]))


def csinet_released(latent_dim, path):
    """CsiNet with the weights that its authors published.

    Its dense layers read and write images in the order height, width, channel.
    """
    encoder = models.get("csinet").encoder((32, 32), latent_dim, form="released")
    decoder = models.get("csinet").decoder((32, 32), latent_dim, form="released")
    ours = ["conv", *(f"refine{i}_conv{j}" for i in (1, 2) for j in (1, 2, 3)), "out"]
    order = np.arange(2048).reshape(32, 32, 2).transpose(2, 0, 1).ravel()
    with h5py.File(path) as file:

        def weights(kind, i, *parts):
            name = f"{kind}_{i}" if i else kind
            return [file[name][name][f"{part}:0"][()] for part in parts]

        for i, name in enumerate(ours):
            network = decoder if i else encoder
            network.get_layer(name).set_weights(weights("conv2d", i, "kernel", "bias"))
            if name != "out":
                norm = ("gamma", "beta", "moving_mean", "moving_variance")
                norm = weights("batch_normalization", i, *norm)
                network.get_layer(f"{name}_bn").set_weights(norm)
        kernel, bias = weights("dense", 0, "kernel", "bias")
        encoder.get_layer("codeword").set_weights([kernel[order], bias])
        kernel, bias = weights("dense", 1, "kernel", "bias")
        decoder.get_layer("expand").set_weights([kernel[:, order], bias[order]])
    return encoder, decoder


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="TFCSI_DATA_DIR names no folder of COST 2100")
@pytest.mark.parametrize(("file", "latent_dim", "dataset", "nmse_db"), CSINET)
def test_csinet_with_its_published_weights_reaches_what_the_released_code_does(
    file, latent_dim, dataset, nmse_db
):
    encoder, decoder = csinet_released(latent_dim, pathlib.Path(FOLDER) / f"{file}.h5")
    h = datasets.read(dataset, DATA, "test", "angular_delay")
    y = encoder.predict(transforms.to_real(h), batch_size=1000, verbose=0)
    h_hat = transforms.to_complex(decoder.predict(y, batch_size=1000, verbose=0))
    assert metrics.to_db(metrics.nmse(h, h_hat).mean()) == pytest.approx(
        nmse_db, abs=0.006
    )
