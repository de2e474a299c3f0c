"""Laws of packets and files of version 1: inverses, golden bytes, refusals."""

from __future__ import annotations

import pathlib
import re
import zlib

import numpy as np
import pytest

from tfcsi.coding import crc, rangecoder
from tfcsi.coding.crc import crc11
from tfcsi.coding.packet_file import read_file, write_file
from tfcsi.coding.packets import PacketError, Session, pack, split, unpack
from tfcsi.coding.tables import CODERS, Tables

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "bitstream.md").read_text()
SESSION = Session("demo", 2, 3, bytes(range(8)), version=1)
EXAMPLE_CDF = [0, 16384, 49152, 65280, 65536]
EXAMPLE_SYMBOLS = [0, 1, -1, 4]


def random_payloads(seed=0):
    """Payloads of many lengths."""
    rng = np.random.default_rng(seed)
    return [rng.bytes(n) for n in (0, 1, 2, 3, 17, 130, 8191)]


def example():
    """The worked example of docs/bitstream.md: its names and bytes."""
    lines = re.findall(r"^([a-z ]+):  +([0-9a-f ]+)$", PAGE, re.MULTILINE)
    return {name: bytes.fromhex(text) for name, text in lines}


def page_decoder():
    """The decoder in plain Python that docs/bitstream.md prints."""
    names = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    return names


def bitwise_crc11(message):
    """Remainder of message D^11 divided by gCRC11, by long division."""
    number = int.from_bytes(message, "big") << 11
    for k in range(number.bit_length() - 1, 10, -1):
        if number >> k & 1:
            number ^= 0b1110_0010_0001 << (k - 11)
    return number


def test_unpack_inverts_pack():
    payloads = random_payloads()
    packets = pack(payloads, SESSION)
    assert [len(p) for p in packets] == [len(p) + 3 for p in payloads]
    assert unpack(packets, SESSION) == payloads


def test_no_packets_are_no_payloads():
    assert pack([], SESSION) == unpack([], SESSION) == []
    assert split(b"", SESSION) == []


def test_the_crc_is_the_remainder_of_the_polynomial(monkeypatch):
    messages = [p[:300] for p in random_payloads(1)]
    expected = [bitwise_crc11(m) for m in messages]
    np.testing.assert_array_equal(crc11(messages), expected)
    monkeypatch.setattr(crc, "_ROWS", 2)
    np.testing.assert_array_equal(crc11(messages), expected)
    np.testing.assert_array_equal(crc11([b""]), [0])


def test_the_header_holds_length_and_crc():
    for payload, packet in zip(random_payloads(), pack(random_payloads(), SESSION)):
        word = int.from_bytes(packet[:3], "big")
        size = len(payload).to_bytes(2, "big")
        assert word >> 11 == len(payload)
        assert word & 0x7FF == bitwise_crc11(SESSION.fingerprint + size + payload)


