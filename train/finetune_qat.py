"""Fine-tunes a finished run with fake quantisation, for an integer encoder.

    python train/finetune_qat.py --workdir=runs/a --data_dir=DIR \
        [--output=runs/a_qat --config.epochs=2 --config.qat.weight_bits=4] [--resume]
"""

import os
import pathlib
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

from absl import app, flags
from ml_collections import config_flags

from tfcsi import datasets
from tfcsi.codecs import neural
from tfcsi.training import finetune_qat

_CONFIG = config_flags.DEFINE_config_file(
    "config",
    str(pathlib.Path(__file__).parents[1] / "configs" / "qat.py"),
    lock_config=True,
    help_string="Config file.",
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the float run.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of the fine-tuned run; that of the float run with _qat."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the run's data files.")
_RESUME = flags.DEFINE_bool("resume", False, "Continue the run in the output.")
_PROGRESS = flags.DEFINE_bool("progress", True, "Show progress bars.")
flags.mark_flags_as_required(["workdir", "data_dir"])


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    source = neural.load(_WORKDIR.value)
    config, folder = source.config, _DATA_DIR.value
    name, options = datasets.name_of(config), datasets.options_of(config)
    h_train, h_val = (
        datasets.read(name, folder, split, **options) for split in ("train", "val")
    )
    output = _OUTPUT.value or f"{_WORKDIR.value.rstrip('/')}_qat"
    resume, progress = _RESUME.value, _PROGRESS.value
    finetune_qat.finetune(
        source, _CONFIG.value, output, h_train, h_val, resume, progress
    )


if __name__ == "__main__":
    try:
        app.run(main)
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        sys.exit(f"error: {error}")
