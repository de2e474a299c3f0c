"""One contract for every codec: what is saved is loaded, what is sent arrives, and
what is foreign, damaged or of another kind is refused.

The neural codecs are tiny networks without a training, one a quantiser and coder,
and the runs of `tests/golden/workdirs`: with fake quantisation, with the released noise
path, with several rates, and quantised after training.
"""

from __future__ import annotations

import json
import pathlib
import re
import warnings

import numpy as np
import pytest

import tfcsi
from tests.codecs import learned_weights
from tests.conftest import sampled
from tfcsi import metrics, transforms
from tfcsi.__main__ import main
from tfcsi.codecs import requantize
from tfcsi.codecs.contract import CodewordCodec, SymbolCodec, rates_of
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.learned import Learned
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.topk import TopK
from tfcsi.codecs.workdir import KINDS
from tfcsi.coding.packets import CRC_BITS, HEADER_BYTES, PacketError
from tfcsi.coding.tables import CODERS, Tables
from tfcsi.entropy import priors
from tfcsi.entropy.quantizers import QUANTIZERS
from tfcsi.evaluation.measure import evaluate

SHAPE = (8, 8)
RUNS = sorted((pathlib.Path(__file__).parents[1] / "golden" / "workdirs").iterdir())
DENSE = {"model": "dense", "latent_dim": 8}
# Networks without a training: fields of their config.
UNTRAINED = {
    "uniform": DENSE,
    "uniform_huffman": {**DENSE, "coder": "huffman"},
    "mulaw": {
        **DENSE,
        "quantizer": "mulaw",
        "quantizer_args": {"bits": 4, "mu": 255.0},
    },
    "float": {**DENSE, "quantizer": "float"},
    "send_gain": {**DENSE, "send_gain": True},
    "csi_inr": {
        "model": "csi_inr",
        "network": {"widths": (8, 8), "features": 4},
        "latent_dim": 6,
        "quantizer": "mulaw",
        "quantizer_args": {"bits": 6, "mu": 255.0},
    },
}
# Name of a codec to its kind in the registry.
CODECS = {
    "klt": "klt",
    "topk": "topk",
    "dft_grid": "dft_grid",
    "gaussian_mixture": "gaussian_mixture",
    "paths": "paths",
    "learned": "learned",
    "requantised": "neural",
    **dict.fromkeys(UNTRAINED, "neural"),
    **{f"golden_{folder.name}": "neural" for folder in RUNS},
}
# Old runs are decoded by the default suite in test_old_runs, too.
QUICK = [name for name in CODECS if not re.match("golden_(?!csinet_qat)", name)]
ANY_SCALE = ("dft_grid", "learned", "paths")  # Each packet holds the norm.
CONTEXTUAL = ("dft_grid", "gaussian_mixture", "learned", "paths", "topk")
WISHES = {"step": 0.1, "nmse_db": -10.0, "max_bits": 200}


@pytest.fixture(scope="module")
def matrices(draw_csi):
    """Complex64 [60, 8, 8]; the last ten are sent."""
    return draw_csi(60, SHAPE)


@pytest.fixture(scope="module")
def make_untrained(make_config, dense, matrices):
    """The function (fields) -> codec with random weights and tables of its symbols."""

    def make(fields):
        codec = Codec(make_config(**{"shape": SHAPE, "init": "random", **fields}))
        y, _ = codec.codewords(matrices[:50])
        codec.quantizer.initialize(y, 1e-3)
        symbols, _ = codec.symbols(matrices[:50])
        if symbols.size:
            codec.use(Tables.from_counts(symbols, codec.config.coder))
        else:
            codec.use(priors.get("none")(0, None, codec.config.coder).freeze(symbols))
        return codec

    return make


