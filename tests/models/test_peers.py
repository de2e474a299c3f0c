"""The released networks themselves: their weights in our layers give their numbers.

`conftest.py` maps the weights. Ours are the released networks between `scale_in`, which
takes CSI centred at zero and scales it, and the bound of `scale_out`. So the layers
between are compared, fed with the released x in [0, 1]; each known difference is a test
that is expected to fail, beside one that shows it is the only one.
"""

from __future__ import annotations

import os
import pathlib

import h5py
import numpy as np
import pytest
import tensorflow as tf

from tfcsi import datasets, metrics, models, transforms
from tfcsi.models import noise_path
from tfcsi.models.blocks import GAIN
from tfcsi.models.dcrnet import channel_shuffle

FOLDER = os.environ.get("TFCSI_PEERS_DIR")
DATA = os.environ.get("TFCSI_DATA_DIR")
SLOPE = 0.3  # Of a LeakyReLU.
pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(not FOLDER, reason="TFCSI_PEERS_DIR names no folder of vectors"),
]
# The released CLLWCsiNet of CR 16 also clamps its codeword to [0, 1]; these vectors are
# of the network in the paper, which does not.
PLAIN = (
    *("crnet_cr64", "published_crnet_cr64_indoor", "clnet_cr64"),
    *("acrnet_cr64_expansion1", "bcsinet_b3_cr64"),
    *("cllwcsinet_cr4", "cllwcsinet_cr8", "cllwcsinet_cr16"),
)
LINES = ("crnet_convlatent_cr8", "acrnet_convlatent_cr16")
NO_LEAKY = "latent='conv' lacks the LeakyReLU behind either 1 x 7 convolution"
SHUFFLE = "the release has no second channel shuffle in path 1; a repeated key drops it"
EPSILON = "the release normalises the summary of the attention with epsilon 1e-5"
BORDER = "the release pads the border with x = 0, CSI centred at zero with x = 0.5"


def known(file, reason):
    """A case that fails as long as a known difference stands."""
    mark = pytest.mark.xfail(raises=AssertionError, strict=True, reason=reason)
    return pytest.param(file, marks=mark)


def image(x):
    """Released [n, 2, num_tx, num_delay] to ours, [n, num_tx, num_delay, 2]."""
    return np.moveaxis(x, 1, -1)


def codeword(y):
    """Released [n, code, 1, num_delay], [n, latent, 1] or [n, latent] to ours."""
    return (image(y) if y.ndim == 4 else y).reshape(len(y), -1)


def leaky(x):
    """The activation of nearly all of the field."""
    return np.where(x > 0, x, SLOPE * x)


def inner(encoder):
    """The encoder without the scaling of its input."""
    scale = "scale_in" if encoder.layers[1].name == "scale_in" else "scale"
    return tf.keras.Model(encoder.get_layer(scale).output, encoder.output)


def unbounded(decoder):
    """The decoder without the bound and the scaling of its output."""
    last = {layer.name: layer for layer in decoder.layers}
    last = next(last[n] for n in ("gain", "sigmoid", "scale_out") if n in last)
    return tf.keras.Model(decoder.input, last.input)


def bounded(file, x):
    """The output of the released network, [0, 1], of what it bounds."""
    if file.startswith("transnet"):
        return x
    if file.startswith("clnet"):
        return np.clip(x + 3, 0, 6) / 6
    return tf.sigmoid(x).numpy()


def assert_near(ours, released):
    assert ours.shape == released.shape
    np.testing.assert_allclose(ours, released, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "file",
    [
        *(*PLAIN, "dcrnet_cr64", "transnet_cr64_batchfirst"),
        *(known("stnet_cr4", EPSILON), *(known(file, NO_LEAKY) for file in LINES)),
    ],
)
def test_the_layers_of_the_encoder_give_the_released_codeword(released, file):
    arrays, encoder, _ = released(file)
    y = inner(encoder).predict(image(arrays["x"]), verbose=0)
    assert_near(y, codeword(arrays["y"]))


@pytest.mark.parametrize(
    "file",
    [
        *(*PLAIN, "transnet_cr64_batchfirst", known("dcrnet_cr64", SHUFFLE)),
        *(known("stnet_cr4", EPSILON), *(known(file, NO_LEAKY) for file in LINES)),
    ],
)
def test_the_layers_of_the_decoder_give_the_released_output(released, file):
    arrays, _, decoder = released(file)
    y = codeword(arrays["y"])
    noise = codeword(arrays["noise"]) if "noise" in arrays else 0
    x = noise_path.under_noise(unbounded(decoder))(y + noise, y)
    assert_near(bounded(file, x), image(arrays["out"]))


