"""Simulated channels in bulk: the same files, whatever the number of processes."""

import functools
import pathlib
import resource
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from tests.hostile.mutations import record_size
from tfcsi import metrics, transforms
from tfcsi.channels import blocks, workers
from tfcsi.channels import generate as generation
from tfcsi.channels.epochs import Epochs
from tfcsi.channels.generate import generate
from tfcsi.datasets import any_file, cost2100, tfrecord
from tfcsi.datasets._files import DataError

ROOT = pathlib.Path(__file__).parents[2]
FEW = 30
KILLED = """
import sys
from tfcsi.channels import blocks, generate
blocks.BLOCK = 30
folder = sys.argv[1]
generate.generate("cost2100_indoor", {"train": 1500}, 1, folder, "hdf5", 1, False)
"""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of few matrices."""
    monkeypatch.setattr(blocks, "BLOCK", FEW)


def make(folder, num=70, **options):
    options = {"channel": "cost2100_indoor", "seed": 1, "progress": False, **options}
    return generate(num={"train": num}, out=folder, **options)


def matrices(folder):
    return np.array(cost2100.load(folder, "indoor", "train", "angular_delay"))


def test_any_number_of_processes_makes_the_same_matrices(tmp_path):
    for processes in (1, 3):
        make(tmp_path / str(processes), processes=processes)
    one, three = matrices(tmp_path / "1"), matrices(tmp_path / "3")
    assert one.shape == (70, 32, 32)
    np.testing.assert_array_equal(one, three)
    assert len({h.tobytes() for h in one}) == 70
    np.testing.assert_allclose(np.abs(one).max((1, 2)), 0.5, atol=1e-6)


def test_a_block_depends_on_seed_and_number_and_not_on_how_many_there_are(tmp_path):
    make(tmp_path / "few", 45)
    make(tmp_path / "many", 70)
    few, many = matrices(tmp_path / "few"), matrices(tmp_path / "many")
    np.testing.assert_array_equal(few, many[:45])
    block = blocks.draw("cost2100_indoor", 1, 0, 1, 15)[0]
    np.testing.assert_allclose(few[30:], block, atol=1e-7)
    others = blocks.draw("cost2100_indoor", 2, 0, 1, 15)[0]
    assert metrics.nmse(block, others).min() > 0.5


def test_a_killed_run_goes_on_to_the_same_matrices(tmp_path):
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", KILLED, folder], cwd=ROOT)
    marks = folder / "parts" / "train"
    while not (marks / "1.done").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (folder / "train.h5").exists()
    left = len(list(marks.glob("*.done")))
    assert 2 <= left < 50
    make(folder, 1500, form="hdf5")
    make(tmp_path / "whole", 1500, form="hdf5")
    assert not (folder / "parts").exists()
    continued, uninterrupted = (
        any_file.read_csi(f / "train.h5") for f in (folder, tmp_path / "whole")
    )
    np.testing.assert_array_equal(continued, uninterrupted)


def test_finished_blocks_and_splits_are_kept(tmp_path):
    folder = tmp_path / "parts" / "train"
    folder.mkdir(parents=True)
    kept = np.full((70, 32, 32), 0.25, np.complex64)
    np.save(folder / "h.npy", kept)
    (folder / "1.done").touch()
    make(tmp_path)
    h = matrices(tmp_path)
    np.testing.assert_array_equal(h[30:60], kept[30:60])
    assert not np.any(h[:30] == 0.25) and not np.any(h[60:] == 0.25)
    path = tmp_path / "DATA_Htrainin.mat"
    before = path.stat().st_mtime_ns
    assert make(tmp_path) == [path] and path.stat().st_mtime_ns == before


def test_a_split_is_extended_but_not_replaced_by_fewer_matrices_unasked(tmp_path):
    make(tmp_path, 40)
    few = matrices(tmp_path)
    make(tmp_path, 70)
    many = matrices(tmp_path)
    np.testing.assert_array_equal(many[:40], few)
    words = "holds 70 train matrices, more than the 40 .*--overwrite"
    with pytest.raises(ValueError, match=words):
        make(tmp_path, 40)
    np.testing.assert_array_equal(matrices(tmp_path), many)
    make(tmp_path, 40, overwrite=True)
    np.testing.assert_array_equal(matrices(tmp_path), few)


def test_a_folder_of_another_data_set_is_refused(tmp_path):
    make(tmp_path, 1)
    for options, words in (
        ({"seed": 2}, "another data set: seed is 1, not 2; give another folder"),
        ({"form": "hdf5"}, "format is 'mat', not 'hdf5'"),
        ({"setup": {"carrier": 5e9}}, r"setup is {}, not {'carrier': 50+.0}"),
        ({"channel": "cost2100_outdoor"}, "channel is 'cost2100_indoor', not"),
    ):
        with pytest.raises(ValueError, match=words):
            make(tmp_path, **options)


def test_files_of_others_are_not_overwritten(tmp_path):
    (tmp_path / "DATA_Htrainin.mat").write_bytes(b"published")
    with pytest.raises(ValueError, match="DATA_Htrainin.mat exists and was not writ"):
        make(tmp_path, 1)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"published"]
    run = tmp_path / "run"
    run.mkdir()
    (run / "codec.npz").write_bytes(b"a codec")
    with pytest.raises(ValueError, match="codec.npz exists and was not written by tf"):
        make(run, 1)
    assert [path.name for path in run.iterdir()] == ["codec.npz"]


def test_test_data_have_frequency_domain_truth(tmp_path):
    names = ["DATA_Hvalout.mat", "DATA_Htestout.mat", "DATA_HtestFout_all.mat"]
    num = {"val": 5, "test": 40}
    written = generate("cost2100_outdoor", num, 1, tmp_path, progress=False)
    assert [path.name for path in written] == names
    h = np.array(cost2100.load(tmp_path, "outdoor", "test", "angular_delay"))
    hf = cost2100.load_frequency(tmp_path, "outdoor")
    assert len(h) == len(hf) == 40
    assert metrics.rho(h, hf, "angular_delay").mean() > 0.9
    val = cost2100.load(tmp_path, "outdoor", "val", "angular_delay")
    assert not {x.tobytes() for x in val} & {x.tobytes() for x in h}


@pytest.mark.parametrize("form", ["hdf5", "tfrecord"])
def test_every_form_holds_the_same_matrices(tmp_path, form, monkeypatch):
    monkeypatch.setattr(generation, "SHARD", 40)
    make(tmp_path / "mat")
    written = make(tmp_path / form, form=form)
    if form == "hdf5":
        h = any_file.read_csi(*written)
        with h5py.File(*written) as file:
            assert file["h"].shape == (70, 32, 32)
    else:
        names = [f"train-0000{i}-of-00002.tfrecord" for i in range(2)]
        assert [path.name for path in written] == names
        h = tfrecord.read(written)
        x = next(iter(tfrecord.dataset(written)))
        np.testing.assert_array_equal(x, transforms.to_real(h)[0])
    np.testing.assert_allclose(h, matrices(tmp_path / "mat"), atol=1e-7)


def test_another_array_is_simulated_by_its_setup(tmp_path):
    (path,) = make(tmp_path, 3, form="hdf5", setup={"num_tx": 8, "num_rx": 2})
    with h5py.File(path) as file:
        assert file["h"].shape == (3, 2, 8, 32)


def test_tfrecords_of_numbers_that_are_not_finite_are_refused(tmp_path):
    h = np.ones((1030, 2, 2), np.complex64)
    h[1026, 1, 0] = np.nan
    tfrecord.write(tmp_path / "h.tfrecord", h)
    with pytest.raises(DataError, match="h.tfrecord: matrix 1026 has NaN or infinite"):
        tfrecord.read([tmp_path / "h.tfrecord"])


def test_damaged_tfrecords_are_refused(tmp_path):
    path = tmp_path / "a.tfrecord"
    tfrecord.write(path, np.ones((2, 4, 4), np.complex64))
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(tfrecord.DataError, match=r"a\.tfrecord: cannot be read as TFR"):
        tfrecord.has(path, "xf")
    for paths, words in (([path], "cannot be read as TFR"), ([], "no matrices in")):
        with pytest.raises(tfrecord.DataError, match=words):
            tfrecord.read(paths)
    with pytest.raises(tfrecord.DataError, match="no such file"):
        tfrecord.read([tmp_path / "none.tfrecord"])


@pytest.mark.parametrize("size", [1000, 2**36, 2**62, 2**64 - 1])
def test_tfrecords_that_declare_more_than_they_have_are_refused(tmp_path, size):
    path = tmp_path / "a.tfrecord"
    tfrecord.write(path, np.ones((2, 4, 4), np.complex64))
    path.write_bytes(record_size(size) + path.read_bytes()[12:])
    for reader in (tfrecord.read, tfrecord.dataset, lambda p: tfrecord.has(p[0], "x")):
        with pytest.raises(DataError, match=r"a\.tfrecord: record 0 of TFRecord goes"):
            reader([path])


def test_a_field_of_a_tfrecord_that_declares_memory_is_refused_before_tensorflow(
    tmp_path,
):
    import tensorflow as tf

    tfrecord.write(tmp_path / "a.tfrecord", np.ones((1, 4, 4), np.complex64))
    (record,) = tf.data.TFRecordDataset(
        str(tmp_path / "a.tfrecord")
    ).as_numpy_iterator()
    at = record.index(b"\x0a\x80\x01")  # 128 bytes of packed floats.
    with tf.io.TFRecordWriter(str(tmp_path / "b.tfrecord")) as writer:
        writer.write(record[: at + 1] + b"\xff\xff\xff\xff\x07" + record[at + 3 :])
    with pytest.raises(DataError, match=r"b\.tfrecord: cannot .* a field at byte \d+"):
        tfrecord.read([tmp_path / "b.tfrecord"])


def test_tfrecords_of_two_shapes_are_refused(tmp_path):
    paths = [tmp_path / "a.tfrecord", tmp_path / "b.tfrecord"]
    for path, num_delay in zip(paths, (4, 5), strict=False):
        tfrecord.write(path, np.ones((1000, 4, num_delay), np.complex64))
    with pytest.raises(DataError, match="matrix 1000 has shape .4, 5., expected .4, 4"):
        tfrecord.read(paths)
    tfrecord.write(paths[0], np.ones((3, 4, 4), np.complex64))
    with pytest.raises(DataError, match="expected one shape"):
        tfrecord.read(paths)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channel": "moon"}, "unknown channel 'moon'; known: cost2100_SCENARIO"),
        ({"channel": "cost2100_moon"}, "unknown scenario 'moon'"),
        ({"form": "csv"}, "format is 'csv'; it must be one of mat, hdf5, tfrecord"),
        ({"seed": -1}, "seed -1; numbers and seed are not negative"),
        ({"setup": {"colour": 1}}, "colour"),
        (
            {"setup": {"num_tx": 8}},
            "format is 'mat', which holds 32 x 32 matrices of cost",
        ),
        ({"num": 0}, "one split or more has matrices"),
        ({"num": -5}, "numbers and seed are not negative"),
        ({"processes": -1}, "processes is -1; it must be 1 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        make(tmp_path / "out", **options)


def test_a_process_that_fails_or_ends_says_so(tmp_path, monkeypatch):
    job = {"channel": "cost2100_indoor", "seed": 1, "stream": 0, "frequency": False}
    job["setup"] = {}
    job |= {"block": 0, "start": 0, "num": 1, "folder": str(tmp_path / "none")}
    with workers.workers(1) as submit:
        with pytest.raises(RuntimeError, match="simulating cost2100_indoor: .*none/h"):
            submit(job).result()
    monkeypatch.setattr(sys, "executable", "false")
    with workers.workers(1) as submit:
        with pytest.raises(RuntimeError, match="ended with exit status 1"):
            submit(job).result()


def test_a_process_without_memory_says_so(tmp_path, monkeypatch):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    popen = functools.partial(subprocess.Popen, preexec_fn=limit)
    monkeypatch.setattr(workers.subprocess, "Popen", popen)
    job = {"channel": "cost2100_indoor", "seed": 1, "stream": 0, "frequency": False}
    job |= {"block": 0, "start": 0, "num": 10**7, "folder": str(tmp_path), "setup": {}}
    with workers.workers(1) as submit:
        words = "simulating cost2100_indoor: .*MemoryError: Unable to allocate"
        with pytest.raises(RuntimeError, match=words):
            submit(job).result()


def test_a_process_that_the_system_kills_names_the_memory(tmp_path, monkeypatch):
    killed = tmp_path / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(killed))
    words = "was ended by SIGKILL, .* memory is over: take fewer processes"
    with pytest.raises(RuntimeError, match=words):
        generate("cost2100_indoor", {"test": 3}, 1, tmp_path / "out", processes=1)


# Epochs.


def test_epochs_are_fresh_and_depend_on_their_number_alone():
    with Epochs("cost2100_indoor", 45, 1, 3) as epochs:
        first, second, third = map(epochs, range(3))
        again = epochs(1)
        folder = epochs._folder
        assert list(folder.iterdir()) in ([], [folder / "2"])
    assert first.shape == (45, 32, 32) and first.dtype == np.complex64
    np.testing.assert_array_equal(second, again)
    assert len({h.tobytes() for h in (*first, *second, *third)}) == 135
    assert not folder.exists()
    with Epochs("cost2100_indoor", 45, 1, 3) as epochs:  # as a resumed run does
        np.testing.assert_array_equal(epochs(1), second)
        assert epochs(1) is epochs(1)


def test_an_epoch_has_matrices_of_a_known_channel():
    with pytest.raises(ValueError, match="num_train is 0; it must be positive"):
        Epochs("cost2100_indoor", 0, 1, 1)
    with pytest.raises(ValueError, match="unknown channel 'quadriga_28ghz'; known"):
        Epochs("quadriga_28ghz", 1, 1, 1)


def test_the_next_epoch_is_simulated_ahead_but_none_beyond_the_last():
    with Epochs("cost2100_indoor", 30, 1, 2) as epochs:
        epochs(0)
        (ahead,) = epochs._running[1]
        ahead.result(timeout=60)
        assert (epochs._folder / "1" / "0.done").exists()
        epochs(1)
        assert not epochs._running


def test_simulating_loads_no_tensorflow():
    code = (
        "import sys, tfcsi.channels.workers; "
        "print({'tensorflow', 'h5py'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_variables_beyond_matlab_5_are_written_as_7_3():
    assert generation._version((1 << 31) - 1) == "5"
    assert generation._version(1 << 31) == "7.3"
