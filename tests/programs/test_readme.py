"""Every command of the README runs, in its order, on small data."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from tfcsi import __main__ as command_line
from tfcsi import results
from tfcsi.channels import cost2100 as simulator
from tfcsi.coding.packets import read_file
from tfcsi.datasets import cost2100

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FOLDERS = ("train", "tflite", "configs", "benchmarks")
SMALL = ["epochs=1", "latent_dim=32", "batch_size=50", "prior_warmup_steps=30"]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands():
    lines = "".join(blocks("sh")).splitlines()
    return [line.split("#")[0].strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the programs, and small data in the published formats."""
    folder = tmp_path_factory.mktemp("project")
    for name in FOLDERS:
        (folder / name).symlink_to(ROOT / name)
    (folder / "DATA_DIR").mkdir()
    h, hf = simulator.simulate_with_frequency(440, 3, "indoor")
    for split, part in zip(cost2100.SPLITS, np.split(h, [300, 360])):
        cost2100.write(folder / "DATA_DIR" / cost2100.file_name(split), part)
    np.save(folder / "h.npy", part)
    (folder / "DATA_ROOT").mkdir()
    (folder / "DATA_ROOT" / "cost2100").symlink_to(folder / "DATA_DIR")
    cost2100.write(
        folder / "DATA_DIR" / cost2100.file_name("test", "outdoor"),
        simulator.simulate(40, 4, "outdoor"),
    )
    for split in ("train", "val"):
        cost2100.write(
            folder / "DATA_DIR" / cost2100.file_name(split, "outdoor"),
            simulator.simulate(100, 5, "outdoor"),
        )
    cost2100.write_frequency(
        folder / "DATA_DIR" / cost2100.frequency_file_name(), hf[360:]
    )
    (folder / "RAYTRACED").mkdir()
    setup = {"domain": "space_frequency", "num_sc": 32}
    rays = simulator.simulate(640, 6, "indoor", **setup)[:, None]
    np.savez(folder / "RAYTRACED" / "street_canyon_3p5ghz.npz", channel=rays)
    return folder


def run(project, line):
    """Runs a line of the README in the project's folder; tfcsi in this process."""
    program, *rest = line.split()
    given = {word.split("=")[0] for word in rest}
    small = [f"--config.{field}" for field in SMALL]
    small = [flag for flag in small if flag.split("=")[0] not in given]
    if "transfer" in rest:
        rest += [*small, "--tune_epochs=1"]
    if program == "tfcsi":
        return command_line.main([program, *rest])
    if "train/cost2100.py" in line:
        rest += [*small, "--noprogress"]
    if "data=simulate" in line:
        rest += ["--config.num_train=100", "--config.num_val=50"]
    if "finetune_qat.py" in line:
        rest += ["--config.epochs=1", "--noprogress"]
    if "latent_kinds.py" in line:
        rest += ["--epochs=1", "--systems=csinet:conv", "--ratios=16"]
    if "raytraced.py" in line:
        rest += ["--config.epochs=1", "--noprogress"]
    if "benchmarks/csi_inr.py" in line:
        rest += ["--epochs=1", "--lengths=4", "--systems=csi_inr"]
        rest += ["--bits=4", "--steps=1"]
    if "phone.py" in line:
        rest += ["--epochs=1", "--systems=cllwcsinet", "--ratios=16"]
        rest += ["--scenarios=indoor"]
    done = subprocess.run(
        [sys.executable, *rest], cwd=project, text=True, capture_output=True
    )
    assert done.returncode in ((0, 1) if "check.py" in line else (0,)), done.stderr
    if "check.py" in line:  # A network of one epoch may lose more than it promises.
        assert "TFLite int8" in done.stdout, done.stderr
    return 0


def test_every_command_runs(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    lines = [line for line in commands() if not line.startswith("make ")]
    assert len(lines) >= 17
    for line in lines:
        status = run(project, line)
        # The small files are not the published ones, and verify says so.
        assert status == (1 if "data verify" in line else 0), line
    shown = capsys.readouterr()
    assert "differs" in shown.out and "published release" in shown.err
    point = results.read("runs/a/evaluation_indoor_test.json")["points"][0]
    assert point["num_matrices"] == 80 and 0 < point["rho"] < 1
    h = cost2100.load("DATA_DIR", "indoor", "test", "angular_delay")
    h_hat = np.load("h_hat.npy")
    assert h_hat.shape == h.shape and h_hat.dtype == np.complex64
    header = len(read_file("h.tcsi")[0].to_bytes())
    size = os.path.getsize("h.tcsi")
    assert 8 * (size - header) / 80 == pytest.approx(point["bits"], abs=0.05)
    exec(compile(blocks("python")[0], "README", "exec"), {})


def test_the_make_targets_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert {"demo", "test"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_tables_are_those_of_the_result_files():
    pages = [README, *(page.read_text() for page in (ROOT / "docs").glob("*.md"))]
    marked = re.compile(r"<!-- table: (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)
    sources = [found for page in pages for found in marked.findall(page)]
    assert sources
    for names, text in sources:
        points = [p for n in names.split() for p in results.read(ROOT / n)["points"]]
        assert text.strip() == results.table(points, markdown=True)


def test_every_file_that_the_readme_names_exists():
    named = re.findall(r"`((?:tfcsi|configs|train|tflite|results)/[\w./]*)`", README)
    named += re.findall(r"\]\((?!http)(.+?)\)", README)
    assert len(named) > 15
    assert not [name for name in named if not (ROOT / name).exists()]
