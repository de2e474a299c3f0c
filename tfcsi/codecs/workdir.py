"""The folder of a run: which files a codec has there, and how they are read."""

from __future__ import annotations

import json
import os
import pathlib

import ml_collections

from tfcsi import files

CONFIG_FILE, CODEC_FILE = "config.json", "codec.npz"
CALIBRATION_FILE = "calibration.npy"


def save_config(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """Writes config.json to a workdir."""
    text = json.dumps(config.to_dict(), indent=2, sort_keys=True) + "\n"
    files.write_text(workdir / CONFIG_FILE, text)


def load_config(workdir: str | os.PathLike) -> ml_collections.ConfigDict:
    """Reads config.json of a workdir; its errors name the file."""
    path = pathlib.Path(workdir) / CONFIG_FILE
    if not path.exists():
        raise FileNotFoundError(f"{workdir} is not a workdir: it has no {CONFIG_FILE}")
    try:
        return ml_collections.ConfigDict(json.loads(path.read_text()))
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
