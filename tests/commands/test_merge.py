"""Parts that --shard made elsewhere are joined to what one command makes."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.codecs.klt import Klt
from tfcsi.matrices import BLOCK, Matrices, bound

NUM, SHAPE = 2 * BLOCK + 300, (8, 8)


def tfcsi(*arguments):
    return main(["tfcsi", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw_csi):
    """A folder with h.npy, a run, and the same matrices as a generated test split."""
    folder = tmp_path_factory.mktemp("shards")
    h = draw_csi(NUM, SHAPE)
    np.save(folder / "h.npy", h)
    codec = Klt.fit(h[:300], 0.05)
    codec.config.update(dataset="generated", scenario="mine")
    codec.save(folder / "codec")
    manifest = {"format": "hdf5", "channel": "mine", "setup": {}, "done": {"test": NUM}}
    (folder / "generate.json").write_text(json.dumps(manifest))
    with h5py.File(folder / "test.h5", "w") as file:
        file["h"] = h
    return folder


def compress(folder, output, *flags):
    files = [f"--input={folder}/h.npy", f"--output={folder}/{output}"]
    return tfcsi("compress", f"--workdir={folder}/codec", *files, *flags)


def evaluate(folder, output, *flags):
    places = [f"--data_dir={folder}", f"--output={folder}/{output}"]
    return tfcsi("evaluate", f"--workdir={folder}/codec", *places, *flags)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_joined_parts_are_the_file_of_one_command(folder, count):
    assert compress(folder, "whole.tcsi") == 0
    parts = [folder / f"{count}_{k}.tcsi" for k in range(1, count + 1)]
    for k, part in enumerate(parts, 1):
        assert compress(folder, part.name, f"--shard={k}/{count}") == 0
    output = folder / f"joined_{count}.tcsi"
    assert tfcsi("merge", *parts, f"--output={output}") == 0
    assert output.read_bytes() == (folder / "whole.tcsi").read_bytes()


def test_joined_values_are_the_results_of_one_evaluation(folder, capsys):
    assert evaluate(folder, "whole.json") == 0
    for k in (1, 2):
        assert evaluate(folder, f"{k}.npz", f"--shard={k}/2") == 0
    parts = [folder / "2.npz", folder / "1.npz"]
    assert tfcsi("merge", *parts, f"--output={folder}/joined.json") == 0
    one, other = (
        results.read(folder / f"{name}.json")["points"] for name in ("whole", "joined")
    )
    assert one == other
    capsys.readouterr()
    for paths, message in (
        (parts[:1], "there are the parts 2 of 2; give each part once"),
        ([*parts, parts[0]], "there are the parts 1, 2, 2 of 2"),
        ([folder / "codec" / "codec.npz"], "codec.npz is no part of an evaluation"),
    ):
        assert tfcsi("merge", *paths, f"--output={folder}/bad.json") == 1
        assert message in capsys.readouterr().err
    assert not (folder / "bad.json").exists()


def test_files_of_two_sessions_are_not_joined(folder, draw_csi, capsys):
    assert compress(folder, "a.tcsi") == 0
    Klt.fit(draw_csi(300, SHAPE, seed=1), 0.1).save(folder / "other")
    files = [f"--input={folder}/h.npy", f"--output={folder}/b.tcsi"]
    assert tfcsi("compress", f"--workdir={folder}/other", *files) == 0
    paths = [folder / "a.tcsi", folder / "b.tcsi"]
    assert tfcsi("merge", *paths, f"--output={folder}/ab.tcsi") == 1
    assert (
        f"{paths[1]} is of another session than {paths[0]}" in capsys.readouterr().err
    )
    assert not (folder / "ab.tcsi").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--shard=0/2", "--output=x.npz"), "give 1/N to N/N"),
        (("--shard=3/2", "--output=x.npz"), "give 1/N to N/N"),
        (("--shard=1/2", "--output=x.json"), "needs --output=FILE.npz"),
        (("--shard=1/2",), "needs --output=FILE.npz"),
        (("--output=x.npz",), "it goes with --shard"),
        (("--shard=1/2", "--output=x.npz", "--snr_db=1"), "without noise"),
        (("--shard=1/9", "--output=x.npz"), "part 1 of 9 of 2300 matrices is empty"),
    ],
)
def test_parts_that_cannot_be_measured_are_refused(folder, capsys, flags, message):
    named = [f"--workdir={folder}/codec", f"--data_dir={folder}"]
    assert tfcsi("evaluate", *named, *flags) != 0
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("num", [0, 1, BLOCK, 3 * BLOCK + 1, 7 * BLOCK])
@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_parts_begin_at_blocks_and_are_all_matrices(num, count):
    h = np.arange(num).reshape(num, 1, 1) + 0j
    for matrices in (Matrices.of(h), Matrices((1, 1), None, lambda k: iter([h[k:]]))):
        parts = [matrices.shard(k, count) for k in range(1, count + 1)]
        assert sum(part.num for part in parts) == num
        whole = [part.whole() for part in parts]
        np.testing.assert_array_equal(np.concatenate(whole), h)
    assert all(
        bound(k, count, num, BLOCK) % BLOCK in (0, num % BLOCK) for k in range(count)
    )
