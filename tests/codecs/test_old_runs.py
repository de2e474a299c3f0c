"""Runs and packets that earlier versions wrote still load and decode.

`tests/golden/workdirs` holds a few tiny runs of tfcsi 0.1.0: config, weights and
tables, some CSI, its packets and what they decoded to. Packets of a network of several
rates have these in turn. Runs are never written anew: a run that no longer loads is a
fault. All but `csinet_rates` are from before the modules were put into rooms.
"""

import pathlib

import numpy as np
import pytest

import tfcsi
from tfcsi.coding.packet_file import read_file

RUNS = sorted((pathlib.Path(__file__).parents[1] / "golden" / "workdirs").iterdir())


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_an_old_run_loads_and_decodes_its_packets(folder):
    codec = tfcsi.load(folder)
    session, packets = read_file(folder / "packets.tcsi")
    assert session == codec.session
    with np.load(folder / "csi.npz") as stored:
        h, h_hat = stored["h"], stored["h_hat"]
    np.testing.assert_allclose(codec.decompress(packets), h_hat, atol=1e-5)
    symbols = codec.symbols_in_turn(h)
    changed = np.mean(symbols != codec.receive(packets)[0])
    assert changed < 0.02  # Other machines round a few codewords to the next symbol.
