"""The program `benchmarks/training_speed.py`, without PyTorch."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import os
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import slow

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benchmarks"))
steps = importlib.import_module("training_steps")
speed = importlib.import_module("training_speed")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, network in steps.NETWORKS.items():
        made = dataclasses.replace(network, batch=4)
        monkeypatch.setitem(steps.NETWORKS, name, made)


@pytest.mark.parametrize("name", ["csinet", slow("csi_inr")])
def test_the_plain_form_of_a_network_has_the_same_loss_and_gradients(name):
    x, sides = tf.constant(steps.matrices(name)), {}
    for plain in (False, True):
        tf.keras.utils.set_random_seed(1)
        encoder, decoder = steps.pair_of(name, plain)
        variables = encoder.trainable_variables + decoder.trainable_variables
        with tf.GradientTape() as tape:
            x_hat = decoder(encoder(x, training=True), training=True)
            loss = tf.reduce_sum(tf.square(x - x_hat))
        sides[plain] = [x_hat, *tape.gradient(loss, variables)]
    assert len(sides[False]) == len(sides[True])
    largest = max(np.abs(part).max() for part in sides[False])
    for ours, theirs in zip(sides[False], sides[True]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * largest)


@pytest.mark.slow
def test_a_network_is_measured_in_the_columns_that_it_has(monkeypatch):
    monkeypatch.setattr(speed, "processor", lambda: ("any", {"avx512f"}))
    monkeypatch.setattr(speed, "own_choice", lambda: os.environ[speed.ONE_DNN])
    columns = ["before", "tfcsi", "tfcsi_bfloat16"]
    args = argparse.Namespace(columns=columns, rounds=1, steps=1)
    point = speed.measure("csi_inr", args)
    speeds = point["matrices_per_second"]
    assert point["parameters"] == 93122 and point["batch"] == 4
    assert speeds.keys() == {"before", "tfcsi"} and min(speeds.values()) > 0
    assert point["after_over_before"] == speeds["tfcsi"] / speeds["before"]
    assert "bfloat16_over_float32" not in point
    why = "tfcsi does not compute csi_inr in bfloat16"
    assert point["missing"] == {"tfcsi_bfloat16": why}


def test_a_network_of_another_size_is_refused(monkeypatch):
    sizes = {"tfcsi": 3, "pytorch": 4}
    monkeypatch.setattr(speed, "step_of", lambda column, *_: (sizes[column], None))
    args = argparse.Namespace(columns=list(sizes), rounds=1, steps=1)
    with pytest.raises(AssertionError, match="csinet has not the same parameters"):
        speed.measure("csinet", args)


def test_the_name_and_the_flags_of_the_processor_are_read(tmp_path, monkeypatch):
    text = "processor\t: 0\nmodel name\t: A: B\nflags\t\t: fpu avx512_bf16\n"
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(speed, "CPUINFO", tmp_path / "cpuinfo")
    assert speed.processor() == ("A: B", {"fpu", "avx512_bf16"})
    monkeypatch.setattr(speed, "CPUINFO", tmp_path / "none")
    assert speed.processor() == ("unknown", set())


@pytest.mark.parametrize("kept", [True, False])
def test_before_has_the_kernels_that_tensorflow_chooses(monkeypatch, kept):
    """In a process of its own, whose results are those of the column."""
    child = {"matrices_per_second": {"before": 5.0}, "parameters": 7, "missing": {}}
    if not kept:
        child = {"matrices_per_second": {}, "missing": {"before": "no kernel"}}
    monkeypatch.setattr(speed, "own_choice", lambda: "neither")
    monkeypatch.setattr(speed, "before_in_a_child", lambda *_: child)
    monkeypatch.setattr(speed, "step_of", lambda *_: (7, lambda: None))
    args = argparse.Namespace(columns=["before", "tfcsi"], rounds=1, steps=1)
    point = speed.measure("csinet", args)
    assert point["matrices_per_second"].keys() == {"tfcsi", *(["before"] * kept)}
    assert point["missing"] == child["missing"] and point["parameters"] == 7


@pytest.mark.parametrize(
    ("known", "choice"), [({"avx2"}, "0"), ({"avx2", "avx512_vnni"}, "1")]
)
def test_tensorflow_chooses_by_the_processor(monkeypatch, known, choice):
    monkeypatch.setattr(speed, "processor", lambda: ("any", known))
    assert speed.own_choice() == choice


def test_a_processor_without_avx512_has_no_bfloat16_of_onednn(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    monkeypatch.setattr(speed, "processor", lambda: ("any", {"avx2"}))
    why = speed.step_of("tfcsi_bfloat16", "csinet", None)
    assert why == "oneDNN has no bfloat16 on this processor"
