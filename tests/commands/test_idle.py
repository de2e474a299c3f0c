"""Flags and fields that would change nothing are refused, and so is no measurement."""

import shutil

import numpy as np
import pytest

from tfcsi.__main__ import main
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.entropy import priors
from tfcsi.tflite import exports
from tfcsi.training.config import FIELDS

TRAIN = ["train", "--config=autoencoder:csinet", "--workdir=W", "--data_dir=W/data"]
CHANNEL = ["train", "--config=autoencoder:csinet", "--workdir=W"]
CHANNEL += ["--channel=cost2100_indoor"]
KLT = ["train", "--config=classical:klt", "--workdir=W", "--data_dir=W/data"]
TRANSFER = ["transfer", "--config=autoencoder:csinet", "--workdir=W", "--data_root=W"]
TRANSFER += ["--train_on=cost2100_indoor", "--test_on=cost2100_indoor"]
TRANSFER += ["--output=W/a.json"]
DEMO = ["demo", "--workdir=W/demo"]
FINETUNE = ["finetune", "--workdir=W", "--data_dir=W"]
BENCHMARK = ["benchmark", "--workdirs=W"]
EXPORT = ["export", "--workdir=W"]
EVALUATE = ["evaluate", "--workdir=W", "--data_dir=W"]
REPRODUCE = ["reproduce", "rate-distortion", "--data_root=W", "--output=W/a.json"]
REPRODUCE += ["--dataset=cost2100_indoor"]


def refusal(folder, capsys, words):
    """What a command says as it ends with exit status 2 or 1."""
    status = main(["tfcsi", *(word.replace("W", str(folder), 1) for word in words)])
    shown = capsys.readouterr().err
    assert status in (1, 2) and "Traceback" not in shown
    return status, shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*TRAIN, "--config.data=bogus"], "data is 'bogus'; it must be one of"),
        ([*TRAIN, "--config.warmup_epochs=-1"], "warmup_epochs is -1.0; it must be 0"),
        ([*TRAIN, "--config.prior_warmup_steps=-1"], "prior_warmup_steps is -1; it mu"),
        ([*TRAIN, "--config.prior=bogus"], "prior is 'bogus'; it must be one of"),
        ([*TRAIN, "--config.num_test=9"], "num_test, which only tfcsi demo uses"),
        ([*CHANNEL, "--config.num_test=9"], "num_test, which only tfcsi demo uses"),
        ([*CHANNEL, "--config.scenario=outdoor"], "=outdoor does not go with a train"),
        ([*CHANNEL, "--config.dataset=quadriga"], "=quadriga does not go with a trai"),
        (
            ["train", "--config=deepmimo:csinet", *CHANNEL[2:], "--config.source.bs=2"],
            "--config.source would change nothing, because the matrices are simulated",
        ),
        (
            [*KLT, "--config.epochs=3"],
            "because the codec klt has no network",
        ),
        ([*KLT, "--config.lmbda=1e-3"], "--config.lmbda would change nothing"),
        ([*KLT, "--config.noise.csi_snr_db=0,10"], "--config.noise would change noth"),
        ([*TRANSFER, "--config.data=simulate"], "--config.data would change nothing"),
        ([*TRANSFER, "--config.scenario=indoor"], "--train_on and --test_on name"),
        ([*TRANSFER, "--config.num_test=5"], "num_test, which only tfcsi demo uses"),
        ([*TRANSFER, "--shots=0", "--tune_epochs=5"], "with --shots=0 nothing is tun"),
        ([*TRANSFER, "--tune_augment=bogus"], "it must be one of none, phase, phase_f"),
        ([*DEMO, "--config.dataset=quadriga"], "--config.dataset would change nothing"),
        ([*DEMO, "--config.data=files"], "--config.data would change nothing"),
        ([*FINETUNE, "--config.num_test=5"], "num_test, which only tfcsi demo uses"),
        ([*BENCHMARK, "--runtimes=bogus"], "has bogus; known are tf.lite, litert"),
        ([*BENCHMARK, "--runtimes="], "give some of tf.lite, litert"),
        ([*EXPORT, "--precision="], "give some of float32"),
        ([*EXPORT, "--precision=float33"], "has float33; known are float32"),
        ([*EXPORT, "--tune_steps=5"], "--tune_steps goes with --clusters or --sparsi"),
        ([*EVALUATE, "--seed=3"], "--seed=3; it goes with --snr_db or --bit_error"),
        ([*EVALUATE, "--noise=csi"], "--noise=csi; it goes with --snr_db"),
        ([*EVALUATE, "--snr_db="], "give low:high:step"),
        ([*EVALUATE, "--snr_db=-1e9"], "snr_db is -1e+09; it is in dB, -300 to 300"),
        ([*REPRODUCE, "--codecs="], "give names"),
        ([*REPRODUCE, "--codecs=bogus"], "unknown codec 'bogus'; known: "),
        (
            ["data", "verify", "W", "--domain=angular_delay"],
            "--domain goes with",
        ),
        (
            ["data", "verify", "W", "--output=a.html"],
            "--output goes with",
        ),
    ],
    ids=lambda words: " ".join(words[-2:]) if isinstance(words, list) else "",
)
def test_what_would_change_nothing_is_refused(
    tmp_path, capsys, words, message, request
):
    folder = tmp_path
    if words[0] == "evaluate" and "e9" in words[-1]:
        folder = request.getfixturevalue("noisy")
    if words[0] == "reproduce" and "bogus" in words[-1]:
        folder = request.getfixturevalue("noisy").parent
    _, shown = refusal(folder, capsys, words)
    assert message in shown
    assert not (tmp_path / "demo").exists() and not (tmp_path / "a.json").exists()


