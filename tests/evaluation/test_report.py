"""Laws of the report: one whole file, words as words, and bytes with their parts."""

from __future__ import annotations

import base64
import io
import re

import matplotlib.image
import numpy as np
from matplotlib.figure import Figure

from tfcsi.evaluation import charts, plots, report
from tfcsi.evaluation.packet_parts import Part
from tfcsi.evaluation.report import Packet, Section, Table

POINTS = [{"codec": "a", "bits": 200.0, "nmse_db": -9.0}]


def pixels(data):
    return matplotlib.image.imread(io.BytesIO(data), format="png")


def without_script(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_the_report_is_one_file_with_its_tables_and_pictures(tmp_path):
    path = tmp_path / "report.html"
    figures = {
        "rate": charts.rate_distortion(POINTS),
        "image": plots.rate_distortion(POINTS),
        "side by side": [charts.over_snr([]), charts.errors({"a": np.ones(3)})],
    }
    section = Section("One", "Words.", figures, [report.table_of(POINTS)])
    report.write(path, "A run", "What was done.", [section])
    page = path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert page.count("Plotly.newPlot(") >= 3
    (image,) = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    assert pixels(base64.b64decode(image)).std() > 0.01
    visible = without_script(page)
    assert set(re.findall(r'(?:src|href)="([^"]{5})', visible)) == {"data:"}
    for word in ("A run", "What was done.", "-9.00", "rate", "side by side", "Words."):
        assert word in visible


def test_a_report_without_charts_has_no_script(tmp_path):
    path = tmp_path / "report.html"
    report.write(path, "A run", "", [Section("One", figures={"image": Figure()})])
    assert "<script" not in path.read_text()


def test_the_report_shows_words_as_words(tmp_path):
    path, text = tmp_path / "report.html", "</script><b> & '\""
    points = [{**POINTS[0], "codec": text}]
    packet = Packet(text, b"\1\2", [Part("check", 16.0)])
    table = Table([text], [[text]], text)
    chart = charts.rate_distortion(points)
    section = Section(text, text, {text: chart}, [table], [packet], {text: text})
    report.write(path, text, text, [section])
    page = path.read_text()
    assert "<b>" not in page and "&lt;b&gt; &amp; " in page
    assert page.count("<script") == page.count("</script>")


def test_bytes_have_the_colours_of_what_they_carry():
    packet = Packet("", b"\x12\xab", [Part("check", 11.0), Part("gains", 5.0)])
    view = report.packet_view(packet)
    first, second = view["bytes"]
    check, gains = (charts.PART_COLOURS[kind] for kind in ("check", "gains"))
    assert first == {
        "text": "12",
        "words": "check 8.0 bits",
        "stops": [(check, 0.0, 100.0)],
    }
    assert second["stops"] == [(check, 0.0, 37.5), (gains, 37.5, 100.0)]
    assert second["words"] == "check 3.0 bits, gains 5.0 bits"
    assert {k: e["bits"] for k, e in view["legend"].items()} == dict(packet.parts)