@pytest.fixture(scope="module", params=sampled(CODECS, QUICK))
def each(request, matrices, make_untrained, tmp_path_factory):
    name = request.param
    if name == "klt":
        return Klt.at_bits(matrices[:50], 120)
    if name == "topk":
        return TopK(SHAPE, 6, 4, 10.0)
    if name == "dft_grid":
        return DftGrid.fit(matrices[:50], 0.1)
    if name == "gaussian_mixture":
        return GaussianMixture.at_bits(matrices[:50], 120)
    if name == "paths":
        return Paths.fit(matrices[:50], num_fft=8)
    if name == "learned":
        path = tmp_path_factory.mktemp("weights") / "weights.npz"
        np.savez(path, **learned_weights.arrays())
        return Learned.trained(path, matrices[:50], rate=1)
    if name == "requantised":
        source = make_untrained(UNTRAINED["float"])
        return requantize.quantized(source, transforms.to_real(matrices[:50]), 5)
    if name in UNTRAINED:
        return make_untrained(UNTRAINED[name])
    (folder,) = (folder for folder in RUNS if name == f"golden_{folder.name}")
    return tfcsi.load(folder)


@pytest.fixture
def folder(each, tmp_path):
    each.save(tmp_path / "run")
    return tmp_path / "run"


def test_every_kind_of_codec_quantizer_and_coder_is_here():
    stored = [json.loads((folder / "config.json").read_text()) for folder in RUNS]
    fields = [*UNTRAINED.values(), *stored]
    for kind in set(CODECS.values()) ^ KINDS.keys():
        pytest.fail(f"{kind!r} must stand in KINDS of codecs/workdir.py and in CODECS")
    assert {f.get("quantizer", "uniform") for f in fields} == QUANTIZERS.keys()
    assert {f.get("coder", "range") for f in fields} == set(CODERS)


def test_what_is_saved_is_loaded_and_writes_the_same_packets(
    each, folder, matrices, request
):
    again, sent = tfcsi.load(folder), matrices[-10:]
    assert type(again) is type(each) and again.session == each.session
    kind = CODECS[request.node.callspec.params["each"]]
    assert type(again).__module__ == KINDS[kind]
    packets = each.compress(sent)
    assert again.compress(sent) == packets
    np.testing.assert_allclose(
        again.decompress(packets), each.decompress(packets), atol=1e-6
    )
    one, two = (json.loads(json.dumps(codec.describe())) for codec in (each, again))
    assert one == two


def test_csi_arrives_in_its_shape_and_bits_are_those_of_packets(each, matrices):
    sent = matrices[-10:]
    packets = each.compress(sent)
    assert all(isinstance(packet, bytes) for packet in packets)
    h_hat = each.decompress(packets)
    assert h_hat.shape == sent.shape and h_hat.dtype == np.complex64
    point = evaluate(each, sent)
    assert point["bits"] == 8 * np.mean([len(packet) for packet in packets])
    assert metrics.nmse(sent, h_hat).mean() == pytest.approx(
        10 ** (point["nmse_db"] / 10), rel=1e-3
    )


def test_a_matrix_codes_alike_alone_and_in_a_batch(each, matrices):
    packets, one = each.compress(matrices[-10:]), each.compress(matrices[-7:-6])
    assert each.config.get("quantizer") == "float" or one == packets[3:4]
    alone = each.decompress(one)
    np.testing.assert_allclose(alone, each.decompress(packets)[3:4], atol=1e-5)


def test_no_matrices_are_no_packets(each, matrices):
    assert each.compress(matrices[:0]) == []
    assert each.decompress([]).shape == (0, *SHAPE)


def test_a_codec_describes_itself(each):
    facts = each.describe()
    assert facts["codec"] == each.name == each.session.codec
    assert facts["config"]["model"] == each.name
    assert tuple(facts["config"]["shape"]) == each.shape == SHAPE
    assert (each.session.num_tx, each.session.num_delay) == SHAPE
    assert each.domain in transforms.DOMAINS


@pytest.mark.parametrize("argument", WISHES)
def test_a_codec_refuses_by_name_what_it_cannot_fulfil(each, matrices, argument):
    wish = {argument: WISHES[argument]}
    if each.name == "paths" or rates_of(each):
        with warnings.catch_warnings(record=True):  # Of an NMSE that it cannot reach.
            packets = each.compress(matrices[-3:], **wish)
        assert each.decompress(packets).shape == (3, *SHAPE)
    else:
        words = f"codec {each.name!r} cannot compress with {argument}={wish[argument]}"
        with pytest.raises(ValueError, match=f"{words}: ."):
            each.compress(matrices[-3:], **wish)
    with pytest.raises(TypeError, match="positional"):
        each.compress(matrices[-3:], 0.1)


