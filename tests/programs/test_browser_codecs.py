"""Files, codecs and pictures of the page in docs/demo, against those of the package.

They run in Node.js. `make test-browser` runs this file.
"""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest

import tfcsi
from tests.programs.browser import needs_node, node
from tfcsi import metrics, transforms
from tfcsi.channels import cost2100
from tfcsi.coding import grids, sending
from tfcsi.coding.packets import Session
from tfcsi.coding.tables import CODERS, Tables
from tfcsi.evaluation import charts, packet_parts, report

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_node]

READ = """
const { readCsi } = await import(`${demo}/csi.js`);
print(message.map((hex) => {
  try {
    const { num, shape, matrix } = readCsi(new Uint8Array(Buffer.from(hex, "hex")));
    const every = Array.from({ length: num }, (_, i) => Array.from(matrix(i).h));
    return { shape, every };
  } catch (error) {
    return { error: error.message };
  }
}));
"""
IN_FORM = """
const { inForm } = await import(`${demo}/domains.js`);
const { h, shape, from, to, form } = message;
try {
  print({ h: Array.from(inForm({ h: Float64Array.from(h), shape }, from, to, form)) });
} catch (error) {
  print({ error: error.message });
}
"""
COMPRESS = """
const fs = await import("node:fs");
const { readNpy, readNpz } = await import(`${demo}/npy.js`);
const charts = await import(`${demo}/charts.js`);
const { toAngularDelay } = await import(`${demo}/domains.js`);
const { bitsByKind, bytesView, partsOf } = await import(`${demo}/parts.js`);
const { errorOf, PathCodec } = await import(`${demo}/path_codec.js`);
const { readTables } = await import(`${demo}/ue.js`);
const codec = new PathCodec(readTables(await readNpz(fs.readFileSync(message.tables))));
const { ue, atoms } = codec;
const { shape, data } = readNpy(fs.readFileSync(message.h));
const size = data.length / shape[0];
print(Array.from({ length: shape[0] }, (_, i) => {
  const h = data.slice(i * size, (i + 1) * size);
  const sent = codec.compress(h, message.wishes);
  const { packet, paths, hHat, missed } = sent;
  const rows = paths.map(({ re, im, angle, delay }) => [re, im, angle, delay]);
  const parts = partsOf(sent, ue);
  const result = { packet: Buffer.from(packet).toString("hex"), rows, parts, missed };
  if (!message.pictures) return { ...result, nmse: errorOf(h, hHat) };
  const db = 10 * Math.log10(errorOf(h, hHat));
  const picture = ue.domain === "space_frequency" ? toAngularDelay(h, ue.shape) : h;
  return {
    ...result,
    hHat: Array.from(hHat),
    bytes: bytesView(packet, parts),
    csi: charts.csi(h, hHat, ue.shape, ue.domain, db),
    paths: charts.paths(paths, sent.scale, picture, atoms),
    bits: charts.bitsOfParts({ paths: bitsByKind(parts), other: { check: 11 } }),
  };
}));
"""
SYMBOLS = """
const fs = await import("node:fs");
const { readNpz } = await import(`${demo}/npy.js`);
const { bytesView, partsOf } = await import(`${demo}/parts.js`);
const { canReceive, receivePacket } = await import(`${demo}/sending.js`);
const { decoderInput, encodeOutput, readTables } = await import(`${demo}/ue.js`);
const ue = readTables(await readNpz(fs.readFileSync(message.tables)));
print(message.y.map((row) => {
  const sent = encodeOutput(Float32Array.from(row), [], ue);
  const { symbols, side } = canReceive(ue) ? receivePacket(sent.packet, ue) : sent;
  return {
    packet: Buffer.from(sent.packet).toString("hex"),
    read: canReceive(ue),
    parts: partsOf(sent, ue),
    y: Array.from(decoderInput(symbols, side, ue)),
  };
}));
"""
FORMS = {
    "taps": ((32, 32), 257, "angular_delay"),
    "all_taps": ((16, 12), 12, "angular_delay"),
    "subcarriers": ((16, 12), 12, "space_frequency"),
}
NUMBERS = ("colorscale", "zmax", "customdata", "z", "x", "y")  # Of a picture.


