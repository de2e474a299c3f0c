"""Codecs in threads and in other processes write and read the same packets."""

from __future__ import annotations

import concurrent.futures
import multiprocessing

import numpy as np
import pytest

import tfcsi
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.neural import Codec
from tfcsi.codecs.topk import TopK
from tfcsi.coding.tables import Tables

SHAPE = (8, 8)
NUMPY = {
    "klt": lambda h: Klt.at_bits(h, 120),
    "topk": lambda h: TopK(SHAPE, 6, 4, 10.0),
    "dft_grid": lambda h: DftGrid.fit(h, 0.1),
    "gaussian_mixture": lambda h: GaussianMixture.at_bits(h, 120),
    "paths": lambda h: tfcsi.load("paths"),
}


@pytest.fixture(scope="module", params=[*NUMPY, "neural"])
def codec(request, draw_csi, make_config, dense):
    h = draw_csi(50, SHAPE)
    if request.param in NUMPY:
        return NUMPY[request.param](h)
    made = Codec(make_config(shape=SHAPE, init="random", model=dense, latent_dim=8))
    made.quantizer.initialize(made.codewords(h)[0], 1e-3)
    made.use(Tables.from_counts(made.symbols(h)[0], made.config.coder))
    return made


@pytest.fixture
def matrices(codec, draw_csi):
    return draw_csi(12, codec.shape, seed=1)


def test_eight_threads_share_a_codec_and_write_the_same_packets(codec, matrices):
    blocks = np.split(matrices, 12)
    packets = [codec.compress(block) for block in blocks]
    right = [codec.decompress(block) for block in packets]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(codec.compress, blocks)) == packets
        for h_hat, block in zip(pool.map(codec.decompress, packets), right):
            np.testing.assert_allclose(h_hat, block, atol=1e-6)


def through(workdir, h, pipe):
    """What another process writes: packets of a codec that it loads or was given."""
    codec = workdir if not isinstance(workdir, str) else tfcsi.load(workdir)
    try:
        pipe.send(codec.compress(h))
    except RuntimeError as error:
        pipe.send(str(error))


def elsewhere(method, codec, h):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=through, args=(codec, h, theirs))
    process.start()
    try:
        assert ours.poll(60)
        return ours.recv()
    finally:
        process.join(10)
        process.kill()


@pytest.mark.parametrize("codec", NUMPY, indirect=True)
def test_a_forked_process_writes_the_same_packets_with_numpy(codec, matrices):
    assert elsewhere("fork", codec, matrices[-4:]) == codec.compress(matrices[-4:])


@pytest.mark.parametrize("codec", ["neural"], indirect=True)
def test_a_network_in_a_forked_process_is_refused_by_name(codec, matrices):
    codec.compress(matrices[-4:])  # TensorFlow has its threads now.
    words = elsewhere("fork", codec, matrices[-4:])
    assert "after TensorFlow had started" in words and "spawn" in words


@pytest.mark.slow
def test_a_network_in_a_spawned_process_writes_the_same_packets(draw_csi):
    import pathlib

    run = sorted(pathlib.Path(__file__).parents[1].glob("golden/workdirs/*"))[0]
    codec = tfcsi.load(run)
    h = draw_csi(4, codec.shape)
    assert elsewhere("spawn", str(run), h) == codec.compress(h)
