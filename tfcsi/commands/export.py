"""Exports the UE encoder of a run to TFLite files.

    tfcsi export --workdir=runs/a --precision=float16,int8

The files have builtin operations only. They are written to the workdir, and the tables
of the entropy coder beside them. With --clusters each layer keeps only a few different
weights. With --sparsity many of its weights become zero. Both come before the export.

A codec of paths has no network. Its tables are all that it needs. With --precision its
search is written as a TFLite file, too:

    tfcsi export --codec=paths --folder=phone --precision=float32 --effort=light

The encoder of the codec learned goes to a phone in the same way. For int8 it is
calibrated by training matrices, which --data_dir and --scenario name:

    tfcsi export --codec=learned_cost2100_indoor --folder=ue --precision=float16
"""

from __future__ import annotations

import argparse
import gzip
import pathlib
from typing import TYPE_CHECKING

import numpy as np

import tfcsi
from tfcsi import files
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError
from tfcsi.tflite import exports

if TYPE_CHECKING:
    from tfcsi.codecs.learned import Learned
    from tfcsi.codecs.neural import Codec
    from tfcsi.codecs.paths import Paths

FORMATS = ("tflite", "savedmodel", "npz", "onnx")
WEIGHTS_FILE = "weights.npz"


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add_codec(parser)
    flags.add(parser, "folder")
    parser.add_argument(
        "--precision",
        type=flags.choices(*exports.PRECISIONS),
        metavar="NAME,...",
        help="Precision of the encoder; each gives a file. float32 if not given, and "
        "no file for the codec paths, which takes float32 and float16.",
    )
    flags.add(
        parser,
        "output",
        type=flags.choice(*exports.OUTPUTS),
        metavar="NAME",
        help="Output of the network: the codeword in floats (if not given), or the "
        "symbols. For the symbols the network also quantises.",
    )
    parser.add_argument(
        "--format",
        type=flags.choice(*FORMATS),
        default=FORMATS[0],
        metavar="NAME",
        help="What is written: the encoder for TFLite; the decoder as a SavedModel for "
        "TensorFlow Serving, in the folder saved_model; the weights of both networks "
        "as weights.npz, which tfcsi import reads; or both networks as encoder.onnx "
        "and decoder.onnx.",
    )
    parser.add_argument(
        "--decoder",
        action="store_true",
        default=None,
        help=f"Write the decoder in float32, too, as {exports.DECODER_FILE}. The page "
        "in docs/demo runs it.",
    )
    parser.add_argument(
        "--clusters",
        type=flags.integer(),
        metavar="N",
        help="Number of values that the weights of a layer may have, 2 to 256.",
    )
    parser.add_argument(
        "--sparsity",
        type=flags.number(),
        metavar="SHARE",
        help="Share of zeros in the weights of a layer, between 0 and 1.",
    )
    parser.add_argument(
        "--tune_steps",
        type=flags.integer(1),
        metavar="N",
        help="Number of training steps with --clusters or --sparsity; 300 if not "
        "given.",
    )
    parser.add_argument(
        "--effort",
        type=flags.choice(*exports.EFFORTS),
        metavar="NAME",
        help="How much the encoder of the codec paths searches; default if not given.",
    )
    parser.add_argument(
        "--num_paths",
        type=flags.integer(1),
        metavar="N",
        help="Most paths of a matrix that the encoder of the codec paths finds; 32 if "
        "not given.",
    )
    of_learned = "Only for int8 of the codec learned, if its run has none: "
    flags.add(parser, "data_dir", help=f"{of_learned}folder of training matrices.")
    parser.add_argument(
        "--scenario",
        type=flags.TEXT,
        metavar="NAME",
        help=f"{of_learned}scenario or source of training matrices.",
    )


