"""Laws of the DFT grid with contexts beside the contract of codecs (test_contract)."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import metrics, transforms
from tfcsi.codecs.dft_grid import DftGrid
from tfcsi.coding import grid_contexts
from tfcsi.coding.grid_contexts import NEIGHBOURS
from tfcsi.coding.scales import OtherScale


def nmse(codec, h):
    return metrics.nmse(h, codec.decompress(codec.compress(h))).mean()


def test_neighbours_were_sent_before_and_wrap_only_between_delays():
    size = np.zeros((1, 5, 6), np.int64)
    size[0, 1, 4] = 7
    near = grid_contexts.features(size)
    seen = {tuple(place) for place in np.argwhere(near)[:, 1:]}
    expected = {
        (1 - delay, (4 - angle) % 6, k)
        for k, (delay, angle) in enumerate(NEIGHBOURS)
        if delay or 4 - angle < 6
    }
    assert seen == expected
    assert all((row, column) > (1, 4) for row, column, _ in seen)


def test_weights_find_the_neighbour_that_tells_the_magnitude():
    rng = np.random.default_rng(3)
    re = np.zeros((300, 6, 8), np.int64)
    re[:, 0] = rng.integers(0, 20, (300, 8))
    for row in range(1, 6):
        re[:, row] = np.rint(re[:, row - 1] * rng.exponential(1, (300, 8)))
    weights, _ = grid_contexts.fit_weights(re, np.zeros_like(re))
    assert NEIGHBOURS[int(weights[:-1].argmax())] == (-1, 0)


@pytest.mark.slow
def test_finer_steps_are_better_and_contexts_do_not_depend_on_the_scale(h):
    errors = [nmse(DftGrid.fit(h[:300], step), h[300:]) for step in (0.3, 0.1, 0.03)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.02
    codec = DftGrid.fit(h[:300], 0.1)
    packets = codec.compress(h[300:])
    with pytest.warns(OtherScale):
        louder = codec.compress(4 * h[300:])
    sizes = [8 * np.mean([len(p) for p in each]) for each in (packets, louder)]
    assert sizes[1] - sizes[0] < 40  # The norm alone may be an escape.
    np.testing.assert_allclose(
        codec.decompress(louder), 4 * codec.decompress(packets), rtol=1e-6
    )


def test_both_domains_code_the_same_channels_alike(h):
    h_sf = transforms.to_space_frequency(h, h.shape[2])
    one = DftGrid.fit(h[:300], 0.1)
    two = DftGrid.fit(h_sf[:300], 0.1, domain="space_frequency")
    assert nmse(two, h_sf[300:]) == pytest.approx(nmse(one, h[300:]), rel=0.02)


def test_a_step_that_is_not_positive_is_refused(h):
    with pytest.raises(ValueError, match="step must be positive, got 0"):
        DftGrid.fit(h, 0)


def test_what_cannot_be_fitted_is_refused(h):
    with pytest.raises(ValueError, match="too many steps of .*a coarser step"):
        DftGrid.fit(h, 1e-8)
    with pytest.raises(ValueError, match="float32.*takes complex"):
        DftGrid.fit(h.real, 0.1)
    with pytest.raises(ValueError, match="h holds NaN or infinity"):
        DftGrid.fit(np.nan * h, 0.1)
