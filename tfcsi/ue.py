"""What runs on the phone: CSI to packets, with NumPy and the LiteRT runtime alone.

    ue = Ue("encoder_int8.tflite", "tables.npz")
    packet = ue.encode(h)

`tfcsi export` writes both files for a run. `pip install tfcsi[ue]` installs what is
needed. A command turns a file of matrices into one of packets for `tfcsi decompress`:

    python -m tfcsi.ue --encoder=encoder_int8.tflite --tables=tables.npz \
        --input=h.npy --output=h.tcsi

The encoder of a codec of paths, `PathUe("tables.npz")`, needs NumPy and the tables
alone; one that `tfcsi export` wrote searches faster, and needs LiteRT. That of the
codec `learned` is `TokenUe("tables.npz", "encoder_int8.tflite")`.

`Codec.compress` takes the same steps and calls the same functions.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcsi import files, transforms
from tfcsi.archives import Archive
from tfcsi.coding import any_tables, grids
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.packets import VERSIONS, Session
from tfcsi.coding.path_network import NetworkEncoder, PathNetwork
from tfcsi.coding.path_sending import CODEC, PathSender
from tfcsi.coding.pursuit import EFFORTS
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
    """

    def __init__(self, encoder: str | os.PathLike, tables: str | os.PathLike):
        """Loads both files. The network runs in one thread.

        Args:
          encoder: `.tflite` file, x [1, num_tx, num_delay, 2] -> y [1, latent]. Both
            are float32, or integers with a scale. The encoder may also quantise, see
            `tfcsi.coding.sending.quantize`.
          tables: `.npz` file that `tfcsi.coding.sending.save_tables` wrote.

        Raises:
          OSError: If a file is missing.
          ValueError: If a file is of another kind or damaged, or the encoder was not
            exported with these tables.
          ImportError: If the LiteRT runtime is missing.
        """
        arrays = self._load_tables(pathlib.Path(tables))
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
          ValueError: If h has another shape or scale, or is not finite.
        """
        return packets(*self.symbols(h), self.session, self.tables)[0]

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
          OSError, ValueError, ImportError: As `Ue`.
        """
        with tables_of(pathlib.Path(tables)) as arrays:
            self.sender = PathSender.from_arrays(arrays)
        self.session, self.limits = self.sender.session, limits
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

    def encode(self, h: np.ndarray) -> bytes:
        """Turns a CSI matrix into a packet; see `PathUe.encode`."""
        return self.sender.send(np.asarray(h)[None], **self.limits)[0]


def microseconds(ue: Ue, h: np.ndarray, runs: int = 300) -> dict[str, float]:
    """Measures how long a matrix takes on the way to its packet.

    Args:
      ue: Ue.
      h: complex64 [num_tx, num_delay].
      runs: How often each step is measured.

    Returns:
      Median times [us]: `network`, the network alone; `packet`, the entropy coder, the
      check and the header; `whole`, `encode` from end to end.
    """
    x, _ = network_input(h[None], h.shape, ue.send_gain)
    symbols, side = ue.symbols(h)
    steps = {
        "network": lambda: ue.analysis(x),
        "packet": lambda: packets(symbols, side, ue.session, ue.tables),
        "whole": lambda: ue.encode(h),
    }
    medians = {}
    for name, step in steps.items():
        step()  # Fills caches.
        times = []
        for _ in range(runs):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        medians[name] = 1e6 * float(np.median(times))
    return medians


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


_EXAMPLE = """example:
  python -m tfcsi.ue --encoder=encoder_int8.tflite --tables=tables.npz \\
      --input=h.npy --output=h.tcsi"""


def main(argv: Sequence[str] | None = None) -> int:
    """Turns a file of CSI into a file of packets; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tfcsi.ue",
        description="Turns a file of CSI into a file of packets.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, text in (
        ("tables", "The file tables.npz of a run."),
        ("input", "A .npy file, complex [n, num_tx, num_delay] or one matrix."),
        ("output", "File of packets to write; tfcsi decompress reads it."),
    ):
        parser.add_argument(f"--{name}", required=True, metavar="FILE", help=text)
    parser.add_argument(
        "--encoder",
        metavar="FILE",
        help="TFLite encoder of the same run, the file encoder_PRECISION.tflite. The "
        "codec paths can do without it.",
    )
    parser.add_argument(
        "--scale",
        action="store_true",
        help="Scale each matrix to max|h| = 0.5 first, as networks need it. This loses "
        "its power.",
    )
    both = "For the codecs paths and learned."
    for name, text in (
        ("step", f"Step of the quantiser relative to the norm of a matrix. {both}"),
        ("nmse_db", "Largest NMSE of a matrix in dB. For the codec paths."),
        ("max_bits", f"Most bits of a packet. {both}"),
    ):
        parser.add_argument(f"--{name}", type=float, metavar="NUMBER", help=text)
    searches = "How much the codec paths searches; default if not given."
    parser.add_argument("--effort", choices=[*EFFORTS], help=searches)
    args = parser.parse_args(argv)
    names = ("step", "nmse_db", "max_bits", "effort")
    wishes = {name: getattr(args, name) for name in names}
    limits = {name: wish for name, wish in wishes.items() if wish is not None}
    try:
        kept = [path for path in (args.encoder, args.tables, args.input) if path]
        files.check_output(args.output, files.PACKETS, kept)
        with tables_of(pathlib.Path(args.tables)) as arrays:
            codec = str(arrays["codec"])
        granted = {CODEC: names, LEARNED: ("step", "max_bits")}.get(codec, ())
        if idle := sorted(limits.keys() - set(granted)):
            raise ValueError(f"--{idle[0]} is not for the codec {codec} on a phone")
        ue: Ue | PathUe | TokenUe
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            if codec == CODEC or not args.encoder:
                ue = PathUe(args.tables, args.encoder, **limits)
            elif codec == LEARNED:
                ue = TokenUe(args.tables, args.encoder, **limits)
            else:
                ue = Ue(args.encoder, args.tables)
        for doubt in doubts:
            print(f"{parser.prog}: warning: {doubt.message}", file=sys.stderr)
        h = files.read_csi(args.input)
        if args.scale:
            h = transforms.to_peak(h)[0]
        sent = [ue.encode(matrix) for matrix in h]
        num_bytes = write_file(args.output, ue.session, sent)
    except (OSError, ValueError, ImportError, MemoryError) as error:
        short = "not enough memory" if isinstance(error, MemoryError) else error
        print(f"{parser.prog}: error: {short}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: stopped", file=sys.stderr)
        return 130
    every, share = (8 * n / max(len(sent), 1) for n in (sum(map(len, sent)), num_bytes))
    print(
        f"{args.output}: {len(sent)} packets, {every:.1f} bits each on average, "
        f"{share:.1f} with their share of the file"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
