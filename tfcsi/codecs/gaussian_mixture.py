"""A Gaussian mixture in angles and delays: a coded label, and one step for all.

Each matrix is taken for a draw of one of a few hundred circular Gaussians of mean zero
with independent entries. The label of the Gaussian is sent first. It gives each entry a
variance, and the variance chooses the table of the entry. Entries far below the step
are zero and not sent, so the rates follow reverse water-filling (Cover and Thomas,
"Elements of Information Theory", section 10.3). Only variances and counts are learned.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from tfcsi import files, transforms
from tfcsi.codecs import workdir as run
from tfcsi.codecs.classical import (
    ClassicalCodec,
    quantized,
    stored_weakest,
    weakest_of,
)
from tfcsi.coding import chosen_tables
from tfcsi.coding.intervals import Reader, encode_intervals
from tfcsi.coding.packets import (
    CRC_BITS,
    PacketError,
    check_ends,
    pack,
    session_of,
    unpack,
)
from tfcsi.coding.tables import PRECISION, Tables
from tfcsi.matrices import product

CLASSES = 48  # Tables, a quarter octave of the standard deviation apart.
_LOWEST = 10  # Quarter octaves below the step at which an entry is no longer sent.
_SHRINK = 2.0  # Matrices of the mean variances that each component is mixed with.
_FLOOR = 1e-3  # Least variance, relative to the mean of all entries.
_ITERATIONS = 25
_LARGEST_SCALE = 508  # Magnitude of 4 log2 of a standard deviation in float32.
# Quarter octaves of the steps that are tried; the finest one fits LARGEST.
_FINEST = 56


class GaussianMixture(ClassicalCodec):
    """Label, then quantised entries with tables chosen by the label.

    Attributes:
      name: "gaussian_mixture".
      shape: (num_tx, num_delay).
      scales: int16 [components, entries], 4 log2 of the standard deviations.
      step: int, 4 log2 of the bin width, in units of `h`.
      labels: Tables of one table, that of the label.
      tables: Tables of the entries, one for each class of the standard deviation.
    """

    name = "gaussian_mixture"
    remedies = {
        "step": "its tables are those of one step; train another codec with "
        "--config.network.bits",
        "nmse_db": "train another codec with more bits (--config.network.bits)",
        "max_bits": "train another codec with --config.network.bits, which limits the "
        "mean",
    }

    def __init__(
        self,
        shape: tuple[int, ...],
        scales: np.ndarray,
        step: int,
        labels: Tables,
        tables: Tables,
        domain: str = transforms.DOMAINS[0],
    ):
        """See the attributes; `at_bits` makes one from data."""
        super().__init__(shape, domain)
        self.scales, self.step = scales.astype(np.int16), int(step)
        self.labels, self.tables = labels, tables
        classes = np.clip(self.scales - self.step + _LOWEST, 0, CLASSES - 1)
        # Of each component: where its coded entries are, and their classes.
        self._places = [np.flatnonzero(row) for row in classes]
        self._classes = [row[row > 0].repeat(2).astype(np.int64) for row in classes]
        self._session = session_of(
            self.name,
            self.shape,
            self.scales.astype("<i2"),
            np.array([self.step], "<i4"),
            labels.fingerprint(),
            tables.fingerprint(),
            domain.encode(),
        )

    @classmethod
    def at_step(
        cls, h_train: np.ndarray, scales: np.ndarray, step: int, domain: str
    ) -> GaussianMixture:
        """Counts symbols at a step, 4 log2 of the bin width; see `at_bits`."""
        num_components = len(scales)
        nothing = np.zeros(0, np.int64)
        blank = chosen_tables.symmetric(nothing, nothing, CLASSES)
        uniform = Tables.from_pmf([np.full(num_components, 1 / num_components)], 0)
        shape = h_train.shape[1:]
        codec = cls(shape, scales, step, uniform, blank, domain)
        label, symbols = codec.quantize(h_train)
        counts = np.bincount(label, minlength=num_components) + 0.5
        labels = Tables.from_pmf([counts / counts.sum()], 0)
        chosen = [codec._classes[k] for k in label]
        tables = chosen_tables.symmetric(
            np.concatenate(symbols), np.concatenate(chosen), CLASSES
        )
        codec = cls(shape, scales, step, labels, tables, domain)
        codec.weakest = weakest_of(h_train)
        return codec

    @classmethod
    def at_bits(
        cls,
        h_train: np.ndarray,
        bits: float,
        components: int = 256,
        domain: str = transforms.DOMAINS[0],
    ) -> GaussianMixture:
        """Learns a mixture and finds the step for a rate, on training matrices.

        Args:
          h_train: complex64 [n, num_tx, num_delay].
          bits: What the mean packet may take at most, in ideal code lengths [bits].
          components: Gaussians of the mixture, but at most n / 8.
          domain: Domain of `h_train`.

        Returns:
          The codec with the finest step, in quarter octaves, that keeps to `bits`.

        Raises:
          ValueError: If `h_train` is empty, or no step keeps to `bits`.
        """
        if not 0 < bits < math.inf:  # NaN is refused too.
            raise ValueError(f"bits must be positive and finite, got {bits}")
        scales = fit_scales(h_train, components, domain)
        sample = h_train[:2000]
        high = 4 + math.ceil(4 * math.log2(np.abs(h_train).max() or 1))
        low = high - _FINEST
        while high - low > 1:
            step = (low + high) // 2
            codec = cls.at_step(sample, scales, step, domain)
            low, high = (low, step) if codec.mean_bits(sample) <= bits else (step, high)
        codec = cls.at_step(h_train, scales, high, domain)
        if codec.mean_bits(sample) > 1.05 * bits:
            raise ValueError(f"{bits} bits have no room for the label and its check")
        return codec

    def mean_bits(self, h: np.ndarray) -> float:
        """Returns the mean of the ideal code lengths and the check [bits]."""
        label, symbols = self.quantize(h)
        chosen = np.concatenate([self._classes[k] for k in label])
        entries = chosen_tables.bits(np.concatenate(symbols), chosen, self.tables)
        return CRC_BITS + (entries.sum() + self._label_bits()[label].sum()) / len(h)

    def quantize(self, h: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Returns the label [n], int64, and the symbols of each matrix, int64.

        Raises:
          ValueError: As `compress`.
        """
        z = _angular(h, self.shape, self.domain)
        width = 2.0 ** (self.step / 4)
        variance = 4.0 ** (self.scales / 4) + width**2 / 6
        cost = _costs(z, variance) + self._label_bits() * math.log(2)
        label = cost.argmin(axis=1)
        symbols = []
        for row, k in zip(z, label):
            x = np.ascontiguousarray(row[self._places[k]]).view(np.float32)
            symbols.append(quantized(x, width, chosen_tables.LARGEST).astype(np.int64))
        nothing = np.array([not row.any() for row in symbols], bool)
        self._refuse_too_weak(z, nothing, width)
        return label, symbols

    def _packets(self, h: np.ndarray) -> list[bytes]:
        payloads = []
        label, symbols = self.quantize(h)
        for k, row in zip(label.tolist(), symbols):
            first, end = self.labels.cdf[0, k : k + 2].tolist()
            lower, upper = chosen_tables.parts(row, self._classes[k], self.tables)
            part = encode_intervals([first, *lower], [end, *upper], PRECISION)
            payloads.append(part)
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
        payloads = unpack(packets, self.session)
        n = len(payloads)
        z = np.zeros((n, math.prod(self.shape)), np.complex64)
        if not n:
            return z.reshape(0, *self.shape)
        reader, rows = Reader(payloads), np.arange(n)
        label = chosen_tables.read(reader, rows, np.zeros(n, np.int64), self.labels)
        if ((label < 0) | (label >= len(self.scales))).any():
            row = int(np.argmax((label < 0) | (label >= len(self.scales))))
            raise PacketError(f"packet {row}: there is no component {label[row]}", row)
        count = np.array([len(self._classes[k]) for k in label])
        chosen = np.zeros((n, count.max()), np.int64)
        symbols = np.zeros((n, count.max()), np.int64)
        for row, k in enumerate(label):
            chosen[row, : count[row]] = self._classes[k]
        for i in range(count.max()):
            rows = np.flatnonzero(i < count)
            symbols[rows, i] = chosen_tables.read(
                reader, rows, chosen[rows, i], self.tables
            )
        check_ends(payloads, reader.num_bits)
        values = symbols.astype(np.float32) * np.float32(2.0 ** (self.step / 4))
        for row, k in enumerate(label):
            z[row, self._places[k]] = values[row, : count[row]].view(np.complex64)
        return transforms.in_domain(z.reshape(n, *self.shape), self.domain)

    def describe(self) -> dict[str, object]:
        """Returns what a results file tells of a codec: name, sizes, config.

        `ue_params` counts the standard deviations.
        """
        facts = {"codec": self.name, "ue_params": self.scales.size}
        return {**facts, "step": 2.0 ** (self.step / 4), "config": dict(self.config)}

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"scales": self.scales, "step": np.array(self.step)}
        arrays |= {f"labels/{k}": v for k, v in self.labels.arrays().items()}
        return arrays | {f"tables/{k}": v for k, v in self.tables.arrays().items()}

    def _label_bits(self) -> np.ndarray:
        return self.labels.interval_bits[0, : len(self.scales)]


