"""UE encoders in floats and integers: a table like CLLWCsiNet's Table V.

    python benchmarks/phone.py --data_dir=DIR --workdir=runs/phone \
        --output=results/phone.json

Each pair is trained with the rate in the loss (uniform steps, a learned density, the
same lmbda). Its encoder is converted to TFLite as it is, and again after fine-tuning
with fake quantisation. The decoder at the base station stays float. The dense layer of
BACRNet has 1-bit weights. All numbers are measured on the whole test set, with packets
that the TFLite encoder made. Finished work is not done again, and a stopped training
goes on. With --runs=runs/a,runs/b the rows are finished runs.
"""

import os
import pathlib

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf

from tfcsi import files, results
from tfcsi.codecs.workdir import CALIBRATION_FILE, CODEC_FILE, load_config
from tfcsi.commands import flags, program
from tfcsi.datasets import cost2100
from tfcsi.models import complexity
from tfcsi.tflite import compare, convert, exports
from tfcsi.training import config as configs
from tfcsi.training import finetune_qat, run

# Name in the table: name of a config and the fields that are changed.
SYSTEMS = {
    "acrnet-1x": ("autoencoder:acrnet", {"network.expansion": 1}),
    "acrnet-10x": ("autoencoder:acrnet", {"network.expansion": 10}),
    "bacrnet-1x": ("autoencoder:bacrnet", {"network.expansion": 1}),
    "bacrnet-10x": ("autoencoder:bacrnet", {"network.expansion": 10}),
    "cllwcsinet": ("autoencoder:cllwcsinet", {"noise.codeword_snr_db": ()}),
    "stqenet": ("stqenet_indoor", {"batch_size": 50}),
}
CONVERTED = ("float32", "dynamic", "int8", "int8_full")
_WARMUP = 0.1  # Share of a training.


def run_config(args, name: str, scenario: str, ratio: int):
    """Config of a row's training."""
    source, changes = SYSTEMS[name]
    config = configs.read(source)
    config.scenario = scenario
    config.latent_dim = 2 * config.shape[0] * config.shape[1] // ratio
    config.quantizer, config.prior, config.lmbda = "uniform", "factorized", args.lmbda
    config.epochs = args.epochs
    config.warmup_epochs = _WARMUP * args.epochs
    config.update_from_flattened_dict(changes)
    return config


def exported(codec, workdir: pathlib.Path, precision: str) -> bytes:
    """The encoder of a run in a precision, converted once."""
    path = workdir / exports.file_name(precision)
    if not path.exists():
        x = np.load(workdir / CALIBRATION_FILE).astype(np.float32)
        files.write_bytes(path, convert.export(codec, precision, x))
    return path.read_bytes()


def measured(workdir: pathlib.Path, precisions, h_test: np.ndarray) -> list[dict]:
    """Points of a run on the test set, Keras first; measured once."""
    path = workdir / "phone.json"
    if not path.exists():
        codec = tfcsi.load(workdir)
        encoders = {name: exported(codec, workdir, name) for name in precisions}
        points = compare.compare(codec, encoders, h_test)
        points = [{**codec.describe(), **point} for point in points]
        results.write(path, points, codec.config.seed)
    return results.read(path)["points"]


def trained(args, name: str, scenario: str, ratio: int) -> pathlib.Path:
    """Folder of a row's float run, trained once."""
    workdir = pathlib.Path(args.workdir, f"{name}_{scenario}_cr{ratio}")
    if not (workdir / CODEC_FILE).exists():
        h_train, h_val = data(args.data_dir, scenario, "train", "val")
        config = run_config(args, name, scenario, ratio)
        run.train(config, workdir, h_train, h_val, resume=True)
    return workdir


