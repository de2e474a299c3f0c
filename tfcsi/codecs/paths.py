"""Path coding: a matrix as a list of propagation paths.

A channel is a few points in angle and delay, each with a complex gain. This codec sends
the points: it finds them by a matching pursuit (Mallat and Zhang, "Matching pursuits
with time-frequency dictionaries", IEEE Transactions on Signal Processing 1993) that
quantises each path inside its loop, and codes them with integer contexts. Nothing is
learned but counts. `docs/paths.md` tells what it gives.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import files, transforms
from tfcsi.codecs import workdir as run
from tfcsi.codecs.classical import ClassicalCodec
from tfcsi.coding import pursuit
from tfcsi.coding.atoms import Atoms
from tfcsi.coding.packets import check_ends, unpack
from tfcsi.coding.path_encoder import norm_of, training_lists
from tfcsi.coding.path_lists import Lists
from tfcsi.coding.path_sending import CODEC, PathSender
from tfcsi.coding.path_sets import AnyTables, tables_of
from tfcsi.coding.path_steps import step_number, step_of

NUM_FFT = 257  # Delay taps of the published COST 2100 data, see `transforms.NUM_FFT`.
_TYPICAL_PATHS = 10  # Of a matrix for which `describe` counts the work of the encoder.


class Paths(ClassicalCodec):
    """Matching pursuit with quantised paths, and integer contexts.

    The norm of a matrix is sent in half octaves, and the step of the gains is relative
    to it. Steps are 2^(-i/8), i < 64. One codec serves all of them; packets of the
    step in its session are the shortest.

    Attributes:
      name: "paths".
      shape: (num_tx, num_delay).
      atoms: Atoms of the array and the band.
      tables: PathTables of the contexts, or PathTableSets.
      step: Number i of the usual step, 2^(-i/8).
      efforts: Names of the efforts of `compress`, from fast to thorough.
      sender: PathSender, the encoder.
    """

    name = CODEC
    efforts = tuple(pursuit.EFFORTS)

    def __init__(self, atoms: Atoms, tables: AnyTables, step: int):
        """See the attributes; `fit` makes a codec from data."""
        self.sender = PathSender(atoms, tables, step)
        self.atoms, self.tables, self.step = atoms, tables, self.sender.step
        super().__init__(self.sender.shape, atoms.domain)
        self.coder, self._session = self.sender.coder, self.sender.session

    @classmethod
    def fit(
        cls,
        h_train: np.ndarray,
        step: float = 2.0**-4,
        num_fft: int = NUM_FFT,
        domain: str = transforms.DOMAINS[0],
        max_train: int = 2000,
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
        tables = training_lists(h_train[:max_train], atoms)[3]
        return cls(atoms, tables, step_number(step))

    def at_step(self, step: float) -> Paths:
        """Returns a codec whose usual step is another one: another session."""
        codec = Paths(self.atoms, self.tables, step_number(step))
        codec.config = {**self.config}
        return codec

    def resized(self, shape: tuple[int, int], num_fft: int, domain: str) -> Paths:
        """Returns a codec for matrices of another form, with the same laws of paths.

        Args:
          shape: (num_tx, num_delay).
          num_fft: As `Paths.fit`.
          domain: One of `transforms.DOMAINS`.
        """
        atoms = Atoms(*shape, num_fft, domain)
        old, new = ((a.angle, a.delay) for a in (self.atoms, atoms))
        codec = Paths(atoms, self.tables.resized(old, new), self.step)
        codec.config = {**self.config, **codec.config}
        return codec

    def compress(
        self,
        h: np.ndarray,
        *,
        step: float | None = None,
        nmse_db: float | None = None,
        max_bits: float | None = None,
        effort: str = "default",
        noise_variance: np.ndarray | float | str | None = None,
    ) -> list[bytes]:
        """Codes matrices.

        Args:
          h: complex64 [n, num_tx, num_delay], of any scale.
          step: Step of the gains, relative to the norm of a matrix; the nearest of the
            steps 2^(-i/8) is taken. None is the usual step of the session.
          nmse_db: Largest NMSE of a matrix [dB]: the coarsest step that meets it. A
            warning says how many matrices miss it, and by how much.
          max_bits: Most bits of a packet: the finest step that keeps to it. With `step`
            or `nmse_db` it holds for the matrices that would need more bits.
          effort: How much is searched, one of `pursuit.EFFORTS`.
          noise_variance: Variance of the noise on an entry of `h`, E |n|^2, one for all
            or [n]. Paths that the noise could have made are left out. "estimate" takes
            what the weak entries of each matrix tell. None does so for matrices whose
            weak entries look like white noise, unless `nmse_db` is given. A warning
            says how many matrices look like noise alone.

        Returns:
          n packets.

        Raises:
          ValueError: If `h` is of another shape or not finite, if both `step` and
            `nmse_db` are given, if `max_bits` cannot be met by any packet, or if
            `noise_variance` is another word.

        Examples:
          >>> from tfcsi.channels import cost2100
          >>> from tfcsi.codecs.workdir import load
          >>> codec = load("paths_cost2100_indoor")
          >>> packets = codec.compress(cost2100.simulate(2, seed=1), max_bits=80)
          >>> all(8 * len(packet) <= 80 for packet in packets)
          True
        """
        return self.sender.send(
            h,
            step=step,
            nmse_db=nmse_db,
            max_bits=max_bits,
            effort=effort,
            noise_variance=noise_variance,
        )

    def save_ue(self, path: str | os.PathLike, **encoders: bytes) -> None:
        """Writes the `.npz` file that `tfcsi.ue.PathUe` takes.

        Args:
          path: The file.
          **encoders: Name of the file of each exported encoder to its content.
        """
        self.sender.save_tables(path, encoders)

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
        scale = step_of(steps) * norm_of(norm)
        gain, *places = lists.gains_and_places()
        return self.atoms.csi(self.atoms.synthesize(gain * scale[:, None], *places))

    def receive_lists(
        self, packets: Sequence[bytes]
    ) -> tuple[np.ndarray, np.ndarray, Lists]:
        """Returns the numbers of step and norm, and the lists of packets."""
        payloads = unpack(packets, self.session)
        if not payloads:
            none = np.zeros(0, np.int64)
            return none, none, Lists.empty(0, 0)
        steps, norm, lists, num_bits = self.coder.read(payloads)
        check_ends(payloads, num_bits)
        return steps, norm, lists

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec.

        `table_entries` counts the integers of the tables. `ue_macs` has the
        multiply-accumulates of the encoder for a matrix of ten paths at each effort.
        """
        arrays = self.tables.arrays().values()
        return {
            "codec": self.name,
            "step": step_of(self.step),
            "num_fft": self.atoms.num_fft,
            "table_entries": sum(array.size for array in arrays),
            "ue_macs": {
                name: pursuit.macs(self.atoms, effort, _TYPICAL_PATHS)
                for name, effort in pursuit.EFFORTS.items()
            },
            "config": dict(self.config),
        }

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"step": np.array(self.step), "num_fft": np.array(self.atoms.num_fft)}
        return arrays | {f"tables/{k}": v for k, v in self.tables.arrays().items()}


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
    return run.load_classical(workdir, _of_arrays)


def _of_arrays(config: dict, arrays: Mapping[str, np.ndarray]) -> Paths:
    """Makes a codec of the fields and arrays that `Paths.save` wrote."""
    num_tx, num_delay = config["shape"]
    domain = transforms.domain_of(config)
    atoms = Atoms(num_tx, num_delay, int(arrays["num_fft"]), domain)
    stored = files.part(arrays, "tables")
    tables = tables_of(stored, atoms.angle, atoms.delay)
    return Paths(atoms, tables, int(arrays["step"]))
