"""tfcsi score: a decoder of others as a process, real bits, and what goes wrong."""

from __future__ import annotations

import json
import shlex
import sys
import time

import numpy as np
import pytest

from tfcsi import metrics, results
from tfcsi.__main__ import main
from tfcsi.codecs.topk import TopK
from tfcsi.coding.packet_file import write_file

NUM, SHAPE = 12, (8, 16)
# Decoders of others: half floats of all entries in a file a matrix, or in one file.
HEAD = "import os, numpy as np; names = sorted(os.listdir('packets')); "
FILES = HEAD + "h = np.stack([np.fromfile('packets/' + n, 'f2') for n in names]); "
ONE = "import numpy as np; h = np.fromfile('packets.bin', 'f2'); "
SAVE = "h = h.astype('f4').view('c8').reshape(-1, 8, 16); np.save('h_hat.npy', h)"


def python(program):
    return f"--decoder={shlex.join([sys.executable, '-c', program])}"


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory, draw_csi):
    """The folder of `h.npy`, and of packets: `packets/`, `h.bin` and `h.tcsi`."""
    folder = tmp_path_factory.mktemp("handed in")
    h = draw_csi(NUM, SHAPE)
    np.save(folder / "h.npy", h)
    (folder / "packets").mkdir()
    halves = h.view("f4").astype("f2")
    for number, half in enumerate(halves):  # 9.bin comes before 10.bin.
        half.tofile(folder / "packets" / f"{number}.bin")
    halves.tofile(folder / "h.bin")
    codec = TopK(SHAPE, 8, 6, 50.0)
    packets = codec.compress(h)
    write_file(folder / "h.tcsi", codec.session, packets)
    codec.save(folder / "topk")
    return folder


def score(folder, packets, *words):
    given = [f"--packets={folder / packets}", f"--input={folder / 'h.npy'}"]
    return main(["tfcsi", "score", *given, "--axes=n,tx,sc", *words])


@pytest.mark.parametrize(
    ("packets", "load"), [("packets", FILES), ("h.bin", ONE)], ids=["folder", "file"]
)
def test_packets_of_any_form_are_measured_by_their_bytes(
    handed_in, packets, load, tmp_path, capsys
):
    output = tmp_path / "points.json"
    words = ["--name=halves", "--dataset=hall", f"--output={output}"]
    assert score(handed_in, packets, python(load + SAVE), *words) == 0
    (point,) = results.read(output)["points"]
    h = np.load(handed_in / "h.npy")
    h_hat = h.view("f4").astype("f2").astype("f4").view("c8")
    nmse = metrics.nmse(h, h_hat)
    assert point["nmse_db"] == metrics.to_db(nmse.mean())
    ends = [metrics.to_db(end) for end in metrics.confidence_interval(nmse)]
    assert [point["nmse_db_low"], point["nmse_db_high"]] == ends
    assert point["bits"] == 16 * 2 * 8 * 16 and point["num_matrices"] == NUM
    assert (point["codec"], point["dataset"]) == ("halves", "hall")
    assert "halves" in capsys.readouterr().out


def test_packets_of_tfcsi_are_counted_as_tfcsi_evaluate_counts_them(handed_in, capsys):
    words = ["-m", "tfcsi", "decompress", f"--codec={handed_in / 'topk'}"]
    words += ["--input=packets.tcsi", "--output=h_hat.npy"]
    decoder = f"--decoder={shlex.join([sys.executable, *words])}"
    assert score(handed_in, "h.tcsi", decoder, "--json") == 0
    (point,) = json.loads(capsys.readouterr().out)
    codec = TopK(SHAPE, 8, 6, 50.0)
    h = np.load(handed_in / "h.npy")
    packets = codec.compress(h)
    assert point["bits"] == metrics.bits_per_csi(packets)
    nmse = metrics.nmse(h, codec.decompress(packets))
    assert point["nmse_db"] == pytest.approx(metrics.to_db(nmse.mean()), abs=1e-9)
    assert point["codec"] == "topk"


