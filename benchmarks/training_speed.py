"""Training steps of networks in Keras, in tfcsi and in PyTorch, side by side.

    python benchmarks/training_speed.py --output=results/training_speed.json

A step is a forward pass, the mean squared error, a backward pass and Adam, at CR 4 on
32 x 32 matrices in batches of 200. CSI-INR, which differentiates through three gradient
steps, has 32 entries and batches of 16; the codec `learned` has batches of 64 and the
loss of its training. The columns of a network take turns in one process:

    before            layers and optimizer of Keras, kernels as TensorFlow chooses
    tfcsi             as tfcsi trains, float32
    tfcsi_bfloat16    the same with layers that compute in bfloat16
    tfcsi_xla         the same as tfcsi, compiled by XLA
    pytorch           plain modules as in the code of the papers, eager, float32
    pytorch_bfloat16  the same under torch.autocast

TensorFlow 2.14 chooses the kernels of oneDNN only if the processor has AVX512-VNNI;
tfcsi takes them everywhere (TF_ENABLE_ONEDNN_OPTS). Where that differs, `before` has a
process of its own, ahead of the others. A processor with neither AVX512-BF16 nor AMX
emulates bfloat16, and oneDNN has none if it lacks AVX512; the results say what it has.

Run this on a machine that does nothing else, because other programs slow PyTorch
(OpenMP) down more than TensorFlow. The program writes the median speeds and their
ratios, and why a column is missing. PyTorch comes with `pip install -e '.[benchmark]'`,
which on Linux downloads gigabytes of CUDA libraries. The version without them will do:

    pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf
import training_steps

from tfcsi import files, results
from tfcsi.commands import flags, program

# Arguments of `step_of`, in TensorFlow or in PyTorch.
COLUMNS = {
    "before": {"plain": True},
    "tfcsi": {},
    "tfcsi_bfloat16": {"precision": "bfloat16"},
    "tfcsi_xla": {"compiled": True},
    "pytorch": {},
    "pytorch_bfloat16": {"mixed": True},
}
RATIOS = {  # The first column over the second one.
    "after_over_before": ("tfcsi", "before"),
    "bfloat16_over_float32": ("tfcsi_bfloat16", "tfcsi"),
    "xla_over_float32": ("tfcsi_xla", "tfcsi"),
    "over_pytorch": ("tfcsi", "pytorch"),
    "over_pytorch_bfloat16": ("tfcsi_bfloat16", "pytorch_bfloat16"),
    "pytorch_bfloat16_over_float32": ("pytorch_bfloat16", "pytorch"),
}
BFLOAT16 = ("avx512_bf16", "amx_bf16")  # Flags of processors.
ONE_DNN = "TF_ENABLE_ONEDNN_OPTS"
USES_ONE_DNN = ("avx512_vnni", "avx512_bf16", "amx_tile")  # Where TensorFlow 2.14 does.
CPUINFO = pathlib.Path("/proc/cpuinfo")  # Of Linux.


def add_arguments(parser):
    flags.add(parser, "output", required=True, help="Results file to write (.json).")
    parser.add_argument(
        "--networks",
        type=flags.choices(*training_steps.NETWORKS),
        metavar="NAME,...",
        help="Networks to time; all if not given.",
    )
    parser.add_argument(
        "--columns",
        type=flags.choices(*COLUMNS),
        default=[name for name in COLUMNS if name != "tfcsi_xla"],
        metavar="NAME,...",
        help="Columns to time.",
    )
    parser.add_argument(
        "--rounds",
        type=flags.integer(1),
        default=6,
        metavar="N",
        help="Number of rounds; each column takes steps in each.",
    )
    parser.add_argument(
        "--steps",
        type=flags.integer(1),
        default=4,
        metavar="N",
        help="Number of timed steps of a column in a round.",
    )
    parser.add_argument(
        "--threads",
        type=flags.integer(1),
        default=os.cpu_count(),
        metavar="N",
        help="Number of threads of both sides.",
    )


def processor():
    """Returns the name and the flags of the processor."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    pairs = (line.partition(":")[::2] for line in reversed(lines))
    facts = {name.strip(): value.strip() for name, value in pairs}
    return facts.get("model name", "unknown"), set(facts.get("flags", "").split())


