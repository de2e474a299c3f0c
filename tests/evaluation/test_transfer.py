"""Laws of transfer: the phone stays as it is, and tuning never harms validation."""

from __future__ import annotations

import json
import sys

import h5py
import numpy as np
import pytest

import tfcsi
from tests.conftest import sampled
from tfcsi import datasets, metrics, models, results, transforms
from tfcsi.__main__ import main
from tfcsi.codecs.neural import Codec, load
from tfcsi.coding.tables import Tables
from tfcsi.evaluation import plots
from tfcsi.training.finetune_decoder import finetune_decoder

TUNING = {"epochs": 8, "batch_size": 10, "learning_rate": 3e-3, "augment": "phase"}
COMPOUND = np.dtype([("real", "<f4"), ("imag", "<f4")])


@pytest.fixture(scope="module")
def make_codec(dense, make_config, h):
    """The function (**fields) -> a codec of the KLT of h, with tables."""

    def make(**fields):
        codec = Codec(make_config(model=dense, **fields))
        models.get(dense).initialize_klt(codec.encoder, codec.decoder, h[:300])
        codec.quantizer.initialize(codec.codewords(h[:300], any_scale=True)[0], 1e-4)
        codec.use(Tables.from_counts(codec.symbols(h[:300])[0]))
        return codec

    return make


@pytest.fixture(scope="module")
def source(make_codec):
    """A codec; leave it as it is."""
    return make_codec()


@pytest.fixture(scope="module")
def other(draw_csi):
    """CSI of another place, 140 matrices: other angles, later."""
    return np.roll(draw_csi(140, seed=7), (2, 1), axis=(1, 2))


def tune(codec, h, **changes):
    return finetune_decoder(codec, h[:40], h[40:], seed=1, **{**TUNING, **changes})


def loss(codec, h):
    return metrics.nmse(h, codec.decompress(codec.compress(h))).mean()


def weights(model):
    return [weight.copy() for weight in model.get_weights()]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other))


def test_a_tuned_decoder_is_better_at_the_place_of_its_tuning(source, other):
    assert loss(tune(source, other), other[40:]) < 0.97 * loss(source, other[40:])


def test_what_the_phone_sends_is_the_same_but_for_the_check(source, other, h):
    tuned = tune(source, other)
    for some in (other, h[300:]):
        for one, two in zip(source.symbols(some), tuned.symbols(some)):
            np.testing.assert_array_equal(one, two)
    assert same(weights(tuned.encoder), weights(source.encoder))
    pairs = zip(source.compress(other), tuned.compress(other))
    assert all(one[2:] == two[2:] for one, two in pairs)
    assert tuned.session.fingerprint != source.session.fingerprint


def test_the_codec_that_is_tuned_stays_as_it_was(source, other):
    before, session = weights(source.decoder), source.session
    tuned = tune(source, other)
    assert same(before, weights(source.decoder)) and source.session == session
    assert not same(before, weights(tuned.decoder))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_decoder(source, other):
    one, two = (weights(tune(source, other).decoder) for _ in range(2))
    np.testing.assert_allclose(one[0], two[0], atol=1e-6)


@pytest.mark.parametrize("rate", [1e3, 1e30])
def test_no_epoch_may_be_better_than_none(source, other, rate):
    tuned = tune(source, other, learning_rate=rate, epochs=2)
    assert same(weights(tuned.decoder), weights(source.decoder))
    assert tuned.session == source.session


@pytest.mark.slow
def test_a_codec_that_sends_the_gain_is_tuned_at_any_scale(make_codec, source, other):
    gains = make_codec(send_gain=True)
    tuned = tune(gains, 1e-4 * other)
    assert loss(tuned, 1e-4 * other[40:]) < 0.97 * loss(gains, 1e-4 * other[40:])
    np.testing.assert_allclose(
        weights(tuned.decoder)[0], weights(tune(source, other).decoder)[0], atol=0.02
    )


@pytest.mark.slow
def test_batch_normalisation_keeps_its_statistics(make_config, other):
    codec = Codec(make_config(model="csinet"))
    codec.use(Tables.from_counts(codec.symbols(other[:20])[0]))
    tuned = tune(codec, other, epochs=1, learning_rate=1e-3)
    pairs = zip(codec.decoder.layers, tuned.decoder.layers)
    kept = [
        np.array_equal(a, b)
        for one, two in pairs
        for a, b in zip(
            map(np.array, one.non_trainable_weights),
            map(np.array, two.non_trainable_weights),
        )
    ]
    assert kept and all(kept)
    assert loss(tuned, other[40:]) < loss(codec, other[40:])


