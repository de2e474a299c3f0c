"""Packets of each codec without a network decode for ever to the same matrices.

`tests/golden/codecs` holds a small codec of each kind, some CSI, its packets, and what
they decoded to. Symbols are integers and arrive exactly; h_hat may differ by
`golden.TOLERANCE` of the largest entry, because BLAS libraries round in different ways.
`GENERATE_EXPECTED=1` writes what is missing, and never anew what is there. The networks
are in `tests/golden/workdirs` (`test_old_runs.py`).
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tests.codecs import learned_weights
from tests.codecs.golden import DECODE, FOLDER, assert_alike, close
from tests.conftest import correlated_csi
from tfcsi.codecs.contract import SymbolCodec
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.learned import Learned
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.topk import TopK
from tfcsi.codecs.workdir import KINDS
from tfcsi.coding.packet_file import read_file, write_file
from tfcsi.coding.tables import Tables

ROOT = pathlib.Path(__file__).parents[2]
SHAPE = (8, 8)


def learned(h, folder):
    np.savez(folder / "weights.npz", **learned_weights.arrays())
    return Learned.trained(folder / "weights.npz", h, rate=1)


def first_format(h):
    new = Klt.at_bits(h, 120)
    tables = Tables.from_arrays(new.tables.arrays())
    return Klt(SHAPE, new.basis, new.step, tables, packet_version=1)


MAKERS = {
    "klt": lambda h, _: Klt.at_bits(h, 120),
    "klt_1": lambda h, _: first_format(h),
    "topk": lambda h, _: TopK(SHAPE, 6, 4, 10.0),
    "topk_1": lambda h, _: TopK(SHAPE, 6, 4, 10.0, 1),
    "dft_grid": lambda h, _: DftGrid.fit(h, 0.1),
    "gaussian_mixture": lambda h, _: GaussianMixture.at_bits(h, 120),
    "paths": lambda h, _: Paths.fit(h[:20], num_fft=8),
    "paths_universal": lambda h, _: tfcsi.load("paths"),
    "learned": learned,
}
MACHINES = {
    "one thread": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    "old kernels": {"OPENBLAS_CORETYPE": "Prescott"},
    "without oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "with oneDNN": {"TF_ENABLE_ONEDNN_OPTS": "1"},
}


def write(name, folder):
    """Writes a codec, matrices, their packets and what they decode to."""
    made = MAKERS[name](correlated_csi(60, SHAPE), folder)
    h = correlated_csi(5, made.shape, seed=7)
    made.save(FOLDER / name)
    packets = made.compress(h)
    write_file(FOLDER / name / "packets.tcsi", made.session, packets)
    h_hat = made.decompress(packets)
    np.savez_compressed(FOLDER / name / "csi.npz", h=h, h_hat=h_hat)


def load(name):
    """A codec, its packets, the matrices and what they decoded to."""
    codec = tfcsi.load(FOLDER / name)
    session, packets = read_file(FOLDER / name / "packets.tcsi")
    assert session == codec.session
    with np.load(FOLDER / name / "csi.npz") as stored:
        return codec, packets, stored["h"], stored["h_hat"]


@pytest.mark.skipif("GENERATE_EXPECTED" not in os.environ, reason="writes files")
@pytest.mark.parametrize("name", MAKERS)
def test_golden_packets_that_are_missing_are_written(name, tmp_path):
    if not (FOLDER / name).exists():
        write(name, tmp_path)


def test_every_codec_without_a_network_has_golden_packets():
    kinds = {tfcsi.load(FOLDER / name).config["model"] for name in MAKERS}
    assert kinds == KINDS.keys() - {"neural"}


@pytest.mark.parametrize("name", MAKERS)
def test_golden_packets_decode_to_the_same_matrices(name):
    codec, packets, h, h_hat = load(name)
    assert close(codec.decompress(packets), h_hat)
    if isinstance(codec, SymbolCodec):
        sent, received = codec.symbols(h)[0], codec.receive(packets)[0]
        assert np.mean(sent != received) < 0.02  # Other machines round differently.


@pytest.mark.parametrize("name", MAKERS)
def test_matrices_give_packets_of_the_same_size_and_quality_as_the_golden_ones(name):
    codec, packets, h, h_hat = load(name)
    again = codec.compress(h)
    sizes = [sum(map(len, each)) for each in (again, packets)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    error, golden = (np.abs(x - h) ** 2 for x in (codec.decompress(again), h_hat))
    assert error.sum() == pytest.approx(golden.sum(), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_golden_packets_decode_alike_with_other_threads_and_kernels(machine, tmp_path):
    """Of networks, too, which the kernels of oneDNN run or those without it."""
    networks = sorted((FOLDER.parent / "workdirs").iterdir())
    folders = [*(FOLDER / name for name in MAKERS), *networks]
    command = [sys.executable, "-c", DECODE, str(tmp_path / "out.npz"), *folders]
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **MACHINES[machine]}
    subprocess.run(list(map(str, command)), env=variables, check=True)
    assert_alike(tmp_path / "out.npz", folders)


def test_a_golden_codec_that_was_copied_writes_the_golden_session(tmp_path):
    for name in MAKERS:
        codec = tfcsi.load(FOLDER / name)
        codec.save(tmp_path / name)
        assert tfcsi.load(tmp_path / name).session == codec.session
        shutil.rmtree(tmp_path / name)
