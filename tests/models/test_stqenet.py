"""Laws of STQENet: what its attentions look at, where it starts."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import sampled, slow
from tfcsi import transforms
from tfcsi.models import stqenet, stqenet_attention


def randomize(model, seed=0):
    """Gives all weights, zero ones too, a random value."""
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(0.3 * rng.standard_normal(weight.shape) + (weight.shape.rank < 2))


def block_model(block, shape, window=8):
    """Model of one attention block on rows [n, 2, num_tx, num_delay]."""
    rows = tf.keras.Input((2, *shape))
    model = tf.keras.Model(rows, block(shape, window, 4)(rows))
    randomize(model)
    return model


def random_rows(shape, n=1, seed=1):
    """Float32 [n, 2, num_tx, num_delay]."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 2, *shape)).astype(np.float32)


def jacobian(model, rows, pick):
    """Derivatives of pick(output), [m], by the rows; [m, 2, num_tx, num_delay]."""
    rows = tf.constant(rows)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        picked = pick(model(rows))
    return tape.jacobian(picked, rows)[:, 0].numpy()


def weights_of(model, name):
    return [weight.astype(np.float64) for weight in model.get_layer(name).get_weights()]


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def numpy_local(model, rows):
    """The released local attention by its published reshapes."""
    n = len(rows)
    kernel, bias = weights_of(model, "stb_local_qkv")
    qkv = (rows @ kernel + bias).reshape(n, 2, 16, 8, 3, 4, 2)
    q, k, v = np.moveaxis(qkv, 4, 0).swapaxes(4, 5)  # [n, 2, 16 groups, 4, 8, 2]
    x = softmax(np.einsum("ncghid,ncghjd->ncghij", q, k) * 8**-0.5) @ v
    x = x.swapaxes(2, 3).reshape(n, 4, 4, 8, 8, 2).swapaxes(2, 3)
    kernel, bias = weights_of(model, "stb_local_proj")
    return x.reshape(n, 2, 32, 32) @ kernel + bias


