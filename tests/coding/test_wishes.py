"""What may be wished of a codec of several rates."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.coding.wishes import (
    MissedTarget,
    NoiseAlone,
    check_noise_variance,
    check_wishes,
)

NAMES = ("step", "nmse_db", "max_bits")


@pytest.mark.parametrize("wish", ["0.1", True, np.nan, -np.inf, [0.1], {}, 1j], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_wish_that_is_no_number_is_refused_by_name(name, wish):
    with pytest.raises(ValueError, match=f"{name} is .* must be a finite number"):
        check_wishes(**{name: wish})


@pytest.mark.parametrize("wish", [0.1, 3, np.float32(2), np.array(0.3), None], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_number_of_any_kind_is_a_wish(name, wish):
    check_wishes(**{name: wish})


def test_a_step_and_an_nmse_do_not_go_together():
    check_wishes(step=0.1, max_bits=3)
    with pytest.raises(ValueError, match="give one of step, nmse_db"):
        check_wishes(step=0.1, nmse_db=-3.0, max_bits=None)


WRONG = (np.nan, -1.0, [0.1, -0.1], [0.1], [[0.1], [0.2]], "much", [1, "a"], {}, 1j)


@pytest.mark.parametrize("variance", WRONG, ids=str)
def test_a_variance_of_noise_that_is_none_is_refused_by_name(variance):
    with pytest.raises(ValueError, match="noise_variance is .* or 2 numbers, finite"):
        check_noise_variance(variance, 2)


@pytest.mark.parametrize(
    "variance", [None, "estimate", 0, 0.1, np.float32(2), [0.1, 3]]
)
def test_a_variance_of_noise_is_one_number_or_one_for_each_matrix(variance):
    check_noise_variance(variance, 2)
    check_noise_variance(variance, 0)


def test_warnings_of_many_matrices_are_told_together():
    told = [MissedTarget(1, 1, -9.0, excess) for excess in (0.5, 2.0)]
    told += [NoiseAlone(2, 4), UserWarning("x")]
    missed = MissedTarget.together(told, 10)
    assert str(missed) == "2 of 10 matrices miss -9.0 dB, by up to 2.00 dB"
    assert NoiseAlone.together(told, 10).alone == 2
    assert MissedTarget.together(told[2:], 3) is None is NoiseAlone.together([], 3)
