"""The zoo: trained codecs that load by name, and the check of their files.

A zoo is a folder with `manifest.json` and a folder for each codec. The manifest has the
size and the SHA-256 of each file, and both are checked before a file is opened. Zoos
are searched in this order: that of the package, the folders that the variable TFCSI_ZOO
names, and the folder zoo/ of a checkout. Nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tfcsi import __version__, files, results
from tfcsi.options import meant

_ROOM = pathlib.Path(__file__).parents[1]
PACKAGE = _ROOM / "zoo"  # Codecs that come with the package.
CHECKOUT = _ROOM.parent / "zoo"
# The manifest of the repository in an installed package, without the codecs.
LISTED = _ROOM / "repository_zoo"
VARIABLE = "TFCSI_ZOO"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "card.md"  # For people; it is not in the manifest.
RESULTS_FILE = "results.json"
FILES = ("config.json", "codec.npz", RESULTS_FILE)  # Of a codec; the last may lack.
STAMP_KEY = "codec_sha256"  # Of points: which codec.npz they were measured with.
FORMAT = 1  # Of the manifest.
LICENCE = "Apache-2.0"  # Of tfcsi and of the codecs that were trained by it.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")  # Of a codec, and of a file.
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Entry(NamedTuple):
    """A codec of a zoo.

    Attributes:
      name: Its name.
      zoo: Folder of the zoo.
      fields: What the manifest says of it; `files` has the name of each file, to
        `bytes` and `sha256`.
    """

    name: str
    zoo: pathlib.Path
    fields: Mapping[str, Any]

    @property
    def folder(self) -> pathlib.Path:
        """Folder of its files."""
        return self.zoo / self.name

    @property
    def num_bytes(self) -> int:
        """Size of all its files."""
        return sum(file["bytes"] for file in self.fields["files"].values())

    def is_here(self) -> bool:
        """Whether all its files exist."""
        return all((self.folder / file).is_file() for file in self.fields["files"])


def zoos() -> list[pathlib.Path]:
    """Returns the folders that are searched, in order; they need not exist."""
    named = os.environ.get(VARIABLE, "").split(os.pathsep)
    return [PACKAGE, *(pathlib.Path(name) for name in named if name), CHECKOUT, LISTED]


def entries() -> dict[str, Entry]:
    """Returns the codecs of all zoos by name.

    A name that several zoos have is the codec of the first one whose files exist.

    Raises:
      ValueError: If a manifest is damaged.
    """
    known: dict[str, Entry] = {}
    for zoo in zoos():
        for name, fields in read_manifest(zoo).items():
            entry = Entry(name, zoo, fields)
            if name not in known or not known[name].is_here() and entry.is_here():
                known[name] = entry
    return dict(sorted(known.items()))


def shipped() -> list[str]:
    """Returns the names of the codecs that come with the package."""
    return sorted(read_manifest(PACKAGE))


def folder_of(workdir: str | os.PathLike) -> pathlib.Path:
    """Returns the folder of a run, or that of a codec of a zoo, with sound files.

    Args:
      workdir: A folder, or the name of a codec of a zoo as a str. A folder of that name
        is "./NAME".

    Raises:
      FileNotFoundError: If a zoo lists the codec and its files are not here. The
        message says how to get them.
      ValueError: If a file differs from what the manifest says, or a manifest is
        damaged.
    """
    if isinstance(workdir, str) and NAME.fullmatch(workdir):
        entry = entries().get(workdir)
        if entry:
            check(entry)
            return entry.folder
    return pathlib.Path(workdir)


def is_name(workdir: str | os.PathLike) -> bool:
    """Returns whether this is the name of a codec of a zoo, and so not a folder."""
    return isinstance(workdir, str) and workdir in entries()


def entry_of(name: str) -> Entry:
    """Returns the codec of a name, with sound files.

    Raises:
      FileNotFoundError: If no zoo has it; or as `check`.
      ValueError: As `check`.
    """
    known = entries()
    if name not in known:
        hint = f"; {meant(name, known)}".rstrip("; ")
        raise FileNotFoundError(
            f"no zoo has a codec {name!r}{hint}; tfcsi zoo lists all"
        )
    check(known[name])
    return known[name]


def check(entry: Entry) -> None:
    """Checks size and SHA-256 of all files of a codec; raises as `folder_of`."""
    for name, wanted in entry.fields["files"].items():
        path = entry.folder / name
        if not path.is_file():
            raise FileNotFoundError(
                f"the codec {entry.name} is in the manifest {entry.zoo / MANIFEST_FILE}"
                f", but its file {path} is not here ({wanted['bytes']:,} bytes); "
                f"{_remedy(entry)}"
            )
        found = _stamp(path)
        for key, words in (("bytes", "size"), ("sha256", "SHA-256")):
            if found[key] != wanted[key]:
                raise ValueError(
                    f"{path} was changed or damaged: its {words} is {found[key]}, but "
                    f"the manifest says {wanted[key]}; {_remedy(entry)}"
                )


def _remedy(entry: Entry) -> str:
    """How to get the files of a codec."""
    if entry.zoo == PACKAGE:
        return "install tfcsi again"
    if entry.zoo in (CHECKOUT, LISTED):
        return (
            f"it lies in the folder zoo/{entry.name} of the repository of tfcsi: clone "
            f"the repository, and set {VARIABLE} to its folder zoo"
        )
    return f"copy {entry.folder} again from where this zoo came from"


def _stamp(path: pathlib.Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def read_manifest(zoo: str | os.PathLike) -> dict[str, dict[str, Any]]:
    """Reads the manifest of a zoo.

    Args:
      zoo: Folder of the zoo.

    Returns:
      Name of each codec to its fields; empty if there is no manifest.

    Raises:
      OSError: If it is no file, or cannot be read.
      ValueError: If it is damaged, or if a name in it leads out of the zoo.
    """
    path = pathlib.Path(zoo) / MANIFEST_FILE
    if not os.path.lexists(path):
        return {}
    text = files.read_bytes(path)
    try:
        content = json.loads(text.decode())
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"it is not a manifest of format {FORMAT}")
        codecs = content["codecs"]
        for name, fields in codecs.items():
            _check_entry(name, fields["files"])
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else repr(error)
        raise ValueError(f"{path} is damaged: {reason}") from error
    return codecs


def _check_entry(name: str, listed: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses an entry with a name or a hash that cannot be."""
    for word in (name, *listed):
        if not NAME.fullmatch(word):
            raise ValueError(f"{word!r} is not a name of a codec or a file")
    for file, stamp in listed.items():
        if type(stamp["bytes"]) is not int or not _SHA256.fullmatch(stamp["sha256"]):
            raise ValueError(f"{name}/{file} has no size or no SHA-256")


