"""Quantises the codewords of a finished run: a run of b bits an entry, with tables.

    python train/quantize.py --workdir=runs/a --output=runs/a_6bit --bits=6 [--steps=5]

No data are needed: the run keeps some of its training matrices. --steps sets the
gradient steps of CSI-INR's encoder.
"""

import os
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

from absl import app, flags

from tfcsi.codecs import requantize

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_BITS = flags.DEFINE_integer("bits", None, "Of an entry, 1 to 14.", required=True)
_STEPS = flags.DEFINE_integer("steps", None, "Gradient steps of the encoder.")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    network = {} if _STEPS.value is None else {"steps": _STEPS.value}
    given = _WORKDIR.value, _OUTPUT.value, _BITS.value
    codec = requantize.quantize_run(*given, **network)
    print(f"{_OUTPUT.value}: {codec.name}, {_BITS.value} bits an entry")


if __name__ == "__main__":
    try:
        app.run(main)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
