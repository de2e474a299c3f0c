"""The command line: tfcsi evaluate | transfer | compress | decompress | info | ...

Each command reads or adds a file of a workdir, the folder of one training run.
"""

from __future__ import annotations

import ast
import inspect
import os
import pathlib
import sys
from collections.abc import Callable

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
try:
    tfcsi.need_full()
except ImportError as error:
    sys.exit(f"tfcsi: error: {error}")

import numpy as np
from absl import flags

from tfcsi import files, results
from tfcsi.coding.packets import check_session, read_file, write_file
from tfcsi.commands.info import of_model, of_packets, of_statistics, of_workdir
from tfcsi.evaluation import measure, over_noise

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


def evaluate(argv: list[str]) -> None:
    """Measures NMSE, SGCS and real bits of a run on a split of its data.

    Of several runs with commas between their workdirs. With --snr_db, NMSE over the SNR
    of noise on the way, with --bit_error_rate over the rate of inverted bits: a results
    file and its picture.
    """
    optional = "scenario output snr_db noise bit_error_rate"
    given = _parse(argv, "workdir data_dir", optional, split="test", seed=1)
    if given["noise"] and not given["snr_db"]:
        raise UsageError(f"--noise={given['noise']}; it goes with --snr_db=...")
    if given["snr_db"] or given["bit_error_rate"]:
        return _evaluate_noise(given)
    from tfcsi.codecs.workdir import load

    points = []
    for workdir, name in (runs := _runs(given)):
        codec = load(workdir)
        dataset, scenario, h = _matrices(codec.config, given)
        point = {
            **codec.describe(),
            "dataset": f"{dataset}_{scenario}",
            "split": given["split"],
            **measure.evaluate(codec, h, _frequency(dataset, scenario, given)),
        }
        label = {"codec": f"{codec.name} {name}"} if len(runs) > 1 else {}
        points.append({**point, **label})
    name = f"evaluation_{scenario}_{given['split']}.json"
    path = pathlib.Path(given["output"] or runs[0][0] / name)
    results.write(path, points, codec.config["seed"])
    print(results.table(points))
    print(f"written to {path}")


def _runs(given: dict) -> list[tuple[pathlib.Path, str]]:
    """The workdirs of a flag and a name for each."""
    workdirs = [pathlib.Path(name) for name in given["workdir"].split(",")]
    if len(workdirs) > 1 and not given["output"]:
        raise UsageError(f"--workdir names {len(workdirs)} runs; give --output=FILE")
    names = [workdir.resolve().name for workdir in workdirs]
    if len(set(names)) < len(names):
        names = [str(workdir) for workdir in workdirs]
    return list(zip(workdirs, names))


def _frequency(dataset: str, scenario: str, given: dict) -> np.ndarray | None:
    """Frequency-domain truth of test matrices, where there is one."""
    from tfcsi.datasets import cost2100

    if (dataset, given["split"]) != ("cost2100", "test"):
        return None
    name = cost2100.frequency_file_name(scenario)
    if not pathlib.Path(given["data_dir"], name).exists():
        return None
    return cost2100.load_frequency(given["data_dir"], scenario)


def _evaluate_noise(given: dict) -> None:
    """NMSE of some runs over SNR or bit error rate, as a results file and a picture."""
    if given["snr_db"] and given["bit_error_rate"]:
        raise UsageError("--snr_db and --bit_error_rate; give one of them")
    flag = "snr_db" if given["snr_db"] else "bit_error_rate"
    values, kind = _numbers(flag, given[flag]), given["noise"] or "codeword"
    if kind not in over_noise.NOISES:
        known = ", ".join(over_noise.NOISES)
        raise UsageError(f"--noise={kind}; it must be one of {known}")
    if flag == "bit_error_rate" and not all(0 <= value <= 1 for value in values):
        raise UsageError(f"--{flag}={given[flag]}; a rate is 0 to 1")
    _check_output(given["output"])
    runs = _runs(given)
    from tfcsi.codecs.workdir import load
    from tfcsi.evaluation import plots

    points = []
    for workdir, name in runs:
        codec = load(workdir)
        dataset, scenario, h = _matrices(codec.config, given)
        if flag == "snr_db":
            found = over_noise.over_snr(codec, h, values, kind, given["seed"])
        else:
            found = over_noise.over_bit_errors(codec, h, values, given["seed"])
        known = {**codec.describe(), "codec": f"{codec.name} {name}"}
        known |= {"dataset": f"{dataset}_{scenario}", "split": given["split"]}
        points += [{**known, **point} for point in found]
    kind = kind if flag == "snr_db" else "bit_errors"
    name = f"evaluation_{scenario}_{given['split']}_{kind}.json"
    draw = plots.over_snr if flag == "snr_db" else plots.over_bit_errors
    more = ("nmse_db_zero", "refused", "undetected") if kind == "bit_errors" else ()
    print(_columns(points, ("codec", flag, "nmse_db", *more, "bits")))
    _publish(given["output"] or runs[0][0] / name, points, given["seed"], draw)


