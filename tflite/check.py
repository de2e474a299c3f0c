"""Checks all exported encoders of a run: the whole codec with each, against Keras.

    python tflite/check.py --workdir=runs/a --data_dir=DIR [--max_loss_db=0.3 --html]

Writes tflite_check.json to the workdir, and with --html tflite_check.html. Exits with 1
if an encoder costs more than `max_loss_db`.
"""

import gzip
import os
import pathlib
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

from absl import app, flags

from tfcsi import datasets, results
from tfcsi.codecs import neural
from tfcsi.datasets import cost2100
from tfcsi.evaluation import plots, report
from tfcsi.tflite import compare, exports, footprint

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the data files.", required=True
)
_SPLIT = flags.DEFINE_enum("split", "test", cost2100.SPLITS, "Data to measure on.")
_MAX_LOSS_DB = flags.DEFINE_float("max_loss_db", 0.3, "Largest loss of NMSE [dB].")
_HTML = flags.DEFINE_bool("html", False, "Writes a page with table and picture too.")


def measure(codec):
    """Returns the points of all exported encoders, the first that of Keras."""
    name = datasets.name_of(codec.config)
    options = datasets.options_of(codec.config)
    h = datasets.read(name, _DATA_DIR.value, _SPLIT.value, **options)
    found = exports.find(pathlib.Path(_WORKDIR.value))
    points = compare.compare(codec, found, h)
    for point, content in zip(points[1:], found.values()):
        point["ue_bytes_gzip"] = len(gzip.compress(content))
        memory = footprint.memory(content)
        point.update({} if memory is None else {"ue_memory": memory})
    for point in points:
        point.update(dataset=name, split=_SPLIT.value)
    return points


def operations(points):
    """Returns a line for each set of operations that encoders have."""
    users = {}
    for point in points[1:]:
        users.setdefault(", ".join(point["operations"]), []).append(
            point["codec"].split()[-1]
        )
    return "\n".join(f"{', '.join(who)}: {what}" for what, who in users.items())


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    workdir = pathlib.Path(_WORKDIR.value)
    try:
        codec = neural.load(workdir)
        points = measure(codec)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    results.write(workdir / "tflite_check.json", points, codec.config.seed)
    print(f"{results.table(points)}\n\nbuiltin operations\n{operations(points)}")
    if _HTML.value:
        text = (
            f"UE encoders of {codec.name} on {points[0]['num_matrices']} matrices of "
            f"{points[0]['dataset']}, {_SPLIT.value}. Loss: against Keras. UE memory: "
            "the file and what an interpreter holds on the heap [bytes]. Times: one "
            "thread, median and the time that 95 % of runs stay below [us]."
        )
        figures = {"NMSE and bytes of the UE encoder": plots.over_bytes(points)}
        path = workdir / "tflite_check.html"
        report.report(
            path, f"{codec.name} on a phone", text, points, figures, operations(points)
        )
        print(f"\n{path} shows it")
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
