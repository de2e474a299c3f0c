"""The trained codecs in zoo/ load, keep their NMSE, and code a matrix alone alike."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics
from tfcsi.channels import cost2100

ZOO = pathlib.Path(__file__).parents[2] / "zoo"


@pytest.mark.parametrize("place", ["indoor", "outdoor"])
def test_a_trained_codec_codes_simulated_channels(place):
    codec = tfcsi.load(ZOO / f"learned_cost2100_{place}")
    h = cost2100.simulate(12, 5, place)
    packets = codec.compress(h, max_bits=400)
    nmse_db = metrics.to_db(metrics.nmse(h, codec.decompress(packets)).mean())
    assert max(8 * len(packet) for packet in packets) <= 400
    assert nmse_db < -12
    alone = [codec.compress(matrix[None], max_bits=400)[0] for matrix in h[:2]]
    assert alone == packets[:2]


def test_the_zoo_is_small():
    sizes = [path.stat().st_size for path in ZOO.rglob("*") if path.is_file()]
    assert 0 < np.sum(sizes) < 40 << 20
