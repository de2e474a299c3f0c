"""Kinds of bytes that need TensorFlow: runs of networks, TFRecord and TFLite files."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable

from tests.conftest import correlated_csi
from tests.hostile.kinds import RUNS, SHAPE, InFile, Kind, matrices, workdir_kinds
from tfcsi.__main__ import main
from tfcsi.codecs.workdir import save_calibration
from tfcsi.datasets import tfrecord
from tfcsi.transforms import to_real
from tfcsi.ue import Ue

OF_RUNS = ("csinet", "csi_inr_4bit")


def make(folder: pathlib.Path) -> dict[str, Kind]:
    """Returns each of these kinds by its name; examples are written below a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for run in OF_RUNS:
        shutil.copytree(RUNS / run, folder / run)
    kinds = workdir_kinds(folder, dict.fromkeys(OF_RUNS))
    tfrecord.write(folder / "h.tfrecord", correlated_csi(3, SHAPE))
    content = (folder / "h.tfrecord").read_bytes()
    prepare = InFile("h.tfrecord", matrices)
    kinds.append(Kind("tfrecord", (content,), prepare, "h.tfrecord", "tfrecord"))
    return {kind.name: kind for kind in [*kinds, _encoder(folder / OF_RUNS[0])]}


def _encoder(run: pathlib.Path) -> Kind:
    """The encoder of a phone, whose tables have its digest."""
    save_calibration(run, to_real(correlated_csi(50, SHAPE)))
    assert main(["tfcsi", "export", f"--workdir={run}", "--precision=float32"]) == 0
    name = "encoder_float32.tflite"

    def prepare(content: bytes, folder: pathlib.Path) -> Callable[[], object]:
        shutil.copy(run / "tables.npz", folder)
        return InFile(name, lambda path: Ue(path, folder / "tables.npz"))(
            content, folder
        )

    return Kind("tflite", ((run / name).read_bytes(),), prepare, name)
