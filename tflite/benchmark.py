"""Times exported encoders side by side, and the way to the packet.

    python tflite/benchmark.py --workdirs=runs/a,runs/b --output=results/NAME.json

All encoders of a run take turns in one process, in both runtimes, with and without
XNNPACK. The speedup is the ratio to the first encoder in the same runtime, float32 if
it was exported. The matrices are those that the run keeps for calibration.
"""

from tfcsi.commands import benchmark, program

if __name__ == "__main__":
    program.Program(__doc__, benchmark.add_arguments, benchmark.run).start()
