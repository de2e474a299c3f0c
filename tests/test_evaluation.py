"""Laws of evaluation: physics of the measures, and bits that are bytes on disk."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfcsi import bitstream, metrics, transforms
from tfcsi.evaluation import evaluate, measure


class Constant:
    """A codec whose base station believes the same of every matrix."""

    def __init__(self, gain, num_bytes):
        self.gain, self.num_bytes = gain, num_bytes

    def compress(self, h):
        self.sent = h
        return [b"x" * self.num_bytes] * len(h)

    def decompress(self, packets):
        assert len(packets) == len(self.sent)
        return (self.gain * self.sent).astype(np.complex64)


def test_a_codec_that_sends_nothing_has_0_db(h):
    point = evaluate(Constant(0, 0), h)
    assert point["nmse_db"] == point["nmse_db_low"] == point["nmse_db_high"] == 0
    assert point["bits"] == point["bpp"] == point["sgcs"] == 0
    assert "rho" not in point and "bits_estimated" not in point


def test_a_perfect_codec_has_no_error_and_similarity_1(h):
    hf = transforms.to_subcarriers(h)
    point = evaluate(Constant(1, 7), h, hf)
    assert point["nmse_db"] == -math.inf
    assert point["sgcs"] == pytest.approx(1) and point["rho"] == pytest.approx(1)
    assert (point["num_matrices"], point["bits"]) == (len(h), 56)
    assert point["bpp"] == 56 / (2 * 16 * 16) and point["packet_bytes"] == 7


def test_a_scaled_copy_loses_energy_but_no_direction(h):
    point = evaluate(Constant(0.9, 1), h, transforms.to_subcarriers(h))
    assert point["nmse_db"] == pytest.approx(-20, abs=1e-4)
    assert point["sgcs"] == pytest.approx(1) and point["rho"] == pytest.approx(1)


def test_the_mean_comes_before_the_decibels(h):
    gain = np.linspace(0, 1, len(h))[:, None, None]
    point = measure(h, gain * h, [b""] * len(h))
    expected = np.mean((1 - gain) ** 2)
    assert point["nmse_db"] == pytest.approx(10 * np.log10(expected), abs=1e-6)
    assert point["nmse_db_low"] < point["nmse_db"] < point["nmse_db_high"]


def test_bits_are_the_size_of_the_file_less_its_session(codec, h, tmp_path):
    sent = h[300:]
    packets = codec.compress(sent)
    path = tmp_path / "packets.tcsi"
    bitstream.write_file(path, codec.session, packets)
    session_bytes = len(codec.session.to_bytes())
    assert path.stat().st_size == session_bytes + sum(map(len, packets))

    point = evaluate(codec, sent)
    file_bits = 8 * (path.stat().st_size - session_bytes)
    assert point["bits"] * len(sent) == pytest.approx(file_bits)
    assert point["bits"] == np.mean([8 * len(packet) for packet in packets])
    overhead = point["bits"] - 8 * bitstream.HEADER_BYTES - point["bits_estimated"]
    assert -8 < overhead < 12


def test_evaluation_of_a_codec_is_that_of_what_arrives(codec, h):
    sent = h[300:]
    h_hat = codec.decompress(codec.compress(sent))
    point = evaluate(codec, sent)
    assert point["nmse_db"] == metrics.to_db(metrics.nmse(sent, h_hat).mean())
    assert point["sgcs"] == metrics.sgcs(sent, h_hat).mean()
