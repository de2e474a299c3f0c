"""Reads the paths of DeepMIMO scenario folders of versions 2, 3 and 4.

Version 2 has `NAME.params.mat` and `NAME.{b}.{CIR,DoD}.mat`; `.Loc.mat` is not needed.
Each is one long vector: the number of users, then for each user its number, its number
of paths, and four values for each path (number, phase, delay, power in CIR; number,
azimuth, zenith, power in DoD).
Version 3 has `params.mat` and `BS{b}_UE_{first}-{end}.mat` with `channels`, a cell of
structs with `p` [8 or more, paths]: phase, delay, power, angles of arrival (azimuth,
zenith), angles of departure (azimuth, zenith), line of sight.
Version 4 has `{power,phase,delay,aod_az,aod_el,rx_pos}_t{t}_tx{i}_r{r}` as `.npz`,
`.mat` or `.npy`. Each is [users, paths], with NaN if there is no path.

Units on disk are dB, degrees and seconds. Angles of departure are those at the base
station.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfcsi.datasets import _files
from tfcsi.datasets._files import DataError
from tfcsi.datasets._matlab_cells import nested
from tfcsi.datasets._units import check_decibels, check_degrees, check_delays
from tfcsi.responses import Paths

_V4 = re.compile(r"power_t(\d+)_tx(\d+)_r(\d+)\.(npz|mat|npy)")
_FIELDS = ("phase", "delay", "power", "azimuth", "zenith")  # Columns of the values.


def read(folder: Path, bs: int, rows: Sequence[int] | None, scene: int = 0) -> Paths:
    """Reads the paths of the users of some rows.

    Args:
      folder: folder of the scenario, of any of the three versions.
      bs: number of the base station, from 1.
      rows: first and last row of users, from 1, as the pages of the scenarios name them
        (R1); all rows if None.
      scene: number of the scene, from 0, in a folder of folders `scene_0`, `scene_1`.

    Returns:
      The paths of the users that have any. `user` is the number of the user in the
      scenario, from 0, and `departure` is a unit vector (x, y, z).

    Raises:
      ValueError: `rows`, `bs` or `scene` is not in the scenario.
      DataError: the folder has none of the forms, or a file is malformed.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    folder = _scene_of(folder, scene)
    names = sorted(path.name for path in folder.iterdir())
    if any(_V4.fullmatch(name) for name in names):
        values, users = _read_v4(folder, bs, rows)
    elif "params.mat" in names:
        values, users = _read_v3(folder, bs, rows)
    elif any(name.endswith(".params.mat") for name in names):
        values, users = _read_v2(folder, bs, rows)
    else:
        shown = ", ".join(names[:8] + ["..."] * (len(names) > 8)) or "nothing"
        raise DataError(
            f"{folder}: no DeepMIMO scenario; expected params.mat (version 3), "
            f"NAME.params.mat (2) or power_t..._tx..._r... (4), found {shown}"
        )
    return _paths(folder, values, users)


def _scene_of(folder: Path, scene: int) -> Path:
    """Returns the folder of a scene; a scenario of one scene has none inside."""
    scenes = {
        int(match[1]): path
        for path in folder.iterdir()
        if path.is_dir() and (match := re.fullmatch(r"scene_?(\d+)", path.name))
    }
    if (scenes or scene) and scene not in scenes:
        there = ", ".join(map(str, sorted(scenes))) or "none, only one without a number"
        raise ValueError(f"scene is {scene}; {folder} has scenes {there}")
    return scenes.get(scene, folder)


def _paths(folder: Path, values: np.ndarray, user: np.ndarray) -> Paths:
    """Makes paths of values [paths, 5] as on disk, in the order of `_FIELDS`.

    A row whose power is NaN is no path.
    """
    there = ~np.isnan(values[:, 2])
    values, user = values[there].astype(float), user[there]
    if not len(user):
        raise DataError(f"{folder}: none of the users has a path")
    for name, column in zip(_FIELDS, values.T):
        if not np.isfinite(column).all():
            raise DataError(f"{folder}: {name} of a path is NaN or infinite")
    phase, delay, power, azimuth, zenith = values.T
    check_delays(delay, f"{folder}: delays of paths")
    check_degrees(zenith, f"{folder}: angles of departure")
    check_decibels(power, f"{folder}: powers of paths")
    gain = 10 ** (power / 20) * np.exp(1j * np.deg2rad(phase))
    phi, theta = np.deg2rad(azimuth), np.deg2rad(zenith)
    x, y = np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi)
    return Paths(user, gain, delay, np.stack([x, y, np.cos(theta)], axis=1))


