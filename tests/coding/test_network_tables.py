"""Laws of tables that integer networks pick: exact on every machine, or refused."""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfcsi.coding import any_tables, sending
from tfcsi.coding.network_tables import LARGEST, IntegerNetwork, NetworkTables
from tfcsi.coding.packets import Session
from tfcsi.coding.rangecoder import PayloadError
from tfcsi.coding.tables import Tables
from tfcsi.coding.token_contexts import law_tables

ROOT = pathlib.Path(__file__).parents[2]
CPUINFO = pathlib.Path("/proc/cpuinfo")  # Of Linux.
LATENT, HYPER, HIDDEN = 30, 3, 16


def network(rng, inputs, outputs):
    """Random integers of the largest sizes that they may have."""
    sides = (inputs, HIDDEN, outputs)
    return IntegerNetwork(
        [rng.integers(-127, 128, side).astype("i1") for side in zip(sides, sides[1:])],
        [rng.integers(-2000, 2000, side).astype("i4") for side in sides[1:]],
    )


def make(passes=3, hyper=HYPER, center=0, seed=0):
    """Tables with random networks."""
    rng = np.random.default_rng(seed)
    order = np.arange(LATENT) % passes
    networks, before = [], hyper
    for p in range(passes):
        count = int((order == p).sum())
        networks.append(network(rng, before, 2 * count))
        before += 2 * count
    index = np.arange(hyper)
    first = Tables.from_pmf(rng.dirichlet(np.ones(9), max(hyper, 1)), -4, index)
    analysis = network(rng, 2 * LATENT, hyper) if hyper else None
    laws = law_tables(np.array([0.2, 0.6, 0.2]))
    return NetworkTables(order, center, first, analysis, networks, laws)


def draw(n=40, seed=1):
    """Symbols int32 [n, LATENT] of many sizes, some outside all tables."""
    rng = np.random.default_rng(seed)
    size = 2 ** rng.uniform(-2, 9, (n, 1))
    return np.rint(size * rng.standard_normal((n, LATENT))).astype(np.int32)


EACH = pytest.mark.parametrize(
    "tables",
    [make(), make(1), make(4, 0), make(2, 5, center=8)],
    ids=["contexts and hyper-latents", "hyperprior", "contexts", "bounded symbols"],
)


@EACH
def test_every_symbol_comes_back_and_no_bit_is_left_over(tables):
    symbols = draw()
    payloads, sizes = any_tables.encode_bits(symbols, tables)
    more = [payload + b"\xa5\x5a" for payload in payloads]
    for given in (payloads, more):
        decoded, num_bits = any_tables.decode_bits(given, tables)
        np.testing.assert_array_equal(decoded, symbols)
        np.testing.assert_array_equal(num_bits, sizes)


@EACH
def test_payloads_are_as_long_as_the_tables_say(tables):
    symbols = draw(200)
    _, sizes = any_tables.encode_bits(symbols, tables)
    ideal = any_tables.code_bits(symbols, tables)
    assert np.abs(sizes - ideal).max() < 3
    before, each = any_tables.symbol_bits(symbols, tables)
    assert before.shape == (200, tables.hyper.num_positions)
    np.testing.assert_allclose(before.sum(1) + each.sum(1), ideal)


def test_a_row_is_coded_alone_as_in_a_batch():
    tables, symbols = make(), draw(700)  # More than are coded at a time.
    payloads, _ = any_tables.encode_bits(symbols, tables)
    for i in (0, 511, 512, 699):
        assert any_tables.encode_bits(symbols[i : i + 1], tables)[0] == [payloads[i]]
    np.testing.assert_array_equal(any_tables.decode_bits(payloads, tables)[0], symbols)


def test_symbols_beyond_the_largest_are_sent_as_the_largest():
    tables, symbols = make(), draw(2)
    symbols[0, 0], symbols[1, 7] = 2**31 - 1, -(2**31)
    decoded, _ = any_tables.decode_bits(
        *any_tables.encode_bits(symbols, tables)[:1], tables
    )
    np.testing.assert_array_equal(decoded, symbols.clip(-LARGEST, LARGEST))


