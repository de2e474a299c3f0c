"""Commands as Apache Beam pipelines give what they give without."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.codecs.klt import Klt
from tfcsi.datasets import generated
from tfcsi.matrices import BLOCK

NUM, SHAPE = 2 * BLOCK + 300, (8, 8)
BEAM = ["--runner=direct", "--beam=direct_num_workers=2"]


def tfcsi(*arguments):
    return main(["tfcsi", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, draw_csi):
    """A folder with h.npy, a run, and the same matrices as a generated test split."""
    folder = tmp_path_factory.mktemp("bulk")
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


@pytest.mark.slow
def test_two_workers_compress_to_the_file_of_one_command(folder):
    pytest.importorskip("apache_beam")
    known = ["compress", f"--workdir={folder}/codec", f"--input={folder}/h.npy"]
    assert tfcsi(*known, f"--output={folder}/one.tcsi") == 0
    assert tfcsi(*known, f"--output={folder}/two.tcsi", "--shards=3", *BEAM) == 0
    one, two = ((folder / f"{name}.tcsi").read_bytes() for name in ("one", "two"))
    assert one == two and not [*folder.glob("two.tcsi.*")]


@pytest.mark.slow
def test_two_workers_measure_what_one_command_measures(folder):
    pytest.importorskip("apache_beam")
    known = ["evaluate", f"--workdir={folder}/codec", f"--data_dir={folder}"]
    assert tfcsi(*known, f"--output={folder}/one.json") == 0
    assert tfcsi(*known, f"--output={folder}/two.json", "--shards=2", *BEAM) == 0
    one, two = (results.read(folder / f"{name}.json") for name in ("one", "two"))
    assert one["points"] == two["points"]


@pytest.mark.slow
def test_two_workers_simulate_what_one_command_simulates(tmp_path):
    pytest.importorskip("apache_beam")
    known = ["generate", "--channel=cost2100_indoor", "--num=1030", "--format=hdf5"]
    assert tfcsi(*known, f"--out={tmp_path}/one", "--processes=1") == 0
    flags = [f"--out={tmp_path}/two", "--processes=1", "--shards=2", *BEAM]
    assert tfcsi(*known, *flags) == 0
    names = ("cost2100_indoor", "train", "angular_delay")
    one, two = (generated.load(tmp_path / name, *names) for name in ("one", "two"))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--shards=2"], "--shards and --beam go with --runner"),
        (["--beam=direct_num_workers=2"], "--shards and --beam go with --runner"),
        (["--runner=direct"], "--runner goes with --shards=N"),
        (["--runner=direct", "--shards=2", "--shard=1/2"], "and not with --shard"),
        (["--runner=none", "--shards=2"], "direct, flink, spark, dataflow"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(folder, capsys, flags, message):
    known = ["compress", f"--workdir={folder}/codec", f"--input={folder}/h.npy"]
    assert tfcsi(*known, f"--output={folder}/x.tcsi", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "x.tcsi").exists()
