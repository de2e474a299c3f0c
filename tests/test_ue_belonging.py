"""An encoder, its tables and its run belong together, or are refused."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import shutil

import numpy as np
import pytest

import tfcsi
from tfcsi import transforms
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.topk import TopK
from tfcsi.coding.packet_file import check_session, read_file, write_file
from tfcsi.coding.packets import PacketError
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.coding.tables import Tables
from tfcsi.tflite import convert, exports
from tfcsi.ue import Ue

pytestmark = pytest.mark.tflite


@pytest.fixture(scope="module")
def make_codec(make_config, dense, h):
    """The function (seed, **fields) -> codec with a random dense encoder."""

    def make(seed, **fields):
        codec = Codec(make_config(model=dense, latent_dim=8, **fields))
        for network in (codec.encoder, codec.decoder):
            layer = max(network.layers, key=lambda layer: layer.count_params())
            kernel = np.random.default_rng(seed).normal(size=layer.kernel.shape)
            layer.set_weights([kernel, np.zeros(kernel.shape[1])])
        codec.quantizer.initialize(codec.codewords(h[:50])[0], 1e-2)
        codec.use(Tables.from_counts(codec.symbols(h[:50])[0]))
        return codec

    return make


@pytest.fixture
def exported(make_codec, tmp_path):
    """Folder of two runs, a and b, of equal sizes, each with encoder and tables."""
    for seed, name in enumerate("ab"):
        folder = tmp_path / name
        codec = make_codec(seed)
        codec.save(folder)
        encoder = exports.file_name("float32")
        content = convert.convert(codec.encoder, "float32")
        (folder / encoder).write_bytes(content)
        codec.save_ue(folder / TABLES_FILE, **{encoder: content})
    return tmp_path


def test_limits_are_refused_for_a_codec_of_one_rate(exported):
    files = exported / "a" / exports.file_name("float32"), exported / "a" / TABLES_FILE
    with pytest.raises(ValueError, match="max_bits is for codecs of several rates"):
        Ue(*files, max_bits=100)


def test_the_encoder_of_another_run_is_refused(exported, h):
    encoder = exports.file_name("float32")
    a, b = exported / "a", exported / "b"
    for own in (a, b):
        assert Ue(own / encoder, own / TABLES_FILE).encode(h[0])
    message = "is none of the encoders that were exported with these tables"
    with pytest.raises(ValueError, match=message):
        Ue(a / encoder, b / TABLES_FILE)
    shutil.copy(a / encoder, b / exports.file_name("int8"))
    with pytest.raises(ValueError, match=message):
        exports.find(b)


def test_a_damaged_encoder_is_refused_wherever_the_damage_is(exported):
    folder, name = exported / "a", exports.file_name("float32")
    content = (folder / name).read_bytes()
    damaged = folder / "damaged.tflite"
    for position in range(0, len(content), len(content) // 40):
        bad = bytearray(content)
        bad[position] ^= 1
        for spoiled in (bad, content[:position]):
            damaged.write_bytes(spoiled)
            with pytest.raises(ValueError, match="of another run or damaged"):
                Ue(damaged, folder / TABLES_FILE)


def test_each_export_keeps_the_digests_of_those_before(make_codec, tmp_path):
    codec, tables = make_codec(0), tmp_path / TABLES_FILE
    for name, content in (("x.tflite", b"1"), ("y.npz", b"2"), ("x.tflite", b"3")):
        codec.save_ue(tables, **{name: content})
    with np.load(tables) as stored:
        assert {k for k in stored if k.startswith("encoders/")} == {
            "encoders/x.tflite",
            "encoders/y.npz",
        }
    make_codec(1).save_ue(tables, z=b"4")  # Another run: its tables are new.
    with np.load(tables) as stored:
        assert [k for k in stored if k.startswith("encoders/")] == ["encoders/z"]


def test_tables_without_digests_are_taken_with_a_warning(exported, h):
    folder, name = exported / "a", exports.file_name("float32")
    expected = Ue(folder / name, folder / TABLES_FILE).encode(h[0])
    with np.load(folder / TABLES_FILE) as stored:
        old = {k: v for k, v in stored.items() if not k.startswith("encoders/")}
    np.savez(folder / "old.npz", **old)
    with pytest.warns(UserWarning, match="cannot be told whether .*float32.tflite"):
        ue = Ue(folder / name, folder / "old.npz")
    assert ue.encode(h[0]) == expected
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="not a TFLite mod"):
        Ue(folder / TABLES_FILE, folder / "old.npz")


def codecs_of(domain, make_codec, h):
    """A network, a KLT and a top-K of a domain."""
    for codec in (
        make_codec(0, domain=domain),
        Klt.fit(h, 0.05),
        TopK((16, 16), 9, 5, 10.0),
    ):
        codec.config["domain"] = domain
        yield codec


def test_codecs_of_two_domains_refuse_the_packets_of_each_other(
    make_codec, h, tmp_path
):
    pairs = zip(*(codecs_of(d, make_codec, h[:40]) for d in transforms.DOMAINS))
    for i, (one, other) in enumerate(pairs):
        assert one.session.codec == one.name
        assert other.session.codec == f"{one.name}@space_frequency"
        packets = other.compress(h[:5])
        np.testing.assert_allclose(
            other.decompress(packets), one.decompress(one.compress(h[:5])), atol=1e-6
        )
        with pytest.raises(PacketError, match="another session"):
            one.decompress(packets)
        write_file(tmp_path / "p.tcsi", other.session, packets)
        with pytest.raises(PacketError, match=f"codec '{one.name}@space_frequency'"):
            check_session(read_file(tmp_path / "p.tcsi")[0], one.session, "p.tcsi")
        other.save(tmp_path / str(i))
        back = tfcsi.load(tmp_path / str(i))
        assert back.session == other.session and back.compress(h[:5]) == packets


def test_a_domain_that_was_changed_by_hand_is_refused(make_codec, h, tmp_path):
    for domain, changed in (transforms.DOMAINS, transforms.DOMAINS[::-1]):
        for codec in codecs_of(domain, make_codec, h[:40]):
            folder = tmp_path / f"{codec.name}_{domain}"
            codec.save(folder)
            path = folder / "config.json"
            fields = json.loads(path.read_text())
            path.write_text(json.dumps({**fields, "domain": changed}))
            message = f"says domain '{changed}', but the run is of '{domain}'"
            with pytest.raises(ValueError, match=message):
                tfcsi.load(folder)
            path.write_text(json.dumps(fields))
            assert tfcsi.load(folder).session == codec.session


def test_a_run_from_before_sessions_told_the_domain_keeps_its_session(
    make_codec, h, tmp_path
):
    codec = make_codec(0)
    expected = codec.session
    codec.config.domain = "space_frequency"
    codec.save(tmp_path)
    path = tmp_path / "codec.npz"
    with np.load(path) as stored:
        old = {k: v for k, v in stored.items() if k != "domain"}
    np.savez(path, **old)
    back = tfcsi.load(tmp_path)
    assert back.domain == "space_frequency" and back.session == expected
    assert back.decompress(codec.compress(h[:2])).shape == (2, 16, 16)


def test_eight_threads_share_one_phone(exported, h):
    ue = Ue(exported / "a" / exports.file_name("float32"), exported / "a" / TABLES_FILE)
    expected = [ue.encode(matrix) for matrix in h[:100]]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(10):
            assert list(pool.map(ue.encode, h[:100])) == expected


def test_a_forked_phone_writes_the_same_packets(exported, h):
    ue = Ue(exported / "a" / exports.file_name("float32"), exported / "a" / TABLES_FILE)
    expected = [ue.encode(matrix) for matrix in h[:9]]
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=lambda: theirs.send([ue.encode(matrix) for matrix in h[:9]])
    )
    process.start()
    try:
        assert ours.poll(30) and ours.recv() == expected
    finally:
        process.kill()
        process.join()
