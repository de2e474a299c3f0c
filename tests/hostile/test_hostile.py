"""Foreign bytes of each kind end in a result or in an error that names file and reason.

A sample of changed bytes is read here. `python -m tests.hostile.fuzz` (make soak) reads
as many as it is told.
"""

from __future__ import annotations

import os
import shutil
import tracemalloc

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile import bulk, kinds, mutations, special
from tests.hostile.watch import Fault, Watch
from tfcsi import archives
from tfcsi.coding.packet_index import PacketFile
from tfcsi.coding.packets import PacketError
from tfcsi.datasets import deepmimo
from tfcsi.datasets._files import DataError
from tfcsi.serving import wire

CODECS = ("topk", "klt", "dft_grid", "gaussian_mixture", "paths", "learned")
GRIDS = ("uniform_range", "uniform_huffman", "mulaw_range", "mulaw_huffman")
NAMES = (
    *("header", "check:1", "check:2", "tcsi:1", "tcsi:2", "request", "answer"),
    *(f"payload:{name}" for name in (*CODECS, "topk_1", "paths_of_all")),
    *(f"payload:{grid}_{version}" for grid in GRIDS for version in (1, 2)),
    *("payload:float_range_1", "payload:float_range_2"),
    *("tables:network", "tables:paths"),
    *(f"{name}:{codec}" for codec in CODECS for name in ("config.json", "codec.npz")),
    *("npy", "npy:phone", "npz", "mat", "mat73", "h5", "manifest"),
    *(f"weights:{name}" for name in ("pytorch", "pytorch_zip", "keras", "numpy")),
)
SAMPLE = 15  # Inputs of a kind.
MEMORY = 1 << 28  # Bytes that the reader of a small file may take.


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return kinds.make(tmp_path_factory.mktemp("examples"))


def reads(kind, folder, count, seed=1):
    """Reads changed bytes of a kind; each refusal is one in words."""
    watch, rng = Watch(), np.random.default_rng(seed)
    for example in kind.examples:
        given = watch(kind.prepare(example, folder), kind.says)
        if kind.name != "tables:network":  # Its encoder is missing.
            assert not isinstance(given, Exception), given
    for i in range(count):
        example = kind.examples[i % len(kind.examples)]
        content = mutations.mutated(example, rng, kind.form)
        watch(kind.prepare(content, folder), kind.says)
    assert watch.refused


def test_every_kind_is_read_here(known):
    assert sorted(known) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_changed_bytes_are_read_or_refused_in_words(known, tmp_path, name):
    reads(known[name], tmp_path, SAMPLE)


@pytest.mark.slow
def test_changed_runs_of_networks_and_records_are_read_or_refused(tmp_path):
    from tests.hostile import network_kinds

    of_networks = network_kinds.make(tmp_path / "examples")
    assert sorted(of_networks) == sorted(kinds.OF_NETWORKS)
    for i, kind in enumerate(of_networks.values()):
        (tmp_path / str(i)).mkdir()
        reads(kind, tmp_path / str(i), SAMPLE)


@pytest.mark.parametrize("name", ["header", "check:1", "check:2"])
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_header_or_a_packet_or_are_refused(known, name, content):
    kind = known[name]
    Watch()(kind.prepare(content, None), kind.says)


@pytest.mark.parametrize("name", bulk.TARGETS)
def test_thousands_of_changed_headers_and_packets_are_read_or_refused(name):
    counts = bulk.run(name, 5000, 60, 1)
    assert counts["inputs"] == 5000 and not counts["faults"], counts["messages"]
    assert counts["refused"] > 2000 and counts["read"] > 0
    assert counts["refused"] + counts["read"] == 5000


@pytest.mark.parametrize("name", ["pipe", "folder", "nowhere", "/dev/zero"])
def test_what_is_no_file_is_refused_by_each_reader_at_once(known, tmp_path, name):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    os.symlink("gone", tmp_path / "nowhere")
    readers = {
        (kind.prepare.reader, kind.prepare.name)
        for kind in known.values()
        if isinstance(kind.prepare, kinds.InFile)
    } | {(PacketFile, "x.tcsi")}
    assert len(readers) >= 8
    for reader, usual in readers:
        path = tmp_path / usual  # A link, so that its ending is the usual one.
        path.unlink(missing_ok=True)
        path.symlink_to(tmp_path / name)
        given = Watch(seconds=5)(lambda r=reader, p=path: r(p), usual)
        assert isinstance(given, (OSError, ValueError)), reader


