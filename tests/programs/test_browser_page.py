"""The page in docs/demo, worked in headless Chromium on files of a user.

`make test-browser` installs what it needs from the npm registry and runs this file.
"""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest

import tfcsi
from tests.programs.browser import drive, in_chromium, needs_node, served
from tfcsi import metrics, transforms
from tfcsi.channels import cost2100
from tfcsi.coding.packet_file import read_file
from tfcsi.coding.packets import pack
from tfcsi.tflite import convert, exports, path_convert, runner

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.tflite,
    needs_node,
    in_chromium,
]
RATES = pathlib.Path(__file__).parents[1] / "golden" / "workdirs" / "csinet_rates"
EXPORTS = [("int8", "codeword"), ("int8", "symbols")]
WHITE, DARK = "rgb(255, 255, 255)", "rgb(18, 22, 28)"
LETTERS = {"light": "rgb(29, 37, 48)", "dark": "rgb(228, 233, 239)"}


@pytest.fixture(scope="module")
def paths(h):
    """A codec of paths for the matrices of `h`."""
    codec = tfcsi.load("paths_cost2100_indoor")
    return codec.resized(h.shape[1:], 257, "angular_delay")


@pytest.fixture(scope="module")
def site(codec, paths, h, tmp_path_factory):
    """Address and folder of the page, with codecs and files of a user beside it."""
    folder = tmp_path_factory.mktemp("site")
    encoders = {exports.DECODER_FILE: convert.export_decoder(codec)}
    for precision, output in [("float32", "codeword"), *EXPORTS]:
        x = transforms.to_real(h[:100])
        content = convert.export(codec, precision, x, output)
        encoders[exports.file_name(precision, output)] = content
    for name, content in encoders.items():
        (folder / name).write_bytes(content)
    (folder / "encoder.tflite").symlink_to(exports.file_name("float32"))
    codec.save_ue(folder / "tables.npz", **encoders)
    paths.save_ue(folder / "paths.npz")
    np.save(folder / "csi.npy", h[-3:])
    np.save(folder / "fortran.npy", np.asfortranarray(7 * h[-3:].astype("c16")))
    np.save(folder / "subcarriers.npy", transforms.to_space_frequency(h[-2:], 40))
    np.save(folder / "wide.npy", np.ones((2, 16, 20), "c8"))
    np.save(folder / "nan.npy", np.full((1, 16, 16), np.nan, "c8"))
    np.save(folder / "zero.npy", np.zeros((1, 16, 16), "c8"))
    np.save(folder / "real.npy", np.ones((2, 16, 16)))
    (folder / "text.npy").write_text("not an array")
    with served(folder) as address:
        yield address, folder


@pytest.fixture(scope="module")
def seen(site):
    """What the page shows after each of some steps, by name."""
    address, folder = site
    steps = {
        "start": {},
        "second": {"matrix": 1},
        "fine": {"nmse": -15},
        "all": {"all": True},
        "usual": {"nmse": None},
        "fortran": {"csi": str(folder / "fortran.npy")},
        "subcarriers as they are": {"csi": str(folder / "subcarriers.npy")},
        "subcarriers": {"domain": "space_frequency"},
        "angles": {"domain": "angular_delay"},
        **{name: {"csi": str(folder / f"{name}.npy")} for name in ("wide", "nan")},
        **{name: {"csi": str(folder / f"{name}.npy")} for name in ("zero", "text")},
        "real": {"csi": str(folder / "real.npy")},
        "no tables": {"tables": str(folder / "csi.npy")},
        "without": {"csi": str(folder / "csi.npy")},
        "with": {"tables": str(folder / "tables.npz")},
        "swapped": {"encoder": str(folder / exports.DECODER_FILE)},
        "random": {"random": True},
    }
    page = drive(address, list(steps.values()))
    links = filter(lambda link: not link.startswith("blob:"), page["requests"])
    assert all(link.startswith(address) for link in links)  # It needs no network.
    return dict(zip(steps, page["shown"]))


