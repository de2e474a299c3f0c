"""Files of Keras are read by the kinds of layers and their order, not by numbers."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.keras import layers

from tfcsi.weights import reading


def network():
    """A network with two convolutions, a normalisation and a dense layer."""
    x = layers.Input((4, 4, 2))
    y = layers.BatchNormalization()(layers.Conv2D(3, 3)(x))
    y = layers.Dense(5)(layers.Flatten()(layers.Conv2D(2, 1, use_bias=False)(y)))
    made = tf.keras.Model(x, y)
    rng = np.random.default_rng(1)
    made.set_weights([rng.random(w.shape) for w in made.get_weights()])
    return made


@pytest.mark.parametrize("file", ["w.h5", "whole.h5", "w.weights.h5"])
def test_the_weights_have_the_kind_and_the_place_of_their_layer(file, tmp_path):
    network()  # The numbers of Keras go on with the next one.
    made = network()
    if file == "whole.h5":
        made.compile("adam", "mse")
        made.fit(np.zeros((1, 4, 4, 2)), np.zeros((1, 5)), verbose=0)
        made.save(tmp_path / file)
    else:
        made.save_weights(tmp_path / file)
    arrays = reading.read(tmp_path / file)
    norm = ("gamma", "beta", "moving_mean", "moving_variance")
    names = [
        *("conv2d.0.kernel", "conv2d.0.bias"),
        *(f"batch_normalization.0.{part}" for part in norm),
        *("conv2d.1.kernel", "dense.0.kernel", "dense.0.bias"),
    ]
    assert arrays.keys() == set(names)
    for name, weight in zip(names, made.get_weights()):
        np.testing.assert_array_equal(arrays[name], weight)


def test_a_file_without_weights_and_a_damaged_one_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w"):
        pass
    with pytest.raises(ValueError, match="a.h5 holds no weights"):
        reading.read(tmp_path / "a.h5")
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "b.h5").write_bytes(content[:100])
    with pytest.raises(ValueError, match="b.h5 cannot be read as a file of Keras"):
        reading.read(tmp_path / "b.h5")


def test_a_data_set_in_another_file_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        external = [(str(tmp_path / "a.h5"), 0, 8)]
        file.create_dataset("dense/kernel:0", (2,), "f4", external=external)
    with pytest.raises(ValueError, match="dense/kernel:0 is in another file"):
        reading.read(tmp_path / "a.h5")


def test_weights_of_numpy_have_their_names_or_those_behind_w(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones(2))
    assert reading.read(tmp_path / "a.npz").keys() == {"a"}
    np.savez(tmp_path / "b.npz", x=np.ones(2), **{"w/a": np.ones(2)})
    assert reading.read(tmp_path / "b.npz").keys() == {"a"}
