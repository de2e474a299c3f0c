"""The contract of codecs: what every codec does, and what only some can do.

Every codec turns CSI into packets and packets into CSI (`Codec`). Some codecs send
symbols that an entropy coder codes (`SymbolCodec`), and some of those make the symbols
from a codeword of reals (`CodewordCodec`). A function that needs more than `Codec`
tests for it: `isinstance(codec, SymbolCodec)`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tfcsi.coding.packets import Session


class Codec(Protocol):
    """What every codec has; `tfcsi.load(workdir)` gives any of them back.

    Attributes:
      name: Name of the model, as in the field `model` of its config.
      shape: (num_tx, num_delay) of its CSI.
      config: Content of config.json, a dict or a ConfigDict.
    """

    name: str
    shape: tuple[int, int]
    config: Any

    @property
    def session(self) -> Session:
        """What UE and BS agree on before the first packet.

        Its fingerprint covers all that both sides share. RuntimeError if the codec
        cannot send yet.
        """
        ...

    @property
    def domain(self) -> str:
        """Domain of its CSI, one of `tfcsi.transforms.DOMAINS`."""
        ...

    def compress(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
    ) -> list[bytes]:
        """Turns CSI into packets.

        Args:
          h: complex64 [n, num_tx, num_delay].
          step: Bin width of the quantiser for this call, in place of the codec's own.
          nmse_db: Largest NMSE of a matrix [dB].
          max_bits: Most bits of a packet.

        Returns:
          n packets; 8 len(packet) counts every bit that the BS needs.

        Raises:
          ValueError: If h has another shape or scale, or is not finite; or if the codec
            cannot do what one of the last three arguments asks (`refuse_wishes`).
        """
        ...

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Turns packets into CSI.

        Args:
          packets: n packets that `compress` of this codec made, in any process.

        Returns:
          h_hat complex64 [n, num_tx, num_delay].

        Raises:
          packets.PacketError: If a packet is damaged or foreign; it says which.
        """
        ...

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec: `codec`, sizes, `config`."""
        ...

    def save(self, workdir: str | os.PathLike) -> None:
        """Writes the codec to a folder, for `tfcsi.load`; each file atomically."""
        ...


@runtime_checkable
class SymbolCodec(Protocol):
    """What a codec has as well if its packets hold entropy-coded symbols.

    Attributes:
      tables: `tfcsi.coding.any_tables.AnyTables` of the symbols.
    """

    tables: Any

    def symbols(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns symbols int32 [n, num_symbols] and side uint16 [n, words] of CSI."""
        ...

    def receive(self, packets: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Returns exactly the (symbols, side) that were sent."""
        ...

    def bits_estimated(self, symbols: np.ndarray) -> np.ndarray:
        """Returns the bits [n] that the tables promise for symbols [n, num_symbols]."""
        ...


@runtime_checkable
class CodewordCodec(SymbolCodec, Protocol):
    """What a codec has as well if its symbols are those of a codeword of reals.

    Attributes:
      decoder: Keras model y_hat -> x_hat.
    """

    decoder: Any

    def codewords(
        self, h: np.ndarray, any_scale: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns codewords y float32 [n, latent] and gain uint16 [n, words] of CSI."""
        ...

    def quantize(
        self, y: np.ndarray, gain: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns (symbols, side) of what `codewords` gave."""
        ...

    def send(self, symbols: np.ndarray, side: np.ndarray) -> list[bytes]:
        """Writes packets of (symbols, side)."""
        ...

    def dequantize(
        self, symbols: np.ndarray, side: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns codewords y_hat float32 [n, latent] and the scales of the CSI."""
        ...

    def synthesis(self, y_hat: np.ndarray) -> np.ndarray:
        """Returns CSI complex64 [n, num_tx, num_delay] of codewords, without scales."""
        ...


@runtime_checkable
class SearchingCodec(Protocol):
    """What a codec has as well if its encoder searches, more or less thoroughly.

    Attributes:
      efforts: Names that `compress(h, effort=NAME)` takes, from fast to thorough.
    """

    efforts: Sequence[str]


@runtime_checkable
class RatesCodec(Protocol):
    """What a codec has as well if its packets may name one of several rates.

    Attributes:
      steps: The step of each rate that `compress(h, step=STEP)` takes, float64 [rates],
        falling. None if it has one rate after all.
      rate: Number of the rate that is taken without wishes.
    """

    @property
    def steps(self) -> np.ndarray | None:
        """See the attributes."""
        ...

    @property
    def rate(self) -> int:
        """See the attributes."""
        ...


def rates_of(codec: Codec) -> tuple[np.ndarray, int] | None:
    """Returns the steps of the rates of a codec, and the number of the usual rate.

    Args:
      codec: Any codec.

    Returns:
      As of `RatesCodec`; None if the codec has one rate, or takes any step, as `paths`.
    """
    if not isinstance(codec, RatesCodec) or codec.steps is None:
        return None
    return codec.steps, codec.rate


def refuse_wishes(
    codec: str, remedies: Mapping[str, str], **wishes: float | None
) -> None:
    """Refuses an argument of `compress` that a codec has no way to fulfil.

    Args:
      codec: Name of the codec.
      remedies: Name of an argument to advice on what to do instead.
      **wishes: Arguments of `compress`, None if not given.

    Raises:
      ValueError: If one is not None. The message names codec, argument and remedy.
    """
    for argument, wish in wishes.items():
        if wish is not None:
            raise ValueError(
                f"codec {codec!r} cannot compress with {argument}={wish}: "
                f"{remedies[argument]}"
            )