def packet_of(shown, codec, folder):
    """The packet that the page shows, which it also saves as a file of the codec."""
    packet = bytes.fromhex(shown["packet"])
    words = f"{len(packet)} bytes, {8 * len(packet)} bits; "
    assert shown["facts"].startswith(words) and not shown["bad"]
    saved = folder / "saved.tcsi"
    saved.write_bytes(bytes.fromhex(shown["file"]))
    assert read_file(saved) == (codec.session, [packet])
    return packet


def nmse_db(shown):
    """The NMSE that the page states."""
    return float(re.search(r"NMSE (-?[\d.]+) dB", shown["facts"])[1])


def check_result(shown, codec, h, folder):
    """The page shows a packet of a codec, and the NMSE of what Python decodes of it."""
    packet = packet_of(shown, codec, folder)
    h_hat = codec.decompress([packet])
    error = float(metrics.to_db(metrics.nmse(h[None], h_hat)[0]))
    assert nmse_db(shown) == pytest.approx(error, abs=0.02)
    return packet


def test_both_codecs_write_packets_that_python_decodes(
    seen, site, codec, paths, h, monkeypatch
):
    folder = site[1]
    content = (folder / exports.file_name("float32")).read_bytes()
    monkeypatch.setattr(codec, "analysis", runner.Runner(content))
    for name, matrix in (("start", h[-3]), ("second", h[-2]), ("usual", h[-2])):
        shown = seen[name]
        check_result(shown["paths"], paths, matrix, folder)
        packet = check_result(shown["neural"], codec, matrix, folder)
        assert packet == codec.compress(matrix[None])[0]
    fine = seen["fine"]["paths"]
    check_result(fine, paths, h[-2], folder)
    assert nmse_db(fine) <= -15 or "finest step" in fine["facts"]
    assert seen["start"]["paths"]["matrix"] == 0 and fine["matrix"] == 1


def test_python_reads_the_paths_that_the_page_found(seen, paths):
    shown = seen["start"]["paths"]
    packet = bytes.fromhex(shown["packet"])
    steps, norm, lists = paths.receive_lists([packet])
    assert f"; {lists.count[0]} paths" in shown["facts"] and lists.count[0] > 0
    ((payload, num_bits),) = paths.coder.parts(steps, norm, lists).payloads()
    assert pack([payload], paths.session, [num_bits]) == [packet]


def test_all_packets_of_a_file_are_saved(seen, site, codec, paths, h):
    table, folder = seen["all"]["table"], site[1]
    assert [row[0] for row in table] == ["paths", codec.name]
    for row, own in zip(table, (paths, codec)):
        path = folder / row[4]
        path.write_bytes(bytes.fromhex(row[5]))
        session, packets = read_file(path)
        assert session == own.session and len(packets) == 3 == int(row[1])
        bits = 8 * np.mean([len(packet) for packet in packets])
        assert float(row[2]) == pytest.approx(bits, abs=0.06)
        nmse = np.mean(metrics.nmse(h[-3:], own.decompress(packets)))
        assert float(row[3]) == pytest.approx(float(metrics.to_db(nmse)), abs=0.02)


def test_files_of_any_order_scale_and_domain_give_the_same_matrices(
    seen, site, codec, paths, h
):
    folder = site[1]
    shown = seen["fortran"]
    check_result(shown["paths"], paths, 7 * h[-3], folder)
    assert "power of the matrix" in shown["neural"]["facts"]
    packet = packet_of(shown["neural"], codec, folder)
    assert packet == bytes.fromhex(seen["start"]["neural"]["packet"])
    for name in ("paths", "neural"):
        words = seen["subcarriers as they are"][name]["facts"]
        assert "matrices of 16 x 40 in the domain angular_delay" in words
    shown = seen["subcarriers"]
    check_result(shown["paths"], paths, h[-2], folder)
    check_result(shown["neural"], codec, h[-2], folder)


