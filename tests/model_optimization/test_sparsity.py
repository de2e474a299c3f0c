"""Encoders of few values and of many zeros."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.model_optimization import sparsity
from tfcsi.models import bcsinet, csinet
from tfcsi.tflite import convert

SHAPE = (16, 16)


@pytest.fixture(scope="module")
def x(draw_csi):
    return transforms.to_real(draw_csi(100))


@pytest.fixture(scope="module")
def encoder():
    return csinet.encoder(SHAPE, 16)


def error(encoder, other, x):
    """Mean square error of codewords, relative to their energy."""
    y = encoder(x).numpy()
    return np.mean((other(x) - y) ** 2) / np.mean(y**2)


@pytest.fixture(scope="module")
def clustered(encoder, x):
    return sparsity.cluster(encoder, 8, x, 2)


@pytest.fixture(scope="module")
def pruned(encoder, x):
    return sparsity.prune(encoder, 0.75, x, 60)


def test_a_clustered_kernel_has_that_many_values(encoder, clustered, x):
    kernel = clustered.get_layer("codeword").kernel.numpy()
    assert 4 < len(np.unique(kernel)) <= 8
    assert error(encoder, clustered, x) < 0.05


def test_a_pruned_kernel_has_that_many_zeros(pruned):
    kernel = pruned.get_layer("codeword").kernel.numpy()
    assert np.mean(kernel == 0) == pytest.approx(0.75, abs=0.01)


def test_fine_tuning_makes_up_for_zeros(encoder, pruned, x):
    assert error(encoder, pruned, x) < 0.8 * error(
        encoder, sparsity.prune(encoder, 0.75, x, 1), x
    )


def test_small_kernels_are_not_compressed(clustered, pruned):
    for model in (clustered, pruned):
        kernel = model.get_layer("conv").kernel.numpy()
        assert len(np.unique(kernel)) == kernel.size and np.all(kernel != 0)


def test_the_given_encoder_stays_as_it_is(encoder, x):
    before = encoder.get_weights()
    sparsity.prune(encoder, 0.5, x, 1)
    for one, other in zip(before, encoder.get_weights()):
        np.testing.assert_array_equal(one, other)


@pytest.mark.tflite
def test_the_file_is_as_long_and_its_gzip_shorter(encoder, clustered, pruned):
    plain, *others = (
        convert.convert(e, "float32") for e in (encoder, clustered, pruned)
    )
    for content in others:
        assert len(content) == pytest.approx(len(plain), rel=0.03)
        assert len(gzip.compress(content)) < 0.5 * len(gzip.compress(plain))


def test_k_means_finds_what_lies_in_heaps():
    rng = np.random.default_rng(0)
    values = np.concatenate([c + 0.01 * rng.normal(size=500) for c in (-3, 0.5, 1)])
    centroids = sparsity._k_means(values, 3)
    np.testing.assert_allclose(centroids, [-3, 0.5, 1], atol=0.01)


@pytest.mark.parametrize("clusters", [1, 257])
def test_clusters_out_of_range_are_refused(encoder, x, clusters):
    with pytest.raises(ValueError, match=f"clusters is {clusters}; it must be 2 to"):
        sparsity.cluster(encoder, clusters, x, 1)


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_sparsity_out_of_range_is_refused(encoder, x, share):
    with pytest.raises(ValueError, match="sparsity is .*; it must be above 0"):
        sparsity.prune(encoder, share, x, 1)


def test_an_encoder_without_large_kernels_is_refused(x):
    with pytest.raises(ValueError, match="no convolution or dense layer of 1024"):
        sparsity.prune(bcsinet.encoder(SHAPE, 16), 0.5, x, 1)
