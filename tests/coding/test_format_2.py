"""Laws of packets of version 2: inverses, golden bytes, damage of every kind."""

from __future__ import annotations

import io
import itertools
import pathlib
import re
import time

import numpy as np
import pytest

from tfcsi.coding import rangecoder, sending
from tfcsi.coding.packet_file import Writer
from tfcsi.coding.packets import (
    PacketError,
    Session,
    check_ends,
    pack,
    size_of,
    sound,
    unpack,
)
from tfcsi.coding.tables import CODERS, Tables

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "bitstream.md").read_text()
SESSION = Session("demo", 2, 3, bytes(range(8)))
EXAMPLE_CDF = [0, 16384, 49152, 65280, 65536]
EXAMPLE_SYMBOLS = [0, 1, -1, 4]
coders = pytest.mark.parametrize("coder", CODERS)


def example():
    """The worked example of docs/bitstream.md: its names and bytes."""
    lines = re.findall(r"^([a-z ]+):  +([0-9a-f ]+)$", PAGE, re.MULTILINE)
    return {name: bytes.fromhex(text) for name, text in lines}


def page_decoder():
    """The decoder in plain Python that docs/bitstream.md prints."""
    names = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)
    return names


def flipped(packet, *bits):
    """The packet with some of its bits inverted."""
    damaged = bytearray(packet)
    for bit in bits:
        damaged[bit // 8] ^= 0x80 >> bit % 8
    return bytes(damaged)


def bit_payloads(seed=0):
    """Payloads of all numbers of bits up to 80, and these numbers."""
    rng = np.random.default_rng(seed)
    num_bits = list(range(81))
    numbers = [int.from_bytes(rng.bytes(10), "big") >> 80 - n for n in num_bits]
    payloads = [
        (number << -n % 8).to_bytes(-(-n // 8), "big")
        for number, n in zip(numbers, num_bits)
    ]
    return payloads, num_bits


def link(coder, seed=0, latent=12):
    """Tables, and a function that makes packets of n rows of symbols."""
    rng = np.random.default_rng(seed)

    def draw(n):
        return np.rint(rng.laplace(size=(n, latent)) * 2).astype(np.int32)

    tables = Tables.from_counts(draw(500), coder)

    def send(n):
        symbols = draw(n)
        side = rng.integers(0, 2**16, (n, 1))
        return symbols, sending.packets(symbols, side, SESSION, tables)

    return tables, send


def received(packets, tables):
    """What the base station takes of each packet: its symbols, or None."""
    taken = [None] * len(packets)
    for row in np.flatnonzero(sound(packets, SESSION)):
        try:
            symbols, _ = sending.receive([packets[row]], 1, SESSION, tables)
        except PacketError:
            continue
        taken[row] = symbols[0]
    return taken


def test_unpack_inverts_pack_to_the_last_bit():
    payloads, num_bits = bit_payloads()
    packets = pack(payloads, SESSION, num_bits)
    assert [len(p) for p in packets] == [-(-(11 + n) // 8) for n in num_bits]
    assert [len(p) for p in packets] == [size_of(n) for n in num_bits]
    unpacked = unpack(packets, SESSION)
    check_ends(unpacked, num_bits)
    for payload, found in zip(payloads, unpacked):
        assert found.startswith(payload) and not found[len(payload) :].strip(b"\0")


def test_bits_that_no_encoder_writes_are_refused_by_their_packet():
    check_ends([b"\0", b"\0"], [5, 2])
    with pytest.raises(PacketError, match="packet 1: the encoder would not") as caught:
        check_ends([b"\0", b"\0"], [5, -1])
    assert caught.value.row == 1


def test_no_packets_are_no_payloads():
    assert pack([], SESSION) == unpack([], SESSION) == []


def test_the_check_is_the_remainder_over_fingerprint_and_payload():
    payloads, num_bits = bit_payloads()
    for packet in pack(payloads, SESSION, num_bits):
        count = 8 * len(packet) - 11
        number = int.from_bytes(packet, "big")
        body = number & (1 << count) - 1
        rest = (int.from_bytes(SESSION.fingerprint, "big") << count | body) << 11
        while rest.bit_length() > 11:
            rest ^= 0b1110_0010_0001 << rest.bit_length() - 12
        assert number >> count == rest


def test_every_error_of_one_or_two_bits_is_refused():
    payloads, num_bits = bit_payloads()
    for packet in pack(payloads[::16], SESSION, num_bits[::16]):
        bits = range(8 * len(packet))
        damaged = [flipped(packet, bit) for bit in bits]
        damaged += [flipped(packet, *two) for two in itertools.combinations(bits, 2)]
        assert not sound(damaged, SESSION).any()


def test_every_burst_of_11_bits_in_a_payload_is_refused():
    (packet,) = pack([bytes(range(4))], SESSION)
    number = int.from_bytes(packet, "big")
    damaged = [
        (number ^ burst << shift).to_bytes(len(packet), "big")
        for burst in range(1, 1 << 11)
        for shift in (0, 10, 21, 26)
    ]
    assert not sound(damaged, SESSION).any()


def test_packets_of_another_session_are_refused():
    payloads, num_bits = bit_payloads()
    packets = pack(payloads, SESSION, num_bits)
    for bit in range(64):
        number = int.from_bytes(SESSION.fingerprint, "big") ^ 1 << bit
        foreign = Session("demo", 2, 3, number.to_bytes(8, "big"))
        assert not sound(packets, foreign).any()
        with pytest.raises(PacketError, match="packet 0 .* belongs to another session"):
            unpack(packets, foreign)


def test_a_random_packet_passes_once_in_2048():
    rng = np.random.default_rng(2)
    packets = [rng.bytes(rng.integers(2, 40)) for _ in range(100_000)]
    assert 30 < sound(packets, SESSION).sum() < 70  # 48.8 on average.


@coders
def test_truncated_and_extended_packets_are_refused_even_if_their_check_is_right(coder):
    tables, send = link(coder)
    for packet in send(40)[1]:
        number = int.from_bytes(packet, "big") & (1 << 8 * len(packet) - 11) - 1
        forged = [(number >> 8 * k, 8 * len(packet) - 11 - 8 * k) for k in range(1, 7)]
        forged += [(number << 8 * k, 8 * len(packet) - 11 + 8 * k) for k in (1, 2, 9)]
        forged += [((number << 8) + 255, 8 * len(packet) - 3)]
        for value, count in forged:
            if count < 0:
                continue
            payload = (value << -count % 8).to_bytes(-(-count // 8), "big")
            (other,) = pack([payload], SESSION, [count])
            assert sound([other], SESSION).all()
            with pytest.raises(PacketError, match="packet 0"):
                sending.receive([other], 1, SESSION, tables)


@coders
def test_the_bits_behind_a_payload_must_be_zero(coder):
    tables, send = link(coder)
    refused = 0
    for packet in send(40)[1]:
        (payload,) = unpack([packet], SESSION)
        _, num_bits = rangecoder.decode_bits([payload[2:]], tables)
        behind = 8 * len(packet) - 11 - 16 - int(num_bits[0])
        number = int.from_bytes(packet, "big") & (1 << 8 * len(packet) - 11) - 1
        for k in range(behind):
            bits = 8 * len(packet) - 11
            forged = ((number | 1 << k) << -bits % 8).to_bytes(-(-bits // 8), "big")
            with pytest.raises(PacketError, match="its last bits are not zero"):
                sending.receive(pack([forged], SESSION, [bits]), 1, SESSION, tables)
            refused += 1
    assert refused > 40


def test_packets_of_a_size_that_none_has_are_refused():
    for packet in (b"", b"\0", bytes(8194)):
        with pytest.raises(PacketError, match=r"has \d+ bytes; packets have 2 to 8193"):
            unpack([packet], SESSION)
    with pytest.raises(ValueError, match="payload 1 has 8192 bytes; at most 8191 fit"):
        pack([b"", bytes(8192)], SESSION)
    with pytest.raises(ValueError, match=r"version must be one of \(1, 2\), got 3"):
        Session("demo", 2, 3, bytes(8), 3)


@pytest.mark.slow
@coders
def test_damage_of_100_000_packets_passes_at_the_rate_of_the_check(coder):
    tables, send = link(coder)
    symbols, packets = send(50_000)
    rng = np.random.default_rng(3)
    one = [flipped(p, int(rng.integers(8 * len(p)))) for p in packets]
    assert not sound(one, SESSION).any()  # Every error of one bit.
    many = [flipped(p, *rng.integers(0, 8 * len(p), 9)) for p in packets]
    many = [other for other, packet in zip(many, packets) if other != packet]
    share = sound(many, SESSION).mean()
    assert share == pytest.approx(2**-11, rel=0.5)
    taken = sum(row is not None for row in received(many, tables))
    assert taken <= sound(many, SESSION).sum()  # The symbols refuse some more.
    for other in (
        [packet[: rng.integers(len(packet))] for packet in packets],
        [packet + rng.bytes(rng.integers(1, 5)) for packet in packets],
    ):
        assert all(row is None for row in received(other, tables))
    again, _ = sending.receive(packets, 1, SESSION, tables)
    np.testing.assert_array_equal(again, symbols)


@coders
def test_any_bytes_are_refused_or_decoded_in_bounded_time(coder):
    tables, _ = link(coder)
    rng = np.random.default_rng(4)
    payloads = [rng.bytes(8191), bytes(8191), b"\xff" * 8191, b""]
    payloads += [rng.bytes(rng.integers(0, 60)) for _ in range(300)]
    began = time.perf_counter()
    for packet in pack(payloads, SESSION):  # Their checks are right.
        try:
            symbols, side = sending.receive([packet], 1, SESSION, tables)
        except PacketError:
            continue
        assert sending.packets(symbols, side, SESSION, tables) == [packet]
    assert time.perf_counter() - began < 10


@coders
def test_the_worked_example_of_the_page_is_right(coder):
    page = example()
    tables = Tables([EXAMPLE_CDF], [5], [-1], [0] * 4, coder)
    (coded,), _ = rangecoder.encode_bits([EXAMPLE_SYMBOLS], tables)
    assert coded == page[f"{coder} coded"]
    side = np.array([-1.5, 2.0], ">f2")
    assert side.tobytes() == page["side"]
    words = side.view(">u2")[None]
    (packet,) = sending.packets(np.array([EXAMPLE_SYMBOLS]), words, SESSION, tables)
    assert packet == page[f"{coder} packet"]
    symbols, words_again = sending.receive([packet], 2, SESSION, tables)
    assert symbols.tolist() == [EXAMPLE_SYMBOLS] and (words_again == words).all()
    assert SESSION.to_bytes() == page["session header"]
    assert SESSION.fingerprint == page["fingerprint"]


def test_the_example_file_of_the_page_is_right():
    page, stream = example(), io.BytesIO()
    writer = Writer(stream, SESSION)
    writer.write(page["range packet"])
    writer.write(page["huffman packet"])
    writer.close()
    names = ("session header", "length", "range packet")
    names += ("second length", "huffman packet", "end")
    assert stream.getvalue() == b"".join(page[name] for name in names)


@coders
def test_the_decoder_of_the_page_reads_packets(coder):
    page, decoder = example(), page_decoder()
    payload = decoder["payload"](page[f"{coder} packet"], page["fingerprint"])
    reader = decoder[f"{coder}_reader"]
    decoded = decoder["symbols"](payload[4:], reader, [EXAMPLE_CDF], [-1], [0] * 4)
    assert decoded == EXAMPLE_SYMBOLS
    tables, send = link(coder)
    symbols, packets = send(20)
    cdfs = [row[:n].tolist() for row, n in zip(tables.cdf, tables.length)]
    for packet, row in zip(packets, symbols.tolist()):
        data = decoder["payload"](packet, SESSION.fingerprint)[2:]
        decoded = decoder["symbols"](data, reader, cdfs, tables.offset, tables.index)
        assert decoded == row
    with pytest.raises(ValueError, match="refused"):
        decoder["payload"](packets[0][:-1] + b"\x01", SESSION.fingerprint)
