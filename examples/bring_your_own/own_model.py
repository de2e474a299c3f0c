"""A model of one's own: one dense layer at each end.

tfcsi train --config=autoencoder:own_linear --data_dir=DIR --workdir=runs/own
"""

from __future__ import annotations

import tensorflow as tf

from tfcsi.models.contract import Model


def encoder(shape: tuple[int, int], latent_dim: int, bias: bool = True):
    """Builds the UE network: x [n, num_tx, num_delay, 2] -> y [n, latent_dim]."""
    x = tf.keras.Input((*shape, 2))
    flat = tf.keras.layers.Flatten()(x)
    y = tf.keras.layers.Dense(latent_dim, use_bias=bias, name="codeword")(flat)
    return tf.keras.Model(x, y)


def decoder(shape: tuple[int, int], latent_dim: int, bias: bool = True):
    """Builds the network of the base station, the reverse of `encoder`."""
    y_hat = tf.keras.Input((latent_dim,))
    size = 2 * shape[0] * shape[1]
    flat = tf.keras.layers.Dense(size, use_bias=bias, name="expand")(y_hat)
    return tf.keras.Model(y_hat, tf.keras.layers.Reshape((*shape, 2))(flat))


MODEL = Model("own_linear", encoder, decoder)
