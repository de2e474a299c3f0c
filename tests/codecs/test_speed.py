"""A base station and a phone that serve one packet at a time are fast enough."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tfcsi.codecs.neural import Codec
from tfcsi.coding.tables import Tables


@pytest.mark.slow
@pytest.mark.parametrize("coder", ["range", "huffman"])
def test_300_packets_a_second_are_written_and_read_one_by_one(
    coder, make_config, draw_csi
):
    h, latent = draw_csi(100, (32, 32)), 512
    codec = Codec(make_config(model="stqenet", shape=(32, 32), latent_dim=latent))
    y, _ = codec.codewords(h)
    codec.quantizer.log_step.assign(np.full(latent, np.log(y.std()), np.float32))
    codec.use(Tables.from_counts(codec.symbols(h)[0], coder))
    packets = codec.compress(h)
    for step, rows in ((codec.compress, h), (codec.decompress, packets)):
        step(rows[:1])
        times = []
        for i in range(len(rows)):
            began = time.perf_counter()
            step(rows[i : i + 1])
            times.append(time.perf_counter() - began)
        assert min(times) < 1 / 300  # Other processes slow most of them down.
