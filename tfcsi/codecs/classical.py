"""What the codecs without a network have in common.

Each of them is a transform or a search, tables of integers, and a quantiser. The
packets of a codec, and the arrays of its file, are its own. Its config, its session and
the refusal of what it cannot do are here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcsi import transforms
from tfcsi.codecs import workdir as run
from tfcsi.codecs.contract import refuse_wishes
from tfcsi.coding.packets import Session

# A value x becomes sign(x) floor(|x| / step + ROUNDING). A number below 1/2 widens the
# zero bin. The grid point is then so near to the centroid of each bin that sending or
# storing centroids gains less than 0.06 dB (KLT, COST 2100 indoor, 230 to 970 bits).
ROUNDING = 0.375
# A matrix of which nothing is sent is refused if its energy is so many dB below that of
# the weakest training matrix. Nearer to it, the step is coarse, not the scale wrong.
TOO_WEAK_DB = 20
WEAKEST_KEY = "weakest"  # Array of codec.npz; that of early versions lacks it.


_SCALE = "scale h as for the training (--scale, tfcsi.transforms.to_peak)"


class ClassicalCodec:
    """Base of the codecs without a network; see `contract.Codec` for its methods.

    Attributes:
      name: Name of the codec.
      remedies: Name of each argument of `compress` that the codec does not support, to
        advice on what to do instead.
      shape: (num_tx, num_delay).
      config: dict of what config.json holds: model, shape, seed and domain, and what
        the caller adds, such as dataset and scenario of the training matrices.
      names_domain: Whether the name in the session tells the domain. Where it does not,
        the fingerprint covers the domain, or the run is an early one.
      weakest: Least energy of a training matrix that is not zero, of codecs whose step
        has the unit of `h`. 0 for others, and for those of early versions.
    """

    name: str
    remedies: Mapping[str, str] = {}
    names_domain = False
    weakest = 0.0
    _session: Session

    def __init__(self, shape: tuple[int, ...], domain: str = transforms.DOMAINS[0]):
        """See the attributes; a codec sets `_session` by itself."""
        num_tx, num_delay = shape
        self.shape = (num_tx, num_delay)
        self.config: dict[str, Any] = {
            "model": self.name,
            "shape": list(self.shape),
            "seed": 0,
            "domain": domain,
        }

    @property
    def session(self) -> Session:
        """What UE and BS agree on; its fingerprint covers all that both share."""
        named = self.names_domain
        return self._session.in_domain(self.domain) if named else self._session

    @property
    def domain(self) -> str:
        """Domain of its CSI, that of `config`."""
        return transforms.domain_of(self.config)

    def compress(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
    ) -> list[bytes]:
        """Codes matrices.

        Args:
          h: complex64 [n, num_tx, num_delay].
          step: Not supported; must be None.
          nmse_db: Not supported; must be None.
          max_bits: Not supported; must be None.

        Returns:
          n packets.

        Raises:
          ValueError: If `h` is of another shape, of a scale that the codec does not
            take, or not finite, or as `contract.refuse_wishes`.
        """
        refuse_wishes(
            self.name, self.remedies, step=step, nmse_db=nmse_db, max_bits=max_bits
        )
        return self._packets(h)

    def save(self, workdir: str | os.PathLike) -> None:
        """Writes the codec to a folder, for `tfcsi.load`; each file atomically."""
        arrays = self._arrays() | run.agreed(self.session)
        if self.weakest:
            arrays[WEAKEST_KEY] = np.array(self.weakest)
        run.save(workdir, self.config, arrays)

    def _packets(self, h: np.ndarray) -> list[bytes]:
        """Returns the packets of matrices, see `compress`."""
        raise NotImplementedError

    def _arrays(self) -> dict[str, np.ndarray]:
        """Returns the arrays of codec.npz that make the codec."""
        raise NotImplementedError

    def _refuse_too_weak(self, h: np.ndarray, nothing: np.ndarray, step: float) -> None:
        """Refuses matrices of which nothing is sent because of their scale.

        Zero matrices are not refused, and neither is what a coarse step makes zero.

        Args:
          h: complex [n, num_tx, num_delay].
          nothing: bool [n], whether all symbols of a matrix are zero.
          step: Bin width, for the message.

        Raises:
          ValueError: If the energy of a matrix is `TOO_WEAK_DB` below `weakest`. The
            message names the first one.
        """
        if not self.weakest or not nothing.any():
            return
        energy = _energies(h)
        limit = self.weakest / 10 ** (TOO_WEAK_DB / 10)
        weak = nothing & (energy > 0) & (energy < limit)
        if weak.any():
            first = int(np.argmax(weak))
            below = 10 * np.log10(self.weakest / energy[first])
            raise ValueError(
                f"h[{first}] has the energy {energy[first]:.3g}, {below:.0f} dB below "
                f"the weakest training matrix, so that nothing of it is sent at a step "
                f"of {step:.3g}; {_SCALE}"
            )


def weakest_of(h_train: np.ndarray) -> float:
    """Returns the least energy of a matrix that is not zero; 0 if there is none.

    Args:
      h_train: complex [n, ...].
    """
    energy = _energies(h_train)
    return float(energy[energy > 0].min(initial=np.inf)) if energy.any() else 0.0


def stored_weakest(arrays: Mapping[str, np.ndarray]) -> float:
    """Returns `ClassicalCodec.weakest` of the arrays of codec.npz.

    Raises:
      ValueError: If it is negative or not finite.
    """
    weakest = float(arrays.get(WEAKEST_KEY, 0))
    if not 0 <= weakest < np.inf:
        raise ValueError(f"{WEAKEST_KEY} is {weakest}; it must be finite and positive")
    return weakest


def _energies(h: np.ndarray) -> np.ndarray:
    """Returns the energy of each matrix, float64 [n]."""
    rows = np.ascontiguousarray(h).reshape(len(h), h[0].size).view(h.real.dtype)
    return np.einsum("ij,ij->i", rows, rows, dtype=np.float64)


def quantized(
    x: np.ndarray,
    step: np.ndarray | float,
    largest: int,
    remedy: str = _SCALE,
) -> np.ndarray:
    """Returns sign(x) floor(|x| / step + ROUNDING) in the type of x, for finite x.

    Args:
      x: float32 or float64.
      step: Bin width, a number or an array that broadcasts to x.
      largest: Magnitude that no symbol may exceed.
      remedy: Advice at the end of the error message.

    Raises:
      ValueError: If x has too many steps.
    """
    magnitude = np.floor(np.abs(x) / step + ROUNDING)
    if not magnitude.max(initial=0) <= largest:
        raise ValueError(
            f"h has coefficients up to {np.abs(x).max():.3g}, too many steps of "
            f"{np.min(step):.3g}; {remedy}"
        )
    return np.sign(x) * magnitude
