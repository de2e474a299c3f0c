"""The command line: what it does, and what it says when it cannot."""

import shutil

import numpy as np
import pytest

from tfcsi import bitstream, metrics
from tfcsi.__main__ import COMMANDS, main


def tfcsi(*arguments):
    return main(["tfcsi", *map(str, arguments)])


@pytest.fixture
def sent(tmp_path, workdir, h):
    """Folder with csi.npy and its packets, packets.tcsi."""
    np.save(tmp_path / "csi.npy", h[300:320])
    flags = [f"--input={tmp_path}/csi.npy", f"--output={tmp_path}/packets.tcsi"]
    assert tfcsi("compress", f"--workdir={workdir}", *flags) == 0
    return tmp_path


def decompress(workdir, folder):
    flags = [f"--input={folder}/packets.tcsi", f"--output={folder}/back.npy"]
    return tfcsi("decompress", f"--workdir={workdir}", *flags)


def test_a_file_of_csi_comes_back(sent, workdir, codec, h):
    assert decompress(workdir, sent) == 0
    h_hat = np.load(sent / "back.npy")
    expected = codec.decompress(codec.compress(h[300:320]))
    np.testing.assert_allclose(h_hat, expected, atol=1e-6)
    assert metrics.nmse(h[300:320], h_hat).mean() < 0.5
    assert {path.name for path in sent.iterdir()} == {
        "csi.npy",
        "packets.tcsi",
        "back.npy",
    }


def test_info_explains_a_file_a_packet_and_a_workdir(sent, workdir, codec, capsys):
    packet = bitstream.read_file(sent / "packets.tcsi")[1][3]
    assert tfcsi("info", sent / "packets.tcsi") == 0
    assert "packets    20" in capsys.readouterr().out
    flags = ["--packet=3", f"--workdir={workdir}"]
    assert tfcsi("info", sent / "packets.tcsi", *flags) == 0
    shown = capsys.readouterr().out
    assert packet.hex() in shown and f"{len(packet) - 3} payload bytes" in shown
    assert str(codec.receive([packet])[0][0].tolist()) in shown
    assert tfcsi("info", workdir) == 0
    shown = capsys.readouterr().out
    assert codec.session.fingerprint.hex() in shown and "codec.npz" in shown


@pytest.mark.parametrize("position", [0, 20, -1])
def test_a_damaged_file_is_refused_and_nothing_written(sent, workdir, position, capsys):
    content = bytearray((sent / "packets.tcsi").read_bytes())
    content[position] ^= 1
    (sent / "packets.tcsi").write_bytes(content)
    assert decompress(workdir, sent) == 1
    assert "packets.tcsi" in capsys.readouterr().err
    assert not (sent / "back.npy").exists()


def test_a_file_of_another_codec_is_refused(sent, workdir, capsys):
    _, packets = bitstream.read_file(sent / "packets.tcsi")
    other = bitstream.Session("stqenet", 16, 16, b"12345678")
    bitstream.write_file(sent / "packets.tcsi", other, packets)
    assert decompress(workdir, sent) == 1
    bitstream.write_file(sent / "packets.tcsi", other, bitstream.pack([b"x"], other))
    assert decompress(workdir, sent) == 1
    assert "fingerprint 3132333435363738; the workdir has" in capsys.readouterr().err


def test_csi_of_another_scale_or_size_is_refused_with_the_remedy(
    tmp_path, workdir, h, capsys
):
    flags = [f"--input={tmp_path}/csi.npy", f"--output={tmp_path}/packets.tcsi"]
    np.save(tmp_path / "csi.npy", 3 * h[:2])
    assert tfcsi("compress", f"--workdir={workdir}", *flags) == 1
    assert "to_unit_interval" in capsys.readouterr().err
    np.save(tmp_path / "csi.npy", h[:2, :, :8])
    assert tfcsi("compress", f"--workdir={workdir}", *flags) == 1
    assert "takes complex [n, 16, 16]" in capsys.readouterr().err
    assert not (tmp_path / "packets.tcsi").exists()


def test_a_workdir_that_is_none_is_named(tmp_path, capsys):
    np.save(tmp_path / "csi.npy", np.zeros((1, 16, 16), np.complex64))
    flags = [f"--input={tmp_path}/csi.npy", f"--output={tmp_path}/p.tcsi"]
    assert tfcsi("compress", f"--workdir={tmp_path}", *flags) == 1
    assert "has no config.json" in capsys.readouterr().err
    assert tfcsi("info", tmp_path / "nothing") == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_packet_number_out_of_range_is_refused(sent, capsys):
    assert tfcsi("info", sent / "packets.tcsi", "--packet=20") == 1
    assert "packets 0 to 19" in capsys.readouterr().err


def test_wrong_usage_exits_with_2_and_says_what_is_expected(capsys):
    assert tfcsi() == 2
    assert tfcsi("compact") == 2
    assert tfcsi("compress", "--workdir=a") == 2
    assert "expected --input, --output" in capsys.readouterr().err
    assert tfcsi("compress", "--wrokdir=a") == 2
    assert "wrokdir" in capsys.readouterr().err
    assert tfcsi("info") == 2
    assert tfcsi("data", "check", "DIR") == 2
    assert "tfcsi data verify DIR" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        tfcsi(command, "--help")
    assert stop.value.code == 0
    assert f"usage: tfcsi {command}" in capsys.readouterr().out


def test_a_table_is_put_between_its_markers(tmp_path, workdir, capsys):
    from tfcsi import results

    path = tmp_path / "a.json"
    results.write(path, [{"codec": "x", "nmse_db": -3.0}], 0)
    readme = tmp_path / "README.md"
    readme.write_text(f"top\n<!-- table: {path} -->\nold\n<!-- end -->\nbottom\n")
    assert tfcsi("table", path, f"--output={readme}") == 0
    text = readme.read_text()
    assert "old" not in text and "| x     |     -3.00 |" in text
    assert text.startswith("top\n") and text.endswith("<!-- end -->\nbottom\n")
    assert tfcsi("table", path) == 0
    assert "-3.00" in capsys.readouterr().out
    shutil.copy(path, tmp_path / "b.json")
    assert tfcsi("table", tmp_path / "b.json", f"--output={readme}") == 1
    assert "has no lines" in capsys.readouterr().err
