"""The PyTorch networks of `benchmarks/training_speed.py` are those of tfcsi.

These tests need PyTorch, which `pip install -e '.[benchmark]'` brings. Both sides call
their layers in the same order, by which weights are carried over.
"""

from __future__ import annotations

import importlib
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from tfcsi import models, transforms
from tfcsi.channels import cost2100
from tfcsi.models import csi_inr
from tfcsi.models.grouped import GroupedConv2D

torch = pytest.importorskip("torch")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benchmarks"))

convolutional = importlib.import_module("pytorch_networks")
attentive = importlib.import_module("pytorch_attention")

pytestmark = pytest.mark.slow
NETWORKS = {**convolutional.NETWORKS, **attentive.NETWORKS}
LAYERS = [name for name in NETWORKS if name != "csi_inr"]


@pytest.fixture(scope="module")
def x():
    return transforms.to_real(cost2100.simulate(4, 1, "indoor"))


def seen_by_pytorch(x):
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) + 0.5))


def in_order_of_calls(monkeypatch, build):
    """What `build` returns, and the layers with weights that it calls, in order."""
    called, depth, call = {}, [0], tf.keras.layers.Layer.__call__

    def recorded(self, *args, **options):
        depth[0] += 1
        result = call(self, *args, **options)
        depth[0] -= 1
        if not depth[0] and self.trainable_weights:
            called[id(self)] = self
        return result

    monkeypatch.setattr(tf.keras.layers.Layer, "__call__", recorded)
    made = build()
    monkeypatch.undo()
    return made, list(called.values())


def as_pytorch(layer, arrays):
    """The weights (or gradients) of a layer as PyTorch has them: a list a module."""
    if isinstance(layer, tf.keras.layers.MultiHeadAttention):
        entries = []
        for kernel, bias in zip(arrays[::2], arrays[1::2]):
            out = len(entries) == 3
            flat = kernel.reshape((-1, kernel.shape[-1]) if out else (len(kernel), -1))
            entries.append([flat.T, bias.ravel()])
        return entries
    first, *rest = arrays
    if isinstance(layer, (tf.keras.layers.Conv2D, GroupedConv2D)):
        first = first.transpose(3, 2, 0, 1)
    elif isinstance(layer, tf.keras.layers.Dense):
        first = first.T
    elif isinstance(layer, tf.keras.layers.PReLU):
        first = first.ravel()
    return [[first, *rest]]


def modules_in_order(network, x):
    """Modules with parameters in the order of their first calls."""
    called = {}
    for module in network.modules():
        if list(module.parameters(recurse=False)):
            module.register_forward_pre_hook(lambda m, _: called.setdefault(m))
    network(x)
    return list(called)


def flat(module, values):
    """Entries of `as_pytorch` taken for a module: those of its own parameters."""
    if not isinstance(module, torch.nn.MultiheadAttention):
        return values.pop(0)
    *inputs, out = (values.pop(0) for _ in range(4))
    return [*(np.concatenate(each) for each in zip(*inputs)), *out]


@pytest.mark.parametrize("name", LAYERS)
def test_a_network_of_pytorch_has_the_loss_and_the_gradients(name, x, monkeypatch):
    model = models.get(name)
    options = {"form": "released"}
    if name == "stnet":
        options["attention"] = "released"

    def build():
        sizes = ((32, 32), convolutional.LATENT)
        return model.encoder(*sizes, **options), model.decoder(*sizes, **options)

    tf.keras.utils.set_random_seed(1)
    (encoder, decoder), layers = in_order_of_calls(monkeypatch, build)
    for variable in encoder.trainable_variables + decoder.trainable_variables:
        drawn = 0.02 * np.random.default_rng(1).standard_normal(variable.shape)
        variable.assign_add(drawn.astype("f4"))
    network = NETWORKS[name]()
    modules = modules_in_order(network, seen_by_pytorch(x))
    weights = [
        entry
        for layer in layers
        for entry in as_pytorch(layer, [w.numpy() for w in layer.trainable_weights])
    ]
    for module in modules:
        for parameter, value in zip(module.parameters(), flat(module, weights)):
            assert parameter.shape == value.shape
            parameter.data = torch.from_numpy(np.ascontiguousarray(value))
    assert not weights

    with tf.GradientTape() as tape:
        x_hat = decoder(encoder(x, training=True), training=True)
        loss = tf.reduce_sum(tf.square(x - x_hat))
    trained = [layer.trainable_weights for layer in layers]
    try:
        slopes = tape.gradient(loss, trained, unconnected_gradients="zero")
    except tf.errors.InvalidArgumentError as error:
        if "dilation" not in str(error):
            raise
        pytest.skip("this TensorFlow is without oneDNN")
    target = seen_by_pytorch(x)
    out = network(target)
    ((out - target) ** 2).sum().backward()
    theirs = out.detach().numpy().transpose(0, 2, 3, 1) - 0.5
    np.testing.assert_allclose(theirs, x_hat, atol=2e-5)
    expected = [
        entry
        for layer, parts in zip(layers, slopes)
        for entry in as_pytorch(layer, [part.numpy() for part in parts])
    ]
    largest = max(np.abs(part).max() for entry in expected for part in entry)
    for module in modules:
        for parameter, value in zip(module.parameters(), flat(module, expected)):
            np.testing.assert_allclose(
                parameter.grad.numpy(), value, rtol=1e-2, atol=1e-4 * largest
            )


def test_csi_inr_of_pytorch_has_the_loss_and_the_second_order_gradients(x):
    encoder, decoder = csi_inr.encoder((32, 32), 32), csi_inr.decoder((32, 32), 32)
    csi_inr.share(encoder, decoder)
    walk, ours = encoder.get_layer("steps"), decoder.get_layer("network")
    network = NETWORKS["csi_inr"]()
    network.frequencies.data = torch.from_numpy(ours.frequencies.numpy())
    pairs = [(network.log_rate, walk.log_rate)]
    dense = [*network.blocks, network.out, network.scale, network.shift]
    kernels = [*ours.kernels, ours.scale, ours.shift]
    biases = [*ours.biases, ours.scale_bias, ours.shift_bias]
    pairs += [(layer.weight, kernel) for layer, kernel in zip(dense, kernels)]
    pairs += [(layer.bias, bias) for layer, bias in zip(dense, biases)]
    for parameter, variable in pairs:
        parameter.data = torch.from_numpy(variable.numpy().T.copy())
    with tf.GradientTape() as tape:
        x_hat = decoder(encoder(x, training=True), training=True)
        loss = tf.reduce_sum(tf.square(x - x_hat))
    slopes = tape.gradient(loss, [variable for _, variable in pairs])
    target = seen_by_pytorch(x)
    out = network(target)
    ((out - target) ** 2).sum().backward()
    theirs = out.detach().numpy().transpose(0, 2, 3, 1) - 0.5
    np.testing.assert_allclose(theirs, x_hat, atol=2e-5)
    for (parameter, _), slope in zip(pairs, slopes):
        value = slope.numpy().T
        np.testing.assert_allclose(
            parameter.grad.numpy(), value, rtol=1e-2, atol=1e-3 * np.abs(value).max()
        )
