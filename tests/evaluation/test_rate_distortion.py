"""Codecs at several rates on one source: BD-rates, points, resumed files, picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.datasets import cost2100
from tfcsi.evaluation import plots, rate_distortion

BITS = np.array([100.0, 200.0, 400.0, 800.0])
LINE = [(bits, -3 * np.log2(bits / 50)) for bits in BITS]


def test_a_line_of_half_the_bits_has_a_bd_rate_of_minus_a_half():
    halved = [(bits / 2, nmse_db) for bits, nmse_db in LINE]
    assert rate_distortion.bd_rate(halved, LINE) == pytest.approx(-0.5)
    assert rate_distortion.bd_rate(LINE, halved) == pytest.approx(1.0)
    assert rate_distortion.bd_rate(LINE, LINE) == pytest.approx(0.0)


def test_the_bd_rate_does_not_depend_on_where_a_curve_was_sampled():
    other = [(bits, -3 * np.log2(bits / 50)) for bits in (120.0, 300.0, 700.0)]
    assert rate_distortion.bd_rate(other, LINE) == pytest.approx(0.0, abs=1e-9)


def test_lines_that_do_not_overlap_or_have_one_point_have_no_bd_rate():
    lower = [(bits, nmse_db - 50) for bits, nmse_db in LINE]
    assert rate_distortion.bd_rate(lower, LINE) is None
    assert rate_distortion.bd_rate(LINE[:1], LINE) is None


def test_bd_rates_are_relative_to_the_klt():
    def points(codec, factor):
        pairs = LINE if factor else LINE[:1]
        return [{"codec": codec, "bits": factor * b, "nmse_db": d} for b, d in pairs]

    found = rate_distortion.with_bd_rates([*points("klt", 1), *points("a", 0.25)])
    assert [p.get("bd_rate") for p in found[:4]] == [None] * 4
    assert [p["bd_rate"] for p in found[4:]] == pytest.approx([-0.75] * 4)


@pytest.fixture(scope="module")
def root(tmp_path_factory, draw_csi):
    """Folder with a small `cost2100`."""
    root = tmp_path_factory.mktemp("root")
    (root / "cost2100").mkdir()
    for split, num in zip(cost2100.SPLITS, (60, 20, 20)):
        path = root / "cost2100" / cost2100.file_name(split, "indoor")
        cost2100.write(path, draw_csi(num, (32, 32), seed=num))
    return root


def reproduce(root, path, *more):
    flags = [f"--data_root={root}", f"--output={path}", "--noprogress"]
    name = "--dataset=cost2100_indoor"
    return main(["tfcsi", "reproduce", "rate-distortion", name, *flags, *more])


def test_a_measurement_continues_where_it_was_stopped(root, tmp_path, capsys):
    path = tmp_path / "rd.json"
    assert reproduce(root, path, "--codecs=topk") == 0
    points = results.read(path)["points"]
    assert [p["rate"] for p in points] == [100, 200, 400, 800, 1600]
    assert all(p["bits"] <= p["rate"] and p["encode_ms"] > 0 for p in points)
    nmse_db = [p["nmse_db"] for p in points]
    assert nmse_db == sorted(nmse_db, reverse=True)
    assert path.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    content = json.loads(path.read_text())
    content["points"] = content["points"][:3]
    content["points"][0]["nmse_db"] = -99.0  # A point that is there is not measured.
    path.write_text(json.dumps(content))
    assert reproduce(root, path, "--codecs=topk") == 0
    again = [p["nmse_db"] for p in results.read(path)["points"]]
    assert again == [-99.0, *nmse_db[1:]]
    assert reproduce(root, path, "--codecs=dft_grid") == 0
    names = [p["codec"] for p in results.read(path)["points"]]
    assert names == 5 * ["topk"] + 8 * ["dft_grid"]
    assert "BD-rate" not in capsys.readouterr().out


def test_an_unknown_codec_is_refused_by_name(root, tmp_path, capsys):
    assert reproduce(root, tmp_path / "rd.json", "--codecs=kltt") == 1
    assert "unknown codec 'kltt'; known: klt" in capsys.readouterr().err


def test_bounds_are_dashed_and_published_points_are_marks():
    points = [{"codec": "klt", "bits": b, "nmse_db": d} for b, d in LINE]
    figure = plots.rate_distortion(points, {"bound": LINE}, {"work": LINE[:2]})
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert drawn["bound"].get_linestyle() == "--"
    assert drawn["work, published"].get_linestyle() == "None"
    np.testing.assert_array_equal(drawn["bound"].get_xdata(), BITS)
