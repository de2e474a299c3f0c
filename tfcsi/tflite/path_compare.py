"""Path coding with each exported network beside path coding with NumPy."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping

import numpy as np

from tfcsi.codecs.paths import Paths
from tfcsi.coding.path_network import NetworkEncoder, PathNetwork
from tfcsi.coding.path_sending import PathSender
from tfcsi.evaluation import measure
from tfcsi.tflite import flatbuffer, runner

_RUNS = 300  # Number of timed matrices.


def compare(
    codec: Paths, flatbuffers: Mapping[str, bytes], h: np.ndarray
) -> list[dict]:
    """Measures path coding with each TFLite network against the pursuit in NumPy.

    Args:
      codec: Codec of paths.
      flatbuffers: Name of a variant, which ends in its effort, to a network that
        `path_convert` made.
      h: complex64 [n, num_tx, num_delay].

    Returns:
      A point for NumPy at each effort and one for each network, as of
      `measure.measure`, with `nmse_loss_db` against NumPy, the share
      `packets_changed_share`, `ue_bytes`, `microseconds` a matrix (one thread: median),
      `microseconds_95` (the 95 % quantile), and `operations`.
    """
    points, expected = [], {}
    for name, content in flatbuffers.items():
        effort = name.rpartition("_")[2]
        if effort not in expected:
            packets = codec.compress(h, effort=effort, noise_variance=0.0)
            point = {"codec": f"{codec.name}, NumPy {effort}", "nmse_loss_db": 0.0}
            expected[effort] = (packets, point | _point(codec, h, packets))
            points.append(expected[effort][1])
        packets, point = expected[effort]
        network = _Timed(runner.interpreter(content), codec.shape)
        sender = PathSender(codec.atoms, codec.tables, codec.step)
        sender.encoder = functools.partial(NetworkEncoder, network)
        sent = sender.send(h)
        changed = [one != other for one, other in zip(sent, packets)]
        measured = _point(codec, h, sent)
        times = network.microseconds[: _RUNS + 1][1:] or network.microseconds
        points.append(
            {
                "codec": f"{codec.name}, TFLite {name}",
                **measured,
                "nmse_loss_db": measured["nmse_db"] - point["nmse_db"],
                "packets_changed_share": float(np.mean(changed)),
                "ue_bytes": len(content),
                "microseconds": float(np.median(times)),
                "microseconds_95": float(np.quantile(times, 0.95)),
                "operations": sorted(flatbuffer.operations(content)),
            }
        )
    return points


class _Timed(PathNetwork):
    """A network that notes how long it takes.

    Attributes:
      microseconds: Times of its runs.
    """

    def __init__(self, interpreter: object, shape: tuple[int, int]):
        super().__init__(interpreter, shape)
        self.microseconds: list[float] = []

    def run(self) -> None:
        began = time.perf_counter()
        super().run()
        self.microseconds.append(1e6 * (time.perf_counter() - began))


def _point(codec: Paths, h: np.ndarray, packets: list[bytes]) -> dict:
    return measure.measure(h, codec.decompress(packets), packets, codec.domain)