def test_symbols_arrive_as_they_were_and_cost_what_the_tables_promise(each, matrices):
    if not isinstance(each, SymbolCodec):
        assert each.name in CONTEXTUAL
        return
    packets = each.compress(matrices[-10:])
    symbols, side = each.symbols(matrices[-10:])
    for sent, received in zip((symbols, side), each.receive(packets)):
        np.testing.assert_array_equal(received, sent)
    version = each.session.version
    head = 8 * HEADER_BYTES if version == 1 else CRC_BITS
    coded = [8 * len(packet) - head - 16 * side.shape[1] for packet in packets]
    surplus = coded - each.bits_estimated(symbols)
    low, high = (-8, 16) if version == 1 else (-0.1, 10)
    assert np.all(surplus > low) and np.all(surplus < high + 0.02 * np.array(coded))


def test_the_steps_of_a_codeword_are_those_of_compress_and_decompress(each, matrices):
    if not isinstance(each, CodewordCodec):
        assert each.name in ("klt", *CONTEXTUAL)
        return
    sent = matrices[-10:]
    symbols, side = each.quantize(*each.codewords(sent))
    packets = each.compress(sent)
    assert each.send(symbols, side) == packets
    y_hat, scale = each.dequantize(symbols, side)
    h_hat = each.synthesis(y_hat) * scale
    np.testing.assert_array_equal(h_hat, each.decompress(packets))


def test_the_commands_take_every_codec(each, folder, matrices, tmp_path, capsys):
    h, packets, h_hat = (tmp_path / n for n in ("h.npy", "h.tcsi", "h_hat.npy"))
    np.save(h, matrices[-10:])
    run = f"--workdir={folder}"
    assert main(["tfcsi", "compress", run, f"--input={h}", f"--output={packets}"]) == 0
    flags = [run, f"--input={packets}", f"--output={h_hat}"]
    assert main(["tfcsi", "decompress", *flags]) == 0
    np.testing.assert_array_equal(
        np.load(h_hat), each.decompress(each.compress(matrices[-10:]))
    )
    assert main(["tfcsi", "info", str(folder)]) == 0
    assert main(["tfcsi", "info", str(packets), run, "--packet=3"]) == 0
    assert each.session.fingerprint.hex() in capsys.readouterr().out


def test_packets_of_another_session_are_refused(each, matrices):
    foreign = TopK(SHAPE, 5, 3, 0.0).compress(matrices[-10:])
    with pytest.raises(PacketError, match="packet 0"):
        each.decompress(foreign)


def test_one_bytes_object_is_refused(each, matrices):
    packets = each.compress(matrices[-3:])
    for no_list in (packets[0], b"".join(packets), bytearray(packets[0])):
        with pytest.raises(PacketError, match="give a list of packets"):
            each.decompress(no_list)


def test_a_damaged_packet_is_refused_by_its_number(each, matrices):
    packets = each.compress(matrices[-3:])
    packets[1] = packets[1][:-1] + bytes([packets[1][-1] ^ 4])
    with pytest.raises(PacketError, match="packet 1 "):
        each.decompress(packets)
    with pytest.raises(PacketError, match="packet 0 "):
        each.decompress([packets[0][:-1]])


@pytest.mark.parametrize("shape", [(3, 8, 9), (3, 9, 8), (8, 8), (3, 8, 8, 2)])
def test_csi_of_another_shape_is_refused(each, shape):
    with pytest.raises(ValueError, match=r"\[n, 8, 8\]"):
        each.compress(np.zeros(shape, np.complex64))


