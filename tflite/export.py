"""Exports the UE encoder of a run to TFLite, of builtin operations alone.

python tflite/export.py --workdir=runs/a --precision=int8
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

import tfcsi
from tfcsi import files, lite
from tfcsi.codec import CALIBRATION_FILE

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_PRECISION = flags.DEFINE_enum(
    "precision", "float32", lite.PRECISIONS, "Numbers of the exported encoder."
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    try:
        workdir = pathlib.Path(_WORKDIR.value)
        codec = tfcsi.load(workdir)
        x = np.load(workdir / CALIBRATION_FILE).astype(np.float32)
        flatbuffer = lite.export(codec, _PRECISION.value, x)
        path = workdir / lite.file_name(_PRECISION.value)
        files.write_bytes(path, flatbuffer)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    operations = ", ".join(lite.Runner(flatbuffer).operations)
    print(f"{path}: {len(flatbuffer):,} bytes\nbuiltin operations: {operations}")


if __name__ == "__main__":
    app.run(main)
