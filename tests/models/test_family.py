"""Every model of the registry has its published size, and learns by its config."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import SAMPLE, sampled
from tfcsi import models, transforms
from tfcsi.codecs.neural import load
from tfcsi.codecs.schema import FIELDS
from tfcsi.coding.packets import CRC_BITS
from tfcsi.tflite import convert, runner
from tfcsi.training import config as configs
from tfcsi.training import run
from tfcsi.training.log import read_log

# Trainable parameters on 32 x 32: model to (arguments of the network, {latent_dim:
# (encoder, pair)}). Pairs are those of a table in print or of released code where it
# says "published" (all digits) or "rounded" (as many digits as are printed); "ours"
# counts a network whose layer list is not confirmed, or one that differs by intent.
PARAMETERS = {
    "acrnet": [
        ({}, {512: (1_049_362, 2_102_344)}),  # Published.
        ({"expansion": 10}, {512: (1_049_362, 2_122_504)}),  # Published.
        ({"expansion": 20}, {512: (1_049_362, 2_144_904)}),  # Published.
        ({"latent": "conv"}, {128: (2_074, 6_352)}),  # Published.
        ({"latent": "conv"}, {512: (7_474, 17_128)}),  # Rounded.
    ],
    "aianet": [({}, {512: (1_051_956, 2_108_008)})],  # Ours.
    "attention_csinet": [({}, {512: (1_049_137, 2_103_419)})],  # Ours.
    "bacrnet": [  # Ours: with the encoder's dense layer counted in whole weights.
        ({}, {512: (1_049_362, 2_102_344)}),
        ({"expansion": 10}, {512: (1_049_362, 2_122_504)}),
    ],
    "bcsinet": [  # Rounded.
        ({"head": "A", "num_refine": 2}, {512: (1_049_128, 2_103_064)}),
        ({"head": "B", "num_refine": 3}, {512: (1_049_168, 2_104_740)}),
    ],
    "cllwcsinet": [  # Published; the noise path changes nothing of it.
        ({}, {512: (29_158, 70_268), 256: (23_758, 66_756), 128: (20_810, 42_608)}),
        ({"noise_path": "released"}, {512: (29_158, 70_268)}),
    ],
    "clnet": [  # Published.
        (
            {},
            {
                512: (1_049_556, 2_101_958),
                256: (525_012, 1_053_126),
                128: (262_740, 528_710),
                64: (131_604, 266_502),
                32: (66_036, 135_398),
            },
        ),
    ],
    "crnet": [
        (  # Published.
            {},
            {
                512: (1_049_260, 2_102_838),
                256: (524_716, 1_054_006),
                128: (262_444, 529_590),
                64: (131_308, 267_382),
                32: (65_740, 136_278),
            },
        ),
        ({"latent": "conv"}, {256: (3_772, 10_438)}),  # Published.
        ({"latent": "conv"}, {512: (7_372, 17_622)}),  # Rounded.
    ],
    "csi_inr": [  # Ours: all weights at both ends, and the UE's inner rates.
        ({}, {32: (93_122, 186_212), 64: (111_586, 223_108)}),
        ({"rate_learned": False}, {32: (93_090, 186_180)}),
    ],
    "csiformer": [({}, {512: (1_059_906, 2_121_348)})],  # Ours.
    "csinet": [
        (  # Published, but for CR 8 (256), which is ours.
            {},
            {
                512: (1_049_130, 2_103_116),
                256: (524_586, 1_054_284),
                128: (262_314, 529_868),
                64: (131_178, 267_660),
                32: (65_610, 136_556),
            },
        ),
        ({"form": "channels_first"}, {512: (1_049_190, 2_103_456)}),  # Published.
        (  # Rounded.
            {"latent": "conv"},
            {512: (7_242, 17_900), 256: (3_642, 10_716), 128: (1_842, 7_124)},
        ),
    ],
    "csinet_dnn": [({}, {512: (1_049_130, 3_677_004)})],  # Ours.
    "csinet_dnnet": [({}, {512: (1_049_130, 4_202_828)})],  # Ours.
    "csinet_plus": [  # Rounded.
        (
            {},
            {
                512: (1_049_488, 2_121_932),
                256: (524_944, 1_073_100),
                128: (262_672, 548_684),
                64: (131_536, 286_476),
            },
        ),
    ],
    "csinet_pro": [({}, {512: (1_058_978, 2_119_488)})],  # Ours: no count in print.
    "dcrnet": [  # Published.
        ({}, {512: (1_049_358, 2_101_708)}),
        ({"expansion": 10}, {512: (1_049_358, 2_115_820)}),
    ],
    "deep_decoder_csinet": [({}, {512: (1_049_130, 2_133_032)})],  # Ours.
    "deepcmc": [({}, {512: (3_090_432, 14_440_706)})],  # Ours.
    "ds_nlcsinet": [  # Ours: 308 less than released, by the axis of normalisation.
        (
            {},
            {
                512: (1_051_178, 2_108_424),
                128: (264_362, 535_176),
                64: (133_226, 272_968),
                32: (67_658, 141_864),
            },
        ),
        (  # Published.
            {"form": "released"},
            {
                512: (1_051_238, 2_108_732),
                128: (264_422, 535_484),
                64: (133_286, 273_276),
                32: (67_718, 142_172),
            },
        ),
    ],
    "offset_csinet": [({}, {512: (1_049_488, 2_647_244)})],  # Ours.
    "ravula_jain": [({}, {512: (52_896, 105_762)})],  # Ours.
    "stnet": [({"attention": "released"}, {512: (1_061_320, 2_124_957)})],  # Published.
    "stqenet": [  # Published.
        (
            {"attention": "released"},
            {
                512: (1_061_320, 2_124_957),
                256: (536_776, 1_076_125),
                128: (274_504, 551_709),
                64: (143_368, 289_501),
                32: (77_800, 158_397),
            },
        ),
    ],
    "transnet": [  # Published; without shared layers rounded.
        (
            {},
            {
                512: (1_330_240, 2_678_912),
                256: (805_696, 1_630_080),
                128: (543_424, 1_105_664),
                64: (412_288, 843_456),
                32: (346_720, 712_352),
            },
        ),
        ({"shared": False}, {512: (1_611_392, 3_257_984)}),
    ],
}

# Trained with the quantiser of their config: real codewords, or companded ones.
OWN = ("cllwcsinet", "csinet_dnnet", "offset_csinet")
# The others are trained with a prior each, in turn.
PRIORS = [name for name in FIELDS["prior"].choices if name != "none"]
BINARY = ("bacrnet", "bcsinet")  # Whose dense layer is the point: see test_binary.py.
WITH_LATENT = [n for n in models.MODELS if "latent" in models.get(n).options]


def size(model):
    """Number of trainable parameters."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def pair(name, shape, latent_dim, **network):
    """Encoder and decoder of a model."""
    model = models.get(name)
    return [f(shape, latent_dim, **network) for f in (model.encoder, model.decoder)]