def numpy_global(model, rows):
    """The released global attention: four heads with one key each."""
    n = len(rows)
    kernel, bias = weights_of(model, "stb_summary")
    patches = rows.reshape(n, 2, 4, 8, 4, 8)
    summary = np.einsum("ncahdw,hwco->noad", patches, kernel) + bias[:, None, None]
    gamma, beta = weights_of(model, "stb_summary_norm")
    centred = summary - summary.mean(-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    kernel, bias = weights_of(model, "stb_global_kv")
    kv = (centred / spread * gamma + beta) @ kernel + bias
    k, v = np.moveaxis(kv.reshape(n, 2, 2, 4, 1, 4), 2, 0)  # [n, 2, heads, 1, 4]
    kernel, bias = weights_of(model, "stb_global_q")
    q = (rows @ kernel + bias).reshape(n, 2, 64, 4, 4).swapaxes(2, 3)
    x = softmax(q @ k.swapaxes(3, 4) * 8**-0.5) @ v  # [n, 2, heads, 64, 4]
    kernel, bias = weights_of(model, "stb_global_proj")
    return x.swapaxes(1, 2).reshape(n, 2, 32, 32) @ kernel + bias


def test_a_row_of_released_local_attention_sees_four_rows_of_its_channel():
    model = block_model(stqenet_attention.ReleasedLocal, (32, 32))
    mix = random_rows((32, 32), seed=2)
    slopes = jacobian(
        model,
        random_rows((32, 32)),
        lambda out: tf.reshape(tf.reduce_sum(mix * out, 3), [64]),
    )
    seen = np.abs(slopes).max(3).reshape(2, 32, 2, 32) > 0
    for channel in range(2):
        for row in range(32):
            k = row % 16 // 2
            expected = np.zeros((2, 32), bool)
            expected[channel, [2 * k, 2 * k + 1, 2 * k + 16, 2 * k + 17]] = True
            np.testing.assert_array_equal(seen[channel, row], expected)


@pytest.mark.parametrize(
    ("block", "reference"),
    [
        (stqenet_attention.ReleasedLocal, numpy_local),
        (stqenet_attention.ReleasedGlobal, numpy_global),
    ],
)
def test_released_attention_is_that_of_the_reshapes_in_numpy(block, reference):
    model, rows = block_model(block, (32, 32)), random_rows((32, 32), n=3)
    out = model.predict_on_batch(rows)
    expected = reference(model, rows.astype(np.float64))
    np.testing.assert_allclose(out, expected, atol=1e-5 * np.abs(expected).max())


def test_released_global_attention_ignores_its_query_weights():
    encoder = stqenet.encoder((32, 32), 64, attention="released")
    randomize(encoder)
    query = encoder.get_layer("stb_global_q")
    x = 0.1 * tf.transpose(random_rows((32, 32), n=2), (0, 2, 3, 1))
    with tf.GradientTape() as tape:
        before = encoder(x)
    for slope in tape.gradient(before, query.trainable_weights):
        assert not np.any(slope)
    query.set_weights([5 * weight + 1 for weight in query.get_weights()])
    np.testing.assert_array_equal(encoder(x), before)


@pytest.mark.parametrize(("angle", "delay"), [(0, 0), (7, 8), (13, 20)])
def test_windowed_local_attention_sees_its_window_and_both_channels(angle, delay):
    model = block_model(stqenet_attention.WindowedLocal, (16, 24))
    slopes = jacobian(model, random_rows((16, 24)), lambda out: out[0, :, angle, delay])
    expected = np.zeros((2, 16, 24), bool)
    a, d = angle // 8 * 8, delay // 8 * 8
    expected[:, a : a + 8, d : d + 8] = True
    for slope in slopes:
        np.testing.assert_array_equal(slope != 0, expected)


def test_windowed_global_attention_sees_16_windows_by_one_key_each():
    model = block_model(stqenet_attention.WindowedGlobal, (32, 32))
    slopes = jacobian(
        model, random_rows((32, 32)), lambda out: tf.reshape(out[0, :, :8, :4], [64])
    )
    # A key is two numbers, so all outputs look at another window in two ways only.
    windows = slopes.reshape(64, 2, 4, 8, 4, 8).transpose(2, 4, 0, 1, 3, 5)
    windows = windows.reshape(16, 64, 128)[1:]
    singular = np.linalg.svd(windows.astype(np.float64), compute_uv=False)
    assert (singular[:, 1] > 1e-3 * singular[:, 0]).all()
    assert (singular[:, 2] < 1e-5 * singular[:, 0]).all()


@pytest.mark.parametrize("shape", [(8, 8), slow((16, 24))])
def test_any_shape_in_whole_windows_works(shape):
    x = np.zeros((3, *shape, 2), np.float32)
    y = stqenet.encoder(shape, 6)(x)
    assert y.shape == (3, 6)
    assert stqenet.decoder(shape, 6)(y).shape == x.shape


@pytest.mark.parametrize("build", [stqenet.encoder, stqenet.decoder])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"shape": (16, 20)}, r"shape is \(16, 20\).*divisible by the window, 8"),
        ({"shape": (0, 16)}, "divisible by the window, 8"),
        ({"shape": (16,)}, "divisible by the window, 8"),
        ({"window": 0}, "window is 0; it must be at least 1"),
        ({"latent_dim": 0}, "latent_dim is 0; it must be at least 1"),
        ({"num_heads": 3}, "num_heads is 3; it must divide 16"),
        ({"attention": "sparse"}, "attention is 'sparse'; it must be one of"),
        ({"amplitude": "lost"}, "amplitude is 'lost'; it must be one of"),
        ({"attention": "released"}, "32 x 32 only: use attention='windowed'"),
        (
            {"attention": "released", "shape": (32, 32), "num_heads": 16},
            "num_heads is 16; it must divide 8",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(build, arguments, words):
    with pytest.raises(ValueError, match=words):
        build(**{"shape": (16, 16), "latent_dim": 8, **arguments})


@pytest.mark.slow
@pytest.mark.parametrize("attention", stqenet.ATTENTIONS)
def test_initialize_klt_makes_the_pair_the_linear_klt(h, draw_csi, attention):
    options = {"attention": attention, "window": 4, "amplitude": "kept"}
    encoder = stqenet.encoder((16, 16), 32, **options)
    decoder = stqenet.decoder((16, 16), 32, **options)
    stqenet.initialize_klt(encoder, decoder, h)
    basis = np.linalg.svd(h.reshape(len(h), -1).astype(complex))[2][:16]
    other = draw_csi(50, seed=9)
    flat = other.reshape(50, -1).astype(complex)
    expected = (flat @ basis.conj().T @ basis).reshape(other.shape)

    y = encoder(transforms.to_real(other))
    h_hat = transforms.to_complex(decoder(y).numpy())
    np.testing.assert_allclose(h_hat, expected, atol=1e-4)
    energy = np.sum(np.abs(expected) ** 2, (1, 2))
    np.testing.assert_allclose(np.sum(y**2, 1), 32**2 * energy, rtol=1e-4)


@pytest.mark.parametrize(
    ("latent_dim", "amplitude", "words"),
    [
        (8, "normalized", "amplitude is 'normalized'; .* needs amplitude='kept'"),
        (7, "kept", "latent_dim is 7; .* needs an even one"),
    ],
)
def test_initialize_klt_refuses_what_it_cannot_make(h, latent_dim, amplitude, words):
    pair = [
        f((16, 16), latent_dim, amplitude=amplitude)
        for f in (stqenet.encoder, stqenet.decoder)
    ]
    with pytest.raises(ValueError, match=words):
        stqenet.initialize_klt(*pair, h)


@pytest.mark.parametrize("amplitude", sampled(stqenet.AMPLITUDES, ("kept",)))
@pytest.mark.parametrize("attention", sampled(stqenet.ATTENTIONS, ("windowed",)))
def test_a_training_step_has_finite_gradients_and_lowers_the_loss(
    h, attention, amplitude
):
    tf.keras.utils.set_random_seed(1)
    options = {"attention": attention, "window": 4, "amplitude": amplitude}
    encoder = stqenet.encoder((16, 16), 16, **options)
    decoder = stqenet.decoder((16, 16), 16, **options)
    x = transforms.to_real(h[:10])
    variables = encoder.trainable_weights + decoder.trainable_weights

    def loss():
        x_hat = decoder(encoder(x, training=True), training=True)
        return tf.reduce_mean(tf.square(x - x_hat))

    with tf.GradientTape() as tape:
        before = loss()
    slopes = tape.gradient(before, variables)
    for slope in slopes:
        assert np.isfinite(slope).all()
    norm = tf.linalg.global_norm(slopes)
    for variable, slope in zip(variables, slopes):
        variable.assign_sub(1e-3 * slope / norm)
    assert loss() < before
