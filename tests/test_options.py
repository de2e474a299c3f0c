"""Options that are not declared are refused by name."""

import pytest

from tfcsi.options import check_options


def test_declared_options_are_accepted():
    check_options([], [], "nothing")
    check_options({"rx": 1}, ("bs", "rx"), "deepmimo")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bandwith", "x has no option 'bandwith'; did you mean 'bandwidth'? known: "),
        ("colour", "x has no option 'colour'; known: bandwidth, rx"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_and_the_known(name, message):
    with pytest.raises(ValueError) as refusal:
        check_options(["rx", name], ["bandwidth", "rx"], "x")
    assert str(refusal.value).startswith(message)


def test_the_refusal_of_an_owner_without_options_says_so():
    with pytest.raises(ValueError, match="x has no option 'a'; known: -"):
        check_options(["a"], [], "x")