def test_other_bits_are_refused_or_decode_to_symbols_that_code_to_them():
    tables, rng = make(), np.random.default_rng(3)
    for _ in range(100):
        payload = rng.bytes(40)
        try:
            decoded, _ = any_tables.decode_bits([payload], tables)
        except PayloadError as error:
            assert "would not have written" in str(error)
        else:
            assert np.abs(decoded).max() <= LARGEST


@EACH
def test_arrays_make_the_same_tables_again(tables, tmp_path):
    np.savez(tmp_path / "tables.npz", **tables.arrays())
    with np.load(tmp_path / "tables.npz") as arrays:
        again = any_tables.from_arrays(arrays)
    assert again.fingerprint() == tables.fingerprint()
    assert any_tables.encode_bits(draw(), again) == any_tables.encode_bits(
        draw(), tables
    )


def test_the_fingerprint_covers_every_array():
    arrays = make(center=1).arrays()
    whole = any_tables.from_arrays(arrays).fingerprint()
    changed = [k for k in arrays if k.split("/")[-1][0] in "wb"] + ["center"]
    for name in changed:
        other = {**arrays, name: arrays[name].copy()}
        other[name].flat[0] ^= 1
        assert any_tables.from_arrays(other).fingerprint() != whole, name
    assert len(changed) == 2 * 2 * 4 + 1


def test_what_does_not_fit_is_refused_by_name():
    arrays = make().arrays()
    for change, words in (
        ({"order": np.arange(LATENT) % 2}, "networks have sides"),
        ({"pass1/w0": arrays["pass1/w0"][:-1]}, "networks have sides"),
        ({"pass1/w0": arrays["pass1/w0"].astype("f4")}, "a layer needs int8"),
        ({"laws/index": np.zeros((2, 2), int)}, "index must hold integers"),
        ({"kind": np.array("tree")}, "tables are of kind 'tree', which this tfcsi"),
    ):
        with pytest.raises(ValueError, match=words):
            any_tables.from_arrays({**arrays, **change})
    del arrays["center"]
    with pytest.raises(ValueError, match="tables lack 'center'"):
        any_tables.from_arrays(arrays)


def test_packets_of_version_1_are_refused():
    session = Session("demo", 4, 5, bytes(8), 1)
    side = np.zeros((40, 0), np.uint16)
    with pytest.raises(ValueError, match="version 1 have a table for each position"):
        sending.packets(draw(), side, session, make())


MACHINE = """
import hashlib, sys
sys.path.insert(0, "tests/coding")
import numpy as np
from tfcsi.coding import any_tables
from test_network_tables import draw, make

tables = make()
payloads, _ = any_tables.encode_bits(draw(), tables)
decoded, _ = any_tables.decode_bits(payloads, tables)
print(hashlib.sha256(b"".join(payloads) + decoded.tobytes()).hexdigest())
"""


def digest_here():
    tables = make()
    payloads, _ = any_tables.encode_bits(draw(), tables)
    decoded, _ = any_tables.decode_bits(payloads, tables)
    return hashlib.sha256(b"".join(payloads) + decoded.tobytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["Prescott", "Nehalem", "Haswell", "SkylakeX"])
@pytest.mark.parametrize("threads", ["1", "2", "5"])
def test_thread_counts_and_kernels_change_no_bit(kernel, threads):
    flags = CPUINFO.read_text() if CPUINFO.exists() else ""
    if kernel == "SkylakeX" and " avx512f " not in flags:
        pytest.skip("this processor has no AVX512")
    env = {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", MACHINE],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == digest_here(), done.stderr


def test_another_order_of_the_sums_changes_no_bit():
    rng = np.random.default_rng(5)
    for net in make().networks:
        x = rng.integers(-127, 128, (20, len(net.weights[0])))
        hidden = np.sum(x[:, ::-1, None] * net.weights[0][::-1].astype(int), 1)
        hidden = np.clip((hidden + net.biases[0] + 32) >> 6, 0, 255)
        out = hidden.astype("i4") @ net.weights[1].astype("i4") + net.biases[1]
        np.testing.assert_array_equal(net(x), out)
