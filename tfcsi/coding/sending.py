"""CSI to symbols and symbols to packets: what the software of phone and BS shares.

`tfcsi.ue` (the phone) and the neural codecs call the same functions, so both write the
same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import warnings
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tfcsi import files, transforms
from tfcsi.archives import Archive
from tfcsi.coding import any_tables, rangecoder
from tfcsi.coding.any_tables import AnyTables
from tfcsi.coding.grids import Grid
from tfcsi.coding.packets import PacketError, Session, check_ends, pack, unpack
from tfcsi.coding.tables import Tables

TABLES_FILE = "tables.npz"  # Name of the file in a workdir.


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
        gain = gain_to_word(peak)[:, None]
        h = h / word_to_gain(gain)[:, :, None]
    return transforms.to_real(h), gain


def gain_to_word(peak: np.ndarray) -> np.ndarray:
    """Turns peaks into 16-bit words: 256 steps an octave, from 2^-127 to 2^128.

    Args:
      peak: [n], float, max |h| of each matrix.

    Returns:
      [n], uint16.
    """
    octaves = np.log2(np.maximum(peak.astype(np.float64), 2.0**-127))
    return np.clip(np.rint(256 * (octaves + 128)), 0, 65535).astype(np.uint16)


def word_to_gain(word: np.ndarray) -> np.ndarray:
    """Turns words, uint16 [n], into scales relative to max |h| = 0.5, float32 [n]."""
    return (2.0 ** (word.astype(np.float64) / 256 - 128) / transforms.PEAK).astype(
        np.float32
    )


def quantize(
    y: np.ndarray, grid: Grid, rate: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Quantises codewords.

    Args:
      y: float32 [n, latent]. A network that quantises too gives int32
        [n, num_symbols + num_side] instead: symbols, then side information.
      grid: Grid or quantiser of the codeword.
      rate: As of the grid's `quantize`.

    Returns:
      symbols int32 [n, num_symbols]; side uint16 [n, num_side].
    """
    if y.dtype == np.int32:
        symbols, side = np.split(y, [grid.num_symbols], axis=1)
        return symbols, side.astype(np.uint16)
    return grid.quantize(y, rate)


def to_stored(x: np.ndarray, details: dict) -> np.ndarray:
    """Returns numbers as a tensor of a network stores them.

    Args:
      x: float32, the numbers.
      details: Details of the tensor, as the interpreter returns them.
    """
    if details["dtype"] == np.float32:
        return x
    scale, zero = details["quantization"]
    ends = np.iinfo(details["dtype"])
    return np.clip(np.rint(x / scale) + zero, ends.min, ends.max).astype(ends.dtype)


def from_stored(y: np.ndarray, details: dict) -> np.ndarray:
    """Returns the numbers, float32, that a tensor of a network stores.

    Args:
      y: The tensor. An int32 tensor holds symbols, has no scale, and stays as it is.
      details: Details of the tensor, as the interpreter returns them.
    """
    if y.dtype in (np.float32, np.int32):
        return y
    scale, zero = details["quantization"]
    return (y.astype(np.float32) - np.float32(zero)) * np.float32(scale)