def run(args: argparse.Namespace) -> None:
    """Writes a file for each precision, and the tables."""
    if args.format != FORMATS[0]:
        _export_whole(args)
        return
    shrinks = args.clusters is not None or args.sparsity is not None
    if args.tune_steps is not None and not shrinks:
        raise UsageError("--tune_steps goes with --clusters or --sparsity")
    integers = set(args.precision or []) & set(exports.CALIBRATED)
    if args.clusters is not None and (integers or args.sparsity is not None):
        raise UsageError(
            "--clusters works only with float32, float16 and dynamic, because other "
            "precisions round the weights again; it does not work with --sparsity"
        )
    from tfcsi.codecs import learned, paths
    from tfcsi.codecs.workdir import read_config
    from tfcsi.codecs.zoo import folder_of

    workdir = folder_of(args.workdir)
    model, folder = read_config(workdir)["model"], flags.folder_of(args)
    files.check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_others(args, model)
    if model == paths.Paths.name:
        _export_paths(paths.load(workdir), folder, args)
    elif model == learned.Learned.name:
        _export_learned(learned.load(workdir), workdir, folder, args)
    else:
        _export_network(workdir, folder, args)


# Flags that are only for one codec.
_OWN = {"paths": ("effort", "num_paths"), "learned": ("data_dir", "scenario")}


def _refuse_others(args: argparse.Namespace, model: str) -> None:
    """Refuses flags that do not go with the codec of a run."""
    for name, own in _OWN.items():
        for flag in own:
            if getattr(args, flag) is not None and model != name:
                raise UsageError(f"--{flag} is only for the codec {name}")
        if model == name:
            for flag in ("output", "decoder", "clusters", "sparsity"):
                if getattr(args, flag) is not None:
                    raise UsageError(f"--{flag} is not for the codec {name}")


def _export_whole(args: argparse.Namespace) -> None:
    """Writes networks in another form than TFLite."""
    every = [*("precision", "output", "decoder", "clusters", "sparsity", "tune_steps")]
    for name in every + [flag for own in _OWN.values() for flag in own]:
        if getattr(args, name) is not None:
            raise UsageError(f"--{name} does not go with --format={args.format}")
    tfcsi.need_full()
    from tfcsi.codecs import neural, onnx_files, published, saved_model
    from tfcsi.codecs.zoo import folder_of

    codec, folder = neural.load(folder_of(args.workdir)), flags.folder_of(args)
    files.check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if args.format == "savedmodel":
        print(saved_model.write(codec, folder / "saved_model"))
    elif args.format == "npz":
        weights = published.weights_of(codec)
        files.write_arrays(folder / WEIGHTS_FILE, weights)
        print(f"{folder / WEIGHTS_FILE}: {len(weights)} weights")
    else:
        for name, content in onnx_files.convert(codec).items():
            files.write_bytes(folder / name, content)
            print(f"{folder / name}: {len(content):,} bytes")


def _export_network(
    workdir: pathlib.Path, folder: pathlib.Path, args: argparse.Namespace
) -> None:
    """Writes the files of a codec that has a network."""
    from tfcsi.codecs import neural
    from tfcsi.codecs.workdir import CALIBRATION_FILE
    from tfcsi.tflite import convert

    codec = neural.load(workdir)
    x: np.ndarray | None = None
    path = workdir / CALIBRATION_FILE
    if path.exists():  # Codecs of the zoo have none.
        x = np.load(path).astype(np.float32)
    kind = _shrink(codec, x, args, args.tune_steps or 300)
    encoders, output = {}, args.output or exports.OUTPUTS[0]
    for precision in args.precision or ["float32"]:
        rounded_by = None if args.clusters else x
        content = convert.export(codec, precision, rounded_by, output)
        path = folder / exports.file_name(precision, output, kind)
        encoders[path.name] = _write(path, content)
    if args.decoder:
        path = folder / exports.DECODER_FILE
        encoders[path.name] = _write(path, convert.export_decoder(codec))
    codec.save_ue(folder / TABLES_FILE, **encoders)


