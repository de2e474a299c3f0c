"""Fine-tunes a finished run for an integer encoder, or for a rate.

    tfcsi finetune --workdir=runs/a --data_dir=DIR --config.qat.weight_bits=4

The training of encoder and decoder continues with fake quantisation of the encoder. The
encoder then loses little when `tfcsi export` converts it to integers. With
--config=bottleneck a run of float codewords gets a quantiser and a prior, and continues
with the rate in the loss:

    tfcsi finetune --config=bottleneck --workdir=runs/b --data_dir=DIR
"""

from __future__ import annotations

import argparse

from tfcsi.commands import flags
from tfcsi.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(parser)
    flags.add(parser, "data_dir", required=True)
    flags.add(
        parser,
        "output",
        type=flags.FOLDER,
        metavar="DIR",
        help="Folder of the fine-tuned run; that of the float run with _qat, or _tuned "
        "without fake quantisation, at the end if not given.",
    )
    flags.add_config(
        parser,
        default="qat",
        help="Name of a config for fine-tuning, such as qat, or a config file. It has "
        "only the fields that it changes.",
    )
    flags.add(
        parser,
        "resume",
        help="Continue the run in the output; start one if there is none.",
    )
    flags.add(parser, "progress")


def run(args: argparse.Namespace) -> None:
    """Fine-tunes the run on the data it was trained on."""
    tuning = flags.config_of(args, tuning=True)
    idle = ("source", "simulator")
    flags.refuse_idle(args, idle, "a fine-tuning is on the data of the run")
    from tfcsi import datasets
    from tfcsi.codecs import neural, zoo
    from tfcsi.codecs.workdir import check_free, commands_of
    from tfcsi.training import finetune_bottleneck, finetune_qat

    with_qat = bool(tuning.get("qat"))
    ending = "qat" if with_qat else "tuned"
    output = args.output or f"{args.workdir.rstrip('/')}_{ending}"
    check_free(output, args.resume)
    source = neural.load(zoo.folder_of(args.workdir))
    source.facts["commands_before"] = commands_of(args.workdir, source.facts)
    name = datasets.source_of(source.config)
    options = datasets.options_of(source.config, name)
    h_train, h_val = (
        datasets.take(
            datasets.read(name, args.data_dir, split, **options),
            tuning.get(f"num_{split}"),
            name,
            split,
        )
        for split in ("train", "val")
    )
    finetune = finetune_qat.finetune if with_qat else finetune_bottleneck.finetune
    finetune(source, tuning, output, h_train, h_val, args.resume, args.progress)
