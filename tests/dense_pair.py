"""A small model for tests, a dense layer a side; the fixture `dense` makes it known."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfcsi import transforms
from tfcsi.models.contract import Model


def _encoder(shape, latent_dim):
    x = tf.keras.Input((*shape, 2))
    flat = tf.keras.layers.Flatten()(x)
    y = tf.keras.layers.Dense(latent_dim, name="codeword")(flat)
    return tf.keras.Model(x, y)


def _decoder(shape, latent_dim):
    y_hat = tf.keras.Input((latent_dim,))
    flat = tf.keras.layers.Dense(2 * shape[0] * shape[1], name="expand")(y_hat)
    return tf.keras.Model(y_hat, tf.keras.layers.Reshape((*shape, 2))(flat))


def _initialize_klt(encoder, decoder, h):
    latent_dim = encoder.output_shape[-1]
    flat = transforms.to_real(h).reshape(len(h), -1)
    basis = np.linalg.eigh(flat.T @ flat)[1][:, : -latent_dim - 1 : -1]
    zeros = (np.zeros(side, np.float32) for side in basis.shape)
    decoder.get_layer("expand").set_weights([basis.T, next(zeros)])
    encoder.get_layer("codeword").set_weights([basis, next(zeros)])


MODEL = Model("dense", _encoder, _decoder, initialize_klt=_initialize_klt)
