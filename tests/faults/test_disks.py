"""Full disks, folders that may not be written to or vanish, and clocks that err.

What was there stays as it was, nothing is left behind, and the error names the file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import numpy as np
import pytest

import tfcsi
from tests.conftest import correlated_csi
from tfcsi import files
from tfcsi.__main__ import main
from tfcsi.channels.generate import generate
from tfcsi.codecs.klt import Klt
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.packets import Session, pack
from tfcsi.datasets import cost2100

H = correlated_csi(400, (16, 16))


def mount(folder, *options):
    """Mounts a small disk in memory, or skips the test."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command).returncode:
        pytest.skip("a disk can be mounted by root alone")


@pytest.fixture
def disk(tmp_path):
    """A disk of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=128k")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def write_codec(folder):
    Klt.fit(H, 1e-3).save(folder)


def write_packets(folder):
    session, rng = Session("demo", 2, 3, bytes(8)), np.random.default_rng(0)
    packets = pack([rng.bytes(8000) for _ in range(40)], session)
    write_file(folder / "x.tcsi", session, packets)


def write_cache(folder):
    path = folder.with_name("data") / cost2100.file_name("test")
    path.parent.mkdir(exist_ok=True)
    cost2100.write(path, correlated_csi(60, (32, 32)))
    domain = "angular_delay"
    cost2100.load(path.parent, "indoor", "test", domain, cache_dir=folder / "cache")


def simulate(folder):
    generate("cost2100_indoor", {"test": 50}, 1, folder / "out", processes=1)


WRITERS = {
    "codec": (write_codec, "codec.npz"),
    "packets": (write_packets, "x.tcsi"),
    "cache": (write_cache, "cache"),
    "matrices": (simulate, "out"),
    "json": (lambda folder: files.write_json(folder / "a", ["x"] * 50000), "/a"),
}


def held(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_and_what_it_holds_stays(disk, name):
    write, place = WRITERS[name]
    old = disk / place.strip("/")
    if name != "matrices" and name != "cache":
        old.write_bytes(b"TCSI older content")
    before = held(disk)
    with pytest.raises(OSError, match="No space left") as error:
        write(disk)
    assert place in str(error.value) and ".tmp" not in str(error.value)
    after = held(disk)
    assert {path: after.get(path) for path in before} == before
    assert not [path for path in after if path.endswith(".tmp")]


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_may_only_be_read_is_named(disk, name):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    write, _ = WRITERS[name]
    with pytest.raises(OSError, match="[Rr]ead-only|no permission") as error:
        write(disk)
    assert str(disk) in str(error.value) and ".tmp" not in str(error.value)


def test_a_folder_that_vanishes_while_a_file_is_written_is_named(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    with pytest.raises(FileNotFoundError, match="gone/x") as error:
        with files.replacing(folder / "x") as temporary:
            temporary.write_bytes(b"half")
            shutil.rmtree(folder)
    assert ".tmp" not in str(error.value) and not folder.exists()


@pytest.mark.slow
def test_a_training_whose_folder_vanishes_ends_with_its_name(
    make_config, dense, h, tmp_path
):
    def matrices(epoch):
        if epoch == 1:
            shutil.rmtree(tmp_path / "run")
        return h[:300]

    from tfcsi.training import run

    config = make_config(model=dense, epochs=3, prior_warmup_steps=5)
    with pytest.raises(FileNotFoundError, match="run has vanished"):
        run.train(config, tmp_path / "run", matrices, h[300:], progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_clock_that_goes_back_changes_no_bit_of_a_training(
    make_config, dense, h, tmp_path, monkeypatch
):
    from tfcsi.training import run

    config = make_config(model=dense, epochs=2, prior_warmup_steps=5)
    run.train(config, tmp_path / "one", h[:300], h[300:], progress=False)
    real, back = time.time, [0.0]

    def clock():
        back[0] += 1000.0
        return real() - back[0]

    monkeypatch.setattr(time, "time", clock)
    run.train(config, tmp_path / "two", h[:300], h[300:], progress=False)
    one, two = (tfcsi.load(tmp_path / name) for name in ("one", "two"))
    assert one.session == two.session
    assert one.compress(h[300:]) == two.compress(h[300:])
    assert two.facts["train_seconds"] >= 0


def test_a_command_says_that_the_disk_is_full(disk, tmp_path, capsys):
    np.save(tmp_path / "h.npy", np.tile(H, (8, 1, 1)))
    Klt.fit(H, 1e-3).save(tmp_path / "klt")
    words = [f"--workdir={tmp_path / 'klt'}", f"--input={tmp_path / 'h.npy'}"]
    output = f"--output={disk / 'x.tcsi'}"
    assert main(["tfcsi", "compress", *words, output]) == 1
    shown = capsys.readouterr().err
    assert "x.tcsi" in shown and "No space left" in shown and "Traceback" not in shown
    assert "x.tcsi" not in os.listdir(disk)  # A part of it may wait for more space.
