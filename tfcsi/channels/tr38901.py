"""Simulates the models of 3GPP TR 38.901: urban macro, urban micro, rural macro.

The model is that of Sionna 0.19.2 (`pip install 'tfcsi[sionna]'`), on a CPU and without
its ray tracer. This module adds users, array and matrices, in the form of the QuaDRiGa
files: a base station with a half-wavelength linear array, users at random outdoor
places of a sector, and the first delay taps of a band. Path loss and shadowing are left
out, since every matrix is scaled to the same peak. Delays are relative to the first
path, so tap 0 is the strongest on average. Below 6 GHz, UMa and UMi use their
parameters at 6 GHz, as the report says.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from tfcsi import responses, transforms
from tfcsi.channels.contract import Simulator, check_request, defaults

BLOCK = 64  # Users that are simulated together, from one seed.
INSTALL = "pip install 'tfcsi[sionna]'"


@dataclass(frozen=True)
class Scenario:
    """A scenario of the report; lengths are in m.

    Attributes:
      model: name of a class of Sionna's `channel.tr38901`.
      bs_height: height of the base station.
      ranges: least and largest horizontal distance of users, who are uniform in the
        area between them.
      sight: whether users are in line of sight; None for the law of the report.
    """

    model: str
    bs_height: float
    ranges: tuple[float, float]
    sight: bool | None


_MODELS = {
    "uma": ("UMa", 25.0, (35.0, 500.0)),
    "umi": ("UMi", 10.0, (10.0, 200.0)),
    "rma": ("RMa", 35.0, (35.0, 1000.0)),
}
_SIGHTS = {"los": True, "nlos": False, "mixed": None}
SCENARIOS = {
    f"{name}_{sight}": Scenario(*values, los)
    for name, values in _MODELS.items()
    for sight, los in _SIGHTS.items()
}


@dataclass(frozen=True)
class Setup:
    """Options of `simulate`.

    Attributes:
      carrier: carrier frequency, Hz.
      bandwidth: bandwidth, Hz.
      num_fft: number of subcarriers in the band.
      num_tx: number of antennas of the base station, half a wavelength apart.
      num_delay: number of delay taps or subcarriers that are kept.
      domain: "angular_delay" or "space_frequency".
    """

    carrier: float = 28e9
    bandwidth: float = 20e6
    num_fft: int = 1024
    num_tx: int = 32
    num_delay: int = 32
    domain: str = transforms.DOMAINS[0]


OPTIONS = defaults(Setup)


def simulate(
    num: int,
    seed: int,
    scenario: str = "uma_nlos",
    progress: bool = False,
    **options: Any,
) -> np.ndarray:
    """Draws independent channels of users at random places.

    Matrix i depends on the seed, the other arguments and i, not on `num`.

    Args:
      num: number of matrices.
      seed: not negative.
      scenario: a key of `SCENARIOS`, such as "uma_nlos" or "rma_mixed".
      progress: whether to show a progress bar on standard error.
      **options: fields of `Setup`.

    Returns:
      [num, num_tx, num_delay], complex64, angles (zero in the middle) by delay taps or
      antennas by subcarriers, each scaled to max|h| = 0.5.

    Raises:
      ValueError: unknown scenario or option, or an argument out of range.
      ImportError: Sionna is not installed; the message has the command.
    """
    return simulate_with_loss(num, seed, scenario, progress, **options)[0]


def simulate_with_loss(
    num: int,
    seed: int,
    scenario: str = "uma_nlos",
    progress: bool = False,
    **options: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulates as `simulate`; also reports the energy in the taps that are cut off.

    Args:
      num: number of matrices.
      seed: not negative.
      scenario: a key of `SCENARIOS`.
      progress: whether to show a progress bar on standard error.
      **options: fields of `Setup`.

    Returns:
      h: as `simulate`.
      lost: [num], float64, linear, the share of the energy in later taps.

    Raises:
      ValueError: as `simulate`.
      ImportError: as `simulate`.
    """
    check_request("tr38901", num, seed, scenario, SCENARIOS, options, OPTIONS)
    chosen = Setup(**options)
    transforms.check_domain(chosen.domain)
    for name in ("carrier", "num_tx"):
        if not getattr(chosen, name) > 0:
            raise ValueError(f"{name} is {getattr(chosen, name)}; it must be positive")
    band = responses.Band(chosen.bandwidth, chosen.num_fft, chosen.num_delay)
    draw = _drawer(scenario, float(chosen.carrier), chosen.num_tx)
    h = np.empty((num, chosen.num_tx, chosen.num_delay), np.complex64)
    lost = np.empty(num)
    for block in tqdm(range(-(-num // BLOCK)), disable=not progress, unit="block"):
        rows = slice(block * BLOCK, min((block + 1) * BLOCK, num))
        gain, delay = (part[: rows.stop - rows.start] for part in draw(seed, block))
        paths = responses.unpadded(gain, delay)
        form = (len(gain), chosen.num_tx, band, chosen.domain)
        h[rows], lost[rows] = responses.with_loss(paths, *form)
    return (transforms.to_peak(h)[0] if num else h), lost


SIMULATOR = Simulator("tr38901", simulate, tuple(SCENARIOS), OPTIONS)


@functools.lru_cache(maxsize=4)
def _drawer(scenario: str, carrier: float, num_tx: int) -> Callable:
    """Returns a function (seed, block) -> gain, delay.

    The gain is [BLOCK, num_tx, paths], the delay [BLOCK, paths] in s.
    """
    sionna, tr38901 = _sionna()
    import tensorflow as tf

    place = SCENARIOS[scenario]
    common = {"num_rows_per_panel": 1, "polarization": "single"}
    common.update(polarization_type="V", antenna_pattern="omni")
    common["carrier_frequency"] = carrier
    bs = tr38901.PanelArray(num_cols_per_panel=num_tx, **common)
    user = tr38901.PanelArray(num_cols_per_panel=1, **common)
    outside = {} if place.model == "RMa" else {"o2i_model": "low"}
    model = getattr(tr38901, place.model)(
        carrier_frequency=carrier,
        ut_array=user,
        bs_array=bs,
        direction="downlink",
        enable_pathloss=False,
        enable_shadow_fading=False,
        **outside,
    )
    still = tf.zeros([BLOCK, 1, 3])
    at_bs = tf.constant([[[0.0, 0.0, place.bs_height]]] * BLOCK)
    indoors = tf.zeros([BLOCK, 1], tf.bool)

    @tf.function(input_signature=[tf.TensorSpec([BLOCK, 1, 3])])
    def paths(places: Any) -> tuple[Any, Any]:
        model.set_topology(places, at_bs, still, still, still, indoors, place.sight)
        gain, delay = model(num_time_samples=1, sampling_frequency=1.0)
        return gain[:, 0, 0, 0, :, :, 0], delay[:, 0, 0]

    def draw(seed: int, block: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, block])
        sionna.config.tf_rng.reset_from_seed(int(rng.integers(2**62)))
        near, far = place.ranges
        distance = np.sqrt(rng.uniform(near**2, far**2, BLOCK))
        azimuth = rng.uniform(-np.pi / 3, np.pi / 3, BLOCK)
        x, y = distance * np.cos(azimuth), distance * np.sin(azimuth)
        places = np.stack([x, y, np.full(BLOCK, 1.5)], 1)[:, None]
        gain, delay = paths(tf.constant(places, tf.float32))
        return gain.numpy(), delay.numpy()

    return draw


def _sionna() -> tuple[Any, Any]:
    """Imports Sionna and its `channel.tr38901`, without its ray tracer.

    The ray tracer needs the LLVM library of the system; the models here do not.
    """
    if "sionna" not in sys.modules:
        sys.modules.setdefault("sionna.rt", types.ModuleType("sionna.rt"))
    try:
        import sionna
        from sionna.channel import tr38901
    except ImportError as error:
        if sys.modules["sionna.rt"].__spec__ is None:
            del sys.modules["sionna.rt"]
        raise ImportError(
            f"channels of TR 38.901 need Sionna 0.19.2: {INSTALL} ({error})"
        ) from error
    return sionna, tr38901
