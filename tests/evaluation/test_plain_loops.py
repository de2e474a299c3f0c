"""NMSE, SGCS and rho of each source, in both domains, against plain loops."""

import cmath

import numpy as np
import pytest

from tests.conftest import slow
from tfcsi import datasets, transforms
from tfcsi.datasets import cost2100
from tfcsi.evaluation.measure import measure

NUM, COUNTS = 9, {"num_val": 2, "num_test": 3}  # Matrices of a file, and of its splits.


def write_sources(root):
    """Files of one set of channels in the form of each data set; name to options."""
    rng = np.random.default_rng(4)
    h = (rng.standard_normal((NUM, 32, 32, 2)) @ [1, 1j]).astype(np.complex64)
    taps = transforms.to_angular_delay(h, 32)
    for name in ("cost2100", "quadriga", "raytraced", "deepmimo"):
        (root / name).mkdir()
    for split in cost2100.SPLITS:
        path = root / "cost2100" / cost2100.file_name(split)
        cost2100.write(path, transforms.to_peak(taps[-3:])[0])
    np.savez(root / "raytraced" / "munich_3p5ghz.npz", channel=h[:, None])
    np.savez(root / "deepmimo" / "mine.npz", channel=h[:, None])
    from scipy.io import savemat

    stored = {"H": np.moveaxis(np.fft.ifftshift(taps, 1), 0, -1)}
    savemat(root / "quadriga" / "mine.mat", stored)
    return {
        "cost2100_indoor": {},
        "raytraced_munich": COUNTS,
        "deepmimo_mine.npz": {**COUNTS, "shuffle": False},
        "quadriga_mine.mat": {**COUNTS, "axes": "tx,sc,n"},
    }


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """(data root, name of a source to its options)."""
    root = tmp_path_factory.mktemp("sources")
    return root, write_sources(root)


def turns(rows, columns, size, sign):
    """exp(2 pi j sign row column / size), in plain Python."""
    return [
        [cmath.exp(2j * cmath.pi * sign * i * k / size) for k in range(columns)]
        for i in range(rows)
    ]


def antennas_by_subcarriers(h, domain, num_fft, num_sc):
    """One matrix over antennas and subcarriers, by the sums that define the DFTs."""
    num_tx, columns = h.shape
    if domain == "space_frequency":
        return h.tolist()
    back, forth = turns(num_tx, num_tx, num_tx, 1), turns(columns, num_sc, num_fft, -1)
    shifted = [h[(a + num_tx // 2) % num_tx] for a in range(num_tx)]
    spread = [
        [sum(back[i][a] * shifted[a][d] for a in range(num_tx)) for d in range(columns)]
        for i in range(num_tx)
    ]
    return [
        [sum(row[d] * forth[d][k] for d in range(columns)) for k in range(num_sc)]
        for row in spread
    ]


def cosine(w, w_hat, k):
    """|w^H w_hat| / (|w| |w_hat|) of column k."""
    product = sum(a[k].conjugate() * b[k] for a, b in zip(w, w_hat))
    energy, energy_hat = (sum(abs(row[k]) ** 2 for row in x) for x in (w, w_hat))
    return abs(product) / (energy * energy_hat) ** 0.5


def plain(h, h_hat, domain):
    """NMSE, SGCS and rho of one matrix; rho against the taps of h."""
    pairs = list(zip(h.ravel().tolist(), h_hat.ravel().tolist()))
    nmse = sum(abs(a - b) ** 2 for a, b in pairs) / sum(abs(a) ** 2 for a, _ in pairs)
    columns = h.shape[1]
    num_sc = transforms.NUM_SC if domain == "angular_delay" else columns
    w, w_hat = (
        antennas_by_subcarriers(x, domain, transforms.NUM_FFT, num_sc)
        for x in (h, h_hat)
    )
    sgcs = sum(cosine(w, w_hat, k) ** 2 for k in range(num_sc)) / num_sc
    taps = [h, h_hat]
    if domain == "space_frequency":
        taps = [transforms.to_angular_delay(x[None], columns)[0] for x in taps]
    w, w_hat = (
        antennas_by_subcarriers(
            x, "angular_delay", transforms.NUM_FFT, transforms.NUM_SC
        )
        for x in taps
    )
    rho = sum(cosine(w, w_hat, k) for k in range(transforms.NUM_SC)) / transforms.NUM_SC
    return nmse, sgcs, rho


@pytest.mark.parametrize("domain", transforms.DOMAINS)
@pytest.mark.parametrize(
    "name",
    [
        "cost2100_indoor",
        "raytraced_munich",
        slow("deepmimo_mine.npz"),
        slow("quadriga_mine.mat"),
    ],
)
def test_measures_of_a_source_are_those_of_plain_loops(sources, name, domain):
    root, options = sources
    h = datasets.load(name, root, "test", domain, **options[name])
    noise = np.random.default_rng(5).standard_normal((*h.shape, 2)) @ [1, 1j]
    h_hat = (0.8 * h + 0.05 * noise).astype(np.complex64)
    taps = h
    if domain == "space_frequency":
        taps = transforms.to_angular_delay(h, h.shape[2])
    point = measure(h, h_hat, [b"x"] * len(h), domain, transforms.to_subcarriers(taps))
    nmse, sgcs, rho = np.mean([plain(*pair, domain) for pair in zip(h, h_hat)], axis=0)
    assert 10 ** (point["nmse_db"] / 10) == pytest.approx(nmse, rel=1e-4)
    assert point["sgcs"] == pytest.approx(sgcs, rel=1e-4)
    assert point["rho"] == pytest.approx(rho, rel=1e-4)
    assert 0.3 < sgcs < 0.99 and 0.3 < rho < 0.99


def test_all_sources_gave_the_same_channels(sources):
    root, options = sources
    for domain in transforms.DOMAINS:
        first, *others = (
            datasets.load(name, root, "test", domain, **chosen)
            for name, chosen in options.items()
        )
        for other in others:
            np.testing.assert_allclose(other, first, atol=1e-5)
