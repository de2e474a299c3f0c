"""What runs on the phone: the packets of the codec, with little installed."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import tfcsi
from tfcsi import __main__ as command_line
from tfcsi import models, transforms
from tfcsi.codecs.neural import Codec
from tfcsi.coding.packet_file import read_file
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.coding.tables import Tables
from tfcsi.tflite import convert, exports, runner
from tfcsi.ue import Ue, main, microseconds

pytestmark = pytest.mark.tflite
ROOT = pathlib.Path(__file__).parents[1]
PROGRAMS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("train", "tflite")
    for path in ROOT.glob(f"{folder}/*.py")
)
NOT_ON_A_PHONE = "absl h5py matplotlib ml_collections scipy tensorflow tqdm".split()
LATENT = 32

ENCODE = """
import sys
import numpy as np
from tfcsi.ue import Ue

ue = Ue(*sys.argv[1:3])
symbols = [ue.symbols(matrix)[0] for matrix in np.load(sys.argv[3])]
np.save(sys.argv[4], np.concatenate(symbols))
"""
RECEIVE = """
import sys
import numpy as np
import tfcsi
from tfcsi.coding.packet_file import read_file

codec = tfcsi.load(sys.argv[1])
session, packets = read_file(sys.argv[2])
assert session == codec.session
np.save(sys.argv[3], codec.receive(packets)[0])
"""


@pytest.fixture(scope="module")
def coarse(h):
    """CSI [20, 16, 16] of multiples of 1/64, so that sums are exact in any order."""
    h = np.round(64 * h[-20:]) / 64
    for matrix in h:
        matrix.flat[np.abs(matrix).argmax()] = 0.5
    return h.astype(np.complex64)


@pytest.fixture(scope="module")
def make_codec(make_config, dense, coarse):
    """The function (coder, **fields) -> codec whose dense encoder holds integers."""

    def make(coder="range", **fields):
        codec = Codec(make_config(model=dense, latent_dim=LATENT, **fields))
        layer = codec.encoder.get_layer("codeword")
        kernel = np.random.default_rng(0).integers(-1, 2, layer.kernel.shape)
        layer.set_weights([kernel, np.zeros(LATENT)])
        codec.quantizer.initialize(codec.codewords(coarse)[0], 1e-2)
        symbols, _ = codec.symbols(coarse[:5])  # The others need escapes.
        if symbols.size:
            tables = Tables.from_counts(symbols, coder)
        else:
            tables = Tables.from_pmf([[1.0]], 0, np.zeros(0, int), coder)
        codec.use(tables)
        return codec

    return make


@pytest.fixture(scope="module")
def codec(make_codec):
    """A codec with a uniform quantiser."""
    return make_codec()


def bundle(codec, folder, flatbuffer=None):
    """Writes both files of a UE and loads them."""
    if flatbuffer is None:
        flatbuffer = convert.convert(codec.encoder, "float32")
    (folder / "encoder.tflite").write_bytes(flatbuffer)
    codec.save_ue(folder / TABLES_FILE, encoder=flatbuffer)
    return Ue(folder / "encoder.tflite", folder / TABLES_FILE)


def stored_as(encoder, dtype, x):
    """TFLite encoder whose input and output are quantised integers."""
    converter = tf.lite.TFLiteConverter.from_keras_model(encoder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([row[None]] for row in x)
    wide = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    kind = wide if dtype == tf.int16 else "TFLITE_BUILTINS_INT8"
    converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, kind)]
    converter.inference_input_type = converter.inference_output_type = dtype
    return converter.convert()


def run_without(names, code):
    """Runs Python code in a process that has not the packages of these names."""
    hide = f"import sys; sys.modules.update(dict.fromkeys({names!r}))\n"
    command = [sys.executable, "-c", hide + code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"coder": "huffman"},
        {"send_gain": True},
        {"quantizer": "mulaw", "quantizer_args": {"bits": 5, "mu": 255.0}},
        {"quantizer": "float"},
    ],
    ids=["range", "huffman", "gain", "mulaw", "float"],
)
def test_packets_are_those_of_the_codec(make_codec, coarse, fields, tmp_path):
    codec = make_codec(**fields)
    ue = bundle(codec, tmp_path)
    assert ue.session == codec.session
    content = (tmp_path / "encoder.tflite").read_bytes()
    codec.analysis = runner.Runner(content)
    h = 4 * coarse if fields.get("send_gain") else coarse
    packets = [ue.encode(matrix) for matrix in h]
    assert packets == codec.compress(h)
    assert len(set(packets)) == len(packets)


def test_symbols_are_those_that_the_base_station_receives(codec, coarse, tmp_path):
    ue = bundle(codec, tmp_path)
    symbols, side = codec.receive([ue.encode(matrix) for matrix in coarse])
    for matrix, *received in zip(coarse, symbols, side):
        for ours, theirs in zip(ue.symbols(matrix), received):
            np.testing.assert_array_equal(ours[0], theirs)
    assert np.abs(symbols).max() > 1


@pytest.mark.parametrize("dtype", [tf.int8, tf.uint8, tf.int16])
def test_integer_inputs_and_outputs_are_scaled(codec, coarse, dtype, tmp_path):
    x = transforms.to_real(coarse)
    ue = bundle(codec, tmp_path, stored_as(codec.encoder, dtype, x))
    y = codec.analysis(x)
    error = np.concatenate([ue.analysis(row[None]) for row in x]) - y
    bound = 1e-3 if dtype == tf.int16 else 0.05
    assert np.sqrt(np.mean(error**2) / np.mean(y**2)) < bound
    assert len({ue.encode(matrix) for matrix in coarse}) == len(coarse)


def test_an_encoder_that_puts_out_symbols_sends_the_same(codec, coarse, tmp_path):
    y = tf.round(codec.encoder.output / codec.quantizer.step)
    encoder = tf.keras.Model(codec.encoder.input, tf.cast(y, tf.int32))
    ue = bundle(codec, tmp_path, convert.convert(encoder, "float32"))
    symbols = np.concatenate([ue.symbols(matrix)[0] for matrix in coarse])
    assert symbols.dtype == np.int32
    u = codec.codewords(coarse)[0] / codec.quantizer.step
    no_tie = np.abs(u - np.floor(u) - 0.5) > 1e-3
    np.testing.assert_array_equal(symbols[no_tie], codec.symbols(coarse)[0][no_tie])
    packets = [ue.encode(matrix) for matrix in coarse]
    np.testing.assert_array_equal(codec.receive(packets)[0], symbols)


def test_an_encoder_that_puts_out_words_sends_them(make_codec, coarse, tmp_path):
    codec = make_codec(quantizer="mulaw", quantizer_args={"bits": 5, "mu": 255.0})

    def to_words(y, join, cast):
        return join([cast(8 * y) % 32, cast(y[:, :2] * 2**15) % 2**16], 1)

    y = codec.encoder.output
    y = to_words(y, tf.concat, lambda y: tf.cast(tf.abs(y), tf.int32))
    encoder = tf.keras.Model(codec.encoder.input, y)
    ue = bundle(codec, tmp_path, convert.convert(encoder, "float32"))
    y = codec.codewords(coarse)[0]
    y = to_words(y, np.concatenate, lambda y: np.abs(y).astype(np.int32))
    packets = [ue.encode(matrix) for matrix in coarse]
    symbols, side = codec.receive(packets)
    np.testing.assert_array_equal(np.concatenate([symbols, side], 1), y)
    assert side.max() > 2**15
    codec.analysis = lambda x: y
    assert codec.compress(coarse) == packets


def test_the_command_writes_what_decompress_reads(
    codec, coarse, tmp_path, monkeypatch, capsys
):
    bundle(codec, tmp_path)
    np.save(tmp_path / "h.npy", coarse)
    names = {"encoder": "encoder.tflite", "tables": TABLES_FILE}
    names |= {"input": "h.npy", "output": "h.tcsi"}
    flags = [f"--{key}={tmp_path / name}" for key, name in names.items()]
    assert main(flags) == 0
    assert "h.tcsi: 20 packets" in capsys.readouterr().out
    codec.save(tmp_path)
    back = [f"--input={tmp_path}/h.tcsi", f"--output={tmp_path}/back.npy"]
    back.append(f"--workdir={tmp_path}")
    assert command_line.main(["tfcsi", "decompress", *back]) == 0
    h_hat = np.load(tmp_path / "back.npy")
    np.testing.assert_array_equal(h_hat, codec.decompress(codec.compress(coarse)))

    np.save(tmp_path / "h.npy", coarse[0])
    assert main(flags) == 0
    assert len(read_file(tmp_path / "h.tcsi")[1]) == 1
    np.save(tmp_path / "h.npy", 2 * coarse)
    assert main(flags) == 1
    assert "has max |h| = 1" in capsys.readouterr().err
    assert len(read_file(tmp_path / "h.tcsi")[1]) == 1
    assert main([*flags, "--scale"]) == 0
    assert len(read_file(tmp_path / "h.tcsi")[1]) == len(coarse)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda h: h.real, r"float32 \[1, 16, 16\]; this codec takes complex"),
        (lambda h: h[:8], r"complex64 \[1, 8, 16\]; this codec takes complex"),
        (lambda h: h[None], r"complex64 \[1, 1, 16, 16\]; this codec takes complex"),
        (lambda h: h * np.nan, "NaN"),
        (lambda h: 2 * h, r"has max \|h\| = 1; .*to_peak"),
    ],
)
def test_csi_that_does_not_fit_is_refused(codec, coarse, tmp_path, spoil, words):
    ue = bundle(codec, tmp_path)
    with pytest.raises(ValueError, match=words):
        ue.encode(spoil(coarse[0]))


def test_an_encoder_that_does_not_fit_the_tables_is_refused(
    codec, make_codec, dense, tmp_path
):
    encoder = models.get(dense).encoder
    for shape, latent, words in (
        (
            (16, 8),
            LATENT,
            r"takes float32 \[1, 16, 8, 2\]; .* float32 \[1, 16, 16, 2\]",
        ),
        ((16, 16), 31, r"gives float32 \[1, 31\]; .* gives one of float32 \[1, 32\]"),
    ):
        with pytest.raises(ValueError, match=words):
            bundle(codec, tmp_path, convert.convert(encoder(shape, latent), "float32"))
    arguments = {"bits": 5, "mu": 255.0}
    mulaw = make_codec(quantizer="mulaw", quantizer_args=arguments)
    y = tf.cast(mulaw.encoder.output, tf.int32)
    symbols = tf.keras.Model(mulaw.encoder.input, y)
    with pytest.raises(ValueError, match=r"int32 \[1, 32\]; .* int32 \[1, 34\]"):
        bundle(mulaw, tmp_path, convert.convert(symbols, "float32"))


def test_what_is_no_encoder_or_no_tables_is_refused(codec, tmp_path):
    bundle(codec, tmp_path)
    encoder, tables = tmp_path / "encoder.tflite", tmp_path / TABLES_FILE
    with pytest.raises(FileNotFoundError, match="none.tflite"):
        Ue(tmp_path / "none.tflite", tables)
    with pytest.raises(FileNotFoundError, match="none.npz"):
        Ue(encoder, tmp_path / "none.npz")
    with pytest.raises(ValueError, match=f"{TABLES_FILE} is none of the encoders"):
        Ue(tables, tables)
    with pytest.raises(ValueError, match=f"encoder.tflite is not a {TABLES_FILE}"):
        Ue(encoder, encoder)
    arrays = dict(np.load(tables))
    for change, words in (
        ({"format": np.array(3)}, "it has format 3, not one of"),
        ({"tables/index": arrays["tables/index"][:-1]}, "differ in length"),
        ({"quantizer": np.array("vector")}, "known quantizers"),
        ({"fingerprint": np.zeros(4, np.uint8)}, "fingerprint must be 8 bytes"),
    ):
        np.savez(tmp_path / "other.npz", **{**arrays, **change})
        with pytest.raises(ValueError, match=words):
            Ue(encoder, tmp_path / "other.npz")
    del arrays["send_gain"]
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match="it lacks 'send_gain'"):
        Ue(encoder, tmp_path / "other.npz")


def test_a_codec_without_tables_has_none_to_write(make_config, dense, tmp_path):
    with pytest.raises(RuntimeError, match="no entropy tables"):
        Codec(make_config(model=dense)).save_ue(tmp_path / TABLES_FILE)
    assert not list(tmp_path.iterdir())


def test_a_phone_needs_numpy_and_the_runtime_alone(codec, coarse, tmp_path):
    ue = bundle(codec, tmp_path)
    np.save(tmp_path / "h.npy", coarse[:2])
    files = [str(tmp_path / name) for name in ("encoder.tflite", TABLES_FILE, "h.npy")]
    done = run_without(
        NOT_ON_A_PHONE[:-1],  # The runtime brings tqdm.
        f"import numpy as np, tfcsi\n"
        f"ue = tfcsi.Ue(*{files[:2]})\n"
        f"print(*[ue.encode(matrix).hex() for matrix in np.load({files[2]!r})])",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [ue.encode(matrix).hex() for matrix in coarse[:2]]
    done = run_without([], "import tfcsi.ue; print(*sys.modules)")
    assert not set(done.stdout.split()) & {*NOT_ON_A_PHONE, "ai_edge_litert"}


def test_a_missing_runtime_is_named(codec, tmp_path):
    bundle(codec, tmp_path)
    files = [str(tmp_path / name) for name in ("encoder.tflite", TABLES_FILE)]
    done = run_without(["ai_edge_litert"], f"import tfcsi; tfcsi.Ue(*{files})")
    assert done.returncode == 1
    assert "the LiteRT runtime is missing" in done.stderr
    assert "pip install 'tfcsi[ue]'" in done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import tfcsi; tfcsi.load('tests/golden/workdirs/csinet')",
        "from tfcsi import train",
        "import runpy, sys; sys.argv[1:] = ['demo', '--workdir=runs/never']; "
        "runpy.run_module('tfcsi', run_name='__main__')",
        *(
            f"import runpy, sys; sys.path.insert(0, '{name.split('/')[0]}'); "
            f"runpy.run_path('{name}', run_name='__main__')"
            for name in PROGRAMS
        ),
    ],
)
def test_without_tensorflow_it_is_said_what_to_install(code):
    done = run_without(NOT_ON_A_PHONE, code)
    assert done.returncode == 1
    assert "not installed: absl, h5py" in done.stderr
    assert "pip install 'tfcsi[full]'" in done.stderr


def environment(folder, extra):
    """Python of a new environment with this checkout, installed with an extra."""
    source = folder / "source"
    if not source.exists():
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("tfcsi", "configs", "zoo"):
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        for name in ("setup.py", "pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "venv", folder / extra], check=True)
    python = folder / extra / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", f"{source}[{extra}]"]
    subprocess.run(install, check=True)
    return python


@pytest.mark.slow
def test_a_packet_takes_less_than_a_millisecond(make_config, draw_csi, tmp_path):
    h, latent = draw_csi(100, (32, 32)), 512
    config = make_config(model="cllwcsinet", shape=(32, 32), latent_dim=latent)
    codec = Codec(config)
    y, _ = codec.codewords(h)
    codec.quantizer.log_step.assign(np.full(latent, np.log(y.std()), np.float32))
    codec.use(Tables.from_counts(codec.symbols(h)[0], shared=True))
    ue = bundle(codec, tmp_path, convert.export(codec, "int8", transforms.to_real(h)))
    assert 300 < 8 * len(ue.encode(h[0])) < 1500
    times = microseconds(ue, h[0])
    assert times["network"] + times["packet"] < 1.1 * times["whole"]
    assert times["whole"] < 1000


@pytest.mark.slow
def test_an_environment_of_ue_alone_sends_what_a_full_one_receives(
    workdir, h, tmp_path
):
    run = shutil.copytree(workdir, tmp_path / "run")
    np.save(tmp_path / "h.npy", h[300:])
    export = [sys.executable, "tflite/export.py", f"--workdir={run}"]
    subprocess.run([*export, "--precision=int8"], cwd=ROOT, check=True)
    encoder, tables = run / exports.file_name("int8"), run / TABLES_FILE

    def done(python, *arguments):
        subprocess.run([python, *arguments], cwd=tmp_path, check=True)

    phone, station = environment(tmp_path, "ue"), environment(tmp_path, "full")
    with pytest.raises(subprocess.CalledProcessError):
        done(phone, "-c", "import tensorflow")
    done(phone, "-c", ENCODE, encoder, tables, "h.npy", "sent.npy")
    flags = [f"--encoder={encoder}", f"--tables={tables}"]
    done(phone, "-m", "tfcsi.ue", *flags, "--input=h.npy", "--output=h.tcsi")
    done(station, "-c", RECEIVE, run, "h.tcsi", "received.npy")
    sent, received = (
        np.load(tmp_path / f"{name}.npy") for name in ("sent", "received")
    )
    np.testing.assert_array_equal(sent, received)
    assert len(sent) == len(h) - 300 and np.abs(sent).max() > 3
    flags = [f"--workdir={run}", "--input=h.tcsi", "--output=h_hat.npy"]
    done(station, "-m", "tfcsi", "decompress", *flags)
    expected = tfcsi.load(run).decompress(read_file(tmp_path / "h.tcsi")[1])
    np.testing.assert_allclose(np.load(tmp_path / "h_hat.npy"), expected, atol=1e-5)
