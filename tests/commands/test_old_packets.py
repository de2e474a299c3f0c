"""Commands on files of packets that were cut at the end of a packet."""

import pathlib

import pytest

from tfcsi import load
from tfcsi.__main__ import main
from tfcsi.coding.packet_file import read_file, write_file

OLD = pathlib.Path(__file__).parents[1] / "golden" / "workdirs" / "csinet"
DOUBT = "it cannot be told whether packets are missing at the end"


def decompress(workdir, packets, folder):
    flags = [f"--workdir={workdir}", f"--input={packets}", f"--output={folder}/h.npy"]
    return main(["tfcsi", "decompress", *flags])


def test_of_an_old_file_it_is_said_that_missing_packets_cannot_be_told(
    tmp_path, capsys
):
    session, packets = read_file(OLD / "packets.tcsi")
    assert session.version == 1 and len(packets) > 1
    whole = (OLD / "packets.tcsi").read_bytes()
    (tmp_path / "cut.tcsi").write_bytes(whole[: -len(packets[-1])])
    for path, count in ((OLD / "packets.tcsi", 0), (tmp_path / "cut.tcsi", 1)):
        assert decompress(OLD, path, tmp_path) == 0
        shown = capsys.readouterr()
        assert f"{len(packets) - count} CSI matrices" in shown.out
        assert DOUBT in shown.err
        assert main(["tfcsi", "info", str(path)]) == 0
        assert DOUBT in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("kept", [0, 1, 19])
def test_a_new_file_that_was_cut_between_packets_is_refused(
    workdir, h, tmp_path, capsys, kept
):
    codec, path = load(workdir), tmp_path / "p.tcsi"
    packets = codec.compress(h[300:320])
    write_file(path, codec.session, packets)
    assert decompress(workdir, path, tmp_path) == 0
    shown = capsys.readouterr()
    assert "20 CSI matrices" in shown.out and DOUBT not in shown.err
    head = len(codec.session.to_bytes())
    size = head + sum(1 + len(packet) for packet in packets[:kept])
    path.write_bytes(path.read_bytes()[:size])
    (tmp_path / "h.npy").unlink()
    assert decompress(workdir, path, tmp_path) == 1
    assert f"the length of packet {kept} is cut off" in capsys.readouterr().err
    assert not (tmp_path / "h.npy").exists()
