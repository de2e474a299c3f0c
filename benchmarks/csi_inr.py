"""CSI-INR, TransNet and CRNet on ray-traced streets: the tables of CSI-INR's paper.

    python benchmarks/csi_inr.py --data_dir=DIR --workdir=runs/csi_inr \
        --output=results/csi_inr --scenario=street_canyon

The program writes three results files, each with a picture. OUTPUT_length.json has the
NMSE over the length of real-valued codewords.

OUTPUT_bits.json has the NMSE over the bits of codewords that were quantised after
training, and the share of bits that the range coder saves against codes of fixed
length.

OUTPUT_steps.json has the NMSE of CSI-INR over the number of gradient steps of the
encoder.

All rows use `configs/csi_inr.py` and the same matrices. A finished run is not trained
again, and a stopped run goes on. With --notrain only finished runs are measured.
"""

import os
import pathlib

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf

from tfcsi import datasets, models, results, transforms
from tfcsi.codecs import requantize
from tfcsi.codecs.workdir import CALIBRATION_FILE, CODEC_FILE
from tfcsi.coding.packets import CRC_BITS
from tfcsi.commands import flags, program
from tfcsi.commands.parser import Switch, UsageError
from tfcsi.datasets import deepmimo, raytraced
from tfcsi.evaluation import plots
from tfcsi.evaluation.measure import evaluate
from tfcsi.training import config as configs
from tfcsi.training.run import train


def trained(args, system: str, latent_dim: int):
    """Returns the codec of a run and some of its training matrices.

    A missing run is trained; with --notrain the function returns None for it.
    """
    name, _, domain = system.partition(":")
    config = configs.read(f"csi_inr:{name}", ["quantizer=float", "lmbda=1e-9"])
    config.domain = domain or config.domain
    config.latent_dim, config.scenario = latent_dim, args.scenario
    config.source.timing = args.timing
    config.epochs = args.epochs or config.epochs
    run = f"{args.scenario}_{args.timing}_{system.replace(':', '_')}_{latent_dim}"
    workdir = pathlib.Path(args.workdir, run)
    if not (workdir / CODEC_FILE).exists():
        if not args.train:
            return None
        h_train, h_val = (
            matrices(config, args.data_dir, split) for split in ("train", "val")
        )
        train(config, workdir, h_train, h_val, resume=True)
    return tfcsi.load(workdir), np.load(workdir / CALIBRATION_FILE).astype(np.float32)


def matrices(config, data_dir: str, split: str):
    """Matrices of a split, in the domain of the config."""
    options = datasets.options_of(config)
    return datasets.read(f"raytraced_{config.scenario}", data_dir, split, **options)


def row(codec, h_test, name: str):
    """The point of a codec."""
    name = name.replace(":", ", ").replace("_delay", "-delay")
    point = {
        **codec.describe(),
        "codec": name,
        "dataset": f"raytraced_{codec.config.scenario}",
        "domain": codec.config.domain,
        "timing": codec.config.source.timing,
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


def measure(args, system: str, latent_dim: int, tables: dict) -> None:
    """Adds the rows of a run to the tables."""
    run = trained(args, system, latent_dim)
    if run is None:
        return
    codec, x = run
    h_test = matrices(codec.config, args.data_dir, "test")
    tables["length"].append(row(codec, h_test, system))
    print(results.table(tables["length"][-1:]), flush=True)
    for bits in args.bits:
        made = requantize.quantized(codec, x, bits)
        tables["bits"].append(row(made, h_test, f"{system}, n = {latent_dim}"))
    for steps in args.steps if "steps" in codec.config.network else ():
        made = requantize.variant(codec, network={"steps": steps})
        made.use(codec.tables)
        tables["steps"].append(row(made, h_test, f"{system}, n = {latent_dim}"))


def add_arguments(parser):
    flags.add(parser, "data_dir", required=True, help="Folder of the .npz files.")
    flags.add(parser, "workdir", required=True, help="Folder of the runs.")
    flags.add(
        parser,
        "output",
        required=True,
        metavar="START",
        help="Start of the names of the results files; _length.json and so on follow.",
    )
    parser.add_argument(
        "--scenario",
        type=flags.choice(*raytraced.FILES),
        default="street_canyon",
        metavar="NAME",
        help="Street that is simulated.",
    )
    parser.add_argument(
        "--timing",
        type=flags.choice(*deepmimo.TIMINGS),
        default="strongest",
        metavar="NAME",
        help="Zero of the delays: absolute, or the strongest echo.",
    )
    parser.add_argument(
        "--systems",
        type=flags.NAMES,
        default=["csi_inr", "transnet", "crnet"],
        metavar="NAME,...",
        help="Models. NAME uses the space-frequency domain, NAME:angular_delay the "
        "other one.",
    )
    parser.add_argument(
        "--lengths",
        type=flags.INTEGERS,
        default=[4, 8, 16, 32, 64],
        metavar="N,...",
        help="Lengths of the codeword.",
    )
    parser.add_argument(
        "--bits",
        type=flags.INTEGERS,
        default=[*range(2, 11), 12, 14],
        metavar="N,...",
        help="Bits of a codeword entry, before entropy coding.",
    )
    parser.add_argument(
        "--steps",
        type=flags.INTEGERS,
        default=[1, 2, 3, 5, 8],
        metavar="N,...",
        help="Gradient steps of the encoder.",
    )
    parser.add_argument(
        "--epochs",
        type=flags.integer(1),
        metavar="N",
        help="Number of epochs of every run; that of its config if not given.",
    )
    parser.add_argument(
        "--train",
        action=Switch,
        default=True,
        help="Train the runs that are missing.",
    )


def main(args):
    for system in args.systems:
        name, _, domain = system.partition(":")
        if name not in models.MODELS or domain not in ("", *transforms.DOMAINS):
            raise UsageError(
                f"--systems has {system}; give names of models, or NAME:angular_delay"
            )
    draw = {
        "length": plots.over_length,
        "bits": plots.rate_distortion,
        "steps": plots.over_steps,
    }
    tables = {kind: [] for kind in draw}
    for latent_dim in args.lengths:
        for system in args.systems:
            measure(args, system, latent_dim, tables)
            for kind, points in tables.items():
                if points:
                    seed = points[0]["config"]["seed"]
                    results.write(f"{args.output}_{kind}.json", points, seed)
                    plots.save(draw[kind](points), f"{args.output}_{kind}.png")
            tf.keras.backend.clear_session()
    if not tables["length"]:
        raise ValueError(
            f"nothing is measured: {args.workdir} holds none of these runs; leave out "
            f"--notrain to train them"
        )
    for points in tables.values():
        print(f"\n{results.table(points)}")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
