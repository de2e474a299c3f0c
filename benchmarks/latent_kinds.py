"""Dense and convolutional latents at CR 4, 8, 16: a table like CLLWCsiNet's Table III.

    python benchmarks/latent_kinds.py --data_dir=DIR --workdir=runs/latent_kinds \
        --output=results/latent_kinds.json [--epochs=4]

All rows are trained in the same way: `configs/autoencoder.py` with float codewords,
without noise, with the same epochs, seed and data. Only network, latent and codeword
length differ. A finished run is not trained again, and a stopped run goes on.
"""

import os
import pathlib
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import tensorflow as tf
from absl import app, flags

from tfcsi import results
from tfcsi.codecs.workdir import CODEC_FILE
from tfcsi.datasets import cost2100
from tfcsi.evaluation import measure
from tfcsi.models import complexity
from tfcsi.training import config as configs
from tfcsi.training import run

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the DATA_H*.mat files.", required=True
)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the runs.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Results file.", required=True)
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Epochs of every run.")
_SYSTEMS = flags.DEFINE_list(
    "systems",
    ["cllwcsinet:conv", "csinet:conv", "crnet:conv", "acrnet:conv"]
    + ["csinet:dense", "crnet:dense", "acrnet:dense"],
    "Rows of the table, MODEL:LATENT.",
)
_RATIOS = flags.DEFINE_list("ratios", ["4", "8", "16"], "Compression ratios.")


def row_config(name: str, latent: str, ratio: int):
    """Returns the config of a row."""
    config = configs.read(f"autoencoder:{name}")
    config.latent_dim = 2 * config.shape[0] * config.shape[1] // ratio
    config.noise.codeword_snr_db = ()
    config.epochs = _EPOCHS.value
    if "latent" in config.network:
        config.network.latent = latent
    return config


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    h_train, h_val, h_test = (
        cost2100.load(_DATA_DIR.value, "indoor", split, "angular_delay")
        for split in cost2100.SPLITS
    )
    points = []
    for ratio in map(int, _RATIOS.value):
        for name, latent in (system.split(":") for system in _SYSTEMS.value):
            config = row_config(name, latent, ratio)
            workdir = pathlib.Path(_WORKDIR.value, f"{name}_{latent}_cr{ratio}")
            if not (workdir / CODEC_FILE).exists():
                run.train(config, workdir, h_train, h_val, resume=True)
            codec = tfcsi.load(workdir)
            ue, bs = complexity.count(codec.encoder), complexity.count(codec.decoder)
            points.append(
                {
                    **codec.describe(),
                    "codec": f"{name}, {latent} latent, CR {ratio}",
                    "dataset": "cost2100_indoor",
                    "split": "test",
                    "params": ue["params"] + bs["params"],
                    "ue_params": ue["params"],
                    "ue_macs": ue["macs"],
                    "macs": ue["macs"] + bs["macs"],
                    "epochs": config.epochs,
                    **measure.evaluate(codec, h_test),
                }
            )
            print(results.table(points[-1:]), flush=True)
            results.write(_OUTPUT.value, points, config.seed)
            tf.keras.backend.clear_session()
    print(results.table(points))


if __name__ == "__main__":
    try:
        app.run(main)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
