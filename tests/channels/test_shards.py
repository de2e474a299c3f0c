"""Parts that were simulated elsewhere become the files of one simulation."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.channels import shards
from tfcsi.channels.blocks import BLOCK
from tfcsi.channels.generate import generate
from tfcsi.datasets import generated

NAME = "cost2100_indoor"


def simulate(out, num, **keywords):
    keywords = {"processes": 1, "progress": False, **keywords}
    return generate(NAME, {"test": num}, 5, out, "hdf5", **keywords)


def stored(out):
    return generated.load(out, NAME, "test", "angular_delay")


@pytest.mark.slow
def test_parts_of_several_blocks_make_the_files_of_one_simulation(tmp_path):
    num = 2 * BLOCK + 3
    simulate(tmp_path / "whole", num)
    for number in (2, 1):
        simulate(tmp_path / "parts", num, shard=(number, 2))
    simulate(tmp_path / "parts", num)
    np.testing.assert_array_equal(
        stored(tmp_path / "parts"), stored(tmp_path / "whole")
    )
    frequency = [
        generated.load_frequency(tmp_path / name, NAME) for name in ("parts", "whole")
    ]
    np.testing.assert_array_equal(*frequency)


def test_finished_blocks_of_a_part_are_taken_and_not_simulated(tmp_path):
    for number in (1, 2):  # The second part has no block.
        simulate(tmp_path, 3, shard=(number, 2))
    path = tmp_path / "shards" / "1-of-2" / "test" / "h.npy"
    h = np.load(path)
    np.save(path, h[::-1])
    simulate(tmp_path, 3)
    np.testing.assert_array_equal(stored(tmp_path), h[::-1])


@pytest.mark.slow
def test_parts_of_another_data_set_are_left_alone(tmp_path):
    simulate(tmp_path / "other", 4, shard=(1, 1))
    simulate(tmp_path / "whole", 3)
    (tmp_path / "mine").mkdir()
    (tmp_path / "other" / "shards").rename(tmp_path / "mine" / "shards")
    simulate(tmp_path / "mine", 3)
    np.testing.assert_array_equal(stored(tmp_path / "mine"), stored(tmp_path / "whole"))


@pytest.mark.parametrize("num", [1, BLOCK, 5 * BLOCK + 7])
@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_the_blocks_of_all_parts_are_those_of_the_whole(num, count):
    parts = [shards.blocks_of_part(num, k, count) for k in range(1, count + 1)]
    sizes = {block: size for part in parts for block, _, size in part}
    assert sum(map(len, parts)) == len(sizes) == -(-num // BLOCK)
    assert sum(sizes.values()) == num
