"""Trains a codec on COST 2100 data in the published file format.

    python train/cost2100.py --config=configs/stqenet_indoor.py --data_dir=DIR \
        --workdir=runs/a [--config.lmbda=1e-4 ...] [--resume]
"""

import os
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

from absl import app, flags
from ml_collections import config_flags

from tfcsi import training
from tfcsi.datasets import cost2100

_CONFIG = config_flags.DEFINE_config_file(
    "config", lock_config=True, help_string="Config file."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the DATA_H*.mat files.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
_RESUME = flags.DEFINE_bool("resume", False, "Continue the run in the workdir.")
_PROGRESS = flags.DEFINE_bool("progress", True, "Show progress bars.")
flags.mark_flags_as_required(["config", "data_dir", "workdir"])


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    config = _CONFIG.value
    h_train, h_val = (
        cost2100.load(_DATA_DIR.value, split, config.scenario)
        for split in ("train", "val")
    )
    training.train(
        config, _WORKDIR.value, h_train, h_val, _RESUME.value, _PROGRESS.value
    )


if __name__ == "__main__":
    try:
        app.run(main)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        sys.exit(f"error: {error}")
