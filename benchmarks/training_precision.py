"""Speed of training steps in float32, in bfloat16 and with XLA, network by network.

    python benchmarks/training_precision.py --output=results/training_precision.json

The forms of a network take turns. A step is the relative error of the networks and its
gradient for all weights, which are float32 in all forms; without quantiser, prior and
optimizer. Processor time counts, so that other programs disturb little.
OMP_NUM_THREADS=1 keeps it to one thread.
"""

import json
import os
import pathlib
import sys
import time

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf

from tfcsi import files, models, results, transforms
from tfcsi.channels import cost2100
from tfcsi.commands import flags, program
from tfcsi.training import config as configs
from tfcsi.training.objective import relative_error
from tfcsi.training.tokens import precision

FORMS = {  # Precision, and whether XLA compiles the step.
    "float32": ("float32", False),
    "bfloat16": ("bfloat16", False),
    "float32 with XLA": ("float32", True),
}
MODELS = ("csinet", "crnet", "cllwcsinet", "transnet", "stqenet")


def add_arguments(parser):
    parser.add_argument(
        "--models",
        type=flags.NAMES,
        default=MODELS,
        metavar="NAME,...",
        help="Networks of the config autoencoder.",
    )
    parser.add_argument(
        "--batch_size",
        type=flags.integer(1),
        default=25,
        metavar="N",
        help="Number of matrices in a step.",
    )
    parser.add_argument(
        "--rounds",
        type=flags.integer(1),
        default=5,
        metavar="N",
        help="Number of timed steps of each form.",
    )
    flags.add(parser, "output", required=True, help="Results file to write (.json).")


def step_of(name, form):
    """A function of x [n, num_tx, num_delay, 2] that returns loss and gradients."""
    config = configs.read(f"autoencoder:{name}")
    model, network = models.get(name), dict(config.network)
    kind, compiled = FORMS[form]
    tf.keras.utils.set_random_seed(1)
    with precision(kind):
        encoder, decoder = (
            build(tuple(config.shape), config.latent_dim, **network)
            for build in (model.encoder, model.decoder)
        )
    weights = [*encoder.trainable_variables, *decoder.trainable_variables]

    @tf.function(jit_compile=compiled)
    def step(x):
        with tf.GradientTape() as tape:
            x_hat = tf.cast(decoder(encoder(x, training=True), training=True), x.dtype)
            loss = tf.reduce_mean(relative_error(x, x_hat))
        return loss, tape.gradient(loss, weights)

    return step


def measure(name, x, rounds):
    """Matrices a second of processor time of each form, and the first losses."""
    steps, facts = {form: step_of(name, form) for form in FORMS}, {}
    for form, step in steps.items():
        began = time.process_time()
        loss = float(step(x)[0])  # Compiles the step.
        facts[form] = {"compile_s": time.process_time() - began, "loss": loss}
        step(x)
    seconds = {form: [] for form in FORMS}
    for _ in range(rounds):
        for form, step in steps.items():
            began = time.process_time()
            step(x)[0].numpy()
            seconds[form].append(time.process_time() - began)
    for form, each in seconds.items():
        facts[form]["matrices_per_second"] = len(x) / float(np.median(each))
    return facts


def main(args):
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    x = tf.constant(transforms.to_real(cost2100.simulate(args.batch_size, 1, "indoor")))
    content = {
        "command": results.command_line(sys.argv),
        "versions": results.versions(),
        "batch_size": args.batch_size,
        "models": {},
    }
    for name in args.models:
        content["models"][name] = measure(name, x, args.rounds)
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        files.write_text(pathlib.Path(args.output), text)
        print(name, json.dumps(content["models"][name]), flush=True)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
