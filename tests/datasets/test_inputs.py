"""A file that a command is given is read as the source of the run reads it."""

import numpy as np
import pytest

from tfcsi import datasets, metrics, results, transforms
from tfcsi.__main__ import main
from tfcsi.datasets import inputs
from tfcsi.datasets._files import DataError

NUM = 70  # Matrices of a file: 40 for training, 10 for validation, 20 for test.
COUNTS = {"num_val": 10, "num_test": 20}


def channels(n=NUM, seed=0):
    """[n, 32, 32], antennas by subcarriers: three plane waves each, of any scale."""
    rng = np.random.default_rng(seed)
    k, h = np.arange(32), np.zeros((n, 32, 32), complex)
    for _ in range(3):
        u, tau = rng.normal(0.1, 0.2, (n, 1, 1)), rng.gamma(2.0, 0.02, (n, 1, 1))
        gain = rng.standard_normal((n, 1, 1, 2)) @ [1, 1j]
        phase = u * k[:, None] - 2 * tau * k
        h += gain * np.exp(1j * np.pi * phase)
    return 1e-6 * h * np.arange(1, n + 1)[:, None, None]


def write_raytraced(folder, foreign):
    np.savez(folder / "munich_3p5ghz.npz", channel=channels()[:, None])
    return "munich", "munich_3p5ghz.npz", COUNTS


def write_deepmimo(folder, foreign):
    h = channels()
    pair = np.stack([h[::-1], h], 1)
    foreign.matlab73(folder / "mine.mat", {"channel": pair})
    return "mine.mat", "mine.mat", {**COUNTS, "rx": 1, "shuffle": False}


def write_quadriga(folder, foreign):
    h = np.fft.ifftshift(transforms.to_angular_delay(channels(), 32), 1)
    foreign.matlab73(folder / "mine.mat", {"G": np.moveaxis(h, 0, -1)})
    return "mine.mat", "mine.mat", {**COUNTS, "key": "G", "axes": "tx,sc,n"}


WRITERS = {
    "raytraced": write_raytraced,
    "deepmimo": write_deepmimo,
    "quadriga": write_quadriga,
}


def config_of(dataset, scenario, domain, options):
    fields = {"dataset": dataset, "scenario": scenario, "domain": domain}
    return {**fields, "shape": [32, 32], "source": options}


@pytest.mark.parametrize("domain", transforms.DOMAINS)
@pytest.mark.parametrize("dataset", WRITERS)
def test_a_file_of_the_source_gives_what_training_and_test_get(
    tmp_path, foreign, dataset, domain
):
    scenario, name, options = WRITERS[dataset](tmp_path, foreign)
    source = f"{dataset}_{scenario}"
    expected = np.concatenate(
        [
            datasets.read(source, tmp_path, split, domain, **options)
            for split in ("train", "val", "test")
        ]
    )
    config, lines = config_of(dataset, scenario, domain, options), []
    for place in (name, f"other{name[name.index('.') :]}"):  # The name does not count.
        (tmp_path / name).rename(tmp_path / place)
        h = inputs.read(tmp_path / place, domain, config, (32, 32), report=lines.append)
        np.testing.assert_array_equal(h, expected)
        assert f"70 matrices of 32 x 32, read as {dataset} files are" in lines[-1]
        assert domain in lines[-1]
        (tmp_path / place).rename(tmp_path / name)
    plain = transforms.to_peak(channels())[0]
    if domain == "angular_delay":
        plain = transforms.to_peak(transforms.to_angular_delay(channels(), 32))[0]
    assert metrics.nmse(plain, h).max() < 1e-10


@pytest.mark.parametrize("domain", transforms.DOMAINS)
def test_published_matrices_are_read_in_the_domain_of_the_run(
    tmp_path, foreign, domain
):
    h = transforms.to_peak(transforms.to_angular_delay(channels(), 32))[0]
    ht = np.moveaxis(transforms.to_real(h), -1, 1).reshape(NUM, 2048) + 0.5
    name = "DATA_Htestin.mat"
    foreign.savemat(tmp_path / name, {"HT": ht.astype(float)})
    expected = datasets.read("cost2100_indoor", tmp_path, "test", domain)
    config = config_of("cost2100", "indoor", domain, {})
    read = inputs.read(tmp_path / name, domain, config, (32, 32))
    np.testing.assert_array_equal(read, expected)
    read = inputs.read(tmp_path / name, "angular_delay", None, (16, 64))
    assert read.shape == (NUM, 16, 64)  # HT of another shape is not the published one.


