"""The page in docs/demo codes with tables that integer networks pick, as Python does.

Python and JavaScript write the same bytes and read the same symbols. They run in
Node.js.
"""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import tfcsi
from tests.conftest import slow
from tests.programs.browser import needs_node, node
from tests.programs.test_browser import REFUSED
from tfcsi.coding import any_tables, grids, sending
from tfcsi.coding.intervals import encode_intervals
from tfcsi.coding.network_tables import LARGEST, IntegerNetwork, NetworkTables
from tfcsi.coding.packet_file import read_file
from tfcsi.coding.packets import PacketError, Session, pack
from tfcsi.coding.tables import Tables
from tfcsi.coding.token_contexts import law_tables

pytestmark = [pytest.mark.browser, needs_node]

RATES = pathlib.Path(__file__).parents[1] / "golden" / "workdirs" / "csinet_rates"
LATENT, HIDDEN, NUM_RATES = 30, 16, 5
CODE = """
const fs = await import("node:fs");
const { readNpz } = await import(`${demo}/npy.js`);
const { receivePacket } = await import(`${demo}/sending.js`);
const { decoderInput, encodeOutput, readTables } = await import(`${demo}/ue.js`);
const ue = readTables(await readNpz(fs.readFileSync(message.tables)));
const tried = (work) => {
  try {
    return work();
  } catch (error) {
    return { error: error.message };
  }
};
const sent = (message.y ?? []).map((row, i) => tried(() => {
  const y = (message.symbols ? Int32Array : Float32Array).from(row);
  const gain = message.gain?.[i] ?? [];
  const { packet, parts, side } = encodeOutput(y, gain, ue, message.wishes);
  return { packet: Buffer.from(packet).toString("hex"), parts, side };
}));
const received = (message.packets ?? []).map((hex) => tried(() => {
  const { symbols, side } = receivePacket(new Uint8Array(Buffer.from(hex, "hex")), ue);
  return { symbols, side, y: Array.from(decoderInput(symbols, side, ue)) };
}));
print({ sent, received });
"""


def network(rng, inputs, outputs, weight, bias):
    """Random integers up to some sizes, which they reach."""
    sides = (inputs, HIDDEN, outputs)
    forms = list(zip(sides, sides[1:]))
    weights = [rng.integers(-weight, weight + 1, form) for form in forms]
    biases = [rng.integers(-bias, bias + 1, form[1]) for form in forms]
    for b in biases:
        b[:2] = bias, -bias
    return IntegerNetwork(
        [w.astype(np.int8) for w in weights], [b.astype(np.int32) for b in biases]
    )


def make(order, hyper=0, center=0, means=True, weight=30, bias=2000, seed=0):
    """Tables with random networks; `order` is the pass of each symbol."""
    rng, order = np.random.default_rng(seed), np.asarray(order)
    networks, before = [], hyper
    for p in range(order.max() + 1):
        count = int((order == p).sum())
        net = network(rng, before, 2 * count, weight, bias)
        if not means:
            net.weights[-1][:, :count] = net.biases[-1][:count] = 0
        networks.append(IntegerNetwork(net.weights, net.biases))
        before += 2 * count
    first = Tables.from_pmf([[1.0]], 0, np.zeros(0, int))
    analysis = None
    if hyper:
        pmf = rng.dirichlet(np.ones(9), hyper)
        first = Tables.from_pmf(pmf, -4, np.arange(hyper))
        analysis = network(rng, 2 * order.size, hyper, weight, bias)
    laws = law_tables(np.array([0.2, 0.6, 0.2]))
    return NetworkTables(order, center, first, analysis, networks, laws)


