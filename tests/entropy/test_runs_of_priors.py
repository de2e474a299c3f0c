"""Each prior on one model: a run of it sends what it promised, on a phone, too."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics, transforms
from tfcsi.codecs.schema import FIELDS
from tfcsi.coding.network_tables import NetworkTables
from tfcsi.coding.packets import CRC_BITS
from tfcsi.tflite import convert
from tfcsi.training import finetune_qat
from tfcsi.training.config import read
from tfcsi.training.run import train
from tfcsi.ue import Ue

CASES = {
    "mulaw": {"quantizer": "mulaw", "quantizer_args": {"bits": 5, "mu": 255.0}},
    "blocks": {"prior_args": {"order": "blocks", "hyper_dim": 2}},
    "checkerboard": {
        "prior_args": {"order": "checkerboard", "grid": (4, 4), "groups": 2}
    },
    "mixed": {"rounding": "mixed"},
}


@pytest.mark.slow
@pytest.mark.tflite
def test_an_integer_encoder_keeps_its_contexts_and_its_rate(make_config, h, tmp_path):
    config = make_config(model="csinet", init="random", learning_rate=3e-3, epochs=4)
    config.prior, config.prior_args = "contexts", {"hyper_dim": 4}
    source = train(config, tmp_path / "float", h[:300], h[300:], progress=False)
    tuning = read("qat", ["epochs=2"])
    tuned = finetune_qat.finetune(
        source, tuning, tmp_path / "int8", h[:300], h[300:], progress=False
    )
    assert isinstance(tuned.tables, NetworkTables)
    content = convert.export(tuned, "int8_full", transforms.to_real(h[:300]))
    (tmp_path / "encoder.tflite").write_bytes(content)
    tuned.save_ue(tmp_path / "tables.npz", encoder=content)
    ue = Ue(tmp_path / "encoder.tflite", tmp_path / "tables.npz")
    integer = [ue.encode(matrix) for matrix in h[300:]]
    losses = []
    for codec, packets in ((source, source.compress(h[300:])), (tuned, integer)):
        nmse = metrics.nmse(h[300:], codec.decompress(packets)).mean()
        bits = 8 * np.mean([len(packet) for packet in packets])
        losses.append(nmse + config.lmbda * bits)
    assert losses[1] < 1.02 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prior", "case"),
    [
        *((prior, "") for prior in FIELDS["prior"].choices if prior != "none"),
        *(("contexts", case) for case in CASES),
    ],
)
def test_a_run_sends_what_validation_promised_on_a_phone_too(
    make_config, h, tmp_path, prior, case
):
    config = make_config(model="csinet", init="random", prior=prior, epochs=1)
    config.network.blocks = 1
    config.update(**CASES.get(case, {}))
    config.prior_warmup_steps = 150
    made = train(config, tmp_path, h[:300], h[300:], progress=False)
    codec = tfcsi.load(tmp_path)
    assert codec.session == made.session

    packets = codec.compress(h[300:])
    real = 8 * np.mean([len(packet) for packet in packets]) - CRC_BITS
    promised = float((tmp_path / "log.csv").read_text().splitlines()[1].split(",")[6])
    assert abs(real - promised) <= 0.01 * promised + 8
    symbols, side = codec.symbols(h[300:])
    np.testing.assert_array_equal(codec.receive(packets)[0], symbols)
    h_hat = codec.decompress(packets)
    assert np.isfinite(h_hat).all() and h_hat.shape == h[300:].shape
    ideal = codec.bits_estimated(symbols).mean() + 16 * side.shape[1]
    assert abs(real - ideal) < 8

    content = convert.export(codec, "float32", None)
    (tmp_path / "encoder.tflite").write_bytes(content)
    codec.save_ue(tmp_path / "tables.npz", encoder=content)
    ue = Ue(tmp_path / "encoder.tflite", tmp_path / "tables.npz")
    same = [ue.encode(matrix) == p for matrix, p in zip(h[300:320], packets)]
    assert np.mean(same) > 0.8  # Networks of two libraries may round a symbol apart.
    codec.receive([ue.encode(matrix) for matrix in h[300:305]])
