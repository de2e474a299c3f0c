"""One network for several rates: it learns, sends at each of them, and resumes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import tfcsi
from tests.conftest import correlated_csi, sampled
from tfcsi import metrics
from tfcsi.__main__ import main
from tfcsi.codecs import saved_model
from tfcsi.coding.packets import PacketError
from tfcsi.coding.wishes import MissedTarget
from tfcsi.training import config as configs
from tfcsi.training import finetune_qat, run
from tfcsi.training.balance import Balance, drawn
from tfcsi.training.log import read_log
from tfcsi.ue import Ue

SHAPE = (8, 8)
RATES = 4


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [500, 8, 8]; the first 400 train."""
    return correlated_csi(500, SHAPE)


@pytest.fixture(scope="module")
def config_of(make_config, dense):
    """The function (**fields) -> ConfigDict of a training of four rates."""

    def make(**fields):
        of_rates = {
            "quantizer": "uniform_rates",
            "quantizer_args": {"rates": RATES, "octaves": 2.0, "rate": 1},
            "prior": "contexts",
            "prior_args": {"groups": 2, "hidden": 16},
        }
        sizes = {"shape": SHAPE, "latent_dim": 32, "lmbda": 2e-3, "epochs": 3}
        config = make_config(model=dense, init="klt", **sizes, **{**of_rates, **fields})
        return config

    return make


@pytest.fixture(scope="module")
def train(config_of):
    """The function (workdir, h, resume=False, **fields) that trains."""

    def start(workdir, h, resume=False, **fields):
        config = config_of(**fields)
        return run.train(config, workdir, h[:400], h[400:], resume, progress=False)

    return start


@pytest.fixture(scope="module")
def trained(train, matrices, tmp_path_factory):
    """A codec and the folder of its training."""
    folder = tmp_path_factory.mktemp("rates") / "run"
    return train(folder, matrices), folder


def test_finer_rates_send_more_bits_for_less_error_and_as_many_as_promised(
    trained, matrices
):
    codec, h = tfcsi.load(trained[1]), matrices[400:]
    bits, errors = [], []
    for rate, step in enumerate(codec.steps):
        packets = codec.compress(h, step=float(step))
        symbols, _ = codec.receive(packets)
        assert np.all(symbols[:, 0] == rate)
        payload = np.mean([8 * len(p) for p in packets]) - 16  # The check.
        promised = codec.bits_estimated(symbols).mean()
        assert abs(payload - promised) <= 0.01 * promised + 8
        bits.append(payload)
        errors.append(metrics.nmse(h, codec.decompress(packets)).mean())
    assert np.all(np.diff(bits) > 10) and bits[-1] > 1.5 * bits[0]
    assert errors[-1] < errors[0]
    rows = read_log(trained[1])
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]


def test_wishes_choose_the_rate_of_each_matrix(trained, matrices):
    codec, h = trained[0], matrices[400:]
    usual = codec.compress(h)
    assert np.all(codec.receive(usual)[0][:, 0] == 1)
    coarse = codec.compress(h, step=float(codec.steps[0]))
    limit = max(8 * len(packet) for packet in coarse)
    within = codec.compress(h, max_bits=limit)
    assert max(map(len, within)) * 8 <= limit
    assert len(set(codec.receive(within)[0][:, 0])) > 1
    nmse = metrics.nmse(h, codec.decompress(usual))
    target = float(metrics.to_db(np.median(nmse)))
    with pytest.warns(MissedTarget) as doubts:
        packets = codec.compress(h, nmse_db=target)
    met = metrics.nmse(h, codec.decompress(packets)) <= 10 ** (target / 10) + 1e-9
    assert np.sum(~met) == doubts[0].message.missed
    rates = codec.receive(packets)[0][:, 0]
    assert met[rates < RATES - 1].all() and len(set(rates)) > 1


def test_a_phone_sends_the_packets_of_the_codec_at_every_rate(trained, matrices):
    codec, folder = trained
    flags = [f"--workdir={folder}", "--precision=float32", "--output=codeword"]
    assert main(["tfcsi", "export", *flags]) == 0
    files = folder / "encoder_float32.tflite", folder / "tables.npz"
    h, same = matrices[400:420], 0
    for limits in ({}, {"step": float(codec.steps[3])}, {"max_bits": 160}):
        sent = [Ue(*files, **limits).encode(matrix) for matrix in h]
        same += sum(a == b for a, b in zip(sent, codec.compress(h, **limits)))
        if "max_bits" in limits:
            assert max(map(len, sent)) * 8 <= 160
    assert same >= 57  # Of 60; another order of sums may move an entry over a border.
    with pytest.raises(ValueError, match="nmse_db needs the decoder"):
        Ue(*files, nmse_db=-9.0)
    with pytest.raises(ValueError, match="step is -1.0; it must be a positive"):
        Ue(*files, step=-1.0)
    with pytest.raises(TypeError, match="bits"):
        Ue(*files, bits=160)


