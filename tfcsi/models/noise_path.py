"""The released experiment with noise: a decoder that also sees the clean codeword.

A decoder takes what the base station received, y_hat. The released code of CLLWCsiNet
trains and tests its decoder in another way: one branch gets the codeword from before
the noise, which no real receiver has. This module holds that experiment, so that every
decoder is called as `decoder(y_hat)`.

The decoder marks, with `clean`, the place where its branch reads the clean codeword.
`under_noise` wraps the decoder: the result takes both codewords and has the same
weights. Only the training loop and the evaluation over noise, which know the clean
codeword, ask for that.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
from tensorflow.keras import layers

CLEAN = "y_clean"  # Name of the layer that `clean` adds.


def clean(y_hat):
    """Marks where a decoder reads the clean codeword.

    Args:
      y_hat: Keras tensor, float32 [n, latent], the input of the decoder.

    Returns:
      The same numbers; `under_noise` puts the clean codeword in their place.
    """
    return layers.Identity(name=CLEAN)(y_hat)


def under_noise(decoder: tf.keras.Model) -> Callable[..., tf.Tensor]:
    """Returns how a decoder decodes in an experiment with noise on the codeword.

    Args:
      decoder: Keras model y_hat -> x_hat, with or without fake quantisation.

    Returns:
      Function (y_hat, y_clean, training=False) -> x_hat with the weights of the
      decoder. Both codewords are float32 [n, latent]: the received one and the one
      before the noise. A decoder without the mark looks at y_hat alone.
    """
    if not any(layer.name == CLEAN for layer in decoder.layers):
        return lambda y_hat, y_clean, training=False: decoder(y_hat, training=training)
    y_clean = decoder.get_layer(CLEAN).output
    both = tf.keras.Model([*decoder.inputs, y_clean], decoder.output)
    return lambda y_hat, y_clean, training=False: both(
        [y_hat, y_clean], training=training
    )
