"""What may be wished of a codec of several rates."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi.coding.wishes import check_wishes

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
