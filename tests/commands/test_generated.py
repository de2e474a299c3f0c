"""What tfcsi generate writes is trained on, evaluated and compressed in each format."""

import numpy as np
import pytest

from tests.conftest import sampled
from tfcsi import datasets, metrics, results, transforms
from tfcsi.__main__ import main
from tfcsi.channels.generate import FORMATS
from tfcsi.datasets import inputs
from tfcsi.datasets._files import DataError

NUM = "80,20,30"
FILES = {
    "mat": "DATA_Htestin.mat",
    "hdf5": "test.h5",
    "tfrecord": "test-00000-of-00001.tfrecord",
}


def tfcsi(*words):
    return main(["tfcsi", *map(str, words)])


def around(root, form, setup="", shape=(32, 32), domain="angular_delay"):
    """Generates, trains, evaluates, compresses and decompresses; (point, h, h_hat)."""
    data, run = root / "cost2100", root / "run"
    flags = [f"--setup={setup}"] if setup else []
    generate = ["--channel=cost2100_indoor", f"--num={NUM}", f"--out={data}", *flags]
    assert tfcsi("generate", *generate, f"--format={form}", "--processes=1") == 0
    config = ["--config=classical:klt", f"--config.shape={shape[0]},{shape[1]}"]
    config += [f"--config.domain={domain}", "--config.network.bits=400"]
    flags = [f"--data_dir={data}", f"--workdir={run}"]
    assert tfcsi("train", *config, *flags) == 0
    assert tfcsi("evaluate", *flags) == 0
    (point,) = results.read(run / "evaluation_indoor_test.json")["points"]
    packets, back = root / "p.tcsi", root / "back.npy"
    flags = [f"--workdir={run}", f"--input={data / FILES[form]}"]
    assert tfcsi("compress", *flags, f"--output={packets}") == 0
    flags = [f"--workdir={run}", f"--input={packets}", f"--output={back}"]
    assert tfcsi("decompress", *flags) == 0
    page = [f"--workdir={run}", f"--output={root}/page.html"]
    assert tfcsi("data", "stats", data / FILES[form], *page) == 0
    h = datasets.load("cost2100_indoor", root, "test", domain)
    return point, h, np.load(back)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The way around in the published form."""
    return around(tmp_path_factory.mktemp("mat"), "mat")


@pytest.mark.parametrize("form", sampled(FORMATS, ("hdf5",)))
def test_all_formats_go_around_alike(tmp_path, published, form):
    expected, h_mat, _ = published
    point, h, h_hat = published if form == "mat" else around(tmp_path, form)
    np.testing.assert_allclose(h, h_mat, atol=1e-7)
    assert len(h) == len(h_hat) == point["num_matrices"] == 30
    nmse_db = metrics.to_db(metrics.nmse(h, h_hat).mean())
    assert nmse_db == pytest.approx(point["nmse_db"], abs=1e-4)
    for key in ("nmse_db", "bits", "sgcs", "rho"):
        assert point[key] == pytest.approx(expected[key], rel=1e-3), key
    assert point["nmse_db"] < -3 and point["rho"] > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("domain", transforms.DOMAINS)
@pytest.mark.parametrize("form", ["hdf5", "tfrecord"])
def test_any_array_and_domain_go_around(tmp_path, form, domain):
    # Few columns, because a KLT takes the cube of the size of a matrix.
    setup = f"num_tx=64,domain={domain},"
    setup += "num_sc=8" if domain == "space_frequency" else "num_delay=8"
    point, h, h_hat = around(tmp_path, form, setup, (64, 8), domain)
    assert h.shape == h_hat.shape == (30, 64, 8)
    nmse_db = metrics.to_db(metrics.nmse(h, h_hat).mean())
    assert nmse_db == pytest.approx(point["nmse_db"], abs=1e-4) and nmse_db < -2


def test_the_published_form_holds_no_other_domain(tmp_path, capsys):
    flags = ["--channel=cost2100_indoor", "--num=5", f"--out={tmp_path}/a"]
    setup = "--setup=domain=space_frequency,num_sc=32"
    assert tfcsi("generate", *flags, setup, "--processes=1") == 1
    assert "give hdf5 or tfrecord" in capsys.readouterr().err


def test_a_run_on_simulated_channels_is_measured_on_generated_files(tmp_path):
    flags = ["--channel=cost2100_outdoor", "--num=40,10,20", f"--out={tmp_path}"]
    assert tfcsi("generate", *flags, "--format=hdf5", "--processes=1") == 0
    for name in ("cost2100_outdoor", "generated_cost2100_outdoor"):
        config = {"dataset": "cost2100", "scenario": "outdoor"}
        assert datasets.source_of(config) == "cost2100_outdoor"
        h = datasets.read(name, tmp_path, "test", "angular_delay")
        assert h.shape == (20, 32, 32)
        read = inputs.read(tmp_path / "test.h5", "angular_delay", config)
        np.testing.assert_array_equal(read, h)
    simulated = {"dataset": "tr38901", "scenario": "uma_nlos"}
    assert datasets.source_of(simulated) == "generated_tr38901_uma_nlos"
    with pytest.raises(DataError, match="holds 'cost2100_outdoor', not 'tr38901_uma"):
        datasets.read("generated_tr38901_uma_nlos", tmp_path, "test", "angular_delay")
    with pytest.raises(DataError, match="neither it nor"):
        datasets.read("generated_x", tmp_path / "none", "test", "angular_delay")
