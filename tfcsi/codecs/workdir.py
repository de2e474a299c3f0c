"""The folder of a run: which files a codec has there, how they are written and read.

Every codec is saved in the same two files: config.json, with a field `model` that says
what it is, and codec.npz, what it has learned. `load` gives any of them back.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

import tfcsi
from tfcsi import files, plugins, transforms
from tfcsi.archives import Archive
from tfcsi.codecs import zoo
from tfcsi.codecs.contract import Codec
from tfcsi.coding.packets import VERSIONS, Session
from tfcsi.options import check_options, meant

if TYPE_CHECKING:
    import ml_collections

Kind = TypeVar("Kind", bound=Codec)
CONFIG_FILE, CODEC_FILE = "config.json", "codec.npz"
CALIBRATION_FILE = "calibration.npy"
RUN_FILE, CHECKPOINTS = "run.json", "checkpoints"  # What a training leaves besides.
# What config.json of a codec without a network may hold.
CLASSICAL_FIELDS = (
    *("model", "shape", "seed", "domain", "dataset", "scenario", "source", "network"),
)
SESSION_KEY = "session"  # Array of codec.npz: header of the session.
CONFIG_KEY = "config"  # Array of codec.npz of a network: the text of config.json.
VERSION_KEY = "packet_version"  # Array of codec.npz: format of the packets.
DOMAIN_KEY = "domain"  # Array of codec.npz: domain of the CSI. Early runs have none.
# Registry: kind of a codec to the module with the `load` that reads it. The field
# `model` of a config is the kind; every other model is a network, of the kind "neural".
KINDS = {
    "dft_grid": "tfcsi.codecs.dft_grid",
    "gaussian_mixture": "tfcsi.codecs.gaussian_mixture",
    "klt": "tfcsi.codecs.klt",
    "learned": "tfcsi.codecs.learned",
    "neural": "tfcsi.codecs.neural",
    "paths": "tfcsi.codecs.paths",
    "topk": "tfcsi.codecs.topk",
}
KINDS |= plugins.modules(plugins.CODECS, KINDS)


def load(workdir: str | os.PathLike) -> Codec:
    """Loads the codec of a workdir, whatever its kind.

    Codecs without a network need NumPy alone.

    Args:
      workdir: Folder that the `save` of a codec wrote, or the name of a codec of the
        zoo (`tfcsi.codecs.zoo`). A folder of that name is "./NAME".

    Returns:
      The codec: `compress(h)` makes packets, `decompress(packets)` makes CSI of them.

    Raises:
      FileNotFoundError: If the folder holds no codec. The message says what is missing.
      ValueError: If the files are damaged or do not fit together, or if those of a
        codec of the zoo are not those of its manifest.
      ImportError: If the codec has a network and the full set is not installed.

    Examples:
      >>> codec = load("paths")
      >>> codec.session.num_tx, codec.session.num_delay, codec.domain
      (32, 32, 'angular_delay')
    """
    workdir = zoo.folder_of(workdir)
    model = read_config(workdir).get("model")
    kind = model if model in KINDS else "neural"
    if kind == "neural":
        tfcsi.need_full()
    return importlib.import_module(KINDS[kind]).load(workdir)


def load_classical(
    workdir: str | os.PathLike, make: Callable[[dict, Mapping[str, np.ndarray]], Kind]
) -> Kind:
    """Loads a codec without a network.

    Args:
      workdir: Folder that its `save` wrote.
      make: Makes the codec of the fields of config.json and the arrays of codec.npz. It
        may raise KeyError, TypeError, ValueError, IndexError or ArithmeticError.

    Raises:
      FileNotFoundError: If the folder holds no codec. The message says what is missing.
      ValueError: If the arrays make no codec, if a field of config.json is not known,
        or if config and arrays do not belong together. Files of early versions hold no
        session, so that not every change of their config can be told.
    """
    config, arrays = read_config(workdir), read_arrays(workdir)
    changed = f"{CONFIG_FILE} does not fit {CODEC_FILE}; it was changed"
    try:
        check_options(config, CLASSICAL_FIELDS, CONFIG_FILE)
        size, stored = _size(config.get("shape")), session_in(arrays)
        if stored and (stored.num_tx, stored.num_delay) != size:
            raise ValueError(changed)
        if stored and stored.codec.partition("@")[0] != config["model"]:
            raise ValueError(changed)
        codec = make(config, arrays)
        codec.config = config
        session = codec.session
        if stored not in (None, session):
            raise ValueError(changed)
        version = packet_version(arrays, CODEC_FILE, session.version)
        if version != session.version:
            raise ValueError(
                f"{CODEC_FILE} has packets of version {version}, and the codec writes "
                f"version {session.version}"
            )
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as error:
        reason = str(error) if type(error) is ValueError else repr(error)
        raise ValueError(f"{workdir} holds no sound codec: {reason}") from error
    return codec


def agreed(session: Session) -> dict[str, np.ndarray]:
    """Returns the arrays of codec.npz that hold a session; see `session_in`."""
    header = np.frombuffer(session.to_bytes(), np.uint8)
    return {SESSION_KEY: header, VERSION_KEY: np.array(session.version)}


def session_in(arrays: Mapping[str, np.ndarray]) -> Session | None:
    """Returns the session in the arrays of codec.npz; early runs have none."""
    if SESSION_KEY not in arrays:
        return None
    return Session.from_bytes(arrays[SESSION_KEY].tobytes())[0]


def names_domain(arrays: Mapping[str, np.ndarray]) -> bool:
    """Tells whether the session of a KLT or a top-K names another domain than usual.

    Args:
      arrays: Of its codec.npz. Sessions of early runs name none, and keep to that if
        the run is saved anew.
    """
    stored = session_in(arrays)
    return "@" in stored.codec if stored else DOMAIN_KEY in arrays


def _size(shape: object) -> tuple[int, int]:
    """Returns the shape in a config, (num_tx, num_delay)."""
    sides = shape if isinstance(shape, list) else []
    if len(sides) != 2 or not all(type(n) is int and 0 < n < 1 << 16 for n in sides):
        raise ValueError(
            f"shape is {shape!r}; it must be [num_tx, num_delay], each 1 to 65535"
        )
    return sides[0], sides[1]


def commands_of(workdir: str | os.PathLike, facts: Mapping[str, Any]) -> list[str]:
    """Returns the commands that made a run or a codec of a zoo, as far as known.

    Args:
      workdir: A folder, also that of a codec of a zoo, or the name of such a codec.
      facts: Facts of its codec. `commands_before` are the commands of the runs that its
        training went on from.

    Raises:
      ValueError: If its `run.json` is damaged.
    """
    folder = zoo.folder_of(workdir).resolve()
    of_zoo = {entry.folder.resolve(): entry for entry in zoo.entries().values()}
    if folder in of_zoo:
        record = of_zoo[folder].fields
    else:
        path = folder / RUN_FILE
        record = files.read_json(path) if path.exists() else {}
    own = [record["command"]] if "command" in record else []
    return [*facts.get("commands_before", []), *own]


def check_free(workdir: str | os.PathLike, resume: bool = False) -> None:
    """Refuses a folder for a new run that holds a run already.

    Args:
      workdir: Folder; it need not exist.
      resume: Whether a run that it holds may be continued.

    Raises:
      FileExistsError: If it holds a run that is not to be continued.
      NotADirectoryError: If it, or a folder above it, is a file.
      PermissionError: If it cannot be written to.
    """
    files.check_folder(workdir)
    workdir = pathlib.Path(workdir)
    if holds_run(workdir) and not resume:
        raise FileExistsError(
            f"{workdir} already holds a run: give another folder, or --resume to go on "
            f"with it; to start again, delete the folder first"
        )


def holds_run(workdir: str | os.PathLike) -> bool:
    """Returns whether a folder holds a run with something to keep.

    A training that ended before its first epoch leaves config.json and run.json alone.
    The next training may replace them. A config.json of any other origin stays. What
    was left by a process that ended before config.json was written is no run.
    """
    workdir = pathlib.Path(workdir)
    kept = (workdir / CODEC_FILE, workdir / CHECKPOINTS / "checkpoint")
    begun = not (workdir / RUN_FILE).exists() or any(path.exists() for path in kept)
    return (workdir / CONFIG_FILE).exists() and begun


def save_config(
    config: dict | ml_collections.ConfigDict, workdir: str | os.PathLike
) -> None:
    """Writes config.json to a workdir, a path."""
    _write_config(config, pathlib.Path(workdir) / CONFIG_FILE)


def _write_config(config: dict | ml_collections.ConfigDict, path: pathlib.Path) -> None:
    fields = config if isinstance(config, dict) else config.to_dict()
    files.write_json(path, fields, sort_keys=True)


def read_config(workdir: str | os.PathLike) -> dict:
    """Reads config.json of a workdir as a dict; its errors name the file."""
    path = pathlib.Path(workdir) / CONFIG_FILE
    if not path.exists():
        reason = f"it has no {CONFIG_FILE}"
        if not path.parent.is_dir():
            hint = meant(str(workdir), zoo.entries())
            reason = "there is no such folder" + (f"; {hint}" if hint else "")
        raise FileNotFoundError(f"{workdir} is not a workdir: {reason}")
    fields = files.read_json(path)
    try:
        if not isinstance(fields, dict):
            raise ValueError(f"it holds a {type(fields).__name__}, not fields")
        if not isinstance(fields.get("model"), str):
            raise ValueError("it has no field 'model' that names a codec")
        transforms.domain_of(fields)
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return fields


def load_config(workdir: str | os.PathLike) -> ml_collections.ConfigDict:
    """Reads config.json of a workdir as a ConfigDict; its errors name the file."""
    import ml_collections

    fields = read_config(workdir)
    try:
        return ml_collections.ConfigDict(fields)
    except (ValueError, AttributeError) as error:
        path = pathlib.Path(workdir) / CONFIG_FILE
        raise ValueError(f"{path} is damaged: {error}") from error


def save(
    workdir: str | os.PathLike,
    config: dict | ml_collections.ConfigDict,
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Writes the two files of a codec, each whole or not at all; makes the folder.

    config.json comes last, so a new folder that has it has the codec, too.
    """
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    with files.replacing(workdir / CONFIG_FILE) as temporary:
        _write_config(config, temporary)
        written = {DOMAIN_KEY: np.array(transforms.domain_of(config))}
        if config["model"] not in KINDS:
            written[CONFIG_KEY] = np.array(temporary.read_text())
        files.write_arrays(workdir / CODEC_FILE, {**arrays, **written})


