"""Laws of CSI-INR: gradients, steps, weights shared, and what it learns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import metrics, transforms
from tfcsi.codecs import requantize
from tfcsi.codecs.neural import load
from tfcsi.coding.packet_file import write_file
from tfcsi.models import csi_inr
from tfcsi.tflite import convert, runner
from tfcsi.training import config as configs
from tfcsi.training.run import train

SHAPE = (8, 6)
SMALL = {"widths": (10, 7), "features": 5, "gain": 2.0}
OTHER_PROCESS = """
import sys
import numpy as np
from tfcsi.coding.packet_file import read_file
from tfcsi.codecs.neural import load

workdir, received, answer = sys.argv[1:]
codec = load(workdir)
session, packets = read_file(received)
assert session == codec.session
np.save(answer, codec.decompress(packets))
"""


def two_paths(n, shape=SHAPE, seed=0):
    """Complex64 [n, num_tx, num_sc] of two paths in a sector, space-frequency."""
    rng = np.random.default_rng(seed)
    antennas, subcarriers = np.arange(shape[0])[:, None], np.arange(shape[1])
    h = np.zeros((n, *shape), np.complex128)
    for loss in (1.0, 0.3):
        gain = loss * rng.standard_normal((n, 1, 1, 2)) @ [1, 1j]
        u, delay = rng.uniform(-0.3, 0.3, (n, 1, 1)), rng.uniform(0, 0.1, (n, 1, 1))
        turns = u * antennas / 2 - delay * subcarriers
        h += gain * np.exp(2j * np.pi * turns)
    return (h * (0.5 / np.abs(h).max((1, 2), keepdims=True))).astype(np.complex64)


def pair(latent_dim=6, **network):
    """Encoder and decoder of shared weights, the same at each call."""
    tf.keras.utils.set_random_seed(1)
    network = {**SMALL, **network}
    encoder = csi_inr.encoder(SHAPE, latent_dim, **network)
    decoder = csi_inr.decoder(SHAPE, latent_dim, **network)
    csi_inr.share(encoder, decoder)
    return encoder, decoder


def inner_loss(decoder, y, x):
    """Sum over matrices of the mean squared error over the grid, CSI times gain."""
    error = SMALL["gain"] * (decoder(y) - x)
    return tf.reduce_sum(tf.square(error)) / (SHAPE[0] * SHAPE[1])


@pytest.mark.parametrize("widths", [(9,), (10, 7), (6, 8, 5)])
def test_the_written_out_gradient_is_that_of_the_tape(widths):
    _, decoder = pair(widths=widths, w0=3.0)
    network = decoder.get_layer("network")
    x = transforms.to_real(two_paths(4))
    y = tf.random.stateless_normal((4, 6), (1, 2))
    with tf.GradientTape() as tape:
        tape.watch(y)
        loss = inner_loss(decoder, y, x)
    expected = tape.gradient(loss, y)
    points = SMALL["gain"] * x.reshape(4, -1, 2)
    np.testing.assert_allclose(network.gradient(y, points), expected, atol=1e-5)


def test_a_step_goes_down_the_inner_loss():
    x = transforms.to_real(two_paths(20))
    losses = []
    for steps in (1, 2, 8):
        encoder, decoder = pair(steps=steps, rate=0.05)
        losses.append(float(inner_loss(decoder, encoder(x), x)))
    start = float(inner_loss(decoder, np.zeros((20, 6), np.float32), x))
    assert start > losses[0] > losses[1] > losses[2]


def test_one_inner_rate_fits_codewords_of_all_lengths():
    x = transforms.to_real(two_paths(20))
    lengths = [np.std(pair(n, steps=1, rate=0.05)[0](x)) for n in (4, 16, 64)]
    assert max(lengths) < 2 * min(lengths)


def test_both_ends_have_the_same_variables():
    encoder, decoder = pair()
    at_encoder = {variable.ref() for variable in encoder.trainable_variables}
    at_decoder = {variable.ref() for variable in decoder.trainable_variables}
    (only,) = at_encoder - at_decoder
    assert at_decoder < at_encoder and only.deref().shape == (6,)  # The inner rates.
    separate = csi_inr.encoder(SHAPE, 6, **SMALL)
    separate.set_weights(encoder.get_weights())
    x = transforms.to_real(two_paths(3))
    np.testing.assert_array_equal(separate(x), encoder(x))


@pytest.mark.parametrize("steps", [1, 3])
def test_the_first_step_as_a_dense_layer_changes_nothing(steps):
    encoder, _ = pair(steps=steps)
    x = transforms.to_real(two_paths(5))
    y = encoder(x).numpy()
    folded = csi_inr.fold(encoder)(x)
    np.testing.assert_allclose(folded, y, atol=1e-4 * np.abs(y).max())


def test_no_step_is_longer_than_it_may_be():
    x = transforms.to_real(two_paths(20))
    ends = [pair(steps=k, rate=1e4, max_step=0.7)[0](x).numpy() for k in (1, 2, 3, 4)]
    steps = np.diff([np.zeros_like(ends[0]), *ends], axis=0)
    lengths = np.sqrt(np.square(steps).mean(2))
    assert lengths.max() == pytest.approx(0.7, rel=1e-4)


def test_first_order_training_takes_the_gradients_of_the_steps_as_constants():
    x = transforms.to_real(two_paths(5))
    gradients = {}
    for second_order in (True, False):
        encoder, decoder = pair(second_order=second_order)
        kernel = decoder.get_layer("network").kernels[0]
        with tf.GradientTape() as tape:
            y = encoder(x)
            loss = inner_loss(decoder, y, x)
        gradients[second_order] = tape.gradient(loss, kernel).numpy()
        with tf.GradientTape() as tape:
            loss = inner_loss(decoder, tf.stop_gradient(y), x)
        at_end = tape.gradient(loss, kernel).numpy()
    np.testing.assert_allclose(gradients[False], at_end, rtol=1e-5, atol=1e-6)
    assert np.abs(gradients[True] - at_end).max() > 0.01 * np.abs(at_end).max()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shape": (8,)}, "shape is"),
        ({"widths": ()}, "widths is"),
        ({"widths": (8, 0)}, "widths is"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"features": 0}, "features is 0"),
        ({"sigma": (1.0, 0.0)}, "sigma is .* two positive numbers"),
        ({"sigma": (1.0,)}, "sigma is"),
        ({"w0": -1.0}, "w0 is -1"),
        ({"gain": 0.0}, "gain is 0"),
        ({"steps": 0}, "steps is 0; it must be positive"),
        ({"rate": 0.0}, "rate is 0"),
        ({"max_step": 0.0}, "max_step is 0"),
    ],
)
def test_what_no_network_can_have_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        csi_inr.encoder(**{"shape": SHAPE, "latent_dim": 6, **arguments})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Workdir of a tiny CSI-INR with real codewords, trained on two-path channels."""
    config = configs.read("csi_inr", ["quantizer=float", "lmbda=1e-9"])
    config.update(shape=SHAPE, latent_dim=12, batch_size=20, epochs=20)
    config.network.update(widths=(48, 16), features=16, sigma=(0.5, 0.5))
    config.learning_rate = 1e-2
    folder = tmp_path_factory.mktemp("runs") / "inr"
    h = two_paths(460)
    train(config, folder, h[:400], h[400:], progress=False)
    return folder