def saved(array, order="C"):
    """The content of a .npy file, in hexadecimal digits."""
    file = io.BytesIO()
    np.save(file, np.array(array, order=order), allow_pickle=True)
    return file.getvalue().hex()


def as_csi(rows, shape):
    """Rows of (re, im) in turn as complex matrices."""
    return (np.reshape(rows, (-1, *shape, 2)) @ [1, 1j]).astype(np.complex64)


def flat(h):
    """A complex matrix as (re, im) in turn."""
    return np.stack([h.real, h.imag], axis=-1).ravel().tolist()


@pytest.mark.parametrize("order", "CF")
def test_matrices_of_any_order_and_type_are_read(order):
    h = np.random.default_rng(0).standard_normal((3, 4, 5, 2)) @ [1, 1j]
    forms = [h.astype(kind) for kind in ("c8", "c16", ">c8", ">c16")]
    forms += [h[1].astype("c16"), transforms.to_real(h), transforms.to_real(h[1])]
    for form, read in zip(forms, node(READ, [saved(form, order) for form in forms])):
        single = form.shape[0] == 4
        assert read["shape"] == [4, 5]
        expected = h[1:2] if single else h
        np.testing.assert_array_equal(
            as_csi(read["every"], (4, 5)), expected.astype("c8")
        )


def test_files_that_hold_no_csi_are_refused_in_words():
    whole = saved(np.ones((2, 4, 5), "c8"))
    refused = {
        b"PK\x03\x04 and so on".hex(): "no .npy file",
        whole[:-2]: "was cut",
        whole[:60]: "was cut",
        saved(np.ones((2, 4, 5))): "f8 [2,4,5]. CSI must be complex",
        saved(np.ones(5, "c8")): "complex [5]. CSI must be complex",
        saved(np.ones((2, 3, 4, 5), "c8")): "complex [2,3,4,5]",
        saved(np.ones((2, 4, 5), "i8")): "CSI must be complex",
        saved(np.array(["a"])): "CSI must be complex",
        saved(np.array([None])): "does not read. Save the array as complex64",
        saved(np.zeros((0, 4, 5), "c8")): "holds no matrix",
        saved(np.zeros(2, [("re", "f4"), ("im", "f4")])): "of several fields",
    }
    for read, words in zip(node(READ, [*refused]), refused.values()):
        assert words in read["error"]


@pytest.mark.parametrize("num_tx", [6, 7])
def test_matrices_come_into_the_domain_of_the_codec(num_tx):
    h = np.random.default_rng(0).standard_normal((num_tx, 9, 2)) @ [1, 1j]
    domains = transforms.DOMAINS

    def asked(h, source, to, form):
        message = {"h": flat(h), "shape": h.shape, "from": source, "to": to}
        return node(IN_FORM, {**message, "form": form})

    for source, to, width, expected in (
        (domains[1], domains[0], 9, transforms.to_angular_delay(h, 9)),
        (domains[1], domains[0], 5, transforms.to_angular_delay(h, 5)),
        (domains[0], domains[1], 9, transforms.to_space_frequency(h, 9)),
        (domains[0], domains[1], 12, transforms.to_space_frequency(h, 12)),
        (domains[0], domains[0], 9, h),
    ):
        wrote = asked(h, source, to, [num_tx, width])["h"]
        np.testing.assert_allclose(
            as_csi(wrote, expected.shape)[0], expected, atol=1e-5
        )
    for source, to, form in (
        (domains[0], domains[0], [num_tx, 8]),
        (domains[0], domains[0], [num_tx + 1, 9]),
        (domains[0], domains[1], [num_tx, 8]),
        (domains[1], domains[0], [num_tx, 10]),
    ):
        words = asked(h, source, to, form)["error"]
        assert f"matrices of {num_tx} x 9 in the domain {source}" in words
        assert f"{form[0]} x {form[1]} of the domain {to}" in words


def sent_by_the_page(codec, h, folder, pictures=False, **wishes):
    """What the page makes of matrices with a codec of paths."""
    codec.save_ue(folder / "tables.npz")
    np.save(folder / "h.npy", h)
    message = {"tables": str(folder / "tables.npz"), "h": str(folder / "h.npy")}
    return node(COMPRESS, {**message, "pictures": pictures, "wishes": wishes})