@pytest.fixture(scope="module")
def noisy(tmp_path_factory, dense, make_config, draw_csi):
    """Folder cost2100 of a run, and of test matrices in the published form."""
    from tfcsi.codecs.neural import Codec
    from tfcsi.coding.tables import Tables
    from tfcsi.datasets import cost2100

    folder = tmp_path_factory.mktemp("noisy") / "cost2100"
    folder.mkdir()
    h = draw_csi(40, (32, 32))
    for split in cost2100.SPLITS:
        cost2100.write(folder / cost2100.file_name(split), h)
    config = make_config(model=dense, shape=(32, 32), latent_dim=4)
    config.update(dataset="cost2100", scenario="indoor")
    codec = Codec(config)
    codec.quantizer.initialize(codec.codewords(h)[0], 1e-2)
    codec.use(Tables.from_counts(codec.symbols(h)[0]))
    codec.save(folder)
    return folder


def test_a_benchmark_that_measures_nothing_fails(workdir, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(workdir, run)
    for path in [*run.glob("encoder_*"), run / TABLES_FILE]:
        path.unlink(missing_ok=True)
    (run / exports.file_name("float32")).write_bytes(b"no network")
    words = ["benchmark", f"--workdirs={run}", "--rounds=1", "--runs=1", "--matrices=1"]
    status, shown = refusal(tmp_path, capsys, [*words, f"--output={tmp_path}/b.json"])
    assert status == 1 and "no runtime can load any encoder" in shown
    assert not (tmp_path / "b.json").exists()


def test_a_shape_that_the_matrices_do_not_have_is_refused(tmp_path, capsys, noisy):
    words = [*KLT[:2], f"--workdir={tmp_path}/run", f"--data_dir={noisy}"]
    status, shown = refusal(tmp_path, capsys, [*words, "--config.shape=64,32"])
    assert status == 1 and "shape is (64, 32), the matrices are 32 x 32" in shown
    assert not (tmp_path / "run" / "codec.npz").exists()


def test_a_zero_that_is_none_of_the_file_is_refused(tmp_path, workdir, h, capsys):
    np.save(tmp_path / "h.npy", h[:3])
    ht = np.concatenate([h[:3].real.reshape(3, -1), h[:3].imag.reshape(3, -1)], 1)
    np.savez(tmp_path / "h.npz", HT=ht + 0.5)
    for name, words in (
        ("h.npy", "so 0.5 does not stand for zero: leave out zero"),
        ("h.npz", "form of HT, in which 0.5 stands for zero anyhow"),
    ):
        given = ["compress", f"--workdir={workdir}", f"--input={tmp_path / name}"]
        given += [f"--output={tmp_path}/p", "--zero=0.5"]
        status, shown = refusal(tmp_path, capsys, given)
        assert status == 1 and words in shown


@pytest.mark.parametrize("flag", ["--rx=0", "--zero=0.5", "--prepared", "--key=H"])
def test_flags_of_statistics_do_not_go_with_verify(tmp_path, capsys, flag):
    status, shown = refusal(tmp_path, capsys, ["data", "verify", str(tmp_path), flag])
    name = flag.partition("=")[0]
    assert status == 2 and f"{name} goes with tfcsi data stats" in shown


def test_the_choices_of_a_prior_are_those_of_the_code():
    assert set(FIELDS["prior"].choices) == set(priors.PRIORS)
