"""The coders of the page in docs/demo: their packets are those of the codec.

They run in Node.js. `make test-browser` runs this file, and so does `make test` where
there is Node.js.
"""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import tfcsi
from tests.conftest import sampled, slow
from tests.programs.browser import needs_node, node
from tfcsi import transforms
from tfcsi.channels import cost2100
from tfcsi.coding import grids, rangecoder, sending
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.packets import VERSIONS, Session
from tfcsi.coding.path_encoder import norm_of, scaled
from tfcsi.coding.tables import CODERS, Tables

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "rangecoder.json"

pytestmark = [pytest.mark.browser, needs_node]

ENCODE = """
const { encode } = await import(`${demo}/packet.js`);
const hex = (row) => Buffer.from(encode(row, message)).toString("hex");
print(message.symbols.map(hex));
"""
ENCODE_BITS = """
const { bytesOf, encodeBits } = await import(`${demo}/packet.js`);
const bits = message.symbols.map((row) => encodeBits(row, message));
print(bits.map((row) => [Buffer.from(bytesOf(row)).toString("hex"), row.length]));
"""
SEND = """
const fs = await import("node:fs");
const { readNpy, readNpz } = await import(`${demo}/npy.js`);
const { packetFile, sessionHeader } = await import(`${demo}/packet.js`);
const { encodeOutput, networkInput, readTables } = await import(`${demo}/ue.js`);
const bundle = readTables(await readNpz(fs.readFileSync(message.tables)));
const rows = (path) => {
  const { shape, data } = readNpy(fs.readFileSync(path));
  const size = data.length / shape[0];
  const row = (_, i) => data.slice(i * size, (i + 1) * size);
  return Array.from({ length: shape[0] }, row);
};
const outputs = rows(message.y);
const packets = [];
const sent = rows(message.h).map((h, i) => {
  const { x, gain } = networkInput(h, bundle);
  const Kind = message.symbols ? Int32Array : Float32Array;
  const { packet } = encodeOutput(Kind.from(outputs[i]), gain, bundle);
  packets.push(packet);
  return { x: Array.from(x), packet: Buffer.from(packet).toString("hex") };
});
const many = Array(30).fill(packets).flat();
print({
  header: Buffer.from(sessionHeader(bundle)).toString("hex"),
  file: Buffer.from(packetFile(bundle, many)).toString("hex"),
  sent,
});
"""
REFUSED = """
const fs = await import("node:fs");
const { readNpz } = await import(`${demo}/npy.js`);
const { readTables } = await import(`${demo}/ue.js`);
const arrays = await readNpz(fs.readFileSync(message.tables));
try {
  readTables(arrays);
  print("accepted");
} catch (error) {
  print(error.message);
}
"""
PATHS = """
const fs = await import("node:fs");
const { readNpz } = await import(`${demo}/npy.js`);
const { pathPacket } = await import(`${demo}/paths.js`);
const { readTables } = await import(`${demo}/ue.js`);
const ue = readTables(await readNpz(fs.readFileSync(message.tables)));
print(message.rows.map((rows, i) => {
  const packet = pathPacket(rows, message.step[i], message.norm[i], ue);
  return Buffer.from(packet).toString("hex");
}));
"""
FORMS = {
    "taps": ((32, 32), 257, "angular_delay"),
    "few_taps": ((8, 16), 64, "angular_delay"),
    "all_taps": ((16, 12), 12, "angular_delay"),
    "subcarriers": ((16, 12), 12, "space_frequency"),
}


def test_the_coders_write_the_golden_payloads():
    for case in json.loads(GOLDEN.read_text()):
        assert node(ENCODE, case) == case["payloads"], case["name"]


@pytest.mark.parametrize("coder", CODERS)
def test_bits_end_like_those_of_the_codec(coder):
    rng = np.random.default_rng(1)
    for latent in range(2, 9):  # Quarters, and -1 at the top: ends on round numbers.
        tables = Tables.from_pmf([[0.25] * 3], 0, [0] * latent, coder)
        symbols = rng.integers(-1, 4, (300, latent))
        symbols[:9] = rng.integers(-(2**31), 2**31, (9, latent))
        message = {name: array.tolist() for name, array in tables.arrays().items()}
        wrote = node(ENCODE_BITS, {**message, "symbols": symbols.tolist()})
        payloads, num_bits = rangecoder.encode_bits(symbols, tables)
        assert wrote == [[p.hex(), n] for p, n in zip(payloads, num_bits)]


