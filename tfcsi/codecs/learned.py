"""A learned transform codec: one set of weights for all rates, and exact contexts.

A small network at the UE turns a matrix of norm 1 into 8 x 8 tokens of 32 numbers,
which are multiplied by gains of the rate and rounded. The number of the rate is in the
packet (Cui et al., "Asymmetric gained deep image compression with continuous rate
adaptation", CVPR 2021). An integer network of what is already sent picks the table of
each symbol (`tfcsi.coding.token_contexts`), and a larger network at the base station
makes the matrix. The norm is sent apart, in eighths of an octave. Weights are trained
by `benchmarks/learned_pytorch.py` on bits plus lambda times the relative error of each
matrix. `docs/learned.md` tells what it gives. NumPy is all that either side needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import files, metrics, transforms
from tfcsi.archives import Archive
from tfcsi.codecs import learned_networks as networks
from tfcsi.codecs import workdir as run
from tfcsi.codecs.classical import ClassicalCodec
from tfcsi.coding import chosen_tables
from tfcsi.coding.intervals import Reader
from tfcsi.coding.packets import check_ends, session_of, unpack
from tfcsi.coding.tables import PRECISION, Tables
from tfcsi.coding.token_contexts import TokenContexts, law_tables
from tfcsi.coding.token_sending import (
    CODEC,
    LARGEST_NORM,
    NORM,
    OCTAVE,
    TokenSender,
    norms_of,
)

# Fields of a config that count in a training, besides those of every codec.
OF_TRAINING = (
    *("epochs", "batch_size", "learning_rate", "prior_learning_rate", "beta_1"),
    *("warmup_epochs", "final_rate", "clip_norm", "augment"),
)
_BATCH = 100  # Matrices that the networks take at once.


class Learned(ClassicalCodec):
    """Networks at both ends, and an integer network of contexts.

    Attributes:
      name: "learned".
      shape: (num_tx, num_delay), that of the weights.
      weights: float32 arrays of the networks by name; "gain" [rates, channels] has the
        logarithms of the gains.
      contexts: TokenContexts of the symbols.
      norms: Tables of one table, that of the norm in eighths of an octave.
      rate: Number of the rate that `compress` uses if nothing else is wished.
      sender: TokenSender, the way from matrices to packets.
      facts: What a training recorded, such as `train_seconds`.
    """

    name = CODEC

    def __init__(
        self,
        weights: Mapping[str, np.ndarray],
        contexts: TokenContexts,
        norms: Tables,
        rate: int,
        domain: str = transforms.DOMAINS[0],
    ):
        """See the attributes; `trained` makes a codec of the file of a training.

        Raises:
          ValueError: If the rate is not one of the weights, or a weight not finite.
        """
        super().__init__((4 * contexts.grid[0], 4 * contexts.grid[1]), domain)
        self.weights = {k: np.asarray(v, np.float32) for k, v in weights.items()}
        for name, array in self.weights.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} is not finite")
        self.contexts, self.norms, self.rate = contexts, norms, int(rate)
        gain = np.exp(self.weights["gain"])
        if not 0 <= rate < len(gain):
            raise ValueError(f"rate must be in 0..{len(gain) - 1}, got {rate}")
        shared = [self.weights[k] for k in sorted(self.weights) if k[:7] != "encoder"]
        integers = [contexts.arrays[k] for k in sorted(contexts.arrays)]
        self._session = session_of(
            self.name,
            self.shape,
            *(np.ascontiguousarray(array, "<f4") for array in shared),
            *(np.ascontiguousarray(array, "<i4") for array in integers),
            contexts.tables.fingerprint(),
            norms.fingerprint(),
            np.array([self.rate], "<i8"),
            domain.encode(),
        )
        self.sender = TokenSender(
            contexts, norms, gain, self.rate, self._session, domain
        )
        self.sender.analysis = self._encode
        self.facts: dict[str, object] = {}

    @classmethod
    def trained(
        cls,
        path: str | os.PathLike,
        h_train: np.ndarray,
        rate: int = 8,
        domain: str = transforms.DOMAINS[0],
    ) -> Learned:
        """Makes a codec of trained weights.

        Args:
          path: The `.npz` file that `benchmarks/learned_pytorch.py` wrote.
          h_train: complex64 [n, num_tx, num_delay], matrices whose norms are counted.
          rate: Number of the usual rate.
          domain: Domain of `h_train`, one of `transforms.DOMAINS`.

        Raises:
          OSError: If the file is missing or unreadable.
          ValueError: If it is no `.npz` file, or the arrays do not fit together.
          KeyError: If an array is missing.
        """
        arrays = Archive(path)
        integers = {k[9:]: v for k, v in arrays.items() if k.startswith("contexts.")}
        contexts = TokenContexts(integers, law_tables(integers["mix"]))
        weights = {k: v for k, v in arrays.items() if not k.startswith("contexts.")}
        h_train = transforms.finite_csi(h_train, tuple(4 * n for n in contexts.grid))
        norms = Tables.from_counts(norms_of(h_train)[:, None])
        return cls(weights, contexts, norms, rate, domain)

    def counted(self, h_train: np.ndarray) -> Learned:
        """Makes a codec whose table of norms is that of other matrices.

        Args:
          h_train: complex64 [n, num_tx, num_delay], matrices whose norms are counted,
            of the scale of those that will be sent. `datasets.load` gives max|h| = 0.5.

        Returns:
          A codec of the same networks and another session.

        Raises:
          ValueError: If there are no matrices, or they do not fit.
        """
        norms = norms_of(transforms.finite_csi(h_train, self.shape))
        tables = Tables.from_counts(norms[:, None])
        codec = Learned(self.weights, self.contexts, tables, self.rate, self.domain)
        codec.config, codec.facts = {**self.config}, {**self.facts}
        return codec

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
          h: complex64 [n, num_tx, num_delay], of any scale.
          step: Step of the tokens relative to the norm of a matrix; the nearest of
            `steps` is taken.
          nmse_db: Largest NMSE of a matrix [dB]: the coarsest rate that meets it. A
            warning says how many matrices miss it, and by how much. The decoder is run
            for it.
          max_bits: Most bits of a packet: the finest rate that keeps to it. With `step`
            or `nmse_db` it holds for the matrices that would need more bits.

        Returns:
          n packets.

        Raises:
          ValueError: If `h` is of another shape or not finite, if a norm is not 2^-64
            to 2^64, if both `step` and `nmse_db` are given, or if `max_bits` cannot be
            met.
        """
        h = transforms.finite_csi(h, self.shape)

        def nmse_of(rows: np.ndarray, packets: Sequence[bytes]) -> np.ndarray:
            return np.asarray(metrics.nmse(h[rows], self.decompress(packets)))

        return self.sender.send(
            h, step=step, nmse_db=nmse_db, max_bits=max_bits, nmse_of=nmse_of
        )

    @property
    def steps(self) -> np.ndarray:
        """Step of the tokens at each rate relative to the norm, falling."""
        return self.sender.steps

    def symbols(self, h: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns norms int64 [n] and symbols int64 [n, 2048] of finite matrices."""
        norm, y = self.sender.tokens(h)
        return norm, self.sender.rounded(y, rate)

    def at_rates(self, h: np.ndarray, rate: np.ndarray) -> list[bytes]:
        """Codes matrices [n, num_tx, num_delay] at rates [n]; see `compress`."""
        return self.sender.packets_at(*self.sender.tokens(h), rate) if len(h) else []

    def _encode(self, x: np.ndarray) -> np.ndarray:
        """What the encoder makes of x float32 [n, num_tx, num_delay, 2]."""
        parts = [x[i : i + _BATCH] for i in range(0, len(x), _BATCH)]
        return np.concatenate([networks.encode(self.weights, p) for p in parts])

    def decompress(self, packets: Sequence[bytes]) -> np.ndarray:
        """Reconstructs matrices.

        Args:
          packets: n bytes from `compress`.

        Returns:
          h_hat complex64 [n, num_tx, num_delay].

        Raises:
          packets.PacketError: If a packet is damaged or foreign.
        """
        rate, norm, symbols = self.receive(packets)
        n = len(rate)
        if not n:
            return np.zeros((0, *self.shape), np.complex64)
        q = symbols.reshape(n, *self.contexts.grid, -1)
        y = (q / self.sender.gain[rate][:, None, None]).astype(np.float32)
        x = [
            networks.decode(self.weights, y[part], q[part], rate[part])
            for part in (slice(i, i + _BATCH) for i in range(0, n, _BATCH))
        ]
        z = np.concatenate(x) * (2.0 ** (norm / OCTAVE) / NORM)[:, None, None, None]
        h_hat = (z[..., 0] + 1j * z[..., 1]).astype(np.complex64)
        return transforms.in_domain(h_hat, self.domain)

    def receive(
        self, packets: Sequence[bytes]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Reads packets.

        Args:
          packets: n bytes from `compress`.

        Returns:
          Exactly the rates int64 [n], norms int64 [n] and symbols int64 [n, 2048] that
          were sent.

        Raises:
          packets.PacketError: If a packet is damaged or foreign.
        """
        payloads = unpack(packets, self.session)
        n = len(payloads)
        reader, rows = Reader(payloads), np.arange(n)
        ends = self.sender.rate_ends
        rate = np.searchsorted(ends, reader.target(rows, PRECISION), "right") - 1
        reader.narrow(rows, ends[rate], ends[rate + 1], PRECISION)
        norm = chosen_tables.read(reader, rows, np.zeros(n, np.int64), self.norms)

        def read(chosen: np.ndarray, shift: np.ndarray, at: np.ndarray) -> np.ndarray:
            arrived = np.zeros((n, len(at)), np.int64)
            for k in range(len(at)):
                arrived[:, k] = chosen_tables.read(
                    reader, rows, chosen[:, k], self.contexts.tables
                )
            return arrived + shift

        symbols = self.contexts.code(n, rate, read)
        strange = (np.abs(norm) > LARGEST_NORM) | (np.abs(symbols) > 2**24).any(axis=1)
        check_ends(payloads, np.where(strange, -1, reader.num_bits))
        return rate, norm, symbols

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec: name, sizes, config."""
        sizes = {"encoder": 0, "decoder": 0, "gain": 0}
        for name, array in self.weights.items():
            sizes[name.split(".")[0]] += array.size
        macs = networks.macs(self.weights)
        integers = self.contexts.arrays.values()
        return {
            "codec": self.name,
            "ue_params": sizes["encoder"] + sizes["gain"],
            "context_integers": sum(np.count_nonzero(array) for array in integers),
            "bs_params": sizes["decoder"],
            "ue_macs": macs["encoder"] + self.contexts.macs(),
            "bs_macs": macs["decoder"] + self.contexts.macs(),
            "steps": [round(float(step), 6) for step in self.steps],
            "config": dict(self.config),
            **self.facts,
        }

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"rate": np.array(self.rate)}
        if self.facts:
            arrays["facts"] = np.array(json.dumps(self.facts, allow_nan=False))
        arrays |= {
            f"weights/{k}": v if k == "gain" else v.astype(np.float16)
            for k, v in self.weights.items()
        }
        arrays |= {f"contexts/{k}": v for k, v in self.contexts.arrays.items()}
        arrays |= {f"norms/{k}": v for k, v in self.norms.arrays().items()}
        tables = self.contexts.tables.arrays()
        return arrays | {f"tables/{k}": v for k, v in tables.items()}


def fit(
    h_train: np.ndarray,
    h_val: np.ndarray,
    weights: str = "",
    rate: int = 8,
    domain: str = "angular_delay",
    start: str = "",
    rates: int = 16,
    lowest: float = 200.0,
    octaves: float = 0.6,
    ue_width: tuple[int, int] = (32, 64),
    ue_blocks: tuple[int, int] = (2, 1),
    width: tuple[int, int] = (256, 128),
    blocks: tuple[int, int] = (4, 4),
    shift: float = 0.5,
    settled: float = 0.13,
    average: float = 0.99,
    precision: str = "float32",
) -> Learned:
    """Makes a codec of weights that were trained elsewhere, as `tfcsi train` does.

    Without a file of weights, `tfcsi train` trains them (`tfcsi.training.tokens`). The
    arguments after `domain` are those of that training.

    Args:
      h_train: complex64 [n, num_tx, num_delay], matrices whose norms are counted.
      h_val: Not used: nothing is chosen.
      weights: The `.npz` file that `benchmarks/learned_pytorch.py` wrote.
      rate: Number of the usual rate.
      domain: Domain of the matrices.
      start: Folder or name of a codec `learned` whose weights a training begins with;
        its networks keep their sizes and rates.
      rates: Number of rates.
      lowest: Lambda of the coarsest rate.
      octaves: Octaves of lambda from rate to rate.
      ue_width: Channels of the encoder on patches of 2 x 2, and of 4 x 4.
      ue_blocks: Blocks of the encoder on each of them.
      width: Channels of the decoder on patches of 4 x 4, and of 2 x 2.
      blocks: Blocks of the decoder on each of them.
      shift: Largest random shift of the angles in a training, in bins.
      settled: Share of the epochs at the end with a fixed encoder and true symbols.
      average: Decay of the moving average of the weights, a step.
      precision: Of the arithmetic of a training, "float32" or "bfloat16".

    Raises:
      ValueError: If no file is given, or it does not fit.
    """
    del h_val, start, rates, lowest, octaves, ue_width, ue_blocks, width, blocks
    del shift, settled, average, precision
    if not weights:
        raise ValueError(
            "the codec learned is trained by tfcsi.training.fit.train; or give the "
            "file that benchmarks/learned_pytorch.py wrote"
        )
    return Learned.trained(weights, h_train, rate, domain)


def load(workdir: str | os.PathLike) -> Learned:
    """Loads what `Learned.save` wrote; see `tfcsi.load`."""
    return run.load_classical(workdir, _of_arrays)


def _of_arrays(config: dict, arrays: Mapping[str, np.ndarray]) -> Learned:
    """Makes a codec of the fields and arrays that `Learned.save` wrote."""
    tables = Tables.from_arrays(files.part(arrays, "tables"))
    contexts = TokenContexts(files.part(arrays, "contexts"), tables)
    norms = Tables.from_arrays(files.part(arrays, "norms"))
    weights, domain = files.part(arrays, "weights"), transforms.domain_of(config)
    codec = Learned(weights, contexts, norms, int(arrays["rate"]), domain)
    codec.facts = json.loads(str(arrays.get("facts", "{}")))
    return codec
