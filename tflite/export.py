"""Exports the UE encoder of a run to TFLite, of builtin operations (docs/phone.md).

    python tflite/export.py --workdir=runs/a --precision=float16,int8 [--output=symbols]

With --clusters or --sparsity the weights become few values, or many zeros, first.
"""

import gzip
import os
import pathlib
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
from absl import app, flags

from tfcsi import files
from tfcsi.codecs import neural
from tfcsi.codecs.workdir import CALIBRATION_FILE
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.tflite import convert, exports, runner

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_PRECISION = flags.DEFINE_list(
    "precision", ["float32"], f"Of {', '.join(convert.PRECISIONS)}: a file for each."
)
_OUTPUT = flags.DEFINE_enum(
    "output", "codeword", convert.OUTPUTS, "Whether the network quantises too."
)
_CLUSTERS = flags.DEFINE_integer("clusters", None, "Values that a kernel may have.")
_SPARSITY = flags.DEFINE_float("sparsity", None, "Share of zeros in a kernel.")
_TUNE_STEPS = flags.DEFINE_integer(
    "tune_steps", 300, "Training steps with --clusters or --sparsity.", 1
)


def compress(codec, x):
    """Gives the encoder few values or many zeros; returns what was done."""
    if _CLUSTERS.value is None and _SPARSITY.value is None:
        return ""
    from tfcsi.model_optimization import sparsity

    if _CLUSTERS.value is None:
        codec.encoder = sparsity.prune(
            codec.encoder, _SPARSITY.value, x, _TUNE_STEPS.value
        )
        return f"sparsity{100 * _SPARSITY.value:g}"
    codec.encoder = sparsity.cluster(
        codec.encoder, _CLUSTERS.value, x, _TUNE_STEPS.value
    )
    return f"clusters{_CLUSTERS.value}"


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    unknown = set(_PRECISION.value) - set(convert.PRECISIONS)
    if unknown:
        raise app.UsageError(
            f"--precision has {', '.join(sorted(unknown))}; known are "
            f"{', '.join(convert.PRECISIONS)}"
        )
    integers = set(_PRECISION.value) & set(convert.CALIBRATED)
    if _CLUSTERS.value is not None and (integers or _SPARSITY.value is not None):
        raise app.UsageError(
            "--clusters goes with float32, float16 and dynamic, whose weights are not "
            "rounded anew, and not with --sparsity"
        )
    try:
        workdir = pathlib.Path(_WORKDIR.value)
        codec = neural.load(workdir)
        x = np.load(workdir / CALIBRATION_FILE).astype(np.float32)
        kind = compress(codec, x)
        for precision in _PRECISION.value:
            rounded_by = None if _CLUSTERS.value else x
            content = convert.export(codec, precision, rounded_by, _OUTPUT.value)
            path = workdir / exports.file_name(precision, _OUTPUT.value, kind)
            files.write_bytes(path, content)
            operations = ", ".join(runner.Runner(content).operations)
            print(
                f"{path}: {len(content):,} bytes, {len(gzip.compress(content)):,} by "
                f"gzip\nbuiltin operations: {operations}",
                flush=True,
            )
        codec.save_ue(workdir / TABLES_FILE)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    app.run(main)