def transfer(argv: list[str]) -> None:
    """Trains on some sources and tests on others, as trained and with tuned decoders.

    A decoder is tuned on a few training matrices of the test source, while the encoder,
    the quantiser and the tables stay. The workdir gets a folder for the run of each
    source; finished runs are not trained again.
    """
    from tfcsi.evaluation import plots
    from tfcsi.evaluation import transfer as work

    given = _parse(
        argv,
        "config data_root train_on test_on workdir output",
        "limit",
        shots=100,
        tune_epochs=50,
        tune_batch_size=20,
        tune_learning_rate=1e-3,
        tune_augment="phase",
    )
    _check_output(given["output"])
    points = work.transfer(
        given["config"],
        given["data_root"],
        given["workdir"],
        given["train_on"].split(","),
        given["test_on"].split(","),
        given["shots"],
        given["limit"],
        epochs=given["tune_epochs"],
        batch_size=given["tune_batch_size"],
        learning_rate=given["tune_learning_rate"],
        augment=given["tune_augment"],
    )
    _publish(given["output"], points, given["config"].seed, plots.transfer)


def compress(argv: list[str]) -> None:
    """Turns a file of CSI (.npy, .mat, .h5) into one file of packets."""
    given = _parse(argv, "workdir input output", "key")
    from tfcsi.codecs.workdir import load
    from tfcsi.datasets import any_file

    h = any_file.read_csi(given["input"], given["key"])
    codec = load(given["workdir"])
    packets = codec.compress(h)
    write_file(given["output"], codec.session, packets)
    mean = 8 * np.mean([len(packet) for packet in packets]) if packets else 0
    print(f"{len(packets)} CSI matrices, {mean:.1f} bits each, to {given['output']}")


def decompress(argv: list[str]) -> None:
    """Turns a file of packets back into CSI, a complex64 .npy file."""
    given = _parse(argv, "workdir input output")
    from tfcsi.codecs.workdir import load

    session, packets = read_file(given["input"])
    codec = load(given["workdir"])
    check_session(session, codec.session, given["input"])
    h_hat = codec.decompress(packets)
    with files.replacing(given["output"]) as temporary:
        with open(temporary, "wb") as file:
            np.save(file, h_hat)
    print(f"{len(h_hat)} CSI matrices to {given['output']}")


def info(argv: list[str]) -> None:
    """Explains a workdir, a file of packets, one --packet=N of it, or a model's cost.

    The cost of a model by its name: parameters, multiply-accumulates and activations
    for one matrix, UE and BS apart. A path that exists wins over a model.
    """
    given = _parse(
        argv,
        "",
        "workdir packet network",
        positional="PATH|MODEL",
        latent_dim=512,
        shape="32,32",
    )
    path = pathlib.Path(given["positional"])
    if path.is_dir():
        print(of_workdir(path))
    elif path.exists():
        print(of_packets(path, given["packet"], given["workdir"]))
    else:
        shape, arguments = _shape(given["shape"]), _arguments(given["network"])
        print(of_model(str(path), shape, given["latent_dim"], arguments))


def generate(argv: list[str]) -> None:
    """Simulates channels into files: the published form, HDF5 or TFRecord.

    Stopped and started again it goes on where it was. The matrices depend on channel
    and seed, not on the number of processes, nor on how many there are.
    """
    optional = {"seed": 1, "format": "mat", "processes": 0}
    given = _parse(argv, "channel num out", "setup", **optional)
    from tfcsi.channels import blocks
    from tfcsi.channels import generate as work

    try:
        counts = [int(part) for part in given["num"].split(",")]
    except ValueError:
        counts = []
    if len(counts) not in (1, 3):
        raise UsageError(f"--num={given['num']}; give N, or three: train,val,test")
    written = work.generate(
        given["channel"],
        dict(zip(blocks.SPLITS, counts)),
        given["seed"],
        given["out"],
        given["format"],
        given["processes"] or None,
        setup=_arguments(given["setup"], "setup"),
    )
    for path in written:
        print(path)


def data(argv: list[str]) -> None:
    """`tfcsi data verify DIR` compares files with the published release.

    `tfcsi data stats FILE [FILE2]` measures what the matrices of a file look like, or
    of two side by side, and draws it on a page, --output=PAGE.html.
    """
    usage = "verify DIR | stats FILE [FILE2]"
    page = {"output": "statistics.html"}
    given = _parse(argv, "", "key", positional=usage, **page)
    command, *paths = given["positional"].split()
    if command == "stats" and len(paths) in (1, 2):
        return _statistics(paths, given["key"], given["output"])
    if command != "verify" or len(paths) != 1:
        raise UsageError("usage: tfcsi data verify DIR, or stats FILE [FILE2]")
    from tfcsi.datasets import cost2100

    rows = cost2100.verify(paths[0])
    for name, status, detail in rows:
        print(f"{name:24s} {status:8s} {detail}")
    if any(status == "differs" for _, status, _ in rows):
        raise ValueError("some files are not those of the published release")


