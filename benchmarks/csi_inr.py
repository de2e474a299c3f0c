"""CSI-INR, TransNet and CRNet on ray-traced streets: the tables of CSI-INR's paper.

    python benchmarks/csi_inr.py --data_dir=DIR --workdir=runs/csi_inr \
        --output=results/csi_inr [--scenario=munich --lengths=32 --epochs=20]

The program writes three results files, each with a picture:

* OUTPUT_length.json: NMSE over the length of real-valued codewords.
* OUTPUT_bits.json: NMSE over the bits of codewords that were quantised after training,
  and the share of bits that the range coder saves against codes of fixed length.
* OUTPUT_steps.json: NMSE of CSI-INR over the number of gradient steps of the encoder.

All rows use `configs/csi_inr.py` and the same matrices. A finished run is not trained
again, and a stopped run goes on. With --notrain only finished runs are measured.
"""

import os
import pathlib
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf
from absl import app, flags

from tfcsi import datasets, results
from tfcsi.codecs import requantize
from tfcsi.codecs.workdir import CALIBRATION_FILE, CODEC_FILE
from tfcsi.coding.packets import CRC_BITS
from tfcsi.datasets import deepmimo, raytraced
from tfcsi.evaluation import plots
from tfcsi.evaluation.measure import evaluate
from tfcsi.training import config as configs
from tfcsi.training.run import train

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the .npz files.", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Start of the names of the results files; _length.json and so on follow.",
    required=True,
)
_SCENARIO = flags.DEFINE_enum(
    "scenario", "street_canyon", list(raytraced.FILES), "Street that is simulated."
)
_TIMING = flags.DEFINE_enum(
    "timing",
    "strongest",
    deepmimo.TIMINGS,
    "Zero of the delays: absolute, or the strongest echo.",
)
_SYSTEMS = flags.DEFINE_list(
    "systems",
    ["csi_inr", "transnet", "crnet"],
    "Models. NAME uses the space-frequency domain, NAME:angular_delay the other one.",
)
_LENGTHS = flags.DEFINE_list(
    "lengths", ["4", "8", "16", "32", "64"], "Lengths of the codeword."
)
_BITS = flags.DEFINE_list(
    "bits",
    [*map(str, range(2, 11)), "12", "14"],
    "Bits of a codeword entry, before entropy coding.",
)
_STEPS = flags.DEFINE_list(
    "steps", ["1", "2", "3", "5", "8"], "Gradient steps of the encoder."
)
_EPOCHS = flags.DEFINE_integer(
    "epochs", None, "Epochs of every run; by default those of its config."
)
_TRAIN = flags.DEFINE_bool("train", True, "Train the runs that are missing.")


def trained(system: str, latent_dim: int):
    """Returns the codec of a run and some of its training matrices.

    A missing run is trained; with --notrain the function returns None for it.
    """
    name, _, domain = system.partition(":")
    config = configs.read(f"csi_inr:{name}")
    config.domain = domain or config.domain
    config.latent_dim, config.scenario = latent_dim, _SCENARIO.value
    config.source.timing = _TIMING.value
    config.epochs = _EPOCHS.value or config.epochs
    run = f"{_SCENARIO.value}_{_TIMING.value}_{system.replace(':', '_')}_{latent_dim}"
    workdir = pathlib.Path(_WORKDIR.value, run)
    if not (workdir / CODEC_FILE).exists():
        if not _TRAIN.value:
            return None
        h_train, h_val = (matrices(config, split) for split in ("train", "val"))
        train(config, workdir, h_train, h_val, resume=True)
    return tfcsi.load(workdir), np.load(workdir / CALIBRATION_FILE).astype(np.float32)


def matrices(config, split: str):
    """Matrices of a split, in the domain of the config."""
    options = datasets.options_of(config)
    return datasets.read(
        f"raytraced_{config.scenario}", _DATA_DIR.value, split, **options
    )


def row(codec, h_test, name: str):
    """The point of a codec."""
    name = name.replace(":", ", ").replace("_delay", "-delay")
    point = {
        **codec.describe(),
        "codec": name,
        "dataset": f"raytraced_{_SCENARIO.value}",
        "domain": codec.config.domain,
        "timing": _TIMING.value,
        "split": "test",
        "latent_dim": codec.config.latent_dim,
        **evaluate(codec, h_test),
    }
    if "steps" in codec.config.network:
        point["steps"] = codec.config.network.steps
    if bits := codec.facts.get("codeword_bits"):
        fixed = bits * codec.config.latent_dim
        payload = point["bits"] - CRC_BITS
        point["coding_gain"] = 1 - payload / fixed
        # From the code lengths, before a payload is filled up to whole bytes.
        point["coding_gain_estimated"] = 1 - point["bits_estimated"] / fixed
    return point


def measure(system: str, latent_dim: int, tables: dict) -> None:
    """Adds the rows of a run to the tables."""
    run = trained(system, latent_dim)
    if run is None:
        return
    codec, x = run
    h_test = matrices(codec.config, "test")
    tables["length"].append(row(codec, h_test, system))
    print(results.table(tables["length"][-1:]), flush=True)
    for bits in map(int, _BITS.value):
        made = requantize.quantized(codec, x, bits)
        tables["bits"].append(row(made, h_test, f"{system}, n = {latent_dim}"))
    for steps in map(int, _STEPS.value if "steps" in codec.config.network else ()):
        made = requantize.variant(codec, network={"steps": steps})
        made.use(codec.tables)
        tables["steps"].append(row(made, h_test, f"{system}, n = {latent_dim}"))


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    tf.get_logger().setLevel("ERROR")  # Else it warns that many codecs are traced.
    draw = {
        "length": plots.over_length,
        "bits": plots.rate_distortion,
        "steps": plots.over_steps,
    }
    tables = {kind: [] for kind in draw}
    for latent_dim in map(int, _LENGTHS.value):
        for system in _SYSTEMS.value:
            measure(system, latent_dim, tables)
            for kind, points in tables.items():
                if points:
                    seed = points[0]["config"]["seed"]
                    results.write(f"{_OUTPUT.value}_{kind}.json", points, seed)
                    plots.save(draw[kind](points), f"{_OUTPUT.value}_{kind}.png")
            tf.keras.backend.clear_session()
    for points in tables.values():
        print(f"\n{results.table(points)}")


if __name__ == "__main__":
    try:
        app.run(main)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