def test_every_single_bit_flip_is_refused():
    for packet in pack([b"", b"\0", b"\0" * 9, b"some words"], SESSION):
        for bit in range(8 * len(packet)):
            flipped = bytearray(packet)
            flipped[bit // 8] ^= 0x80 >> bit % 8
            with pytest.raises(PacketError, match="packet 0 (fails its check|has)"):
                unpack([bytes(flipped)], SESSION)


def test_every_burst_of_11_bits_in_a_payload_is_refused():
    (packet,) = pack([bytes(range(4))], SESSION)
    number = int.from_bytes(packet, "big")
    for burst in range(1, 1 << 11):
        for shift in (0, 10, 21):
            other = (number ^ burst << shift).to_bytes(len(packet), "big")
            with pytest.raises(PacketError, match="fails its check"):
                unpack([other], SESSION)


def test_packets_of_another_session_are_refused():
    packets = pack(random_payloads(), SESSION)
    for bit in range(64):
        number = int.from_bytes(SESSION.fingerprint, "big") ^ 1 << bit
        foreign = Session("demo", 2, 3, number.to_bytes(8, "big"), version=1)
        for packet in packets[:-1]:
            with pytest.raises(PacketError, match="belongs to another session"):
                unpack([packet], foreign)


def test_a_random_packet_passes_once_in_2048():
    rng = np.random.default_rng(2)
    packets = [(5 << 11).to_bytes(3, "big")[:2] + rng.bytes(6) for _ in range(9000)]
    passed = 0
    for packet in packets:
        try:
            unpack([packet], SESSION)
            passed += 1
        except PacketError:
            pass
    assert passed < 20  # 4.4 on average, or 0.1 if the three high bits must be zero.


def test_truncated_and_extended_packets_are_refused():
    (packet,) = pack([b"some words"], SESSION)
    with pytest.raises(PacketError, match="packet 1 has 12 bytes; its header says 13"):
        unpack([packet, packet[:-1]], SESSION)
    with pytest.raises(PacketError, match="packet 1 has 14 bytes; its header says 13"):
        unpack([packet, packet + b"\0"], SESSION)
    for size in range(3):
        with pytest.raises(PacketError, match=f"packet 0 has {size} bytes; its header"):
            unpack([packet[:size]], SESSION)


def test_a_refusal_names_the_packet_and_the_session():
    packets = pack(random_payloads(), SESSION)
    packets[4] = packets[4][:-1] + bytes([packets[4][-1] ^ 1])
    with pytest.raises(PacketError, match="packet 4 fails .* 'demo' 0001020304050607"):
        unpack(packets, SESSION)


def test_too_long_a_payload_is_refused():
    with pytest.raises(ValueError, match="payload 1 has 8192 bytes; at most 8191 fit"):
        pack([b"", bytes(8192)], SESSION)


def test_from_bytes_inverts_to_bytes():
    for session in (
        SESSION,
        Session("", 0, 0, bytes(8)),
        Session("\u00e9" * 127 + "x", 65535, 65535, b"\xff" * 8),
    ):
        stream = session.to_bytes()
        assert Session.from_bytes(stream) == (session, len(stream))
        assert Session.from_bytes(stream + b"more") == (session, len(stream))


@pytest.mark.parametrize(
    "fields, words",
    [
        (("x" * 256, 1, 1, bytes(8)), "codec name must be at most 255 bytes"),
        (("x", 65536, 1, bytes(8)), "num_tx must fit 16 bits: 65536"),
        (("x", 1, -1, bytes(8)), "num_delay must fit 16 bits: -1"),
        (("x", 1, 1, bytes(7)), "fingerprint must be 8 bytes"),
        (("x", 1, 1, "8 letter"), "fingerprint must be 8 bytes"),
    ],
)
def test_bad_sessions_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Session(*fields)


def test_damaged_session_headers_are_refused():
    stream = SESSION.to_bytes()
    for bit in range(8 * len(stream)):
        flipped = bytearray(stream)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(PacketError, match="header"):
            Session.from_bytes(bytes(flipped))
    for size in range(len(stream)):
        with pytest.raises(PacketError, match="header (begins|has)"):
            Session.from_bytes(stream[:size])


def test_a_refused_session_header_says_what_is_expected():
    stream = SESSION.to_bytes()
    with pytest.raises(PacketError, match="begins b'PK.*', expected b'TCSI'"):
        Session.from_bytes(b"PK\3\4" + stream)
    with pytest.raises(PacketError, match="of version 3, this tfcsi reads 1 to 2"):
        Session.from_bytes(b"TCSI\3" + stream[5:])
    with pytest.raises(PacketError, match="header has 25 bytes, expected 26"):
        Session.from_bytes(stream[:-1])
    with pytest.raises(PacketError, match="CRC 6f4cdad5, expected 6f4cdad4"):
        Session.from_bytes(stream[:-1] + b"\xd4")
    bad_name = stream[:6] + b"\xff\xff\xff\xff" + stream[10:-4]
    bad_name += zlib.crc32(bad_name).to_bytes(4, "big")
    with pytest.raises(PacketError, match="names no UTF-8 codec"):
        Session.from_bytes(bad_name)


def test_read_file_inverts_write_file(tmp_path):
    packets = pack(random_payloads(), SESSION)
    for some in ([], packets):
        write_file(tmp_path / "x.tcsi", SESSION, some)
        assert read_file(str(tmp_path / "x.tcsi")) == (SESSION, some)
    assert [path.name for path in tmp_path.iterdir()] == ["x.tcsi"]


def test_truncated_files_are_refused(tmp_path):
    packets = pack([b"abc", b"", b"some words"], SESSION)
    stream = SESSION.to_bytes() + b"".join(packets)
    ends = np.cumsum([len(SESSION.to_bytes()), *map(len, packets)]).tolist()
    path = tmp_path / "x.tcsi"
    for size in set(range(len(stream))) - set(ends):
        path.write_bytes(stream[:size])
        with pytest.raises(
            PacketError, match=r"x\.tcsi: (header|packet \d is cut off)"
        ):
            read_file(path)
    path.write_bytes(stream[:-4])
    with pytest.raises(PacketError, match="packet 2 is cut off after 9 of 13 bytes"):
        read_file(path)


def test_damaged_files_and_trailing_junk_are_refused(tmp_path):
    packets = pack([b"abc", b"", b"some words"], SESSION)
    stream = SESSION.to_bytes() + b"".join(packets)
    path = tmp_path / "x.tcsi"
    for junk in (b"\0", b"\0\0\0", b"\0\0\0\0", b"trailing junk", stream):
        path.write_bytes(stream + junk)
        with pytest.raises(PacketError, match=r"x\.tcsi: packet 3 (is cut off|fails)"):
            read_file(path)
    for at in range(len(stream)):
        path.write_bytes(stream[:at] + bytes([stream[at] ^ 0x10]) + stream[at + 1 :])
        with pytest.raises(PacketError, match=r"x\.tcsi: (header|packet \d)"):
            read_file(path)


def test_damage_is_named_before_the_wrong_end_that_it_makes():
    packets = pack([b"abc", b"de", b"f"], SESSION)
    stream = bytearray(b"".join(packets))
    stream[1] ^= 0x10  # The first length says 1 or 5 bytes now.
    with pytest.raises(PacketError, match="packet 0 fails its check"):
        split(bytes(stream), SESSION)


@pytest.mark.parametrize("coder", CODERS)
def test_the_old_worked_example_of_the_page(coder):
    page = example()
    tables = Tables([EXAMPLE_CDF], [5], [-1], [0] * 4, coder)
    (coded,) = rangecoder.encode([EXAMPLE_SYMBOLS], tables)
    assert coded == page[f"old {coder} coded"]
    side = np.array([-1.5, 2.0], ">f2").tobytes()
    assert side == page["side"]
    (packet,) = pack([side + coded], SESSION)
    assert packet == page[f"old {coder} packet"]
    assert SESSION.to_bytes() == page["old session header"]
    assert SESSION.fingerprint == page["fingerprint"]


@pytest.mark.parametrize("coder", CODERS)
def test_the_decoder_of_the_page_reads_old_packets(coder):
    page, decoder = example(), page_decoder()
    payload = decoder["old_payload"](page[f"old {coder} packet"], page["fingerprint"])
    reader = decoder["old_range_reader" if coder == "range" else "huffman_reader"]
    decoded = decoder["symbols"](payload[4:], reader, [EXAMPLE_CDF], [-1], [0] * 4)
    assert decoded == EXAMPLE_SYMBOLS

    rng = np.random.default_rng(3)
    train = np.rint(rng.laplace(size=(100, 12)) * 3).astype(int)
    tables = Tables.from_counts(train, coder, index=np.arange(12) % 5)
    symbols = np.rint(rng.laplace(size=(20, 12)) * 9).astype(int)
    packets = pack(rangecoder.encode(symbols, tables), SESSION)
    cdfs = [row[:n].tolist() for row, n in zip(tables.cdf, tables.length)]
    for packet, row in zip(packets, symbols.tolist()):
        data = decoder["old_payload"](packet, SESSION.fingerprint)
        decoded = decoder["symbols"](data, reader, cdfs, tables.offset, tables.index)
        assert decoded == row


def test_the_decoder_of_the_page_refuses_damaged_old_packets():
    page, decoder = example(), page_decoder()
    packet = page["old range packet"]
    with pytest.raises(ValueError, match="refused"):
        decoder["old_payload"](packet[:-1] + b"\0", page["fingerprint"])
