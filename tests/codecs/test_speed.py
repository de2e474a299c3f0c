"""A base station and a phone that serve one packet at a time are fast enough.

Times are those of benchmarks/codec_speed.py. Calls are counted here, because their
number is the same on a busy machine.
"""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from tfcsi.codecs.neural import Codec
from tfcsi.coding.tables import Tables


def count_calls(work):
    """The calls of functions, those in C with them, that `work` makes."""
    calls = []
    gc.collect()
    gc.disable()  # Objects of other tests are freed by calls of their own.
    sys.setprofile(lambda frame, event, _: calls.append(event))
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return sum(event in ("call", "c_call") for event in calls)


@pytest.mark.slow
@pytest.mark.parametrize("coder", ["range", "huffman"])
def test_all_but_the_network_takes_few_calls_a_packet(coder, make_config, draw_csi):
    h, num = draw_csi(20, (32, 32)), 512
    codec = Codec(make_config(model="stqenet", shape=(32, 32), latent_dim=num))
    y, _ = codec.codewords(h)
    codec.quantizer.log_step.assign(np.full(num, np.log(y.std()), np.float32))
    symbols, side = codec.symbols(h)
    codec.use(Tables.from_counts(symbols, coder))
    packets = codec.compress(h)
    codec.send(symbols, side)  # Makes what is made once.
    codec.dequantize(*codec.receive(packets))

    sent = count_calls(lambda: codec.send(symbols[:1], side[:1]))
    received = count_calls(lambda: codec.dequantize(*codec.receive(packets[:1])))

    assert 0 < sent < 200 + num
    assert 0 < received < 400 + 10 * num
