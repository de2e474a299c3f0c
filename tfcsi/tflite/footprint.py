"""What a TFLite encoder costs on a device: its time, the time to a packet, memory.

Times are wall-clock times of one thread. On a machine that does other work as well,
ratios of times that were measured in turn are more reliable than the times themselves.
"""

from __future__ import annotations

import ctypes
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

from tfcsi.codecs.neural import Codec
from tfcsi.coding import grids, sending
from tfcsi.tflite import flatbuffer, runner

_WARM_UP = 3  # Runs before each turn that are not timed.


def side_by_side(
    encoders: Mapping[tuple, runner.Runner], matrix: np.ndarray, rounds: int, runs: int
) -> dict[tuple, dict[str, float]]:
    """Times encoders in turn, so that other work of the machine slows all alike.

    Args:
      encoders: Any key to an encoder; ratios are relative to the first one.
      matrix: float32 [num_tx, num_delay, 2].
      rounds: How often each has its turn.
      runs: Runs in a turn.

    Returns:
      Key to `microseconds` (median), `microseconds_95` (95 % quantile) and `speedup`,
      the median over the rounds of the first one's median over its own.
    """
    times = {key: np.empty((rounds, runs)) for key in encoders}
    for encoder in encoders.values():
        encoder.load(matrix)
    for i in range(rounds):
        for key, encoder in encoders.items():
            encoder.microseconds(_WARM_UP)
            times[key][i] = encoder.microseconds(runs)
    first = np.median(next(iter(times.values())), 1)
    return {
        key: {
            "microseconds": float(np.median(t)),
            "microseconds_95": float(np.quantile(t, 0.95)),
            "speedup": float(np.median(first / np.median(t, 1))),
        }
        for key, t in times.items()
    }


def by_operation(
    content: bytes,
    matrix: np.ndarray,
    runtime: str = "tf.lite",
    xnnpack: bool = True,
    rounds: int = 3,
    runs: int = 40,
) -> dict[str, float]:
    """Times the operations of an encoder.

    The time of an operation is the time of the network up to it less the time of the
    network before it. Disturbances only add time, so the time of each part is the
    smallest one measured for it or for a longer part.

    Args:
      content: Flatbuffer.
      matrix: float32 [num_tx, num_delay, 2].
      runtime: As in `runner.interpreter`.
      xnnpack: As in `runner.interpreter`.
      rounds: How often all parts are measured.
      runs: Runs of a part in a round.

    Returns:
      Name of an operation to the time of all of its kind [us], longest first.
    """
    rows = []
    for _ in range(rounds):
        names, fastest = [], []
        for name, part in flatbuffer.prefixes(content):
            encoder = runner.Runner(part, runtime, xnnpack)
            encoder.load(matrix)
            names.append(name)
            fastest.append(encoder.microseconds(runs).min())
        rows.append(fastest)
    until = np.minimum.accumulate(np.min(rows, 0)[::-1])[::-1]
    times: dict[str, float] = defaultdict(float)
    for name, share in zip(names, np.diff(until, prepend=0.0)):
        times[name] += float(share)
    return dict(sorted(times.items(), key=lambda item: item[1], reverse=True))


def to_packet(
    codec: Codec, encoder: Callable[[np.ndarray], np.ndarray], h: np.ndarray
) -> dict[str, float]:
    """Times the steps from CSI to a packet, one matrix after the other.

    Args:
      codec: Codec with tables, for its quantiser and coder.
      encoder: runner.Runner.
      h: complex64 [n, num_tx, num_delay].

    Returns:
      Medians over the matrices [us]: `input` (checks, complex to real), `encoder`,
      `quantizer`, `coder` (range coder and header) and `total`.
    """
    grid = grids.from_arrays(codec.config.quantizer, codec.quantizer.arrays())
    times = np.empty((len(h), 5))
    for row, clock in zip(h, times):
        clock[0] = time.perf_counter()
        x, gain = sending.network_input(row[None], codec.shape, codec.config.send_gain)
        clock[1] = time.perf_counter()
        y = encoder(x)
        clock[2] = time.perf_counter()
        symbols, side = sending.quantize(y, grid)
        side = np.concatenate([gain, side], 1)
        clock[3] = time.perf_counter()
        codec.send(symbols, side)
        clock[4] = time.perf_counter()
    parts = 1e6 * np.diff(times)
    names = ("input", "encoder", "quantizer", "coder")
    medians = dict(zip(names, np.median(parts, 0).tolist()))
    return {**medians, "total": float(np.median(parts.sum(1)))}


def memory(
    content: bytes, runtime: str = "tf.lite", xnnpack: bool = True
) -> int | None:
    """Measures the memory that an encoder takes.

    Args:
      content: Flatbuffer.
      runtime: As in `runner.interpreter`.
      xnnpack: As in `runner.interpreter`.

    Returns:
      Bytes of the file, which a phone maps into memory, and of what an interpreter that
      has run holds on the heap: activations, weights as its kernels want them, its own
      structures. None where the C library is not glibc 2.33 or later, which can tell.
    """
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        return None
    before = _heap()
    network = runner.interpreter(content, runtime, xnnpack)
    for tensor in network.get_input_details():
        zeros = np.zeros(tensor["shape"], tensor["dtype"])
        network.set_tensor(tensor["index"], zeros)
    network.invoke()
    return len(content) + _heap() - before


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks "
        "fordblks keepcost".split()
    ]


def _heap() -> int:
    """Bytes that this process holds of the C library."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Mallinfo2
    state = mallinfo2()
    return state.uordblks + state.hblkhd
