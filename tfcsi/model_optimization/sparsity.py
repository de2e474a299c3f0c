"""Encoders with few different weights, or many zeros: fewer bytes when compressed.

A `.tflite` file keeps its length and its time to run. Its gzip gets shorter, and apps
and updates are sent as gzip. Both ways fine-tune by distillation: the new network
learns to put out the codewords of the old one, so that decoder and entropy tables stay
as they are. Only plain convolutions and dense layers of at least 1024 weights are
compressed; the other layers are fine-tuned as well.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow.keras import layers
from tensorflow_model_optimization.python.core.quantization.keras import (
    quantize_wrapper,
)

BATCH = 50
# First learning rates; they fall to zero. Larger rates break up the clusters.
CLUSTER_RATE, PRUNE_RATE = 2e-4, 3e-3
_MIN_WEIGHTS = 1024
_LLOYD_STEPS = 100


def cluster(
    encoder: tf.keras.Model, clusters: int, x: np.ndarray, steps: int
) -> tf.keras.Model:
    """Limits the weights of each kernel to a few values.

    The values start as the k-means of the kernel (Lloyd's algorithm) and are trained,
    as in Han et al., "Deep Compression" (ICLR 2016, arXiv:1510.00149), section 3.

    Args:
      encoder: Keras model x -> y; it stays as it is.
      clusters: Number of values of a kernel, 2 to 256.
      x: float32 [n, num_tx, num_delay, 2], training matrices.
      steps: Training steps of fine-tuning.

    Returns:
      Keras model x -> y.

    Raises:
      ValueError: If `clusters` is out of range, or no kernel is large enough.
    """
    if not 2 <= clusters <= 256:
        raise ValueError(f"clusters is {clusters}; it must be 2 to 256")

    def wrap(layer: layers.Layer) -> layers.Layer:
        start = tfmot.clustering.keras.CentroidInitialization.LINEAR
        return tfmot.clustering.keras.cluster_weights(
            layer, number_of_clusters=clusters, cluster_centroids_init=start
        )

    wrapped = _wrapped(encoder, wrap)
    for layer in wrapped.layers:
        for name, centroids in getattr(layer, "cluster_centroids", {}).items():
            kernel = layer.original_clusterable_weights[name].numpy().ravel()
            centroids.assign(_k_means(kernel, clusters))
    _distil(wrapped, encoder, x, steps, CLUSTER_RATE, [])
    stripped = tfmot.clustering.keras.strip_clustering(wrapped)
    return _unwrapped(encoder, stripped)


def prune(
    encoder: tf.keras.Model, sparsity: float, x: np.ndarray, steps: int
) -> tf.keras.Model:
    """Sets the smallest weights of each kernel to zero.

    As in Zhu, Gupta, "To prune, or not to prune" (arXiv:1710.01878), with all zeros
    from the first step.

    Args:
      encoder: Keras model x -> y; it stays as it is.
      sparsity: Share of zeros in a kernel, 0 to 1, exclusive.
      x: float32 [n, num_tx, num_delay, 2], training matrices.
      steps: Training steps of fine-tuning.

    Returns:
      Keras model x -> y.

    Raises:
      ValueError: If `sparsity` is out of range, or no kernel is large enough.
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"sparsity is {sparsity}; it must be above 0 and below 1")
    schedule = tfmot.sparsity.keras.ConstantSparsity(sparsity, 0, frequency=1)

    def wrap(layer: layers.Layer) -> layers.Layer:
        return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)

    wrapped = _wrapped(encoder, wrap)
    callbacks = [tfmot.sparsity.keras.UpdatePruningStep()]
    _distil(wrapped, encoder, x, steps, PRUNE_RATE, callbacks)
    return _unwrapped(encoder, tfmot.sparsity.keras.strip_pruning(wrapped))


def _wrapped(encoder: tf.keras.Model, wrap: Callable) -> tf.keras.Model:
    """A copy with wrapped large kernels and fixed normalisations."""
    if any(isinstance(n, quantize_wrapper.QuantizeWrapperV2) for n in encoder.layers):
        raise ValueError(
            f"{encoder.name} was fine-tuned for integers; cluster or prune the float "
            f"run that it was fine-tuned from"
        )
    copy = _unwrapped(encoder, encoder)
    large = [
        layer.name
        for layer in copy.layers
        if type(layer) in (layers.Conv2D, layers.Dense)
        and np.prod(layer.kernel.shape) >= _MIN_WEIGHTS
    ]
    if not large:
        raise ValueError(
            f"{encoder.name} has no convolution or dense layer of {_MIN_WEIGHTS} or "
            f"more weights to compress"
        )
    for layer in copy.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False
    return tf.keras.models.clone_model(
        copy, clone_function=lambda layer: wrap(layer) if layer.name in large else layer
    )


def _unwrapped(encoder: tf.keras.Model, weights: tf.keras.Model) -> tf.keras.Model:
    """A copy of an encoder with the weights of the layers of another one."""
    copy = tf.keras.models.clone_model(encoder)
    for layer in copy.layers:
        layer.set_weights(weights.get_layer(layer.name).get_weights())
    return copy


def _distil(student, teacher, x, steps: int, rate: float, callbacks: list) -> None:
    """Trains on the mean square error of codewords, relative to their energy."""
    y = teacher.predict(x, verbose=0)
    energy = float(np.mean(np.square(y)))
    schedule = tf.keras.optimizers.schedules.CosineDecay(rate, steps)
    optimizer = tf.keras.optimizers.Adam(schedule)
    student.compile(optimizer, lambda y, z: tf.reduce_mean(tf.square(z - y)) / energy)
    data = tf.data.Dataset.from_tensor_slices((x, y))
    data = data.shuffle(len(x), seed=1).repeat().batch(BATCH)
    student.fit(data, steps_per_epoch=steps, callbacks=callbacks, verbose=0)


def _k_means(values: np.ndarray, clusters: int) -> np.ndarray:
    """Lloyd's algorithm on numbers, from their quantiles."""
    values = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    centroids = np.quantile(values, (np.arange(clusters) + 0.5) / clusters)
    for _ in range(_LLOYD_STEPS):
        ends = np.searchsorted(values, (centroids[1:] + centroids[:-1]) / 2)
        ends = np.concatenate([[0], ends, [len(values)]])
        counts, totals = np.diff(ends), np.diff(sums[ends])
        centroids = np.where(counts > 0, totals / np.maximum(counts, 1), centroids)
    return centroids.astype(np.float32)