def record(zoo: str | os.PathLike, name: str, **fields: object) -> Entry:
    """Writes what the manifest says of a codec, with the hashes of its files.

    Args:
      zoo: Folder of the zoo; its manifest is made if it is missing.
      name: Of the codec. What the manifest said of it before is replaced.
      **fields: Such as data, seed, command and train_seconds. What is None is left out.

    Raises:
      ValueError: If the name cannot be that of a codec.
    """
    zoo = pathlib.Path(zoo)
    paths = [zoo / name / file for file in FILES]
    listed = {path.name: _stamp(path) for path in paths if path.is_file()}
    _check_entry(name, listed)
    codecs = read_manifest(zoo)
    given = {key: value for key, value in fields.items() if value is not None}
    codecs[name] = {**given, "version": __version__, "files": listed}
    content = {"format": FORMAT, "codecs": dict(sorted(codecs.items()))}
    files.write_json(zoo / MANIFEST_FILE, content, indent=1)
    return Entry(name, zoo, codecs[name])


def points_of(entry: Entry) -> list[dict[str, Any]]:
    """Returns the points of a codec's results file.

    Args:
      entry: A codec whose files are here.

    Returns:
      Its points; none if there is no results file, or if codec.npz is another one now.

    Raises:
      ValueError: If the results file is damaged.
    """
    if RESULTS_FILE not in entry.fields["files"]:
        return []
    points = results.read(entry.folder / RESULTS_FILE)["points"]
    now = entry.fields["files"]["codec.npz"]["sha256"]
    return [point for point in points if point.get(STAMP_KEY) == now]


def usual(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Returns the points that `compress` without wishes gives, one a source."""
    return [point for point in points if point.get("usual")]
