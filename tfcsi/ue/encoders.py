"""Encoders of a phone: networks in LiteRT, and the search of paths in NumPy."""

from __future__ import annotations

import functools
import os
import pathlib
import threading
from typing import Any, cast

import numpy as np

from tfcsi import files
from tfcsi.archives import Archive
from tfcsi.coding import any_tables, grids
from tfcsi.coding.packets import VERSIONS, Session
from tfcsi.coding.path_network import NetworkEncoder, PathNetwork
from tfcsi.coding.path_sending import CODEC, PathSender
from tfcsi.coding.rate_dial import Dial
from tfcsi.coding.sending import (
    check_encoder,
    from_stored,
    network_input,
    packets,
    quantize,
    tables_of,
    to_stored,
)
from tfcsi.coding.token_sending import CODEC as LEARNED
from tfcsi.coding.token_sending import TokenSender


class Ue:
    """Encoder, quantiser and entropy coder of a phone; threads may share it.

    Attributes:
      session: packets.Session of the packets.
      tables: any_tables.AnyTables of the symbols.
      grid: Grid of the codeword, see `tfcsi.coding.grids`.
      send_gain: Whether packets hold the scale of the CSI.
      limits: `step` and `max_bits`, see `rate_dial.Dial.send`.
    """

    def __init__(
        self, encoder: str | os.PathLike, tables: str | os.PathLike, **limits: Any
    ):
        """Loads both files. The network runs in one thread.

        Args:
          encoder: `.tflite` file, x [1, num_tx, num_delay, 2] -> y [1, latent]. Both
            are float32, or integers with a scale. The encoder may also quantise, see
            `tfcsi.coding.sending.quantize`.
          tables: `.npz` file that `tfcsi.coding.sending.save_tables` wrote.
          **limits: `step` and `max_bits`, as of `neural.Codec.compress`, for a codec of
            several rates.

        Raises:
          OSError: If a file is missing.
          ValueError: If a file is of another kind or damaged, if the encoder was not
            exported with these tables, if a codec of one rate gets limits, or if one of
            them is no finite number.
          TypeError: If a limit has another name.
          ImportError: If the LiteRT runtime is missing.
        """
        self.limits = limits
        arrays = self._load_tables(pathlib.Path(tables))
        if limits and self.grid.num_rates == 1:
            raise ValueError(f"{next(iter(limits))} is for codecs of several rates")
        if limits:
            self._send(np.empty((0, 0), np.float32), np.empty((0, 0), np.uint16))
        path, content = pathlib.Path(encoder), files.read_bytes(encoder)
        check_encoder(path, content, arrays)
        self._load_encoder(path, content)

    def encode(self, h: np.ndarray) -> bytes:
        """Turns a CSI matrix into a packet.

        Args:
          h: complex64 [num_tx, num_delay], with max |h| = 0.5 unless the gain is sent.

        Returns:
          The packet.

        Raises:
          ValueError: If h has another shape or scale, or is not finite; or if no rate
            keeps to the limits.
        """
        if not self.limits:
            return packets(*self.symbols(h), self.session, self.tables)[0]
        x, gain = network_input(np.asarray(h)[None], self._shape, self.send_gain)
        return self._send(self.analysis(x), gain)[0]

    def _send(self, y: np.ndarray, gain: np.ndarray) -> list[bytes]:
        """Packets of codewords [n, latent] and their gains that keep to the limits."""
        grid = cast(grids.RatesGrid, self.grid)

        def packets_at(rows: np.ndarray, rate: int) -> list[bytes]:
            symbols, side = quantize(y[rows], grid, np.full(len(rows), rate))
            side = np.concatenate([gain[rows], side], 1)
            return packets(symbols, side, self.session, self.tables)

        return Dial(len(y), grid.mean_steps, grid.rate, packets_at).send(**self.limits)

    def symbols(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs the encoder and the quantiser.

        Args:
          h: complex64 [num_tx, num_delay], see `encode`.

        Returns:
          symbols int32 [1, num_symbols]; side uint16 [1, words].

        Raises:
          ValueError: If h has another shape or scale, or is not finite.
        """
        x, gain = network_input(np.asarray(h)[None], self._shape, self.send_gain)
        symbols, side = quantize(self.analysis(x), self.grid)
        return symbols, np.concatenate([gain, side], 1)

    def analysis(self, x: np.ndarray) -> np.ndarray:
        """Runs the network.

        Args:
          x: float32 [1, num_tx, num_delay, 2].

        Returns:
          y float32 [1, latent]; or int32 [1, num_symbols + num_side] of an encoder that
          quantises too.
        """
        stored = to_stored(x, self._input)
        with self._turn:
            self._interpreter.set_tensor(self._input["index"], stored)
            self._interpreter.invoke()
            y = self._interpreter.get_tensor(self._output["index"])
        return from_stored(y, self._output)

    def _load_tables(self, path: pathlib.Path) -> Archive:
        with tables_of(path) as arrays:
            if remedy := _OTHER.get(str(arrays["codec"])):
                raise ValueError(f"it is of {remedy}")
            version = int(arrays["format"])
            if version not in VERSIONS:
                raise ValueError(f"it has format {version}, not one of {VERSIONS}")
            num_tx, num_delay = arrays["shape"].tolist()
            fingerprint = arrays["fingerprint"].tobytes()
            codec = str(arrays["codec"])
            self.session = Session(codec, num_tx, num_delay, fingerprint, version)
            self.send_gain = bool(arrays["send_gain"])
            self.tables = any_tables.from_arrays(files.part(arrays, "tables"))
            name = str(arrays["quantizer"])
            self.grid = grids.from_arrays(name, files.part(arrays, "quantizer"))
            if self.tables.num_positions != self.grid.num_symbols:
                raise ValueError("its tables and its quantiser differ in length")
        self._shape = (self.session.num_tx, self.session.num_delay)
        return arrays

    def _load_encoder(self, path: pathlib.Path, content: bytes) -> None:
        interpreter = _interpreter(path, content)
        inputs = interpreter.get_input_details()
        outputs = interpreter.get_output_details()
        x = [1, *self._shape, 2]
        y = [1, self.grid.latent_dim]
        words = [1, self.grid.num_symbols + self.grid.num_side]
        for verb, details, fits in (
            ("takes", inputs, dict.fromkeys(_STORED, x)),
            ("gives", outputs, {**dict.fromkeys(_STORED, y), np.int32: words}),
        ):
            tensors = [(d["dtype"], d["shape"].tolist()) for d in details]
            if len(tensors) != 1 or fits.get(tensors[0][0]) != tensors[0][1]:
                own = ", ".join(f"{dtype.__name__} {size}" for dtype, size in tensors)
                good = ", ".join(f"{k.__name__} {size}" for k, size in fits.items())
                raise ValueError(
                    f"{path} {verb} {own}; an encoder for these tables {verb} one of "
                    f"{good}"
                )
        (self._input,), (self._output,) = inputs, outputs
        self._interpreter = interpreter
        self._turn = threading.Lock()  # An interpreter serves one thread at a time.


class PathUe:
    """Encoder of a codec of paths on a phone.

    Attributes:
      sender: PathSender of the tables.
      session: packets.Session of the packets.
      limits: Keyword arguments of `PathSender.send` for each matrix.
    """

    def __init__(
        self,
        tables: str | os.PathLike,
        encoder: str | os.PathLike | None = None,
        **limits: Any,
    ):
        """Loads the files.

        Args:
          tables: `.npz` file that `tfcsi export` wrote for a codec of paths.
          encoder: `.tflite` file that searches the paths, written with the tables; it
            runs in one thread. None for the search in NumPy.
          **limits: `step` or `nmse_db`, and `max_bits`, as of `Paths.compress`; without
            an encoder also `effort` and `noise_variance`.

        Raises:
          OSError, ValueError, TypeError, ImportError: As `Ue`.
        """
        with tables_of(pathlib.Path(tables)) as arrays:
            self.sender = PathSender.from_arrays(arrays)
        self.session, self.limits = self.sender.session, limits
        self.sender.send(np.empty((0, *self.sender.shape), np.complex64), **limits)
        if encoder is not None:
            if "effort" in limits:
                raise ValueError("effort is that of the encoder; leave it out")
            path, content = pathlib.Path(encoder), files.read_bytes(encoder)
            check_encoder(path, content, arrays)
            interpreter = _interpreter(path, content)
            network = PathNetwork(interpreter, self.sender.shape, str(path))
            self.sender.encoder = functools.partial(NetworkEncoder, network)

    def encode(self, h: np.ndarray) -> bytes:
        """Turns a CSI matrix into a packet.

        Args:
          h: complex64 [num_tx, num_delay], of any scale.

        Returns:
          The packet.

        Raises:
          ValueError: If h has another shape or is not finite, or if no packet keeps to
            the limits.
        """
        return self.sender.send(np.asarray(h)[None], **self.limits)[0]


class TokenUe:
    """Encoder of the codec `learned` on a phone.

    Its attributes are those of `PathUe`; `sender` is a `TokenSender`.
    """

    def __init__(
        self, tables: str | os.PathLike, encoder: str | os.PathLike, **limits: Any
    ):
        """Loads the files; errors as of `Ue`.

        Args:
          tables: `.npz` file that `tfcsi export` wrote.
          encoder: `.tflite` file that was written with it; it runs in one thread.
          **limits: `step` and `max_bits`, as of `Learned.compress`.
        """
        path, self.limits = pathlib.Path(encoder), limits
        with tables_of(pathlib.Path(tables)) as arrays:
            self.sender = TokenSender.from_arrays(arrays)
        self.session, content = self.sender.session, path.read_bytes()
        check_encoder(path, content, arrays)
        self.sender.analysis = self.sender.network(_interpreter(path, content))
        self.sender.send(np.empty((0, *self.sender.shape), np.complex64), **limits)

    def encode(self, h: np.ndarray) -> bytes:
        """Turns a CSI matrix into a packet; see `PathUe.encode`."""
        return self.sender.send(np.asarray(h)[None], **self.limits)[0]


_OTHER = {
    CODEC: "a codec of paths: use PathUe, no encoder",
    LEARNED: "the codec learned: use TokenUe",
}
_STORED = (np.float32, np.int8, np.uint8, np.int16)


def _interpreter(path: pathlib.Path, content: bytes) -> Any:
    """Makes a LiteRT interpreter of one thread and allocates its tensors."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ImportError(
            f"the LiteRT runtime is missing ({error}): pip install 'tfcsi[ue]'"
        ) from error
    try:
        interpreter = Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path} is not a TFLite model that runs: {error}") from error
    return interpreter
