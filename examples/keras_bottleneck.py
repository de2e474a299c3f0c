"""Puts a bottleneck with contexts into a Keras model, and trains it by compile and fit.

    python examples/keras_bottleneck.py

It takes half a minute on two cores. The network is a dense layer at each end; put your
own in their place. The layer adds the rate to the loss, and codes real payloads.
"""

import argparse

import numpy as np
import tensorflow as tf

from tfcsi import metrics, transforms
from tfcsi.channels import cost2100
from tfcsi.entropy.layers import Bottleneck

NUM_TRAIN, NUM_TEST, LATENT, LMBDA, EPOCHS = 1500, 200, 64, 5e-4, 8


def relative_error(x, x_hat):
    error = tf.reduce_sum(tf.square(x - x_hat), (1, 2, 3))
    return error / tf.reduce_sum(tf.square(x), (1, 2, 3))


def main():
    h_train = cost2100.simulate(NUM_TRAIN, 1, "indoor")  # [n, num_tx, num_delay]
    h_test = cost2100.simulate(NUM_TEST, 2, "indoor")
    x_train, x_test = (transforms.to_real(h) for h in (h_train, h_test))
    shape = x_train.shape[1:]

    layers = tf.keras.layers
    encoder = tf.keras.Sequential([layers.Flatten(), layers.Dense(LATENT)])
    bottleneck = Bottleneck(prior="contexts", lmbda=LMBDA)
    decoder = tf.keras.Sequential([layers.Dense(np.prod(shape)), layers.Reshape(shape)])
    model = tf.keras.Sequential([encoder, bottleneck, decoder])
    model.build((None, *shape))
    model.compile(tf.keras.optimizers.Adam(3e-3), relative_error)

    bottleneck.adapt(encoder(x_train).numpy())
    model.fit(x_train, x_train, batch_size=50, epochs=EPOCHS, verbose=0)
    bottleneck.freeze(encoder(x_train).numpy())

    payloads = bottleneck.compress(encoder(x_test).numpy())
    x_hat = decoder(bottleneck.decompress(payloads)).numpy()
    bits = 8 * np.mean([len(payload) for payload in payloads])
    nmse = metrics.nmse(h_test, transforms.to_complex(x_hat))
    expected = model.evaluate(x_test, x_test, verbose=0, return_dict=True)["bits"]
    print(f"{metrics.to_db(nmse.mean()):.2f} dB in {bits:.1f} bits")
    print(f"the loss expected {expected:.1f} bits")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
