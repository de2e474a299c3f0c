"""Statistics of matrices whose statistics are known."""

import json

import numpy as np
import pytest

from tfcsi import transforms
from tfcsi.datasets import statistics as module


def statistics(h, domain="angular_delay"):
    return module.statistics(h, domain)


def gaussian(shape, seed=0):
    rng = np.random.default_rng(seed)
    h = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return h.astype(np.complex64)


def test_one_path_on_the_grid_is_one_entry():
    h = np.zeros((40, 8, 16), np.complex64)
    h[:, 3, 5] = 2j
    measured = statistics(h)
    assert measured["peak_ratio"] == 1 and measured["entries"] == {"0.9": 1, "0.99": 1}
    assert measured["delay_profile"][5] == 1 and measured["angle_profile"][3] == 1
    assert measured["mean_delay"] == 5 and measured["delay_spread"] == 0
    assert measured["angle_concentration"] == pytest.approx(1)
    assert measured["energy_db_mean"] == pytest.approx(10 * np.log10(4))
    assert measured["energy_db_std"] == pytest.approx(0, abs=1e-6)
    assert measured["klt"] == {"0.9": 1, "0.99": 1, "0.999": 1}
    assert "energy_kept" not in measured


def test_two_equal_taps_spread_by_half_their_distance():
    h = np.zeros((3, 4, 8), np.complex64)
    h[:, 0, 2] = h[:, 2, 6] = 1
    measured = statistics(h)
    assert measured["mean_delay"] == pytest.approx(4)
    assert measured["delay_spread"] == pytest.approx(2)
    assert measured["angle_concentration"] == pytest.approx(0)
    assert measured["entries"]["0.9"] == 2 and measured["peak_ratio"] == pytest.approx(
        0.5
    )


def test_principal_components_find_the_dimension_of_the_set():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((128, 40)))[0]
    x = rng.standard_normal((1500, 40)) @ basis.T
    measured = statistics((x[:, :64] + 1j * x[:, 64:]).reshape(1500, 8, 8))
    assert 34 <= measured["klt"]["0.9"] <= 36 and measured["klt"]["0.999"] == 40
    assert set(measured["pca_nmse_db"]) == {"64", "32"}
    assert measured["pca_nmse_db"]["64"] < -60
    assert measured["pca_nmse_db"]["32"] == pytest.approx(
        10 * np.log10(8 / 40), abs=0.5
    )


def test_held_out_matrices_are_not_those_of_the_fit():
    h = gaussian((70, 8, 8))  # 56 to fit: less than the 128 dimensions
    nmse_db = statistics(h)["pca_nmse_db"]
    assert list(nmse_db) == ["32"] and -2 < nmse_db["32"] < -0.8


def test_scale_moves_the_energy_alone():
    h = gaussian((60, 4, 6))
    scale = np.linspace(1, 3, 60)[:, None, None].astype(np.float32)
    one, other = statistics(h), statistics(100 * scale * h)
    for name in set(one) - {"energy_db_mean", "energy_db_std"}:
        assert json.dumps(one[name], default=float)  # JSON can hold it
        for a, b in zip(np.ravel(one[name]), np.ravel(other[name])):
            assert a == b or a == pytest.approx(b, rel=1e-4)
    moved = other["energy_db_mean"] - one["energy_db_mean"]
    assert moved == pytest.approx((20 * np.log10(100 * scale)).mean(), rel=1e-4)


def test_late_taps_count_only_for_the_share_of_energy_that_is_kept():
    h = gaussian((30, 4, 40))
    measured, cut = statistics(h), statistics(h[:, :, :32])
    kept = measured.pop("energy_kept")
    assert kept["mean"] == pytest.approx(32 / 40, abs=0.03)
    assert 0.6 < kept["5 %"] < kept["mean"]
    assert measured == cut and measured["num_delay"] == 32


def test_large_matrices_have_no_principal_components():
    measured = statistics(gaussian((2, 65, 32)))
    assert "klt" not in measured and "pca_nmse_db" not in measured
    assert measured["peak_ratio"] < 0.02


def test_blocks_of_a_memory_map_give_what_the_array_gives(tmp_path):
    h = gaussian((1203, 2, 3))
    np.save(tmp_path / "h.npy", h)
    assert statistics(np.load(tmp_path / "h.npy", mmap_mode="r")) == statistics(h)
    power = (np.abs(h) ** 2).astype(float)
    peak = power.max(axis=(1, 2)) / power.sum(axis=(1, 2))
    assert statistics(h)["peak_ratio"] == pytest.approx(peak.mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("h", "words"),
    [
        (np.ones((3, 4)), "complex .n, num_tx, num_delay. and not empty, got float64"),
        (np.ones((3, 4, 2)), r"got float64 \[3, 4, 2\]"),
        (np.ones((0, 4, 2), complex), r"got complex128 \[0, 4, 2\]"),
        (np.eye(3)[:, :, None] * [1, 1j] * 0, "matrix 0 of h has no energy or is not"),
        (np.ones((2, 2, 2)) * np.array([1j, np.nan])[:, None, None], "matrix 1 of h"),
    ],
)
def test_what_is_no_set_of_matrices_is_refused(h, words):
    with pytest.raises(ValueError, match=words):
        statistics(h)


def test_both_domains_have_the_same_statistics():
    h = gaussian((30, 8, 16)) * np.exp(-np.arange(16) / 3).astype(np.float32)
    h_sf = transforms.to_space_frequency(h, 16)
    taps, subcarriers = statistics(h), statistics(h_sf, "space_frequency")
    assert taps.keys() == subcarriers.keys()
    for name in ("energy_db_mean", "mean_delay", "delay_profile", "angle_profile"):
        assert subcarriers[name] == pytest.approx(taps[name], rel=1e-4), name
    with pytest.raises(ValueError, match="domain is 'time'; it must be one of"):
        statistics(h, "time")


def test_a_small_set_says_what_it_cannot_tell(draw_csi):
    h = draw_csi(40, (8, 8))
    alone = module.statistics(h[:1], "angular_delay")
    assert not {"energy_db_std", "klt", "pca_nmse_db"} & alone.keys()
    assert "one matrix has no energy_db_std" in module.doubts(alone)[0]
    few = module.doubts(module.statistics(h[:20], "angular_delay"))
    assert "klt describes these 20 matrices, not their channel" in few[0]
    assert few[1] == "20 matrices are too few for pca_nmse_db 64, 32"
    many = module.statistics(draw_csi(700, (16, 16)), "angular_delay")
    assert module.doubts(many) == []