def tuned(args, workdir: pathlib.Path) -> pathlib.Path:
    """Folder of a float run's fine-tuning, made once."""
    folder = workdir.with_name(f"{workdir.name}_qat")
    if not (folder / CODEC_FILE).exists():
        source = tfcsi.load(workdir)
        tuning = configs.read("qat")
        tuning.epochs = args.tune_epochs
        h_train, h_val = data(args.data_dir, source.config.scenario, "train", "val")
        finetune_qat.finetune(source, tuning, folder, h_train, h_val, resume=True)
    return folder


def data(data_dir: str, scenario: str, *splits: str) -> list[np.ndarray]:
    return [
        cost2100.load(data_dir, scenario, split, "angular_delay") for split in splits
    ]


def row(args, name: str, workdir: pathlib.Path, binary: bool) -> list[dict]:
    """Points of a float run and of its fine-tuning."""
    codec = tfcsi.load(workdir)
    config, networks = codec.config, (codec.encoder, codec.decoder)
    ue_params, bs_params = (complexity.count(part)["params"] for part in networks)
    (h_test,) = data(args.data_dir, config.scenario, "test")
    precisions = CONVERTED[:1] if binary else CONVERTED
    reference, *points = measured(workdir, precisions, h_test)
    labels = ["1 bit"] if binary else list(precisions)
    if not binary:
        points += measured(tuned(args, workdir), ("int8_full",), h_test)[1:]
        labels.append("QAT int8_full")
    ratio = 2 * config.shape[0] * config.shape[1] // config.latent_dim
    for label, point in zip(labels, points):
        point.update(
            codec=f"{name}, {config.scenario}, CR {ratio}, {label}",
            dataset=f"cost2100_{config.scenario}",
            split="test",
            params=ue_params + bs_params,
            ue_params=ue_params,
            nmse_loss_db=point["nmse_db"] - reference["nmse_db"],
        )
    return points


def rows(args):
    """Name, folder and whether its weights are binary, of each row."""
    for workdir in map(pathlib.Path, args.runs):
        yield load_config(workdir).model, workdir, False
    if args.runs:
        return
    for scenario in args.scenarios:
        for ratio in args.ratios:
            for name in args.systems:
                yield (
                    name,
                    trained(args, name, scenario, ratio),
                    name.startswith("bacrnet"),
                )


def add_arguments(parser):
    flags.add(
        parser, "data_dir", required=True, help="Folder of the DATA_H*.mat files."
    )
    flags.add(parser, "workdir", default="runs/phone", help="Folder of the runs.")
    parser.add_argument(
        "--runs",
        type=flags.NAMES,
        default=[],
        metavar="DIR,...",
        help="Folders of finished float runs that are measured instead.",
    )
    flags.add_results(parser)
    parser.add_argument(
        "--epochs",
        type=flags.integer(1),
        default=1,
        metavar="N",
        help="Number of epochs of every training.",
    )
    parser.add_argument(
        "--tune_epochs",
        type=flags.integer(1),
        default=1,
        metavar="N",
        help="Number of epochs of every fine-tuning.",
    )
    parser.add_argument(
        "--lmbda",
        type=flags.number(0),
        default=1.5e-4,
        metavar="X",
        help="Weight of the rate in every loss.",
    )
    parser.add_argument(
        "--systems",
        type=flags.choices(*SYSTEMS),
        default=list(SYSTEMS),
        metavar="NAME,...",
        help="Rows of the table.",
    )
    parser.add_argument(
        "--ratios",
        type=flags.INTEGERS,
        default=[4, 8, 16],
        metavar="N,...",
        help="Compression ratios of the table.",
    )
    parser.add_argument(
        "--scenarios",
        type=flags.choices(*cost2100.SCENARIOS),
        default=list(cost2100.SCENARIOS),
        metavar="NAME,...",
        help="Scenarios of the table.",
    )


def main(args):
    points = []
    for name, workdir, binary in rows(args):
        of_row = row(args, name, workdir, binary)
        points += of_row
        print(results.table(of_row), flush=True)
        results.write(args.output, points, load_config(workdir).seed)
        tf.keras.backend.clear_session()
    print(results.table(points))


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
