"""Training steps of the two readings of STQENet's attention, side by side.

    python benchmarks/training_speed.py --config=configs/stqenet_indoor.py \
        --output=results/training_speed.json

Prints the ratio of their speeds, steps taken in turn in one process.
"""

import json
import os
import pathlib
import time

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
from absl import app, flags
from ml_collections import config_flags

from tfcsi import files, results, transforms
from tfcsi.channels import cost2100
from tfcsi.models import stqenet
from tfcsi.training import loop

_CONFIG = config_flags.DEFINE_config_file("config", help_string="Config file.")
_OUTPUT = flags.DEFINE_string("output", None, "Results file.", required=True)
_STEPS = flags.DEFINE_integer("steps", 8, "Timed steps of each.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    config = _CONFIG.value
    h = cost2100.simulate(config.batch_size, config.seed, config.scenario)
    x, runs = transforms.to_real(h), {}
    for attention in stqenet.ATTENTIONS:
        with config.unlocked():
            config.network.attention = attention
        runs[attention] = loop.Run(config.copy_and_resolve_references(), h)
        runs[attention].enter(h)
        runs[attention].train_step(x)
    seconds = {attention: [] for attention in runs}
    for _ in range(_STEPS.value):
        for attention, run in runs.items():
            began = time.perf_counter()
            run.train_step(x).numpy()
            seconds[attention].append(time.perf_counter() - began)
    median = {attention: float(np.median(s)) for attention, s in seconds.items()}
    content = {
        "command": "python benchmarks/training_speed.py",
        "versions": results.versions(),
        "threads": os.cpu_count(),
        "matrices_per_second": {a: len(x) / s for a, s in median.items()},
        "ratio": median["windowed"] / median["released"],
    }
    text = json.dumps(content, indent=1) + "\n"
    files.write_text(pathlib.Path(_OUTPUT.value), text)
    print(text)


if __name__ == "__main__":
    app.run(main)