def test_every_model_has_a_row_in_the_table_of_parameters():
    assert sorted(PARAMETERS) == sorted(models.MODELS)


def _marks(name, between):
    """Those of a row of the table: sizes between the others are for the soak."""
    return pytest.mark.soak if between else [pytest.mark.slow] * (name not in SAMPLE)


@pytest.mark.parametrize(
    ("name", "network", "latent_dim", "expected"),
    [
        pytest.param(
            *(name, network, latent_dim, expected),
            id=f"{name}{i}-{latent_dim}",
            marks=_marks(name, latent_dim not in (max(sizes), min(sizes))),
        )
        for name, rows in PARAMETERS.items()
        for i, (network, sizes) in enumerate(rows)
        for latent_dim, expected in sizes.items()
    ],
)
def test_a_model_has_the_size_of_its_row(name, network, latent_dim, expected):
    encoder, decoder = pair(name, (32, 32), latent_dim, **network)
    assert (size(encoder), size(encoder) + size(decoder)) == expected


# The default suite builds, saves and exports models, in test_contract.py.
@pytest.mark.slow
@pytest.mark.tflite
@pytest.mark.parametrize("name", models.MODELS)
def test_a_model_trains_by_its_config_sends_and_runs_on_a_phone(
    name, h, tmp_path, tiny_networks
):
    config = configs.read(f"autoencoder:{name}")
    config.update(shape=h.shape[1:], latent_dim=64, network=tiny_networks[name])
    config.update(batch_size=20, epochs=1 + len(config.stages))
    config.prior_warmup_steps = 80  # From 70 on a histogram forgets how it began.
    if name not in OWN:
        config.prior = PRIORS[[*models.MODELS].index(name) % len(PRIORS)]
    if config.prior == "histogram":  # It estimates by the symbols of the last steps.
        config.learning_rate = 1e-6
    h_val = h[300:320]
    codec = run.train(config, tmp_path / "run", h[:60], h_val, progress=False)

    symbols, side = codec.symbols(h_val)
    packets = codec.compress(h_val)
    row = read_log(tmp_path / "run")[codec.facts["best_epoch"] - 1]
    promised = row["val_bits"]
    real = 8 * np.mean([len(packet) for packet in packets]) - CRC_BITS
    assert abs(real - promised) <= 0.01 * promised + 8
    base_station = load(tmp_path / "run")
    received = base_station.receive(packets)
    np.testing.assert_array_equal(received[0], symbols)
    np.testing.assert_array_equal(received[1], side)
    h_hat = base_station.decompress(packets)
    assert h_hat.shape == h_val.shape and np.isfinite(h_hat).all()

    x, x_val = transforms.to_real(h[:60]), transforms.to_real(h_val)
    y = codec.analysis(x_val)
    near = {"float32": 1e-4, "dynamic": 0.1}
    for precision, tolerance in near.items():  # Others than builtins raise an error.
        y_phone = runner.Runner(convert.export(codec, precision, x))(x_val)
        np.testing.assert_allclose(y_phone, y, atol=tolerance * np.abs(y).max())
        if precision == "float32":
            changed = codec.quantizer.quantize(y_phone)[0] != symbols
            assert changed.sum() <= 0.01 * changed.size


@pytest.mark.parametrize("name", sampled(sorted(set(WITH_LATENT) - set(BINARY))))
def test_a_convolutional_latent_fits_every_model_that_has_the_choice(
    name, tiny_networks
):
    encoder, decoder = pair(name, (16, 24), 48, latent="conv", **tiny_networks[name])
    y = encoder(np.zeros((3, 16, 24, 2), np.float32))
    assert y.shape == (3, 48) and decoder(y).shape == (3, 16, 24, 2)
    dense = pair(name, (16, 24), 48, **tiny_networks[name])
    assert size(encoder) < size(dense[0]) and size(decoder) < size(dense[1])


@pytest.mark.parametrize("name", BINARY)
def test_a_model_that_binarises_its_dense_layer_has_no_convolutional_latent(name):
    for build in (models.get(name).encoder, models.get(name).decoder):
        with pytest.raises(ValueError, match="latent is 'conv'; .* must be 'dense'"):
            build((16, 16), 32, latent="conv")
