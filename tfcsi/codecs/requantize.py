"""Quantisation of the codeword after training, as CSI-INR (arXiv:2403.13615) does.

A run that was trained with real codewords becomes a codec of b bits an entry: steps of
equal size over the range that each entry has on training data, and a histogram of the
training symbols for the range coder. One run serves every b. A run of CSI-INR also
serves every number of gradient steps of its encoder.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from tfcsi import files
from tfcsi.codecs.neural import Codec, load
from tfcsi.codecs.workdir import CALIBRATION_FILE, holds_run, save_calibration
from tfcsi.coding.tables import Tables

BITS = (1, 14)  # Fewest and most bits of an entry.
_CELLS = 64  # Of a histogram: more bits than its 6 are taken as even within a cell.


def variant(codec: Codec, **fields: Any) -> Codec:
    """Makes a codec of the same weights under another config.

    Args:
      codec: The codec that gives the weights; it is not changed.
      **fields: Fields of the config that differ; `network={"steps": 5}` changes one
        option of the network.

    Returns:
      A codec without tables, with a new quantiser.

    Raises:
      ValueError: If the network has no such option.
    """
    network = fields.get("network", {})
    unknown = sorted(set(network) - set(codec.config.network))
    if unknown:
        raise ValueError(
            f"{codec.name} has no option {', '.join(unknown)}; the options of its "
            f"network are: {', '.join(sorted(codec.config.network)) or 'none'}"
        )
    config = codec.config.copy_and_resolve_references()
    config.unlock()
    network = {**config.network, **network}
    config.update({**fields, "network": network})
    made = Codec(config)
    for old, new in ((codec.encoder, made.encoder), (codec.decoder, made.decoder)):
        new.set_weights(old.get_weights())
    made.facts = dict(codec.facts)
    return made


def quantized(codec: Codec, x: np.ndarray, bits: int, **network: Any) -> Codec:
    """Makes a codec of uniform steps and histogram tables.

    Args:
      codec: Trained codec; its own quantiser is not used.
      x: float32 [n, num_tx, num_delay, 2], training matrices.
      bits: 2^bits steps span the range of each entry on `x`; 1 to 14.
      **network: Options of the network that differ, such as `steps=5`.

    Returns:
      A codec that sends and receives.

    Raises:
      ValueError: If an argument does not fit; the message names it.
    """
    if not BITS[0] <= bits <= BITS[1]:
        raise ValueError(f"bits is {bits}; it must be {BITS[0]} to {BITS[1]}")
    if not len(x):
        raise ValueError("quantisation after training needs training matrices")
    fields = {"quantizer": "uniform", "quantizer_args": {}, "network": network}
    made = variant(codec, **fields)
    y = made.analysis(x)
    span = np.maximum(np.ptp(y, axis=0), 1e-6 * np.abs(y).max() + 1e-30)
    made.quantizer.log_step.assign(np.log(span / (2**bits - 1)))
    symbols, _ = made.quantizer.quantize(y)
    made.use(histograms(symbols, max(1, 2**bits // _CELLS), codec.config.coder))
    made.facts["codeword_bits"] = int(bits)
    return made


def histograms(symbols: np.ndarray, cell: int, coder: str) -> Tables:
    """Learns a histogram of each position, of cells of some neighbouring symbols.

    Args:
      symbols: int32 [n, latent], training symbols.
      cell: Number of symbols of a cell. They are taken as equally likely, since with
        fine steps most symbols would have a count of one or zero.
      coder: "range" or "huffman".

    Returns:
      Tables of the cells that occur and of one more at both ends. Symbols outside are
      escaped.
    """
    pmf, offset = [], []
    for column in symbols.T.astype(np.int64):
        low = column.min() // cell - 1
        counts = np.append(np.bincount(column // cell - low), 0) + 0.5
        pmf.append(np.repeat(counts / cell, cell) / (counts.sum() + 0.5))
        offset.append(low * cell)
    return Tables.from_pmf(pmf, np.array(offset), coder=coder)


def quantize_run(
    source: str | os.PathLike,
    target: str | os.PathLike,
    bits: int,
    **network: Any,
) -> Codec:
    """Quantises the codewords of a run; the result is a run like any other.

    Args:
      source: Workdir of a finished run; its calibration matrices give range and
        histograms.
      target: Workdir to write.
      bits: As in `quantized`.
      **network: As in `quantized`.

    Returns:
      The codec, as `tfcsi.load(target)` gives it.

    Raises:
      FileExistsError: If the target holds a codec.
      FileNotFoundError: If the source is no finished run.
      ValueError: As `quantized`.
    """
    source, target = pathlib.Path(source), pathlib.Path(target)
    files.check_folder(target)
    if holds_run(target):
        raise FileExistsError(f"{target} already holds a run: give another folder")
    codec = load(source)
    x = np.load(source / CALIBRATION_FILE).astype(np.float32)
    made = quantized(codec, x, bits, **network)
    save_calibration(target, x)
    made.save(target)
    return made
