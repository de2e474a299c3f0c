"""The page in docs/demo picks the tables of the codec `learned` as Python does.

The networks of its contexts are integers, so JavaScript writes the same bytes.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import tfcsi
from tests.codecs.learned_weights import arrays
from tests.programs.browser import NODE, node
from tests.programs.test_browser import REFUSED, SEND
from tfcsi.channels import cost2100
from tfcsi.codecs.learned import Learned
from tfcsi.coding.scales import OtherScale

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(NODE is None, reason="needs Node.js"),
]


def packets_of_page(codec, h, y, folder):
    """Packets and inputs of the network, as the page makes them of tokens."""
    paths = {name: str(folder / f"{name}.npy") for name in ("h", "y")}
    paths |= {"tables": str(folder / "tables.npz"), "symbols": False}
    codec.sender.save_tables(paths["tables"])
    np.save(paths["h"], h)
    np.save(paths["y"], y.reshape(len(y), -1))
    reply = node(SEND, paths)
    assert reply["header"] == codec.session.to_bytes().hex()
    x = np.float32([row["x"] for row in reply["sent"]])
    return [bytes.fromhex(row["packet"]) for row in reply["sent"]], x


def check(codec, h, folder, wild=0):
    """The page writes the packets of the codec; the last `wild` have large tokens."""
    norm, x = codec.sender.network_input(h)
    y = codec.sender.analysis(x)
    y[len(y) - wild :] *= 3000
    rate = np.full(len(h), codec.rate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OtherScale)
        packets = codec.sender.packets_at(norm, y, rate)
    written, given = packets_of_page(codec, h, y, folder)
    assert written == packets
    np.testing.assert_allclose(given, x.reshape(len(x), -1), rtol=2e-7)
    symbols = codec.sender.rounded(y, rate)
    np.testing.assert_array_equal(codec.receive(written)[2], symbols)
    return symbols


@pytest.mark.parametrize("rate", [0, 1, 2])
def test_small_contexts_pick_the_same_tables_in_javascript(rate, draw_csi, tmp_path):
    h = draw_csi(12, (8, 12))
    h = h * np.logspace(-6, 6, 12).astype(np.float32)[:, None, None]  # Many norms.
    h[0] = 0
    weights = arrays(grid=(2, 3), seed=rate)
    np.savez(tmp_path / "weights.npz", **weights)
    codec = Learned.trained(tmp_path / "weights.npz", h[5:9], rate)
    symbols = check(codec, h, tmp_path, wild=3)
    assert np.abs(symbols).max() > 127  # Escapes, too.


@pytest.mark.parametrize("place", ["indoor", "outdoor"])
def test_trained_contexts_pick_the_same_tables_in_javascript(place, tmp_path):
    codec = tfcsi.load(f"learned_cost2100_{place}")
    symbols = check(codec, cost2100.simulate(3, 5, place), tmp_path)
    assert np.count_nonzero(symbols) > 50


def test_another_domain_is_refused_by_name(draw_csi, tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays())
    h = draw_csi(9, (8, 8))
    codec = Learned.trained(tmp_path / "weights.npz", h, 1, "space_frequency")
    codec.sender.save_tables(tmp_path / "tables.npz")
    words = node(REFUSED, {"tables": str(tmp_path / "tables.npz")})
    assert "takes CSI of the domain space_frequency" in words
