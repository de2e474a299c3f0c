"""The main job, small: every part of what `make demo` gives is there."""

import importlib.util
import pathlib

import numpy as np
import pytest

from tfcsi import metrics, results
from tfcsi.__main__ import main
from tfcsi.coding.packet_file import read_file
from tfcsi.commands import demo
from tfcsi.tflite import exports

CONFIG = pathlib.Path(__file__).parents[2] / "configs" / "demo.py"


def small_config():
    spec = importlib.util.spec_from_file_location("demo_config", CONFIG)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    config.update(epochs=1, latent_dim=32, batch_size=50, prior_warmup_steps=30)
    config.update(num_train=300, num_val=60, num_test=60)
    return config


@pytest.mark.slow
@pytest.mark.tflite
def test_the_demo_trains_sends_exports_compares_and_reports(tmp_path, capsys):
    workdir = tmp_path / "demo"
    demo.show(small_config(), workdir)
    points = results.read(workdir / "results.json")["points"]
    names = [point["codec"] for point in points]
    assert names == ["stqenet, Keras"] + [
        f"stqenet, TFLite {precision}" for precision in demo.PRECISIONS
    ] + ["klt", "topk", "paths"]
    _, packets = read_file(workdir / "packets.tcsi")
    assert points[0]["bits"] == metrics.bits_per_csi(packets)
    assert np.load(workdir / "h_hat.npy").shape == (60, 32, 32)
    _, packets = read_file(workdir / "paths" / "packets.tcsi")
    assert points[-1]["bits"] == metrics.bits_per_csi(packets)
    assert points[-1]["bits"] < 1.3 * points[0]["bits"]
    assert points[-1]["nmse_db"] < min(p["nmse_db"] for p in points[:-1])
    assert all(np.isfinite(point["nmse_db"]) for point in points)
    for point in points[1:5]:
        assert (
            workdir / exports.file_name(point["codec"].split()[-1])
        ).stat().st_size == (point["ue_bytes"])
    report = (workdir / "report.html").read_text()
    for heading in ("This run", "Training", "Rate and distortion", "Paths"):
        assert f"<h2>{heading}</h2>" in report
    assert "stqenet, TFLite int8" in report and "klt" in report
    shown = capsys.readouterr().out
    assert "NMSE [dB]" in shown and "SGCS" in shown and "bits/CSI" in shown
    demo.clear(workdir)  # Knows every file that the demo wrote.
    assert [path.name for path in workdir.iterdir()] == [demo.MARK]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["config.json", "codec.npz"], f"no {demo.MARK} of an earlier demo"),
        (
            ["config.json", demo.MARK, "thesis.tex"],
            "holds thesis.tex, which is no file",
        ),
    ],
)
def test_a_demo_deletes_nothing_but_an_earlier_demo(names, words, tmp_path, capsys):
    for name in names:
        (tmp_path / name).write_text("mine")
    assert main(["tfcsi", "demo", f"--workdir={tmp_path}"]) == 1
    assert words in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert all((tmp_path / name).read_text() == "mine" for name in names)


def test_a_decoder_that_fails_in_its_process_is_reported(tmp_path, codec, h):
    with pytest.raises(RuntimeError, match="has no config.json"):
        demo.send(codec, tmp_path, h[:2])