def packets(
    symbols: np.ndarray,
    side: np.ndarray,
    session: Session,
    tables: AnyTables,
) -> list[bytes]:
    """Writes packets: check, side information, coded symbols.

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
    words = [row.astype(">u2").tobytes() for row in side]
    if session.version == 1:
        coded = rangecoder.encode(symbols, _plain(tables))
        return pack([s + c for s, c in zip(words, coded)], session)
    coded, sizes = any_tables.encode_bits(symbols, tables)
    num_bits = [8 * len(s) + size for s, size in zip(words, sizes)]
    return pack([s + c for s, c in zip(words, coded)], session, num_bits)


def receive(
    packets: Sequence[bytes], num_side: int, session: Session, tables: AnyTables
) -> tuple[np.ndarray, np.ndarray]:
    """Reads packets, the inverse of the function `packets`.

    Args:
      packets: n packets.
      num_side: Words of side information of each.
      session: Session of the packets.
      tables: Tables of the symbols.

    Returns:
      symbols int32 [n, num_symbols]; side uint16 [n, num_side].

    Raises:
      PacketError: If a packet is damaged or foreign; it says which.
    """
    payloads, num_bytes = unpack(packets, session), 2 * num_side
    for i, payload in enumerate(payloads):
        if len(payload) < num_bytes:
            raise PacketError(
                f"packet {i}: {len(payload)} bytes are too few for "
                f"{num_bytes} bytes of side information",
                i,
            )
    words = b"".join(payload[:num_bytes] for payload in payloads)
    side = np.frombuffer(words, ">u2").astype(np.uint16)
    side = side.reshape(len(payloads), num_side)
    coded = [payload[num_bytes:] for payload in payloads]
    try:
        if session.version == 1:
            return rangecoder.decode(coded, _plain(tables)), side
        symbols, num_bits = any_tables.decode_bits(coded, tables)
    except rangecoder.PayloadError as error:
        message = f"packet {error.row}: {error.reason}"
        raise PacketError(message, error.row) from None
    check_ends(payloads, num_bits + 8 * num_bytes)
    return symbols, side


def save_tables(
    path: str | os.PathLike,
    session: Session,
    tables: AnyTables,
    quantizer: str,
    grid: Grid,
    send_gain: bool,
    encoders: Mapping[str, bytes] | None = None,
) -> None:
    """Writes what a UE needs besides its network; whole or not at all.

    The version of the file is that of its packets. If the file is there and of the same
    session, the digests that it has of other encoders stay.

    Args:
      path: The `.npz` file to write.
      session: Session of the packets. Its fingerprint ties them to the decoder.
      tables: Entropy tables.
      quantizer: Name of the grid, a key of `grids.GRIDS`.
      grid: Grid or quantiser of that name.
      send_gain: Whether the gain is sent.
      encoders: Name of the file of each exported encoder to its content; the tables
        get the digests, for `check_encoder`.
    """
    arrays = {
        "format": np.array(session.version),
        "codec": np.array(session.codec),
        "shape": np.array([session.num_tx, session.num_delay]),
        "fingerprint": np.frombuffer(session.fingerprint, np.uint8),
        "send_gain": np.array(bool(send_gain)),
        "quantizer": np.array(quantizer),
    }
    arrays |= {f"quantizer/{k}": v for k, v in grid.arrays().items()}
    arrays |= {f"tables/{k}": v for k, v in tables.arrays().items()}
    arrays |= digests(path, session, encoders)
    files.write_arrays(path, arrays)


@contextlib.contextmanager
def tables_of(path: pathlib.Path) -> Iterator[Archive]:
    """Yields the arrays of a file of tables; errors name it and say what is wrong."""
    try:
        yield Archive(path)
    except OSError:
        raise
    except Exception as error:
        reason = str(error).removeprefix(f"{path} is damaged: ")
        reason = f"it lacks {reason}" if isinstance(error, KeyError) else reason
        raise ValueError(
            f"{path} is not a {TABLES_FILE} that tfcsi export wrote: {reason}"
        ) from error


def _plain(tables: AnyTables) -> Tables:
    """Returns tables of packets of version 1; others than `Tables` are refused."""
    if not isinstance(tables, Tables):
        raise ValueError("packets of version 1 have a table for each position")
    return tables


def digests(
    path: str | os.PathLike, session: Session, encoders: Mapping[str, bytes] | None
) -> dict[str, np.ndarray]:
    """Returns the arrays of a file of tables by which `check_encoder` knows encoders.

    Args:
      path: The file. The digests that it has stay if it is of the session.
      session: Session of the tables.
      encoders: Name of the file of each new encoder to its content.
    """
    new = {name: _digest(content) for name, content in (encoders or {}).items()}
    every = _digests_of(path, session) | new
    return {f"encoders/{name}": digest for name, digest in every.items()}


def check_encoder(
    path: str | os.PathLike, content: bytes, tables: Mapping[str, np.ndarray]
) -> None:
    """Refuses an encoder that was not exported with the tables, or that is damaged.

    Args:
      path: The file of the encoder, for the message.
      content: Its content.
      tables: Arrays of the file of tables. Those of early versions have no digests of
        encoders: a warning says so, and nothing is refused.

    Raises:
      ValueError: If the tables have digests, and none is that of the encoder.
    """
    known = files.part(tables, "encoders")
    if not known:
        warnings.warn(
            f"the tables hold no digests of encoders, so it cannot be told whether "
            f"{path} belongs to them; export both again",
            stacklevel=2,
        )
    elif not any(np.array_equal(d, _digest(content)) for d in known.values()):
        raise ValueError(
            f"{path} is none of the encoders that were exported with these tables "
            f"({', '.join(sorted(known))}): it is of another run or damaged; export "
            f"both again"
        )


def _digest(content: bytes) -> np.ndarray:
    """Returns the SHA-256 of a file, uint8 [32]."""
    return np.frombuffer(hashlib.sha256(content).digest(), np.uint8)


def _digests_of(path: str | os.PathLike, session: Session) -> dict[str, np.ndarray]:
    """Returns the digests of encoders in a file, if it has tables of the session."""
    if not os.path.isfile(path):
        return {}
    try:
        arrays = Archive(path)
        same = arrays["fingerprint"].tobytes() == session.fingerprint
        return files.part(arrays, "encoders") if same else {}
    except (ValueError, KeyError):  # It is damaged, and is written anew.
        return {}
