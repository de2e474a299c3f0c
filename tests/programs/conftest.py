"""A small project in which the commands of README and docs run."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
FOLDERS = ("train", "tflite", "configs", "benchmarks", "zoo")
LARGE = ("--num", "--num_test")  # Numbers that are given to be large.
# What makes a command small: words that a line must have, flags that are added.
EPOCH = ("--config.epochs=1",)
NETWORK = ("--config.latent_dim=32", "--config.batch_size=50")
NETWORK += ("--config.prior_warmup_steps=30",)
SMALLER = (
    (("tfcsi train", "stqenet"), (*EPOCH, *NETWORK, "--noprogress")),
    (("tfcsi train", "autoencoder"), (*EPOCH, *NETWORK, "--noprogress")),
    (("--channel=", "tfcsi train"), ("--config.num_train=100", "--config.num_val=50")),
    (("csi_inr", "train"), (*EPOCH, "--noprogress")),
    (("tfcsi finetune",), (*EPOCH, "--noprogress")),
    (("tfcsi transfer",), (*EPOCH, *NETWORK, "--tune_epochs=1")),
    (("tfcsi advise",), ("--num_matrices=2", "--noprogress")),
    (("tfcsi report",), ("--num_matrices=2", "--noprogress")),
    (("tfcsi demo",), (*EPOCH, "--config.num_train=400", "--config.num_val=100")),
    (("tfcsi generate",), ("--num=300,60,80",)),
    (("latent_kinds.py",), ("--epochs=1", "--systems=csinet:conv", "--ratios=16")),
    (("benchmarks/csi_inr.py",), ("--epochs=1", "--lengths=4", "--systems=csi_inr")),
    (("benchmarks/csi_inr.py",), ("--bits=4", "--steps=1")),
    (("phone.py",), ("--epochs=1", "--systems=cllwcsinet", "--ratios=16")),
    (("phone.py",), ("--scenarios=indoor",)),
    (("all_layers.py",), ("--num_test=80",)),
)


def blocks(page: pathlib.Path, language: str) -> list[str]:
    """The blocks of code of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands_of(page: pathlib.Path) -> list[str]:
    """The command lines of a page, without comments, continued lines as one."""
    text = "".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = (line.split("#")[0] for line in text.splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


def small(line: str) -> list[str]:
    """The words of a command line with flags that make it small."""
    words = shlex.split(line)
    for needed, flags in SMALLER:
        if all(word in line for word in needed):
            for flag in flags:
                name = flag.partition("=")[0]
                if name in LARGE:
                    words = [word for word in words if not word.startswith(f"{name}=")]
                if not any(word.partition("=")[0] == name for word in words):
                    words.append(flag)
    return words


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the programs, and small data in the published formats."""
    from tests.weights import torch_files
    from tfcsi import models
    from tfcsi.channels import cost2100 as simulator
    from tfcsi.datasets import cost2100
    from tfcsi.models import exchange

    folder = tmp_path_factory.mktemp("project")
    for name in FOLDERS:
        (folder / name).symlink_to(ROOT / name)
    data = folder / "DATA_DIR"
    data.mkdir()
    h, hf = simulator.simulate_with_frequency(440, 3, "indoor")
    for split, part in zip(cost2100.SPLITS, np.split(h, [300, 360])):
        cost2100.write(data / cost2100.file_name(split), part)
    np.save(folder / "h.npy", part)
    for split, num, seed in (("test", 40, 4), ("train", 100, 5), ("val", 100, 5)):
        part = simulator.simulate(num, seed, "outdoor")
        cost2100.write(data / cost2100.file_name(split, "outdoor"), part)
    cost2100.write_frequency(data / cost2100.frequency_file_name(), hf[360:])
    networks = [
        build((32, 32), 32, form="released")
        for build in (models.get("crnet").encoder, models.get("crnet").decoder)
    ]
    weights = exchange.weights_of(models.get("crnet").releases[0], networks)
    torch_files.save({"state_dict": weights}, folder / "best_nmse.pth")
    (folder / "DATA_ROOT").mkdir()
    (folder / "DATA_ROOT" / "cost2100").symlink_to(data)
    (folder / "RAYTRACED").mkdir()
    setup = {"domain": "space_frequency", "num_sc": 32}
    rays = simulator.simulate(640, 6, "indoor", **setup)[:, None]
    np.savez(folder / "RAYTRACED" / "street_canyon_3p5ghz.npz", channel=rays)
    return folder


@pytest.fixture
def run(project, monkeypatch):
    """The function line -> exit status: runs a small form of it in the project.

    Lines of tfcsi run in this process, programs in one of their own.
    """
    from tfcsi import __main__ as command_line

    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    bin_folder = str(pathlib.Path(sys.executable).parent)  # As of `activate`.
    monkeypatch.setenv("PATH", bin_folder, prepend=os.pathsep)

    def run_line(line: str) -> int:
        program, *rest = small(line)
        if program == "tfcsi":
            return command_line.main([program, *rest])
        done = subprocess.run([sys.executable, *rest], text=True, capture_output=True)
        print(done.stdout, done.stderr)
        return done.returncode

    return run_line


@pytest.fixture(scope="session")
def pages():
    """The functions that read commands and blocks of code from a page."""
    return commands_of, blocks