@pytest.mark.parametrize("kind", ["real", "None", "ragged", "text", "one"])
def test_what_is_no_complex_array_is_refused_by_name(each, matrices, kind):
    h = {
        "real": np.abs(matrices[-3:]),
        "None": None,
        "ragged": [matrices[-1], matrices[-1, :4]],
        "text": "h.npy",
        "one": matrices[-1].tolist(),
    }[kind]
    with pytest.raises(ValueError, match=r"^h is .*takes complex \[n, 8, 8\]"):
        each.compress(h)


def test_a_list_of_matrices_and_any_iterable_of_packets_will_do(each, matrices):
    packets = each.compress(matrices[-3:])
    assert each.compress(list(matrices[-3:])) == packets
    h_hat = each.decompress(packet for packet in packets)
    np.testing.assert_array_equal(h_hat, each.decompress(packets))


def test_what_is_no_packet_is_refused_by_its_number(each, matrices):
    (packet,) = each.compress(matrices[-1:])
    for stranger in (None, 3, "packet", [packet]):
        with pytest.raises(PacketError, match="packet 1 is a .*a packet is bytes"):
            each.decompress([packet, stranger])
    for nothing in (None, 3):
        with pytest.raises(PacketError, match="give a list of packets"):
            each.decompress(nothing)


@pytest.mark.parametrize("scale", [1e-4, 1e-30])
def test_csi_far_too_weak_is_refused_by_number_unless_the_scale_is_sent(
    each, matrices, scale
):
    sent = matrices[-3:].copy()
    usual = metrics.nmse(sent, each.decompress(each.compress(sent)))
    sent[1] *= scale
    if each.name in ANY_SCALE or each.config.get("send_gain"):
        try:
            packets = each.compress(sent)
        except ValueError as error:
            assert re.match(
                r"h\[1\] has norm .*; this codec takes 5.4e-20 to", str(error)
            )
        else:
            assert (metrics.nmse(sent, each.decompress(packets)) < 3 * usual).all()
    else:
        with pytest.raises(ValueError, match=r"^h\[1\] has .*--scale"):
            each.compress(sent)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_csi_that_is_not_finite_is_refused(each, matrices, bad):
    h = matrices[-3:].copy()
    h[1, 2, 3] = bad
    with pytest.raises(ValueError, match="NaN|infinit|finite"):
        each.compress(h)


def test_a_damaged_file_of_weights_is_refused_by_name(each, folder):
    path = folder / "codec.npz"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="codec.npz is damaged"):
        tfcsi.load(folder)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="holds no codec.npz"):
        tfcsi.load(folder)


def test_a_config_that_does_not_fit_is_refused(each, folder):
    (folder / "config.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="config.json is damaged"):
        tfcsi.load(folder)


@pytest.mark.parametrize("fields", [{"model": ["klt"]}, {"domain": "delay"}])
def test_a_field_of_the_config_that_makes_no_sense_is_refused(each, folder, fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    with pytest.raises(ValueError, match="config.json is damaged"):
        tfcsi.load(folder)


def test_arrays_that_do_not_fit_or_are_not_finite_are_refused(each, folder):
    path = folder / "codec.npz"
    arrays = dict(np.load(path))
    for name, array in arrays.items():
        if array.dtype.kind in "fc":
            np.savez(path, **{**arrays, name: np.full_like(array, np.nan)})
            with pytest.raises(ValueError, match="finite|negative|sound"):
                tfcsi.load(folder)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"shape": [4, 16]},
            r"'shape' is \[4, 16\], but .*set it back|does not fit codec.npz",
        ),
        ({"shap": [8, 8]}, "'shap'.*[Dd]id you mean 'shape'"),
    ],
)
def test_a_config_that_was_changed_is_refused_by_the_name_of_the_field(
    folder, fields, words
):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    with pytest.raises(ValueError, match=words):
        tfcsi.load(folder)


def test_the_basis_of_a_klt_has_the_size_of_its_matrices(tmp_path, matrices):
    codec = Klt.at_bits(matrices, 300)
    codec.basis = codec.basis[:, :9]
    codec.save(tmp_path)
    with pytest.raises(ValueError, match="no sound codec.*basis is"):
        tfcsi.load(tmp_path)
