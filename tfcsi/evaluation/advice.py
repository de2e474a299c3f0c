"""Which codec suits a channel: tries the codecs that fit, and ranks them.

Codecs of the zoo are tried as they are. A KLT, top-K and tables of path coding are
fitted on a part of the matrices. All are measured on the rest.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfcsi import transforms
from tfcsi.codecs import workdir, zoo
from tfcsi.codecs.contract import Codec, rates_of
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.learned import Learned
from tfcsi.codecs.paths import NUM_FFT, Paths
from tfcsi.codecs.topk import TopK
from tfcsi.coding import pursuit
from tfcsi.coding.scales import OtherScale
from tfcsi.coding.wishes import MissedTarget
from tfcsi.evaluation import measure
from tfcsi.evaluation.baselines import TOPK_MU
from tfcsi.evaluation.portrait import costs_of

SCREENED = 12  # Matrices by which the best codec of each kind is chosen.
MOST_FIT = 1000  # Matrices of a fit,
MOST_PATHS = 200  # and of a fit of path coding.
NUM_FITS = 3  # Codecs that are fitted.
FAR = 1.4  # Codecs that cost more than this, relative to the best, are not measured.
LEAST_FIT = 50  # Fewer matrices tell too little of their channel.
PREFERRED = 1.02  # A fitted codec must save more than this to be recommended.
_ORDER = ("light", "default", "high")  # Efforts of path coding, from fast to thorough.
_FULL_MARGIN = 8  # Length of the DFT of truncated taps, relative to their number.


@dataclass(frozen=True)
class Target:
    """What is wished of a codec.

    Attributes:
      nmse_db: Largest NMSE [dB], or None.
      max_bits: Most bits of a packet, or None. One of the two is given.
      ue_macs: Most multiply-accumulates of the UE for a matrix, or None.
    """

    nmse_db: float | None
    max_bits: int | None
    ue_macs: int | None = None

    def wishes(self, codec: Codec) -> dict[str, float]:
        """Returns the arguments of `compress`; none for a codec of one rate."""
        if not isinstance(codec, Paths) and rates_of(codec) is None:
            return {}
        if self.nmse_db is not None:
            return {"nmse_db": self.nmse_db}
        assert self.max_bits is not None
        return {"max_bits": self.max_bits}

    def cost(self, point: dict[str, Any]) -> float:
        """Returns what is to be small: bits, or the linear NMSE if bits are limited."""
        if self.nmse_db is not None:
            return point["bits"]
        return 10 ** (point["nmse_db"] / 10)

    def met(self, point: dict[str, Any]) -> bool:
        """Returns whether a point keeps to all limits that are known of it."""
        if self.ue_macs is not None and point.get("macs", 0) > self.ue_macs:
            return False
        if self.nmse_db is not None:
            return point["nmse_db"] <= self.nmse_db + 1e-6
        return point["most_bits"] <= (self.max_bits or 0)


@dataclass
class Candidate:
    """A codec that is tried.

    Attributes:
      name: What the table calls it.
      codec: The codec.
      loads: Name that `tfcsi.load` takes; "" if the codec has to be saved first.
      scale: Whether it takes matrices of max|h| = 0.5 alone.
      effort: Name of the effort of path coding, "" for other codecs.
    """

    name: str
    codec: Codec
    loads: str = ""
    scale: bool = False
    effort: str = ""

    def point(self, h: np.ndarray, target: Target) -> dict[str, Any]:
        """Measures it on matrices, at the rate that the target asks for.

        Raises:
          ValueError: If it cannot send them so.
        """
        if self.scale:
            h = transforms.to_peak(h)[0]
        wishes: dict[str, Any] = {**target.wishes(self.codec)}
        if self.effort:
            wishes["effort"] = self.effort
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MissedTarget)  # `met` tells.
            warnings.simplefilter("ignore", OtherScale)  # The command tells.
            began = time.process_time()
            packets = self.codec.compress(h, **wishes)
            ended = time.process_time()
        h_hat = self.codec.decompress(packets)
        point: dict[str, Any] = {"codec": self.name}
        point |= measure.measure(h, h_hat, packets, self.codec.domain)
        point["most_bits"] = 8 * max(map(len, packets))
        point["encode_ms"] = 1e3 * (ended - began) / len(h)
        point |= self._macs(packets)
        point["meets"] = "yes" if target.met(point) else "no"
        return point

    def _macs(self, packets: Sequence[bytes]) -> dict[str, int]:
        """Multiply-accumulates of the UE for a mean matrix, if they are known."""
        if isinstance(self.codec, Paths):
            count = self.codec.receive_lists(packets)[2].count.mean()
            effort = pursuit.EFFORTS[self.effort or "default"]
            return {"macs": pursuit.macs(self.codec.atoms, effort, round(count))}
        if isinstance(self.codec, Klt):
            return {"macs": 4 * self.codec.basis.size}
        if isinstance(self.codec, TopK):
            return {"macs": 0}
        macs = costs_of(self.codec, ["encoder"]).get("ue_macs")
        return {} if macs is None else {"macs": macs}


def of_the_zoo(shape: tuple[int, int], domain: str) -> Iterator[Candidate]:
    """Yields the codecs of all zoos whose files are here and that fit.

    The laws of path coding hold for every shape and both domains. Such a codec is made
    for the shape, and is another session than that of the zoo.

    Args:
      shape: (num_tx, num_delay) of the matrices.
      domain: Their domain.
    """
    for name, entry in zoo.entries().items():
        if not entry.is_here():
            continue
        config = workdir.read_config(entry.folder)
        own = tuple(config["shape"]), transforms.domain_of(config)
        if own == (shape, domain):
            codec = workdir.load(name)
            scale = _needs_scale(codec)
            effort = "default" if isinstance(codec, Paths) else ""
            yield Candidate(name, codec, name, scale, effort)
        elif config["model"] == Paths.name:
            codec = workdir.load(name)
            assert isinstance(codec, Paths)
            for num_fft in _lengths(shape[1], domain):
                resized = codec.resized(shape, num_fft, domain)
                label = f"{name} for {shape[0]} x {shape[1]}"
                yield Candidate(label, resized, effort="default")


def _needs_scale(codec: Codec) -> bool:
    """Whether a codec refuses matrices of other scales than max|h| = 0.5."""
    if isinstance(codec, (Paths, Learned)):
        return False
    return isinstance(codec, TopK) or not codec.config.get("send_gain", False)


def _lengths(num_delay: int, domain: str) -> tuple[int, ...]:
    """Lengths of the DFT over the band that matrices may come from."""
    if domain == "space_frequency":
        return (num_delay,)
    known = NUM_FFT if num_delay < NUM_FFT else num_delay
    return tuple(dict.fromkeys((num_delay, max(known, _FULL_MARGIN * num_delay + 1))))


def within(candidate: Candidate, h: np.ndarray, target: Target) -> Candidate:
    """Returns a candidate with the most thorough effort that `ue_macs` allows."""
    if not candidate.effort or target.ue_macs is None:
        return candidate
    for effort in reversed(_ORDER[:2]):
        candidate.effort = effort
        if candidate.point(h, target)["macs"] <= target.ue_macs:
            break
    return candidate


def best_of_each_kind(
    candidates: Sequence[Candidate],
    h: np.ndarray,
    target: Target,
    report: Callable[[], None],
) -> tuple[list[Candidate], list[dict[str, Any]], list[str]]:
    """Keeps one candidate of each kind of codec.

    Args:
      candidates: Codecs to try.
      h: complex64 [n, num_tx, num_delay], a few matrices.
      target: What is wished.
      report: Is called after each candidate.

    Returns:
      The best candidate of each kind, its point, and why some could not be tried.
    """
    best: dict[str, tuple[tuple[bool, float], Candidate, dict[str, Any]]] = {}
    refused = []
    for candidate in candidates:
        try:
            candidate = within(candidate, h, target)
            point = candidate.point(h, target)
        except ValueError as error:
            refused.append(f"{candidate.name}: {error}")
        else:
            rank = (point["meets"] == "no", target.cost(point))
            kind = candidate.codec.name
            if kind not in best or rank < best[kind][0]:
                best[kind] = rank, candidate, point
        report()
    kept = [one for _, one, _ in best.values()]
    return kept, [point for _, _, point in best.values()], refused


def without_the_far(
    candidates: Sequence[Candidate], points: Sequence[dict[str, Any]], target: Target
) -> tuple[list[Candidate], list[dict[str, Any]], list[str]]:
    """Leaves out candidates that cost far more than the best one that meets the target.

    Args:
      candidates: As of `best_of_each_kind`.
      points: A point of each, on a few matrices.
      target: What is wished.

    Returns:
      The other candidates, their points, and a line for each that was left out.
    """
    costs = [target.cost(point) for point in points if point["meets"] == "yes"]
    limit = FAR * min(costs, default=np.inf)
    pairs = list(zip(candidates, points))
    near = [pair for pair in pairs if target.cost(pair[1]) <= limit]
    far = [
        f"{one.name}: {point['bits']:.0f} bits for {point['nmse_db']:.1f} dB on "
        f"{point['num_matrices']} matrices, far behind the best"
        for one, point in pairs
        if target.cost(point) > limit
    ]
    return [one for one, _ in near], [point for _, point in near], far


def fitted(
    h: np.ndarray, domain: str, num_fft: int, bits: float, each: bool
) -> Iterator[Callable[[], Candidate]]:
    """Yields what fits codecs to matrices.

    Args:
      h: complex64 [n, num_tx, num_delay], for the fits.
      domain: Its domain.
      num_fft: Length of the DFT over the band, as of `Paths.fit`.
      bits: Most bits of a packet of a KLT and of top-K,
      each: of each packet and not of the mean.
    """
    scaled = transforms.to_peak(h)[0]

    def klt() -> Candidate:
        codec = Klt.at_bits(scaled, bits)
        most = 8 * max(map(len, codec.compress(scaled)))
        if each and most > bits:  # Only the mean kept to it.
            codec = Klt.at_bits(scaled, max(bits * bits / most, 24))
        return own("klt", codec, True)

    def topk() -> Candidate:
        return own("topk", TopK.at_bits(scaled[:100], bits, TOPK_MU), True)

    def paths() -> Candidate:
        codec = Paths.fit(h[:MOST_PATHS], num_fft=num_fft, domain=domain)
        return own("paths", codec, False)

    def own(name: str, codec: Codec, scale: bool) -> Candidate:
        codec.config["domain"] = domain
        effort = "default" if isinstance(codec, Paths) else ""
        return Candidate(f"{name}, fitted here", codec, "", scale, effort)

    yield from (paths, klt, topk)


def recommended(
    candidates: Sequence[Candidate],
    points: Sequence[dict[str, Any]],
    target: Target,
) -> tuple[Candidate, dict[str, Any]]:
    """Chooses a candidate: the cheapest of those that meet the target.

    A codec that was fitted or changed must be more than 2 % better than one that loads
    by its name. If none meets the target, the nearest is chosen.

    Args:
      candidates: The candidates.
      points: A point of each.
      target: What is wished.
    """

    def rank(pair: tuple[Candidate, dict[str, Any]]) -> tuple[bool, float]:
        candidate, point = pair
        factor = 1.0 if candidate.loads else PREFERRED
        if point["meets"] == "yes":
            return False, target.cost(point) * factor
        missed = point["nmse_db"] if target.nmse_db is not None else point["most_bits"]
        return True, missed

    return min(zip(candidates, points), key=rank)


def split(h: np.ndarray, num_measured: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits matrices into those for fits and those that are measured.

    The last fifth is measured, evenly spaced, because neighbours in a file may be
    neighbours in space or time.

    Args:
      h: complex64 [n, num_tx, num_delay].
      num_measured: Most matrices that are measured.

    Returns:
      Up to MOST_FIT matrices, none if there are fewer than five; and the others.
    """
    if len(h) < 5:
        return h[:0], h
    border = len(h) - len(h) // 5
    return spaced(h[:border], MOST_FIT), spaced(h[border:], num_measured)


def spaced(h: np.ndarray, most: int) -> np.ndarray:
    """Returns at most so many matrices, evenly spaced."""
    return h[np.linspace(0, len(h) - 1, min(most, len(h))).round().astype(int)]
