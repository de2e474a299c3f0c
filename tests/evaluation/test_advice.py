"""Advice: which codecs are tried, and which of them is recommended."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi.channels import cost2100
from tfcsi.codecs import zoo
from tfcsi.codecs.topk import TopK
from tfcsi.evaluation import advice
from tfcsi.evaluation.advice import Candidate, Target
from tfcsi.transforms import to_peak

BITS, NMSE = Target(-10.0, None), Target(None, 100)


@pytest.fixture(scope="module")
def small():
    """Complex64 [80, 8, 16], max |h| = 0.5."""
    h = cost2100.simulate(80, 3, "indoor")
    return to_peak(h[:, :8, :16])[0]


def point(bits, nmse_db, meets="yes", **more):
    return {"bits": bits, "nmse_db": nmse_db, "meets": meets, **more}


@pytest.mark.slow
def test_every_codec_of_the_package_is_tried_for_its_shape():
    candidates = list(advice.of_the_zoo((32, 32), "angular_delay"))
    names = {one.name.split(" for ")[0] for one in candidates}
    assert {*zoo.shipped()} <= names
    assert {"paths", "paths_cost2100_indoor"} <= {one.loads for one in candidates}


@pytest.mark.parametrize("domain", ["angular_delay", "space_frequency"])
def test_path_coding_is_made_for_other_shapes_and_has_to_be_saved(domain, small):
    candidates = list(advice.of_the_zoo((8, 16), domain))
    assert candidates and all(one.codec.shape == (8, 16) for one in candidates)
    assert all(one.codec.domain == domain and not one.loads for one in candidates)
    packets = candidates[0].codec.compress(small[:2])
    assert candidates[0].codec.decompress(packets).shape == (2, 8, 16)


def test_a_codec_with_targets_keeps_to_them_and_the_point_says_so(small):
    codec = tfcsi.load("paths").resized((8, 16), 257, "angular_delay")
    by_bits = Candidate("a", codec).point(small[:10], NMSE)
    assert by_bits["meets"] == "yes" and by_bits["most_bits"] <= 100
    by_nmse = Candidate("a", codec).point(small[:10], BITS)
    assert by_nmse["meets"] == "yes" and by_nmse["nmse_db"] <= -10
    assert by_nmse["macs"] > 0


def test_a_codec_of_one_scale_gets_matrices_of_that_scale(small):
    candidate = Candidate("topk", TopK((8, 16), 8, 6, 10.0), scale=True)
    one, other = (candidate.point(k * small[:5], BITS) for k in (1, 20))
    assert one["nmse_db"] == pytest.approx(other["nmse_db"])


def test_a_limit_of_the_phone_chooses_a_lighter_effort(small):
    codec = tfcsi.load("paths").resized((8, 16), 257, "angular_delay")
    efforts = {}
    for macs in (None, 10**9, 1):
        target = Target(-10.0, None, macs)
        candidate = advice.within(
            Candidate("a", codec, "", False, "default"), small, target
        )
        efforts[macs] = candidate.effort
    assert efforts == {None: "default", 10**9: "default", 1: "light"}
    assert (
        Candidate("a", codec, effort="light").point(small[:6], target)["meets"] == "no"
    )


def test_the_cheapest_codec_that_meets_the_target_is_recommended():
    names = {"cheap": point(90, -9.0, "no", most_bits=120), "good": point(100, -12.0)}
    names |= {"dear": point(150, -20.0)}
    codecs = [Candidate(name, None, name) for name in names]
    best, _ = advice.recommended(codecs, [*names.values()], BITS)
    assert best.name == "good"
    best, _ = advice.recommended(codecs, [*names.values()], NMSE)
    assert best.name == "dear"


@pytest.mark.parametrize(("bits", "name"), [(99, "by name"), (90, "fitted")])
def test_a_fitted_codec_must_be_clearly_better(bits, name):
    codecs = [Candidate("by name", None, "paths"), Candidate("fitted", None)]
    best, _ = advice.recommended(codecs, [point(100, -12), point(bits, -12)], BITS)
    assert best.name == name


def test_the_nearest_codec_is_recommended_if_none_meets_the_target():
    codecs = [Candidate("a", None, "a"), Candidate("b", None, "b")]
    points = [
        point(50, -3.0, "no", most_bits=300),
        point(90, -8.0, "no", most_bits=400),
    ]
    assert advice.recommended(codecs, points, BITS)[0].name == "b"
    assert advice.recommended(codecs, points, NMSE)[0].name == "a"


def test_codecs_far_behind_the_best_are_left_out_with_their_numbers():
    codecs = [Candidate("a", None), Candidate("b", None)]
    points = [point(100, -12.0), point(200, -12.0, num_matrices=9)]
    near, kept, lines = advice.without_the_far(codecs, points, BITS)
    assert [one.name for one in near] == ["a"] and kept == points[:1]
    assert lines == ["b: 200 bits for -12.0 dB on 9 matrices, far behind the best"]


def test_matrices_that_are_measured_are_no_matrices_of_a_fit():
    h = np.arange(103, dtype=np.complex64)[:, None, None]
    own, tested = advice.split(h, 10)
    assert not {*own.ravel()} & {*tested.ravel()}
    assert len(tested) == 10 and own.ravel().real.max() < tested.ravel().real.min()
    own, tested = advice.split(h[:4], 10)
    assert not len(own) and len(tested) == 4
