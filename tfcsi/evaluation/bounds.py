"""Bounds and published points that a picture of rate and distortion shows.

These are numbers from elsewhere. Nothing here is measured on packets.
"""

from __future__ import annotations

from collections.abc import Mapping

# Name of a source to name of a line to its points (bits, NMSE in dB). The numbers come
# from a study of the simulated COST 2100 files of this project; the package does not
# compute them. The lower bound is the rate-distortion function of Gaussian gains with
# the covariance of the true clusters, if the places of paths cost no bits. The estimate
# is that of an ideal vector code at high resolution that knows each cluster.
BOUNDS: Mapping[str, Mapping[str, tuple[tuple[float, float], ...]]] = {
    "cost2100_indoor": {
        "lower bound, places free": ((47, -19.8), (82, -28.4)),
        "estimate, ideal vector code": (
            *((111, -19.1), (139, -23.2)),
            *((174, -27.7), (213, -31.9)),
        ),
    },
    "cost2100_outdoor": {
        "lower bound, places free": ((90, -14.2), (219, -21.8)),
    },
}
# Name of a source to work to its published points (bits, NMSE in dB). The bits are the
# payload bits that each work states.
PUBLISHED: Mapping[str, Mapping[str, tuple[tuple[float, float], ...]]] = {
    "cost2100_indoor": {
        "CsiCoGen, WCL 2026": ((792, -28.58), (1592, -30.72)),
        "Park et al., ICASSP 2024": (
            *((123.6, -4.95), (197, -9.54), (267, -12.79), (335, -15.06)),
            *((486, -17.89), (684, -19.20), (1173, -19.73)),
        ),
    },
    "cost2100_outdoor": {
        "CsiCoGen, WCL 2026 (other data)": ((792, -13.96), (1592, -20.38)),
    },
}
