"""UE encoders in floats and integers: a table like CLLWCsiNet's Table V.

    python benchmarks/phone.py --data_dir=DIR --workdir=runs/phone \
        --output=results/phone.json [--epochs=2 --tune_epochs=1]

Every pair is trained with the rate in the loss (uniform steps, a learned density, one
lmbda), then its encoder is converted after training, and fine-tuned with fake
quantisation and converted; the base station's decoder stays float. BACRNet's dense
layer has 1-bit weights. All numbers are of the whole test set and of written packets
that the TFLite encoder made. What is there is not computed again, and a training that
was stopped goes on.
"""

import os
import pathlib
import runpy
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf
from absl import app, flags

from tfcsi import files, lite, qat, results, training
from tfcsi.codec import CALIBRATION_FILE, CODEC_FILE
from tfcsi.datasets import cost2100

CONFIGS = pathlib.Path(__file__).parents[1] / "configs"
# Name in the table: config, what of it is changed, precisions, fine-tuned or not.
CONVERTED = ("float32", "dynamic", "int8", "int8_full")
SYSTEMS = {
    "acrnet-1x": ("family.py:acrnet", {"network.expansion": 1}, CONVERTED, True),
    "acrnet-10x": ("family.py:acrnet", {"network.expansion": 10}, CONVERTED, True),
    "bacrnet-1x": ("family.py:bacrnet", {"network.expansion": 1}, ("float32",), False),
    "bacrnet-10x": (
        "family.py:bacrnet",
        {"network.expansion": 10},
        ("float32",),
        False,
    ),
    "cllwcsinet": (
        "family.py:cllwcsinet",
        {"noise.codeword_snr_db": ()},
        CONVERTED,
        True,
    ),
    "stqenet": ("stqenet_indoor.py", {"batch_size": 50}, CONVERTED, True),
}

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the DATA_H*.mat files.", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Results file.", required=True)
_EPOCHS = flags.DEFINE_integer("epochs", 2, "Of every training.")
_TUNE_EPOCHS = flags.DEFINE_integer("tune_epochs", 1, "Of every fine-tuning.")
_LMBDA = flags.DEFINE_float("lmbda", 1.5e-4, "Weight of the rate in every loss.")
_SYSTEMS = flags.DEFINE_list("systems", list(SYSTEMS), "Rows.")
_RATIOS = flags.DEFINE_list("ratios", ["4", "8", "16"], "Compression ratios.")
_SCENARIOS = flags.DEFINE_list("scenarios", list(cost2100.SCENARIOS), "Data.")


def run_config(name: str, scenario: str, ratio: int):
    """Config of a row's training."""
    source, changes, _, _ = SYSTEMS[name]
    file, *model = source.split(":")
    config = runpy.run_path(str(CONFIGS / file))["get_config"](*model)
    config.scenario = scenario
    config.latent_dim = 2 * config.shape[0] * config.shape[1] // ratio
    config.quantizer, config.prior, config.lmbda = "uniform", "factorized", _LMBDA.value
    config.epochs = _EPOCHS.value
    config.update_from_flattened_dict(changes)
    return config


def exported(codec, workdir: pathlib.Path, precision: str) -> bytes:
    """The encoder of a run in a precision, converted once."""
    path = workdir / lite.file_name(precision)
    if not path.exists():
        x = np.load(workdir / CALIBRATION_FILE).astype(np.float32)
        files.write_bytes(path, lite.export(codec, precision, x))
    return path.read_bytes()


def measured(workdir: pathlib.Path, precisions, h_test: np.ndarray) -> list[dict]:
    """Points of a run on the test set, Keras first; measured once."""
    path = workdir / "phone.json"
    if not path.exists():
        codec = tfcsi.load(workdir)
        encoders = {name: exported(codec, workdir, name) for name in precisions}
        points = lite.compare(codec, encoders, h_test)
        points = [{**codec.describe(), **point} for point in points]
        results.write(path, points, codec.config.seed)
    return results.read(path)["points"]


def row(name: str, scenario: str, ratio: int) -> list[dict]:
    """Points of one system at one compression ratio on one scenario."""
    h_train, h_val, h_test = (
        cost2100.load(_DATA_DIR.value, split, scenario) for split in cost2100.SPLITS
    )
    workdir = pathlib.Path(_WORKDIR.value, f"{name}_{scenario}_cr{ratio}")
    config, precisions = run_config(name, scenario, ratio), SYSTEMS[name][2]
    if not (workdir / CODEC_FILE).exists():
        training.train(config, workdir, h_train, h_val, resume=True)
    reference, *found = measured(workdir, precisions, h_test)
    labels = ["1 bit"] if "bacrnet" in name else list(precisions)
    if SYSTEMS[name][3]:
        tuned = workdir.with_name(f"{workdir.name}_qat")
        if not (tuned / CODEC_FILE).exists():
            tuning = runpy.run_path(str(CONFIGS / "qat.py"))["get_config"]()
            tuning.epochs = _TUNE_EPOCHS.value
            source = tfcsi.load(workdir)
            qat.finetune(source, tuning, tuned, h_train, h_val, resume=True)
        found += measured(tuned, ("int8_full",), h_test)[1:]
        labels.append("QAT int8_full")
    for label, point in zip(labels, found):
        point.update(
            codec=f"{name}, {scenario}, CR {ratio}, {label}",
            dataset=f"cost2100_{scenario}",
            split="test",
            params=reference["ue_params"] + reference["bs_params"],
            ue_params=reference["ue_params"],
            nmse_loss_db=point["nmse_db"] - reference["nmse_db"],
        )
    return found


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    unknown = set(_SYSTEMS.value) - set(SYSTEMS)
    if unknown:
        raise app.UsageError(
            f"--systems has {', '.join(sorted(unknown))}; known are "
            f"{', '.join(SYSTEMS)}"
        )
    points = []
    for scenario in _SCENARIOS.value:
        for ratio in map(int, _RATIOS.value):
            for name in _SYSTEMS.value:
                found = row(name, scenario, ratio)
                points += found
                print(results.table(found), flush=True)
                results.write(_OUTPUT.value, points, run_config(name, scenario, 4).seed)
                tf.keras.backend.clear_session()
    print(results.table(points))


if __name__ == "__main__":
    try:
        app.run(main)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
