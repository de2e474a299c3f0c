"""Codecs whose UE measures the CSI with noise: NMSE against the CSI without noise.

All codecs have about the same bits on CSI without noise. The noise is white in antennas
and subcarriers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
import tqdm

from tfcsi.codecs.contract import Codec
from tfcsi.codecs.gaussian_mixture import GaussianMixture
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.codecs.workdir import load
from tfcsi.evaluation import baselines, over_noise
from tfcsi.evaluation.rate_distortion import Csi, matrices, paths_of

SNR_DB = tuple(range(0, 31, 5))
SEED = 1
_MOST = 400  # Test matrices that are sent.
_FEW = 300  # Validation matrices by which path coding chooses its step.


def measure(
    csi: Csi,
    bits: float,
    workdirs: Sequence[str | os.PathLike] = (),
    progress: bool = True,
) -> Iterator[list[dict]]:
    """Measures KLT, top-K, a Gaussian mixture and path coding, and trained runs.

    At most 400 test matrices are sent. Path coding is measured three times: without
    knowing the noise, with its variance known, and with an estimate of it.

    Args:
      csi: Matrices of the source.
      bits: Mean bits of a packet without noise, for the codecs without a network.
      workdirs: Folders of runs that were trained on this source.
      progress: Show a progress bar.

    Yields:
      All points so far, after each codec. `snr_db` is the SNR of an antenna and
      subcarrier. The delay taps are fewer than the subcarriers and hold the energy of
      the CSI, so the SNR of their entries is higher by `gain_db`.
    """
    lines: list[tuple[str, Codec, str | float | None]] = [
        ("klt", Klt.at_bits(csi.train, bits), None),
        ("topk", TopK.at_bits(csi.val, bits, baselines.TOPK_MU), None),
        ("gaussian_mixture", GaussianMixture.at_bits(csi.train, bits), None),
    ]
    codec = paths_of(csi)
    codec = baselines.paths_at_bits(codec, matrices(csi, codec, "val")[:_FEW], bits)
    for name, known in (
        ("paths, noise unknown", 0.0),
        ("paths, noise known", "known"),
        ("paths, noise estimated", "estimate"),
    ):
        lines.append((name, codec, known))
    for folder in workdirs:
        lines.append((os.path.basename(os.path.normpath(folder)), load(folder), None))
    gain_db = 10 * np.log10(csi.num_fft / csi.test.shape[2])
    points: list[dict] = []
    for name, codec, known in tqdm.tqdm(lines, desc=csi.name, disable=not progress):
        h = matrices(csi, codec, "test")[:_MOST]
        entries = [snr + gain_db for snr in SNR_DB]
        measured = over_noise.over_snr(codec, h, entries, "csi", SEED, known)
        facts = {**codec.describe(), "codec": name, "dataset": csi.name}
        facts |= {"split": "test", "gain_db": gain_db}
        points += [
            {**facts, **p, "snr_db": float(snr)} for p, snr in zip(measured, SNR_DB)
        ]
        yield points
