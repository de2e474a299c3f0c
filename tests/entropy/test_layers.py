"""The bottleneck in a model of one's own: compile, fit, save, send."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.coding.network_tables import NetworkTables
from tfcsi.entropy.layers import Bottleneck, RefreshPriors

LATENT = 8
X = np.random.default_rng(0).standard_normal((600, 20)).astype(np.float32)
X *= 2.0 ** -np.arange(20)
CASES = {
    "factorized": {},
    "universal": {},
    "histogram": {},
    "mulaw": {
        **{"prior": "histogram", "coder": "huffman", "quantizer": "mulaw"},
        "quantizer_args": {"bits": 4, "mu": 255.0},
    },
    "mean_scale_hyperprior": {"prior_args": {"hidden": 16}},
    "contexts": {"rounding": "mixed"},
}
SLOW = pytest.mark.slow


def fit(case, epochs=5, lmbda=1e-3):
    """(model, encoder, bottleneck) after a short training."""
    tf.keras.utils.set_random_seed(1)
    encoder = tf.keras.Sequential([tf.keras.layers.Dense(LATENT)])
    bottleneck = Bottleneck(**{"prior": case, "lmbda": lmbda, **CASES[case]})
    decoder = tf.keras.layers.Dense(20)
    model = tf.keras.Sequential([encoder, bottleneck, decoder])
    model.build((None, 20))
    adam = tf.keras.optimizers.Adam(1e-2, jit_compile=False)
    model.compile(adam, "mse", jit_compile=False)
    bottleneck.adapt(encoder(X).numpy())
    model.fit(X, X, 50, epochs, verbose=0, callbacks=[RefreshPriors()])
    bottleneck.freeze(encoder(X).numpy())
    return model, encoder, bottleneck


@pytest.fixture(
    scope="module",
    params=[
        case if case == "contexts" else pytest.param(case, marks=SLOW) for case in CASES
    ],
)
def fitted(request):
    return fit(request.param)


def test_payloads_are_as_long_as_the_metric_says_and_decode(fitted):
    model, encoder, bottleneck = fitted
    y = encoder(X).numpy()
    payloads = bottleneck.compress(y)
    real = 8 * np.mean([len(payload) for payload in payloads])
    promised = model.evaluate(X, X, verbose=0, return_dict=True)["bits"]
    assert abs(real - promised) <= 0.01 * promised + 8
    y_hat = bottleneck.decompress(payloads)
    np.testing.assert_allclose(y_hat, bottleneck(y), rtol=1e-4, atol=1e-5)


def test_the_rate_is_in_the_loss(fitted):
    model, _, bottleneck = fitted
    shown = model.evaluate(X, X, verbose=0, return_dict=True)
    error = np.mean(np.square(model(X) - X))
    expected = error + bottleneck.fields["lmbda"] * shown["bits"]
    assert shown["loss"] == pytest.approx(expected, rel=1e-3)


def test_files_of_keras_hold_the_prior_and_its_tables(fitted, tmp_path):
    model, encoder, bottleneck = fitted
    y = encoder(X).numpy()
    payloads = bottleneck.compress(y)
    model.save(tmp_path / "model.keras")
    again = tf.keras.models.load_model(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    other = tf.keras.Sequential(
        [
            tf.keras.Sequential([tf.keras.layers.Dense(LATENT)]),
            Bottleneck.from_config(bottleneck.get_config()),
            tf.keras.layers.Dense(20),
        ]
    )
    other.build((None, 20))
    other.load_weights(tmp_path / "model.weights.h5")
    for loaded in (again, other):
        layer = loaded.layers[1]
        assert layer.tables.fingerprint() == bottleneck.tables.fingerprint()
        assert layer.compress(y) == payloads
        shown = loaded(X)
        np.testing.assert_allclose(shown, model(X), rtol=1e-5, atol=1e-6)
    if bottleneck.fields["prior"] == "contexts":
        assert isinstance(layer.tables, NetworkTables)


@pytest.mark.slow
def test_a_larger_lmbda_takes_fewer_bits():
    rates = []
    for lmbda in (1e-4, 3e-2):
        model, *_ = fit("factorized", lmbda=lmbda)
        rates.append(model.evaluate(X, X, verbose=0, return_dict=True)["bits"])
    assert rates[1] < 0.7 * rates[0]


def test_what_does_not_fit_is_refused_with_the_remedy():
    layer = Bottleneck()
    with pytest.raises(RuntimeError, match="build the model, or call it once"):
        layer.adapt(X)
    layer.build((None, LATENT))
    with pytest.raises(RuntimeError, match=r"call freeze\(y\) first"):
        layer.compress(X[:, :LATENT])
    with pytest.raises(ValueError, match="rounding is 'hard'; it must be one of"):
        Bottleneck(rounding="hard")
    with pytest.raises(ValueError, match="takes codewords"):
        Bottleneck().build((None, 4, 4))
    with pytest.raises(ValueError, match="'noise' is for quantizer 'uniform'"):
        Bottleneck("histogram", rounding="noise", **_mulaw()).build((None, LATENT))


def _mulaw():
    arguments = CASES["mulaw"]
    return {key: arguments[key] for key in ("quantizer", "quantizer_args")}