def nmse_db(codec, h):
    """NMSE over the way of packets [dB]."""
    return metrics.to_db(metrics.nmse(h, codec.decompress(codec.compress(h))).mean())


@pytest.mark.slow
def test_a_tiny_network_learns_two_paths_and_another_process_reads_its_packets(
    run, tmp_path
):
    h = two_paths(50, seed=1)
    codec = requantize.quantize_run(run, tmp_path / "run", 8)
    assert nmse_db(codec, h) < -10
    packets = codec.compress(h)
    write_file(tmp_path / "packets", codec.session, packets)
    program = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "run")]
    arguments = [str(tmp_path / name) for name in ("packets", "h_hat.npy")]
    subprocess.run(program + arguments, check=True)
    h_hat = np.load(tmp_path / "h_hat.npy")
    np.testing.assert_allclose(h_hat, codec.decompress(packets), atol=1e-6)


@pytest.mark.slow
def test_steps_of_use_and_of_training_are_independent(run):
    codec, h = load(run), two_paths(50, seed=1)
    nmse = {}
    for steps in (1, 2, 3, 5):
        other = requantize.variant(codec, network={"steps": steps})
        other.use(codec.tables)
        nmse[steps] = nmse_db(other, h)
    assert nmse[1] > nmse[2] > nmse[3]
    assert nmse[3] == pytest.approx(nmse_db(codec, h)) and nmse[5] < nmse[1]


@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.parametrize("steps", [1, 3, 5])
def test_the_exported_steps_give_the_symbols_of_keras(run, steps):
    x = transforms.to_real(two_paths(100, seed=1))
    codec = requantize.quantized(load(run), x, 6, steps=steps)
    symbols, _ = codec.symbols(two_paths(100, seed=2))
    for output in convert.OUTPUTS:
        codec.analysis = runner.Runner(convert.export(codec, "float32", x, output))
        exported, _ = codec.symbols(two_paths(100, seed=2))
        assert np.mean(exported == symbols) >= 0.99