def save_calibration(workdir: str | os.PathLike, x: np.ndarray) -> None:
    """Writes the training matrices that a run keeps, by which integers are made.

    Args:
      workdir: Folder of the run; it is made if it is missing.
      x: float [n, num_tx, num_delay, 2]. It is kept as float16.
    """
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)
    with files.replacing(workdir / CALIBRATION_FILE) as temporary:
        with open(temporary, "wb") as file:
            np.save(file, x.astype(np.float16))


def read_arrays(workdir: str | os.PathLike) -> Archive:
    """Reads codec.npz of a workdir.

    Raises:
      FileNotFoundError: If there is none.
      ValueError: If it is damaged, or if config.json was changed since the codec was
        saved; the message names the file and the field.
    """
    path = pathlib.Path(workdir) / CODEC_FILE
    if not path.exists():
        raise FileNotFoundError(
            f"{workdir} holds no {CODEC_FILE}: its training is not finished; "
            f"continue it with --resume"
        )
    arrays = Archive(path)
    config = read_config(workdir)
    domain = transforms.domain_of(config)
    trained = str(arrays.get(DOMAIN_KEY, domain))
    if trained != domain:
        raise ValueError(
            f"{path.with_name(CONFIG_FILE)} says domain {domain!r}, but the run is of "
            f"{trained!r}: the file was changed; set it back"
        )
    if CONFIG_KEY in arrays:
        _check_unchanged(config, arrays[CONFIG_KEY], path.with_name(CONFIG_FILE))
    return arrays


