"""Makes a run of weights that were trained elsewhere.

    tfcsi import --model=crnet --latent_dim=128 --weights=FILE --workdir=runs/crnet

FILE is of PyTorch (.pth, .pth.tar), of Keras (.h5) or of NumPy (.npz). Its weights have
the names of the released code of the model. Nothing in the file is executed. The run
then evaluates, quantises, exports and compresses like any other.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import TYPE_CHECKING

from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError

if TYPE_CHECKING:
    import ml_collections
    import numpy as np

NUM_CALIBRATION = 4000  # Matrices that the run keeps.


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "--model",
        type=flags.TEXT,
        required=True,
        metavar="NAME",
        help="Name of the model, such as crnet.",
    )
    parser.add_argument(
        "--latent_dim",
        type=flags.integer(1),
        required=True,
        metavar="N",
        help="Length of the codeword: 512 for compression ratio 4 on 32 x 32, 256 for "
        "8, 128 for 16, 64 for 32, 32 for 64.",
    )
    parser.add_argument(
        "--weights",
        type=flags.FILES,
        required=True,
        metavar="FILE,...",
        help="File of the weights; or two, of the encoder and of the decoder.",
    )
    flags.add(parser, "workdir", required=True)
    parser.add_argument(
        "--shape",
        type=flags.SHAPE,
        default=(32, 32),
        metavar="NUM_TX,NUM_DELAY",
        help="Shape of a CSI matrix.",
    )
    parser.add_argument(
        "--network",
        type=flags.ARGUMENTS,
        default={},
        metavar="KEY=VALUE,...",
        help="Options of the network that the weights do not tell, such as "
        "num_heads=4. docs/models.md lists them.",
    )
    parser.add_argument(
        "--scenario",
        type=flags.TEXT,
        default="indoor",
        metavar="NAME",
        help="Scenario of COST 2100 that the weights were trained for, indoor or "
        "outdoor; or a whole source, such as quadriga_28ghz.",
    )
    flags.add(
        parser,
        "data_dir",
        help="Folder of the files of the data set. The run keeps training matrices of "
        "it, by which codewords and integer encoders are quantised. Without it these "
        "matrices are simulated, for COST 2100.",
    )


def run(args: argparse.Namespace) -> None:
    """Writes the run."""
    from tfcsi.codecs import workdir

    workdir.check_free(args.workdir)
    from tfcsi import files, results, transforms
    from tfcsi.codecs import published
    from tfcsi.weights import reading

    config = _config(args)
    place = published.name_of(args.weights)
    held = reading.read_all(args.weights)
    codec = published.codec_of(config, held, place, args.network)
    h = _matrices(config, args)
    transforms.check_csi(h, config.shape, any_scale=False)
    workdir.save_calibration(args.workdir, transforms.to_real(h))
    facts = {
        "command": results.command_line(sys.argv),
        "versions": results.versions(),
    }
    files.write_json(pathlib.Path(args.workdir) / workdir.RUN_FILE, facts)
    codec.save(args.workdir)  # Last, so that a run is whole or none.
    options = ", ".join(f"{k}={v}" for k, v in sorted(config.network.items()))
    print(f"{args.workdir}: {codec.name} of {codec.facts[published.FACT]}; {options}")


def _config(args: argparse.Namespace) -> ml_collections.ConfigDict:
    """The config of the run, without the options of the network."""
    from tfcsi import datasets
    from tfcsi.codecs.workdir import KINDS
    from tfcsi.training import config as configs

    if args.model in KINDS:
        raise UsageError(f"--model={args.model}; this codec has no network")
    dataset, scenario = "cost2100", args.scenario
    if "_" in scenario:
        dataset, scenario = datasets.parts(scenario)
    try:
        config = configs.defaults(args.model, dataset, rate=False)
    except configs.ConfigError as error:
        raise UsageError(f"--model={args.model}: {error}") from error
    config.update(scenario=scenario, shape=args.shape, latent_dim=args.latent_dim)
    return config


def _matrices(
    config: ml_collections.ConfigDict, args: argparse.Namespace
) -> np.ndarray:
    """Matrices like those of the training."""
    from tfcsi import channels, datasets

    if args.data_dir:
        name = datasets.source_of(config)
        options = datasets.options_of(config, name)
        h = datasets.read(name, args.data_dir, "train", **options)
        return h[:NUM_CALIBRATION]
    if config.dataset != "cost2100":
        raise UsageError(
            f"--scenario={args.scenario} cannot be simulated: give the folder of its "
            f"files, --data_dir=DIR"
        )
    num_tx, num_delay = config.shape
    setup = {"num_tx": num_tx, "num_delay": num_delay}
    simulate = channels.get("cost2100").simulate
    return simulate(NUM_CALIBRATION, config.seed, config.scenario, **setup)
