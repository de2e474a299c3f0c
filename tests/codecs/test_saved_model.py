"""The SavedModel of a decoder makes the same CSI as the codec."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.codecs import saved_model
from tfcsi.codecs.neural import Codec
from tfcsi.coding.tables import Tables
from tfcsi.entropy import priors

CASES = {
    "uniform": {},
    "mulaw": {"quantizer": "mulaw", "quantizer_args": {"bits": 4, "mu": 255.0}},
    "float": {"quantizer": "float"},
    "send_gain": {"send_gain": True},
}


@pytest.fixture(params=CASES)
def codec(request, make_config, dense, draw_csi):
    fields = {"shape": (8, 8), "init": "random", "model": dense, "latent_dim": 8}
    made = Codec(make_config(**fields, **CASES[request.param]))
    h = draw_csi(50, (8, 8))
    made.quantizer.initialize(made.codewords(h)[0], 1e-3)
    symbols, _ = made.symbols(h)
    if symbols.size:
        made.use(Tables.from_counts(symbols, made.config.coder))
    else:
        made.use(priors.get("none")(0, None, made.config.coder).freeze(symbols))
    return made


def test_the_integers_of_packets_become_the_csi_of_the_codec(codec, draw_csi, tmp_path):
    packets = codec.compress(draw_csi(7, (8, 8)))
    symbols, side = codec.receive(packets)
    model = tf.saved_model.load(str(saved_model.write(codec, tmp_path)))
    assert saved_model.session_of(model) == codec.session
    h_hat = model.signatures["serving_default"](
        symbols=tf.constant(symbols), side=tf.constant(side.astype(np.int32))
    )["h_hat"].numpy()
    right = codec.decompress(packets)
    np.testing.assert_allclose(h_hat[..., 0], right.real, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(h_hat[..., 1], right.imag, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("codec", ["mulaw", "float"], indirect=True)
def test_side_information_that_makes_no_sense_is_refused(codec, tmp_path):
    decode = saved_model.Decoder(codec).decode
    symbols = tf.zeros((1, codec.quantizer.num_symbols), tf.int32)
    side = tf.fill((1, codec.quantizer.num_side), 0x7FFF)  # Not a number.
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(symbols, side)


@pytest.mark.parametrize("codec", ["uniform"], indirect=True)
def test_a_new_version_stands_beside_the_one_before(codec, tmp_path):
    assert [saved_model.write(codec, tmp_path).name for _ in range(2)] == ["1", "2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["mulaw"], indirect=True)
def test_a_process_without_tfcsi_loads_and_calls_it(codec, draw_csi, tmp_path):
    packets = codec.compress(draw_csi(7, (8, 8)))
    symbols, side = codec.receive(packets)
    path = saved_model.write(codec, tmp_path / "model")
    np.savez(tmp_path / "sent.npz", symbols=symbols, side=side.astype(np.int32))
    script = "import sys, numpy as np, tensorflow as tf\n"
    script += "model, sent, out = sys.argv[1:]\n"
    script += "decode = tf.saved_model.load(model).signatures['serving_default']\n"
    script += "sent = {k: tf.constant(v) for k, v in np.load(sent).items()}\n"
    script += "np.save(out, decode(**sent)['h_hat'])\nassert 'tfcsi' not in sys.modules"
    files = [str(path), str(tmp_path / "sent.npz"), str(tmp_path / "h_hat.npy")]
    subprocess.run([sys.executable, "-c", script, *files], cwd=tmp_path, check=True)
    h_hat = np.load(tmp_path / "h_hat.npy").view(np.complex64)[..., 0]
    np.testing.assert_allclose(h_hat, codec.decompress(packets), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("codec", ["uniform"], indirect=True)
def test_the_command_writes_it_and_refuses_flags_of_the_encoder(
    codec, tmp_path, capsys
):
    from tfcsi.__main__ import main

    codec.save(tmp_path / "run")
    command = [
        "tfcsi",
        "export",
        f"--workdir={tmp_path / 'run'}",
        "--format=savedmodel",
    ]
    assert main(command) == 0
    path = tmp_path / "run" / "saved_model" / "1"
    assert capsys.readouterr().out == f"{path}\n"
    assert (path / "saved_model.pb").exists()
    assert main([*command, "--precision=int8"]) == 2
    assert "--precision does not go with" in capsys.readouterr().err
