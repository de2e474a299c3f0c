"""Laws of the codec: what is sent arrives, on any machine; all else is refused."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tfcsi import metrics, models, transforms
from tfcsi.codecs.neural import Codec, load
from tfcsi.coding import rangecoder
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.packets import CRC_BITS, PacketError, pack
from tfcsi.coding.tables import Tables

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "workdirs"

OTHER_PROCESS = """
import sys
import numpy as np
from tfcsi.coding.packet_file import read_file
from tfcsi.codecs.neural import load

workdir, csi, received, answer = sys.argv[1:]
codec = load(workdir)
session, packets = read_file(received)
assert session == codec.session
symbols, side = codec.receive(packets)
same = codec.compress(np.load(csi)) == packets
np.savez(answer, symbols=symbols, h_hat=codec.decompress(packets), same=same)
"""


@pytest.fixture(scope="module")
def some(h):
    """Twenty matrices that no training saw."""
    return h[-20:]


@pytest.fixture(scope="module")
def make_codec(make_config, dense, h):
    """The function (**fields) -> linear codec at the KLT, with Huffman tables."""

    def make(**fields):
        codec = Codec(make_config(model=dense, **fields))
        models.get(dense).initialize_klt(codec.encoder, codec.decoder, h[:300])
        codec.quantizer.initialize(codec.analysis(transforms.to_real(h[:300])), 1e-3)
        symbols, _ = codec.symbols(h[:300])
        codec.use(Tables.from_counts(symbols, "huffman"))
        return codec

    return make


@pytest.fixture(scope="module")
def gain_codec(make_codec):
    """A codec that sends the scale of each matrix."""
    return make_codec(send_gain=True)


@pytest.fixture(scope="module")
def mulaw_codec(make_codec):
    """A codec that sends minimum and maximum of each codeword."""
    return make_codec(quantizer="mulaw", quantizer_args={"bits": 5, "mu": 255.0})


def variant(workdir, folder, **fields):
    """Copy of a workdir whose config has other fields."""
    copy = shutil.copytree(workdir, folder / "run")
    path = copy / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return copy


def relative_error(h, h_hat):
    return metrics.nmse(h, h_hat).max()


@pytest.mark.slow
def test_another_process_gets_the_same_symbols_and_csi(codec, workdir, some, tmp_path):
    names = [str(tmp_path / n) for n in ("h.npy", "packets.tcsi", "answer.npz")]
    packets = codec.compress(some)
    np.save(names[0], some)
    write_file(names[1], codec.session, packets)
    subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, str(workdir), *names],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    with np.load(names[2]) as answer:
        np.testing.assert_array_equal(answer["symbols"], codec.symbols(some)[0])
        np.testing.assert_array_equal(answer["h_hat"], codec.decompress(packets))
        assert answer["same"]


def test_what_arrives_is_close_to_what_was_sent(codec, some):
    h_hat = codec.decompress(codec.compress(some))
    assert h_hat.shape == some.shape and h_hat.dtype == np.complex64
    assert metrics.nmse(some, h_hat).mean() < 0.5


def test_receive_inverts_compress(codec, gain_codec, mulaw_codec, some):
    for each in (codec, gain_codec, mulaw_codec):
        sent, received = each.symbols(some), each.receive(each.compress(some))
        for one, two in zip(sent, received):
            np.testing.assert_array_equal(one, two)
            assert one.dtype == two.dtype


def test_a_matrix_alone_is_the_same_as_in_a_batch(codec, some):
    packets = codec.compress(some)
    assert [codec.compress(matrix[None])[0] for matrix in some[:5]] == packets[:5]
    one_by_one = [codec.decompress([packet])[0] for packet in packets[:5]]
    np.testing.assert_allclose(one_by_one, codec.decompress(packets)[:5], atol=1e-6)


def test_no_matrices_are_no_packets(codec, gain_codec, mulaw_codec, some):
    for each in (codec, gain_codec, mulaw_codec):
        assert each.compress(some[:0]) == []
        assert each.decompress([]).shape == (0, 16, 16)


def test_a_packet_is_check_side_information_and_payload(
    codec, gain_codec, mulaw_codec, some
):
    for each, side_bytes in ((codec, 0), (gain_codec, 2), (mulaw_codec, 4)):
        symbols, side = each.symbols(some)
        coded, num_bits = rangecoder.encode_bits(symbols, each.tables)
        for i, packet in enumerate(each.compress(some)):
            count = 8 * side_bytes + num_bits[i]
            assert len(packet) == -(-(CRC_BITS + count) // 8)
            string = "".join(f"{byte:08b}" for byte in packet)[CRC_BITS:]
            payload = side[i].astype(">u2").tobytes() + coded[i]
            expected = "".join(f"{byte:08b}" for byte in payload)[:count]
            assert string == expected.ljust(len(string), "0")


def test_bits_estimated_are_those_of_the_payload(codec, mulaw_codec, some):
    for each in (codec, mulaw_codec):
        symbols, _ = each.symbols(some)
        real = [8 * len(p) for p in rangecoder.encode(symbols, each.tables)]
        surplus = real - each.bits_estimated(symbols)
        assert (-8 <= surplus).all() and (surplus < 16).all()


def test_save_and_load_are_exact(codec, mulaw_codec, some, tmp_path):
    for i, each in enumerate((codec, mulaw_codec)):
        each.save(tmp_path / str(i))
        again = load(tmp_path / str(i))
        assert again.config.to_dict() == json.loads(json.dumps(each.config.to_dict()))
        for one, two in (
            (each.encoder.get_weights(), again.encoder.get_weights()),
            (each.decoder.get_weights(), again.decoder.get_weights()),
        ):
            assert len(one) == len(two)
            assert all(np.array_equal(a, b) for a, b in zip(one, two))
        assert again.session == each.session
        packets = each.compress(some)
        assert again.compress(some) == packets
        np.testing.assert_array_equal(
            again.decompress(packets), each.decompress(packets)
        )
        assert not list((tmp_path / str(i)).glob(".*"))


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1.0, 1e3, 1e37])
def test_a_codec_that_sends_the_gain_takes_any_scale(gain_codec, some, scale):
    packets = gain_codec.compress((some * scale).astype(np.complex64))
    h_hat = gain_codec.decompress(packets)
    reference = gain_codec.decompress(gain_codec.compress(some))
    # A gain is right to 1 / 512 of an octave, and symbols near a tie may differ.
    assert relative_error(some, h_hat / scale) < 0.8
    change = metrics.nmse(reference, h_hat / scale)
    assert np.median(change) < 1e-2
    ratio = np.abs(h_hat / scale).max((1, 2)) / np.abs(reference).max((1, 2))
    assert np.median(np.abs(ratio - 1)) < 0.05


def test_a_matrix_of_zeros_comes_back_as_nearly_zero(gain_codec, some):
    h_hat = gain_codec.decompress(gain_codec.compress(np.zeros_like(some)))
    assert np.abs(h_hat).max() < 1e-36
    with pytest.raises(ValueError, match=r"h\[0\] holds NaN or more than 4.3e\+37"):
        gain_codec.compress(some * np.float32(1e38))


def test_a_codec_without_tables_says_what_to_do(make_config, dense, some):
    codec = Codec(make_config(model=dense))
    words = r"no entropy tables: train it, or call use\(tables\)"
    for attempt in (
        lambda: codec.session,
        lambda: codec.compress(some),
        lambda: codec.decompress([b"\0\0\0"]),
    ):
        with pytest.raises(RuntimeError, match=words):
            attempt()
    with pytest.raises(ValueError, match="code 5 positions, the codeword has 32"):
        codec.use(Tables.from_counts(np.zeros((3, 5), np.int32)))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda h: h[0], r"complex64 \[16, 16\]; this codec takes complex \[n, 16, 16"),
        (lambda h: h[:, :8], r"\[20, 8, 16\]; this codec takes complex"),
        (lambda h: h.real, r"float32 \[20, 16, 16\]; this codec takes complex"),
        (lambda h: h * np.where(np.arange(20) == 3, np.nan, 1)[:, None, None], "NaN"),
        (lambda h: h * np.where(np.arange(20) == 3, np.inf, 1)[:, None, None], "NaN"),
        (lambda h: h * 2, r"max \|h\| = 1; .*to_peak.*send_gain=True"),
        (lambda h: h * 0, r"h\[0\] has max \|h\| = 0"),
    ],
)
def test_csi_that_the_codec_was_not_made_for_is_refused(codec, some, spoil, words):
    with np.errstate(invalid="ignore"):
        spoilt = spoil(some)
    with pytest.raises(ValueError, match=words):
        codec.compress(spoilt)
    if words == "NaN":
        with pytest.raises(ValueError, match=r"h\[3\] holds NaN or more than"):
            codec.compress(spoilt)


def test_every_single_bit_flip_of_a_packet_is_refused(codec, some):
    packets = codec.compress(some[:3])
    for bit in range(8 * len(packets[1])):
        flipped = bytearray(packets[1])
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(PacketError, match="packet 1 "):
            codec.decompress([packets[0], bytes(flipped), packets[2]])


def test_a_packet_cut_short_or_made_longer_is_refused(codec, some):
    (packet,) = codec.compress(some[:1])
    for length in range(len(packet)):
        with pytest.raises(PacketError, match="packet 0"):
            codec.decompress([packet[:length]])
    with pytest.raises(PacketError, match="packet 0"):
        codec.decompress([packet + b"\0"])


def test_a_forged_payload_is_refused(codec, mulaw_codec, gain_codec):
    for each, payload, words in (
        (codec, b"\xff" * 2000, "packet 0: "),
        (mulaw_codec, b"\0\0", "packet 0: 3 bytes are too few for 4 bytes of side"),
        (gain_codec, b"", "packet 0: 1 bytes are too few for 2 bytes of side"),
    ):
        with pytest.raises(PacketError, match=words):
            each.decompress(pack([payload], each.session))
    symbols = np.zeros((1, mulaw_codec.quantizer.num_symbols), int)
    forged = mulaw_codec.send(symbols, np.zeros((1, 2), np.uint16))
    words = "side information: .*codeword 0 are not in order"
    with pytest.raises(PacketError, match=words):
        mulaw_codec.decompress(forged)


def test_the_fingerprint_covers_what_the_base_station_needs(workdir, codec, some):
    mutable = load(workdir)
    packets, tables = codec.compress(some), mutable.tables
    seen = {mutable.session.fingerprint}

    def changed():
        mutable.use(tables)
        before = len(seen)
        seen.add(mutable.session.fingerprint)
        if len(seen) == before:
            return False
        with pytest.raises(PacketError, match="belongs to another session"):
            mutable.decompress(packets)
        return True

    for layer in (mutable.encoder.get_layer("conv"), mutable.encoder.layers[-1]):
        layer.set_weights([1.01 * weight for weight in layer.get_weights()])
        assert not changed()
    for layer in mutable.decoder.layers:
        for weight in layer.weights:
            weight.assign(weight + 1e-3)
            assert changed(), weight.name
    step = mutable.quantizer.log_step
    step.assign(step + 1e-3)
    assert changed()
    tables = Tables.from_counts(codec.symbols(some)[0])
    assert changed()


def test_the_fingerprint_covers_the_gain_and_the_arguments(make_codec, some):
    arguments = {"quantizer": "mulaw", "quantizer_args": {"bits": 5, "mu": 255.0}}
    codecs = [make_codec(**arguments), make_codec(**arguments)]
    assert codecs[0].session == codecs[1].session
    codecs.append(make_codec(**arguments, send_gain=True))
    arguments["quantizer_args"]["mu"] = 100.0
    codecs.append(make_codec(**arguments))
    for other in codecs[2:]:
        other.decoder.set_weights(codecs[0].decoder.get_weights())
        other.use(codecs[0].tables)
    assert len({codec.session.fingerprint for codec in codecs}) == 3
    with pytest.raises(PacketError, match="belongs to another session"):
        codecs[3].decompress(codecs[0].compress(some))


def test_the_analysis_can_be_replaced(make_codec, some):
    codec, shapes = make_codec(), []

    def analysis(x):
        shapes.append((x.shape, x.dtype))
        return np.ones((len(x), 32), np.float32) * np.exp(codec.quantizer.log_step)

    codec.analysis = analysis
    symbols, _ = codec.receive(codec.compress(some))
    np.testing.assert_array_equal(symbols, np.ones((20, 32), np.int32))
    assert shapes == [((20, 16, 16, 2), np.float32)]


def test_a_folder_that_is_no_workdir_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a workdir: .* no config.json"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="is not a workdir: .* such folder$"):
        load(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="folder; did you mean 'paths'"):
        load("path")


def test_an_unfinished_run_is_refused(workdir, tmp_path):
    shutil.copy(workdir / "config.json", tmp_path)
    with pytest.raises(FileNotFoundError, match="no codec.npz.*continue it with --res"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("codec.npz", lambda data: data[: len(data) // 2]),
        ("codec.npz", lambda data: data[:5000] + bytes(100) + data[5100:]),
        ("codec.npz", lambda data: b"not a zip"),
        ("codec.npz", lambda data: b""),
        ("config.json", lambda data: data[:50]),
        ("config.json", lambda data: b"[1, 2]"),
        ("config.json", lambda data: b"{}"),
    ],
)
def test_a_damaged_workdir_is_refused_by_the_name_of_the_file(
    workdir, tmp_path, name, damage
):
    for part in ("config.json", "codec.npz"):
        shutil.copy(workdir / part, tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{re.escape(str(path))} is damaged"):
        load(tmp_path)


@pytest.mark.parametrize(
    "fields",
    [
        {"latent_dim": 16},
        {"shape": [16, 8]},
        {"quantizer": "mulaw", "quantizer_args": {"bits": 4, "mu": 255}},
    ],
)
def test_weights_of_another_config_are_refused(workdir, tmp_path, fields):
    folder = variant(workdir, tmp_path, **fields)
    with np.load(folder / "codec.npz") as stored:
        arrays = dict(stored)
    del arrays["config"]  # Runs of earlier versions do not have it.
    np.savez(folder / "codec.npz", **arrays)
    with pytest.raises(ValueError, match="codec.npz does not fit config.json"):
        load(folder)


@pytest.mark.parametrize("name", ["csinet", "csinet_qat", "stqenet"])
def test_a_field_that_no_schema_knows_is_refused_in_an_old_run_too(name, tmp_path):
    folder = variant(GOLDEN / name, tmp_path, lmbdaa=1.0)
    with pytest.raises(ValueError, match="config.json: .*'lmbdaa'; did you mean 'lmbd"):
        load(folder)


def test_an_unknown_model_or_quantizer_is_refused(make_config, dense):
    with pytest.raises(ValueError, match="known models"):
        Codec(make_config(model="csenet"))
    with pytest.raises(ValueError, match="known quantizers"):
        Codec(make_config(model=dense, quantizer="vector"))
