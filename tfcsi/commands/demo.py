"""Shows the whole job on a small run, from training to a report.

    tfcsi demo --workdir=runs/demo

Without --data_dir the channels are simulated (COST 2100 indoor). It takes about four
minutes on two cores and ends with a table and the page report.html in the workdir.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from tfcsi import files, results, transforms
from tfcsi.codecs.contract import Codec as AnyCodec
from tfcsi.codecs.paths import NUM_FFT, Paths
from tfcsi.codecs.workdir import CALIBRATION_FILE
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser
from tfcsi.locks import LOCK_FILE, locked

if TYPE_CHECKING:
    import ml_collections

    from tfcsi.codecs.neural import Codec

PRECISIONS = ("float32", "float16", "dynamic", "int8")  # Every network has these.
_SIMULATION_SEED = 2100
_FEW = 200  # Validation matrices by which path coding chooses its step.
_SHOWN = 200  # Test matrices of the pictures of the report.
_NUM_TEST = 1000  # Test matrices, if the config does not say how many.
# The mark of a folder that a demo wrote, and what else a demo writes there.
MARK = "made_by_tfcsi_demo.txt"
LOCK = "demo_in_use.lock"  # The training locks the folder by another name.
_OWN = (
    *("config.json", "run.json", "log.csv", "codec.npz", "calibration.npy"),
    *("best", "checkpoints", "tensorboard", "packets.tcsi", "h_hat.npy", "tables.npz"),
    *("results.json", "report.html", LOCK_FILE, "paths"),
    *(f"encoder_{precision}.tflite" for precision in PRECISIONS),
)


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add(
        parser,
        "workdir",
        required=True,
        help="Folder of the run, new or empty. The files of an earlier demo are "
        "deleted; a folder that holds anything else is refused.",
    )
    flags.add_config(
        parser,
        default="demo",
        help="Name of a config that comes with tfcsi, such as demo, or a config file.",
    )
    flags.add(
        parser,
        "data_dir",
        help="Folder of the DATA_H*.mat files; channels are simulated if not given.",
    )


def run(args: argparse.Namespace) -> None:
    """Shows the whole job with the config of the flags."""
    config = flags.config_of(args, tests=True)
    idle = ("dataset", "data", "source", "simulator")
    flags.refuse_idle(args, idle, "the demo takes COST 2100 channels")
    show(config, args.workdir, args.data_dir)


def show(
    config: ml_collections.ConfigDict,
    workdir: str | os.PathLike,
    data_dir: str | os.PathLike | None = None,
) -> None:
    """Trains, compresses, decompresses, exports, checks, and prints and draws it all.

    Args:
      config: As in `configs/demo.py`.
      workdir: Folder of the run, as `clear` takes it. Gets the files of a run,
        packets.tcsi, h_hat.npy, encoder_*.tflite, tables.npz, results.json and
        report.html; and a folder `paths` with path coding, its packets and its CSI.
      data_dir: Folder of the published files; None simulates channels.

    Raises:
      FileExistsError: If the workdir holds anything but an earlier demo, or if another
        demo runs there.
      ValueError: As the steps do.
    """
    workdir = pathlib.Path(workdir)
    with locked(workdir, LOCK):
        clear(workdir)  # Fails before the simulation.
        _show(config, workdir, data_dir)


def _show(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    data_dir: str | os.PathLike | None,
) -> None:
    """Does what `show` says, in a folder that is empty and locked."""
    from tfcsi.evaluation import charts, measure, portrait, report
    from tfcsi.evaluation.baselines import RATES, baselines, paths_at_bits
    from tfcsi.tflite import compare
    from tfcsi.training import log
    from tfcsi.training.run import train

    began = time.monotonic()
    (h_train, h_val, h_test), source = _data(config, data_dir)
    print(f"data: {source}; {len(h_train)} / {len(h_val)} / {len(h_test)} matrices")

    print(f"\ntraining {config.model}")
    codec = train(config, workdir, h_train, h_val)
    print("\nsending the test matrices: packets written here, decoded in a new process")
    packets, h_hat = send(codec, workdir, h_test)
    point = measure.measure(h_test, h_hat, packets, codec.domain)
    points = [{"codec": f"{codec.name}, Keras", **point, **_sizes(codec)}]

    print("\nexporting the UE encoder, and checking each export in the whole codec")
    flatbuffers = export(codec, workdir)
    points += compare.compare(codec, flatbuffers, h_test)[1:]
    print("\ntraining-free codecs at the same bits")
    lines = baselines(point["bits"], h_train, h_val, h_test)
    points += [p for p in lines if p.pop("rate") == 1.0]
    print("\npath coding, which needs no training, at no more bits")
    fitted = paths_of(config)
    shown: dict[str, AnyCodec] = {config.model: codec}
    for rate in RATES:
        few = paths_at_bits(fitted, h_val[:_FEW], rate * point["bits"])
        if rate == 1.0:
            shown[few.name] = few
            few.save(workdir / "paths")
            sent, back = send(few, workdir / "paths", h_test)
            measured = measure.measure(h_test, back, sent, few.domain)
            points.append({"codec": few.name, **measured})
            lines.append(points[-1])
        else:
            lines.append({"codec": few.name, **measure.evaluate(few, h_test)})

    for p in [*points, *lines]:
        p.update(dataset=source, split="test")
    results.write(workdir / "results.json", points, config.seed)
    text = (
        f"{config.model}, trained for {config.epochs} epochs on {len(h_train)} "
        f"matrices ({source}), tested on {len(h_test)} others. Every bit of a written "
        "packet is counted: check, side information, coded symbols and padding. The "
        "codec paths comes with tfcsi and is not trained on these matrices."
    )
    print("\ndrawing the report")
    portraits = portrait.portray(
        {name: (one, h_test[:_SHOWN]) for name, one in shown.items()}
    )
    first = report.Section(
        "This run",
        "All codecs at about the same bits, on all test matrices. Bars are intervals "
        "of 95 %.",
        {"NMSE over the bits of a packet": charts.rate_distortion([points[0], *lines])},
        [report.table_of(points)],
    )
    training = report.Section(
        "Training",
        figures={
            "Loss, NMSE and payload bits over the epochs": charts.training_curves(
                log.read_log(workdir)
            )
        },
    )
    sections = [first, training, *portrait.sections(portraits)]
    report.write(workdir / "report.html", "tfcsi demo", text, sections)
    print(f"\n{results.table(points)}\n")
    print(
        f"{workdir / 'report.html'} shows it; {time.monotonic() - began:.0f} s in all"
    )


def clear(workdir: pathlib.Path) -> None:
    """Makes a folder for a demo, or deletes the earlier demo that it holds.

    Args:
      workdir: Folder that is new or empty, or holds the mark and the files of a demo
        alone. It gets the mark.

    Raises:
      FileExistsError: If it holds anything else; nothing is deleted then.
      NotADirectoryError: If it is a file.
    """
    workdir.parent.mkdir(parents=True, exist_ok=True)
    if workdir.exists() and not workdir.is_dir():
        raise NotADirectoryError(f"{workdir} is a file; give a folder for the demo")
    workdir.mkdir(exist_ok=True)
    held = sorted(path for path in workdir.iterdir() if path.name != LOCK)
    names = [path.name for path in held]
    remedy = "nothing is deleted: give another --workdir, or delete it yourself"
    if names and MARK not in names:
        raise FileExistsError(
            f"{workdir} is not empty, and it has no {MARK} of an earlier demo; {remedy}"
        )
    if strangers := [name for name in names if name not in (MARK, *_OWN)]:
        raise FileExistsError(
            f"{workdir} holds {strangers[0]}, which is no file of a demo; {remedy}"
        )
    for path in held:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    files.write_text(
        workdir / MARK, "The next tfcsi demo in this folder deletes the files here.\n"
    )


def send(
    codec: AnyCodec, workdir: pathlib.Path, h: np.ndarray
) -> tuple[list[bytes], np.ndarray]:
    """Writes packets of h to a file and decodes the file in another process.

    Args:
      codec: The codec that `workdir` holds.
      workdir: Gets packets.tcsi and h_hat.npy.
      h: complex64 [n, num_tx, num_delay].

    Returns:
      n packets; h_hat complex64 [n, num_tx, num_delay] of the other process.

    Raises:
      RuntimeError: If the other process failed; the message is its own.
    """
    path, back = workdir / "packets.tcsi", workdir / "h_hat.npy"
    packets = codec.compress(h)
    write_file(path, codec.session, packets)
    command = [sys.executable, "-m", "tfcsi", "decompress", f"--workdir={workdir}"]
    command += [f"--input={path}", f"--output={back}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return packets, np.load(back)


def export(codec: Codec, workdir: pathlib.Path) -> dict[str, bytes]:
    """Writes the UE's files to the workdir; returns precision to bytes."""
    import tqdm

    from tfcsi.tflite import convert, exports

    x = np.load(workdir / CALIBRATION_FILE).astype(np.float32)
    flatbuffers = {}
    for precision in tqdm.tqdm(PRECISIONS, desc="export", leave=False):
        flatbuffers[precision] = convert.export(codec, precision, x)
        files.write_bytes(
            workdir / exports.file_name(precision), flatbuffers[precision]
        )
    named = {exports.file_name(name): content for name, content in flatbuffers.items()}
    codec.save_ue(workdir / TABLES_FILE, **named)
    return flatbuffers


