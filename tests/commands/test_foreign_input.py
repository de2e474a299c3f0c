"""Commands read foreign files by told axes, print what they took, refuse the rest."""

import h5py
import numpy as np
import pytest

from tfcsi import load
from tfcsi.__main__ import main
from tfcsi.codecs.klt import Klt


def tfcsi(*arguments):
    return main(["tfcsi", *map(str, arguments)])


@pytest.fixture
def workdir(tmp_path, h):
    """A run without a network, which loads quickly."""
    Klt.fit(h[:300], 0.05).save(tmp_path / "klt")
    return tmp_path / "klt"


@pytest.fixture
def compress(tmp_path, workdir, capsys):
    """The function (file, flags) -> (status, output, matrices that come back)."""

    def run(path, *flags):
        packets, back = tmp_path / "p.tcsi", tmp_path / "back.npy"
        paths = [f"--workdir={workdir}", f"--input={path}", f"--output={packets}"]
        status = tfcsi("compress", *paths, *flags)
        shown = capsys.readouterr()
        if status:
            return status, shown.err, None
        paths = [f"--workdir={workdir}", f"--input={packets}", f"--output={back}"]
        assert tfcsi("decompress", *paths) == 0
        return status, shown.out, np.load(back)

    return run


def test_the_codec_decides_the_axes_and_the_command_prints_them(
    compress, tmp_path, workdir, h
):
    sent, codec = h[300:320], load(workdir)
    expected = codec.decompress(codec.compress(sent))
    np.save(tmp_path / "first.npy", sent)
    np.save(tmp_path / "last.npy", np.moveaxis(sent, 0, -1))
    np.save(tmp_path / "rx.npy", np.stack([0 * sent, sent], 1))
    np.save(tmp_path / "real.npy", np.stack([sent.real, sent.imag], 1))
    for name, flags, words in (
        ("first", [], "array [20, 16, 16]: 20 matrices of 16 antennas x 16 delays"),
        ("last", [], "array [16, 16, 20]: 20 matrices of 16 antennas x 16 delays"),
        ("rx", ["--rx=1"], "array [20, 2, 16, 16]: 20 matrices of 16"),
        ("real", ["--axes=n,reim,tx,sc"], "20 matrices of 16 antennas x 16 delays"),
    ):
        status, shown, back = compress(tmp_path / f"{name}.npy", *flags)
        assert status == 0 and words in shown
        np.testing.assert_array_equal(back, expected, err_msg=name)


def test_what_fits_a_codec_two_ways_is_refused_unless_it_is_told(
    compress, tmp_path, workdir, h
):
    sent, codec = h[300:316], load(workdir)
    path = tmp_path / "last.npy"
    np.save(path, np.moveaxis(sent, 0, -1))  # [16, 16, 16].
    status, shown, _ = compress(path)
    assert status == 1 and "(axes=n,tx,sc) or 16" in shown and "give axes" in shown
    _, _, back = compress(path, "--axes=tx,sc,n")
    np.testing.assert_array_equal(back, codec.decompress(codec.compress(sent)))
    with h5py.File(tmp_path / "told.h5", "w") as file:
        file["h"] = sent
        file["h"].attrs["axes"] = "n,tx,delay"  # As tfcsi generate writes it.
    _, _, back = compress(tmp_path / "told.h5")
    np.testing.assert_array_equal(back, codec.decompress(codec.compress(sent)))


def test_wrong_axes_and_antennas_are_refused_in_one_line(compress, tmp_path, h):
    np.save(tmp_path / "rx.npy", np.stack([h[:5], h[:5]], 1))
    for flags, words in (
        ([], "has 2 antennas of the user; name one with rx, 0 to 1"),
        (["--rx=2"], "rx is 2; "),
        (["--axes=n,x,tx,sc"], "'x' is no axis, known: delay, n, rx"),
        (["--axes=n,tx,sc"], "which has 4 axes; axes=n,tx,sc names 3"),
    ):
        status, shown, _ = compress(tmp_path / "rx.npy", *flags)
        assert status == 1 and words in shown and "Traceback" not in shown


def test_statistics_print_what_they_took(tmp_path, h, capsys):
    np.save(tmp_path / "a.npy", np.moveaxis(h[:60, :8], 0, -1))
    page = f"--output={tmp_path}/page.html"
    assert tfcsi("data", "stats", tmp_path / "a.npy", page) == 1
    assert "can be read as" in capsys.readouterr().err
    for flags in (["--axes=tx,sc,n"], ["--shape=8,16"]):
        assert tfcsi("data", "stats", tmp_path / "a.npy", page, *flags) == 0
        line = "array [8, 16, 60]: 60 matrices of 8 antennas x 16 delays (axes tx,sc,n)"
        assert capsys.readouterr().out.startswith(line)
