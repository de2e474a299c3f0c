"""Flags that the commands share: what each means, and how a command line is read."""

from __future__ import annotations

import ast
import sys

import numpy as np
from absl import flags

FLAGS_OF = {
    "workdir": "Folder of the run.",
    "data_dir": "Folder of the files of the run's data set (the published .mat files).",
    "data_root": "Folder of the folders cost2100/, quadriga/ and raytraced/.",
    "channel": "Simulator and scenario, such as cost2100_indoor or cost2100_outdoor.",
    "num": "Matrices of training data, or of train,val,test.",
    "out": "Folder of the files.",
    "format": "mat (the published form), hdf5 or tfrecord.",
    "setup": "Arguments of a simulator: key=value, after commas.",
    "processes": "That simulate; 0 for as many as there are CPUs.",
    "input": "File to read.",
    "output": "File to write.",
    "columns": "Columns of a table, with commas between, such as codec,nmse_db,bits.",
    "key": "Name of the variable in a .mat or .h5 file; found if there is only one.",
    "scenario": "Of the source of the run, or a whole source.",
    "split": "train, val or test.",
    "snr_db": "SNRs in dB: low:high:step, both ends in, or a list after commas.",
    "bit_error_rate": "Rates of inverted bits, 0 to 1, after commas.",
    "noise": "With --snr_db, where the noise is: on the codeword (the default), on the "
    "latent before the quantiser, or on the measured csi.",
    "seed": "Of noise and bit errors.",
    "config": "Config file, FILE or FILE:ARGUMENT; --config.FIELD=... changes a field.",
    "train_on": "Sources of training, after commas, such as quadriga_28ghz.",
    "test_on": "Sources of test, after commas.",
    "shots": "Training matrices of a test source that decoders are tuned on; 0 for "
    "no tuning.",
    "limit": "Test matrices of each source, the first ones; all if not given.",
    "tune_epochs": "Epochs of the tuning.",
    "tune_batch_size": "Matrices a step of the tuning.",
    "tune_learning_rate": "Learning rate (Adam) of the tuning.",
    "tune_augment": "Augmentation in the tuning: none, phase or phase_flip.",
    "packet": "Number of a packet, from 0.",
    "latent_dim": "Length of the codeword.",
    "shape": "num_tx,num_delay.",
    "network": "Arguments of a model's builders: key=value, after commas.",
}
# Flags of integers to their lowest value.
INTEGERS = {"packet": None, "seed": 0, "limit": 1, "shots": 0, "latent_dim": 1}
INTEGERS |= {"tune_epochs": 1, "tune_batch_size": 1, "processes": 0}
FLOATS = ("tune_learning_rate",)


class UsageError(ValueError):
    """The command line is not one of this program's."""


class HelpRequested(Exception):
    """The command line asks for help; the message is the usage and the flags."""


def parse(
    argv: list[str], required: str, optional: str = "", positional: str = "", **defaults
) -> dict:
    """Parses a command's flags; `positional` names its other arguments, if any."""
    values = flags.FlagValues()
    for name in [*required.split(), *optional.split(), *defaults]:
        given = (name, defaults.get(name), FLAGS_OF[name])
        if name == "config":
            from ml_collections import config_flags

            config_flags.DEFINE_config_file(*given, flag_values=values)
        elif name in INTEGERS:
            low = INTEGERS[name]
            flags.DEFINE_integer(*given, lower_bound=low, flag_values=values)
        elif name in FLOATS:
            flags.DEFINE_float(*given, lower_bound=0.0, flag_values=values)
        else:
            flags.DEFINE_string(*given, flag_values=values)
    usage = " ".join(
        ["usage: tfcsi", argv[0], *positional.split()]
        + [f"--{name}=..." for name in required.split()]
        + [f"[--{name}=...]" for name in [*optional.split(), *defaults]]
    )
    if {"--help", "-h", "--helpfull"} & set(argv):
        raise HelpRequested(f"{usage}\n{values.get_help()}")
    program, sys.argv = sys.argv, argv  # Where config_flags looks for --config.FIELD.
    try:
        rest = values(argv)[1:]
    except flags.Error as error:
        raise UsageError(f"{error}\n{usage}") from None
    finally:
        sys.argv = program
    missing = [name for name in required.split() if not values[name].value]
    if missing or bool(rest) != bool(positional):
        lacks = [f"--{name}" for name in missing] or [f"{positional or 'no'} argument"]
        raise UsageError(f"expected {', '.join(lacks)}, got {argv[1:]}\n{usage}")
    return {**values.flag_values_dict(), "positional": " ".join(rest)}


def numbers_of(flag: str, text: str) -> list[float]:
    """Numbers of a flag, "low:high:step" with both ends, or a list after commas."""
    try:
        numbers = [float(part) for part in text.replace(":", ",").split(",")]
        if not np.isfinite(numbers).all():
            raise ValueError
        if ":" not in text:
            return numbers
        low, high, step = numbers
        if step <= 0 or high < low:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"--{flag}={text}; give low:high:step with a positive step, or numbers "
            f"with commas between"
        ) from None
    count = int((high - low) / step + 1e-6) + 1
    return [round(low + step * i, 10) for i in range(count)]


def arguments_of(text: str | None, flag: str = "network") -> dict:
    """Arguments of "key=value,key=value"; what is no Python number or so is a word."""
    arguments = {}
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(f"--{flag}={text}; give key=value,key=value")
        try:
            arguments[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            arguments[key] = value
    return arguments


def shape_of(text: str) -> tuple[int, int]:
    """Two positive integers."""
    try:
        num_tx, num_delay = (int(side) for side in text.split(","))
        if min(num_tx, num_delay) < 1:
            raise ValueError
    except ValueError:
        raise UsageError(f"--shape={text}; give num_tx,num_delay") from None
    return num_tx, num_delay


def check_output(path: str | None) -> None:
    """Raises a UsageError unless the picture gets another name than the results."""
    if path and not path.endswith(".json"):
        raise UsageError(f"--output={path}; give FILE.json, the picture is FILE.png")
