"""Speed of training with each of the two forms of STQENet's attention.

    python benchmarks/training_speed.py --config=stqenet_indoor \
        --output=results/training_speed.json

Both forms train in one process and take turns, some steps each. The whole loop is
timed, with the reading of the batches. The program prints matrices a second and the
ratio of the two speeds.
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
from absl import app, flags

from tfcsi import files, results
from tfcsi.channels import cost2100
from tfcsi.models import stqenet
from tfcsi.training import config as configs
from tfcsi.training import pair

_CONFIG = flags.DEFINE_string("config", "stqenet_indoor", "Name or path of a config.")
_OUTPUT = flags.DEFINE_string("output", None, "Results file.", required=True)
_STEPS = flags.DEFINE_integer("steps", 4, "Steps of one form in a round.")
_ROUNDS = flags.DEFINE_integer("rounds", 6, "Timed rounds; each form has its turn.")
_BATCH = flags.DEFINE_integer("batch_size", None, "Matrices a step; as the config.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    config = configs.read(_CONFIG.value)
    config.batch_size = _BATCH.value or config.batch_size
    count = config.batch_size * _STEPS.value
    h = cost2100.simulate(count, config.seed, config.scenario)
    trainings = {}
    for attention in stqenet.ATTENTIONS:
        config.network.attention = attention
        training = pair.Pair(config.copy_and_resolve_references(), h)
        training.enter(h)
        training.train_epoch(h, False)  # Compiles the step.
        trainings[attention] = training
    seconds = {attention: [] for attention in trainings}
    for _ in range(_ROUNDS.value):
        for attention, training in trainings.items():
            began = time.perf_counter()
            training.train_epoch(h, False)
            seconds[attention].append(time.perf_counter() - began)
    median = {attention: float(np.median(s)) for attention, s in seconds.items()}
    content = {
        "command": "python benchmarks/training_speed.py",
        "versions": results.versions(),
        "threads": os.cpu_count(),
        "matrices_per_second": {a: count / s for a, s in median.items()},
        "ratio": median["windowed"] / median["released"],
    }
    text = json.dumps(content, indent=1) + "\n"
    files.write_text(pathlib.Path(_OUTPUT.value), text)
    print(text)


if __name__ == "__main__":
    try:
        app.run(main)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