@pytest.mark.parametrize("coder", CODERS)
def test_payloads_end_like_those_of_the_codec(coder):
    rng = np.random.default_rng(1)
    for latent in range(2, 9):  # Quarters, and -1 at the top: ends on round numbers.
        tables = Tables.from_pmf([[0.25] * 3], 0, [0] * latent, coder)
        symbols = rng.integers(-1, 4, (300, latent))
        stored = {name: array.tolist() for name, array in tables.arrays().items()}
        payloads = node(ENCODE, {**stored, "symbols": symbols.tolist()})
        assert payloads == [p.hex() for p in rangecoder.encode(symbols, tables)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("send_gain", [False, True])
@pytest.mark.parametrize(
    "quantizer",
    sampled(["uniform", "mulaw", "float", "dithered"], ("uniform", "float")),
)
def test_a_codeword_becomes_the_packet_of_the_codec(
    quantizer, send_gain, version, tmp_path
):
    rng = np.random.default_rng(0)
    h = (rng.standard_normal((6, 4, 5, 2)) @ [1, 1j]).astype(np.complex64)
    scale = 0.5 / np.abs(h).max((1, 2), keepdims=True)
    h = (h * (rng.uniform(0.01, 9, scale.shape) if send_gain else scale)).astype("c8")
    y = (3 * rng.standard_normal((6, 8))).astype(np.float32)
    y[:, 0] = np.array([1, 3, 5, -1, -3, -5]) / 4  # Halves of a step.
    grid = {
        "uniform": lambda: grids.UniformGrid([0.5, *rng.uniform(0.1, 2, 7)]),
        "dithered": lambda: grids.UniformGrid(
            [0.5, *rng.uniform(0.1, 2, 7)], [0, *rng.uniform(-0.5, 0.5, 7)]
        ),
        "mulaw": lambda: grids.MuLawGrid(8, 6, 50.0),
        "float": lambda: grids.FloatGrid(8),
    }[quantizer]()
    symbols, side = grid.quantize(y)
    session = Session("demo \u00b5", 4, 5, bytes(range(8)), version)
    if grid.num_symbols:
        tables = Tables.from_counts(symbols[:3], "huffman")
    else:
        tables = Tables.from_pmf([[0.5]], 0, np.zeros(0, int))
    paths = {name: str(tmp_path / f"{name}.npy") for name in ("h", "y")}
    paths |= {"tables": str(tmp_path / "tables.npz"), "symbols": False}
    name = "uniform" if quantizer == "dithered" else quantizer
    sending.save_tables(paths["tables"], session, tables, name, grid, send_gain)
    x, gain = sending.network_input(h, (4, 5), send_gain)
    packets = sending.packets(symbols, np.concatenate([gain, side], 1), session, tables)
    np.save(paths["h"], h)
    for ready, output in ((False, y), (True, np.concatenate([symbols, side], 1))):
        np.save(paths["y"], output)
        reply = node(SEND, {**paths, "symbols": ready})
        assert reply["header"] == session.to_bytes().hex()
        write_file(tmp_path / "many.tcsi", session, 30 * packets)
        assert reply["file"] == (tmp_path / "many.tcsi").read_bytes().hex()
        assert [row["packet"] for row in reply["sent"]] == [p.hex() for p in packets]
        np.testing.assert_array_equal(
            np.float32([row["x"] for row in reply["sent"]]), x.reshape(len(h), -1)
        )


@pytest.fixture(scope="module")
def matrices():
    """Complex64 [12, 32, 32], of many scales; the first one is zero."""
    h = cost2100.simulate(12, 5, "indoor")
    return h * np.append(0, np.logspace(-6, 6, 11)).astype(np.float32)[:, None, None]


@pytest.mark.parametrize("step", [0.06, slow(0.01)])
@pytest.mark.parametrize("form", sampled(FORMS, ("few_taps",)))
def test_a_list_of_paths_becomes_the_packet_of_the_codec(
    form, step, matrices, tmp_path
):
    shape, num_fft, domain = FORMS[form]
    codec = tfcsi.load("paths").resized(shape, num_fft, domain)
    h = np.ascontiguousarray(matrices[:, : shape[0], : shape[1]])
    packets = codec.compress(h, step=step, effort="light")
    steps, norms, lists = codec.receive_lists(packets)
    rows = np.moveaxis(lists.paths, 0, -1)
    rows = np.random.default_rng(0).permutation(rows, axis=1)  # In any order.
    tables = tmp_path / "tables.npz"
    codec.save_ue(tables)
    message = {"rows": rows.tolist(), "step": steps.tolist(), "norm": norms.tolist()}
    wrote = node(PATHS, {"tables": str(tables), **message})
    assert wrote == [packet.hex() for packet in packets]
    written = codec.receive_lists([bytes.fromhex(packet) for packet in wrote])[2]
    np.testing.assert_array_equal(written.delay, lists.delay)
    assert lists.count.max() > 8


def test_the_output_of_a_network_of_paths_becomes_a_file_of_packets(matrices, tmp_path):
    codec = tfcsi.load("paths_cost2100_indoor")
    packets = codec.compress(matrices)
    rows = codec.receive_lists(packets)[2].paths
    paths = {name: str(tmp_path / f"{name}.npy") for name in ("h", "y")}
    paths |= {"tables": str(tmp_path / "tables.npz"), "symbols": True}
    codec.save_ue(paths["tables"])
    np.save(paths["h"], matrices)
    np.save(paths["y"], np.stack(rows, axis=-1))
    reply = node(SEND, paths)
    assert [row["packet"] for row in reply["sent"]] == [p.hex() for p in packets]
    write_file(tmp_path / "many.tcsi", codec.session, 30 * packets)
    assert reply["file"] == (tmp_path / "many.tcsi").read_bytes().hex()
    unit = norm_of(scaled(matrices, codec.atoms)[1])[:, None, None]
    x = transforms.to_real((matrices / unit).astype(np.complex64))
    sent = np.float32([row["x"] for row in reply["sent"]])
    np.testing.assert_array_equal(sent, x.reshape(len(x), -1))
