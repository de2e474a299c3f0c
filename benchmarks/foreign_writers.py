"""Writers of files of CSI in the layouts of other programs, for `foreign_files.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io

# What MATLAB writes into the first bytes of a file of -v7.3.
MARK = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
CLASSES = {"c": "double", "f": "double", "i": "int16", "u": "uint8"}


def matlab73(
    path: Path, variables: dict[str, Any], marked: bool = True, block: bool = True
) -> None:
    """Writes variables as MATLAB's `save -v7.3` does: axes reversed, marked so.

    Args:
      path: File to write, of any suffix.
      variables: Name to value: an array in MATLAB's axes, a list (a cell), a dict (a
        struct) or a tuple of dicts (an array of structs). A last axis of one is
        dropped. A name may have groups, such as "s/H".
      marked: Whether data sets have the attribute `MATLAB_class`.
      block: Whether the file has the user block of MATLAB.
    """
    with h5py.File(path, "w", userblock_size=512 if block else 0) as file:
        writer = _Writer73(file, marked)
        for name, value in variables.items():
            writer.put(file, name, value)
    if block:
        with open(path, "r+b") as content:
            content.write(MARK)


class _Writer73:
    """Puts values into an HDF5 file; what cells refer to lies in `#refs#`."""

    def __init__(self, file: h5py.File, marked: bool):
        self.file, self.marked = file, marked
        self.refs, self.count = file.create_group("#refs#"), 0

    def put(self, group: h5py.Group, name: str, value: Any) -> None:
        if isinstance(value, list):
            item = group.create_dataset(name, data=self._references(value))
            self._mark(item, "cell")
        elif isinstance(value, tuple):  # Each field is a column of references.
            item = group.create_group(name)
            for field in value[0]:
                column = self._references([struct[field] for struct in value])
                item.create_dataset(field, data=column)
            self._mark(item, "struct")
        elif isinstance(value, dict):
            item = group.create_group(name)
            for field, inner in value.items():
                self.put(item, field, inner)
            self._mark(item, "struct")
        else:
            array = np.ascontiguousarray(dropped(np.asarray(value)).T)
            kind = CLASSES[array.dtype.kind]
            if array.dtype.kind == "c":
                part = array.real.dtype
                array = array.view([("real", part), ("imag", part)])
            self._mark(group.create_dataset(name, data=array), kind)

    def _mark(self, item: Any, kind: str) -> None:
        if self.marked:
            item.attrs["MATLAB_class"] = np.bytes_(kind)

    def _references(self, values: list) -> np.ndarray:
        out = np.empty((len(values), 1), h5py.ref_dtype)
        for i, value in enumerate(values):
            self.count += 1
            name = f"r{self.count}"
            self.put(self.refs, name, value)
            out[i] = self.refs[name].ref
        return out


def dropped(value: np.ndarray) -> np.ndarray:
    """The array as MATLAB keeps it: two axes or more, none of one at the end."""
    while value.ndim > 2 and value.shape[-1] == 1:
        value = value[..., 0]
    return np.atleast_2d(value)


def matlab5(path: Path, variables: dict[str, Any]) -> None:
    """Writes variables as MATLAB's `save -v7` does; values as for `matlab73`."""
    plain = {name: _plain(value) for name, value in variables.items()}
    scipy.io.savemat(path, plain, appendmat=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        cell = np.empty((1, len(value)), object)
        for i, inner in enumerate(value):
            cell[0, i] = _plain(inner)
        return cell
    if isinstance(value, tuple):
        array = np.empty((1, len(value)), [(name, object) for name in value[0]])
        for i, struct in enumerate(value):
            array[0, i] = tuple(_plain(inner) for inner in struct.values())
        return array
    return value


def python_h5(path: Path, variables: dict[str, Any]) -> None:
    """Writes data sets as h5py does, in C order; names may have groups."""
    with h5py.File(path, "w") as file:
        for name, value in variables.items():
            file[name] = value


def compound(
    values: np.ndarray, names: tuple[str, str] = ("real", "imag")
) -> np.ndarray:
    """Complex values as a compound type with parts of these names, in this order."""
    out = np.empty(values.shape, [(name, "<f8") for name in names])
    for name, part in zip(names, (values.real, values.imag)):
        out[name] = part
    return out


# QuaDRiGa. Objects are pairs: coefficients [rx, tx, path, snapshot], delays [path,
# snapshot] in s.


def mat_save(objects: list) -> dict[str, Any]:
    """The variables of `qd_channel.mat_save`."""
    variables: dict[str, Any] = {"ChannelDims": np.array([[len(objects), 1, 1, 1.0]])}
    for number, (coeffs, delays) in enumerate(objects, 1):
        stem = f"channel_{number:05d}_"
        variables |= {stem + "Coeffs": coeffs, stem + "Delays": delays}
        variables |= {stem + "rx_position": np.zeros((3, coeffs.shape[-1]))}
    return variables


def hdf5_write(path: Path, objects: list) -> None:
    """Writes as `qd_channel.hdf5_write`: axes reversed, without a mark of MATLAB."""
    variables: dict[str, Any] = {
        "ChannelDims": np.array([len(objects), 1, 1, 1], np.uint32),
        "Order": np.arange(1, len(objects) + 1, dtype=np.uint32),
    }
    for number, (coeffs, delays) in enumerate(objects, 1):
        several = coeffs.shape[-1] > 1
        for snap in range(coeffs.shape[-1]):
            group = f"channel_{number}" + f"/Snap_{snap}" * several
            delay = delays[..., snap]
            delay = delay.reshape((1,) * (3 - delay.ndim) + delay.shape)
            variables[f"{group}/coeff_re"] = coeffs[..., snap].real.T
            variables[f"{group}/coeff_im"] = coeffs[..., snap].imag.T
            variables[f"{group}/delay"] = delay.T
            variables[f"{group}/path_gain"] = np.ones(coeffs.shape[2])
    python_h5(path, variables)


# DeepMIMO. Paths are [users, paths, 5]: phase, delay, power, azimuth, zenith.


def stations(h: np.ndarray, kind: type = list) -> Any:
    """`DeepMIMO_dataset` of one base station, with users as a cell or structs."""
    users = kind({"channel": each, "loc": np.zeros(3)} for each in h)
    return kind([{"user": users, "loc": np.zeros(3)}])


def version4(folder: Path, paths: np.ndarray) -> None:
    """Writes a scenario of version 4, one file for each array."""
    folder.mkdir(parents=True)
    keys = ("phase", "delay", "power", "aod_az", "aod_el")
    for key, array in zip(keys, np.moveaxis(paths, -1, 0)):
        np.savez(folder / f"{key}_t001_tx000_r000.npz", **{key: array})
    np.savez(folder / "rx_pos_t001_tx000_r000.npz", rx_pos=np.zeros((len(paths), 3)))


def version3(folder: Path, paths: np.ndarray, write: Any) -> None:
    """Writes a scenario of version 3; `write` is `matlab5` or `matlab73`."""
    folder.mkdir(parents=True)
    grids = np.array([[1.0, len(paths), 1.0]])
    matlab5(folder / "params.mat", {"version": 3, "user_grids": grids, "num_BS": 1})
    users = []
    for user in paths:
        phase, delay, power, azimuth, zenith = user.T
        arrival = np.zeros((2, len(user)))
        p = np.stack([phase, delay, power, *arrival, azimuth, zenith, 0 * phase])
        users.append({"p": p})
    write(folder / f"BS1_UE_0-{len(paths)}.mat", {"channels": users})


def version2(folder: Path, paths: np.ndarray) -> None:
    """Writes a scenario of version 2, whose files are one long vector each."""
    folder.mkdir(parents=True)
    vectors: dict[str, list] = {"CIR": [len(paths)], "DoD": [len(paths)]}
    for number, user in enumerate(paths, 1):
        for kind, columns in (("CIR", [0, 1, 2]), ("DoD", [3, 4, 2])):
            numbered = np.column_stack([np.arange(len(user)) + 1, user[:, columns]])
            vectors[kind] += [number, len(user), *numbered.ravel()]
    for kind, values in vectors.items():
        matlab5(folder / f"O1.1.{kind}.mat", {f"{kind}_array_full": np.array(values)})
    grids = np.array([[1.0, len(paths), 1.0]])
    matlab5(folder / "O1.params.mat", {"num_BS": 1.0, "user_grids": grids})


# Measurement tools.


def intel5300(path: Path, h: np.ndarray) -> None:
    """Writes packets with `csi` [tx, rx, 30], as read_bf_file.m gives them."""
    packets = [{"csi": matrix, "rssi_a": 30.0} for matrix in h]
    column = _plain(packets).T
    scipy.io.savemat(path, {"csi_trace": column}, appendmat=False)


def dichasus(path: Path, h: np.ndarray) -> None:
    """Writes TFRecords with a serialised tensor [tx, sc, 2] of float32."""
    import tensorflow as tf

    parts = np.stack([h.real, h.imag], -1).astype(np.float32)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for tensor in parts:
            value = [tf.io.serialize_tensor(tensor).numpy()]
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=value))
            features = tf.train.Features(feature={"csi": feature})
            writer.write(tf.train.Example(features=features).SerializeToString())