@pytest.mark.parametrize("form", FORMS)
def test_the_page_finds_the_paths_that_the_codec_finds(form, tmp_path):
    shape, num_fft, domain = FORMS[form]
    codec = tfcsi.load("paths").resized(shape, num_fft, domain)
    noisy = cost2100.simulate(6, 5, "indoor")[:, : shape[0], : shape[1]]
    noisy = noisy * np.logspace(-3, 3, 6).astype(np.float32)[:, None, None]
    noise = np.random.default_rng(0).standard_normal((*shape, 2)) @ [1, 1j]
    noisy[5] += 0.01 * np.abs(noisy[5]).max() * noise
    for h, wishes, ours in (
        (noisy, {}, {}),
        (noisy[2:5], {"nmseDb": -12}, {"nmse_db": -12}),
    ):
        sent = sent_by_the_page(codec, h, tmp_path, **wishes)
        packets = [bytes.fromhex(one["packet"]) for one in sent]
        _, _, lists = codec.receive_lists(packets)
        for i, one in enumerate(sent):
            rows = lists.paths[:, i].T
            assert one["rows"] == rows[: lists.count[i]].tolist()
        nmse = np.asarray(metrics.nmse(h, codec.decompress(packets)))
        np.testing.assert_allclose([one["nmse"] for one in sent], nmse, rtol=1e-3)
        own = codec.compress(h, **ours)
        # Sums of 64 and of 32 bits may differ in a choice between equals.
        assert np.mean([a == b for a, b in zip(packets, own)]) > 0.7
        assert sum(map(len, packets)) < 1.02 * sum(map(len, own))
        own_nmse = metrics.nmse(h, codec.decompress(own))
        assert nmse.mean() < 1.02 * np.mean(own_nmse)
        if ours:
            met = [not one["missed"] for one in sent]
            assert any(met) and (nmse[met] <= 10**-1.2).all()


def test_a_zero_matrix_and_one_that_cannot_be_met_have_packets(tmp_path):
    codec = tfcsi.load("paths_cost2100_indoor").resized((8, 16), 64, "angular_delay")
    noise = np.random.default_rng(0).standard_normal((1, 8, 16, 2)) @ [1, 1j]
    h = np.concatenate([np.zeros((1, 8, 16)), noise]).astype(np.complex64)
    zero, missed = sent_by_the_page(codec, h, tmp_path, nmseDb=-90)
    assert not zero["rows"] and not zero["missed"] and missed["missed"]
    packets = [bytes.fromhex(one["packet"]) for one in (zero, missed)]
    assert not codec.decompress(packets)[0].any()
    assert len(missed["rows"]) > 64


def plain(value):
    """Parts of a picture with lists in the place of arrays, which plotly packs."""
    if isinstance(value, dict) and "bdata" in value:
        numbers = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
        shape = value.get("shape", str(numbers.size))
        return numbers.reshape([int(side) for side in shape.split(",")]).tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return (
        [plain(part) for part in value] if isinstance(value, (list, tuple)) else value
    )


def same_picture(wrote, figure):
    """Whether a picture is that of plotly's Python side, numbers up to rounding."""
    figure = plain(figure.to_plotly_json())
    layout = {k: v for k, v in figure["layout"].items() if k != "template"}
    assert wrote["layout"] == layout
    for mine, theirs in zip(wrote["data"], figure["data"], strict=False):
        assert mine.keys() == theirs.keys()
        for key, value in theirs.items():
            own = mine[key]
            if key == "marker" and "size" in value:
                np.testing.assert_allclose(own.pop("size"), value.pop("size"))
            if key == "colorscale":
                assert [colour for _, colour in own] == [colour for _, colour in value]
                own, value = ([at for at, _ in scale] for scale in (own, value))
            if key in NUMBERS and not isinstance(np.ravel(value)[0], str):
                np.testing.assert_allclose(own, value, rtol=1e-4, atol=2e-5)
            else:
                assert own == value, key
    assert len(wrote["data"]) == len(figure["data"])


