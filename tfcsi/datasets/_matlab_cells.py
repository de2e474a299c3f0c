"""Cells and structs of MATLAB files, and the users of DeepMIMO's MATLAB form."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tfcsi import hdf5_files
from tfcsi.datasets import _axes, _files, _hdf5, _matlab5
from tfcsi.datasets._files import DataError

KEY, MATLAB_KEY = "channel", "DeepMIMO_dataset"


def nested(path: Path, *keys: str) -> Any:
    """Reads a cell or struct of a MATLAB file (v5, v7.3) as lists, dicts and arrays.

    Args:
      path: path of the file.
      *keys: names of variables; the first one that the file has is read.

    Returns:
      A cell becomes a list, a struct a dict, and anything else an array.

    Raises:
      DataError: the file is missing or unreadable, or has none of the variables.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with _files.wrapped(path):
        if not h5py.is_hdf5(path):
            mat = _matlab5.loaded(path, keys)
            values = [_plain_v5(mat[key]) for key in keys if key in mat]
            there = [name for name, *_ in _matlab5.listed(path)]
        else:
            with hdf5_files.opened(path) as file:
                writer = _hdf5.Writer(file, path)
                known = _hdf5.entries(file)
                values = [_plain_v73(writer, known[k]) for k in keys if k in known]
                there = [name for name in file if not name.startswith("#")]
    if not values:
        raise DataError(
            f"{path}: no variable {keys[0]!r}; found {', '.join(there) or 'none'}"
        )
    return values[0]


def _plain_v5(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        structs = [
            {n: _plain_v5(s[n]) for n in value.dtype.names} for s in value.ravel()
        ]
        return structs[0] if len(structs) == 1 else structs
    return [_plain_v5(v) for v in value.ravel()] if value.dtype == object else value


def _plain_v73(writer: _hdf5.Writer, item: Any, deep: int = 0) -> Any:
    writer.count(deep)
    inner = functools.partial(_plain_v73, writer, deep=deep + 1)
    if isinstance(item, h5py.Group):
        known = _hdf5.entries(item)
        if _is_struct_array(item, known.values()):
            fields = {
                name: [inner(item.file[r]) for r in value[()].T.ravel()]
                for name, value in known.items()
            }
            return [dict(zip(fields, each)) for each in zip(*fields.values())]
        return {name: inner(value) for name, value in known.items()}
    if hdf5_files.attribute(item, "MATLAB_empty", 0):
        return np.empty((0, 0))
    value = writer.whole(item)
    if value.dtype == object:  # A cell holds references.
        return [inner(item.file[r]) for r in value.ravel()]
    return value


def _is_struct_array(group: h5py.Group, values: Collection) -> bool:
    """Whether a group is an array of structs, whose fields are references.

    A struct with a cell in a field has references too, but they are marked as a cell.
    """
    is_struct = hdf5_files.attribute(group, "MATLAB_class", b"") == b"struct"
    return bool(is_struct and values) and all(
        isinstance(value, h5py.Dataset)
        and h5py.check_ref_dtype(value.dtype) is h5py.Reference
        and hdf5_files.attribute(value, "MATLAB_class", b"") != b"cell"
        for value in values
    )


def _of_scene(path: Path, cells: Any, scene: int) -> list:
    """Returns the base stations of a scene; data of one scene have no such axis."""
    stations = cells if isinstance(cells, list) else [cells]
    scenes = [stations]
    if stations and all(isinstance(station, list) for station in stations):
        scenes = stations
    if not 0 <= scene < len(scenes):
        raise ValueError(f"scene is {scene}; {path} has scenes 0 to {len(scenes) - 1}")
    return scenes[scene]


def users_of_matlab(
    path: Path, cells: Any, bs: int, axes: str, scene: int = 0
) -> _files.Array:
    """Returns the channels of all users of one base station of MATLAB's cell.

    Args:
      path: path of the file, for messages.
      cells: the variable `DeepMIMO_dataset` or `channel`, as `nested` returns it.
      bs: number of the base station, from 1.
      axes: names of the axes of a user's channel; if empty [num_rx, num_tx, num_sc],
        or what the parameters in the file say, or [num_tx, num_sc] where this is sure.
      scene: number of the scene, from 0, in a cell {scene}{bs}.

    Returns:
      [n, ...] with the axes of a user's channel, whose names are its attribute `axes`.
      Users without a channel have zeros.

    Raises:
      ValueError: there is no base station `bs` or no such scene, or `axes` lists no
        axes.
      DataError: the cells are of another form.
    """
    stations = _of_scene(path, cells, scene)
    if not 1 <= bs <= len(stations):
        raise ValueError(f"bs is {bs}; {path} has {len(stations)} base stations")
    station = stations[bs - 1]
    users = station.get("user") if isinstance(station, dict) else None
    users = [users] if isinstance(users, dict) else users
    stored = [u.get(KEY) if isinstance(u, dict) else None for u in users or []]
    channels = [np.asarray(channel) for channel in stored]  # None becomes an object.
    if not channels or any(c.dtype.kind not in "fc" for c in channels):
        raise DataError(
            f"{path}: {MATLAB_KEY}{{{bs}}}.user is no cell of structs with {KEY}"
        )
    shapes = {c.shape for c in channels if c.size}
    if len(shapes) > 1:
        raise DataError(f"{path}: {KEY} of users differ in shape: {sorted(shapes)[:4]}")
    if not shapes:
        raise DataError(f"{path}: {KEY} of all {len(channels)} users is empty")
    shape = shapes.pop()
    array = np.stack([c if c.size else np.zeros(shape, complex) for c in channels])
    # MATLAB's version 1 has no axis of the UE's antennas.
    sure = axes.replace("n,", "", 1) or _axes_by_parameters(path, bs, shape)
    axes = sure or {2: "tx,sc", 3: "rx,tx,sc"}.get(len(shape), "")
    if not axes:
        raise DataError(
            f"{path}: {KEY} of a user is {list(shape)}, expected [num_rx, num_tx, "
            f"num_sc]"
        )
    if not sure and len(shape) == 2:
        _axes.check_dropped(f"{path}: {KEY} of a user", shape, "")
    return _files.Array(path, KEY, array.shape, array.__getitem__, True, f"n,{axes}")


def _axes_by_parameters(path: Path, bs: int, shape: tuple[int, ...]) -> str:
    """Returns the axes of a user's channel [., .] by the parameters in the file."""
    try:
        parameters = nested(path, "params", "dataset_params")
        num_tx, num_rx = (
            int(np.prod(rows[min(bs, len(rows)) - 1]))
            for rows in (
                np.atleast_2d(parameters[f"num_ant_{side}"]) for side in ("BS", "UE")
            )
        )
    except (DataError, KeyError, TypeError):  # There are none.
        return ""
    fits = {"rx,tx": shape == (num_rx, num_tx), "tx,sc": shape[:1] == (num_tx,)}
    likely = [axes for axes, fit in fits.items() if fit and len(shape) == 2]
    return likely[0] if len(likely) == 1 else ""