def test_matrices_in_a_file_of_their_own_are_taken_as_they_are(tmp_path, foreign):
    h = transforms.to_peak(channels())[0]
    np.save(tmp_path / "h.npy", h)
    scenario, name, options = write_raytraced(tmp_path, foreign)
    for domain in transforms.DOMAINS:
        config = config_of("raytraced", scenario, domain, options)
        np.testing.assert_array_equal(
            inputs.read(tmp_path / "h.npy", domain, config, (32, 32)), h
        )
        raw = inputs.read(tmp_path / name, domain, config, (32, 32), prepared=True)
        np.testing.assert_allclose(raw, channels(), rtol=1e-6)


def test_a_run_of_another_source_reads_a_file_by_its_form(tmp_path, foreign):
    _, name, options = write_raytraced(tmp_path, foreign)
    expected = datasets.read(
        "raytraced_munich", tmp_path, "test", "angular_delay", **options
    )
    for dataset in ("cost2100", "mixed", "tr38901"):
        config = config_of(dataset, "indoor", "angular_delay", {})
        h = inputs.read(tmp_path / name, "angular_delay", config, (32, 32))
        np.testing.assert_array_equal(h[-20:], expected)


def test_what_does_not_go_with_the_form_of_a_file_is_refused(tmp_path, foreign):
    _, name, options = write_raytraced(tmp_path, foreign)
    config = config_of("raytraced", "munich", "angular_delay", options)

    def refusal(path, domain, shape=(32, 32), **told):
        with pytest.raises(ValueError) as raised:
            inputs.read(path, domain, config, shape, told)
        return str(raised.value)

    words = refusal(tmp_path / name, "angular_delay", axes="n,rx,tx,sc")
    assert "has the form of raytraced files" in words and "--prepared" in words
    words = refusal(tmp_path / name, "angular_delay", (16, 32))
    assert "gives matrices of 32 x 32 in domain 'angular_delay', expected 16" in words
    foreign.python_h5(tmp_path / "a.h5", {"h": channels()})
    words = refusal(tmp_path / "a.h5", "space_frequency", axes="n,tx,delay")
    assert "has an axis of delays" in words and "'space_frequency' are wanted" in words
    with pytest.raises(DataError, match="no such file"):
        inputs.read(tmp_path / "none.npz", "angular_delay", config)


@pytest.mark.parametrize("domain", transforms.DOMAINS)
@pytest.mark.slow
def test_a_ray_traced_run_codes_its_own_file_as_well_as_evaluate_says(
    tmp_path, foreign, domain, capsys
):
    _, name, _ = write_raytraced(tmp_path, foreign)
    run, packets, back = (tmp_path / n for n in ("run", "p.tcsi", "back.npy"))
    source = [f"--config.source.{k}={v}" for k, v in COUNTS.items()]

    def tfcsi(command, *flags):
        assert main(["tfcsi", command, *map(str, flags)]) == 0, capsys.readouterr().err

    config = ["--config=classical:klt", "--config.dataset=raytraced", *source]
    config += ["--config.scenario=munich", f"--config.domain={domain}"]
    tfcsi("train", *config, f"--data_dir={tmp_path}", f"--workdir={run}")
    tfcsi("evaluate", f"--workdir={run}", f"--data_dir={tmp_path}")
    (point,) = results.read(run / "evaluation_munich_test.json")["points"]
    flags = [f"--workdir={run}", f"--input={tmp_path / name}", f"--output={packets}"]
    tfcsi("compress", *flags)
    tfcsi("decompress", f"--workdir={run}", f"--input={packets}", f"--output={back}")
    own = transforms.to_peak(channels())[0]
    if domain == "angular_delay":
        own = transforms.to_peak(transforms.to_angular_delay(channels(), 32))[0]
    nmse_db = metrics.to_db(metrics.nmse(own, np.load(back))[-20:].mean())
    assert nmse_db == pytest.approx(point["nmse_db"], abs=1e-4) and nmse_db < -1
    tfcsi(
        "data", "stats", tmp_path / name, f"--workdir={run}", f"--output={run}/s.html"
    )
    assert "read as raytraced files are" in capsys.readouterr().out