def paths_of(config: ml_collections.ConfigDict) -> Paths:
    """The path coding of the package for the scenario and the matrices of a config."""
    from tfcsi.codecs.workdir import load

    domain = transforms.domain_of(config)
    shape = tuple(config.shape)
    num_fft = shape[1] if domain == "space_frequency" else NUM_FFT
    codec = load(f"paths_cost2100_{config.scenario}")
    assert isinstance(codec, Paths)
    return codec.resized(shape, num_fft, domain)


def _data(
    config: ml_collections.ConfigDict, data_dir: str | os.PathLike | None
) -> tuple[list[np.ndarray], str]:
    """Training, validation and test matrices, and the name of their source."""
    from tfcsi import datasets
    from tfcsi.channels import cost2100 as simulator
    from tfcsi.codecs.schema import SIMULATED

    num_test = config.get("num_test", _NUM_TEST)
    domain = transforms.domain_of(config)
    if data_dir is None:
        num_train = config.num_train or SIMULATED["num_train"]
        num_val = config.num_val or SIMULATED["num_val"]
        sizes = (num_train, num_val, num_test)
        setup = {"domain": domain}
        if domain == "space_frequency":
            setup["num_sc"] = config.shape[1]
        h = simulator.simulate(
            sum(sizes), _SIMULATION_SEED, config.scenario, progress=True, **setup
        )
        parts = np.split(h, np.cumsum(sizes)[:-1])
        return parts, f"simulated COST 2100 {config.scenario}"
    name = f"cost2100_{config.scenario}"
    first = {"train": config.num_train, "val": config.num_val, "test": num_test}
    parts = datasets.join({name: data_dir}, [*first], {"domain": domain}, None, first)
    return parts, name


def _sizes(codec: Codec) -> dict[str, object]:
    facts = codec.describe()
    return {key: facts[key] for key in ("ue_params", "train_seconds")}