ONE, THREE = np.zeros(LATENT, int), np.arange(LATENT) % 3
WITH_RATE = np.append(0, 1 + THREE)  # The rate goes first, alone.
KINDS = {
    "scale_hyperprior": lambda: make(ONE, 4, means=False),
    "mean_scale_hyperprior": lambda: make(ONE, 4),
    "contexts": lambda: make(THREE),
    "contexts and hyper-latents": lambda: make(THREE, 3),
    "largest weights": lambda: make(THREE, 3, weight=127),
    "largest biases": lambda: make(THREE, 3, weight=127, bias=2**31 - 1),
    "levels": lambda: make(THREE, 3, center=32),
    "many rates": lambda: make(WITH_RATE),
    "many rates and hyper-latents": lambda: make(WITH_RATE, 4),
}


def grid_of(name):
    """The name of a grid for tables of `KINDS`, and the grid."""
    rng = np.random.default_rng(2)
    if name == "levels":
        return "mulaw", grids.MuLawGrid(LATENT, 6, 50.0)
    if "rates" in name:
        steps = rng.uniform(0.3, 2, LATENT) * np.logspace(0, -1, NUM_RATES)[:, None]
        return "uniform_rates", grids.RatesGrid(steps, 2)
    return "uniform", grids.UniformGrid(rng.uniform(0.1, 2, LATENT))


def draw(n=24, size=LATENT, seed=1):
    """Numbers float32 [n, size] of many sizes, the last rows of the largest ones."""
    rng = np.random.default_rng(seed)
    spread = 2 ** rng.uniform(-2, 9, (n, 1))
    y = (spread * rng.standard_normal((n, size))).astype(np.float32)
    ends = (2**17 - 1, 2**17, 2**17 + 1, 2**30, 2**31 - 1, 1e30)
    y[-3:] = rng.choice([*ends, *(-end for end in ends)], (3, size))
    y[-4] = 0
    return y


def coded(path, **message):
    """What the page sends and receives with the tables of a file."""
    reply = node(CODE, {"tables": str(path), **message})
    return reply["sent"], reply["received"]


def saved(folder, name, send_gain=False):
    """Session, tables and grid of a name of `KINDS`, and their file."""
    session, tables = Session("demo", 4, 5, bytes(range(8))), KINDS[name]()
    quantizer, grid = grid_of(name)
    path = folder / "tables.npz"
    sending.save_tables(path, session, tables, quantizer, grid, send_gain)
    return session, tables, grid, path


def clipped(symbols):
    """Symbols as they arrive."""
    return symbols.astype(np.int64).clip(-LARGEST, LARGEST)


@pytest.mark.parametrize("name", KINDS)
def test_packets_are_those_of_python_and_symbols_come_back(name, tmp_path):
    send_gain = "hyper" in name
    session, tables, grid, path = saved(tmp_path, name, send_gain)
    y, gain = draw(), np.zeros((24, int(send_gain)), np.uint16) + 33000
    symbols, side = grid.quantize(y)
    side = np.concatenate([gain, side], axis=1)
    packets = sending.packets(symbols, side, session, tables)
    hexes = [packet.hex() for packet in packets]
    sent, received = coded(path, y=y.tolist(), gain=gain.tolist(), packets=hexes)
    assert [one.get("packet", one) for one in sent] == hexes
    got = sending.receive(packets, side.shape[1], session, tables)
    np.testing.assert_array_equal(got[0], clipped(symbols))
    np.testing.assert_array_equal([one["symbols"] for one in received], got[0])
    np.testing.assert_array_equal([one["side"] for one in received], got[1])
    y_hat = grid.dequantize(*got[:1], got[1][:, int(send_gain) :])
    np.testing.assert_allclose(
        [one["y"] for one in received], y_hat, rtol=1e-5, atol=2e-4
    )
    before, each = any_tables.symbol_bits(symbols, tables)
    for row, one in enumerate(sent):
        sizes = [16 * side.shape[1] + before[row].sum(), *each[row]]
        np.testing.assert_allclose([bits for _, bits in one["parts"]], sizes)
    # An encoder that quantises puts out symbols and words.
    own = np.concatenate([symbols, side[:, int(send_gain) :]], axis=1).tolist()
    sent, _ = coded(path, y=own, gain=gain.tolist(), symbols=True)
    assert [one["packet"] for one in sent] == hexes


