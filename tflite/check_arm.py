"""Checks the exported encoders of a run on emulated 64-bit ARM (docs/arm.md).

    python tflite/check_arm.py --workdir=runs/a --machine=.arm64

Runs `tfcsi.ue`, what a phone runs, on this machine and on the ARM machine that
tflite/arm64.sh put into a folder: the same version of LiteRT, the same encoders, tables
and matrices. The packets of both are decoded here. Exits with 1 if an encoder of exact
arithmetic gives another symbol there, or another one more than `max_changed` of them.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
from absl import app, flags
from ai_edge_litert.interpreter import Interpreter

from tfcsi import results, transforms
from tfcsi.codecs import neural
from tfcsi.codecs.workdir import CALIBRATION_FILE
from tfcsi.coding.packets import read_file
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.evaluation import measure as evaluation

# Cortex-A53 has plain NEON, A76 dot products, "max" matrix products, SVE2 and SME too.
CPUS = ["cortex-a53", "cortex-a76", "max"]
# Operations whose float results IEEE 754 fixes to the last bit.
EXACT = {
    *("ABS", "ADD", "CAST", "CONCATENATION", "DEQUANTIZE", "MAXIMUM", "MINIMUM"),
    *("MUL", "RESHAPE", "ROUND", "STRIDED_SLICE", "SUB", "TRANSPOSE"),
}
# Operations that LiteRT 2.3 computes by other integers on ARM than on x86-64.
INEXACT = {"SOFTMAX"}
# Calls of `tfcsi.ue`, in one process, as the emulated Python takes seconds to start.
_CALLS = "import json, sys; from tfcsi.ue import main; "
_CALLS += "sys.exit(max(map(main, json.loads(sys.argv[1]))))"

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
_MACHINE = flags.DEFINE_string("machine", ".arm64", "Folder that arm64.sh filled.")
_CPUS = flags.DEFINE_list("cpus", CPUS, "Processors, as qemu-aarch64 -cpu help names.")
_NUM = flags.DEFINE_integer("num", 100, "Matrices, the last to calibrate by.", 1)
_MAX_CHANGED = flags.DEFINE_float(
    "max_changed", 1e-2, "Largest share of symbols that differ where not exact."
)


def arm_python(machine: pathlib.Path, cpu: str) -> tuple[list[str], dict[str, str]]:
    """Returns the command and the environment of Python on a processor of `machine`."""
    python = machine / "root/usr/bin/python3.11"
    command = [machine / "qemu-aarch64", "-cpu", cpu, "-L", machine / "root", python]
    path = [pathlib.Path(tfcsi.__file__).parents[1], machine / "site"]
    environment = {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONPYCACHEPREFIX": str(machine / "pycache"),
    }
    return [str(part) for part in command], environment


def send(python, environment, encoders, h_path, folder) -> list[list[bytes]]:
    """Returns what `tfcsi.ue` sends with each encoder in a Python.

    Args:
      python: Command of the Python.
      environment: Variables to set for it.
      encoders: Paths of `.tflite` files with tables.npz beside them.
      h_path: `.npy` file of n matrices.
      folder: For what is written.

    Raises:
      RuntimeError: If it fails; the message holds what it printed.
    """
    outputs = [folder / f"{encoder.stem}.tcsi" for encoder in encoders]
    calls = [
        [f"--encoder={encoder}", f"--tables={encoder.with_name(TABLES_FILE)}"]
        + [f"--input={h_path}", f"--output={output}"]
        for encoder, output in zip(encoders, outputs)
    ]
    command = [*python, "-c", _CALLS, json.dumps(calls)]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return [read_file(output)[1] for output in outputs]


def inexact_operations(path: pathlib.Path) -> list[str]:
    """Returns names of an encoder's operations that may round otherwise elsewhere."""
    interpreter = Interpreter(model_path=str(path))
    floats = {
        details["index"]
        for details in interpreter.get_tensor_details()
        if np.issubdtype(details["dtype"], np.floating)
    }
    return sorted(
        {
            operation["op_name"]
            for operation in interpreter._get_ops_details()
            if operation["op_name"] in INEXACT
            or operation["op_name"] not in {*EXACT, "DELEGATE"}
            and not floats.isdisjoint(operation["outputs"])
        }
    )


def compare(codec, encoders, h, machine, cpus):
    """Yields a point of a results file for each processor and encoder."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        h_path = folder / "h.npy"
        np.save(h_path, h)
        here = send([sys.executable], {}, encoders, h_path, folder)
        symbols = [codec.receive(packets)[0] for packets in here]
        expected = [measure(codec, h, packets)["nmse_db"] for packets in here]
        for cpu in cpus:
            there = send(*arm_python(machine, cpu), encoders, h_path, folder)
            for i, (encoder, packets) in enumerate(zip(encoders, there)):
                point = measure(codec, h, packets)
                changed = codec.receive(packets)[0] != symbols[i]
                share = changed.mean() if changed.size else 0.0  # Float codewords.
                yield {
                    "codec": f"{codec.name}, {encoder.stem}, {cpu}",
                    "inexact": inexact_operations(encoder),
                    **point,
                    "nmse_loss_db": point["nmse_db"] - expected[i],
                    "packets_changed": sum(a != b for a, b in zip(here[i], packets)),
                    "symbols": changed.size,
                    "symbols_changed": float(share),
                }


def measure(codec, h, packets) -> dict[str, float]:
    """Returns what a base station makes of packets, as `evaluation.measure`."""
    return evaluation.measure(h, codec.decompress(packets), packets, codec.domain)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    try:
        workdir = pathlib.Path(_WORKDIR.value)
        machine = pathlib.Path(_MACHINE.value).resolve()
        if not (machine / "site").exists():
            raise FileNotFoundError(
                f"{machine} is not ready: run tflite/arm64.sh first"
            )
        codec = neural.load(workdir)
        encoders = sorted(workdir.glob("encoder_*.tflite"))
        if not encoders or not (workdir / TABLES_FILE).exists():
            raise FileNotFoundError(
                f"{workdir} lacks encoders or {TABLES_FILE}: run tflite/export.py first"
            )
        x = np.load(workdir / CALIBRATION_FILE)[-_NUM.value :]
        h, points = transforms.to_complex(x.astype(np.float32)), []
        for p in compare(codec, encoders, h, machine, _CPUS.value):
            points.append(p)
            print(
                f"{p['codec']} ({'inexact' if p['inexact'] else 'exact'}): "
                f"{round(p['symbols_changed'] * p['symbols'])} of {p['symbols']} "
                f"symbols and {p['packets_changed']} of {len(h)} packets differ, "
                f"NMSE {p['nmse_db']:.2f} dB ({p['nmse_loss_db']:+.3f} dB), "
                f"{p['bits']:.1f} bits",
                flush=True,
            )
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    results.write(workdir / "arm_check.json", points, codec.config.seed)
    bad = [
        point["codec"]
        for point in points
        if point["symbols_changed"] > _MAX_CHANGED.value
        or point["packets_changed"]
        and not point["inexact"]
    ]
    sys.exit(f"too many symbols differ: {'; '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    app.run(main)