@pytest.mark.slow
def test_an_integer_encoder_keeps_every_rate(trained, matrices, tmp_path):
    tuning = configs.read("qat", ["epochs=2"])
    parts = matrices[:400], matrices[400:]
    codec = finetune_qat.finetune(
        trained[0], tuning, tmp_path / "a", *parts, progress=False
    )
    flags = [f"--workdir={tmp_path / 'a'}", "--precision=int8", "--output=codeword"]
    assert main(["tfcsi", "export", *flags]) == 0
    files = tmp_path / "a" / "encoder_int8.tflite", tmp_path / "a" / "tables.npz"
    h = matrices[400:]
    for rate, step in enumerate(codec.steps):
        sent = [Ue(*files, step=float(step)).encode(matrix) for matrix in h]
        assert np.all(codec.receive(sent)[0][:, 0] == rate)
        float_packets = trained[0].compress(h, step=float(trained[0].steps[rate]))
        loss = metrics.to_db(metrics.nmse(h, codec.decompress(sent)).mean())
        loss -= metrics.to_db(
            metrics.nmse(h, trained[0].decompress(float_packets)).mean()
        )
        bits = [np.mean(list(map(len, each))) for each in (sent, float_packets)]
        assert loss < 0.3 and bits[0] < 1.1 * bits[1], (rate, loss, bits)


@pytest.mark.slow
def test_a_stopped_training_continues_to_the_same_codec(
    train, trained, matrices, tmp_path
):
    class Stop(Exception):
        pass

    def stop(*_):
        raise Stop

    with pytest.MonkeyPatch.context() as patch:
        from tfcsi.training import pair

        real, seen = pair.Pair.train_epoch, []

        def until_the_second(self, *arguments):
            seen.append(1)
            return stop() if len(seen) == 2 else real(self, *arguments)

        patch.setattr(pair.Pair, "train_epoch", until_the_second)
        with pytest.raises(Stop):
            train(tmp_path / "b", matrices)
    codec = train(tmp_path / "b", matrices, resume=True)
    h = matrices[400:420]
    assert codec.compress(h) == trained[0].compress(h)


def test_the_saved_model_decodes_every_rate_and_refuses_others(trained, matrices):
    codec = trained[0]
    h = matrices[400:412]
    packets = [codec.compress(h, step=float(s))[i] for i, s in enumerate(codec.steps)]
    symbols, side = codec.receive(packets)
    decoder = saved_model.Decoder(codec)
    x_hat = decoder.decode(tf.constant(symbols), tf.constant(side, tf.int32))["h_hat"]
    h_hat = x_hat.numpy() @ [1, 1j]
    np.testing.assert_allclose(h_hat, codec.decompress(packets), atol=1e-5)
    symbols[0, 0] = RATES
    with pytest.raises(tf.errors.InvalidArgumentError, match="rate"):
        decoder.decode(tf.constant(symbols), tf.constant(side, tf.int32))
    with pytest.raises(PacketError, match="rate 4 is none of the 4 rates"):
        codec.dequantize(symbols, side)


@pytest.mark.parametrize(
    "prior", sampled(["scale_hyperprior", "mean_scale_hyperprior"], ())
)
def test_hyperpriors_read_the_rate_too(prior, train, matrices, tmp_path):
    codec = train(tmp_path / "a", matrices, prior=prior, prior_args={"hidden": 8})
    h = matrices[400:]
    for step in codec.steps[[0, -1]]:
        packets = codec.compress(h, step=float(step))
        promised = codec.bits_estimated(codec.receive(packets)[0]).mean()
        payload = np.mean([8 * len(p) for p in packets]) - 16
        assert abs(payload - promised) <= 0.01 * promised + 8


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prior": "factorized", "prior_args": {}}, "takes one that reads the rate: c"),
        ({"rounding": "noise"}, "rounding 'noise' is for quantizer 'uniform'"),
        ({"quantizer_args": {"rates": 4, "rate": 4}}, "rate is 4; it must be 0 to 3"),
    ],
)
def test_what_does_not_fit_several_rates_is_refused(
    fields, message, train, matrices, tmp_path
):
    with pytest.raises(ValueError, match=message):
        train(tmp_path / "a", matrices, **fields)


def test_costs_of_all_rates_are_brought_to_one_size():
    rng = np.random.default_rng(0)
    rate = drawn(tf.zeros((400, 1)), 4, tf.constant([1, 2], tf.int64))
    assert np.all(rate.numpy().sum(1) == 1) and np.all(rate.numpy().sum(0) > 60)
    size = np.float32([1, 10, 100, 1000])
    cost = tf.linalg.matvec(rate, size) * rng.uniform(0.5, 1.5, 400).astype("f4")
    balance = Balance(4)
    balance.begin(cost, rate)
    balanced = balance(cost, rate, training=False).numpy()
    for row in rate.numpy().T.astype(bool):
        assert abs(balanced[row].mean() - 1) < 1e-5
    for _ in range(200):
        balance(2 * cost, rate, training=True)
    np.testing.assert_allclose(balance.means, 2 * balance.scale, rtol=1e-3)
    in_turn = drawn(tf.zeros((5, 1)), 2, None).numpy()
    np.testing.assert_array_equal(in_turn.argmax(1), [0, 1, 0, 1, 0])
