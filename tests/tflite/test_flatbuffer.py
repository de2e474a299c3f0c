"""Edits of TFLite files."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfcsi.tflite import convert, flatbuffer, runner

pytestmark = pytest.mark.tflite


def dense(num_inputs, units, seed):
    """Float32 [1, num_inputs] to [1, units] as a flatbuffer, and its kernel."""
    kernel = np.random.default_rng(seed).normal(size=(num_inputs, units))
    kernel = kernel.astype(np.float32)
    content = convert._converter(
        lambda x: tf.nn.relu(x @ kernel), (num_inputs,)
    ).convert()
    return content, kernel


def run(content, x):
    """What the network puts out for x [1, ...]."""
    network = runner.interpreter(content)
    network.set_tensor(network.get_input_details()[0]["index"], x)
    network.invoke()
    return network.get_tensor(network.get_output_details()[0]["index"])


X = np.random.default_rng(0).normal(size=(1, 6)).astype(np.float32)


def test_a_chain_is_the_second_network_of_the_first():
    (first, one), (second, two) = dense(6, 5, 1), dense(5, 7, 2)
    content = flatbuffer.chain(first, second)
    expected = np.maximum(np.maximum(X @ one, 0) @ two, 0)
    np.testing.assert_allclose(run(content, X), expected, rtol=1e-5)
    counts = [flatbuffer.operations(part) for part in (first, second, content)]
    assert counts[2] == counts[0] + counts[1]


def test_a_chain_answers_by_its_signature_too():
    content = flatbuffer.chain(dense(6, 5, 1)[0], dense(5, 7, 2)[0])
    network = tf.lite.Interpreter(model_content=content)
    (result,) = network.get_signature_runner()(x=X).values()
    np.testing.assert_allclose(result, run(content, X), rtol=1e-6)


def test_constants_lie_where_simd_units_like_to_read_them():
    first, kernel = dense(6, 5, 1)
    content = flatbuffer.chain(first, dense(5, 7, 2)[0])
    at = content.index(kernel.T.tobytes())
    assert at % 16 == 0 and content[at + 1 :].find(kernel.T.tobytes()) < 0


def test_constants_and_kernels_are_counted():
    content, kernel = dense(6, 5, 1)
    assert flatbuffer.constants(content)["FLOAT32"] >= kernel.size
    assert list(flatbuffer.kernels(content).values()) == [kernel.size]
    assert flatbuffer.operations(content) == {"FULLY_CONNECTED": 1}


def test_each_prefix_extends_the_one_before_up_to_the_whole_network():
    content = flatbuffer.chain(dense(6, 5, 1)[0], dense(5, 7, 2)[0])
    names, parts = zip(*flatbuffer.prefixes(content))
    assert names == ("FULLY_CONNECTED", "FULLY_CONNECTED")
    assert [sum(flatbuffer.operations(part).values()) for part in parts] == [1, 2]
    np.testing.assert_array_equal(run(parts[-1], X), run(content, X))
    assert run(parts[0], X).shape == (1, 5)


def test_a_prefix_keeps_branches_that_only_later_operations_read():
    both = convert._converter(lambda x: tf.concat([tf.exp(x), tf.sin(x)], 1), (6,))
    both = list(flatbuffer.prefixes(both.convert()))[1][1]
    assert len(runner.interpreter(both).get_output_details()) == 2
