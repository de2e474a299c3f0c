"""Packets of path coding that other machines wrote decode to the same integers here.

The search of the encoder works in floats and may differ from machine to machine. What
is written is integers, and those must arrive everywhere. The packets that the page in
docs/demo writes are compared byte by byte in `tests/programs/test_browser.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tfcsi.channels import cost2100
from tfcsi.coding.path_lists import Lists

CODEC = "paths_cost2100_indoor"
# Writes what it searched, its packets, and what it reads in the packets of the test.
OTHER = """
import sys
import numpy as np
import tfcsi

given = np.load(sys.argv[1], allow_pickle=False)
h, codec = given["h"], tfcsi.load(sys.argv[3])
sender = codec.sender
if sys.argv[4] == "float64":
    for axis in (sender.atoms.angle, sender.atoms.delay):
        for name in ("rows", "half_rows"):
            object.__setattr__(axis, name, getattr(axis, name).astype(np.float64))
encoder = sender.encoder(h, sender.atoms, sender.coder, "default", 0.0)
steps = np.full(len(h), sender.step)
lists = encoder.find(np.arange(len(h)), steps).sorted()
arrays = {"sent": lists.paths, "norm": encoder.norm}
packets = sender.send(h)
arrays["packets"] = np.array([packet.hex() for packet in packets])
_, norm, read = codec.receive_lists([bytes.fromhex(p) for p in given["packets"]])
arrays |= {"read": read.paths, "norm_read": norm}
np.savez(sys.argv[2], **arrays)
"""
MACHINES = {
    "one thread": ({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}, "float32"),
    "four threads": ({"OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}, "float32"),
    "old kernels": ({"OPENBLAS_CORETYPE": "Prescott"}, "float32"),
    "new kernels": ({"OPENBLAS_CORETYPE": "Haswell"}, "float32"),
    "double precision": ({}, "float64"),
}


@pytest.fixture(scope="module")
def codec():
    return tfcsi.load(CODEC)


@pytest.fixture(scope="module")
def h():
    return cost2100.simulate(40, 8, "indoor")


def integers(lists):
    """The paths of lists, int32 [4, n, paths], without empty columns at the end."""
    return lists.narrow(int((lists.power > 0).any(axis=0).sum())).paths


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_what_another_machine_searched_and_wrote_arrives_here(
    codec, h, tmp_path, machine
):
    changes, precision = MACHINES[machine]
    own = codec.compress(h)
    np.savez(tmp_path / "in.npz", h=h, packets=np.array([p.hex() for p in own]))
    words = [str(tmp_path / "in.npz"), str(tmp_path / "out.npz"), CODEC, precision]
    command = [sys.executable, "-c", OTHER, *words]
    subprocess.run(command, env={**os.environ, **changes}, check=True)
    with np.load(tmp_path / "out.npz") as arrays:
        other = dict(arrays)
    packets = [bytes.fromhex(str(packet)) for packet in other["packets"]]
    _, norm, lists = codec.receive_lists(packets)
    np.testing.assert_array_equal(norm, other["norm"])
    sent = integers(Lists(other["sent"]))
    assert sent.shape[2] > 5
    np.testing.assert_array_equal(integers(lists), sent)
    # And it reads in the packets of this machine what is read here.
    _, norm, lists = codec.receive_lists(own)
    np.testing.assert_array_equal(norm, other["norm_read"])
    np.testing.assert_array_equal(integers(lists), integers(Lists(other["read"])))


def test_a_pursuit_in_other_floats_writes_packets_that_arrive(codec, h):
    for noise in (0.0, 1e-6):  # Relative; as much as float32 rounds.
        rng = np.random.default_rng(1)
        near = h[:10] * (1 + noise * rng.normal(size=h[:10].shape))
        sender = codec.sender
        encoder = sender.encoder(near, codec.atoms, codec.coder, "default", 0.0)
        lists = encoder.find(np.arange(10), np.full(10, codec.step)).sorted()
        _, norm, received = codec.receive_lists(codec.compress(near))
        np.testing.assert_array_equal(norm, encoder.norm)
        np.testing.assert_array_equal(integers(received), integers(lists))
