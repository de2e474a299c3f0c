"""What scripts use: JSON on stdout, and a dry run that writes nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tfcsi
from tfcsi.__main__ import main
from tfcsi.channels import cost2100 as simulator
from tfcsi.codecs.klt import Klt
from tfcsi.datasets import cost2100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with small COST 2100 files and the run `klt`."""
    folder = tmp_path_factory.mktemp("folder")
    h = simulator.simulate(70, 3, "indoor")
    for split, part in zip(cost2100.SPLITS, np.split(h, [40, 50])):
        cost2100.write(folder / cost2100.file_name(split), part)
    np.save(folder / "h.npy", h[:5])
    codec = Klt.fit(h[:40], 0.05)
    codec.config |= {"dataset": "cost2100", "scenario": "indoor"}
    codec.save(folder / "klt")
    return folder


def test_evaluate_prints_the_points_of_its_results_file_as_json(folder, capsys):
    path = folder / "points.json"
    flags = [f"--codec={folder / 'klt'}", f"--data_dir={folder}", f"--output={path}"]
    assert main(["tfcsi", "evaluate", *flags, "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == json.loads(path.read_text())["points"]
    assert "next:" not in shown.err and f"written to {path}" in shown.err


def test_compress_prints_its_bits_as_json(folder, capsys):
    output = folder / "h.tcsi"
    flags = ["--codec=paths", f"--input={folder / 'h.npy'}", f"--output={output}"]
    assert main(["tfcsi", "compress", *flags, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["num_matrices"] == 5
    assert facts["file_bits"] == 8 * output.stat().st_size / 5
    assert 0 < facts["bits"] < facts["file_bits"]


def test_info_prints_a_codec_as_json(capsys):
    assert main(["tfcsi", "info", "paths", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    fingerprint = tfcsi.load("paths").session.fingerprint.hex()
    assert facts["session fingerprint"] == fingerprint
    assert facts["config"]["model"] == "paths" and facts["files"]["codec.npz"] > 0
    assert main(["tfcsi", "info", "csinet", "--json"]) == 2
    assert "--json goes with a run or a codec" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            "compress --codec=paths --input=h.npy --output=new",
            "would compress 5 CSI matrices to new",
        ),
        (
            "train --config=classical:klt --data_dir=. --workdir=new",
            "would fit klt to 40 matrices, to new",
        ),
        (
            "train --config=autoencoder:csinet --data_dir=. --workdir=new "
            "--config.batch_size=10 --config.epochs=3",
            "for 3 epochs of 40 matrices, 4 steps each, to new",
        ),
        (
            "train --config=stqenet_indoor --channel=cost2100_indoor --workdir=new",
            "would train stqenet, 512 numbers a codeword",
        ),
        (
            "generate --channel=cost2100_indoor --num=30,20,10 --out=new",
            "would simulate 20 val matrices of cost2100_indoor",
        ),
    ],
)
def test_a_dry_run_says_what_it_would_do_and_writes_nothing(
    folder, monkeypatch, capsys, command, words
):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    assert main(["tfcsi", *command.split(), "--dry_run"]) == 0
    assert words in capsys.readouterr().out
    assert sorted(folder.rglob("*")) == before


def test_a_dry_run_refuses_what_the_run_would_refuse(folder, capsys):
    flags = ["--config=classical:klt", f"--data_dir={folder}", "--dry_run"]
    assert main(["tfcsi", "train", *flags, f"--workdir={folder / 'klt'}"]) == 1
    assert "already holds a run" in capsys.readouterr().err
    flags = ["--channel=cost2101_indoor", "--num=9", f"--out={folder / 'new'}"]
    assert main(["tfcsi", "generate", *flags, "--dry_run"]) == 1
    assert "cost2101" in capsys.readouterr().err
