"""Laws of the pictures of the report: what was measured is drawn."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi import metrics
from tfcsi.channels import cost2100
from tfcsi.coding.atoms import UNIT
from tfcsi.evaluation import charts

POINTS = [
    {
        "codec": codec,
        "bits": bits,
        "snr_db": bits,
        "nmse_db": nmse_db,
        "nmse_db_low": nmse_db - 0.5,
        "nmse_db_high": nmse_db + 0.25,
    }
    for codec, bits, nmse_db in [("b", 300, -9), ("a", 200, -4), ("b", 100, -3)]
]
COLUMNS = [f"{s}_{k}" for s in ("train", "val") for k in ("loss", "nmse_db", "bits")]
ROWS = [{"epoch": i, **dict.fromkeys(COLUMNS, 2.0 * i)} for i in (1, 2, 3)]


@pytest.mark.parametrize("draw", [charts.rate_distortion, charts.over_snr])
def test_a_codec_is_a_line_in_order_with_its_intervals(draw):
    lines = {trace.name: trace for trace in draw(POINTS).data}
    assert list(lines) == ["b", "a"]
    assert list(lines["b"].x) == [100, 300] and list(lines["b"].y) == [-3, -9]
    assert list(lines["b"].error_y.array) == [0.25, 0.25]
    assert list(lines["b"].error_y.arrayminus) == [0.5, 0.5]


def test_a_point_without_an_interval_is_drawn():
    (trace,) = charts.rate_distortion([{"codec": "c", "bits": 1, "nmse_db": -1.0}]).data
    assert list(trace.y) == [-1.0] and list(trace.error_y.array) == [0]


def test_errors_are_shares_of_the_matrices_with_their_numbers():
    (trace,) = charts.errors({"a": np.array([0.1, 0.001, 0.01])}).data
    np.testing.assert_allclose(trace.x, [-30, -20, -10])
    np.testing.assert_allclose(trace.y, [1 / 3, 2 / 3, 1])
    assert list(trace.customdata) == [1, 2, 0]


def test_csi_is_truth_reconstruction_and_error_on_one_scale(h):
    h_hat = 0.9 * h[0]
    figures = charts.csi(h[0], h_hat, "angular_delay")
    for figure, matrix in zip(figures, (h[0], h_hat, h[0] - h_hat)):
        np.testing.assert_allclose(figure.data[0].z, np.abs(matrix), atol=1e-5)
        assert figure.data[0].zmax == np.abs(h[0]).max()
    nmse_db = metrics.to_db(metrics.nmse(h[:1], h_hat[None]))[0]
    assert f"{nmse_db:.1f} dB" in figures[2].layout.title.text


def test_the_paths_of_a_packet_are_where_the_codec_puts_them():
    codec, h = tfcsi.load("paths_cost2100_indoor"), cost2100.simulate(1, 1, "indoor")
    (packet,) = codec.compress(h)
    behind, rings = charts.paths(codec, packet, h[0]).data
    _, _, lists = codec.receive_lists([packet])
    assert len(rings.x) == lists.count[0] > 2
    np.testing.assert_allclose(rings.x, lists.delay[0] / UNIT)
    np.testing.assert_allclose(np.asarray(rings.y) % 32, lists.angle[0] / UNIT)
    # The paths have most of the energy of the matrix, and the first is the strongest.
    strength = np.asarray(rings.customdata)[:, 1]
    assert strength[0] == strength.max() < 0
    strongest = np.unravel_index(np.argmax(np.abs(h[0])), h[0].shape)
    near = np.hypot(rings.y - strongest[0], rings.x - strongest[1])
    assert near.min() < 1
    assert behind.z.max() == 0


def test_parts_are_stacked_bars_with_one_colour_a_kind():
    bits = {"a": {"check": 11.0, "gains": 30.0}, "b": {"check": 11.0, "angles": 9.0}}
    figure = charts.bits_of_parts(bits)
    assert {t.name: list(t.x) for t in figure.data} == {
        "check": [11, 11],
        "gains": [30, 0],
        "angles": [0, 9],
    }
    assert figure.layout.barmode == "stack"
    texts = [annotation.text for annotation in figure.layout.annotations]
    assert texts == ["a, 41.0 bits", "b, 20.0 bits"]


def test_kinds_of_parts_have_different_colours():
    colours = [charts.PART_COLOURS[kind] for kind in charts.KINDS]
    assert len(set(colours)) == len(charts.KINDS)


def test_training_curves_show_both_splits_of_each_measure():
    traces = charts.training_curves(ROWS).data
    assert [trace.name for trace in traces] == 3 * ["train", "val"]
    assert all(list(trace.x) == [1, 2, 3] for trace in traces)
    assert all(list(trace.y) == [2, 4, 6] for trace in traces)
