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

from tfcsi import files, results
from tfcsi.channels import cost2100
from tfcsi.commands import flags, program
from tfcsi.models import stqenet
from tfcsi.training import config as configs
from tfcsi.training import pair


def add_arguments(parser):
    parser.add_argument(
        "--config",
        type=flags.FILE,
        default="stqenet_indoor",
        metavar="NAME",
        help="Name of a config, or a config file.",
    )
    flags.add(parser, "output", required=True, help="Results file to write (.json).")
    parser.add_argument(
        "--steps",
        type=flags.integer(1),
        default=4,
        metavar="N",
        help="Number of steps of one form in a round.",
    )
    parser.add_argument(
        "--rounds",
        type=flags.integer(1),
        default=6,
        metavar="N",
        help="Number of timed rounds; each form has its turn.",
    )
    parser.add_argument(
        "--batch_size",
        type=flags.integer(1),
        metavar="N",
        help="Number of matrices in a step; that of the config if not given.",
    )


def main(args):
    config = configs.read(args.config)
    config.batch_size = args.batch_size or config.batch_size
    count = config.batch_size * args.steps
    h = cost2100.simulate(count, config.seed, config.scenario)
    trainings = {}
    for attention in stqenet.ATTENTIONS:
        config.network.attention = attention
        training = pair.Pair(config.copy_and_resolve_references(), h)
        training.enter(h)
        training.train_epoch(h, False)  # Compiles the step.
        trainings[attention] = training
    seconds = {attention: [] for attention in trainings}
    for _ in range(args.rounds):
        for attention, training in trainings.items():
            began = time.perf_counter()
            training.train_epoch(h, False)
            seconds[attention].append(time.perf_counter() - began)
    median = {attention: float(np.median(s)) for attention, s in seconds.items()}
    content = {
        "command": results.command_line(sys.argv),
        "versions": results.versions(),
        "threads": os.cpu_count(),
        "matrices_per_second": {a: count / s for a, s in median.items()},
        "ratio": median["windowed"] / median["released"],
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    files.write_text(pathlib.Path(args.output), text)
    print(text)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
