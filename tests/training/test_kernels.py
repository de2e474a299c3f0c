"""Kernels of oneDNN: in use from the import of tfcsi on, unless the user says no."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
GRADIENT = """
import tfcsi, tensorflow as tf
from tfcsi import models
decoder = models.get("dcrnet").decoder((8, 8), 4)

@tf.function
def gradient(y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(decoder(y))
    return tape.gradient(loss, decoder.trainable_variables)

print(len(gradient(tf.ones((2, 4)))) == len(decoder.trainable_variables))
"""


def output_of(code, **variables):
    environment = {k: v for k, v in os.environ.items() if k != VARIABLE} | variables
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("given", "expected"), [({}, "1"), ({VARIABLE: "0"}, "0")])
def test_what_the_user_says_of_onednn_stays(given, expected):
    code = f"import os, tfcsi; print(os.environ[{VARIABLE!r}])"
    assert output_of(code, **given) == expected


@pytest.mark.slow
def test_dilated_convolutions_have_a_gradient_on_every_x86_processor():
    """TensorFlow has none for them on a CPU without oneDNN; DCRNet needs it."""
    assert output_of(GRADIENT) == "True"
