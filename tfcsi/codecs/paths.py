"""Path coding: a matrix as a list of propagation paths.

A channel is a few points in angle and delay, each with a complex gain. This codec sends
the points: it finds them by a matching pursuit (Mallat and Zhang, "Matching pursuits
with time-frequency dictionaries", IEEE Transactions on Signal Processing 1993) that
quantises each path inside its loop, and codes them with integer contexts. Nothing is
learned but counts. `docs/paths.md` tells what it gives.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfcsi import files, metrics, transforms
from tfcsi.codecs import workdir as run
from tfcsi.coding import contexts, path_fit, pursuit
from tfcsi.coding.atoms import MAX_FINENESS, Atoms
from tfcsi.coding.contexts import PathTables
from tfcsi.coding.packets import (
    PacketError,
    Session,
    check_ends,
    pack,
    session_of,
    size_of,
    unpack,
)
from tfcsi.coding.path_coder import PathCoder
from tfcsi.coding.path_lists import Lists
from tfcsi.coding.path_steps import STEPS, coarsest, step_number, step_of

NUM_FFT = 257  # Delay taps of the published COST 2100 data, see `transforms.NUM_FFT`.
_FITTED_STEPS = (16, 20, 24, 28, 32, 36, 40, 44, 48, 52)  # 2^(-2) to 2^(-6.5).
_MIDDLE = contexts.NORMS // 2  # Number of the norm 1.


class Paths:
    """Matching pursuit with quantised paths, and integer contexts.

    The norm of a matrix is sent in half octaves, and the step of the gains is relative
    to it. Steps are 2^(-i/8), i < 64. One codec serves all of them; packets of the
    step in its session are the shortest.

    Attributes:
      name: "paths".
      shape: (num_tx, num_delay).
      atoms: Atoms of the array and the band.
      tables: PathTables of the contexts.
      step: Number i of the usual step, 2^(-i/8).
      config: dict of what config.json holds: model, shape, seed and domain, and what
        the caller adds, such as dataset and scenario of the training matrices.
      session: packets.Session, its fingerprint covers all of the above.
    """

    name = "paths"

    def __init__(self, atoms: Atoms, tables: PathTables, step: int):
        """See the attributes; `fit` makes a codec from data."""
        if not 0 <= step < STEPS:
            raise ValueError(f"step must be in 0..{STEPS - 1}, got {step}")
        self.atoms, self.tables, self.step = atoms, tables, int(step)
        self.shape = (atoms.num_tx, atoms.num_delay)
        self.coder = PathCoder(tables, atoms, self.step)
        self.config: dict[str, Any] = {
            "model": self.name,
            "shape": list(self.shape),
            "seed": 0,
            "domain": atoms.domain,
        }
        numbers = np.array([atoms.num_fft, MAX_FINENESS, self.step], "<i8")
        self.session: Session = session_of(
            self.name,
            self.shape,
            tables.fingerprint(),
            numbers,
            atoms.domain.encode(),
        )

    @classmethod
    def fit(
        cls,
        h_train: np.ndarray,
        step: float = 2.0**-4,
        num_fft: int = NUM_FFT,
        domain: str = transforms.DOMAINS[0],
        max_train: int = 4000,
    ) -> Paths:
        """Counts the paths of training matrices.

        Args:
          h_train: complex64 [n, num_tx, num_delay], training matrices.
          step: The usual step, relative to the norm of a matrix.
          num_fft: Length of the DFT over the band, of which h has the first taps. In
            the space-frequency domain it is the number of subcarriers.
          domain: Domain of `h_train`, one of `transforms.DOMAINS`.
          max_train: Most matrices that are used.

        Returns:
          A codec.
        """
        if h_train.ndim != 3 or not len(h_train):
            raise ValueError(
                f"h_train must be [n, num_tx, num_delay]: {list(h_train.shape)}"
            )
        if domain == "space_frequency":
            num_fft = h_train.shape[2]
        num_tx, num_delay = h_train.shape[1:]
        atoms = Atoms(num_tx, num_delay, num_fft, domain)
        picture, norm = _scaled(h_train[:max_train], atoms)
        effort, prices = pursuit.EFFORTS["default"], None
        for _ in range(2):  # The second time with the prices of the first.
            lists = []
            for offset, i in enumerate(_FITTED_STEPS):  # Each matrix at three of them.
                part = np.flatnonzero(np.arange(len(norm)) % 3 == offset % 3)
                x = picture[part] / np.float32(step_of(i))
                lists.append(pursuit.find(x, atoms, prices, effort).sorted())
            tables = path_fit.fit(norm, lists, atoms)
            codec = cls(atoms, tables, step_number(step))
            prices = codec.coder.prices
        return codec

    def at_step(self, step: float) -> Paths:
        """Returns a codec whose usual step is another one: another session."""
        codec = Paths(self.atoms, self.tables, step_number(step))
        codec.config = {**self.config}
        return codec

    @property
    def domain(self) -> str:
        """Domain of its CSI."""
        return self.atoms.domain

    def compress(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
        effort: str = "default",
    ) -> list[bytes]:
        """Codes matrices.

        Args:
          h: complex64 [n, num_tx, num_delay], of any scale.
          step: Step of the gains, relative to the norm of a matrix; the nearest of the
            steps 2^(-i/8) is taken. None is the usual step of the session.
          nmse_db: Largest NMSE of a matrix [dB]: the coarsest step that meets it. A
            warning says how many matrices miss it, and by how much.
          max_bits: Most bits of a packet: the finest step that keeps to it.
          effort: How much is searched, one of `pursuit.EFFORTS`.

        Returns:
          n packets.

        Raises:
          ValueError: If `h` is of another shape or not finite, if more than one of the
            three limits is given, or if one cannot be met by any packet.
        """
        given = {"step": step, "nmse_db": nmse_db, "max_bits": max_bits}
        given = {k: v for k, v in given.items() if v is not None}
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(given)}")
        pursuit.check_effort(effort)
        h = transforms.as_csi(h, self.shape)
        if not np.isfinite(h).all():
            raise ValueError("h holds NaN or infinity")
        if not len(h):
            return []
        picture, norm = _scaled(h, self.atoms)
        if nmse_db is not None:
            steps, lists = self._meet(picture, float(nmse_db), effort)
        elif max_bits is not None:
            steps, lists = self._within(picture, norm, float(max_bits), effort)
        else:
            i = self.step if step is None else step_number(step)
            steps = np.full(len(h), i)
            lists = self._find(picture, steps, effort)
        payloads = self.coder.parts(steps, norm, lists.sorted()).payloads()
        return pack([p for p, _ in payloads], self.session, [b for _, b in payloads])

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices.

        Args:
          packets: n bytes from `compress`.

        Returns:
          h_hat complex64 [n, num_tx, num_delay].

        Raises:
          packets.PacketError: If a packet is damaged or foreign.
        """
        steps, norm, lists = self.receive_lists(packets)
        if not len(norm):
            return np.zeros((0, *self.shape), np.complex64)
        scale = step_of(steps) * _norm_of(norm)
        gain = (lists.re + 1j * lists.im) * scale[:, None]
        return self.atoms.csi(self.atoms.synthesize(gain, lists.angle, lists.delay))

    def receive_lists(
        self, packets: Sequence[bytes]
    ) -> tuple[np.ndarray, np.ndarray, Lists]:
        """Returns the numbers of step and norm, and the lists of packets."""
        payloads = unpack(packets, self.session)
        if not payloads:
            none = np.zeros(0, np.int64)
            return none, none, Lists.empty(0, 0)
        steps, norm, lists, num_bits = self.coder.read(payloads)
        if (num_bits < 0).any():
            row = int(np.argmin(num_bits))
            raise PacketError(
                f"packet {row}: the encoder would not have written these bits", row
            )
        check_ends(payloads, num_bits)
        return steps, norm, lists

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec.

        `table_entries` counts the integers of the tables, `ue_macs_peak` and
        `ue_macs_search` the products of the search for a new path, and for a path near
        its place.
        """
        arrays = self.tables.arrays().values()
        return {
            "codec": self.name,
            "step": step_of(self.step),
            "num_fft": self.atoms.num_fft,
            "table_entries": sum(array.size for array in arrays),
            "ue_macs_peak": pursuit.macs_peak(self.atoms),
            "ue_macs_search": pursuit.macs_search(self.atoms),
            "config": dict(self.config),
        }

    def save(self, workdir: str | os.PathLike) -> None:
        """Writes the codec to a folder, for `tfcsi.load`; each file atomically."""
        arrays = {"step": np.array(self.step), "num_fft": np.array(self.atoms.num_fft)}
        arrays |= {f"tables/{k}": v for k, v in self.tables.arrays().items()}
        run.save(workdir, self.config, arrays)

    def _find(self, picture: np.ndarray, steps: np.ndarray, effort: str) -> Lists:
        """Lists of paths at steps [n]."""
        x = picture / step_of(steps).astype(np.float32)[:, None, None, None]
        return pursuit.find(x, self.atoms, self.coder.prices, pursuit.EFFORTS[effort])

    def _coarsest(
        self, picture: np.ndarray, reached: Any, effort: str
    ) -> tuple[np.ndarray, Lists, np.ndarray]:
        """See `path_steps.coarsest`."""

        def find(rows: np.ndarray, steps: np.ndarray) -> Lists:
            return self._find(picture[rows], steps, effort)

        return coarsest(len(picture), find, reached)

    def _nmse(self, picture: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
        """NMSE of each matrix, linear."""
        gain = (lists.re + 1j * lists.im) * step_of(steps)[:, None]
        picture_hat = self.atoms.synthesize(gain, lists.angle, lists.delay)
        return metrics.nmse(self.atoms.csi(picture), self.atoms.csi(picture_hat))

    def _meet(
        self, picture: np.ndarray, nmse_db: float, effort: str
    ) -> tuple[np.ndarray, Lists]:
        """The coarsest steps whose NMSE is not above a limit, and their lists."""
        limit = 10 ** (nmse_db / 10)

        def meets(rows: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
            return self._nmse(picture[rows], steps, lists) <= limit

        steps, lists, met = self._coarsest(picture, meets, effort)
        if not met.all():
            worst = self._nmse(picture[~met], steps[~met], lists[~met]).max()
            warnings.warn(
                f"{(~met).sum()} of {len(met)} matrices miss {nmse_db} dB, by up to "
                f"{10 * math.log10(worst) - nmse_db:.2f} dB",
                stacklevel=3,
            )
        return steps, lists

    def _within(
        self, picture: np.ndarray, norm: np.ndarray, max_bits: float, effort: str
    ) -> tuple[np.ndarray, Lists]:
        """The finest steps whose packets keep to a limit, and their lists."""

        def bits(rows: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
            payloads = self.coder.parts(steps, norm[rows], lists.sorted()).payloads()
            return np.array([8 * size_of(num_bits) for _, num_bits in payloads])

        def exceeds(rows: np.ndarray, steps: np.ndarray, lists: Lists) -> np.ndarray:
            return bits(rows, steps, lists) > max_bits

        # The coarsest step that exceeds the limit; the one before it keeps to it.
        steps, _, over = self._coarsest(picture, exceeds, effort)
        steps = np.where(over, np.maximum(steps - 1, 0), steps)
        lists = self._find(picture, steps, effort).sorted()
        steps[lists.count == 0] = self.step  # Without paths any step will do.
        rows = np.arange(len(steps))
        while (over := exceeds(rows, steps[rows], lists[rows])).any():
            rows = rows[over]
            last = lists.count[rows] - 1
            if (last < 0).any():
                least = int(bits(rows, steps[rows], lists[rows]).min())
                raise ValueError(
                    f"max_bits is {max_bits:g}; a packet without paths takes {least}"
                )
            for field in ("re", "im", "angle", "delay"):
                getattr(lists, field)[rows, last] = 0
            steps[rows[last == 0]] = self.step
        return steps, lists


def fit(
    h_train: np.ndarray,
    h_val: np.ndarray,
    step: float = 0.0625,
    num_fft: int = 257,
    domain: str = "angular_delay",
) -> Paths:
    """Makes a codec, as `tfcsi train` does.

    Args:
      h_train: complex64 [n, num_tx, num_delay].
      h_val: Not used: nothing is chosen.
      step: As `Paths.fit`, and so are the others.
      num_fft: See `step`.
      domain: See `step`.
    """
    del h_val
    return Paths.fit(h_train, step, num_fft, domain)


def load(workdir: str | os.PathLike) -> Paths:
    """Loads what `Paths.save` wrote; see `tfcsi.load`."""
    config, arrays = run.read_config(workdir), run.read_arrays(workdir)
    try:
        shape, domain = config["shape"], transforms.domain_of(config)
        num_tx, num_delay = shape
        atoms = Atoms(num_tx, num_delay, int(arrays["num_fft"]), domain)
        stored = files.part(arrays, "tables")
        tables = PathTables.of(stored, atoms.angle, atoms.delay)
        codec = Paths(atoms, tables, int(arrays["step"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{workdir} holds no sound codec: {error!r}") from error
    codec.config = config
    return codec


def _norm_of(number: np.ndarray) -> np.ndarray:
    """Returns the norms of numbers, half an octave apart."""
    return 2.0 ** ((number - _MIDDLE) / 2)


def _scaled(h: np.ndarray, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of matrices of about unit norm, and the numbers of their norms."""
    norm = np.sqrt((np.abs(h.astype(np.complex128)) ** 2).sum(axis=(1, 2)))
    exponent = 2 * np.log2(np.where(norm > 0, norm, 1.0))
    number = np.rint(exponent).astype(np.int64) + _MIDDLE
    if ((number < 0) | (number >= contexts.NORMS)).any():
        row = int(np.argmax((number < 0) | (number >= contexts.NORMS)))
        raise ValueError(
            f"h[{row}] has norm {norm[row]:.3g}; this codec takes "
            f"{_norm_of(np.array(0)):.2g} to {_norm_of(np.array(255)):.2g}"
        )
    unit = (h / _norm_of(number)[:, None, None]).astype(np.complex64)
    return atoms.picture(unit), number
