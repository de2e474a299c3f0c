"""Packets of the codec `learned` that other machines wrote decode to the same integers.

The networks work in floats and may differ from machine to machine. What picks the
tables of the coder are integers, so that what was written arrives everywhere. Packets
of a phone are in `tests/tflite/test_token_encoder.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tfcsi.channels import cost2100

CODEC = "learned_cost2100_outdoor"
# Writes what it rounded, its packets, and what it reads in the packets of the test.
OTHER = """
import sys
import numpy as np
import tfcsi

given = np.load(sys.argv[1], allow_pickle=False)
h, rate, codec = given["h"], given["rate"], tfcsi.load(sys.argv[3])
norm, y = codec.sender.tokens(h)
y = y + float(sys.argv[4]) * np.random.default_rng(0).normal(size=y.shape)
arrays = {"sent/norm": norm, "sent/symbols": codec.sender.rounded(y, rate)}
packets = codec.sender.packets_at(norm, y, rate)
arrays["packets"] = np.array([packet.hex() for packet in packets])
read = codec.receive([bytes.fromhex(packet) for packet in given["packets"]])
arrays |= dict(zip(("read/rate", "read/norm", "read/symbols"), read))
np.savez(sys.argv[2], **arrays)
"""
MACHINES = {
    "one thread": ({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, 0.0),
    "four threads": ({"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}, 0.0),
    "old kernels": ({"OPENBLAS_CORETYPE": "Prescott"}, 0.0),
    "new kernels": ({"OPENBLAS_CORETYPE": "Haswell"}, 0.0),
    "other floats": ({}, 1e-3),  # More than any kernel differs.
}


@pytest.fixture(scope="module")
def codec():
    return tfcsi.load(CODEC)


@pytest.fixture(scope="module")
def sent():
    """Matrices complex64 [32, 32, 32] and their rates [32]."""
    return cost2100.simulate(32, 8, "outdoor"), np.arange(32) % 16


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_what_another_machine_rounded_and_wrote_arrives_here(
    codec, sent, tmp_path, machine
):
    (changes, noise), (h, rate) = MACHINES[machine], sent
    own = codec.at_rates(h, rate)
    hexes = np.array([packet.hex() for packet in own])
    np.savez(tmp_path / "in.npz", h=h, rate=rate, packets=hexes)
    words = [str(tmp_path / "in.npz"), str(tmp_path / "out.npz"), CODEC, str(noise)]
    command = [sys.executable, "-c", OTHER, *words]
    subprocess.run(command, env={**os.environ, **changes}, check=True)
    with np.load(tmp_path / "out.npz") as arrays:
        other = dict(arrays)
    packets = [bytes.fromhex(str(packet)) for packet in other["packets"]]
    read_rate, norm, symbols = codec.receive(packets)
    np.testing.assert_array_equal(read_rate, rate)
    np.testing.assert_array_equal(norm, other["sent/norm"])
    np.testing.assert_array_equal(symbols, other["sent/symbols"])
    assert np.count_nonzero(symbols) > 1000
    assert not noise or packets != own
    # And it reads in the packets of this machine what is read here.
    for name, array in zip(("rate", "norm", "symbols"), codec.receive(own)):
        np.testing.assert_array_equal(array, other[f"read/{name}"])


def test_what_was_rounded_arrives(codec, sent):
    h, rate = sent[0][:8], sent[1][:8] * 2
    norm, symbols = codec.symbols(h, rate)
    for found, expected in zip(
        codec.receive(codec.at_rates(h, rate)), (rate, norm, symbols)
    ):
        np.testing.assert_array_equal(found, expected)
