"""Checks the exported encoders of a run: the whole codec with each, against Keras.

    python tflite/check.py --workdir=runs/a --data_dir=DIR [--max_loss_db=0.3]

Exits with 1 if an encoder costs more than `max_loss_db`.
"""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from absl import app, flags

import tfcsi
from tfcsi import lite, results
from tfcsi.datasets import cost2100

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the DATA_H*.mat files.", required=True
)
_SPLIT = flags.DEFINE_enum("split", "test", cost2100.SPLITS, "Data to measure on.")
_MAX_LOSS_DB = flags.DEFINE_float("max_loss_db", 0.3, "Largest loss of NMSE [dB].")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    try:
        workdir = pathlib.Path(_WORKDIR.value)
        codec = tfcsi.load(workdir)
        scenario = codec.config.scenario
        h = cost2100.load(_DATA_DIR.value, _SPLIT.value, scenario)
        paths = {p: workdir / lite.file_name(p) for p in lite.PRECISIONS}
        found = {p: path.read_bytes() for p, path in paths.items() if path.exists()}
        if not found:
            raise FileNotFoundError(
                f"{workdir} holds no {lite.file_name('*')}: run tflite/export.py first"
            )
        points = lite.compare(codec, found, h)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    for point in points:
        point.update(dataset=f"cost2100_{scenario}", split=_SPLIT.value)
    results.write(workdir / "tflite_check.json", points, codec.config.seed)
    print(results.table(points))
    bad = [p for p in points if not p["nmse_loss_db"] <= _MAX_LOSS_DB.value]
    for point in bad:
        print(
            f"{point['codec']} loses {point['nmse_loss_db']:.3f} dB, more than "
            f"--max_loss_db={_MAX_LOSS_DB.value}",
            file=sys.stderr,
        )
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    app.run(main)
