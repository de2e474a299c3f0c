"""Exported encoders on emulated 64-bit ARM, compared with this machine."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import tfcsi
from tfcsi.codecs.contract import Codec, SymbolCodec
from tfcsi.coding.packet_file import read_file
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.evaluation import measure as evaluation

# Operations with float results that IEEE 754 fixes to the last bit.
EXACT = {
    *("ABS", "ADD", "CAST", "CONCATENATION", "DEQUANTIZE", "MAXIMUM", "MINIMUM"),
    *("MUL", "RESHAPE", "ROUND", "STRIDED_SLICE", "SUB", "TRANSPOSE"),
}
# Operations that LiteRT 2.3 computes by other integers on ARM than on x86-64.
INEXACT = {"SOFTMAX"}
# Calls of `tfcsi.ue`, in one process, as the emulated Python takes seconds to start.
_CALLS = "import json, sys; from tfcsi.ue import main; "
_CALLS += "sys.exit(max(map(main, json.loads(sys.argv[1]))))"


def arm_python(machine: pathlib.Path, cpu: str) -> tuple[list[str], dict[str, str]]:
    """Returns how Python is started on an emulated processor.

    Args:
      machine: Folder that tflite/arm64.sh filled.
      cpu: Name of the processor, as `qemu-aarch64 -cpu help` lists them.

    Returns:
      The command, and variables of the environment.
    """
    python = machine / "root/usr/bin/python3.11"
    command = [machine / "qemu-aarch64", "-cpu", cpu, "-L", machine / "root", python]
    path = [pathlib.Path(tfcsi.__file__).parents[1], machine / "site"]
    environment = {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONPYCACHEPREFIX": str(machine / "pycache"),
    }
    return [str(part) for part in command], environment


def send(
    python: Sequence[str],
    environment: Mapping[str, str],
    encoders: Sequence[pathlib.Path],
    h_path: pathlib.Path,
    folder: pathlib.Path,
) -> list[list[bytes]]:
    """Returns the packets that `tfcsi.ue` sends with each encoder in a Python.

    Args:
      python: Command of the Python.
      environment: Variables to set for it.
      encoders: Paths of `.tflite` files with tables.npz beside them.
      h_path: `.npy` file of n matrices.
      folder: Gets the files of packets.

    Returns:
      For each encoder n packets.

    Raises:
      RuntimeError: If the Python fails; the message holds what it printed.
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
    """Finds the operations of an encoder that may round otherwise on ARM.

    Args:
      path: `.tflite` file.

    Returns:
      Sorted names, such as ["SOFTMAX"]; empty if all are exact.
    """
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


def compare(
    codec: Codec,
    encoders: Sequence[pathlib.Path],
    h: np.ndarray,
    machine: pathlib.Path,
    cpus: Sequence[str],
) -> Iterator[dict]:
    """Yields a point of a results file for each processor and encoder.

    Args:
      codec: The codec of the run; it decodes the packets.
      encoders: Paths of `.tflite` files with tables.npz beside them.
      h: complex64 [n, num_tx, num_delay].
      machine: As `arm_python`.
      cpus: Names of processors, as `arm_python`.

    Yields:
      The values of `measure`, and `codec`; `inexact`, as `inexact_operations`;
      `nmse_loss_db`, the loss relative to this machine; `packets_changed`, the number
      of packets that differ from those of this machine; `symbols`, the number of
      symbols; `symbols_changed`, the share of them that differ. A codec without rows of
      symbols, such as one of paths, has one symbol a matrix, its packet.

    Raises:
      RuntimeError: As `send`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        h_path = folder / "h.npy"
        np.save(h_path, h)
        here = send([sys.executable], {}, encoders, h_path, folder)
        symbols = [_symbols(codec, packets) for packets in here]
        expected = [measure(codec, h, packets)["nmse_db"] for packets in here]
        for cpu in cpus:
            there = send(*arm_python(machine, cpu), encoders, h_path, folder)
            for i, (encoder, packets) in enumerate(zip(encoders, there)):
                point = measure(codec, h, packets)
                changed = _symbols(codec, packets) != symbols[i]
                share = (
                    changed.mean() if changed.size else 0.0
                )  # Float codewords have no symbols.
                yield {
                    "codec": f"{codec.name}, {encoder.stem}, {cpu}",
                    "inexact": inexact_operations(encoder),
                    **point,
                    "nmse_loss_db": point["nmse_db"] - expected[i],
                    "packets_changed": sum(a != b for a, b in zip(here[i], packets)),
                    "symbols": changed.size,
                    "symbols_changed": float(share),
                }


def _symbols(codec: Codec, packets: Sequence[bytes]) -> np.ndarray:
    """Symbols of packets, or the packets themselves."""
    if isinstance(codec, SymbolCodec):
        return codec.receive(packets)[0]
    return np.array(packets, object)


def measure(codec: Codec, h: np.ndarray, packets: Sequence[bytes]) -> dict[str, float]:
    """Measures how well a base station receives packets.

    Args:
      codec: The codec that decodes the packets.
      h: complex64 [n, num_tx, num_delay], the truth.
      packets: n packets.

    Returns:
      As `evaluation.measure.measure`.

    Raises:
      ValueError: As `Codec.decompress`.
    """
    return evaluation.measure(h, codec.decompress(packets), packets, codec.domain)
