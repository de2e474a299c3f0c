"""A codec of paths on the phone: the packets of the codec, with NumPy alone."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tfcsi import __main__ as command_line
from tfcsi.channels import cost2100
from tfcsi.coding import pursuit
from tfcsi.coding.packet_file import read_file
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.ue import PathUe, Ue, main

ROOT = pathlib.Path(__file__).parents[1]
# What a phone lacks; the encoder of paths does without the runtime of networks too.
LACKING = "absl ai_edge_litert h5py matplotlib ml_collections scipy tensorflow".split()


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [6, 32, 32]."""
    return cost2100.simulate(6, 4, "indoor")


@pytest.fixture(scope="module")
def codec():
    return tfcsi.load("paths_cost2100_indoor")


@pytest.fixture(scope="module")
def run(codec, tmp_path_factory):
    """The folder of a run, as `tfcsi export` leaves it."""
    folder = tmp_path_factory.mktemp("run")
    codec.save(folder)
    assert command_line.main(["tfcsi", "export", f"--workdir={folder}"]) == 0
    return folder


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"step": np.nan}, "step is nan"),
        ({"step": 0.1, "nmse_db": -9.0}, "give one of step, nmse_db"),
        ({"effort": "much"}, "effort is 'much'"),
        ({"bits": 90}, "bits"),
    ],
    ids=str,
)
def test_what_cannot_be_wished_is_refused_when_the_phone_is_made(run, limits, words):
    with pytest.raises((ValueError, TypeError), match=words):
        PathUe(run / TABLES_FILE, **limits)


@pytest.mark.parametrize(
    "limits",
    [{}, {"effort": "light"}, {"step": 0.1}, {"nmse_db": -12.0}, {"max_bits": 90}],
    ids=["usual", "light", "step", "nmse_db", "max_bits"],
)
def test_packets_are_those_of_the_codec(codec, matrices, run, limits):
    ue = PathUe(run / TABLES_FILE, **limits)
    assert ue.session == codec.session
    packets = [ue.encode(matrix) for matrix in matrices]
    # The sums of a batch may round otherwise, so each matrix is coded alone here too.
    assert packets == [codec.compress(h[None], **limits)[0] for h in matrices]
    assert len(set(packets)) == len(packets)


def test_the_command_writes_what_decompress_reads(codec, matrices, run, tmp_path):
    np.save(tmp_path / "h.npy", matrices)
    np.save(tmp_path / "none.npy", matrices[0] * np.nan)
    command = f"""
import sys
sys.modules.update(dict.fromkeys({LACKING!r}))
from tfcsi.ue import main
sys.exit(main(sys.argv[1:]))
"""

    def done(source, *more):
        names = {"tables": run / TABLES_FILE, "input": tmp_path / source}
        flags = [f"--{name}={path}" for name, path in names.items()]
        flags.append(f"--output={tmp_path / 'h.tcsi'}")
        call = [sys.executable, "-c", command, *flags, *more]
        return subprocess.run(call, cwd=ROOT, capture_output=True, text=True)

    result = done("h.npy", "--effort=light", "--max_bits=100")
    assert result.returncode == 0, result.stderr
    assert "h.tcsi: 6 packets" in result.stdout
    session, packets = read_file(tmp_path / "h.tcsi")
    assert session == codec.session
    assert max(8 * len(packet) for packet in packets) <= 100
    limits = {"effort": "light", "max_bits": 100}
    assert packets == [codec.compress(h[None], **limits)[0] for h in matrices]
    result = done("none.npy")
    assert result.returncode == 1 and "h holds NaN or infinity" in result.stderr
    result = done("h.npy", "--step=0.1", "--nmse_db=-10")
    assert result.returncode == 1 and "give one of step, nmse_db" in result.stderr
    result = done("h.npy", "--encoder=encoder.tflite", "--effort=light")
    assert result.returncode == 1
    assert "effort is that of the encoder; leave it out" in result.stderr


def test_tables_of_another_kind_are_refused(run, tmp_path, capsys):
    tables = run / TABLES_FILE
    with pytest.raises(FileNotFoundError, match="none.npz"):
        PathUe(tmp_path / "none.npz")
    with pytest.raises(ValueError, match="it is of a codec of paths: use PathUe"):
        Ue(run / "encoder.tflite", tables)
    with np.load(tables) as stored:
        arrays = dict(stored)
    name = next(name for name in arrays if name.startswith("tables/"))
    for change, words in (
        ({"format": np.array(9)}, "it has format 9"),
        ({"codec": np.array("csinet")}, "of the codec 'csinet'"),
        ({"step": arrays["step"] + 1}, "not those of its fingerprint"),
        ({name: arrays[name][:-1]}, "expected integers"),
    ):
        np.savez(tmp_path / "other.npz", **{**arrays, **change})
        with pytest.raises(ValueError, match=words):
            PathUe(tmp_path / "other.npz")
    del arrays["num_fft"]
    np.savez(tmp_path / "other.npz", **arrays)
    flags = [f"--{name}={tmp_path / 'other.npz'}" for name in ("tables", "input")]
    assert main([*flags, f"--output={tmp_path / 'h.tcsi'}"]) == 1
    assert "it lacks 'num_fft'" in capsys.readouterr().err


@pytest.mark.parametrize("effort", ["light", "default"])
def test_the_stated_work_is_that_of_the_pursuit(codec, matrices, monkeypatch, effort):
    atoms, done = codec.atoms, 0
    for kind, name, cost in (
        (pursuit._Block, "_peak", pursuit.macs_peak(atoms)),
        (pursuit.Near, "correlate", pursuit.macs_search(atoms)),
        (pursuit, "difference", pursuit.macs_update(atoms)),
    ):
        method = getattr(kind, name)

        def counted(*args, method=method, cost=cost):
            nonlocal done
            places = args[1]  # Of an array or of lists of single paths.
            done += cost * len(getattr(places, "re", places))
            return method(*args)

        monkeypatch.setattr(kind, name, counted)
    packets = codec.compress(matrices, effort=effort)
    counts = codec.receive_lists(packets)[2].count
    settings = pursuit.EFFORTS[effort]
    stated = sum(pursuit.macs(atoms, settings, int(num)) for num in counts)
    assert abs(done - stated) < 0.15 * done
    assert codec.describe()["ue_macs"][effort] == pursuit.macs(atoms, settings, 10)
