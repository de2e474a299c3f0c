"""Writers of files as other programs write them."""

import types

import h5py
import numpy as np
import pytest
import scipy.io

MARK = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"


def matlab73(path, variables, marked=True, block=True):
    """Writes variables as MATLAB's `save -v7.3` does: axes reversed, marked so.

    Args:
      path: path of the file, of any suffix.
      variables: name to array, in MATLAB's axes; a last axis of one is dropped.
      marked: whether data sets have the attribute `MATLAB_class`.
      block: whether the file has the user block of MATLAB.
    """
    with h5py.File(path, "w", userblock_size=512 if block else 0) as file:
        file.create_group("#refs#")
        for name, value in variables.items():
            value = np.ascontiguousarray(dropped(np.asarray(value)).T)
            if value.dtype.kind == "c":
                part = value.real.dtype
                value = value.view([("real", part), ("imag", part)])
            item = file.create_dataset(name, data=value)
            if marked:
                item.attrs["MATLAB_class"] = np.bytes_("double")
    if block:
        with open(path, "r+b") as file:
            file.write(MARK)


def dropped(value):
    """The array as MATLAB keeps it: at least two axes, no last axis of one behind."""
    while value.ndim > 2 and value.shape[-1] == 1:
        value = value[..., 0]
    return np.atleast_2d(value)


def python_h5(path, variables):
    """Writes data sets as h5py does, in C order; names may have groups."""
    with h5py.File(path, "w") as file:
        for name, value in variables.items():
            file[name] = value


def savemat(path, variables):
    """Writes MATLAB v5."""
    scipy.io.savemat(path, variables, appendmat=False)


@pytest.fixture(scope="session")
def foreign():
    """The writers: `matlab73`, `python_h5`, `savemat`, each of (path, variables)."""
    writers = {"matlab73": matlab73, "python_h5": python_h5, "savemat": savemat}
    return types.SimpleNamespace(**writers)
