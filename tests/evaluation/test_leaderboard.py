"""One table of all codecs and sources."""

from __future__ import annotations

import numpy as np
import pytest

from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.evaluation import leaderboard


def point(codec, bits, nmse_db, **more):
    known = {"codec": codec, "bits": bits, "nmse_db": nmse_db, "dataset": "hall"}
    return {**known, "num_matrices": 50, "split": "test", **more}


KLT = [point("klt", 100.0, -3.0), point("klt", 400.0, -9.0)]


def test_between_two_points_is_what_a_mixture_of_both_reaches():
    (row,) = leaderboard.rows(KLT)
    rng = np.random.default_rng(0)
    fine = rng.permutation(10_000) < 10_000 * (256 - 100) / 300
    nmse = np.where(fine, 10**-0.9, 10**-0.3)
    assert np.where(fine, 400, 100).mean() == 256
    assert row["nmse_db_256"] == pytest.approx(10 * np.log10(nmse.mean()))


def test_a_codec_has_no_value_below_its_fewest_bits_and_keeps_its_best_one():
    (row,) = leaderboard.rows([point("topk", 200.0, -5.0), point("topk", 300.0, -4.0)])
    assert "nmse_db_128" not in row
    assert [row[f"nmse_db_{n}"] for n in (256, 512, 1024)] == pytest.approx([-5.0] * 3)


def test_the_best_codec_of_a_source_comes_first_and_sources_keep_their_order():
    better = [point("best", p["bits"] / 2, p["nmse_db"]) for p in KLT]
    worse = [point("worst", p["bits"] * 2, p["nmse_db"]) for p in KLT]
    other = [point("klt", 100.0, -3.0, dataset="attic")]
    noisy = [point("noisy", 100.0, -3.0, snr_db=3.0)]
    alone = [point("alone", 90.0, -3.0)]
    rows = leaderboard.rows([*worse, *alone, *KLT, *other, *better, *noisy])
    names = [(row["dataset"], row["codec"]) for row in rows]
    hall = [("hall", name) for name in ("best", "klt", "worst", "alone")]
    assert names == [*hall, ("attic", "klt")]
    rates = [row.get("bd_rate") for row in rows]
    assert rates[:2] == [pytest.approx(-0.5), None] and rates[2] == pytest.approx(1.0)


def test_a_codec_of_fewer_matrices_or_without_bits_is_refused(tmp_path, capsys):
    path = tmp_path / "points.json"
    for wrong, message in (
        (point("few", 100.0, -3.0, num_matrices=5), "few was measured on 5 matrices"),
        ({"codec": "x", "dataset": "hall", "nmse_db": 0.0}, "needs the field bits"),
    ):
        path.unlink(missing_ok=True)
        results.write(path, [*KLT, wrong], 0)
        assert main(["tfcsi", "table", str(path), "--leaderboard"]) == 1
        assert message in capsys.readouterr().err
    assert main(["tfcsi", "table", str(path), "--leaderboard", "--columns=bits"]) == 2


def test_the_leaderboard_is_put_into_a_page_with_its_command(tmp_path, capsys):
    path, page = tmp_path / "points.json", tmp_path / "page.md"
    results.write(path, KLT, 0)
    page.write_text(f"<!-- table: {path} -->\n<!-- end -->\n")
    words = [str(path), "--leaderboard", f"--output={page}"]
    assert main(["tfcsi", "table", *words]) == 0
    text = page.read_text()
    assert f"<!-- table: {path} --leaderboard -->" in text
    assert "| hall   | klt   |" in text and "256 bits [dB]" in text
