"""Weights of a network are copied in 16 bits if that loses little."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tfcsi
from tfcsi import files
from tfcsi.archives import Archive
from tfcsi.codecs import half
from tfcsi.codecs.klt import Klt


@pytest.fixture
def sample(h):
    """Complex64 [60, 16, 16], training matrices."""
    return h[:60]


@pytest.mark.slow
def test_a_network_in_float16_is_half_the_bytes_and_loses_little(
    workdir, tmp_path, sample
):
    words = half.copy(workdir, tmp_path / "half", sample)
    (bits,) = map(int, re.findall(r"float16, large arrays with (\d) bits of fr", words))
    assert {path.name for path in (tmp_path / "half").iterdir()} == {
        "codec.npz",
        "config.json",
    }
    arrays = Archive(tmp_path / "half" / "codec.npz")
    kinds = {arrays[name].dtype for name in arrays if name.startswith("encoder/")}
    assert kinds == {np.dtype(np.float16)}
    sizes = [
        (folder / "codec.npz").stat().st_size for folder in (tmp_path / "half", workdir)
    ]
    assert sizes[0] < 0.5 * sizes[1]
    fine = {True: 0, False: 0}  # Normal numbers with more bits, in large arrays or not.
    for array in (arrays[name] for name in arrays if name.startswith("decoder/")):
        below = array.view(np.uint16) & ((1 << 10 - bits) - 1)
        fine[array.size > 10_000] += np.sum(below[np.abs(array) > 2.0**-14] > 0)
    assert fine[True] == 0 < fine[False]
    codec = tfcsi.load(tmp_path / "half")
    loss = half._nmse_db(codec, sample) - half._nmse_db(tfcsi.load(workdir), sample)
    assert abs(loss) < half.MOST_LOSS_DB


def test_a_number_is_rounded_to_the_nearest_of_so_many_bits():
    # Of two numbers that are equally near it is the even one, 1.0 for 1.03125.
    numbers = np.float32([1.03125, -1.046875, 0, 2.0**-20, 3.9, 65504, 7e4, np.pi])
    nearest = [1.0, -1.0625, 0, 2.0**-20, 3.875, np.inf, np.inf, 3.125]
    np.testing.assert_array_equal(half._rounded(numbers, 4), np.float16(nearest))
    with np.errstate(over="ignore"):
        expected = numbers.astype(np.float16)
    np.testing.assert_array_equal(half._rounded(numbers, 10), expected)


@pytest.mark.slow
def test_weights_stay_in_float32_where_float16_loses_more(
    workdir, tmp_path, sample, monkeypatch
):
    monkeypatch.setattr(half, "MOST_LOSS_DB", -1.0)
    words = half.copy(workdir, tmp_path / "whole", sample)
    assert "stay in float32, because float16 loses" in words
    assert tfcsi.load(tmp_path / "whole").session == tfcsi.load(workdir).session


def test_weights_that_float16_cannot_hold_stay_in_float32(workdir, tmp_path, sample):
    arrays = dict(Archive(workdir / "codec.npz"))
    name = next(name for name in arrays if name.startswith("decoder/"))
    arrays[name] = np.full_like(arrays[name], 1e6)
    large = tmp_path / "large"
    large.mkdir()
    files.write_arrays(large / "codec.npz", arrays)
    (large / "config.json").write_bytes((workdir / "config.json").read_bytes())
    words = half.copy(large, tmp_path / "copy", sample)
    assert "float16 cannot hold all of them" in words


def test_fewer_bits_than_hold_a_large_number_are_not_kept(workdir, tmp_path, sample):
    arrays = dict(Archive(workdir / "codec.npz"))
    large = [name for name in arrays if name.startswith("decoder/")]
    (name,) = (name for name in large if arrays[name].size > 10_000)
    arrays[name] = arrays[name].copy()
    arrays[name][0, 0] = 65504.0  # float16 has no larger number.
    source = tmp_path / "large"
    source.mkdir()
    files.write_arrays(source / "codec.npz", arrays)
    (source / "config.json").write_bytes((workdir / "config.json").read_bytes())
    words = half.copy(source, tmp_path / "copy", sample)
    assert "in float16, which loses" in words
    copied = Archive(tmp_path / "copy" / "codec.npz")[name]
    assert copied.dtype == np.float16 and copied[0, 0] == 65504


def test_without_matrices_the_weights_stay_in_float32(workdir, tmp_path):
    assert "stay in float32" in half.copy(workdir, tmp_path / "copy", None)
    assert tfcsi.load(tmp_path / "copy").session == tfcsi.load(workdir).session


def test_a_codec_without_a_network_is_copied_as_it_is(tmp_path, sample):
    Klt.fit(sample, 0.02).save(tmp_path / "klt")
    words = half.copy(tmp_path / "klt", tmp_path / "copy", sample)
    assert "no weights in float32" in words
    sessions = [tfcsi.load(tmp_path / name).session for name in ("klt", "copy")]
    assert sessions[0] == sessions[1]