def _statistics(paths: list[str], key: str | None, output: str) -> None:
    """Prints and draws the statistics of one set of matrices, or of two."""
    from tfcsi.datasets import any_file, tfrecord
    from tfcsi.datasets.statistics import statistics
    from tfcsi.evaluation import plots, report

    found, samples = {}, {}
    for path in paths:
        records = path.endswith(".tfrecord")
        h = tfrecord.read([path]) if records else any_file.read_csi(path, key)
        found[path], samples[path] = statistics(h), h[:4, :, :32]
    table = of_statistics(found)
    print(table)
    figures = {"Statistics": plots.statistics(found)}
    figures |= {f"First matrices of {p}": plots.matrices(h) for p, h in samples.items()}
    title = "Channel statistics"
    report.report(output, title, " and ".join(paths), [], figures, table)
    print(f"written to {output}")


def table(argv: list[str]) -> None:
    """Prints result files as a Markdown table; with --output=README.md updates it."""
    given = _parse(argv, "", "output", positional="FILE...")
    paths = given["positional"].split()
    text = results.table(
        [p for path in paths for p in results.read(path)["points"]], True
    )
    if given["output"]:
        results.insert(given["output"], paths, text)
        print(f"table of {', '.join(paths)} written to {given['output']}")
    else:
        print(text)


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "evaluate": evaluate,
    "transfer": transfer,
    "compress": compress,
    "decompress": decompress,
    "info": info,
    "generate": generate,
    "data": data,
    "table": table,
}


class UsageError(ValueError):
    """The command line is not one of this program's."""


def _parse(
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
        doc = inspect.getdoc(COMMANDS[argv[0]])
        print(f"{doc}\n\n{usage}\n{values.get_help()}")
        raise SystemExit(0)
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


def _numbers(flag: str, text: str) -> list[float]:
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


def _arguments(text: str | None, flag: str = "network") -> dict:
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


def _shape(text: str) -> tuple[int, int]:
    """Two positive integers."""
    try:
        num_tx, num_delay = (int(side) for side in text.split(","))
        if min(num_tx, num_delay) < 1:
            raise ValueError
    except ValueError:
        raise UsageError(f"--shape={text}; give num_tx,num_delay") from None
    return num_tx, num_delay


def _matrices(config, given: dict) -> tuple[str, str, np.ndarray]:
    """Data set and scenario that a run is measured on, and the matrices."""
    from tfcsi import datasets

    dataset = config.get("dataset", "cost2100")
    scenario = given["scenario"] or config.get("scenario")
    if not scenario:
        raise ValueError("the run's config has no scenario: give --scenario")
    known, whole = datasets.DATASETS, scenario.partition("_")[0]
    if whole in known or dataset not in known:  # As of runs on several sources.
        dataset, scenario = datasets.parts(scenario)
    name, options = f"{dataset}_{scenario}", datasets.options_of(config)
    h = datasets.read(name, given["data_dir"], given["split"], **options)
    return dataset, scenario, h


def _check_output(path: str | None) -> None:
    """Raises a UsageError unless the picture gets another name than the results."""
    if path and not path.endswith(".json"):
        raise UsageError(f"--output={path}; give FILE.json, the picture is FILE.png")


def _publish(path: str | os.PathLike, points: list[dict], seed: int, draw) -> None:
    """Writes a results file and, under the same name, the picture that draw makes."""
    from tfcsi.evaluation import plots

    path = pathlib.Path(path)
    results.write(path, points, seed)
    plots.save(draw(points), path.with_suffix(".png"))
    print(f"written to {path} and {path.with_suffix('.png')}")


def _columns(points: list[dict], keys: tuple[str, ...]) -> str:
    """Formats some fields of points, one point a line."""
    forms = {"codec": "{}", "nmse_db": "{:.2f}", "nmse_db_zero": "{:.2f}"}
    rows = [keys]
    for point in points:
        rows.append([forms.get(key, "{:.4g}").format(point[key]) for key in keys])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ("  ".join(c.rjust(w) for c, w in zip(row, widths)) for row in rows)
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Runs a command; returns the exit status."""
    if len(argv) < 2 or argv[1] not in COMMANDS:
        print("usage: tfcsi COMMAND [flags]; tfcsi COMMAND --help tells more\n")
        for name, command in COMMANDS.items():
            print(f"  {name:11s} {command.__doc__.splitlines()[0]}")
        return 0 if len(argv) > 1 and argv[1] in ("--help", "-h", "help") else 2
    try:
        COMMANDS[argv[1]](argv[1:])
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"tfcsi {argv[1]}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    run()