def _grid_users(
    folder: Path, grids: np.ndarray, rows: Sequence[int] | None
) -> np.ndarray | None:
    """Returns the numbers of the users of some rows.

    Grids [g, 3] hold first row, last row and number of users in a row.
    """
    if rows is None:
        return None
    first, last = rows
    if not grids[0, 0] <= first <= last <= grids[-1, 1]:
        raise ValueError(
            f"rows is {tuple(rows)}; {folder} has rows {int(grids[0, 0])} to "
            f"{int(grids[-1, 1])}"
        )
    users, start = [], 0
    for low, high, width in grids.astype(int):
        a, b = max(first, low), min(last, high)
        if a <= b:
            users.append(start + np.arange((a - low) * width, (b + 1 - low) * width))
        start += (high + 1 - low) * width
    return np.concatenate(users)


def _params(path: Path) -> np.ndarray:
    """Reads user_grids [g, 3] of a params file of version 2 or 3."""
    with _files.arrays(path) as variables:
        array = _files.pick(
            variables, path, "user_grids", "[g, 3], first, last, per row"
        )
        grids = array[(slice(None),) * len(array.shape)]
    if grids.ndim != 2 or grids.shape[1] != 3:
        raise DataError(f"{path}: user_grids is {list(grids.shape)}, expected [g, 3]")
    return grids