@pytest.mark.parametrize("file", LINES)
def test_a_convolutional_latent_lacks_its_two_activations_and_nothing_else(
    released, file
):
    arrays, encoder, decoder = released(file)
    y = inner(encoder).predict(image(arrays["x"]), verbose=0)
    assert_near(leaky(y), codeword(arrays["y"]))
    line = decoder.get_layer("expand_bn").output
    expand = tf.keras.Model(decoder.input, line)
    rest = tf.keras.Model(line, unbounded(decoder).output)
    x = rest(leaky(expand(codeword(arrays["y"]))))
    assert_near(bounded(file, x), image(arrays["out"]))


def test_dcrnet_has_one_shuffle_too_many_in_path_1_and_nothing_else(released):
    arrays, _, decoder = released("dcrnet_cr64")
    order = channel_shuffle(tf.reshape(tf.range(8), (1, 1, 1, 8)), 4).numpy().ravel()
    for block in ("block0", "block1"):  # What follows takes the channels as shuffled.
        act, last = (decoder.get_layer(f"{block}_path1_{n}") for n in ("act", "last"))
        act.set_weights([act.get_weights()[0][..., order]])
        last.set_weights([last.get_weights()[0][:, :, order]])
    x = unbounded(decoder)(codeword(arrays["y"]))
    assert_near(bounded("dcrnet", x), image(arrays["out"]))


def test_stnet_has_another_epsilon_in_one_norm_and_no_other_difference(released):
    arrays, encoder, decoder = released("stnet_cr4")
    for network in (encoder, decoder):
        network.get_layer("stb_summary_norm").epsilon = 1e-5
    # Its first layer undoes the centring of CSI, so that the border is padded alike.
    assert_near(encoder(image(arrays["x"]) - 0.5), codeword(arrays["y"]))
    assert_near(decoder(codeword(arrays["y"])) + 0.5, image(arrays["out"]))


def whole(encoder):
    """Makes an encoder take centred CSI: its first convolutions undo the scaling."""
    scaled = encoder.get_layer("scale_in").output
    for layer in encoder.layers[2:]:
        if layer.input is scaled:
            kernel, *bias = layer.get_weights()
            layer.set_weights([kernel / GAIN, *bias])
            norm = encoder.get_layer(f"{layer.name}_bn")
            gamma, beta, mean, variance = norm.get_weights()
            mean = mean - 0.5 * kernel.sum((0, 1, 2))
            norm.set_weights([gamma, beta, mean, variance])
    return encoder


@pytest.mark.parametrize(
    "file", [known(file, BORDER) for file in (*PLAIN, "dcrnet_cr64")]
)
def test_the_whole_encoder_gives_the_released_codeword(released, file):
    arrays, encoder, _ = released(file)
    y = whole(encoder)(image(arrays["x"]) - 0.5)
    assert_near(y.numpy(), codeword(arrays["y"]))


@pytest.mark.parametrize("file", [*PLAIN, "dcrnet_cr64"])
def test_away_from_the_border_the_whole_encoder_sees_what_the_released_one_sees(
    released, file
):
    arrays, encoder, _ = released(file)
    x = image(arrays["x"])
    maps = (
        tf.transpose(encoder.get_layer("merge_bn").output, (0, 3, 1, 2))
        if file.startswith("cllwcsinet")
        else encoder.get_layer("flatten").input
    )
    expected = tf.keras.Model(encoder.get_layer("scale_in").output, maps)(x)
    ours = tf.keras.Model(encoder.input, maps)
    whole(encoder)
    middle = (..., slice(12, 20), slice(12, 20))  # Farther in than any kernels reach.
    assert_near(ours(x - 0.5).numpy()[middle], expected.numpy()[middle])


def csinet_released(latent_dim, path):
    """CsiNet with the weights that its authors published, without its bound.

    Its dense layers read and write images in the order height, width, channel.
    """
    encoder = models.get("csinet").encoder((32, 32), latent_dim)
    decoder = models.get("csinet").decoder((32, 32), latent_dim)
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
    return inner(encoder), unbounded(decoder)


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="TFCSI_DATA_DIR names no folder of COST 2100")
@pytest.mark.parametrize(
    ("file", "latent_dim", "dataset", "nmse_db"),
    [
        ("published_csinet_cr64_indoor_channels_last", 32, "cost2100_indoor", -5.906),
        ("published_csinet_cr16_outdoor_channels_last", 128, "cost2100_outdoor", -2.26),
    ],
)
def test_csinet_with_its_published_weights_reaches_what_the_released_code_does(
    file, latent_dim, dataset, nmse_db
):
    encoder, decoder = csinet_released(latent_dim, pathlib.Path(FOLDER) / f"{file}.h5")
    h = datasets.read(dataset, DATA, "test", "angular_delay")
    y = encoder.predict(transforms.to_real(h) + 0.5, batch_size=1000, verbose=0)
    x = decoder.predict(y, batch_size=1000, verbose=0)
    h_hat = transforms.from_unit_interval(tf.sigmoid(x).numpy())
    assert metrics.to_db(metrics.nmse(h, h_hat).mean()) == pytest.approx(
        nmse_db, abs=0.006
    )
