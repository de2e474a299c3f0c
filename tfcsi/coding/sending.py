"""CSI to symbols and symbols to packets: what the software of phone and BS shares.

`tfcsi.ue` (the phone) and the neural codecs call the same functions, so both write the
same bytes.
"""

from __future__ import annotations

import os

import numpy as np

from tfcsi import files, transforms
from tfcsi.coding import rangecoder
from tfcsi.coding.grids import Grid
from tfcsi.coding.packets import Session, pack
from tfcsi.coding.tables import Tables

TABLES_FILE = "tables.npz"  # Name of the file in a workdir.
FORMAT = 1  # Version of that file's format.


def network_input(
    h: np.ndarray, shape: tuple[int, ...], send_gain: bool, any_scale: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Checks CSI, scales it if the scale is sent, and splits it into (re, im).

    Args:
      h: complex64 [n, num_tx, num_delay]. Each matrix has max |h| = 0.5 unless the gain
        is sent.
      shape: (num_tx, num_delay) of the network.
      send_gain: Whether the gain is sent.
      any_scale: Whether to accept CSI of any max |h| without scaling it.

    Returns:
      x float32 [n, num_tx, num_delay, 2], and gain uint16 [n, 1], the words that state
      by what h was divided; gain is [n, 0] if it is not sent.

    Raises:
      ValueError: If h has another shape or scale, or is not finite.
    """
    h = transforms.as_csi(h, shape)
    peak = transforms.check_csi(h, shape, any_scale=any_scale or send_gain)
    gain = np.zeros((len(h), 0), np.uint16)
    if send_gain:
        gain = transforms.gain_to_word(peak)[:, None]
        h = h / transforms.word_to_gain(gain)[:, :, None]
    return transforms.to_real(h), gain


def quantize(y: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Quantises codewords.

    Args:
      y: float32 [n, latent]. A network that quantises too gives int32
        [n, num_symbols + num_side] instead: symbols, then side information.
      grid: Grid or quantiser of the codeword.

    Returns:
      symbols int32 [n, num_symbols]; side uint16 [n, num_side].
    """
    if y.dtype == np.int32:
        symbols, side = np.split(y, [grid.num_symbols], axis=1)
        return symbols, side.astype(np.uint16)
    return grid.quantize(y)


def packets(
    symbols: np.ndarray,
    side: np.ndarray,
    session: Session,
    tables: Tables,
) -> list[bytes]:
    """Writes packets: header, side information, coded symbols.

    Args:
      symbols: int32 [n, num_symbols].
      side: uint16 [n, words].
      session: Session of the packets.
      tables: Tables of the symbols.

    Returns:
      n packets.

    Raises:
      ValueError: If the symbols do not fit the tables, or a payload is too long.
    """
    coded = rangecoder.encode(symbols, tables)
    payloads = [s.astype(">u2").tobytes() + c for s, c in zip(side, coded)]
    return pack(payloads, session)


def save_tables(
    path: str | os.PathLike,
    session: Session,
    tables: Tables,
    quantizer: str,
    grid: Grid,
    send_gain: bool,
) -> None:
    """Writes what a UE needs besides its network; whole or not at all.

    Args:
      path: The `.npz` file to write.
      session: Session of the packets. Its fingerprint ties them to the decoder.
      tables: Entropy tables.
      quantizer: Name of the grid, a key of `grids.GRIDS`.
      grid: Grid or quantiser of that name.
      send_gain: Whether the gain is sent.
    """
    arrays = {
        "format": np.array(FORMAT),
        "codec": np.array(session.codec),
        "shape": np.array([session.num_tx, session.num_delay]),
        "fingerprint": np.frombuffer(session.fingerprint, np.uint8),
        "send_gain": np.array(bool(send_gain)),
        "quantizer": np.array(quantizer),
    }
    arrays |= {f"quantizer/{k}": v for k, v in grid.arrays().items()}
    arrays |= {f"tables/{k}": v for k, v in tables.arrays().items()}
    files.write_arrays(path, arrays)