def _check_unchanged(
    config: dict, written: np.ndarray, path: str | os.PathLike
) -> None:
    """Refuses a config.json that was changed since its codec was saved.

    Args:
      config: Its fields.
      written: Array of codec.npz, the text of config.json as it was saved.
      path: Of config.json, for the message.
    """
    saved = json.loads(str(written))
    for name in sorted(config.keys() - saved.keys()):
        hint = f"; {meant(name, saved)}".rstrip("; ")
        raise ValueError(
            f"{path} has a field {name!r} that it did not have when the run was saved; "
            f"take it out{hint}"
        )
    for name in sorted(saved):
        if name not in config or config[name] != saved[name]:
            now = f"is {config[name]!r}" if name in config else "is missing"
            raise ValueError(
                f"{path}: the field {name!r} {now}, but the run was saved with "
                f"{saved[name]!r}; set it back, or train again with another config"
            )


def packet_version(
    arrays: Mapping[str, np.ndarray], path: str | os.PathLike, otherwise: int = 1
) -> int:
    """Returns the format of the packets of a run from the arrays of codec.npz.

    Args:
      arrays: What `read_arrays` returned. Runs from before version 2 do not state it.
      path: Name of the file, for the message.
      otherwise: Version of a run that does not state it.

    Raises:
      ValueError: If this version of tfcsi does not know the format.
    """
    version = int(arrays.get(VERSION_KEY, otherwise))
    if version not in VERSIONS:
        raise ValueError(
            f"{path} has packets of version {version}; this tfcsi knows {VERSIONS}"
        )
    return version
