"""Trains a codec on files of a data set, or on simulated channels.

    tfcsi train --config=stqenet_indoor --data_dir=DIR --workdir=runs/a

The config names data set and scenario; --data_dir is the folder of its files. With
--channel each epoch trains on fresh channels of a simulator, and no files are needed.
With --data_root and --sources one codec is trained on several sources together. A
training that was stopped continues with --resume. A codec without a network, such as
--config=classical:klt, is fitted in seconds.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tfcsi.codecs.workdir import CLASSICAL_FIELDS
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, Switch, UsageError

if TYPE_CHECKING:
    import ml_collections
    import numpy as np


# Fields of a config that count for a codec without a network.
OF_ANY_CODEC = (*CLASSICAL_FIELDS, "data", "simulator", "num_train", "num_val")


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    add_run(parser)
    flags.add(parser, "data_dir", "channel")
    add_sources(parser)


def add_run(parser: Parser) -> None:
    """Adds the flags of a run: what is trained, and the folder of the run."""
    flags.add_config(parser, required=True)
    flags.add(parser, "workdir", required=True)
    flags.add(parser, "resume", "progress", "dry_run")
    parser.add_argument(
        "--tensorboard",
        action=Switch,
        help="Write curves, histograms of the codeword and of its symbols, and images "
        "of true and decoded CSI to the folder tensorboard of the run.",
    )
    parser.add_argument(
        "--strategy",
        type=flags.choice("mirrored", "multiworker"),
        metavar="NAME",
        help="Several devices share each batch: mirrored for all GPUs of this machine, "
        "multiworker for the machines that the variable TF_CONFIG names. Each machine "
        "runs the same command; the first one writes the folder of the run.",
    )


def add_sources(parser: Parser, **keywords: Any) -> None:
    """Adds the flags of a training on several sources."""
    flags.add(parser, "data_root", **keywords)
    parser.add_argument(
        "--sources",
        type=flags.NAMES,
        metavar="NAME,...",
        help="Sources to train on together, such as cost2100_indoor,quadriga_28ghz.",
        **keywords,
    )


def run(args: argparse.Namespace) -> None:
    """Trains on what the flags name."""
    names = [n for n in ("data_dir", "channel", "data_root") if getattr(args, n)]
    if len(names) > 1:
        listed = " and ".join(f"--{name}" for name in names)
        raise UsageError(f"{listed} were given; give one of them")
    if bool(args.data_root) != bool(args.sources):
        raise UsageError("--data_root and --sources go together; give both")
    config = flags.config_of(args)
    if args.channel:
        train_on_channel(config, args)
    elif args.sources:
        train_on_sources(config, args)
    else:
        train_on_files(config, args, config.dataset)


def train_on_files(
    config: ml_collections.ConfigDict, args: argparse.Namespace, dataset: str
) -> None:
    """Trains on --data_dir, the folder of a data set."""
    train(config, {f"{dataset}_{config.scenario}": args.data_dir}, args)


def train_on_channel(
    config: ml_collections.ConfigDict, args: argparse.Namespace
) -> None:
    """Trains on fresh channels of --channel."""
    config.data = "simulate"
    train(config, {args.channel: None}, args)


def train_on_sources(
    config: ml_collections.ConfigDict, args: argparse.Namespace
) -> None:
    """Trains on --sources, folders of --data_root."""
    from tfcsi import datasets

    root = pathlib.Path(args.data_root)
    folders = {name: root / datasets.parts(name)[0] for name in args.sources}
    train(config, folders, args)


def train(
    config: ml_collections.ConfigDict,
    folders: Mapping[str, str | os.PathLike | None],
    args: argparse.Namespace,
) -> None:
    """Trains a codec on some sources.

    Args:
      config: Of the training; data set and scenario become those of the sources. With
        `data` "simulate" the matrices of the only source are simulated.
      folders: Name of a source to the folder of its files. None simulates the
        validation matrices too.
      args: Has workdir, resume, progress and tensorboard.

    Raises:
      ValueError: If there is no such source or simulator, or as `training.fit.train`.
    """
    from tfcsi import datasets, transforms
    from tfcsi.channels import blocks
    from tfcsi.codecs.learned import OF_TRAINING
    from tfcsi.codecs.schema import FIELDS, SIMULATED
    from tfcsi.codecs.workdir import KINDS, check_free

    names, simulated = list(folders), config.data == "simulate"
    parts_of = blocks.parts_of if simulated else datasets.parts
    asked = config.dataset, config.scenario
    if len(names) == 1:
        config.dataset, config.scenario = parts_of(names[0])
    else:
        config.dataset, config.scenario = "mixed", ",".join(names)
        if simulated:
            raise ValueError("data is 'simulate'; that goes with one source")
    for name, value in zip(("dataset", "scenario"), asked):
        if name in flags.changed(args) and value != config[name]:
            raise UsageError(
                f"--config.{name}={value} does not go with a training on "
                f"{','.join(names)}: there {name} is {config[name]}; leave it out"
            )
    if config.model in KINDS:
        trained = config.model == "learned" and not config.network.weights
        used = {*OF_ANY_CODEC, *(OF_TRAINING if trained else ())}
        fields = [field for field in FIELDS if field not in used]
        reason = "has no such part" if trained else "has no network"
        flags.refuse_idle(args, fields, f"the codec {config.model} {reason}")
        if args.tensorboard:
            lacks = "codeword to draw" if trained else "epochs"
            raise UsageError(
                f"--tensorboard was given, but the codec {config.model} has no "
                f"{lacks}; leave it out"
            )
        if args.strategy:
            raise UsageError(
                f"--strategy={args.strategy} was given, but the codec {config.model} "
                f"is trained by one process; leave it out"
            )
    if simulated:
        flags.refuse_idle(args, ("source",), "the matrices are simulated")
    present = {name: folder for name, folder in folders.items() if folder is not None}
    missing = [name for name in names if name not in present]
    if missing and not simulated:
        raise UsageError(
            f"give the folder of the files of {missing[0]}: --data_dir=DIR"
        )
    if not simulated and (fields := sorted(config.get("simulator", {}))):
        raise UsageError(
            f"simulator.{fields[0]} is given, but the training is on files; it goes "
            f"with --channel or --config.data=simulate"
        )
    if not args.strategy:
        check_free(args.workdir, args.resume)
    from tfcsi.channels.epochs import Epochs, validation
    from tfcsi.training import fit

    setup = {"domain": transforms.domain_of(config), **config.get("simulator", {})}
    with contextlib.ExitStack() as stack:
        if args.strategy:
            stack.enter_context(_strategy(args))
        h_train: Callable[[int], np.ndarray] | np.ndarray
        num = config.num_train or SIMULATED["num_train"]
        if simulated and args.dry_run:
            print(plan(config, num, args.workdir))
            return
        if simulated:
            epochs = Epochs(names[0], num, config.seed, config.epochs, setup)
            h_train = stack.enter_context(epochs)
        if missing:
            num = config.num_val or SIMULATED["num_val"]
            h_val = validation(names[0], num, config.seed, setup)
        else:
            splits = ("val",) if simulated else ("train", "val")
            options = datasets.options_of(config)
            first = {split: config[f"num_{split}"] for split in splits}
            *parts, h_val = datasets.join(present, splits, options, print, first)
            if parts:
                h_train = parts[0]
        if args.dry_run:
            print(plan(config, len(parts[0]), args.workdir))
            return
        fit.train(
            config,
            args.workdir,
            h_train,
            h_val,
            args.resume,
            args.progress,
            args.tensorboard,
        )


def plan(
    config: ml_collections.ConfigDict, num_train: int, workdir: str | os.PathLike
) -> str:
    """Says what a training would do, for --dry_run.

    Args:
      config: Of the training.
      num_train: Number of training matrices of an epoch.
      workdir: Folder of the run.

    Raises:
      ValueError: If a field of the config is out of range.
    """
    from tfcsi.codecs import schema
    from tfcsi.codecs.workdir import KINDS

    schema.check(config, whole=True)
    if config.model in KINDS:
        return f"would fit {config.model} to {num_train} matrices, to {workdir}"
    steps = num_train // config.batch_size
    return (
        f"would train {config.model}, {config.latent_dim} numbers a codeword, for "
        f"{config.epochs} epochs of {num_train} matrices, {steps} steps each, to "
        f"{workdir}"
    )


def _strategy(args: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """The scope of --strategy; the chief refuses a folder that holds a run."""
    from tfcsi.codecs.workdir import check_free
    from tfcsi.training import strategy

    @contextlib.contextmanager
    def scope() -> Iterator[None]:
        with strategy.scope(args.strategy):
            if strategy.is_chief():
                check_free(args.workdir, args.resume)
            yield

    return scope()
