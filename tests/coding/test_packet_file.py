"""Laws of files of packets of version 2: inverses, pipes, joins, cuts, damage."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from tfcsi.coding.packet_file import Writer, read_file, read_stream
from tfcsi.coding.packet_file import write_file as write
from tfcsi.coding.packet_index import PacketFile
from tfcsi.coding.packets import PacketError, Session, pack

SESSION = Session("demo", 2, 3, bytes(range(8)))


def packets_of(count, session=SESSION, seed=0, longest=40):
    """Packets of random payloads."""
    rng = np.random.default_rng(seed)
    return pack([rng.bytes(rng.integers(longest)) for _ in range(count)], session)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 300])
def test_a_file_reads_back_whole_and_a_packet_at_a_time(count, tmp_path):
    packets, path = packets_of(count, longest=400), tmp_path / "x.tcsi"
    num_bytes = write(path, SESSION, packets)
    assert num_bytes == path.stat().st_size
    assert read_file(path) == (SESSION, packets)
    with PacketFile(path) as file:
        assert file.session == SESSION and len(file) == count
        assert [file[i] for i in range(count)] == packets
        if count:
            assert file[-1] == packets[-1]
        with pytest.raises(IndexError):
            file[count]


def test_the_longest_packet_has_a_place(tmp_path):
    packets = pack([bytes(8191), b""], SESSION)
    write(tmp_path / "x.tcsi", SESSION, packets)
    assert read_file(tmp_path / "x.tcsi") == (SESSION, packets)


def test_joined_files_of_one_session_are_one_file(tmp_path):
    parts = [packets_of(n, seed=n) for n in (70, 0, 1, 200)]
    for i, part in enumerate(parts):
        write(tmp_path / f"{i}", SESSION, part)
    joined = tmp_path / "joined"
    joined.write_bytes(b"".join((tmp_path / f"{i}").read_bytes() for i in range(4)))
    packets = sum(parts, [])
    assert read_file(joined) == (SESSION, packets)
    with PacketFile(joined) as file:
        assert [file[i] for i in range(len(file))] == packets


def test_joined_files_of_two_sessions_are_refused(tmp_path):
    other = Session("demo", 2, 3, bytes(8))
    write(tmp_path / "a", SESSION, packets_of(3))
    write(tmp_path / "b", other, packets_of(3, other))
    joined = tmp_path / "joined"
    joined.write_bytes((tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes())
    with pytest.raises(PacketError, match="packet 2, a file of another session"):
        read_file(joined)
    with pytest.raises(PacketError, match="files of two sessions are joined"):
        PacketFile(joined)


def test_a_file_goes_through_a_pipe_packet_by_packet():
    packets = packets_of(1000)
    outlet, inlet = os.pipe()

    def send():
        with open(inlet, "wb", buffering=0) as stream:
            writer = Writer(stream, SESSION)
            for packet in packets:
                writer.write(packet)
            writer.close()

    sender = threading.Thread(target=send)
    sender.start()
    with open(outlet, "rb") as stream:
        session, rest = read_stream(stream)
        assert session == SESSION and next(rest) == packets[0]
        assert list(rest) == packets[1:]
    sender.join()


def test_a_file_cut_anywhere_is_refused(tmp_path):
    packets = packets_of(70, longest=6)
    write(tmp_path / "x", SESSION, packets)
    content = (tmp_path / "x").read_bytes()
    for size in range(len(content)):
        (tmp_path / "cut").write_bytes(content[:size])
        with pytest.raises(PacketError, match="cut: (header|the|packet)"):
            read_file(tmp_path / "cut")
        with pytest.raises(PacketError, match="cut: it does not end as a file"):
            PacketFile(tmp_path / "cut")


def test_a_file_with_a_wrong_bit_or_other_bytes_behind_is_refused(tmp_path):
    write(tmp_path / "x", SESSION, packets_of(6))
    content, path = (tmp_path / "x").read_bytes(), tmp_path / "damaged"
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        path.write_bytes(damaged)
        with pytest.raises(PacketError, match="damaged: (header|the|packet)"):
            read_file(path)
    for rest in (b"\0", b"junk", b"TCSI", content[:40]):
        path.write_bytes(content + rest)
        with pytest.raises(PacketError, match="damaged: (header|the|packet)"):
            read_file(path)


def test_packets_left_out_or_in_another_order_are_refused(tmp_path):
    packets = packets_of(4)
    write(tmp_path / "x", SESSION, packets)
    content = (tmp_path / "x").read_bytes()
    head = len(SESSION.to_bytes())
    records = [bytes([len(packet)]) + packet for packet in packets]
    end = content[head + sum(map(len, records)) :]
    for order in ([0, 1, 2], [0, 1, 2, 3, 3], [1, 0, 2, 3]):
        body = b"".join(records[i] for i in order)
        (tmp_path / "x").write_bytes(content[:head] + body + end)
        with pytest.raises(PacketError, match=r"x: the end does not fit the \d pack"):
            read_file(tmp_path / "x")


def test_a_damaged_packet_is_named_by_its_number(tmp_path):
    packets = packets_of(70)
    write(tmp_path / "x", SESSION, packets)
    content = bytearray((tmp_path / "x").read_bytes())
    at = bytes(content).index(packets[66])
    content[at + 1] ^= 1
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(PacketError, match="x: packet 66 fails its check"):
        read_file(tmp_path / "x")
    with PacketFile(tmp_path / "x") as file:
        assert file[65] == packets[65] and file[67] == packets[67]
        with pytest.raises(PacketError, match="x: packet 66 fails its check"):
            file[66]


def test_a_length_has_one_way_to_be_written(tmp_path):
    packets = packets_of(1)
    write(tmp_path / "x", SESSION, packets)
    content = (tmp_path / "x").read_bytes()
    head = len(SESSION.to_bytes())
    for length in (b"\x82\0", b"\x80\0", b"\x80\x80\0", b"\xff\xff\xff\xff"):
        (tmp_path / "x").write_bytes(content[:head] + length + content[head + 1 :])
        with pytest.raises(PacketError, match="packet 0 has no valid length"):
            read_file(tmp_path / "x")


def test_files_of_version_1_are_still_written_and_read(tmp_path):
    session = Session("demo", 2, 3, bytes(range(8)), version=1)
    packets = packets_of(5, session)
    write(tmp_path / "x", session, packets)
    content = session.to_bytes() + b"".join(packets)
    assert (tmp_path / "x").read_bytes() == content
    assert read_file(tmp_path / "x") == (session, packets)
    with pytest.raises(PacketError, match="or of version 1"):
        PacketFile(tmp_path / "x")
