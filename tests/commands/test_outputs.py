"""What commands write replaces nothing that is of another kind, or that they read."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from tfcsi import files, results, ue
from tfcsi.__main__ import main


@pytest.fixture
def csi(tmp_path, h):
    """A file of CSI, csi.npy."""
    np.save(tmp_path / "csi.npy", h[300:304])
    return tmp_path / "csi.npy"


def refused(capsys, command, *arguments, status=1):
    """What a command says that must fail."""
    assert main(["tfcsi", command, *map(str, arguments)]) == status
    return capsys.readouterr().err


@pytest.mark.parametrize("name", ["csi.npy", "link.npy", "notes.txt"])
def test_compress_replaces_neither_its_input_nor_a_foreign_file(
    csi, workdir, name, capsys
):
    folder = csi.parent
    (folder / "notes.txt").write_text("TODO")
    os.symlink(csi, folder / "link.npy")
    before = (folder / name).read_bytes()
    flags = [f"--workdir={workdir}", f"--input={csi}"]
    error = refused(capsys, "compress", *flags, f"--output={folder / name}")
    assert f"{folder / name} " in error and "give another --output" in error
    assert (folder / name).read_bytes() == before


def test_packets_and_arrays_are_replaced_by_their_own_kind_alone(csi, workdir, capsys):
    packets, back = csi.with_name("h.tcsi"), csi.with_name("back.npy")
    flags = [f"--workdir={workdir}", f"--input={csi}", f"--output={packets}"]
    for _ in range(2):
        assert main(["tfcsi", "compress", *flags]) == 0
    flags = [f"--workdir={workdir}", f"--input={packets}"]
    for _ in range(2):
        assert main(["tfcsi", "decompress", *flags, f"--output={back}"]) == 0
    capsys.readouterr()
    for name in ("config.json", "codec.npz", "calibration.npy", "log.csv"):
        before = (workdir / name).read_bytes()
        refused(capsys, "decompress", *flags, f"--output={workdir / name}")
        assert (workdir / name).read_bytes() == before
    other = csi.with_name("calibration.npy")  # Of another run.
    np.save(other, np.zeros((4, 8, 8, 2), np.float16))
    before = other.read_bytes()
    error = refused(capsys, "decompress", *flags, f"--output={other}")
    assert "is not an array of CSI (it is float16 [4, 8, 8, 2])" in error
    assert other.read_bytes() == before
    refused(capsys, "decompress", *flags, f"--output={packets}")
    refused(capsys, "decompress", *flags, f"--output={workdir}")


def test_a_page_or_a_results_file_replaces_no_other_file(csi, workdir, capsys):
    for command, *flags in (
        ("data", "stats", csi),
        ("evaluate", f"--workdir={workdir}", "--data_dir=none"),
        ("benchmark", f"--workdirs={workdir}"),
    ):
        path = csi.with_name("foreign.json")
        path.write_text("{}")
        assert f"{path} exists and is not" in refused(
            capsys, command, *flags, f"--output={path}"
        )
        assert path.read_text() == "{}"
    results.write(csi.with_name("own.json"), [], 0)
    results.write(csi.with_name("own.json"), [{"codec": "a"}], 0)
    csi.with_name("own.png").write_text("no picture")
    flags = [f"--workdir={workdir}", "--data_dir=none"]
    error = refused(capsys, "evaluate", *flags, f"--output={csi.with_name('own.json')}")
    assert "own.png exists and is not a PNG picture" in error


@pytest.mark.parametrize("command", ["evaluate", "benchmark"])
def test_a_results_file_of_another_name_is_refused_before_any_work(
    command, tmp_path, capsys
):
    flags = ["--workdirs=a"] if command == "benchmark" else ["--workdir=a"]
    flags += [] if command == "benchmark" else ["--data_dir=b"]
    output = tmp_path / "new" / "table.csv"
    error = refused(capsys, command, *flags, f"--output={output}", status=2)
    assert "give FILE.json" in error and not output.parent.exists()


def test_the_phone_replaces_no_foreign_file(csi, capsys):
    flags = ["--encoder=a", "--tables=b", f"--input={csi}", f"--output={csi}"]
    before = csi.read_bytes()
    assert ue.main(flags) == 1
    assert "is a file that is read here" in capsys.readouterr().err
    assert csi.read_bytes() == before


def test_an_empty_file_a_device_and_a_new_name_may_be_written(tmp_path):
    (tmp_path / "empty").touch()
    for path in (tmp_path / "empty", tmp_path / "new", os.devnull):
        files.check_output(path, files.PACKETS)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_an_open_stream_gets_the_bytes_behind_what_it_holds(tmp_path, name):
    write = f"from tfcsi import files; files.check_output('{name}', files.PACKETS); "
    write += f"files.write_bytes('{name}', b'TCSI')"
    run = [sys.executable, "-c", write]
    assert subprocess.run(run, stdout=subprocess.PIPE).stdout == b"TCSI"  # A pipe.
    with open(tmp_path / "all.tcsi", "ab") as file:
        for _ in range(2):
            subprocess.run(run, stdout=file, check=True)
    assert (tmp_path / "all.tcsi").read_bytes() == 2 * b"TCSI"
    assert [path.name for path in tmp_path.iterdir()] == ["all.tcsi"]
