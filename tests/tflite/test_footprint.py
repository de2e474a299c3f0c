"""What encoders cost: laws that hold however fast the machine is."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.models import cllwcsinet, csinet
from tfcsi.tflite import convert, flatbuffer, footprint, runner

pytestmark = pytest.mark.tflite


@pytest.fixture(scope="module")
def contents():
    """Flatbuffers of a small network and of one with many more multiplications."""
    return {
        "small": convert.convert(csinet.encoder((16, 16), 16), "float32"),
        "large": convert.convert(cllwcsinet.encoder((64, 32), 512), "float32"),
    }


def matrix(content):
    """Zeros that fit the input of a network."""
    return np.zeros(
        runner.interpreter(content).get_input_details()[0]["shape"][1:], "f4"
    )


def test_speedup_is_the_ratio_to_the_first(contents):
    encoders = {k: runner.Runner(contents["small"]) for k in ("first", "same")}
    times = footprint.side_by_side(encoders, matrix(contents["small"]), 30, 20)
    assert times["first"]["speedup"] == 1.0
    assert times["same"]["speedup"] == pytest.approx(1.0, rel=0.5)
    for point in times.values():
        assert 0 < point["microseconds"] <= point["microseconds_95"]


def test_operations_take_the_time_of_the_network(contents):
    content = contents["large"]
    times = footprint.by_operation(content, matrix(content))
    assert times.keys() == flatbuffer.operations(content).keys()
    assert min(times.values()) >= 0 and list(times)[0] == "CONV_2D"


def test_memory_holds_the_file_and_what_is_computed(contents):
    memory = {k: footprint.memory(content) for k, content in contents.items()}
    if None in memory.values():
        pytest.skip("this C library does not tell")
    assert all(memory[k] > len(content) for k, content in contents.items())
    assert memory["large"] > memory["small"]
    again = footprint.memory(contents["large"])
    assert again == pytest.approx(memory["large"], rel=0.02)


def test_the_parts_of_the_way_to_a_packet_add_up(codec, h):
    content = convert.export(codec, "float32", transforms.to_real(h[:10]), "symbols")
    times = footprint.to_packet(codec, runner.Runner(content), h[300:340])
    total = times.pop("total")
    assert list(times) == ["input", "encoder", "quantizer", "coder"]
    assert min(times.values()) > 0
    assert max(times.values()) < total < 3 * sum(times.values())


@pytest.mark.parametrize("runtime", runner.RUNTIMES)
@pytest.mark.parametrize("xnnpack", [True, False])
def test_both_runtimes_compute_the_same(contents, runtime, xnnpack):
    if runtime == "litert":
        pytest.importorskip("ai_edge_litert")
    x = np.random.default_rng(0).normal(size=(3, 64, 32, 2)).astype(np.float32)
    y = runner.Runner(contents["large"], runtime, xnnpack)(x)
    np.testing.assert_allclose(
        y, runner.Runner(contents["large"])(x), rtol=1e-5, atol=1e-4
    )


def test_an_unknown_runtime_is_refused(contents):
    with pytest.raises(ValueError, match="runtime is 'onnx'; it must be one of"):
        runner.interpreter(contents["small"], "onnx")
