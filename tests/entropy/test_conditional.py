"""Laws of hyperpriors and contexts: what is trained is what the integers do."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_compression as tfc

from tfcsi.codecs.schema import PRIOR_ARGS
from tfcsi.coding import any_tables
from tfcsi.coding import token_contexts as integers
from tfcsi.coding.tables import Tables
from tfcsi.entropy import priors
from tfcsi.entropy.conditional import Contexts, companded
from tfcsi.entropy.orders import ORDERS, passes_of

LATENT = 24
CASES = {
    "scale_hyperprior": {},
    "mean_scale_hyperprior": {"hyper_dim": 6, "hidden": 24},
    "contexts": {"order": "blocks", "groups": 3, "hidden": 24},
    "contexts and hyper-latents": {"hyper_dim": 4, "hidden": 24},
}


def draw(n, seed, center=0):
    """Symbols int32 [n, LATENT] whose size is that of their matrix."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(0, 1.5, (n, 1))) * 2.0 ** np.linspace(2, -1, LATENT)
    return np.rint(size * rng.standard_normal((n, LATENT)) + center).astype(np.int32)


FAST = "contexts and hyper-latents"


@pytest.fixture(
    scope="module",
    params=[
        case if case == FAST else pytest.param(case, marks=pytest.mark.slow)
        for case in CASES
    ],
)
def trained(request):
    """A prior after a short training, and its tables."""
    tf.keras.utils.set_random_seed(1)
    make = priors.get(request.param.split()[0])
    prior = make(LATENT, None, "range", **CASES[request.param])
    prior.refit(draw(3000, 1), 200)
    return prior, prior.freeze(draw(3000, 1))


def test_the_promise_is_the_bits_of_the_integer_tables(trained):
    prior, tables = trained
    symbols = draw(300, 2)
    promised = prior(tf.constant(symbols, tf.float32), training=False).numpy()
    real = any_tables.code_bits(symbols, tables)
    assert abs(promised.mean() - real.mean()) < 0.005 * real.mean()
    _, sizes = any_tables.encode_bits(symbols, tables)
    assert abs(promised.mean() - np.mean(sizes)) < 0.01 * promised.mean() + 3


def test_hyper_latents_and_laws_in_training_are_those_of_the_integers(trained):
    prior, tables = trained
    symbols = draw(50, 3)
    small = companded(tf.constant(symbols, tf.float32))
    np.testing.assert_array_equal(small * 16, integers.companded(symbols))
    hyper = tables.hyper_of(symbols)
    if prior.hyper:
        np.testing.assert_array_equal(prior._latents(small), hyper)
    mean, scale = prior.laws(companded(tf.constant(hyper, tf.float32)), small)
    middle = integers.FRACTIONS // 2

    def send(chosen, shift, at):
        number, fraction = np.divmod(chosen, integers.FRACTIONS)
        eighths = 8 * shift + fraction - middle
        np.testing.assert_array_equal(tf.gather(mean, at, axis=1) * 8, eighths)
        np.testing.assert_allclose(
            tf.gather(scale, at, axis=1), 2.0 ** ((number - 20) / 4), rtol=1e-6
        )
        return symbols[:, at]

    tables.code(50, hyper, send)


def test_it_knows_what_a_table_for_each_entry_cannot(trained):
    _, tables = trained
    symbols = draw(500, 4)
    fixed = Tables.from_counts(draw(3000, 1))
    assert (
        any_tables.code_bits(symbols, tables).mean()
        < 0.95 * any_tables.code_bits(symbols, fixed).mean()
    )


def test_gradients_reach_every_network_and_the_codeword(trained):
    prior, _ = trained
    u = tf.constant(draw(60, 5) + 0.3, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(u)
        loss = tf.reduce_mean(prior(u, training=True))
    used = [v for v in prior.trainable_variables if tf.size(v)]
    slopes = tape.gradient(loss, [u, *used])
    assert all(np.isfinite(slope).all() for slope in slopes)
    still = [v.name for v, slope in zip(used, slopes[1:]) if not slope.numpy().any()]
    assert not still


def test_thawed_tables_promise_what_they_did(trained):
    prior, tables = trained
    make = type(prior)
    again = make(LATENT, None, "range", **CASES[_case_of(prior)])
    again.thaw(tables)
    if prior.hyper:
        again.hyper = prior.hyper  # Its density is not in the tables.
    symbols = tf.constant(draw(200, 6), tf.float32)
    one, two = (np.mean(p(symbols, training=False)) for p in (prior, again))
    assert two == pytest.approx(one, rel=2e-3)


def _case_of(prior):
    """The case of a prior, by its sizes."""
    hyper = prior.hyper is not None
    if isinstance(prior, Contexts):
        return "contexts and hyper-latents" if hyper else "contexts"
    return "mean_scale_hyperprior" if prior.means else "scale_hyperprior"


def test_the_law_is_that_of_the_location_scale_model():
    prior = Contexts(LATENT, None, "range")
    prior.mix.assign([-50.0, 50.0, -50.0])  # One logistic law.
    theirs = tfc.LocationScaleIndexedEntropyModel(
        tfc.NoisyLogistic,
        integers.SCALES,
        lambda index: 2.0 ** ((index - 20) / 4),
        coding_rank=1,
        bottleneck_dtype=tf.float32,
    )
    symbols = tf.constant(draw(100, 7), tf.float32)
    rng = np.random.default_rng(0)
    index = rng.integers(16, 40, symbols.shape)
    mean = rng.integers(-3, 4, symbols.shape).astype(np.float32)
    _, bits = theirs(symbols, index.astype(np.float32), loc=mean, training=False)
    ours = prior.law(mean, np.float32(2.0 ** ((index - 20) / 4))).log_prob(symbols)
    ours = tf.reduce_sum(ours, 1) / -np.log(2)
    np.testing.assert_allclose(ours, bits, rtol=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_every_symbol_is_in_one_pass(order):
    passes = passes_of(96, 3, order, (4, 4))
    counts = np.bincount(passes)
    assert len(counts) == (6 if order == "checkerboard" else 3)
    assert (counts == counts[0]).all()
    if order == "checkerboard":  # Neighbours on the grid are in different passes.
        grid = passes.reshape(4, 4, 6)
        assert (grid[1:] != grid[:-1]).all() and (grid[:, 1:] != grid[:, :-1]).all()


def test_what_does_not_fit_is_refused_by_name():
    for arguments, words in (
        ({"groups": 25}, "groups is 25; it must be 1 to 24"),
        ({"order": "spiral"}, "order is 'spiral'; it must be one of"),
        ({"order": "checkerboard"}, "needs a grid"),
        ({"order": "checkerboard", "grid": (5, 5)}, "needs a grid"),
        ({"hidden": 0}, "hidden is 0"),
    ):
        with pytest.raises(ValueError, match=words):
            Contexts(LATENT, None, "range", **arguments)
    with pytest.raises(ValueError, match="coder is 'huffman'"):
        Contexts(LATENT, None, "huffman")
    with pytest.raises(ValueError, match="has no symbols to code"):
        Contexts(0, None, "range")


def test_the_fields_of_the_config_are_the_arguments_of_the_priors():
    for name, fields in PRIOR_ARGS.items():
        sent = {field.name: field.default for field in fields.values()}
        priors.get(name)(LATENT, 16, "range", **sent)
        with pytest.raises(TypeError):
            priors.get(name)(LATENT, 16, "range", unknown=1)
    assert PRIOR_ARGS["contexts"]["order"].choices == ORDERS