def _export_paths(codec: Paths, folder: pathlib.Path, args: argparse.Namespace) -> None:
    """Writes the files of a codec of paths."""
    precisions = args.precision or []
    _check_precisions(precisions, exports.PATH_PRECISIONS, codec.name)
    if not precisions and (args.effort or args.num_paths):
        raise UsageError("--effort and --num_paths go with --precision")
    encoders, effort = {}, args.effort or exports.EFFORTS[0]
    if precisions:
        tfcsi.need_full()
        from tfcsi.tflite import path_convert
    for precision in precisions:
        content = path_convert.convert(
            codec.sender, precision, effort, args.num_paths or exports.NUM_PATHS
        )
        path = folder / exports.file_name(precision, kind=effort)
        encoders[path.name] = _write(path, content)
    tables = folder / TABLES_FILE
    codec.save_ue(tables, **encoders)
    remark = "" if encoders else "; paths has no network"
    print(f"{tables}: {tables.stat().st_size:,} bytes{remark}")


def _export_learned(
    codec: Learned, run: pathlib.Path, folder: pathlib.Path, args: argparse.Namespace
) -> None:
    """Writes the files of the codec learned, which is in the folder `run`."""
    precisions = args.precision or ["float32"]
    _check_precisions(precisions, exports.TOKEN_PRECISIONS, codec.name)
    tfcsi.need_full()
    from tfcsi.tflite import token_convert

    h = _training_matrices(codec, run, args) if "int8" in precisions else None
    encoders = {}
    for precision in precisions:
        path = folder / exports.file_name(precision)
        content = token_convert.convert(codec, precision, h)
        encoders[path.name] = _write(path, content)
    codec.sender.save_tables(folder / TABLES_FILE, encoders)


def _training_matrices(
    codec: Learned, run: pathlib.Path, args: argparse.Namespace
) -> np.ndarray:
    """The matrices that calibrate integers: those of --data_dir, or of the run."""
    from tfcsi import datasets, transforms
    from tfcsi.codecs.workdir import CALIBRATION_FILE

    if args.data_dir is not None:
        name = datasets.source_of(codec.config, args.scenario)
        options = datasets.options_of(codec.config, name)
        return datasets.read(name, args.data_dir, "train", **options)
    if args.scenario is not None or not (run / CALIBRATION_FILE).exists():
        raise UsageError(
            "--precision=int8 needs training matrices of the codec learned: give "
            "--data_dir=DIR, and --scenario if its config has none"
        )
    return transforms.to_complex(np.load(run / CALIBRATION_FILE).astype(np.float32))


def _check_precisions(asked: list[str], known: tuple[str, ...], name: str) -> None:
    """Refuses a precision that the encoder of a codec has not."""
    if unknown := sorted(set(asked) - set(known)):
        raise UsageError(
            f"--precision has {', '.join(unknown)}; the codec {name} takes "
            f"{', '.join(known)}"
        )


def _write(path: pathlib.Path, content: bytes) -> bytes:
    """Writes an encoder and prints what it is; returns its content."""
    from tfcsi.tflite import flatbuffer

    files.write_bytes(path, content)
    operations = ", ".join(sorted(flatbuffer.operations(content)))
    print(
        f"{path}: {len(content):,} bytes, {len(gzip.compress(content)):,} by "
        f"gzip\nbuiltin operations: {operations}",
        flush=True,
    )
    return content


def _shrink(
    codec: Codec, x: np.ndarray | None, args: argparse.Namespace, steps: int
) -> str:
    """Gives the encoder few values or many zeros; returns a name for it."""
    if args.clusters is None and args.sparsity is None:
        return ""
    if x is None:
        raise UsageError(
            "--clusters and --sparsity need the training matrices of a run, which this "
            "codec does not have; give --workdir=DIR of a run of tfcsi train"
        )
    from tfcsi.model_optimization import sparsity

    if args.clusters is None:
        codec.encoder = sparsity.prune(codec.encoder, args.sparsity, x, steps)
        return f"sparsity{100 * args.sparsity:g}"
    codec.encoder = sparsity.cluster(codec.encoder, args.clusters, x, steps)
    return f"clusters{args.clusters}"
