"""Laws of pictures in files: what was measured is drawn."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
from matplotlib.colors import to_hex as color_of

from tfcsi.evaluation import plots

POINTS = [
    {
        "codec": codec,
        "bits": bits,
        "nmse_db": nmse_db,
        "nmse_db_low": nmse_db - 0.5,
        "nmse_db_high": nmse_db + 0.25,
    }
    for codec, bits, nmse_db in [("b", 300, -9), ("a", 200, -4), ("b", 100, -3)]
]


def pixels(data):
    return matplotlib.image.imread(io.BytesIO(data), format="png")


def lines(axes):
    """Labels to (x, y) of what was drawn with bars."""
    handles, labels = axes.get_legend_handles_labels()
    return {name: bars[0].get_data() for name, bars in zip(labels, handles)}


def test_rate_distortion_is_a_line_a_codec_in_order_of_bits():
    (axes,) = plots.rate_distortion(POINTS).axes
    drawn = lines(axes)
    assert list(drawn) == ["b", "a"]
    np.testing.assert_array_equal(drawn["b"], [[100, 300], [-3, -9]])
    np.testing.assert_array_equal(drawn["a"], [[200], [-4]])


def test_no_two_of_many_lines_look_alike():
    points = [{"codec": str(i), "bits": 100, "nmse_db": -i} for i in range(50)]
    (axes,) = plots.rate_distortion(points).axes
    handles, _ = axes.get_legend_handles_labels()
    looks = {(bars[0].get_color(), bars[0].get_marker()) for bars in handles}
    # "C10" is the colour of "C0".
    assert len({(color_of(color), mark) for color, mark in looks}) == 50


def test_points_without_an_interval_or_with_an_empty_one_are_drawn():
    bare = {"codec": "c", "bits": 1, "nmse_db": -1.0}
    rounding = {**bare, "nmse_db_low": -1.0 + 1e-15, "nmse_db_high": -1.0 - 1e-15}
    (axes,) = plots.rate_distortion([bare, rounding, *POINTS]).axes
    assert list(lines(axes)) == ["c", "b", "a"]


def test_a_figure_is_saved_as_png(tmp_path):
    path = tmp_path / "curves.png"
    plots.save(plots.rate_distortion(POINTS), path)
    assert pixels(path.read_bytes()).std() > 0.01
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]
