"""Dense and convolutional latents at CR 4, 8, 16: a table like CLLWCsiNet's Table III.

    python benchmarks/latent_kinds.py --data_dir=DIR --workdir=runs/latent_kinds \
        --output=results/latent_kinds.json

All rows are trained in the same way: `configs/autoencoder.py` with float codewords,
without noise, with the same epochs, seed and data. Only network, latent and codeword
length differ. A finished run is not trained again, and a stopped run goes on.
"""

import os
import pathlib

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import tensorflow as tf

from tfcsi import results
from tfcsi.codecs.workdir import CODEC_FILE
from tfcsi.commands import flags, program
from tfcsi.datasets import cost2100
from tfcsi.evaluation import measure
from tfcsi.models import complexity
from tfcsi.training import config as configs
from tfcsi.training import run

# Rows of the table: name of a model, and of its latent.
SYSTEMS = ["cllwcsinet:conv", "csinet:conv", "crnet:conv", "acrnet:conv"]
SYSTEMS += ["csinet:dense", "crnet:dense", "acrnet:dense"]


def row_config(name: str, latent: str, ratio: int, epochs: int):
    """Returns the config of a row."""
    config = configs.read(f"autoencoder:{name}", ["quantizer=float", "lmbda=1e-9"])
    config.latent_dim = 2 * config.shape[0] * config.shape[1] // ratio
    config.noise.codeword_snr_db = ()
    config.epochs = epochs
    if "latent" in config.network:
        config.network.latent = latent
    return config


def add_arguments(parser):
    flags.add(
        parser, "data_dir", required=True, help="Folder of the DATA_H*.mat files."
    )
    flags.add(parser, "workdir", required=True, help="Folder of the runs.")
    flags.add_results(parser)
    parser.add_argument(
        "--epochs",
        type=flags.integer(1),
        default=4,
        metavar="N",
        help="Number of epochs of every run.",
    )
    parser.add_argument(
        "--systems",
        type=flags.choices(*SYSTEMS),
        metavar="MODEL:LATENT,...",
        help="Rows of the table; all if not given.",
    )
    parser.add_argument(
        "--ratios",
        type=flags.INTEGERS,
        default=[4, 8, 16],
        metavar="N,...",
        help="Compression ratios of the table.",
    )


def main(args):
    h_train, h_val, h_test = (
        cost2100.load(args.data_dir, "indoor", split, "angular_delay")
        for split in cost2100.SPLITS
    )
    points = []
    for ratio in args.ratios:
        for name, latent in (system.split(":") for system in args.systems or SYSTEMS):
            config = row_config(name, latent, ratio, args.epochs)
            workdir = pathlib.Path(args.workdir, f"{name}_{latent}_cr{ratio}")
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
            results.write(args.output, points, config.seed)
            tf.keras.backend.clear_session()
    print(results.table(points))


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
