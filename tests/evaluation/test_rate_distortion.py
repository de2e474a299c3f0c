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

    measured = rate_distortion.with_bd_rates([*points("klt", 1), *points("a", 0.25)])
    assert [p.get("bd_rate") for p in measured[:4]] == [None] * 4
    assert [p["bd_rate"] for p in measured[4:]] == pytest.approx([-0.75] * 4)


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


@pytest.mark.slow
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
    lines = {"bound": LINE, "estimate, ideal": LINE}
    figure = plots.rate_distortion(points, lines, {"work": LINE[:2]})
    drawn = {line.get_label(): line for line in figure.axes[0].lines}
    assert drawn["bound"].get_linestyle() == "--"
    assert drawn["estimate, ideal"].get_linestyle() == ":"
    assert drawn["work, published"].get_linestyle() == "None"
    np.testing.assert_array_equal(drawn["bound"].get_xdata(), BITS)


def test_a_shipped_codec_that_has_changed_is_measured_anew(root, monkeypatch):
    monkeypatch.setattr(rate_distortion, "_PATH_STEPS", (0.25, 0.125))
    csi = rate_distortion.read("cost2100_indoor", root)
    csi = csi._replace(test=csi.test[:2])

    def points(there):
        measured = rate_distortion.measure_all(
            csi, "cost2100_indoor", ["paths"], (), there, False
        )
        return list(measured)[-1]

    first = points(())
    assert len({point["session"] for point in first}) == len(first) == 2
    marked = [{**point, "nmse_db": -99.0} for point in first]
    assert [p["nmse_db"] for p in points(marked)] == [-99.0] * 2
    marked[1]["session"] = "00" * 16  # As of other tables.
    again = points(marked)
    assert [p["nmse_db"] == -99.0 for p in again] == [True, False]
    assert again[1]["nmse_db"] == first[1]["nmse_db"]


def test_the_learned_codec_is_that_of_the_zoo_at_several_rates(root):
    csi = rate_distortion.read("cost2100_indoor", root)
    csi = csi._replace(test=csi.test[:2])
    made = [make() for make in rate_distortion.rates_of("learned", csi).values()]
    codec, wishes = zip(*made)
    assert len(made) >= 5 and {id(one) for one in codec} == {id(codec[0])}
    points = [rate_distortion._point(*made[k], csi) for k in (0, -1)]
    assert points[0]["bits"] < points[1]["bits"] and points[0]["codec"] == "learned"


def test_a_source_without_a_learned_codec_is_refused_if_it_is_named(root, capsys):
    csi = rate_distortion.read("cost2100_indoor", root)._replace(name="quadriga_300mhz")
    assert "learned" not in rate_distortion.available(csi)
    with pytest.raises(ValueError, match="no zoo has a codec learned_quadriga_300mhz"):
        list(rate_distortion.measure_all(csi, csi.name, ["learned"], progress=False))


CRNET = {"model": "crnet", "epochs": 4}


def measured(name, bits, nmse_db, **facts):
    point = {"codec": name, "dataset": "cost2100_indoor", "split": "test"}
    point |= {"num_matrices": 20, "bits": bits, "nmse_db": nmse_db}
    return {**point, "config": {"model": name.split(",")[0], "epochs": 4}, **facts}


def test_networks_of_other_results_files_become_lines(root, tmp_path):
    others = [
        measured("crnet, CR 4", 300.0, -6.0),
        measured("crnet, CR 8", 200.0, -5.0),
        measured("crnet, CR 16", 250.0, -4.0),  # Beaten by the one before.
        # Trained on for another rate, so it is on the line of its source.
        measured(
            "crnet, low", 50.0, -2.0, config={**CRNET, "epochs": 1}, epochs_before=4
        ),
        measured("crnet, near", 260.0, -5.05),  # Hardly better.
        measured("crnet, int8", 90.0, -7.0, config={**CRNET, "qat": {}}),
        measured("stnet", 300.0, -6.0),
        measured("crnet, few", 100.0, -9.0, num_matrices=10),
        measured("crnet, train", 100.0, -9.0, split="train"),
        measured("crnet, away", 100.0, -9.0, dataset="cost2100_outdoor"),
        measured("klt", 100.0, -9.0, config={}),
    ]
    results.write(tmp_path / "others.json", others, 0)
    path = tmp_path / "rd.json"
    flags = ["--codecs=topk", f"--results={tmp_path / 'others.json'}"]
    assert reproduce(root, path, *flags, "--networks=crnet") == 0
    lines = [p for p in results.read(path)["points"] if "results" in p]
    assert [p["measured_as"] for p in lines] == [
        "crnet, low",
        "crnet, CR 8",
        "crnet, CR 4",
    ]
    assert {p["codec"] for p in lines} == {"crnet, 4 epochs"}
    assert {p["results"] for p in lines} == {"others.json"}
    assert reproduce(root, path, "--codecs=topk") == 0  # Lines stay.
    assert [p for p in results.read(path)["points"] if "results" in p] == lines


def test_results_without_a_network_of_the_source_are_refused(root, tmp_path, capsys):
    results.write(tmp_path / "others.json", [measured("crnet", 1.0, -1.0)], 0)
    flag = f"--results={tmp_path / 'others.json'}"
    assert reproduce(root, tmp_path / "rd.json", flag, "--networks=stnet") == 1
    assert "no point of a trained network on the 20 test" in capsys.readouterr().err
