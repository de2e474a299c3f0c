"""The whole codec with each exported encoder, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfcsi.codecs.neural import Codec
from tfcsi.evaluation import measure
from tfcsi.tflite.runner import Runner

_RUNS = 300  # Number of timed runs of an encoder.


def compare(
    codec: Codec, flatbuffers: Mapping[str, bytes], h: np.ndarray
) -> list[dict[str, object]]:
    """Measures the whole codec with each TFLite encoder against the Keras encoder.

    Args:
      codec: Codec with tables.
      flatbuffers: Name of a variant to an encoder that `convert` made.
      h: complex64 [n, num_tx, num_delay].

    Returns:
      A point for Keras and one an encoder, as of `measure.evaluate`, with
      `nmse_loss_db` against Keras, the share `symbols_changed` (of codecs that have
      symbols), `ue_bytes`, `microseconds` a matrix (the median, one thread) and
      `microseconds_95` (the 95 % quantile), and `operations`.
    """
    keras = codec.analysis
    symbols, side = codec.symbols(h)
    point = _point(codec, h, symbols, side)
    points = [{"codec": f"{codec.name}, Keras", **point, "nmse_loss_db": 0.0}]
    for name, content in flatbuffers.items():
        codec.analysis = runner = Runner(content)
        try:
            sent, side = codec.symbols(h)
        finally:
            codec.analysis = keras
        point = _point(codec, h, sent, side)
        point["nmse_loss_db"] = point["nmse_db"] - points[0]["nmse_db"]
        if symbols.size:
            point["symbols_changed"] = float(np.mean(sent != symbols))
        times = runner.microseconds(_RUNS)[_RUNS // 10 :]
        points.append(
            {
                "codec": f"{codec.name}, TFLite {name}",
                **point,
                "ue_bytes": runner.size,
                "microseconds": float(np.median(times)),
                "microseconds_95": float(np.quantile(times, 0.95)),
                "operations": runner.operations,
            }
        )
    return points


def _point(codec: Codec, h: np.ndarray, symbols: np.ndarray, side: np.ndarray) -> dict:
    """The point of `measure.evaluate` if the UE makes these symbols from h."""
    packets = codec.send(symbols, side)
    point = measure.measure(h, codec.decompress(packets), packets, codec.domain)
    point["bits_estimated"] = float(np.mean(codec.bits_estimated(symbols)))
    return point
