"""`tfcsi zoo` lists codecs, checks them, and adds trained runs to a zoo."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tfcsi
from tfcsi.__main__ import main
from tfcsi.channels import cost2100 as simulator
from tfcsi.codecs import zoo
from tfcsi.datasets import cost2100


def zoo_command(*flags):
    return main(["tfcsi", "zoo", *flags])


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Folder of small COST 2100 files."""
    folder = tmp_path_factory.mktemp("data")
    h = simulator.simulate(160, 3, "indoor")
    for split, part in zip(cost2100.SPLITS, np.split(h, [100, 120])):
        cost2100.write(folder / cost2100.file_name(split), part)
    return folder


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    """Folder of a run of the codec klt on these files."""
    folder = tmp_path_factory.mktemp("runs") / "klt"
    flags = ["--config=classical:klt", f"--data_dir={data_dir}", f"--workdir={folder}"]
    assert main(["tfcsi", "train", *flags]) == 0
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Folder of a zoo that TFCSI_ZOO names; it does not exist yet."""
    monkeypatch.setenv(zoo.VARIABLE, str(tmp_path / "zoo"))
    return tmp_path / "zoo"


def test_the_list_has_source_bits_nmse_and_size_of_each_codec(capsys):
    assert zoo_command() == 0
    shown = capsys.readouterr().out
    for name, entry in zoo.entries().items():
        (line,) = [line for line in shown.splitlines() if line.split()[:1] == [name]][
            :1
        ]
        assert f"{entry.num_bytes:,}" in line
        for point in zoo.usual(zoo.points_of(entry))[:1]:
            assert f"{point['bits']:.1f}" in line
            assert f"{point['nmse_db']:.2f}" in line


def test_the_list_as_json_has_the_points_of_the_results_files(capsys):
    assert zoo_command("--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["codec"] for row in rows} == zoo.entries().keys()


def test_train_and_add_is_all_that_a_codec_takes(run, data_dir, place, capsys):
    assert zoo_command(f"--add={run}", "--name=mine", f"--data_dir={data_dir}") == 0
    assert "next: tfcsi zoo mine" in capsys.readouterr().err
    assert tfcsi.load("mine").session == tfcsi.load(run).session
    fields = zoo.read_manifest(place)["mine"]
    assert fields["data"] == "cost2100_indoor" and fields["seed"] == 1
    record = json.loads((run / "run.json").read_text())
    assert fields["command"] == record["command"]
    assert fields["train_seconds"] >= 0
    (point,) = zoo.points_of(zoo.entries()["mine"])
    measured = tfcsi.evaluate(
        tfcsi.load("mine"), cost2100.load(data_dir, "indoor", "test", "angular_delay")
    )
    assert point["nmse_db"] == measured["nmse_db"] and point["bits"] == measured["bits"]
    assert zoo_command("mine") == 0
    card = capsys.readouterr().out
    assert f"{point['nmse_db']:.2f}" in card and "40 of cost2100_indoor" in card
    np.save(place / "h.npy", simulator.simulate(3, 9, "indoor"))
    flags = ["--codec=mine", f"--input={place / 'h.npy'}", "--output=/dev/null"]
    assert main(["tfcsi", "compress", *flags]) == 0


@pytest.mark.slow
def test_a_network_is_added_with_weights_in_float16(workdir, place, capsys):
    assert zoo_command(f"--add={workdir}", "--name=tiny") == 0
    shown = capsys.readouterr().out
    assert "in float16" in shown and "not measured yet" in shown
    assert zoo.read_manifest(place)["tiny"]["weights"] in shown
    assert tfcsi.load("tiny").describe()["train_seconds"] > 0


def test_a_codec_is_replaced_only_on_request(run, place, capsys):
    assert zoo_command(f"--add={run}", "--name=mine") == 0
    assert zoo_command(f"--add={run}", "--name=mine") == 1
    assert "give another --name, or --overwrite" in capsys.readouterr().err
    assert zoo_command(f"--add={run}", "--name=mine", "--overwrite") == 0
    assert zoo_command(f"--add={run}", "--name=paths", "--overwrite") == 1
    assert "has a codec paths; give another --name" in capsys.readouterr().err


def test_verify_names_the_codec_that_is_damaged(run, place, capsys):
    assert zoo_command(f"--add={run}", "--name=mine") == 0
    assert zoo_command("--verify") == 0
    assert "DAMAGED" not in capsys.readouterr().out
    path = place / "mine" / "codec.npz"
    path.write_bytes(path.read_bytes() + b"x")
    assert zoo_command("--verify") == 1
    shown = capsys.readouterr()
    assert "DAMAGED" in shown.out and "codec.npz was changed" in shown.out
    assert "1 of the codecs are damaged" in shown.err
    path.unlink()
    assert zoo_command("--verify") == 0
    assert "not here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (["--add=a"], 2, "--add and --name go together"),
        (["--name=a"], 2, "--add and --name go together"),
        (["paths", "--verify"], 2, "verify and NAME do not go together"),
        (["--overwrite"], 2, "--overwrite goes with --add"),
        (["--data_dir=a"], 2, "go with --add or --measure"),
        (["--verify", "--json"], 2, "--json goes with the list"),
        (["pathz"], 1, "no zoo has a codec 'pathz'; did you mean 'paths'?"),
        (["--measure=paths"], 2, "give the folder of the test matrices"),
        (["--measure=paths", "--data_dir=a"], 2, "is of 7 sources; give --data_root"),
        (["--add=none", "--name=a"], 1, "none is not a workdir"),
        (["--add=none", "--name=../a"], 2, "a name has letters, digits"),
    ],
)
def test_wrong_flags_are_refused_with_the_remedy(place, capsys, flags, status, words):
    assert zoo_command(*flags) == status
    assert words in capsys.readouterr().err