@pytest.mark.parametrize("name", ["many rates", slow("many rates and hyper-latents")])
def test_every_rate_is_sent_and_received(name, tmp_path):
    session, tables, grid, path = saved(tmp_path, name)
    y, lengths = draw(12), []
    for rate, step in enumerate(grid.mean_steps):
        symbols, side = grid.quantize(y, np.full(12, rate))
        packets = sending.packets(symbols, side, session, tables)
        hexes = [packet.hex() for packet in packets]
        wishes = {"step": 1.01 * step}
        sent, received = coded(path, y=y.tolist(), wishes=wishes, packets=hexes)
        assert [one["packet"] for one in sent] == hexes
        got = [one["symbols"] for one in received]
        np.testing.assert_array_equal(got, clipped(symbols))
        np.testing.assert_array_equal(
            np.float32([one["y"] for one in received]),
            grid.dequantize(np.array(got), side),
        )
        lengths.append(sum(map(len, packets)))
    assert len(set(lengths)) == NUM_RATES


@pytest.mark.slow
def test_a_golden_run_of_many_rates_has_the_same_packets_in_javascript(tmp_path):
    codec, path = tfcsi.load(RATES), tmp_path / "tables.npz"
    assert json.loads((RATES / "config.json").read_text())["prior"] == "contexts"
    codec.save_ue(path)
    packets = read_file(RATES / "packets.tcsi")[1]
    symbols, side = codec.receive(packets)
    _, received = coded(path, packets=[packet.hex() for packet in packets])
    np.testing.assert_array_equal([one["symbols"] for one in received], symbols)
    y_hat = codec.quantizer.dequantize(symbols, side)
    np.testing.assert_allclose([one["y"] for one in received], y_hat, rtol=1e-6)
    h = np.load(RATES / "csi.npz")["h"]
    y = codec.codewords(h)[0]
    sizes = [8 * len(packet) for packet in codec.compress(h)]
    coarse = max(8 * len(packet) for packet in codec.compress(h, step=codec.steps[0]))
    for ours, wishes in (
        ({}, {}),
        ({"step": codec.steps[0]}, {"step": codec.steps[0]}),
        ({"step": codec.steps[3]}, {"step": codec.steps[3]}),
        ({"max_bits": coarse + 8}, {"maxBits": coarse + 8}),
        ({"max_bits": max(sizes)}, {"maxBits": max(sizes)}),
        (
            {"step": codec.steps[-1], "max_bits": max(sizes)},
            {"step": codec.steps[-1], "maxBits": max(sizes)},
        ),
    ):
        sent, _ = coded(path, y=y.tolist(), wishes=wishes)
        assert [one["packet"] for one in sent] == [
            packet.hex() for packet in codec.compress(h, **ours)
        ]
    for wishes, words in (
        ({"maxBits": 8}, "needs more than 8 bits at the coarsest rate"),
        ({"step": -1}, "The step is -1. It must be a positive number."),
        ({"maxBits": "many"}, "maxBits is many. It must be a finite number."),
    ):
        sent, _ = coded(path, y=y[:1].tolist(), wishes=wishes)
        assert words in sent[0]["error"]


def test_a_codec_of_one_rate_grants_no_wish(tmp_path):
    path = saved(tmp_path, "contexts")[-1]
    sent, _ = coded(path, y=draw(4).tolist(), wishes={"maxBits": 4000})
    assert all("codec of several rates" in one["error"] for one in sent)


