"""Tables that integer networks pick: hyper-latents, and contexts within a codeword.

The symbols of a codeword are sent in passes. Before them go the hyper-latents, a few
numbers that the phone computes from all symbols and sends with tables of their own
(Ballé et al., "Variational image compression with a scale hyperprior", ICLR 2018). In
each pass a network reads hyper-latents and the symbols of earlier passes, and gives the
mean and the scale of the law of each symbol (Minnen et al., "Joint autoregressive and
hierarchical priors for learned image compression", NeurIPS 2018). These are numbers of
tables. All weights, activations and sums are integers, as in
`tfcsi.coding.token_contexts`, so both sides pick the same tables on every machine.

Training is `tfcsi.entropy.conditional`; the bytes are described in `docs/bitstream.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from tfcsi.coding import chosen_tables
from tfcsi.coding.intervals import Reader, encode_intervals
from tfcsi.coding.tables import PRECISION, Tables, check_symbols
from tfcsi.coding.token_contexts import FRACTIONS, SCALES, companded

KIND = "network"
LARGEST = 1 << 17  # Magnitude of a symbol; larger ones are sent as this.
FARTHEST = 1 << 12  # Largest magnitude of a mean.
WEIGHT, BIAS, ACTIVATION = 64, 1024, 16  # Parts of 1 that their integers count.
_ROWS = 512  # Rows coded at a time; bounds the memory of a large batch.


class IntegerNetwork:
    """Dense layers of integers.

    Attributes:
      weights: Of each layer, int8 [inputs, outputs], in 64ths.
      biases: Of each layer, int32 [outputs], in 1024ths.
    """

    def __init__(self, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray]):
        """See the attributes.

        Raises:
          ValueError: If the layers do not fit together.
        """
        if not weights or len(weights) != len(biases):
            raise ValueError("a network needs as many weights as biases, at least one")
        for w, b in zip(weights, biases):
            if w.dtype != np.int8 or b.dtype != np.int32 or w.shape[1:] != b.shape:
                raise ValueError(
                    "a layer needs int8 [inputs, outputs], int32 [outputs]"
                )
        for w, after in zip(weights, weights[1:]):
            if w.shape[1] != after.shape[0]:
                raise ValueError("a layer has other outputs than the next has inputs")
        self.weights, self.biases = list(weights), list(biases)
        # Float64 holds integers below 2^53 exactly, so that the order of sums, and with
        # it the library that multiplies, has no influence.
        self._exact = [w.astype(np.float64) for w in weights]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Runs the network.

        Args:
          x: int64 [n, inputs], in 16ths.

        Returns:
          int64 [n, outputs], in 1024ths.
        """
        for number, (w, b) in enumerate(zip(self._exact, self.biases)):
            if number:
                x = np.clip((x + 32) >> 6, 0, 255)
            x = (x.astype(np.float64) @ w).astype(np.int64) + b
        return x

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the content as arrays for an `.npz`, the inverse of `from_arrays`."""
        out = {f"w{i}": w for i, w in enumerate(self.weights)}
        return out | {f"b{i}": b for i, b in enumerate(self.biases)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> IntegerNetwork:
        """Makes a network of `arrays()`; raises a KeyError if one is missing."""
        count = len(arrays) // 2
        return cls(*([arrays[f"{k}{i}"] for i in range(count)] for k in "wb"))


class NetworkTables:
    """What both sides share of a hyperprior, or of a prior with contexts.

    Attributes:
      order: int32 [latent], the pass of each symbol; passes count from 0.
      center: int, taken from each symbol first.
      hyper: Tables of the hyper-latents, maybe of no positions.
      analysis: Network of all symbols that gives the hyper-latents; None without them.
      networks: Of each pass: its inputs are hyper-latents, symbols of earlier passes
        and their magnitudes; its outputs are means, then scales.
      laws: Tables [SCALES x FRACTIONS].
      coder: "range".
    """

    coder = "range"

    def __init__(
        self,
        order: np.ndarray,
        center: int,
        hyper: Tables,
        analysis: IntegerNetwork | None,
        networks: Sequence[IntegerNetwork],
        laws: Tables,
    ):
        """See the attributes.

        Raises:
          ValueError: If they do not fit together.
        """
        self.order = np.array(order, np.int32)
        self.center, self.hyper, self.analysis = int(center), hyper, analysis
        self.networks, self.laws = list(networks), laws
        self.num_positions, size = self.order.size, hyper.num_positions
        self._at = [np.flatnonzero(self.order == p) for p in range(len(networks))]
        if len(laws.length) != SCALES * FRACTIONS or hyper.coder != "range":
            raise ValueError(
                f"laws must be {SCALES * FRACTIONS} tables of a range coder"
            )
        if sum(at.size for at in self._at) != self.num_positions:
            raise ValueError(f"order must be in 0..{len(networks) - 1}")
        sides = [(2 * self.num_positions, size)] if size else []
        before = 0
        for at in self._at:
            sides.append((size + 2 * before, 2 * at.size))
            before += at.size
        every = [*([analysis] if analysis else []), *networks]
        found = [(net.weights[0].shape[0], net.biases[-1].size) for net in every]
        if found != sides:
            raise ValueError(f"networks have sides {found}, expected {sides}")

    def code(self, n: int, hyper: np.ndarray, send: Callable) -> np.ndarray:
        """Goes through the passes in their order.

        Args:
          n: Number of codewords.
          hyper: int64 [n, hyper], the hyper-latents.
          send: Function of the tables [n, k] and shifts [n, k] of the symbols of a pass
            and of their positions [k] that returns the symbols, int64 [n, k].

        Returns:
          int64 [n, latent], the symbols.
        """
        symbols = np.zeros((n, self.num_positions), np.int64)
        known, sizes = companded(hyper), np.zeros((n, 0), np.int64)
        for at, network in zip(self._at, self.networks):
            out = network(np.concatenate([known, sizes], axis=1))
            mean, scale = out[:, : at.size], out[:, at.size :]
            eighths = np.clip((mean + 64) >> 7, -8 * FARTHEST, 8 * FARTHEST)
            shift = (eighths + FRACTIONS // 2) >> 3
            number = np.clip((scale + 128) >> 8, -20, SCALES - 21) + 20
            chosen = number * FRACTIONS + eighths - 8 * shift + FRACTIONS // 2
            sent = send(chosen, shift + self.center, at)
            symbols[:, at] = sent
            small = companded(sent - self.center)
            known = np.concatenate([known, small], axis=1)
            sizes = np.concatenate([sizes, np.abs(small)], axis=1)
        return symbols

    def hyper_of(self, symbols: np.ndarray) -> np.ndarray:
        """Returns the hyper-latents, int64 [n, hyper], of symbols int64 [n, latent]."""
        if self.analysis is None:
            return np.zeros((len(symbols), 0), np.int64)
        small = companded(symbols - self.center)
        out = self.analysis(np.concatenate([small, np.abs(small)], axis=1))
        return np.clip((out + BIAS // 2) // BIAS, -127, 127)

    def symbol_bits(self, symbols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns ideal sizes, float64, of hyper-latents [n, hyper] and symbols.

        Args:
          symbols: [n, latent], int32.
        """
        counts = (self.hyper.num_positions, self.num_positions)
        sizes = [np.zeros((len(symbols), count)) for count in counts]
        for rows, part in self._parts(symbols):

            def price(
                q: np.ndarray,
                chosen: np.ndarray,
                tables: Tables,
                at: np.ndarray,
                rows: slice = rows,
            ) -> None:
                bits = chosen_tables.bits(q.ravel(), chosen.ravel(), tables)
                sizes[tables is self.laws][rows, at] = bits.reshape(q.shape)

            self._each(part, price)
        return sizes[0], sizes[1]

    def encode_bits(self, symbols: np.ndarray) -> tuple[list[bytes], list[int]]:
        """Codes symbols; as `rangecoder.encode_bits`."""
        coded: list[tuple[bytes, int]] = []
        for _, part in self._parts(symbols):
            ends: list[tuple[list[int], list[int]]] = [([], []) for _ in part]

            def write(
                q: np.ndarray,
                chosen: np.ndarray,
                tables: Tables,
                at: np.ndarray,
                ends: list = ends,
            ) -> None:
                del at
                for (lower, upper), row, its in zip(ends, q, chosen):
                    low, high = chosen_tables.parts(row, its, tables)
                    lower += low
                    upper += high

            self._each(part, write)
            coded += [encode_intervals(*each, PRECISION) for each in ends]
        return [payload for payload, _ in coded], [size for _, size in coded]

    def decode_bits(self, payloads: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Decodes symbols, the inverse of `encode_bits`.

        Args:
          payloads: n bytes objects that begin with what `encode_bits` wrote.

        Returns:
          symbols int32 [n, latent]; number of bits of each row int64 [n], -1 if no
          encoder ends so.
        """
        symbols = np.zeros((len(payloads), self.num_positions), np.int32)
        num_bits = np.zeros(len(payloads), np.int64)
        for start in range(0, len(payloads), _ROWS):
            part = payloads[start : start + _ROWS]
            reader, rows = Reader(part), np.arange(len(part))
            hyper = np.zeros((len(part), self.hyper.num_positions), np.int64)
            for i, t in enumerate(self.hyper.index.tolist()):
                chosen = np.full(len(part), t)
                hyper[:, i] = chosen_tables.read(reader, rows, chosen, self.hyper)

            def read(
                chosen: np.ndarray,
                shift: np.ndarray,
                at: np.ndarray,
                reader: Reader = reader,
                rows: np.ndarray = rows,
            ) -> np.ndarray:
                columns = [
                    chosen_tables.read(reader, rows, chosen[:, k], self.laws)
                    for k in range(at.size)
                ]
                return np.stack(columns, axis=1) + shift

            decoded = self.code(len(part), hyper, read)
            strange = (np.abs(decoded) > LARGEST).any(axis=1)
            strange |= (np.abs(hyper) > 127).any(axis=1)
            num_bits[start : start + len(part)] = np.where(strange, -1, reader.num_bits)
            symbols[start : start + len(part)] = np.where(strange[:, None], 0, decoded)
        return symbols, num_bits

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the content as arrays for an `.npz`, the inverse of `from_arrays`."""
        parts: dict[str, Tables | IntegerNetwork]
        parts = {"hyper": self.hyper, "laws": self.laws}
        parts |= {f"pass{p}": network for p, network in enumerate(self.networks)}
        if self.analysis is not None:
            parts["analysis"] = self.analysis
        out = {"kind": np.array(KIND), "order": self.order}
        out["center"] = np.array(self.center, np.int32)
        for name, part in parts.items():
            out |= {f"{name}/{k}": array for k, array in part.arrays().items()}
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> NetworkTables:
        """Makes tables of `arrays()`; raises a ValueError if they do not fit."""

        def part(name: str) -> dict[str, np.ndarray]:
            cut = len(name) + 1
            return {k[cut:]: v for k, v in arrays.items() if k[:cut] == f"{name}/"}

        try:
            count = int(arrays["order"].max()) + 1
            analysis = part("analysis")
            return cls(
                arrays["order"],
                int(arrays["center"]),
                Tables.from_arrays(part("hyper")),
                IntegerNetwork.from_arrays(analysis) if analysis else None,
                [IntegerNetwork.from_arrays(part(f"pass{p}")) for p in range(count)],
                Tables.from_arrays(part("laws")),
            )
        except KeyError as error:
            raise ValueError(f"tables lack {error}") from None

    def fingerprint(self) -> bytes:
        """Returns the SHA-256 of the content, 32 bytes, the same on every machine."""
        digest = hashlib.sha256(f"tfcsi network tables {self.center}".encode())
        digest.update(self.hyper.fingerprint() + self.laws.fingerprint())
        digest.update(np.array([self.order.size, *self.order], "<i4").tobytes())
        for network in [*([self.analysis] if self.analysis else []), *self.networks]:
            for _, array in sorted(network.arrays().items()):
                digest.update(np.array([*array.shape, *array.ravel()], "<i4").tobytes())
        return digest.digest()

    def _parts(self, symbols: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Yields some rows at a time, int64 within +-LARGEST."""
        symbols = check_symbols(symbols, self.num_positions).clip(-LARGEST, LARGEST)
        for start in range(0, len(symbols), _ROWS):
            rows = slice(start, start + _ROWS)
            yield rows, symbols[rows]

    def _each(
        self,
        symbols: np.ndarray,
        use: Callable[[np.ndarray, np.ndarray, Tables, np.ndarray], None],
    ) -> None:
        """Calls a function for hyper-latents and each pass, as they are sent.

        Args:
          symbols: int64 [n, latent].
          use: Function of numbers [n, k], the row of each in some tables [n, k], the
            tables, and the positions [k] of the numbers.
        """
        hyper = self.hyper_of(symbols)
        chosen = np.broadcast_to(self.hyper.index, hyper.shape)
        use(hyper, chosen, self.hyper, np.arange(hyper.shape[1]))

        def send(chosen: np.ndarray, shift: np.ndarray, at: np.ndarray) -> np.ndarray:
            use(symbols[:, at] - shift, chosen, self.laws, at)
            return symbols[:, at]

        self.code(len(symbols), hyper, send)
