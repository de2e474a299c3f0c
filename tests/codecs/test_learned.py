"""Laws of the learned codec beside the contract of codecs (test_contract)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.codecs.learned_weights import arrays
from tfcsi import metrics
from tfcsi.codecs import learned, learned_networks
from tfcsi.codecs.learned import Learned
from tfcsi.coding.token_contexts import TokenContexts, companded, law_tables


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The file of a training, for matrices of 8 x 8."""
    path = tmp_path_factory.mktemp("weights") / "weights.npz"
    np.savez(path, **arrays())
    return path


@pytest.fixture(scope="module")
def matrices(draw_csi):
    """Complex64 [40, 8, 8]."""
    return draw_csi(40, (8, 8))


@pytest.fixture(scope="module")
def codec(weights, matrices):
    return Learned.trained(weights, matrices, rate=1)


def test_what_is_decoded_is_what_the_encoder_rounded(codec, matrices):
    rate = np.arange(40) % 3
    norm, symbols = codec.symbols(matrices, rate)
    h_hat = codec.decompress(codec.at_rates(matrices, rate))
    y = symbols.reshape(40, 2, 2, 32)
    x = learned_networks.decode(
        codec.weights,
        (y / codec.sender.gain[rate][:, None, None]).astype("f4"),
        y,
        rate,
    )
    scale = (2.0 ** (norm / 8) / 32)[:, None, None]
    expected = (x[..., 0] + 1j * x[..., 1]) * scale
    np.testing.assert_allclose(h_hat, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(symbols).max() > 3


def test_a_finer_step_costs_bits_and_gains_accuracy(codec, matrices):
    packets = [codec.compress(matrices, step=step) for step in codec.steps]
    sizes = [np.mean([len(packet) for packet in each]) for each in packets]
    errors = [metrics.nmse(matrices, codec.decompress(each)).mean() for each in packets]
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)


def test_packets_keep_to_a_budget_or_the_error_says_how_many_do_not(codec, matrices):
    sizes = [8 * len(p) for p in codec.compress(matrices, step=codec.steps[0])]
    packets = codec.compress(matrices, max_bits=max(sizes))
    assert max(8 * len(packet) for packet in packets) <= max(sizes)
    assert len(codec.decompress(packets)) == 40
    with pytest.raises(
        ValueError,
        match=r"max_bits is 20; .* 40 of 40 matrices need more, up to",
    ):
        codec.compress(matrices, max_bits=20)


def test_a_wished_error_takes_the_coarsest_rate_that_meets_it(codec, matrices):
    errors = [
        metrics.nmse(matrices, codec.decompress(codec.at_rates(matrices, rate)))
        for rate in (np.full(40, 0), np.full(40, 1), np.full(40, 2))
    ]
    wish = np.median(errors[0])
    packets = codec.compress(matrices, nmse_db=10 * np.log10(wish))
    found = metrics.nmse(matrices, codec.decompress(packets))
    expected = np.where(errors[0] <= wish, errors[0], errors[1])
    expected = np.where(expected <= wish, expected, errors[2])
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_step_and_an_error_are_one_wish_too_many(codec, matrices):
    with pytest.raises(ValueError, match="give one of step, nmse_db"):
        codec.compress(matrices, step=0.1, nmse_db=-10)


def test_a_budget_beside_another_wish_is_that_of_the_matrices_above_it(codec, matrices):
    free = codec.compress(matrices, step=codec.steps[-1])
    limit = 8 * int(np.median([len(packet) for packet in free]))
    cut = codec.compress(matrices, max_bits=limit)
    over = [8 * len(packet) > limit for packet in free]
    expected = [c if is_over else f for f, c, is_over in zip(free, cut, over)]
    assert 0 < sum(over) < 40
    assert codec.compress(matrices, step=codec.steps[-1], max_bits=limit) == expected
    with pytest.warns(UserWarning, match="40 of 40 matrices miss -90.0 dB"):
        packets = codec.compress(matrices, nmse_db=-90.0, max_bits=limit)
    assert packets == expected


def test_sums_of_contexts_are_those_of_integers_in_any_order():
    file = {k[9:]: v for k, v in arrays().items() if k.startswith("contexts.")}
    contexts = TokenContexts(file, law_tables(file["mix"]))
    symbols = np.random.default_rng(1).integers(-40, 41, (3, 2, 2, 32))
    picked = {}

    def send(chosen, shift, at):
        picked.update({int(k): (chosen[:, i], shift[:, i]) for i, k in enumerate(at)})
        return symbols.reshape(3, -1)[:, at]

    rate = np.array([0, 1, 2])
    sent = contexts.code(3, rate, send)
    np.testing.assert_array_equal(sent, symbols.reshape(3, -1))
    p, token, channel = 5, 1, 19  # Third group, second colour: angle 0, delay 1.
    x = np.concatenate([companded(symbols), np.abs(companded(symbols))], axis=3)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (0, 0)))
    for i in range(3):
        total = file["b1"][p, :, 0, 1].astype(object) + file["r1"][rate[i], p]
        for a, d, c in reversed(list(np.ndindex(5, 5, 64))):
            value = int(padded[i, (a - 2) % 2, 1 + d, c])
            total = total + file["w1"][p, :, c, a, d].astype(object) * value
        hidden = [min(max((int(t) + 32) >> 6, 0), 255) for t in total]
        total = file["w2"][p].astype(object) @ hidden + file["b2"][p]
        hidden = [min(max((int(t) + 32) >> 6, 0), 255) for t in total]
        total = file["w3"][p].astype(object) @ hidden + file["b3"][p]
        mean, scale = (int(total[k]) for k in (channel - 16, channel - 8))
        mean = (mean + 64) >> 7
        shift = (mean + 4) >> 3
        number = min(max((scale + 128) >> 8, -20), 27) + 20
        chosen, taken = picked[token * 32 + channel]
        assert taken[i] == shift
        assert chosen[i] == number * 8 + mean - 8 * shift + 4


def test_arrays_that_do_not_fit_are_refused_by_name():
    file = {k[9:]: v for k, v in arrays().items() if k.startswith("contexts.")}
    tables = law_tables(file["mix"])
    with pytest.raises(ValueError, match=r"w2 is int8 \[8, 4, 3\], expected"):
        TokenContexts({**file, "w2": file["w2"][..., :3]}, tables)
    with pytest.raises(ValueError, match="b1 is float64"):
        TokenContexts({**file, "b1": file["b1"] * 1.0}, tables)


def test_a_fit_without_weights_says_where_they_come_from(matrices):
    with pytest.raises(ValueError, match="give the file that benchmarks/learned_py"):
        learned.fit(matrices, matrices)