def step_of(column, name, x):
    """The number of parameters and the step of a column, or why there is none."""
    one_dnn = os.environ.get(ONE_DNN) == "1"
    if column == "tfcsi_bfloat16" and one_dnn and "avx512f" not in processor()[1]:
        return "oneDNN has no bfloat16 on this processor"  # Some networks abort.
    try:
        if column.startswith("pytorch"):
            import pytorch_steps

            return pytorch_steps.step_of(name, x, **COLUMNS[column])
        size, step = training_steps.step_of(name, x, **COLUMNS[column])
        step()  # Compiles it.
        return size, step
    except NotImplementedError as error:
        return str(error)
    except tf.errors.InvalidArgumentError as error:  # TensorFlow lacks a kernel.
        lines = [line for line in error.message.splitlines() if re.match(r"\w", line)]
        return lines[-1]


def speeds_of(steps, batch, rounds, count):
    """Matrices a second of each step, taken in turn."""
    seconds = {column: [] for column in steps}
    for _ in range(rounds):
        for column, step in steps.items():
            step()
            for _ in range(count):
                began = time.perf_counter()
                step()
                seconds[column].append(time.perf_counter() - began)
    return {column: batch / float(np.median(s)) for column, s in seconds.items()}


def ratios_of(speeds):
    """The ratios whose two columns are measured."""
    return {
        name: speeds[first] / speeds[second]
        for name, (first, second) in RATIOS.items()
        if {first, second} <= speeds.keys()
    }


def own_choice():
    """What TensorFlow takes for `ONE_DNN` if it is not given: "0" or "1"."""
    return str(int(not processor()[1].isdisjoint(USES_ONE_DNN)))


def before_in_a_child(name, args):
    """The point of the column `before` with the kernels that TensorFlow chooses."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "before.json")
        flags_of = {"networks": name, "columns": "before", "output": path}
        flags_of |= {key: getattr(args, key) for key in ("rounds", "steps", "threads")}
        command = [sys.executable, os.path.abspath(__file__)]
        command += [f"--{key}={value}" for key, value in flags_of.items()]
        environment = {**os.environ, ONE_DNN: own_choice()}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())["networks"][name]


def measure(name, args):
    """The point of a network."""
    speeds, sizes, missing, columns = {}, {}, {}, list(args.columns)
    if "before" in columns and os.environ[ONE_DNN] != own_choice():
        columns.remove("before")
        child = before_in_a_child(name, args)
        speeds, missing = child["matrices_per_second"], child["missing"]
        if speeds:
            sizes["before"] = child["parameters"]
    x = training_steps.matrices(name)
    made = {column: step_of(column, name, x) for column in columns}
    missing |= {column: why for column, why in made.items() if isinstance(why, str)}
    steps = {}
    for column in columns:
        if column not in missing:
            sizes[column], steps[column] = made[column]
    if len(set(sizes.values())) > 1:
        raise AssertionError(f"{name} has not the same parameters: {sizes}")
    speeds |= speeds_of(steps, len(x), args.rounds, args.steps)
    return {
        "parameters": max(sizes.values(), default=None),
        "batch": len(x),
        "latent_dim": training_steps.NETWORKS[name].latent_dim,
        "matrices_per_second": speeds,
        **ratios_of(speeds),
        "missing": missing,
    }


def main(args):
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    versions, (model, known) = results.versions(), processor()
    if any(column.startswith("pytorch") for column in args.columns):
        try:
            import torch
        except ImportError as error:
            install = "pip install -e '.[benchmark]'"
            raise ImportError(
                f"{error}: PyTorch is needed; install it by: {install}"
            ) from None
        torch.set_num_threads(args.threads)
        versions["torch"] = torch.__version__
    points = {}
    content = {
        "command": results.command_line(sys.argv),
        "versions": versions,
        "processor": {"model": model, **{name: name in known for name in BFLOAT16}},
        # Whether TensorFlow uses oneDNN; tfcsi sets it to 1 if it is not given.
        ONE_DNN: {"before": own_choice(), "others": os.environ[ONE_DNN]},
        "threads": args.threads,
        "networks": points,
    }
    print(f"{'matrices/s':10s}", *(f"{column:>16s}" for column in args.columns))
    for name in args.networks or training_steps.NETWORKS:
        points[name] = measure(name, args)
        speeds = points[name]["matrices_per_second"]
        cells = (f"{speeds[c]:.1f}" if c in speeds else "-" for c in args.columns)
        print(f"{name:10s}", *(f"{cell:>16s}" for cell in cells), flush=True)
        for column, why in points[name]["missing"].items():
            print(f"{name} has no {column}: {why}", flush=True)
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        files.write_text(pathlib.Path(args.output), text)
        tf.keras.backend.clear_session()


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
