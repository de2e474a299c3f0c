"""Laws of pictures: what was measured is drawn, and the report is one whole file."""

from __future__ import annotations

import base64
import io
import re

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure

from tfcsi import metrics
from tfcsi.evaluation import plots, report

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
COLUMNS = [f"{s}_{k}" for s in ("train", "val") for k in ("loss", "nmse_db", "bits")]
ROWS = [{"epoch": i, **dict.fromkeys(COLUMNS, 2.0 * i)} for i in (1, 2, 3)]


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


def test_points_without_an_interval_or_with_an_empty_one_are_drawn():
    bare = {"codec": "c", "bits": 1, "nmse_db": -1.0}
    rounding = {**bare, "nmse_db_low": -1.0 + 1e-15, "nmse_db_high": -1.0 - 1e-15}
    (axes,) = plots.rate_distortion([bare, rounding, *POINTS]).axes
    assert list(lines(axes)) == ["c", "b", "a"]


def test_training_curves_show_both_splits_of_each_measure():
    figure = plots.training_curves(ROWS)
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert [line.get_label() for line in axes.lines] == ["train", "val"]
        for line in axes.lines:
            np.testing.assert_array_equal(line.get_data(), [[1, 2, 3], [2, 4, 6]])


def test_csi_shows_truth_reconstruction_and_error_on_one_scale(h):
    h_hat = 0.9 * h[:2]
    figure = plots.csi(h[:2], h_hat)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    images = [image for image in images if image.get_array().shape == (16, 16)]
    truth, back, error = (
        np.array([image.get_array() for image in images[k::3]]) for k in range(3)
    )
    np.testing.assert_allclose(truth, np.abs(h[:2]), rtol=1e-6)
    np.testing.assert_allclose(back, np.abs(h_hat), rtol=1e-6)
    np.testing.assert_allclose(error, np.abs(h[:2] - h_hat), rtol=1e-5, atol=1e-7)
    assert {image.get_clim() for image in images[:3]} == {(0, np.abs(h[0]).max())}
    nmse_db = metrics.to_db(metrics.nmse(h[:1], h_hat[:1]))[0]
    assert f"{nmse_db:.1f} dB" in images[2].axes.get_title()


def test_a_figure_is_saved_as_png(tmp_path):
    path = tmp_path / "curves.png"
    plots.save(plots.training_curves(ROWS), path)
    assert pixels(path.read_bytes()).std() > 0.01
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_the_report_is_one_file_with_its_table_and_images(tmp_path):
    path = tmp_path / "report.html"
    figures = {
        "rate": plots.rate_distortion(POINTS),
        "log": plots.training_curves(ROWS),
    }
    report.report(path, "A run", "What was done.", POINTS, figures)
    page = path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    images = re.findall(r"src='data:image/png;base64,([^']*)'", page)
    assert len(images) == len(figures) == page.count("<img")
    for data in images:
        assert pixels(base64.b64decode(data)).std() > 0.01
    links = re.findall(r"(?:src|href)\s*=\s*['\"]?([a-z]+:|[^'\"])", page)
    assert links == ["data:"] * len(images)
    for word in ("A run", "What was done.", "-9.50 ... -8.75", "rate", "log"):
        assert word in page


def test_the_report_shows_words_as_words(tmp_path):
    path, text = tmp_path / "report.html", "<b> & '\""
    points = [{**POINTS[0], "codec": text}]
    report.report(path, text, text, points, {text: Figure()})
    page = path.read_text()
    assert "<b>" not in page and page.count("&lt;b&gt; &amp; ") == 6