def test_bad_files_get_a_line_that_says_what_would_do(seen):
    for name, words in (
        ("text", "text.npy: This is no .npy file. Write one with numpy.save."),
        ("real", "real.npy: The array is <f8 [2,16,16]. CSI must be complex"),
        ("no tables", "csi.npy: This is no .npz file."),
    ):
        assert words in seen[name]["status"]
        assert "packet" not in seen[name]["paths"] | seen[name]["neural"]
    for codec in ("paths", "neural"):
        assert "matrices of 16 x 20" in seen["wide"][codec]["facts"]
        assert "NaN or infinity" in seen["nan"][codec]["facts"]
    assert "no error; 0 paths" in seen["zero"]["paths"]["facts"]
    assert "zero" in seen["zero"]["neural"]["facts"]
    assert "Choose an encoder and its tables" in seen["without"]["neural"]["facts"]
    assert "packet" in seen["with"]["neural"]
    assert "Choose files of one export" in seen["swapped"]["neural"]["facts"]
    assert "packet" in seen["random"]["paths"]


@pytest.mark.parametrize("precision, output", EXPORTS)
def test_other_encoders_write_the_packets_of_the_codec(
    precision, output, site, codec, h, monkeypatch
):
    address, folder = site
    name = exports.file_name(precision, output)
    content = (folder / name).read_bytes()
    monkeypatch.setattr(codec, "analysis", runner.Runner(content))
    (shown,) = drive(f"{address}?encoder={name}", [{}])["shown"]
    packet = check_result(shown["neural"], codec, h[-3], folder)
    assert packet == codec.compress(h[-3:-2])[0]


def test_a_network_of_paths_writes_the_packets_of_the_codec(site):
    address, folder = site
    codec, h = tfcsi.load("paths_cost2100_indoor"), cost2100.simulate(1, 4, "indoor")
    content = path_convert.convert(codec.sender, "float32", "light")
    (folder / "network.tflite").write_bytes(content)
    codec.save_ue(folder / "network.npz", **{"network.tflite": content})
    np.save(folder / "network.npy", h)
    names = (
        "encoder=network.tflite&tables=network.npz&paths=network.npz&csi=network.npy"
    )
    (shown,) = drive(f"{address}?{names}", [{}])["shown"]
    packet = check_result(shown["neural"], codec, h[0], folder)
    assert packet == codec.compress(h, effort="light")[0]
    check_result(shown["paths"], codec, h[0], folder)


def test_a_codec_of_many_rates_and_contexts_keeps_to_a_limit(site, monkeypatch):
    address, folder = site
    codec, h = tfcsi.load(RATES), np.load(RATES / "csi.npz")["h"]
    contents = {
        "rates.tflite": convert.export(codec, "float32", transforms.to_real(h)),
        "rates_decoder.tflite": convert.export_decoder(codec),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    codec.save_ue(folder / "rates.npz", **contents)
    np.save(folder / "rates.npy", h)
    names = ("encoder=rates.tflite", "decoder=rates_decoder.tflite")
    names += ("tables=rates.npz", "csi=rates.npy")
    monkeypatch.setattr(codec, "analysis", runner.Runner(contents["rates.tflite"]))
    usual = codec.compress(h[:1])[0]
    limit = 8 * len(usual) - 8
    steps = [{}, {"bits": limit}, {"bits": 12}]
    first, second, third = drive(f"{address}?{'&'.join(names)}", steps)["shown"]
    assert check_result(first["neural"], codec, h[0], folder) == usual
    packet = check_result(second["neural"], codec, h[0], folder)
    assert [packet] == codec.compress(h[:1], max_bits=limit) and packet != usual
    assert "more than 12 bits at the coarsest rate" in third["neural"]["facts"]


def test_nothing_leaves_the_page_at_any_width_and_in_both_schemes(site):
    address, folder = site
    steps = [
        {"width": width, "scheme": scheme, "shot": str(folder / f"{width}{scheme}.png")}
        for width in (390, 1400)
        for scheme in LETTERS
    ]
    for step, shown in zip(steps, drive(address, [{}, *steps])["shown"][1:]):
        assert shown["overflow"] <= 0 and not shown["collisions"]
        # True, bits; decoded and error, and its own, of each codec.
        assert len(shown["charts"]) == 2 + 2 * 3
        for chart in shown["charts"]:
            assert chart["marks"] > 0 and 250 < chart["width"] <= step["width"]
            assert chart["text"] == LETTERS[step["scheme"]]
        assert shown["background"] == (DARK if step["scheme"] == "dark" else WHITE)
