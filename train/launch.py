"""What the programs here that train on data sets share: flags, matrices, one call."""

import contextlib
import os
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

from absl import app, flags
from ml_collections import config_flags

from tfcsi import datasets, transforms
from tfcsi.channels import blocks
from tfcsi.channels.epochs import Epochs, validation
from tfcsi.training import run as training

_CONFIG = config_flags.DEFINE_config_file(
    "config", lock_config=True, help_string="Config file."
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_RESUME = flags.DEFINE_bool("resume", False, "Continue the run in the workdir.")
_PROGRESS = flags.DEFINE_bool("progress", True, "Show progress bars.")
flags.mark_flags_as_required(["config", "workdir"])


def run(choose):
    """Trains on the sources that `choose(config)` names, a dict of name to folder."""

    def main(argv):
        if len(argv) > 1:
            raise app.UsageError(f"unknown arguments: {argv[1:]}")
        train(_CONFIG.value, choose(_CONFIG.value))

    try:
        app.run(main)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")


def train(config, folders):
    """Trains on the files of the sources, or on simulated channels of the only one."""
    names, simulated = list(folders), config.get("data", "files") == "simulate"
    one = len(names) == 1
    parts_of = blocks.parts_of if simulated else datasets.parts
    config.dataset, config.scenario = (
        parts_of(names[0]) if one else ("mixed", ",".join(names))
    )
    if simulated and not one:
        raise ValueError("data is 'simulate'; that goes with one source")
    missing = [name for name, folder in folders.items() if folder is None]
    if missing and not simulated:
        raise app.UsageError(f"give the folder of the files of {missing[0]}")
    setup = {"domain": transforms.domain_of(config), **config.get("simulator", {})}
    with contextlib.ExitStack() as stack:
        h_train = None
        if simulated:
            epochs = (config.num_train, config.seed, config.epochs, setup)
            h_train = stack.enter_context(Epochs(names[0], *epochs))
        splits = ("val",) if simulated else ("train", "val")
        if missing:
            few = (config.num_val, config.seed, setup)
            h_val = validation(names[0], *few)
        else:
            options = datasets.options_of(config)
            *parts, h_val = datasets.join(folders, splits, options, report=print)
            h_train = h_train or parts[0]
        flagged = (_RESUME.value, _PROGRESS.value)
        training.train(config, _WORKDIR.value, h_train, h_val, *flagged)
