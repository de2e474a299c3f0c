"""The codec `learned` with each exported encoder beside its encoder in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import transforms
from tfcsi.codecs.learned import Learned
from tfcsi.evaluation import measure
from tfcsi.tflite import flatbuffer
from tfcsi.tflite.runner import Runner, interpreter

_RUNS = 300  # Number of timed runs of an encoder.


def compare(
    codec: Learned,
    flatbuffers: Mapping[str, bytes],
    h: np.ndarray,
    rates: Sequence[int] = (),
) -> list[dict[str, object]]:
    """Measures the codec with each TFLite encoder against its encoder in NumPy.

    Args:
      codec: The codec.
      flatbuffers: Name of a variant to an encoder that `token_convert` made.
      h: complex64 [n, num_tx, num_delay].
      rates: Numbers of the rates; the usual one alone if there are none.

    Returns:
      For each rate a point for NumPy and one for each encoder, as of
      `measure.measure`, with `rate`, `nmse_loss_db` against NumPy, `bits_more` (a share
      of the bits with NumPy), the share `symbols_changed`, `ue_bytes`, `microseconds` a
      matrix (the median, one thread), `microseconds_95` (the 95 % quantile), and
      `operations`.

    Raises:
      ValueError: If a rate or the matrices do not fit the codec, or if an encoder takes
        or gives something else.
    """
    known, sender = len(codec.steps), codec.sender
    for rate in rates:
        if not 0 <= rate < known:
            raise ValueError(f"rate must be in 0..{known - 1}, got {rate}")
    h = transforms.finite_csi(h, codec.shape)
    norm, x = sender.network_input(h)
    tokens = {"NumPy": sender.analysis(x)}
    facts: dict[str, dict[str, object]] = {"NumPy": {}}
    for name, content in flatbuffers.items():
        tokens[f"TFLite {name}"] = sender.network(interpreter(content))(x)
        runner = Runner(content)
        runner.load(x[0])
        times = runner.microseconds(_RUNS)[_RUNS // 10 :]
        facts[f"TFLite {name}"] = {
            "ue_bytes": len(content),
            "microseconds": float(np.median(times)),
            "microseconds_95": float(np.quantile(times, 0.95)),
            "operations": sorted(flatbuffer.operations(content)),
        }
    points = []
    for rate in rates or [codec.rate]:
        at = np.full(len(h), rate)
        expected = sender.rounded(tokens["NumPy"], at)
        own: dict[str, float] = {}
        for name, y in tokens.items():
            packets = sender.packets_at(norm, y, at)
            point = measure.measure(h, codec.decompress(packets), packets, codec.domain)
            own = own or point
            changed = sender.rounded(y, at) != expected
            points.append(
                {
                    "codec": f"{codec.name} at rate {rate}, {name}",
                    "rate": int(rate),
                    **point,
                    "nmse_loss_db": point["nmse_db"] - own["nmse_db"],
                    "bits_more": point["bits"] / own["bits"] - 1,
                    "symbols_changed": float(np.mean(changed)),
                    **facts[name],
                }
            )
    return points
