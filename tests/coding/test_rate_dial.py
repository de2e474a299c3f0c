"""Wishes for a codec of several rates: the packets are those of the rate that fits."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.coding.rate_dial import Dial
from tfcsi.coding.wishes import MissedTarget

STEPS = np.array([4.0, 2.0, 1.0, 0.5])
SIZES = np.array([[1, 2, 3, 4], [2, 4, 6, 8], [3, 6, 9, 12]])  # Bytes of a matrix.
NMSE = np.array(
    [[0.5, 0.1, 0.02, 0.001], [0.2, 0.05, 0.01, 0.001], [0.9, 0.8, 0.7, 0.6]]
)


def packets_at(rows, rate):
    return [bytes([rate] * SIZES[row, rate]) for row in rows]


def nmse_of(rows, packets):
    return np.array([NMSE[row, packet[0]] for row, packet in zip(rows, packets)])


DIAL = Dial(3, STEPS, 1, packets_at, nmse_of)


def rates(**wishes):
    """The rate of each packet."""
    return [packet[0] for packet in DIAL.send(**wishes)]


def test_the_usual_rate_or_the_one_with_the_nearest_step_is_taken():
    assert rates() == [1, 1, 1]
    assert rates(step=1.3) == [2, 2, 2] and rates(step=1.5) == [1, 1, 1]
    assert rates(step=100) == [0, 0, 0] and rates(step=1e-3) == [3, 3, 3]


def test_the_finest_rate_within_a_limit_is_taken():
    assert rates(max_bits=8 * 6) == [3, 2, 1]
    assert rates(max_bits=8 * 3) == [2, 0, 0]
    with pytest.raises(
        ValueError,
        match="max_bits is 16; .* 1 of 3 matrices need more, up to 24 .matrix 2.",
    ):
        DIAL.send(max_bits=16)


def test_a_limit_beside_a_step_holds_for_the_matrices_above_it():
    assert rates(step=1.0, max_bits=8 * 6) == [2, 2, 1]


def test_the_coarsest_rate_that_meets_a_target_is_taken():
    with pytest.warns(MissedTarget, match="1 of 3 matrices miss -10.0 dB, by up to"):
        assert rates(nmse_db=-10) == [1, 1, 3]
        assert rates(nmse_db=1e6) == [0, 0, 0]
    with pytest.warns(MissedTarget, match="3 of 3"):
        assert rates(nmse_db=-20, max_bits=8 * 3) == [2, 0, 0]


def test_no_matrices_make_no_packets():
    assert Dial(0, STEPS, 1, packets_at).send() == []
    assert Dial(0, STEPS, 1, packets_at).send(max_bits=1) == []


def test_what_cannot_be_wished_is_refused():
    with pytest.raises(ValueError, match="give one of step, nmse_db"):
        DIAL.send(step=1.0, nmse_db=-3)
    with pytest.raises(ValueError, match="step is -1.0; it must be a positive number"):
        DIAL.send(step=-1.0)
    with pytest.raises(ValueError, match="max_bits is nan"):
        DIAL.send(max_bits=np.nan)
    with pytest.raises(ValueError, match="nmse_db needs the decoder"):
        Dial(3, STEPS, 1, packets_at).send(nmse_db=-3)
