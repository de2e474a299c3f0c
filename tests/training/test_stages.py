"""Laws of staged and noisy trainings."""

import numpy as np
import pytest

from tfcsi.codecs.neural import load
from tfcsi.training import log, run, stages

DENOISER = {"model": "csinet_dnnet", "network": {"hidden": (32,), "blocks": 1}}
FLOAT = {"quantizer": "float", "prior": "none", "init": "random"}


def weights(codec, part):
    layers = getattr(codec, part).layers
    return {layer.name: layer.get_weights() for layer in layers if layer.weights}


def changed(one, two):
    """Names of the layers, with their side, whose weights differ."""
    return {
        f"{part}/{name}"
        for part in ("encoder", "decoder")
        for name, before in weights(one, part).items()
        if any((a != b).any() for a, b in zip(before, weights(two, part)[name]))
    }


def test_shares_become_whole_epochs_that_sum_up(make_config):
    shares = ({"share": 2}, {"share": 1, "train": "x"}, {"share": 1})
    for epochs, expected in ((8, [4, 2, 2]), (5, [2, 2, 1]), (3, [2, 0, 1])):
        config = make_config(epochs=epochs, stages=shares)
        if min(expected):
            assert [s.epochs for s in stages.stages_of(config)] == expected
        else:
            with pytest.raises(ValueError, match="epochs is 3; too few for 3 stages"):
                stages.stages_of(config)
    assert stages.stages_of(make_config(epochs=7)) == [
        stages.Stage(7, train="", quantize=True, noise=True, loss="csi")
    ]


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"share": 1, "epoch": 2}, "no field 'stages\\[0\\].epoch'; known: loss, "),
        ({"share": 1, "trian": ""}, "no field 'stages.*trian'; did you mean 'train'"),
        ({"train": "x"}, r"stages\[0\].share is missing; each stage needs it"),
        ({"share": 0}, r"stages\[0\].share is 0; it must be positive"),
        ({"share": 1, "loss": "csy"}, r"'csy'; it must be one of \('csi', 'codeword'"),
        ({"share": 1, "train": "^middle"}, r"'\^middle'; no layer matches it"),
        ({"share": 1, "loss": "codeword"}, "has no layer 'denoised'"),
    ],
)
def test_stages_that_make_no_sense_are_refused(
    make_config, dense, h, tmp_path, stage, words
):
    config = make_config(model=dense, **FLOAT, stages=(stage,))
    with pytest.raises(ValueError, match=words):
        run.train(config, tmp_path, h[:300], h[300:], progress=False)
    assert not (tmp_path / "config.json").exists()


@pytest.mark.slow
def test_a_stage_trains_the_layers_that_it_names_and_no_others(
    make_config, h, tmp_path
):
    alone = {"share": 1, "train": "^decoder/denoise_", "loss": "codeword"}
    noise = {"csi_snr_db": (), "codeword_snr_db": (0.0, 10.0)}
    runs = []
    for name, plan in (("first", ({"share": 1},)), ("both", ({"share": 1}, alone))):
        config = make_config(
            **DENOISER, **FLOAT, noise=noise, epochs=len(plan), stages=plan
        )
        config.warmup_epochs = 0.0
        config.final_rate = 1.0  # Both runs have the same first epoch.
        runs.append(
            run.train(config, tmp_path / name, h[:100], h[300:], progress=False)
        )
    names = {name.split("_")[0] for name in changed(*runs)}
    assert names == {"decoder/denoise"}
    assert runs[1].facts["best_epoch"] == 2


class Interrupted(np.ndarray):
    """CSI whose reader presses Ctrl-C at batch number `stop`."""

    stop, read = 0, 0

    def __getitem__(self, key):
        if isinstance(key, np.ndarray) and len(key) == 20:
            self.read += 1
            if self.read > self.stop:
                raise KeyboardInterrupt
        return super().__getitem__(key)


@pytest.mark.slow
def test_an_interrupted_stage_continues_to_the_same_bits(
    make_config, dense, h, tmp_path
):
    config = make_config(
        model=dense,
        prior_warmup_steps=3,
        epochs=3,
        noise={"csi_snr_db": (10.0, 30.0), "codeword_snr_db": (0.0, 10.0)},
        stages=(
            {"share": 1, "quantize": False, "noise": False},
            {"share": 2, "train": "^decoder/"},
        ),
    )
    whole = run.train(config, tmp_path / "whole", h[:100], h[300:], progress=False)
    h_train = h[:100].view(Interrupted)
    h_train.stop = 10  # In the second epoch, after the three reads that begin it.
    with pytest.raises(KeyboardInterrupt):
        run.train(config, tmp_path / "part", h_train, h[300:], progress=False)
    assert len(log.read_log(tmp_path / "part")) == 1
    run.train(config, tmp_path / "part", h[:100], h[300:], resume=True, progress=False)
    again = load(tmp_path / "part")
    assert not changed(whole, again)
    assert whole.session == again.session


def test_noise_in_training_is_what_validation_sees(make_config, dense, h, tmp_path):
    logs = []
    for snr_db in ((), (20.0, 20.0), (0.0, 0.0)):
        noise = {"csi_snr_db": (), "codeword_snr_db": snr_db}
        config = make_config(
            model=dense, **{**FLOAT, "init": "klt"}, noise=noise, epochs=1
        )
        folder = tmp_path / str(len(logs))
        run.train(config, folder, h[:300], h[300:], progress=False)
        logs.append(log.read_log(folder)[0]["val_nmse_db"])
    assert logs[0] < logs[1] < logs[2]
    assert logs[2] == pytest.approx(0.0, abs=3.0)  # As much noise as codeword.


@pytest.mark.parametrize("limits", [(5.0,), (9.0, 1.0)])
def test_limits_of_noise_that_are_not_two_in_order_are_refused(
    make_config, dense, h, tmp_path, limits
):
    noise = {"csi_snr_db": limits, "codeword_snr_db": ()}
    config = make_config(model=dense, noise=noise)
    with pytest.raises(ValueError, match="noise.csi_snr_db is .* the lower first"):
        run.train(config, tmp_path, h[:300], h[300:], progress=False)


def test_a_float_codeword_costs_32_bits_a_real_and_arrives_as_it_was(
    make_config, dense, h, tmp_path
):
    config = make_config(model=dense, **{**FLOAT, "init": "klt"}, epochs=1)
    codec = run.train(config, tmp_path, h[:300], h[300:], progress=False)
    packets = codec.compress(h[300:])
    assert {len(packet) for packet in packets} == {2 + 4 * config.latent_dim}
    y = codec.analysis(np.stack([h[300:].real, h[300:].imag], -1))
    symbols, side = codec.receive(packets)
    np.testing.assert_array_equal(codec.quantizer.dequantize(symbols, side), y)