@pytest.mark.slow
def test_a_tuned_codec_can_be_saved(source, other, tmp_path):
    tuned = tune(source, other)
    tuned.save(tmp_path)
    again = load(tmp_path)
    assert again.session == tuned.session
    np.testing.assert_allclose(
        again.decompress(tuned.compress(other)),
        tuned.decompress(tuned.compress(other)),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "epochs is 0; it must be positive"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"augment": "noise"}, "'noise'; it must be one of none, phase, phase_flip"),
    ],
)
def test_tuning_that_makes_no_sense_is_refused(source, other, changes, words):
    with pytest.raises(ValueError, match=words):
        tune(source, other, **changes)
    with pytest.raises(ValueError, match="0 shots and 140 validation matrices"):
        finetune_decoder(source, other[:0], other, seed=1, **TUNING)


# The command.


@pytest.fixture(scope="module")
def project(tmp_path_factory, dense, make_config, draw_csi):
    """Folder of a config file and of data in the published layouts, 80 for training."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "quadriga").mkdir()
    (folder / "raytraced").mkdir()
    h = draw_csi(680, (32, 32))
    with h5py.File(folder / "quadriga" / "quadriga_uma_nlos_28ghz.mat", "w") as file:
        turned = np.ascontiguousarray(np.swapaxes(np.fft.ifftshift(h, 1), 1, 2))
        file["H"] = turned.view(COMPOUND)
        file["H"].attrs["MATLAB_class"] = np.bytes_("single")
    other = transforms.to_space_frequency(np.roll(h, 9, axis=1), 32)[:, None]
    np.savez(folder / "raytraced" / "street_canyon_3p5ghz.npz", channel=other)
    config = make_config(model=dense, shape=(32, 32), latent_dim=16, epochs=1)
    config.prior_warmup_steps = 5
    (folder / "tiny.py").write_text(
        "import json\n"
        "from ml_collections import ConfigDict\n"
        f"CONFIG = json.loads({json.dumps(config.to_dict())!r})\n"
        "def get_config(lmbda='1e-3'):\n"
        "    return ConfigDict({**CONFIG, 'lmbda': float(lmbda)})\n"
    )
    return folder


def transfer(project, *flags, config="tiny.py:2e-3", output="t.json", shots=20):
    return main(
        [
            *("tfcsi", "transfer", f"--config={project}/{config}"),
            *(f"--data_root={project}", f"--workdir={project}/runs"),
            *("--train_on=quadriga_28ghz", f"--output={project}/{output}"),
            *("--test_on=quadriga_28ghz,raytraced_street_canyon", "--limit=50"),
            *(["--tune_epochs=3"] if shots else []),
            *(f"--shots={shots}", *flags),
        ]
    )


@pytest.mark.slow
def test_transfer_trains_once_and_tests_each_pair(project, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest"])
    assert transfer(project) == 0
    points = results.read(project / "t.json")["points"]
    fields = ("train_on", "test_on", "shots", "num_matrices")
    near, far = "quadriga_28ghz", "raytraced_street_canyon"
    assert [tuple(point[field] for field in fields) for point in points] == [
        (near, near, 0, 50),
        (near, far, 0, 50),
        (near, far, 20, 50),
    ]
    reference, plain, tuned = (point["nmse_db"] for point in points)
    assert reference < plain - 0.5 and tuned < plain + 0.1
    assert points[1]["bits"] == points[2]["bits"]
    assert (project / "t.png").read_bytes()[1:4] == b"PNG"
    config = load(project / "runs" / near).config
    assert (config.dataset, config.scenario) == ("quadriga", "28ghz")
    assert config.lmbda == 2e-3

    path = project / "runs" / near / "codec.npz"
    before = path.stat().st_mtime_ns
    assert transfer(project, output="again.json", shots=0) == 0
    again = results.read(project / "again.json")["points"]
    assert again == points[:2] and path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "codec", sampled(["klt", "topk", "dft_grid", "gaussian_mixture"], ("klt",))
)
def test_transfer_fits_and_tests_codecs_without_a_network(codec, project, capsys):
    config = project / f"{codec}.py"
    config.write_text(
        "from tfcsi.training.config import read\n"
        f"def get_config():\n    config = read('classical:{codec}')\n"
        "    config.domain = 'space_frequency'\n    return config\n"
    )
    size = "--config.network." + ("step=0.1" if codec == "dft_grid" else "bits=300")
    flags = [f"--workdir={project}/{codec}", size]
    call = {"config": config.name, "output": f"{codec}.json"}
    assert transfer(project, *flags, shots=0, **call) == 0
    near, far = results.read(project / f"{codec}.json")["points"]
    assert near["codec"] == codec and near["bits"] > 0 and far["shots"] == 0
    run = tfcsi.load(project / codec / "quadriga_28ghz")
    assert (run.domain, run.config["dataset"]) == ("space_frequency", "quadriga")
    assert transfer(project, *flags, **call) == 1
    assert f"codec {codec!r} has no network that could be tuned" in (
        capsys.readouterr().err
    )


@pytest.mark.slow
def test_a_run_of_another_config_is_not_taken_for_this_one(project, capsys):
    assert (project / "runs" / "quadriga_28ghz" / "codec.npz").exists()
    assert transfer(project, "--config.seed=5", config="tiny.py") == 1
    words = "another config: it differs in lmbda, seed; give another --workdir"
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (["--train_on=quadriga"], 1, "unknown source 'quadriga'; known: cost2100_i"),
        (["--test_on=a,b"], 1, "unknown source 'a'"),
        (["--shots=81"], 1, "shots is 81; raytraced_street_canyon has 80 training"),
        (["--options=deepmimo_a:bs=3"], 1, "options are given for 'deepmimo_a', which"),
        (["--options=quadriga_28ghz:kez=G"], 1, "kez"),
        (["--options=quadriga_28ghz:"], 2, "give NAME:KEY=VALUE,..."),
        (["--options=a:b=1", "--options=a:c=1"], 2, "names a source twice"),
        (["--shots=-1"], 2, "--shots=-1"),
        (["--limit=0"], 2, "--limit=0"),
        (["--tune_augment=x"], 2, "=x; it must be one of none, phase, phase_flip"),
        (["--config=none.py"], 2, "none.py"),
        (["--output="], 2, "give FILE.json"),
        (["--output=a.png"], 2, "--output=a.png; give FILE.json"),
    ],
)
def test_what_transfer_cannot_do_is_refused(project, flags, status, words, capsys):
    assert transfer(project, *flags) == status
    assert words in capsys.readouterr().err


def test_wrong_flags_and_missing_files_are_named_before_a_training_starts(
    project, tmp_path, capsys
):
    for flags, words in (
        (["--test_on=raytraced_munich"], "munich_3p5ghz.npz: no such file"),
        (["--tune_learning_rate=0"], "learning_rate is 0.0; it must be positive"),
        (["--shots=81"], "shots is 81"),
    ):
        assert transfer(project, f"--workdir={tmp_path}/runs", *flags) == 1
        assert words in capsys.readouterr().err
        assert not (tmp_path / "runs").exists()


def test_the_registry_reads_what_the_test_wrote(project, draw_csi):
    h = datasets.load("quadriga_28ghz", project, "test", "angular_delay")
    np.testing.assert_allclose(h, draw_csi(680, (32, 32))[-400:], atol=1e-6)
    far = datasets.load("raytraced_street_canyon", project, "test", "angular_delay")
    np.testing.assert_allclose(far, np.roll(h, 9, axis=1), atol=1e-6)


# The picture.


def test_the_picture_has_a_map_for_each_number_of_shots_and_a_text_for_each_pair():
    points = [
        {"train_on": a, "test_on": b, "shots": shots, "nmse_db": nmse_db, "bits": 300}
        for a, b, shots, nmse_db in [
            ("x", "x", 0, -9.0),
            ("x", "y", 0, 0.5),
            ("x", "y", 10, -1.25),
        ]
    ]
    plain, tuned, _ = plots.transfer(points).axes
    texts = [[text.get_text() for text in axes.texts] for axes in (plain, tuned)]
    assert texts == [
        ["-9.00 dB\n300 bits", "0.50 dB\n300 bits"],
        ["-1.25 dB\n300 bits"],
    ]
    cells = tuned.images[0].get_array()
    assert cells.mask.tolist() == [[True, False]] and cells[0, 1] == -1.25
    assert plain.images[0].get_clim() == tuned.images[0].get_clim() == (-9, 0.5)
