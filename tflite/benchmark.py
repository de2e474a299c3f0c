"""Times the exported encoders of runs side by side, and the way to the packet.

    python tflite/benchmark.py --workdirs=runs/a,runs/b [--output=results/NAME.json]

All encoders of a run take turns in one process, in both runtimes, with and without
XNNPACK; `speedup` is the ratio to the first one in the same runtime, float32 if it was
exported. Matrices are those that the run keeps for calibration.
"""

import os
import pathlib
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
from absl import app, flags

from tfcsi import results, transforms
from tfcsi.codecs import neural
from tfcsi.codecs.workdir import CALIBRATION_FILE
from tfcsi.tflite import exports, footprint, runner

_WORKDIRS = flags.DEFINE_list("workdirs", None, "Folders of runs.", required=True)
_RUNTIMES = flags.DEFINE_list(
    "runtimes", list(runner.RUNTIMES), "Of tf.lite and litert."
)
_ROUNDS = flags.DEFINE_integer("rounds", 20, "Turns of each encoder.", 1)
_RUNS = flags.DEFINE_integer("runs", 20, "Runs in a turn.", 1)
_MATRICES = flags.DEFINE_integer("matrices", 200, "Packets that are timed.", 1)
_PROFILE = flags.DEFINE_bool("profile", False, "Times operations too.")
_OUTPUT = flags.DEFINE_string("output", None, "Results file.")


def loaded(found, runtime, xnnpack):
    """Returns variant to encoder of what a runtime can load; tells what it cannot."""
    encoders = {}
    for name, content in found.items():
        try:
            encoders[name] = runner.Runner(content, runtime, xnnpack)
        except (RuntimeError, ValueError) as error:
            print(f"{name} is left out of {runtime}: {error}", file=sys.stderr)
    return encoders


def measure(workdir):
    """Returns the points of a run."""
    codec, found = neural.load(workdir), exports.find(workdir)
    x = np.load(workdir / CALIBRATION_FILE)[: _MATRICES.value].astype(np.float32)
    h = transforms.to_complex(x)
    points = []
    for runtime in _RUNTIMES.value:
        for xnnpack in (True, False):
            encoders = loaded(found, runtime, xnnpack)
            if not encoders:
                continue
            times = footprint.side_by_side(encoders, x[0], _ROUNDS.value, _RUNS.value)
            for name, encoder in encoders.items():
                point = {
                    "codec": f"{codec.name}, TFLite {name}",
                    "workdir": workdir.name,
                    "ue_bytes": encoder.size,
                    "runtime": runtime,
                    "xnnpack": "on" if xnnpack else "off",
                    **times[name],
                    "packet_microseconds": footprint.to_packet(codec, encoder, h),
                }
                memory = footprint.memory(found[name], runtime, xnnpack)
                point.update({} if memory is None else {"ue_memory": memory})
                if _PROFILE.value:
                    point["operation_microseconds"] = footprint.by_operation(
                        found[name], x[0], runtime, xnnpack
                    )
                points.append(point)
    return points, codec.config.seed


def times(point, key):
    """Returns a line of the times of parts."""
    parts = ", ".join(f"{name} {us:.0f}" for name, us in point[key].items())
    return f"{point['codec']}, {point['runtime']}, {point['xnnpack']}: {parts}"


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    points = []
    try:
        for workdir in _WORKDIRS.value:
            measured, seed = measure(pathlib.Path(workdir))
            points += measured
            print(f"{workdir}\n{results.table(measured)}")
            for key, title in (
                ("packet_microseconds", "from CSI to a packet [us]"),
                ("operation_microseconds", "operations [us]"),
            ):
                lines = [times(point, key) for point in measured if key in point]
                if lines:
                    print("\n".join([f"\n{title}, runtime, XNNPACK", *lines]))
            print(flush=True)
        if _OUTPUT.value:
            results.write(_OUTPUT.value, points, seed)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    app.run(main)
