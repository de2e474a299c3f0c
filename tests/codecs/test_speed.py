"""A base station and a phone that serve one packet at a time are fast enough."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tfcsi.codecs.neural import Codec
from tfcsi.coding.tables import Tables


@pytest.mark.slow
@pytest.mark.parametrize("coder", ["range", "huffman"])
def test_all_but_the_network_takes_less_than_two_milliseconds_a_packet(
    coder, make_config, draw_csi
):
    h, latent = draw_csi(100, (32, 32)), 512
    codec = Codec(make_config(model="stqenet", shape=(32, 32), latent_dim=latent))
    y, _ = codec.codewords(h)
    codec.quantizer.log_step.assign(np.full(latent, np.log(y.std()), np.float32))
    symbols, side = codec.symbols(h)
    codec.use(Tables.from_counts(symbols, coder))
    packets = codec.compress(h)
    steps = {
        "send": lambda one: codec.send(symbols[one], side[one]),
        "receive": lambda one: codec.dequantize(*codec.receive(packets[one])),
    }
    for name, step in steps.items():
        times = []
        for i in range(len(packets)):
            began = time.process_time()
            step(slice(i, i + 1))
            times.append(time.process_time() - began)
        assert min(times) < 2e-3, name