def wrong(folder):
    """Arrays that are no CSI of `h.npy`, as files."""
    arrays = {
        "real": np.ones((NUM, *SHAPE)),
        "nan": np.full((NUM, *SHAPE), np.nan + 0j),
    }
    sizes = {"few": (11, *SHAPE), "many": (13, *SHAPE), "turned": (NUM, *SHAPE[::-1])}
    arrays |= {name: np.ones(shape, "c8") for name, shape in sizes.items()}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


WRONG = {
    "sh -c 'ls; test $PWD = $(pwd) && echo here; exit 3'": "last: packets.bin here",
    "true": "the decoder ended, but there is no file h_hat.npy",
    "ln -s /etc/hostname h_hat.npy": "there is no file h_hat.npy in the folder",
    "sh -c 'echo x > h_hat.npy'": "of no use: h_hat.npy cannot be read",
    "cp {}/real.npy h_hat.npy": "h_hat.npy holds float64 [12, 8, 16]",
    "cp {}/few.npy h_hat.npy": "has 11 matrices, and the truth has more",
    "cp {}/many.npy h_hat.npy": "has 13 matrices, and the truth 12",
    "cp {}/turned.npy h_hat.npy": "has matrices of 16 x 8, the truth of 8 x 16",
    "cp {}/nan.npy h_hat.npy": "matrix 0 in h_hat.npy of the decoder has NaN",
    "sh -c 'kill -9 $$'": "the decoder died of signal 9; it printed nothing",
}


@pytest.mark.parametrize("command", WRONG)
def test_what_a_decoder_does_wrong_is_told_in_one_line(
    handed_in, command, tmp_path, capsys
):
    wrong(tmp_path)
    decoder = f"--decoder={command.format(shlex.quote(str(tmp_path)))}"
    assert score(handed_in, "h.bin", decoder) == 1
    error = capsys.readouterr().err
    assert WRONG[command] in error and error.count("\n") == 1


def test_a_decoder_that_takes_too_long_is_ended_with_all_it_started(
    handed_in, tmp_path, capsys
):
    late = tmp_path / "late"
    command = f"--decoder=sh -c '(sleep 0.6; touch {late}) & sleep 60'"
    assert score(handed_in, "h.bin", command, "--seconds=0.2") == 1
    assert "still ran after 0.2 seconds and was ended" in capsys.readouterr().err
    time.sleep(0.6)
    assert not late.exists()


def test_a_decoder_that_writes_too_much_is_ended(handed_in, capsys):
    for command in (
        "sh -c 'mkdir d; yes > d/large & sleep 60'",
        "dd if=/dev/zero of=large bs=1M count=3",  # It has ended at the first look.
    ):
        limit = "--megabytes=2"
        assert score(handed_in, "h.bin", f"--decoder={command}", limit) == 1
        assert "wrote more than 2 MB and was ended" in capsys.readouterr().err


def test_what_is_handed_in_wrong_is_refused_before_the_decoder_runs(
    handed_in, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "0.bin").write_bytes(b"x")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    ran = f"--decoder=touch {tmp_path / 'ran'}"
    cut = (handed_in / "h.tcsi").read_bytes()[:-1]
    (tmp_path / "cut.tcsi").write_bytes(cut)
    for packets, message in (
        ("few", "holds 1 packets, and the truth 12 matrices"),
        ("deep", "er is no file"),
        ("deep/er", "is empty; give a file for each matrix"),
        ("cut.tcsi", "cut.tcsi: the end is cut off"),
    ):
        assert score(handed_in, tmp_path / packets, ran) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
    assert score(handed_in, "h.bin", "--decoder=nowhere/decode") == 1
    assert "cannot be started: No such file" in capsys.readouterr().err
    (tmp_path / "decode.py").write_text("")
    assert score(handed_in, "h.bin", f"--decoder={sys.executable} decode.py") == 1
    assert "decode.py is a file of this folder" in capsys.readouterr().err
    for command in ("", "'"):
        assert score(handed_in, "h.bin", f"--decoder={command}") == 2
        assert "give a command, its quotes closed" in capsys.readouterr().err