def verdict(packet, session, tables, grid):
    """The symbols that Python reads in a packet; None if it refuses it."""
    try:
        symbols, side = sending.receive([packet], grid.num_side, session, tables)
        grid.dequantize(symbols, side)
    except PacketError:
        return None
    return symbols[0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scale_hyperprior", "contexts", "many rates"])
def test_damaged_packets_are_refused_as_python_refuses_them(name, tmp_path):
    session, tables, grid, path = saved(tmp_path, name)
    rng, y = np.random.default_rng(4), draw(8)
    symbols, side = grid.quantize(y)
    packets = sending.packets(symbols, side, session, tables)
    damaged = []
    for bit in range(8 * len(packets[0])):  # The check finds each of these.
        turned = bytearray(packets[0])
        turned[bit >> 3] ^= 1 << (bit & 7)
        damaged.append(bytes(turned))
    damaged += [packets[0][:-1], packets[0] + b"\0", b"", b"\0", bytes(9000)]
    assert not any(verdict(one, session, tables, grid) for one in damaged)
    # Other bits behind a check that is right: some of them are as good.
    forged = []
    for payload, size in zip(*any_tables.encode_bits(symbols, tables)):
        forged += [(payload, size + more) for more in (-8, -1, 0, 1, 8)]
        forged += [(payload + b"\1", 8 * len(payload) + 8)]
        for byte in [*rng.integers(len(payload), size=5), *3 * [len(payload) - 1]]:
            turned = bytearray(payload)
            turned[byte] ^= int(rng.integers(1, 256))
            forged.append((bytes(turned), size))
    forged += [(bytes([byte]) * 40, 320) for byte in (0, 255)] + [(b"", 0)]
    payloads, sizes = zip(*forged)
    every = damaged + pack(payloads, session, sizes)
    _, received = coded(path, packets=[packet.hex() for packet in every])
    expected = [verdict(packet, session, tables, grid) for packet in every]
    assert [one.get("symbols") for one in received] == expected
    assert 8 < sum(symbols is not None for symbols in expected) < len(forged)


@pytest.mark.parametrize("zeros", [18, 19, 20, 39, 60])
def test_numbers_that_no_escape_has_are_refused(zeros, tmp_path):
    session, tables, _, path = saved(tmp_path, "contexts")
    rows = []
    tables.code(1, np.zeros((1, 0), int), lambda row, *_: rows.append(row) or 0 * row)
    cdf = tables.laws.cdf_rows[rows[0][0, 0]]  # Of the first symbol.
    bits = [0] * zeros + [1] * 60
    lower, upper = (
        [at, *(bit + k << 15 for bit in bits)] for k, at in enumerate(cdf[-2:])
    )
    payload, size = encode_intervals(lower, upper, 16)
    (packet,) = pack([payload], session, [size])
    _, (one,) = coded(path, packets=[packet.hex()])
    assert one == {"error": "the encoder would not have written these bits"}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"kind": np.array("tree")}, 'of the kind "tree", which this page'),
        ({"order": np.arange(LATENT) % 2}, "networks have sides"),
        ({"pass1/w0": np.zeros((19, HIDDEN), np.int8)}, "networks have sides"),
        ({"pass1/w0": np.full((20, HIDDEN), 0.5)}, "a layer needs int8"),
        ({"pass1/w0": np.full((20, HIDDEN), 200)}, "a layer needs int8"),
        ({"pass1/w1": np.zeros((9, 20), np.int8)}, "a layer has other outputs"),
        ({"laws/length": np.full(3, 9)}, "laws must be 384 tables"),
    ],
)
def test_tables_that_do_not_fit_are_refused_by_name(change, words, tmp_path):
    path = saved(tmp_path, "contexts")[-1]
    with np.load(path) as arrays:
        np.savez(path, **{**arrays, **{f"tables/{k}": v for k, v in change.items()}})
    assert words in node(REFUSED, {"tables": str(path)})


def test_a_quantiser_of_another_length_or_name_is_refused(tmp_path):
    session, tables = Session("demo", 4, 5, bytes(8)), KINDS["many rates"]()
    _, grid = grid_of("contexts")
    path = tmp_path / "tables.npz"
    for name, words in (("uniform", "differ in length"), ("other", '"other"')):
        sending.save_tables(path, session, tables, name, grid, False)
        assert words in node(REFUSED, {"tables": str(path)})
