"""Codecs that come with the package load by name, offline and without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics, transforms
from tfcsi.channels import cost2100
from tfcsi.codecs.zoo import PACKAGE, shipped

NAMES = shipped()
WITHOUT = """
import sys
import tfcsi
codec = tfcsi.load("paths")
assert "tensorflow" not in sys.modules
print(codec.session.fingerprint.hex())
"""


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [60, 32, 32] of COST 2100 indoor."""
    return cost2100.simulate(60, 7, "indoor")


def points(codec, h, step=0.05):
    """Mean bits and NMSE in dB of packets."""
    packets = codec.compress(h, step=step)
    nmse = metrics.nmse(h, codec.decompress(packets)).mean()
    return 8 * np.mean([len(packet) for packet in packets]), 10 * np.log10(nmse)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_codec_codes_matrices_of_its_domain(name, matrices):
    codec = tfcsi.load(name)
    h = matrices[:10]
    if codec.domain == "space_frequency":
        h = transforms.to_space_frequency(h, h.shape[2])
    bits, nmse_db = points(codec, h)
    assert nmse_db < -12 and bits < 400
    most = 1 << (17 if name == "paths" else 16)  # The codec for all has six sets.
    assert sum(file.stat().st_size for file in (PACKAGE / name).iterdir()) < most


def test_the_codec_for_all_is_near_that_of_the_source(matrices):
    own, for_all = tfcsi.load("paths_cost2100_indoor"), tfcsi.load("paths")
    bits, nmse_db = points(own, matrices)
    bits_for_all, nmse_db_for_all = points(for_all, matrices)
    assert bits_for_all < 1.05 * bits and nmse_db_for_all < nmse_db + 0.2


def test_it_loads_without_tensorflow():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    fingerprint = tfcsi.load("paths").session.fingerprint.hex()
    assert done.stdout.decode().strip() == fingerprint


def test_a_name_comes_before_a_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = tfcsi.load("paths").at_step(0.02)
    other.save("paths")
    assert tfcsi.load("paths").session == tfcsi.load(PACKAGE / "paths").session
    assert tfcsi.load("./paths").session == other.session


@pytest.mark.parametrize(
    ("shape", "num_fft", "domain"),
    [((16, 20), 257, "angular_delay"), ((32, 32), 32, "space_frequency")],
)
def test_a_codec_is_resized_for_other_matrices(matrices, shape, num_fft, domain):
    codec = tfcsi.load("paths").resized(shape, num_fft, domain)
    h = matrices[:10, : shape[0], : shape[1]]
    if domain == "space_frequency":
        h = transforms.to_space_frequency(h, h.shape[2])
    assert codec.shape == shape and codec.domain == domain
    assert points(codec, h)[1] < -8
