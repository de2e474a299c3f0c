"""Matrices to packets of path coding: what the codec and the software of a phone share.

`tfcsi.ue` (the phone) and the codec `paths` call the same functions, so both write the
same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import numpy as np

from tfcsi import files, transforms
from tfcsi.coding import pursuit
from tfcsi.coding.atoms import MAX_FINENESS, Atoms
from tfcsi.coding.packets import VERSION, Session, pack, session_of
from tfcsi.coding.path_encoder import Limit, PathEncoder
from tfcsi.coding.path_sets import AnyTables, coder_of, tables_of
from tfcsi.coding.path_steps import STEPS, step_number
from tfcsi.coding.scales import warn_of_scale
from tfcsi.coding.sending import digests
from tfcsi.coding.wishes import check_noise_variance, check_wishes, warn_of_noise

CODEC = "paths"  # Name of the codec in the session.


class PathSender:
    """The encoder of path coding.

    Attributes:
      atoms: Atoms of the array and the band.
      tables: PathTables of the contexts, or PathTableSets.
      step: Number i of the usual step, 2^(-i/8).
      shape: (num_tx, num_delay).
      coder: PathCoder of these tables, or SetsCoder.
      session: packets.Session, its fingerprint covers all of the above.
      encoder: Makes the search of the lists; its arguments are those of `PathEncoder`.
    """

    encoder: Callable[..., PathEncoder] = PathEncoder

    def __init__(self, atoms: Atoms, tables: AnyTables, step: int):
        """See the attributes."""
        if not 0 <= step < STEPS:
            raise ValueError(f"step must be in 0..{STEPS - 1}, got {step}")
        self.atoms, self.tables, self.step = atoms, tables, int(step)
        self.shape = (atoms.num_tx, atoms.num_delay)
        self.coder = coder_of(tables, atoms, self.step)
        numbers = np.array([atoms.num_fft, MAX_FINENESS, self.step], "<i8")
        domain = atoms.domain.encode()
        self.session: Session = session_of(
            CODEC, self.shape, tables.fingerprint(), numbers, domain
        )

    def send(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
        effort: str = "default",
        noise_variance: np.ndarray | float | str | None = None,
    ) -> list[bytes]:
        """Codes matrices; arguments, result and errors as of `Paths.compress`."""
        check_wishes(step=step, nmse_db=nmse_db, max_bits=max_bits)
        pursuit.check_effort(effort)
        h = transforms.finite_csi(h, self.shape)
        check_noise_variance(noise_variance, len(h))
        if not len(h):
            return []
        if noise_variance is None and nmse_db is not None:
            noise_variance = 0.0  # The target is that of the matrix as it is.
        encoder = self.encoder(h, self.atoms, self.coder, effort, noise_variance)
        warn_of_noise(encoder.noise_alone(), len(h), stacklevel=2)
        law = self.tables.norms
        bits = np.log2(law.sum() / law)[encoder.norm]
        warn_of_scale(bits, law, stacklevel=3)
        limit = None if max_bits is None else Limit(float(max_bits), self.step)
        if nmse_db is not None:
            steps, lists = encoder.meet(float(nmse_db), limit)
        elif step is None and limit:
            steps, lists = encoder.within(limit)
        else:
            i = self.step if step is None else step_number(step)
            steps = np.full(len(h), i)
            lists = encoder.find(np.arange(len(h)), steps)
            if limit:
                steps, lists, _ = encoder.cut_to(limit, steps, lists)
        payloads = self.coder.parts(steps, encoder.norm, lists.sorted()).payloads()
        return pack([p for p, _ in payloads], self.session, [b for _, b in payloads])

    def save_tables(
        self, path: str | os.PathLike, encoders: Mapping[str, bytes] | None = None
    ) -> None:
        """Writes what a UE needs to a `.npz` file, whole or not at all.

        Args:
          path: The file.
          encoders: As of `sending.save_tables`.
        """
        arrays = {
            "format": np.array(VERSION),
            "codec": np.array(CODEC),
            "shape": np.array(self.shape),
            "fingerprint": np.frombuffer(self.session.fingerprint, np.uint8),
            "domain": np.array(self.atoms.domain),
            "num_fft": np.array(self.atoms.num_fft),
            "step": np.array(self.step),
            "step_ends": self.coder.step_ends,  # So that no phone computes them.
        }
        arrays |= {f"tables/{k}": v for k, v in self.tables.arrays().items()}
        arrays |= digests(path, self.session, encoders)
        files.write_arrays(path, arrays)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> PathSender:
        """Makes the encoder of what `save_tables` wrote.

        Raises:
          KeyError: If an array is missing.
          ValueError: If the arrays are not sound, or not those of this session.
        """
        if int(arrays["format"]) != VERSION or str(arrays["codec"]) != CODEC:
            raise ValueError(
                f"it has format {int(arrays['format'])} and is of the codec "
                f"{str(arrays['codec'])!r}, not {VERSION} and {CODEC!r}"
            )
        num_tx, num_delay = arrays["shape"].tolist()
        num_fft, domain = int(arrays["num_fft"]), str(arrays["domain"])
        atoms = Atoms(num_tx, num_delay, num_fft, domain)
        stored = files.part(arrays, "tables")
        tables = tables_of(stored, atoms.angle, atoms.delay)
        sender = cls(atoms, tables, int(arrays["step"]))
        if arrays["fingerprint"].tobytes() != sender.session.fingerprint:
            raise ValueError("its tables are not those of its fingerprint")
        return sender
