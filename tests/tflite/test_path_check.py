"""The check of the networks of paths: what it measures, and when it fails."""

from __future__ import annotations

import os
import pathlib

import pytest

from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.channels import cost2100 as simulator
from tfcsi.datasets import cost2100

pytestmark = [pytest.mark.tflite, pytest.mark.slow]
CODEC = "--codec=paths_cost2100_indoor"
DATA_DIR = os.environ.get("TFCSI_DATA_DIR")


def export(folder, *flags):
    return main(["tfcsi", "export", CODEC, f"--folder={folder}", *flags])


def check(folder, data_dir, *flags):
    folders = [f"--folder={folder}", f"--data_dir={data_dir}"]
    return main(["tfcsi", "check", CODEC, *folders, *flags])


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    """A folder with two networks, and a test set of simulated matrices beside them."""
    folder = tmp_path_factory.mktemp("phone")
    h = simulator.simulate(20, 6, "indoor")
    cost2100.write(folder / cost2100.file_name("test", "indoor"), h)
    assert export(folder, "--precision=float32,float16", "--effort=light") == 0
    return folder


def test_networks_are_measured_beside_numpy(phone, capsys):
    assert check(phone, phone, "--html", "--max_loss_db=0.5") == 0
    points = results.read(phone / "tflite_check.json")["points"]
    names = ["NumPy light", "TFLite float32_light", "TFLite float16_light"]
    assert [point["codec"] for point in points] == [f"paths, {name}" for name in names]
    numpy, full, half = points
    assert full["packets_changed_share"] == 0 == full["nmse_loss_db"]
    assert full["bits"] == numpy["bits"] and full["nmse_db"] == numpy["nmse_db"]
    assert half["ue_bytes"] < full["ue_bytes"]
    assert min(full["microseconds_95"], half["ue_bytes_gzip"]) > 0
    assert "WHILE" in (phone / "tflite_check.html").read_text()
    assert "packets changed" in capsys.readouterr().out


def test_a_check_that_fails_says_what_was_lost(phone, capsys):
    assert check(phone, phone, "--max_loss_db=-1") == 1
    assert "TFLite float32_light loses 0.000 dB" in capsys.readouterr().err


def test_networks_of_other_tables_are_counted_as_changed(phone, tmp_path, capsys):
    for path in (*phone.glob("*float32_light.tflite"), *phone.glob("DATA*")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    name = "--codec=paths_cost2100_outdoor"
    folders = [f"--folder={tmp_path}", f"--data_dir={phone}", "--scenario=indoor"]
    with pytest.warns(UserWarning, match="no digests of encoders"):
        main(["tfcsi", "export", name, f"--folder={tmp_path}"])
        assert main(["tfcsi", "check", name, *folders, "--max_loss_db=9"]) == 1
    assert "of packets, more than --max_changed=0.01" in capsys.readouterr().err


@pytest.mark.skipif(DATA_DIR is None, reason="needs TFCSI_DATA_DIR")
@pytest.mark.parametrize("effort", ["light", "default"])
def test_packets_of_the_test_set_are_those_of_numpy(effort, tmp_path):
    assert export(tmp_path, "--precision=float32,float16", f"--effort={effort}") == 0
    assert check(tmp_path, pathlib.Path(DATA_DIR)) == 0
