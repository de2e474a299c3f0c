"""What a codec keeps of the log of its training."""

from __future__ import annotations

import pytest

from tfcsi.training.log import MOST_POINTS, progress_of


def rows(nmse_db, seconds=2.0):
    return [
        {"epoch": i + 1, "val_nmse_db": x, "val_bits": 100.0 - i, "seconds": seconds}
        for i, x in enumerate(nmse_db)
    ]


def test_a_short_curve_has_every_epoch():
    found = progress_of(rows([-1.0, -3.0, -4.0, -4.5]))
    assert found["val_curve"] == [
        [2.0, -1.0, 100.0],
        [4.0, -3.0, 99.0],
        [6.0, -4.0, 98.0],
        [8.0, -4.5, 97.0],
    ]
    assert found["val_gain_db"] == 0.5  # From 6 to 8 s.


def test_a_long_curve_has_its_last_epoch_and_few_others():
    nmse_db = [-0.01 * i for i in range(1000)]
    found = progress_of(rows(nmse_db, 0.5))
    curve = found["val_curve"]
    assert len(curve) == MOST_POINTS
    assert curve[0][0] == 0.5 and curve[-1] == [500.0, -9.99, -899.0]
    assert all(a[0] < b[0] for a, b in zip(curve, curve[1:]))
    assert found["val_gain_db"] == pytest.approx(2.5, abs=0.01)


def test_one_epoch_gains_nothing_that_is_known():
    assert progress_of(rows([-3.0])) == {
        "val_curve": [[2.0, -3.0, 100.0]],
        "val_gain_db": 0.0,
    }


def test_a_training_that_gets_worse_says_so():
    assert progress_of(rows([-5.0, -5.0, -5.0, -4.0]))["val_gain_db"] == -1.0
