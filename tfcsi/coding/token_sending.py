"""Tokens of matrices to packets: what the codec `learned` and a phone share.

`tfcsi.ue` (the phone) and the codec `learned` call the same functions, so both write
the same bytes of the same tokens. An encoder that is a network makes the tokens:
`tfcsi.codecs.learned_networks` in NumPy, or a TFLite file on a phone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfcsi import files, transforms
from tfcsi.coding import chosen_tables
from tfcsi.coding.intervals import encode_intervals
from tfcsi.coding.packets import VERSION, Session, pack
from tfcsi.coding.rate_dial import Dial
from tfcsi.coding.sending import digests
from tfcsi.coding.tables import PRECISION, Tables
from tfcsi.coding.token_contexts import TokenContexts
from tfcsi.coding.wishes import check_wishes

CODEC = "learned"  # Name of the codec in the session.
NORM = 32  # Norm of the matrices that networks see.
OCTAVE = 8  # Values of the norm in an octave.
LARGEST_NORM = 64 * OCTAVE  # The norm is 2^-64 to 2^64, or zero.


class TokenSender:
    """The way from matrices to packets.

    Attributes:
      contexts: TokenContexts of the symbols.
      norms: Tables of one table, that of the norm in eighths of an octave.
      gain: float32 [rates, channels], by which tokens are multiplied.
      rate: Number of the rate that is used if nothing else is wished.
      session: packets.Session of the packets.
      domain: Domain of the matrices, one of `transforms.DOMAINS`.
      shape: (num_tx, num_delay).
      analysis: Function of x float32 [n, num_tx, num_delay, 2], norm `NORM` a matrix,
        that returns tokens y float32 [n, angles, delays, channels].
    """

    def __init__(
        self,
        contexts: TokenContexts,
        norms: Tables,
        gain: np.ndarray,
        rate: int,
        session: Session,
        domain: str,
    ):
        """See the attributes; `analysis` must be set before a matrix is sent."""
        self.contexts, self.norms, self.gain = contexts, norms, gain
        self.rate, self.session, self.domain = rate, session, domain
        self.shape = (session.num_tx, session.num_delay)
        self.analysis: Callable[[np.ndarray], np.ndarray] = _no_network
        self.rate_ends = rate_ends(len(gain), rate)

    @property
    def steps(self) -> np.ndarray:
        """Step of the tokens at each rate relative to the norm, falling."""
        return np.exp(-np.log(self.gain).mean(axis=1)) / NORM

    def send(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
        nmse_of: Callable[[np.ndarray, Sequence[bytes]], np.ndarray] | None = None,
    ) -> list[bytes]:
        """Codes matrices.

        Args:
          h: complex64 [n, num_tx, num_delay], of any scale.
          step: Step of the tokens relative to the norm of a matrix; as of
            `rate_dial.Dial.send`.
          nmse_db: As of `rate_dial.Dial.send`; it needs `nmse_of`.
          max_bits: As of `rate_dial.Dial.send`.
          nmse_of: As of `rate_dial.Dial`.

        Returns:
          n packets.

        Raises:
          ValueError: If `h` is of another shape or not finite, if a norm is not 2^-64
            to 2^64, or as `rate_dial.Dial.send`.
        """
        check_wishes(step=step, nmse_db=nmse_db, max_bits=max_bits)
        h = transforms.finite_csi(h, self.shape)
        norm, y = self.tokens(h) if len(h) else (np.zeros(0), np.zeros(0))

        def packets_at(rows: np.ndarray, rate: int) -> list[bytes]:
            return self.packets_at(norm[rows], y[rows], np.full(len(rows), rate))

        dial = Dial(len(h), self.steps, self.rate, packets_at, nmse_of, stacklevel=4)
        return dial.send(step=step, nmse_db=nmse_db, max_bits=max_bits)

    def tokens(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norms int64 [n] and tokens float32 [n, ...] of finite matrices."""
        norm, x = self.network_input(h)
        chosen_tables.warn_of_norms(norm, self.norms, stacklevel=4)
        return norm, self.analysis(x)

    def network_input(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norms int64 [n], and x float32 [n, num_tx, num_delay, 2] for `analysis`."""
        h = transforms.in_angular_delay(h, self.domain)
        norm = norms_of(h)
        scale, outside = 2.0 ** (norm / OCTAVE), np.abs(norm) > LARGEST_NORM
        if outside.any():
            row = int(np.argmax(outside))
            raise ValueError(
                f"h[{row}] has norm {scale[row]:.3g}; this codec takes {2.0**-64:.2g} "
                f"to {2.0**64:.2g}"
            )
        x = h * (NORM / scale)[:, None, None]
        return norm, np.stack([x.real, x.imag], axis=-1).astype(np.float32)

    def rounded(self, y: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """Symbols int64 [n, tokens x channels] of tokens, at rates [n]."""
        rounded = np.rint(y * self.gain[rate][:, None, None])
        return rounded.astype(np.int64).reshape(len(y), -1)

    def packets_at(
        self, norm: np.ndarray, y: np.ndarray, rate: np.ndarray
    ) -> list[bytes]:
        """Codes what `tokens` made of matrices, at rates [n]."""
        symbols = self.rounded(y, rate)
        lower: list[list[int]] = [[] for _ in y]
        upper: list[list[int]] = [[] for _ in y]
        zero, ends = np.zeros(1, np.int64), self.rate_ends
        for i, r in enumerate(rate.tolist()):
            low, high = chosen_tables.parts(norm[i : i + 1], zero, self.norms)
            lower[i] += [int(ends[r]), *low]
            upper[i] += [int(ends[r + 1]), *high]

        def write(chosen: np.ndarray, shift: np.ndarray, at: np.ndarray) -> np.ndarray:
            sent = symbols[:, at]
            for i in range(len(sent)):
                low, high = chosen_tables.parts(
                    sent[i] - shift[i], chosen[i], self.contexts.tables
                )
                lower[i] += low
                upper[i] += high
            return sent

        self.contexts.code(len(y), rate, write)
        coded = [encode_intervals(*each, PRECISION) for each in zip(lower, upper)]
        return pack([p for p, _ in coded], self.session, [b for _, b in coded])

    def save_tables(
        self, path: str | os.PathLike, encoders: Mapping[str, bytes] | None = None
    ) -> None:
        """Writes what a UE needs besides its network, whole or not at all.

        Args:
          path: The `.npz` file.
          encoders: As of `sending.save_tables`.
        """
        arrays = {
            "format": np.array(VERSION),
            "codec": np.array(CODEC),
            "shape": np.array(self.shape),
            "fingerprint": np.frombuffer(self.session.fingerprint, np.uint8),
            "domain": np.array(self.domain),
            "rate": np.array(self.rate),
            "gain": self.gain,
        }
        arrays |= {f"contexts/{k}": v for k, v in self.contexts.arrays.items()}
        arrays |= {f"norms/{k}": v for k, v in self.norms.arrays().items()}
        arrays |= {f"tables/{k}": v for k, v in self.contexts.tables.arrays().items()}
        files.write_arrays(path, arrays | digests(path, self.session, encoders))

    def network(self, interpreter: Any) -> TokenNetwork:
        """The encoder in a TFLite interpreter, for `analysis`."""
        form = (*self.contexts.grid, self.contexts.channels)
        return TokenNetwork(interpreter, self.shape, form)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TokenSender:
        """Makes the sender of a UE, whose `analysis` is to be set.

        Args:
          arrays: What `save_tables` wrote.

        Raises:
          KeyError: If an array is missing.
          ValueError: If the arrays do not fit together.
        """
        if (codec := str(arrays["codec"])) != CODEC:
            raise ValueError(f"it is of the codec {codec}, not of {CODEC}")
        if (version := int(arrays["format"])) != VERSION:
            raise ValueError(f"it has format {version}, not {VERSION}")
        num_tx, num_delay = arrays["shape"].tolist()
        fingerprint = arrays["fingerprint"].tobytes()
        session = Session(CODEC, num_tx, num_delay, fingerprint, version)
        tables = Tables.from_arrays(files.part(arrays, "tables"))
        contexts = TokenContexts(files.part(arrays, "contexts"), tables)
        norms = Tables.from_arrays(files.part(arrays, "norms"))
        gain, rate = np.asarray(arrays["gain"], np.float32), int(arrays["rate"])
        return cls(contexts, norms, gain, rate, session, str(arrays["domain"]))


class TokenNetwork:
    """An encoder in a TFLite interpreter, as `TokenSender.analysis`."""

    def __init__(self, interpreter: Any, shape: tuple[int, int], form: tuple[int, ...]):
        """Checks the network.

        Args:
          interpreter: x float32 [1, num_tx, num_delay, 2] to y float32
            [1, tokens x channels].
          shape: (num_tx, num_delay).
          form: (angles, delays, channels) of the tokens.

        Raises:
          ValueError: If the network takes or gives something else.
        """
        self._interpreter = interpreter
        self._form, self._turn = form, threading.Lock()  # One thread at a time.
        (self._input,) = interpreter.get_input_details()
        (self._output,) = interpreter.get_output_details()
        for verb, details, fits in (
            ("takes", self._input, [1, *shape, 2]),
            ("gives", self._output, [1, int(np.prod(form))]),
        ):
            own, dtype = details["shape"].tolist(), details["dtype"]
            if own != fits or dtype != np.float32:
                raise ValueError(
                    f"the encoder {verb} {dtype.__name__} {own}; one for these tables "
                    f"{verb} float32 {fits}"
                )

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Maps x [n, num_tx, num_delay, 2] to y [n, angles, delays, channels]."""
        y = np.empty((len(x), *self._form), np.float32)
        for matrix, tokens in zip(x, y):
            with self._turn:
                self._interpreter.set_tensor(self._input["index"], matrix[None])
                self._interpreter.invoke()
                stored = self._interpreter.get_tensor(self._output["index"])
            tokens[:] = stored.reshape(self._form)
        return y


def _no_network(x: np.ndarray) -> np.ndarray:
    raise RuntimeError("this sender has no encoder yet: set its `analysis`")


def norms_of(h: np.ndarray) -> np.ndarray:
    """Norms of matrices in eighths of an octave, int64 [n]; 0 of an empty matrix."""
    length = np.sqrt((np.abs(h.astype(np.complex128)) ** 2).sum(axis=(1, 2)))
    octaves = np.log2(np.where(length > 0, length, 1.0))
    return np.rint(OCTAVE * octaves).astype(np.int64)


def rate_ends(rates: int, usual: int) -> np.ndarray:
    """Ends of the parts of 2^16 that stand for the rates, int64 [rates + 1].

    The usual rate takes 0.2 bits, every other one 7 bits.
    """
    parts = np.full(rates, 1 << PRECISION - 7)
    parts[usual] += (1 << PRECISION) - parts.sum()
    return np.concatenate([[0], np.cumsum(parts)])
