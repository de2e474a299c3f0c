"""Trains on some sources and tests on others.

    tfcsi transfer --config=autoencoder:crnet --data_root=DIR --workdir=runs/transfer \
        --train_on=cost2100_indoor --test_on=cost2100_indoor,quadriga_28ghz \
        --output=results/transfer.json

A decoder is tuned on a few training matrices of the test source. The encoder, the
quantiser and the tables stay as they are. The workdir gets a folder for the run of each
source; finished runs are not trained again. A codec without a network, such as
--config=classical:klt, is tested as it was fitted.
"""

from __future__ import annotations

import argparse

from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError
from tfcsi.commands.publish import check_output, publish

# Defaults of --tune_NAME.
TUNING = {"epochs": 50, "batch_size": 20, "learning_rate": 1e-3, "augment": "phase"}


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_config(parser, required=True)
    flags.add(parser, "data_root", required=True)
    flags.add(parser, "workdir", required=True, help="Folder of the runs.")
    parser.add_argument(
        "--train_on",
        type=flags.NAMES,
        required=True,
        metavar="NAME,...",
        help="Sources to train on, such as quadriga_28ghz.",
    )
    parser.add_argument(
        "--test_on",
        type=flags.NAMES,
        required=True,
        metavar="NAME,...",
        help="Sources to test on.",
    )
    flags.add(
        parser,
        "output",
        type=flags.RESULTS,
        required=True,
        help="Results file to write (.json); its picture gets the same name.",
    )
    parser.add_argument(
        "--options",
        type=flags.OPTIONS,
        action="append",
        default=[],
        metavar="NAME:KEY=VALUE,...",
        help="Options of one source, such as deepmimo_O1_3p5:bs=3, for training and "
        "test; they override --config.source. Give the flag once for each source.",
    )
    parser.add_argument(
        "--shots",
        type=flags.integer(0),
        metavar="N",
        help="Number of training matrices of a test source that decoders are tuned on; "
        "0 tunes none. If not given, it is 100, and 0 for a codec without a network.",
    )
    parser.add_argument(
        "--limit",
        type=flags.integer(1),
        metavar="N",
        help="Number of test matrices of each source; all if not given.",
    )
    parser.add_argument(
        "--tune_epochs",
        type=flags.integer(1),
        metavar="N",
        help="Number of epochs of the tuning; 50 if not given.",
    )
    parser.add_argument(
        "--tune_batch_size",
        type=flags.integer(1),
        metavar="N",
        help="Number of matrices in a step of the tuning; 20 if not given.",
    )
    parser.add_argument(
        "--tune_learning_rate",
        type=flags.number(0),
        metavar="RATE",
        help="Learning rate of the tuning (Adam); 1e-3 if not given.",
    )
    parser.add_argument(
        "--tune_augment",
        type=flags.choice("none", "phase", "phase_flip"),
        metavar="NAME",
        help="Augmentation in the tuning: none, phase or phase_flip; phase if not "
        "given.",
    )
    parser.continues = True


def run(args: argparse.Namespace) -> None:
    """Writes the results file and its picture."""
    config = flags.config_of(args)
    idle = ("data", "simulator")
    flags.refuse_idle(args, idle, "transfer reads files")
    named = "--train_on and --test_on name the sources"
    flags.refuse_idle(args, ("dataset", "scenario"), named)
    from tfcsi.codecs.workdir import KINDS

    if args.shots is None:
        args.shots = 0 if config.model in KINDS else 100
    tuning = {k: getattr(args, f"tune_{k}") for k in TUNING}
    if not args.shots and (
        set_flags := [k for k, v in tuning.items() if v is not None]
    ):
        raise UsageError(
            f"--tune_{set_flags[0]} is given, but with --shots=0 nothing is tuned"
        )
    tuning = {k: TUNING[k] if v is None else v for k, v in tuning.items()}
    options = dict(args.options)
    if len(options) < len(args.options):
        raise UsageError("--options names a source twice; give all its options at once")
    check_output(args.output)
    from tfcsi.evaluation import plots
    from tfcsi.evaluation import transfer as work

    points = work.transfer(
        config,
        args.data_root,
        args.workdir,
        args.train_on,
        args.test_on,
        args.shots,
        args.limit,
        options,
        **tuning,
    )
    publish(args.output, points, config.seed, plots.transfer)