@pytest.mark.parametrize("form", ["taps", "subcarriers"])
def test_the_page_draws_the_pictures_of_the_report(form, tmp_path):
    shape, num_fft, domain = FORMS[form]
    codec = tfcsi.load("paths").resized(shape, num_fft, domain)
    h = cost2100.simulate(2, 5, "indoor")[:, : shape[0], : shape[1]]
    sent = sent_by_the_page(codec, h, tmp_path, pictures=True)
    packets = [bytes.fromhex(one["packet"]) for one in sent]
    h_hat = codec.decompress(packets)
    every = packet_parts.parts(codec, packets)
    for i, one in enumerate(sent):
        wrote = as_csi(one["hHat"], shape)[0]
        np.testing.assert_allclose(wrote, h_hat[i], atol=1e-5)
        for picture, figure in zip(one["csi"], charts.csi(h[i], h_hat[i], domain)):
            same_picture(picture, figure)
        same_picture(one["paths"], charts.paths(codec, packets[i], h[i]))
        assert [what for what, _ in one["parts"]] == [part.kind for part in every[i]]
        sizes = [part.bits for part in every[i]]
        np.testing.assert_allclose([bits for _, bits in one["parts"]], sizes)
        means = {"paths": packet_parts.mean_bits([every[i]]), "other": {"check": 11}}
        bars = charts.bits_of_parts(means).update_xaxes(title_text="bits of a packet")
        same_picture(one["bits"], bars)
        view = report.packet_view(report.Packet("", packets[i], every[i]))["bytes"]
        for mine, theirs in zip(one["bytes"], view, strict=False):
            assert mine["text"] == theirs["text"] and mine["words"] == theirs["words"]
            colours = [list(stop) for stop in theirs["stops"]]
            assert [c for c, *_ in mine["stops"]] == [c for c, *_ in colours]
            places = [stop[1:] for stop in colours]
            np.testing.assert_allclose([s[1:] for s in mine["stops"]], places)
        assert len(one["bytes"]) == len(view) == len(packets[i])


@pytest.mark.parametrize("coder", CODERS)
@pytest.mark.parametrize("quantizer", ["uniform", "mulaw", "float", "dithered"])
def test_symbols_become_codewords_and_parts_of_packets(quantizer, coder, tmp_path):
    rng = np.random.default_rng(0)
    y = (3 * rng.standard_normal((4, 8))).astype(np.float32)
    y[0, :2] = 900, -900  # Behind escapes.
    grid = {
        "uniform": lambda: grids.UniformGrid(rng.uniform(0.1, 2, 8)),
        "dithered": lambda: grids.UniformGrid(
            rng.uniform(0.1, 2, 8), rng.uniform(-0.5, 0.5, 8)
        ),
        "mulaw": lambda: grids.MuLawGrid(8, 6, 50.0),
        "float": lambda: grids.FloatGrid(8),
    }[quantizer]()
    symbols, side = grid.quantize(y)
    tables = Tables.from_pmf([[0.5]], 0, np.zeros(0, int))
    if grid.num_symbols:
        tables = Tables.from_counts(symbols[2:], coder)
    session = Session("demo", 4, 5, bytes(8))
    name = "uniform" if quantizer == "dithered" else quantizer
    sending.save_tables(tmp_path / "t.npz", session, tables, name, grid, False)
    message = {"tables": str(tmp_path / "t.npz"), "y": y.tolist()}
    sent = node(SYMBOLS, message)
    packets = sending.packets(symbols, side, session, tables)
    y_hat = grid.dequantize(symbols, side)
    codec = Receiver(session, tables, symbols, side)
    for i, (one, parts) in enumerate(zip(sent, packet_parts.parts(codec, packets))):
        assert one["packet"] == packets[i].hex()
        assert one["read"] == (tables.coder == "range")
        np.testing.assert_allclose(one["y"], y_hat[i], rtol=1e-5, atol=2e-4)
        assert [what for what, _ in one["parts"]] == [part.kind for part in parts]
        sizes = [part.bits for part in parts]
        np.testing.assert_allclose([bits for _, bits in one["parts"]], sizes)


class Receiver:
    """As much of a codec of symbols as `packet_parts` asks for."""

    def __init__(self, session, tables, symbols, side):
        self.session, self.tables = session, tables
        self.symbols = self.bits_estimated = lambda h: None
        self.receive = lambda packets: (symbols, side)
