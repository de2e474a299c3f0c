"""Parameters of the COST 2100 channel model, a record for each scenario.

Values are those of the public reference implementation, cost2100/cost2100 v3.1; symbols
are those of Liu et al., "The COST 2100 MIMO channel model", IEEE Wireless
Communications 2012.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LineOfSight:
    """The direct path and its visibility region (VR).

    Attributes:
      range: largest distance d_co between BS and UE, m.
      radius: r_l of the VR, m; its centre has x and y uniform in [0, d_co - r_l].
      k_factor: median mu_K of the power over that of all other paths, dB.
      k_spread: standard deviation sigma_K of that, dB.
    """

    range: float
    radius: float
    k_factor: float
    k_spread: float


@dataclass(frozen=True)
class Scenario:
    """A row of the parameter table.

    Spreads are log-normal: (median, standard deviation in dB).

    Attributes:
      cell: radius R of the disc around the BS in which visibility regions lie, m.
      vr_radius: r_c of a visibility region, m.
      vr_transition: l_c, length over which a cluster fades in, m.
      num_far: mean number of clusters n_far that are seen.
      num_far_poisson: whether that is a Poisson number, at least 1, or the same always.
      ms_common: mean number of further VRs in the group that shares a cluster.
      k_tau: decay of a cluster's power with its excess delay, 1/us.
      tau_b: delay, not excess delay, at which that decay stops, us; None: never.
      k_sel: share of single clusters.
      num_mpc: multipath components of a cluster.
      delay_spread: tau_c, ns.
      aod_spread, eod_spread: phi_BS and theta_BS, seen from the BS, degrees.
      aoa_spread, eoa_spread: phi_MS and theta_MS, seen from the MS, degrees.
      shadow: standard deviation sigma_sf of a cluster's shadowing, dB.
      correlation: 6 x 6, of the logarithms of shadow, delay, theta_BS, phi_BS,
        theta_MS, phi_MS.
      r_max: largest distance of a cluster from the BS, m.
      link_mean, link_min: delay between the sides of a twin cluster, an exponential
        plus a constant, ns.
      local_bs, local_ms: whether there is a cluster around the BS, around the UE.
      los: the direct path, or None.
    """

    cell: float
    vr_radius: float
    vr_transition: float
    num_far: float
    num_far_poisson: bool
    ms_common: float
    k_tau: float
    tau_b: float | None
    k_sel: float
    num_mpc: int
    delay_spread: tuple[float, float]
    aod_spread: tuple[float, float]
    eod_spread: tuple[float, float]
    aoa_spread: tuple[float, float]
    eoa_spread: tuple[float, float]
    shadow: float
    correlation: np.ndarray
    r_max: float
    link_mean: float
    link_min: float
    local_bs: bool
    local_ms: bool
    los: LineOfSight | None

    def spreads(self) -> np.ndarray:
        """Returns the log-normal laws of the spreads of a cluster.

        Returns:
          [2, 6], float64: medians (delay in ns, angles in degrees) and deviations (dB)
          of shadow fading, delay, theta_BS, phi_BS, theta_MS, phi_MS.
        """
        rows = [(1, self.shadow), self.delay_spread, self.eod_spread, self.aod_spread]
        return np.array([*rows, self.eoa_spread, self.aoa_spread]).T


def _lognormal(mean: float, std: float) -> tuple[float, float]:
    """Median and dB of the log-normal law of a mean and a standard deviation."""
    variance = np.log1p((std / mean) ** 2)
    return mean * np.exp(-variance / 2), 10 / np.log(10) * np.sqrt(variance)


def _correlation(shadow: float) -> np.ndarray:
    """0.9 among delay, phi_BS and phi_MS; these with the shadowing as given."""
    rho = np.eye(6)
    spreads = [1, 3, 5]
    rho[np.ix_(spreads, spreads)] = 0.9
    rho[0, spreads] = rho[spreads, 0] = shadow
    np.fill_diagonal(rho, 1)
    return rho


SCENARIOS = {
    "indoor_hall_5ghz": Scenario(
        cell=30,
        vr_radius=2.72,
        vr_transition=1,
        num_far=3.8,
        num_far_poisson=True,
        ms_common=4,
        k_tau=16,
        tau_b=None,
        k_sel=0,
        num_mpc=3,
        delay_spread=_lognormal(3, 0.6),
        aod_spread=_lognormal(3, 2),
        eod_spread=_lognormal(1.5, 1.5),
        aoa_spread=_lognormal(4, 2),
        eoa_spread=_lognormal(1, 1),
        shadow=0,
        correlation=np.eye(6),
        r_max=30,
        link_mean=107,
        link_min=33.6,
        local_bs=True,
        local_ms=True,
        los=None,  # The table has a radius r_l of 0.
    ),
    "semi_urban_300mhz_los": Scenario(
        cell=500,
        vr_radius=32.8,
        vr_transition=16.8,
        num_far=6,
        num_far_poisson=False,
        ms_common=0,
        k_tau=2.786,
        tau_b=2.4,
        k_sel=0.1,
        num_mpc=27,
        delay_spread=(139, 3.66),
        aod_spread=(14.61, 2.43),
        eod_spread=(90.4, 0),
        aoa_spread=(14.75, 2.68),
        eoa_spread=(1.578, 0),
        shadow=2.05,
        correlation=_correlation(0),
        r_max=500,
        link_mean=854,
        link_min=47.9,
        local_bs=False,
        local_ms=True,
        los=LineOfSight(range=350, radius=343, k_factor=-4.7, k_spread=2),
    ),
    "semi_urban_300mhz_nlos": Scenario(
        cell=500,
        vr_radius=24.5,
        vr_transition=12.2,
        num_far=6,
        num_far_poisson=False,
        ms_common=0,
        k_tau=1.658,
        tau_b=4.2,
        k_sel=0.2,
        num_mpc=48,
        delay_spread=(317, 2.5),
        aod_spread=(18.64, 2.02),
        eod_spread=(90.4, 0),
        aoa_spread=(19.01, 2.03),
        eoa_spread=(1.578, 0),
        shadow=2.27,
        correlation=_correlation(-0.1),
        r_max=500,
        link_mean=1020,
        link_min=52.4,
        local_bs=False,
        local_ms=True,
        los=None,
    ),
}