def fit_scales(
    h_train: np.ndarray, components: int, domain: str = transforms.DOMAINS[0]
) -> np.ndarray:
    """Fits the mixture by expectation and maximisation (EM).

    It starts from matrices at equal distances in the training set, so that the same
    data give the same mixture.

    Args:
      h_train: complex64 [n, num_tx, num_delay].
      components: Gaussians, but at most n / 8 and at least 1.
      domain: Domain of `h_train`.

    Returns:
      int16 [components, entries], 4 log2 of the standard deviations.
    """
    if h_train.ndim != 3 or not len(h_train):
        raise ValueError(f"h_train must be [n, num_tx, num_delay]: {h_train.shape}")
    z = _angular(h_train, h_train.shape[1:], domain)
    power = np.abs(z) ** 2
    mean = power.mean(axis=0)
    floor = max(_FLOOR * float(mean.mean()), 1e-36)
    count = max(1, min(components, len(z) // 8))
    start = power[np.linspace(0, len(z) - 1, count).astype(int)]
    variance = np.maximum((start + _SHRINK * mean) / (1 + _SHRINK), floor)
    weight = np.full(count, 1 / count)
    for _ in range(_ITERATIONS):
        score = -_costs(z, variance) + np.log(weight + 1e-9)
        share = np.exp(score - score.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        total = share.sum(axis=0)
        weight = total / len(z)
        sums = share.T.astype(np.float32) @ power
        variance = (sums + _SHRINK * mean) / (total[:, None] + _SHRINK)
        variance = np.maximum(variance, floor)
    return np.rint(2 * np.log2(variance)).astype(np.int16)


def fit(
    h_train: np.ndarray,
    h_val: np.ndarray,
    bits: float = 250.0,
    components: int = 256,
    domain: str = "angular_delay",
) -> GaussianMixture:
    """Makes a codec for a rate, as `tfcsi train` does.

    Args:
      h_train: complex64 [n, num_tx, num_delay].
      h_val: Not used: nothing is chosen.
      bits: As in `GaussianMixture.at_bits`.
      components: As in `GaussianMixture.at_bits`.
      domain: As in `GaussianMixture.at_bits`.
    """
    del h_val
    return GaussianMixture.at_bits(h_train, bits, components, domain)


def load(workdir: str | os.PathLike) -> GaussianMixture:
    """Loads what `GaussianMixture.save` wrote; see `tfcsi.load`."""
    return run.load_classical(workdir, _of_arrays)


def _of_arrays(config: dict, arrays: Mapping[str, np.ndarray]) -> GaussianMixture:
    """Makes a codec of the fields and arrays that `GaussianMixture.save` wrote."""
    labels = Tables.from_arrays(files.part(arrays, "labels"))
    tables = Tables.from_arrays(files.part(arrays, "tables"))
    scales, step = arrays["scales"], int(arrays["step"])
    if abs(step) > _LARGEST_SCALE or (np.abs(scales) > _LARGEST_SCALE).any():
        raise ValueError(f"scales and step must be within +-{_LARGEST_SCALE}")
    entries = math.prod(config["shape"])
    if scales.ndim != 2 or scales.shape[1] != entries:
        raise ValueError(f"scales is {scales.shape}, expected [components, {entries}]")
    if len(tables.length) != CLASSES or labels.length[0] != len(scales) + 2:
        raise ValueError("the tables do not fit the components")
    domain = transforms.domain_of(config)
    codec = GaussianMixture(config["shape"], scales, step, labels, tables, domain)
    codec.weakest = stored_weakest(arrays)
    return codec


def _angular(h: np.ndarray, shape: tuple[int, ...], domain: str) -> np.ndarray:
    """Vectorised angular-delay matrices, complex64 [n, entries]."""
    h = transforms.in_angular_delay(transforms.finite_csi(h, shape), domain)
    return transforms.vectorised(h, shape)


def _costs(z: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Negative log-likelihood [n, components] of z [n, entries], but for a constant."""
    power = np.abs(z) ** 2
    logs = np.log(variance).sum(axis=1)
    return product(power, (1 / variance).T.astype(np.float32)) + logs
