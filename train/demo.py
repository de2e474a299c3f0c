"""The main job, end to end: train, compress, decompress, export, check, report.

    python train/demo.py --config=configs/demo.py --workdir=runs/demo [--data_dir=DIR]

Without --data_dir it simulates COST 2100 indoor channels.
"""

import os
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

from absl import app, flags
from ml_collections import config_flags

from tfcsi.commands import demo

_CONFIG = config_flags.DEFINE_config_file(
    "config", lock_config=True, help_string="Config file."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the DATA_H*.mat files.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.")
flags.mark_flags_as_required(["config", "workdir"])


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    try:
        demo.run(_CONFIG.value, _WORKDIR.value, _DATA_DIR.value)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    app.run(main)
