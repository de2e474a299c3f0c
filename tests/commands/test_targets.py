"""`tfcsi compress` with a codec that comes with tfcsi, and with targets."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics, results
from tfcsi.__main__ import main
from tfcsi.channels.cost2100 import simulate
from tfcsi.codecs.klt import Klt
from tfcsi.coding.packet_file import read_file
from tfcsi.datasets import cost2100


@pytest.fixture(scope="module")
def h():
    """Complex64 [12, 32, 32] of COST 2100 indoor."""
    return simulate(12, 3, "indoor")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, h):
    """A folder with h.npy and a run of a KLT."""
    folder = tmp_path_factory.mktemp("targets")
    np.save(folder / "h.npy", h)
    Klt.fit(h, 0.05).save(folder / "klt")
    return folder


def compress(folder, codec, *flags):
    """Runs the command; returns its exit status."""
    files = [f"--input={folder}/h.npy", f"--output={folder}/h.tcsi"]
    return main(["tfcsi", "compress", f"--codec={codec}", *files, *flags])


def test_a_shipped_codec_meets_a_target_for_each_matrix(folder, h):
    assert compress(folder, "paths", "--nmse_db=-20") == 0
    files = [f"--input={folder}/h.tcsi", f"--output={folder}/h_hat.npy"]
    assert main(["tfcsi", "decompress", "--codec=paths", *files]) == 0
    nmse = metrics.nmse(h, np.load(folder / "h_hat.npy"))
    assert metrics.to_db(nmse.max()) <= -20


def test_no_packet_exceeds_max_bits(folder):
    assert compress(folder, "paths", "--max_bits=120") == 0
    sizes = [8 * len(packet) for packet in read_file(folder / "h.tcsi")[1]]
    assert max(sizes) <= 120 and np.mean(sizes) > 80
    assert compress(folder, "paths", "--max_bits=120", "--step=0.2") == 0
    fewer = [8 * len(packet) for packet in read_file(folder / "h.tcsi")[1]]
    assert max(fewer) <= 120 and np.mean(fewer) < np.mean(sizes)


def test_a_finer_step_and_more_effort_change_the_packets(folder):
    packets = []
    for flags in ((), ("--step=0.02",), ("--effort=light",)):
        assert compress(folder, "paths", *flags) == 0
        packets.append(sum(map(len, read_file(folder / "h.tcsi")[1])))
    assert packets[1] > 1.3 * packets[0] and packets[2] != packets[0]


def test_targets_that_are_missed_are_told(folder, capsys):
    assert compress(folder, "paths", "--nmse_db=-90") == 0
    assert "12 of 12 matrices miss -90" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("codec", "flag", "message"),
    [
        ("klt", "--nmse_db=-20", "codec 'klt' cannot compress with nmse_db=-20"),
        ("klt", "--max_bits=100", "codec 'klt' cannot compress with max_bits=100"),
        ("klt", "--effort=high", "codec 'klt' does not search; leave out --effort"),
        ("paths", "--effort=much", "effort is 'much'; it must be one of light"),
        ("paths", "--max_bits=0", "positive integer"),
        ("paths", "--max_bits=9", "a packet without paths takes"),
    ],
)
def test_what_a_codec_cannot_do_is_refused(folder, capsys, codec, flag, message):
    (folder / "h.tcsi").unlink(missing_ok=True)
    name = folder / "klt" if codec == "klt" else codec
    assert compress(folder, name, flag) != 0
    assert message in capsys.readouterr().err
    assert not (folder / "h.tcsi").exists()


def test_a_shipped_codec_is_evaluated_and_described_by_name(folder, h, capsys):
    cost2100.write(folder / cost2100.file_name("test"), h)
    flags = ["--codec=paths_cost2100_indoor", f"--data_dir={folder}"]
    assert main(["tfcsi", "evaluate", *flags]) == 2
    assert "is a codec of the zoo; give --output=FILE" in capsys.readouterr().err
    path = folder / "points.json"
    several = ["--codec=paths", flags[1], f"--output={path}"]
    assert main(["tfcsi", "evaluate", *several]) == 1
    assert "give --scenario=cost2100_indoor or cost" in capsys.readouterr().err
    assert main(["tfcsi", "evaluate", *flags, f"--output={path}"]) == 0
    (point,) = results.read(path)["points"]
    assert point["num_matrices"] == len(h) and point["nmse_db"] < -12
    capsys.readouterr()
    assert main(["tfcsi", "info", "paths"]) == 0
    assert tfcsi.load("paths").session.fingerprint.hex() in capsys.readouterr().out
