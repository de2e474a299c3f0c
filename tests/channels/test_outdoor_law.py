"""The search for the published outdoor law measures what it says, and goes on."""

from __future__ import annotations

import importlib.util
import pathlib

import numpy as np
import pytest

FILE = pathlib.Path(__file__).parents[2] / "benchmarks" / "outdoor_law.py"


@pytest.fixture(scope="module")
def law():
    spec = importlib.util.spec_from_file_location("outdoor_law", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_equal_entries_leave_the_share_that_is_not_kept(law):
    found = law.known(np.full((3, 32, 32), 0.5 + 0j, np.complex64), None)
    for k in law.TOP_K:
        assert found[f"top_{k}"] == pytest.approx(10 * np.log10(1 - k / 1024))
    # Each tap has 1/32 of the energy.
    apart = [abs(100 / 32 - share) for share in law.PROFILE]
    outside = abs(100 * 19 / 32 - (100 - sum(law.PROFILE)))
    assert found["moved_percent"] == pytest.approx((sum(apart) + outside) / 2, rel=1e-4)


def test_a_search_takes_tries_that_were_made_before_from_its_file(
    law, tmp_path, monkeypatch
):
    path = tmp_path / "tries.jsonl"
    search = law.Search(path, 4, None)
    at = np.array([(low + high) / 2 for low, high in search.bounds])
    first = search(at)
    assert len(path.read_text().splitlines()) == 1
    monkeypatch.delattr(law, "simulated")  # Nothing is simulated anew.
    again = law.Search(path, 4, None)
    assert again(at) == first and len(again.tries) == 1
    assert again.tries[0]["values"].keys() == law.SCALES.keys() | law.VALUES.keys()
