"""Decodes golden packets in another process, and compares with this one."""

from __future__ import annotations

import pathlib

import numpy as np

import tfcsi
from tfcsi.codecs.contract import SymbolCodec
from tfcsi.coding.packet_file import read_file

FOLDER = pathlib.Path(__file__).parents[1] / "golden" / "codecs"
RUNS = FOLDER.with_name("workdirs")
TOLERANCE = 1e-5
# A program: the file to write, then folders of codecs and their packets.
DECODE = """
import pathlib, sys
import numpy as np
import tfcsi
from tfcsi.coding.packet_file import read_file
out = {}
for folder in map(pathlib.Path, sys.argv[2:]):
    codec = tfcsi.load(folder)
    _, packets = read_file(folder / "packets.tcsi")
    out[folder.name] = codec.decompress(packets)
    if hasattr(codec, "receive"):
        out[folder.name + "/symbols"] = codec.receive(packets)[0]
np.savez(sys.argv[1], **out)
"""


def close(one, two):
    """Whether two sets of matrices differ by no more than what is promised."""
    return np.abs(one - two).max() <= TOLERANCE * np.abs(two).max()


def assert_alike(path, folders):
    """What `DECODE` wrote is what is decoded here: the same symbols, alike h_hat."""
    with np.load(path) as out:
        for folder in folders:
            codec = tfcsi.load(folder)
            _, packets = read_file(folder / "packets.tcsi")
            assert close(out[folder.name], codec.decompress(packets)), folder.name
            if isinstance(codec, SymbolCodec):
                symbols = out[f"{folder.name}/symbols"]
                np.testing.assert_array_equal(symbols, codec.receive(packets)[0])
