"""Adds the codec of a run to a zoo, and measures codecs of a zoo for their cards."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from tfcsi import datasets, results, transforms
from tfcsi.codecs import half, zoo
from tfcsi.codecs.neural import Codec as Network
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.workdir import CALIBRATION_FILE, RUN_FILE, load
from tfcsi.coding.sending import TABLES_FILE
from tfcsi.commands.parser import UsageError
from tfcsi.evaluation import card, rates

if TYPE_CHECKING:
    from tfcsi.codecs.contract import Codec

_KEPT = (  # What the manifest has of the record of a run.
    *("seed", "command", "train_seconds", "commands_before", "train_seconds_before"),
)


def add(args: argparse.Namespace) -> None:
    """Adds the codec of a run to a zoo, and measures it if its data are given.

    Args:
      args: Has add (the folder of the run), name, zoo, overwrite, data_dir, data_root,
        num and progress.
    """
    place, workdir = _zoo_of(args), pathlib.Path(args.add)
    if not zoo.NAME.fullmatch(args.name):
        raise UsageError(
            f"--name={args.name}; a name has letters, digits and . _ + - only"
        )
    known = zoo.entries().get(args.name)
    if known and known.zoo.resolve() != place.resolve():
        raise FileExistsError(
            f"the zoo {known.zoo} has a codec {args.name}; give another --name"
        )
    if (place / args.name).exists() and not args.overwrite:
        raise FileExistsError(
            f"{place / args.name} exists; give another --name, or --overwrite"
        )
    codec = load(workdir)
    if args.data_dir or args.data_root:
        _folders(codec, args)  # Refuses wrong ones before the work.
    run_file = workdir / RUN_FILE
    record = json.loads(run_file.read_text()) if run_file.exists() else {}
    facts: dict[str, Any] = {"seed": codec.config["seed"], **record, **codec.describe()}
    weights = half.copy(workdir, place / args.name, _sample(workdir), args.progress)
    (place / args.name / zoo.RESULTS_FILE).unlink(missing_ok=True)
    kept = {key: facts.get(key) for key in _KEPT}
    data = ",".join(_sources(codec))
    entry = zoo.record(
        place, args.name, data=data, **kept, weights=weights, licence=zoo.LICENCE
    )
    print(f"{weights}\n{args.name}: {entry.num_bytes:,} bytes in {entry.folder}")
    if args.data_dir or args.data_root:
        measure(entry, args)
    else:
        card.write(entry)
        print(f"not measured yet: tfcsi zoo --measure={args.name} --data_root=DIR")
    if place.resolve() not in [known.resolve() for known in zoo.zoos()]:
        print(f"set {zoo.VARIABLE}={place} so that tfcsi finds {args.name}")


def _zoo_of(args: argparse.Namespace) -> pathlib.Path:
    """The zoo that a codec is added to."""
    if args.zoo:
        return pathlib.Path(args.zoo)
    named = [
        name for name in os.environ.get(zoo.VARIABLE, "").split(os.pathsep) if name
    ]
    if named:
        return pathlib.Path(named[0])
    if (zoo.CHECKOUT / zoo.MANIFEST_FILE).exists():
        return zoo.CHECKOUT
    raise UsageError(f"give the folder of a zoo: --zoo=DIR, or set {zoo.VARIABLE}")


def _sample(workdir: pathlib.Path) -> np.ndarray | None:
    """The training matrices that the run has kept, complex64 [n, ...]."""
    path = workdir / CALIBRATION_FILE
    if not path.exists():
        return None
    x = np.load(path).astype(np.float32)
    h, _ = transforms.to_peak(transforms.to_complex(x))  # float16 has rounded the peak.
    return h


def _sources(codec: Codec) -> list[str]:
    """The sources that a codec was trained on."""
    try:
        return rates.sources_of(codec.config)
    except ValueError:
        return []


def _folders(codec: Codec, args: argparse.Namespace, data: str = "") -> dict[str, str]:
    """Name of each source to the folder of its files.

    Args:
      codec: The codec.
      args: Has data_dir and data_root.
      data: Names of the sources, with commas between; those of the config if empty.
    """
    names = data.split(",") if data else _sources(codec)
    if not names:
        raise UsageError(
            "the codec has no source; leave out --data_dir and --data_root"
        )
    if args.data_root:
        root = pathlib.Path(args.data_root)
        return {name: str(root / datasets.parts(name)[0]) for name in names}
    if not args.data_dir:
        raise UsageError("give the folder of the test matrices: --data_root=DIR")
    if len(names) > 1:
        raise UsageError(f"the codec is of {len(names)} sources; give --data_root=DIR")
    return {names[0]: args.data_dir}


def measure(entry: zoo.Entry, args: argparse.Namespace) -> None:
    """Measures a codec on test matrices; writes results file, manifest and card.

    Args:
      entry: A codec with sound files.
      args: Has data_dir, data_root, num and progress.
    """
    codec = load(entry.folder)
    folders = _folders(codec, args, entry.fields.get("data", ""))
    stamp = entry.fields["files"]["codec.npz"]["sha256"]
    facts = {"codec": entry.name, zoo.STAMP_KEY: stamp, **_costs(codec)}
    points = list(rates.points(codec, folders, facts, args.progress, args.num))
    command = f"tfcsi zoo --measure={entry.name} --data_root=DIR"
    command += f" --num={args.num}" if args.num else ""
    path, seed = entry.folder / zoo.RESULTS_FILE, codec.config["seed"]
    results.write(path, points, seed, command)
    kept = {k: v for k, v in entry.fields.items() if k not in ("files", "version")}
    entry = zoo.record(entry.zoo, entry.name, **kept)
    card.write(entry)
    print(results.table(points, columns=[k for k in card.COLUMNS if k in points[0]]))


def _costs(codec: Codec) -> dict[str, int]:
    """Bytes at the UE, and multiply-accumulates of a network, where they are known.

    The bytes are those of the files that `tfcsi export` writes, in float32.
    """
    encoders: dict[str, bytes] = {}
    costs: dict[str, int] = {}
    if isinstance(codec, Network):
        from tfcsi.models import complexity
        from tfcsi.tflite import convert, exports

        costs["ue_macs"] = complexity.count(codec.encoder)["macs"]
        costs["bs_macs"] = complexity.count(codec.decoder)["macs"]
        try:
            encoder = convert.export(codec, "float32", None)
        except convert.ConversionError:  # A network of no builtin operations.
            return costs
        encoders[exports.file_name("float32")] = encoder
    elif not isinstance(codec, Paths):
        return costs
    with tempfile.TemporaryDirectory() as folder:
        tables = pathlib.Path(folder, TABLES_FILE)
        codec.save_ue(tables, **encoders)
        costs["ue_bytes"] = tables.stat().st_size + sum(map(len, encoders.values()))
    return costs
