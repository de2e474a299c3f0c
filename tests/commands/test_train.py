"""The commands that make runs: train, finetune and quantize, on a few matrices."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import tfcsi
from tfcsi.__main__ import main
from tfcsi.codecs import zoo
from tfcsi.codecs.workdir import load_config
from tfcsi.datasets import cost2100

SMALL = ["epochs=1", "latent_dim=8", "batch_size=20", "prior_warmup_steps=5"]


def command(name, *flags):
    return main(["tfcsi", name, *map(str, flags)])


def train(workdir, *flags, config="autoencoder:csinet"):
    small = [f"--config.{field}" for field in SMALL]
    places = [f"--config={config}", f"--workdir={workdir}", "--noprogress"]
    return command("train", *places, *small, *flags)


@pytest.fixture(scope="module")
def root(tmp_path_factory, draw_csi):
    """Folder with `cost2100`, a small data set of both scenarios, and `run`."""
    root = tmp_path_factory.mktemp("root")
    (root / "cost2100").mkdir()
    for scenario in cost2100.SCENARIOS:
        for split, num in zip(cost2100.SPLITS, (60, 20, 20)):
            path = root / "cost2100" / cost2100.file_name(split, scenario)
            cost2100.write(path, draw_csi(num, (32, 32), seed=num))
    fields = ["quantizer=uniform", "prior=factorized", "lmbda=1e-4"]
    flags = [f"--config.{field}" for field in fields]
    assert train(root / "run", f"--data_dir={root}/cost2100", *flags) == 0
    return root


def test_a_run_of_files_is_loaded_and_not_overwritten(root, capsys):
    config = load_config(root / "run")
    assert (config.dataset, config.scenario, config.epochs) == ("cost2100", "indoor", 1)
    assert tfcsi.load(root / "run").compress(np.zeros((0, 32, 32), np.complex64)) == []
    assert train(root / "run", f"--data_dir={root}/cost2100") == 1
    assert "already holds a run" in capsys.readouterr().err
    assert train(root / "run", f"--data_dir={root}/missing") == 1  # Before it is read.
    assert "already holds a run" in capsys.readouterr().err
    (root / "file").touch()
    assert train(root / "file", f"--data_dir={root}/missing") == 1
    assert "file is a file; give a folder" in capsys.readouterr().err


def test_a_training_takes_the_first_matrices_of_each_source(root, tmp_path, capsys):
    config = tmp_path / "few.py"
    config.write_text(
        "from tfcsi.training.config import read\n"
        "def get_config():\n"
        "    config = read('classical:klt', ['network.bits=200'])\n"
        "    config.num_train, config.num_val = 40, 15\n"
        "    return config\n"
    )
    flags = [f"--config={config}", f"--data_root={root}"]
    flags += ["--sources=cost2100_indoor,cost2100_outdoor", f"--workdir={tmp_path}/run"]
    assert command("train", *flags) == 0
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (facts["num_train"], facts["num_val"]) == (80, 30)
    assert "cost2100_outdoor train: 40 matrices" in capsys.readouterr().out


def test_more_matrices_than_a_source_has_are_refused(root, tmp_path, capsys):
    flags = [f"--data_dir={root}/cost2100", "--config.num_val=21"]
    assert train(tmp_path / "run", *flags) == 1
    shown = capsys.readouterr().err
    assert "num_val is 21; cost2100_indoor has 20 matrices for val" in shown


def test_fields_of_a_simulator_are_refused_on_files(root, tmp_path, capsys):
    flags = [f"--data_dir={root}/cost2100", "--config.simulator.foo=1"]
    assert train(tmp_path / "run", *flags) == 2
    assert "simulator.foo is given, but the training is on" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_that_lost_its_log_is_not_resumed(root, tmp_path, capsys):
    shutil.copytree(root / "run", tmp_path / "run")
    fields = ["quantizer=uniform", "prior=factorized", "lmbda=1e-4"]
    flags = [f"--config.{field}" for field in fields]
    flags += [f"--data_dir={root}/cost2100", "--resume"]
    (tmp_path / "run" / "log.csv").write_text("epoch\nmany\n")
    assert train(tmp_path / "run", *flags) == 1
    assert "log.csv is damaged" in capsys.readouterr().err
    (tmp_path / "run" / "log.csv").unlink()
    assert train(tmp_path / "run", *flags) == 1
    assert "log.csv is missing, so this run cannot" in capsys.readouterr().err


def test_a_finished_run_is_resumed_only_with_its_own_config(root, capsys):
    flags = [f"--data_dir={root}/cost2100", "--resume"]
    assert train(root / "run", *flags, "--config.seed=2") == 1
    assert "seed" in capsys.readouterr().err


@pytest.mark.slow
def test_a_codec_is_trained_on_fresh_channels_of_a_simulator(tmp_path):
    fields = ["--config.num_train=40", "--config.num_val=20"]
    assert train(tmp_path / "run", "--channel=cost2100_outdoor", *fields) == 0
    config = load_config(tmp_path / "run")
    assert (config.data, config.scenario) == ("simulate", "outdoor")


@pytest.mark.slow
def test_a_codec_is_trained_on_several_sources(root, tmp_path, capsys):
    flags = [f"--data_root={root}", "--sources=cost2100_indoor,cost2100_outdoor"]
    assert train(tmp_path / "run", *flags) == 0
    assert "cost2100_outdoor train: 60 matrices" in capsys.readouterr().out
    config = load_config(tmp_path / "run")
    assert config.dataset == "mixed" and "cost2100_outdoor" in config.scenario


@pytest.mark.slow
def test_a_run_is_fine_tuned_beside_itself_or_where_one_says(root, tmp_path, capsys):
    shutil.copytree(root / "run", tmp_path / "run")
    places = [f"--workdir={tmp_path}/run/", f"--data_dir={root}/cost2100"]
    fields = ["--config.epochs=1", "--config.qat.weight_bits=4", "--noprogress"]
    assert command("finetune", *places, *fields) == 0
    assert load_config(tmp_path / "run_qat").qat.weight_bits == 4
    assert command("finetune", *places, *fields, f"--output={tmp_path}/run") == 1
    assert "already holds a run" in capsys.readouterr().err
    assert command("finetune", *places, "--config.qat.weight_bit=4") == 2
    assert "'weight_bits'" in capsys.readouterr().err


@pytest.mark.slow
def test_the_manifest_of_a_zoo_has_all_commands_that_made_a_run(
    root, tmp_path, monkeypatch
):
    monkeypatch.setenv(zoo.VARIABLE, str(tmp_path / "zoo"))
    tune = ["--config=rates", "--config.epochs=1", "--config.batch_size=20"]
    tune += [f"--data_dir={root}/cost2100", "--noprogress"]
    for source, output in ((f"{root}/run", "one"), ("mine", "two")):
        output = tmp_path / output
        assert (
            command("finetune", f"--workdir={source}", *tune, f"--output={output}") == 0
        )
        added = [f"--add={output}", "--name=mine", "--overwrite"]
        assert command("zoo", *added) == 0
    fields = zoo.read_manifest(tmp_path / "zoo")["mine"]
    records = [
        json.loads((run / "run.json").read_text())["command"]
        for run in (root / "run", tmp_path / "one", tmp_path / "two")
    ]
    assert [*fields["commands_before"], fields["command"]] == records
    card = (tmp_path / "zoo" / "mine" / "card.md").read_text()
    assert all(f"`{line}`" in card for line in records)
    assert f"s, after {fields['train_seconds_before']} s" in card


def test_a_config_of_the_other_kind_of_training_is_refused(root, tmp_path, capsys):
    output = [f"--workdir={tmp_path}/run", f"--data_dir={root}/cost2100"]
    assert command("train", "--config=qat", *output) == 2
    assert "then use tfcsi finetune" in capsys.readouterr().err
    assert train(tmp_path / "run", output[1], "--config.qat.weight_bits=8") == 2
    assert "then use tfcsi finetune" in capsys.readouterr().err
    flags = [f"--workdir={root}/run", output[1], "--config=stqenet_indoor"]
    assert command("finetune", *flags, f"--output={tmp_path}/run") == 2
    assert "a fine-tuning takes a config that has only" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_is_quantised_to_some_bits_an_entry(root, tmp_path, capsys):
    places = [f"--workdir={root}/run", f"--output={tmp_path}/six"]
    assert command("quantize", *places, "--bits=6") == 0
    assert capsys.readouterr().out.endswith("csinet, 6 bits an entry\n")
    assert tfcsi.load(tmp_path / "six").describe()["codeword_bits"] == 6
    places = [f"--workdir={root}/run", f"--output={tmp_path}/other"]
    assert command("quantize", *places, "--bits=15") == 1
    assert "bits is 15; it must be 1 to 14" in capsys.readouterr().err