@pytest.mark.parametrize("name", ["pipe", "folder", "nowhere"])
def test_a_run_of_what_is_no_file_is_refused_at_once(known, tmp_path, name):
    kind = known["codec.npz:topk"]
    for changed in ("config.json", "codec.npz"):
        kind.prepare(kind.examples[0], tmp_path)
        path = tmp_path / "topk" / changed
        path.unlink()
        if name == "pipe":
            os.mkfifo(path)
        elif name == "folder":
            path.mkdir()
        else:
            path.symlink_to("gone")
        given = Watch(seconds=5)(lambda: kinds.codec_of(path), "topk")  # noqa: B023
        assert isinstance(given, (OSError, ValueError))
        path.rmdir() if name == "folder" else path.unlink()
        shutil.rmtree(path.parent)


@pytest.fixture(scope="module")
def traps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traps")
    for name, content in special.files(folder).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pickled.npy", "pickled Python objects"),
        ("pickled.npz", "pickled Python objects"),
        ("pickle.npy", "pickled data"),
        ("pickle.mat", "no file of MATLAB"),
        ("huge.npy", "greater than file size"),
        ("zip_bomb.npz", "declares 33,554,432 numbers; a file of .* may declare"),
        ("bomb.mat", "declares 33,554,4.. numbers; a file of .* may declare"),
        ("nested.mat", "deeper than 64"),
        ("chunks.h5", "declares 33,554,432 numbers; a file of .* may declare"),
        ("outside.h5", "has its numbers in another file"),
        ("virtual.h5", "has its numbers in another file"),
        ("link.h5", "leads to another file, other.h5"),
        ("circle.h5", "groups deeper than 32"),
        ("deep.h5", "groups deeper than 32"),
        ("many.h5", "more than 16384 arrays"),
        ("strings.h5", "not numeric"),
    ],
)
def test_a_dangerous_file_is_refused_in_little_memory(traps, name, words):
    tracemalloc.start()
    try:
        given = Watch()(lambda: kinds.matrices(traps / name), name)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert isinstance(given, DataError)
    with pytest.raises(DataError, match=words):
        raise given
    assert not (traps / "sprung").exists()


def test_cells_that_lead_to_themselves_are_refused(tmp_path):
    with h5py.File(tmp_path / "h.mat", "w") as file:
        cell = file.create_dataset("DeepMIMO_dataset", (9, 1), h5py.ref_dtype)
        cell[:] = np.array([[cell.ref]] * 9)
        cell.attrs["MATLAB_class"] = np.bytes_("cell")
    options = {"num_fft": 8, "num_val": 1, "num_test": 1}
    read = deepmimo.load
    given = Watch()(
        lambda: read(tmp_path, "h.mat", "train", "space_frequency", **options), "h.mat"
    )
    assert isinstance(given, DataError) and "lead back to themselves" in str(given)


def test_the_limits_are_multiplied_by_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "h.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("H", (20_000, 32, 32), "c8", chunks=(64, 32, 32))
    monkeypatch.setenv(archives.LIMITS, "1")
    with pytest.raises(ValueError, match="declares 20,480,000 numbers.*TFCSI_LIMITS=2"):
        archives.check_declared(path, (20_000, 32, 32))
    monkeypatch.setenv(archives.LIMITS, "2")
    archives.check_declared(path, (20_000, 32, 32))
    for wrong in ("0", "-1", "much", "nan", "inf"):
        monkeypatch.setenv(archives.LIMITS, wrong)
        with pytest.raises(ValueError, match=f"TFCSI_LIMITS is '{wrong}'"):
            archives.check_declared(path, (1,))


def test_an_answer_that_is_no_text_is_still_a_refusal():
    content = b"\x01\x00\x00\x00\x02\xff\xfe"
    (answer,) = wire.read_answer(content, [(2, 3)])
    assert isinstance(answer, PacketError)


def test_the_watch_sees_what_no_reader_may_do(tmp_path):
    watch = Watch(seconds=0.05)
    for reader, words in (
        (lambda: open(tmp_path / "x", "w").close(), "more than read"),
        (lambda: os.system("true"), "more than read"),
        (lambda: {}["a"], "no error of tfcsi"),
        (lambda: int("a"), "does not say h.npy"),
        (lambda: sum(range(10**7)), "it took|it waits"),
    ):
        with pytest.raises(Fault, match=words):
            watch(reader, "h.npy")