def _read_v2(
    folder: Path, bs: int, rows: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    params = min(folder.glob("*.params.mat"))
    stem = params.name[: -len(".params.mat")]
    wanted = _grid_users(folder, _params(params), rows)
    cir, dod = (
        _long_vector(_files.find(folder, f"{stem}.{bs}.{kind}.mat"))
        for kind in ("CIR", "DoD")
    )
    if [len(values) for values in cir] != [len(values) for values in dod]:
        raise DataError(
            f"{folder}: CIR and DoD of BS {bs} have different numbers of paths"
        )
    users = np.arange(len(cir)) if wanted is None else wanted
    _check_last(folder, users, len(cir))
    values = [np.hstack([cir[u][:, 1:4], dod[u][:, 1:3]]) for u in users]
    return _in_rows(values, users)


def _long_vector(path: Path) -> list[np.ndarray]:
    """Reads values [paths, 4] of each user from a file of version 2."""
    with _files.arrays(path) as variables:
        if len(variables) != 1:
            raise DataError(f"{path}: expected one variable, found {list(variables)}")
        (array,) = variables.values()
        values = array[(slice(None),) * len(array.shape)].ravel()
    out: list[np.ndarray] = []
    at = 1
    while at + 1 < len(values):
        count = int(values[at + 1])
        at += 2
        if count < 0 or at + 4 * count > len(values):
            raise DataError(f"{path}: the vector ends within user {len(out)}")
        out.append(values[at : at + 4 * count].reshape(count, 4).astype(float))
        at += 4 * count
    if not len(values) or at != len(values) or values[0] != len(out):
        raise DataError(
            f"{path}: {len(out)} users in a vector of {len(values)}, which does not "
            f"begin with their number"
        )
    return out


def _read_v3(
    folder: Path, bs: int, rows: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    wanted = _grid_users(folder, _params(folder / "params.mat"), rows)
    named = re.compile(rf"BS{bs}_UE_(\d+)-(\d+)\.mat")
    spans = {
        path: tuple(map(int, match.groups()))
        for path in folder.iterdir()
        if (match := named.fullmatch(path.name))
    }
    if not spans:
        there = sorted({p.name.split("_")[0] for p in folder.glob("BS*_UE_*.mat")})
        raise ValueError(
            f"bs is {bs}; {folder} has no BS{bs}_UE_*.mat, only those of "
            f"{', '.join(there) or 'no base station'}"
        )
    values, users = [], []
    for path, (first, end) in sorted(spans.items(), key=lambda item: item[1]):
        chosen = np.arange(first, end)
        if wanted is not None:
            chosen = chosen[np.isin(chosen, wanted)]
        if not len(chosen):
            continue
        cells = nested(path, "channels", "channels_VV")
        if not isinstance(cells, list) or len(cells) < chosen[-1] + 1 - first:
            raise DataError(
                f"{path}: `channels` must be a cell of {end - first} structs of users"
            )
        values += [_path_parameters(path, cells[u - first], u) for u in chosen]
        users.append(chosen)
    if not users:
        raise DataError(f"{folder}: no BS{bs}_UE_*.mat holds users of rows {rows}")
    return _in_rows(values, np.concatenate(users))


def _path_parameters(path: Path, cell: Any, user: int) -> np.ndarray:
    """Returns [paths, 5] of one user of version 3, in the order of `_FIELDS`."""
    p = np.asarray(cell.get("p") if isinstance(cell, dict) else None)
    if p.dtype.kind == "f" and p.size == 0:
        return np.empty((0, 5))
    p = p.reshape(len(p), -1) if p.ndim == 1 else p
    if p.ndim != 2 or len(p) < 8 or p.dtype.kind not in "fiu":
        raise DataError(f"{path}: p of user {user} is {p.shape}, expected [8, paths]")
    return p[[0, 1, 2, 5, 6]].T


def _read_v4(
    folder: Path, bs: int, rows: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    matches = [m for p in folder.iterdir() if (m := _V4.fullmatch(p.name))]
    links = [tuple(map(int, m.groups()[:3])) for m in matches]
    transmitters = sorted({link[:2] for link in links})
    if not 1 <= bs <= len(transmitters):
        raise ValueError(
            f"bs is {bs}; {folder} has {len(transmitters)} transmitters, 1 to "
            f"{len(transmitters)}"
        )
    # Sets that transmit are base stations; the other sets are users.
    sets = {link[0] for link in links}
    chosen = [link for link in links if link[:2] == transmitters[bs - 1]]
    chosen = [k for k in chosen if k[2] not in sets] or chosen
    suffix = matches[0][4]
    values, users, grids, start = [], [], [], 0
    for t, i, r in sorted(chosen):
        link = f"t{t:03}_tx{i:03}_r{r:03}.{suffix}"
        keys = ("phase", "delay", "power", "aod_az", "aod_el")
        arrays = [_v4_array(folder, key, link) for key in keys]
        if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 2:
            raise DataError(
                f"{folder}: {', '.join(keys)} of {link} are "
                f"{[list(a.shape) for a in arrays]}, expected the same [users, paths]"
            )
        there = ~np.isnan(arrays[2])  # The power of a path.
        values.append(np.stack([a[there] for a in arrays], axis=-1))
        users.append(start + np.nonzero(there)[0])
        if rows is not None:
            positions = _v4_array(folder, "rx_pos", link)
            if positions.ndim == 2 and positions.shape[1] == len(there) > 3:
                positions = positions.T  # [3, users].
            if positions.ndim != 2 or positions.shape[0] != len(there):
                raise DataError(
                    f"{folder}: rx_pos of {link} is {list(positions.shape)}, expected "
                    f"[{len(there)}, 3] or [3, {len(there)}]"
                )
            grids.append(_grid(positions, folder, link))
        start += len(there)
    values, users = np.concatenate(values), np.concatenate(users)
    if rows is not None:
        counts = np.cumsum([0] + [count for count, _ in grids])
        spans = [(a + 1, b, w) for a, b, (_, w) in zip(counts, counts[1:], grids)]
        wanted = np.isin(users, np.asarray(_grid_users(folder, np.array(spans), rows)))
        values, users = values[wanted], users[wanted]
    return values, users


def _v4_array(folder: Path, key: str, link: str) -> np.ndarray:
    """Reads the array of a file of version 4, under its key or alone in its file."""
    path = _files.find(folder, f"{key}_{link}")
    with _files.arrays(path) as variables:
        name = _files.ALONE if list(variables) == [_files.ALONE] else key
        array = _files.pick(variables, path, name, f"the array {key!r}")
        return array[(slice(None),) * len(array.shape)]


def _grid(positions: np.ndarray, folder: Path, link: str) -> tuple[int, int]:
    """Returns the numbers of rows and of users in a row of a regular grid.

    Positions [n, 3] are in scan order.
    """
    step = np.abs(np.diff(positions[:, :2], axis=0))
    long = step.max(1) > 1.5 * step[0].max() if len(step) else np.zeros(0, bool)
    width = int(long.argmax()) + 1 if long.any() else len(positions)
    if len(positions) % width:
        raise DataError(
            f"{folder}: the {len(positions)} users of {link} stand on no regular grid "
            f"(the first row has {width}), so leave out the option rows"
        )
    return len(positions) // width, width


def _in_rows(
    values: Sequence[np.ndarray], users: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Joins values [paths, 5] of users into one array; also returns each row's user."""
    values = [np.empty((0, len(_FIELDS))), *values]
    return np.concatenate(values), np.repeat(users, [len(v) for v in values[1:]])


def _check_last(folder: Path, users: np.ndarray, count: int) -> None:
    if users.max(initial=-1) >= count:
        raise DataError(f"{folder}: {count} users, expected {users.max() + 1} or more")
