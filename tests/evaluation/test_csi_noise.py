"""NMSE over the SNR of the CSI that the UE measures, for codecs without a codeword."""

from __future__ import annotations

import numpy as np
import pytest

import tfcsi
from tfcsi import results
from tfcsi.__main__ import main
from tfcsi.channels import cost2100 as simulator
from tfcsi.codecs.topk import TopK
from tfcsi.datasets import cost2100
from tfcsi.evaluation import csi_noise, over_noise


@pytest.fixture(scope="module")
def h():
    return simulator.simulate(60, 3, "indoor")


@pytest.fixture(scope="module")
def paths():
    return tfcsi.load("paths_cost2100_indoor").at_step(2.0**-6)


@pytest.mark.parametrize("known", [None, "known", "estimate"])
def test_little_noise_costs_nothing_and_more_noise_more(paths, h, known):
    h = h[:20]
    points = over_noise.over_snr(paths, h, [100, 30, 15], "csi", 1, known)
    nmse = [point["nmse_db"] for point in points]
    clean = tfcsi.evaluate(paths, h)
    assert nmse[0] == pytest.approx(clean["nmse_db"], abs=0.01)
    assert nmse == sorted(nmse)
    assert [point["snr_db"] for point in points] == [100, 30, 15]


def test_the_nmse_compares_with_the_csi_without_noise(h):
    codec = TopK(h.shape[1:], 8, 6, 10.0)
    (point,) = over_noise.over_snr(codec, h, [5], "csi", 1)
    assert point["nmse_db"] < -4  # Against the noisy CSI it would lose the noise too.
    assert point["noise"] == "csi" and point["bits"] > 0


def test_noise_on_a_codeword_needs_a_codeword(paths, h):
    with pytest.raises(ValueError, match="has no codeword that noise could"):
        over_noise.over_snr(paths, h, [5], "codeword", 1)


@pytest.mark.slow
def test_one_command_puts_all_codecs_beside_each_other(
    h, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(csi_noise, "SNR_DB", (10, 30))
    (tmp_path / "cost2100").mkdir()
    for split, part in zip(cost2100.SPLITS, np.split(h, [48, 54])):
        cost2100.write(
            tmp_path / "cost2100" / cost2100.file_name(split, "indoor"), part
        )
    path = tmp_path / "noise.json"
    words = ["--dataset=cost2100_indoor", f"--data_root={tmp_path}", "--noprogress"]
    words = ["tfcsi", "reproduce", "noise", *words, f"--output={path}"]
    assert main([*words, "--bits=90"]) == 0
    points = results.read(path)["points"]
    names = list(dict.fromkeys(point["codec"] for point in points))
    assert names[:3] == ["klt", "topk", "gaussian_mixture"] and len(names) == 6
    assert [p["snr_db"] for p in points[:2]] == [10, 30]
    assert path.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    assert main([*words, "--codecs=klt"]) != 0
    assert "--codecs changes nothing in the study noise" in capsys.readouterr().err
