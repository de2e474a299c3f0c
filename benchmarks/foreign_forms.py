"""The forms of files of CSI that other programs write, for `foreign_files.py`."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import foreign_writers as to
import h5py
import numpy as np
from foreign_kinds import SPLITS, Form, Refusal

from tfcsi import transforms


def matrices(*shape: int, seed: int = 0) -> np.ndarray:
    """Complex128 of a shape, no two axes alike in statistics."""
    x = np.random.default_rng(seed).standard_normal((*shape, 2)) @ [1, 1j]
    for axis, size in enumerate(shape):
        ramp = np.arange(1, size + 1) ** 0.25
        x = x * np.expand_dims(ramp, tuple(range(1, len(shape) - axis)))
    return x


def counts(*shape: int) -> np.ndarray:
    """Complex128 of a shape, of integers that int16 can hold."""
    return np.random.default_rng(0).integers(-999, 1000, (*shape, 2)) @ [1, 1j]


def parts(h: np.ndarray) -> np.ndarray:
    """[..., 2], real and imaginary part."""
    return np.stack([h.real, h.imag], -1)


H = matrices(50, 32, 32)  # The set: 50 matrices of 32 antennas x 32 delays.
LAST = np.moveaxis(H, 0, -1)
RX = np.stack([0 * H, H, 2 * H], 1)  # [n, 3 rx, tx, sc]; antenna 1 is meant.
UNIT = transforms.to_unit_interval(H)[0]
HT = np.moveaxis(UNIT, -1, 1).reshape(50, 2048)
PEAK = transforms.to_peak(H)[0]
INTEL, NEXMON, CSIKIT = counts(7, 3, 2, 30), counts(9, 256), counts(7, 64, 2, 3)
# Paths [users, paths, 5] of DeepMIMO: phase, delay, power, azimuth, zenith.
PATHS = np.random.default_rng(0).uniform(
    [-180, 0, -120, -180, 60], [180, 300e-9, -80, 180, 120], (20, 9, 5)
)
# Channel objects of QuaDRiGa, each of 3 snapshots.
OBJECTS = [
    (matrices(1, 32, 5, 3, seed=i), np.random.default_rng(i).uniform(0, 2e-6, (5, 3)))
    for i in range(6)
]


def of_objects() -> np.ndarray:
    """[n, 32, 32] of all snapshots at every 32nd of 1024 subcarriers of 20 MHz."""
    k = np.arange(0, 1024, 32) * 20e6 / 1024
    h = []
    for coeffs, delays in OBJECTS:
        tones = np.exp(-2j * np.pi * delays[..., None] * k)  # [path, snapshot, sc].
        h.append(np.einsum("apt,ptk->tak", coeffs[0], tones))
    return np.concatenate(h)


def of_paths(paths: np.ndarray = PATHS) -> np.ndarray:
    """[n, 32, 32] by the sum over paths, at every 32nd of 1024 subcarriers."""
    phase, delay, power, azimuth, zenith = np.moveaxis(paths, -1, 0)
    gain = 10 ** (power / 20) * np.exp(1j * np.deg2rad(phase))
    across = np.sin(np.deg2rad(zenith)) * np.sin(np.deg2rad(azimuth))
    array = np.exp(1j * np.pi * across[..., None] * np.arange(32))
    k = np.arange(0, 1024, 32) * 100e6 / 1024
    tones = np.exp(-2j * np.pi * delay[..., None] * k)
    return np.einsum("np,npa,npk->nak", gain, array, tones)


def npy(values: np.ndarray) -> Callable:
    return lambda path: np.save(path, values)


def npz(**arrays: Any) -> Callable:
    return lambda path: np.savez(path, **arrays)


def h5(**arrays: Any) -> Callable:
    return lambda path: to.python_h5(path, arrays)


def v5(**arrays: Any) -> Callable:
    return lambda path: to.matlab5(path, arrays)


def v73(**arrays: Any) -> Callable:
    return lambda path: to.matlab73(path, arrays)


def appended(path: pathlib.Path) -> None:
    to.matlab73(path, {"fc": 3.5e9})
    with h5py.File(path, "r+") as file:
        file["H"] = H


def last(h: np.ndarray) -> np.ndarray:
    """The test matrices of a source, scaled."""
    return transforms.to_peak(h[-SPLITS["num_test"] :])[0]


def of_channel() -> np.ndarray:
    return H


NAMES = (
    ("re", "im"),
    ("Re", "Im"),
    ("R", "I"),
    ("real", "imaginary"),
    ("imag", "real"),
)
CHANNEL = {"channel": RX.astype(np.complex64)}  # [n, rx, tx, sc], as DeepMIMO has it.
OF_RX = {"rx": 1}
N_TX_SC_REIM = {"axes": "n,tx,sc,reim"}


def turned(names: tuple[str, str]) -> np.ndarray:
    """H as a compound type; `compound` puts the real part first."""
    return to.compound(1j * H.conj() if names[0] == "imag" else H, names)


def any_form(source: str, form: str, name: str, write: Callable, **told: Any) -> Form:
    """A form of H, which needs what is told."""
    return Form(source, form, name, write, lambda: H, told)


def of_files() -> Iterator[Form]:
    """Forms of matrices in a file of any name."""
    numpy = functools.partial(any_form, "NumPy")
    yield numpy("complex [n, 32, 32]", "a.npy", npy(H))
    yield numpy("complex [32, 32, n]", "a.npy", npy(LAST), axes="tx,sc,n")
    yield numpy("complex [n, 1, 32, 32]", "a.npy", npy(H[:, None]))
    yield numpy("complex [n, rx, 32, 32]", "a.npy", npy(RX), **OF_RX)
    yield numpy("real [n, 32, 32, 2]", "a.npy", npy(parts(H)), **N_TX_SC_REIM)
    channels_first = np.moveaxis(parts(H), -1, 1)
    yield numpy(
        "real [n, 2, 32, 32]", "a.npy", npy(channels_first), axes="n,reim,tx,sc"
    )
    peak = functools.partial(Form, "NumPy", expected=lambda: PEAK)
    offset = {**N_TX_SC_REIM, "zero": 0.5}
    yield peak("real [n, 32, 32, 2] in [0, 1]", "a.npy", npy(UNIT), told=offset)
    yield peak("real [n, 2048] in [0, 1]", "a.npy", npy(HT), told={"axes": "n,ht"})
    pair = {"H_re": UNIT[..., 0], "H_im": UNIT[..., 1]}
    yield peak("H_re and H_im in [0, 1]", "a.npz", npz(**pair), told={"zero": 0.5})
    yield numpy("H_re and H_im", "a.npz", npz(H_re=H.real, H_im=H.imag))
    yield numpy(
        "one complex array of several", "a.npz", npz(H=H, pos=np.zeros((50, 3)))
    )
    yield numpy("an archive, named .npy", "a.npy", _archive)

    hdf5 = functools.partial(any_form, "h5py")
    yield hdf5("complex [n, 32, 32]", "a.h5", h5(H=H))
    yield hdf5("complex [n, 32, 32]", "a.mat", h5(H=H))
    yield hdf5("groups and paths", "a.hdf5", h5(**{"a/H": H, "a/t": np.zeros(50)}))
    yield hdf5("group H with re and im", "a.h5", h5(**{"H/re": H.real, "H/im": H.imag}))
    for names in NAMES:
        yield hdf5(f"compound ({', '.join(names)})", "a.h5", h5(H=turned(names)))
    yield hdf5("added to a file of MATLAB", "a.mat", appended)

    matlab = functools.partial(any_form, "MATLAB v5")
    yield matlab("H [32, 32, n]", "a.mat", v5(H=LAST, pos=np.zeros((3, 50))))
    yield matlab("H [n, 32, 32]", "a.mat", v5(H=H, fc=3.5e9))
    yield matlab("struct with H [32, 32, n]", "a.mat", v5(s={"H": LAST, "fc": 3.5e9}))
    matlab = functools.partial(any_form, "MATLAB v7.3")
    yield matlab("H [32, 32, n]", "a.mat", v73(H=LAST, fc=3.5e9))
    yield matlab("H [32, 32, n]", "a.h5", v73(H=LAST))
    yield matlab("H [n, 32, 32]", "a.mat", v73(H=H))
    yield matlab("struct with H [32, 32, n]", "a.mat", v73(s={"H": LAST, "fc": 3.5e9}))
    rx_first = v73(H=np.moveaxis(RX, 0, -1))
    yield matlab("[rx, tx, sc, n]", "a.mat", rx_first, axes="rx,tx,sc,n", **OF_RX)
    estimates = v73(hest=RX.transpose(3, 0, 1, 2))
    yield any_form(
        *("MATLAB 5G Toolbox", "[sc, symbols, rx, tx]", "a.mat", estimates),
        **{"axes": "sc,n,rx,tx", **OF_RX},
    )
    h_freq = npy(RX[:, None, :, None, :, None, :])
    published = functools.partial(Form, "COST 2100", expected=lambda: PEAK)
    for name, write in (("a.mat", v5), ("a.mat", v73), ("a.mat", h5), ("a.npz", npz)):
        words = {v5: "MATLAB v5", v73: "MATLAB v7.3", h5: "h5py", npz: "NumPy"}[write]
        yield published(f"HT [n, 2048], {words}", name, write(HT=HT))
    yield any_form(
        *("Sionna", "h_freq [n, 1, rx, 1, tx, 1, sc]", "a.npy", h_freq),
        **{"axes": "n,1,rx,1,tx,1,sc", **OF_RX},
    )


# What CSIKit's reader gives.
FRAMES = """
import types
frames = [types.SimpleNamespace(csi_matrix=h) for h in np.load("frames.npy")]
data = types.SimpleNamespace(frames=frames)
"""


def of_tools() -> Iterator[Form]:
    """Forms of measurement tools, most of which need a recipe."""
    told = {"axes": "n,tx,rx,sc", "rx": 0}
    write = functools.partial(to.intel5300, h=INTEL)
    yield Form(
        *("Intel 5300 CSI Tool", "packets [tx, rx, 30]", "intel.mat", write),
        *(lambda: INTEL[:, :, 0], told),
        recipe="**Intel 5300 CSI Tool**",
    )
    nexmon = functools.partial(Form, "Nexmon", expected=lambda: NEXMON[:, None])
    yield nexmon("complex [n, 256]", "a.npy", npy(NEXMON), told={"axes": "n,sc"})
    yield nexmon(
        *("I and Q in turn, int16", "nexmon.iq", parts(NEXMON).astype("i2").tofile),
        told={"axes": "n,sc,reim"},
        recipe="**Nexmon**, I and Q",
    )
    yield Form(
        *("CSIKit", "csi_matrix [sc, rx, tx] of frames", "csikit.dat"),
        lambda path: np.save(path.with_name("frames.npy"), CSIKIT),
        lambda: np.swapaxes(CSIKIT[:, :, 0], 1, 2),
        {"axes": "n,sc,rx,tx", "rx": 0},
        recipe="**CSIKit**",
        needs=FRAMES,
    )
    yield Form(
        *("DICHASUS, ESPARGOS", "TFRecord of tensors", "dichasus.tfrecords"),
        *(functools.partial(to.dichasus, h=H), lambda: H, N_TX_SC_REIM),
        recipe="**DICHASUS, ESPARGOS**",
        needs="import tensorflow as tf\n",
    )
    table = functools.partial(np.savetxt, X=parts(H).reshape(50, -1), delimiter=",")
    yield Form(
        *("CSV", "a matrix in each line", "table.csv", table, lambda: H, N_TX_SC_REIM),
        recipe="**CSV**",
    )


def of_sources() -> Iterator[Form]:
    """Forms of the data sets."""
    for name in ("a.npz", "a.h5", "a.mat"):
        write = {"a.npz": npz, "a.h5": h5, "a.mat": v73}[name](**CHANNEL)
        kind = "MATLAB v7.3" if name == "a.mat" else "Python"
        form = f"channel [n, rx, tx, sc], {kind}"
        yield deepmimo(form, name, write, of_channel, OF_RX)
    yield deepmimo("channel [n, rx, tx, sc]", "a.npy", npy(RX), of_channel, OF_RX)
    for version, write in (("v5", to.matlab5), ("v7.3", to.matlab73)):
        for kind, words in ((list, "cells of"), (tuple, "arrays of")):
            variables = {"DeepMIMO_dataset": to.stations(RX, kind)}
            form = f"MATLAB {version}: {words} structs"
            yield deepmimo(form, "a.mat", _written(write, variables), of_channel, OF_RX)
        scenes = [to.stations(0 * RX), to.stations(RX)]
        written = _written(write, {"DeepMIMO_dataset": scenes})
        told = {"scene": 1, **OF_RX}
        yield deepmimo(
            f"MATLAB {version}: cells {{scene}}{{bs}}",
            "a.mat",
            written,
            of_channel,
            told,
        )
        written = functools.partial(to.version3, paths=PATHS, write=write)
        yield deepmimo(
            f"scenario of version 3, MATLAB {version}", "O1", written, of_paths
        )
    variables = {"DeepMIMO_dataset": to.stations(RX)}
    written = _written(to.matlab73, variables)
    yield deepmimo("MATLAB v7.3: cells of structs", "a.h5", written, of_channel, OF_RX)
    written = functools.partial(to.version2, paths=PATHS)
    yield deepmimo("scenario of version 2", "O1", written, of_paths)
    written = functools.partial(to.version4, paths=PATHS)
    yield deepmimo("scenario of version 4", "city", written, of_paths)
    form = "scenario of version 4 with scene_0, scene_1"
    yield deepmimo(form, "city", scene_folders, of_paths, {"scene": 1})
    one = npz(channel=H[:, None])
    yield Form(
        *(
            "Sionna RT, by `tfcsi.channels.raytraced`",
            "channel [n, 1, tx, sc]",
            "a.npz",
        ),
        *(one, lambda: last(H), {}, "deepmimo"),
    )

    quadriga = functools.partial(Form, "QuaDRiGa", dataset="quadriga")
    saved = to.mat_save(OBJECTS)
    objects = lambda: last(of_objects())  # noqa: E731
    yield quadriga("mat_save, MATLAB v6", "a.mat", v5(**saved), objects)
    yield quadriga("mat_save, MATLAB v7.3", "a.mat", v73(**saved), objects)
    structs = tuple({"coeff": c, "delay": d} for c, d in OBJECTS)
    for version, write in (("v5", v5), ("v7.3", v73)):
        form = f"structs h_channel (coeff, delay), MATLAB {version}"
        yield quadriga(form, "a.mat", write(h_channel=structs), objects)
    written = functools.partial(to.hdf5_write, objects=OBJECTS)
    yield quadriga("hdf5_write", "a.h5", written, objects)
    fr = v73(H=np.moveaxis(RX, 0, -1))
    told = {"stored": "space_frequency", **OF_RX}
    yield quadriga("fr, saved as H [rx, tx, sc, n]", "a.mat", fr, lambda: last(H), told)


def deepmimo(
    form: str, name: str, write: Callable, expected: Callable, told: Any = None
) -> Form:
    return Form(
        *("DeepMIMO", form, name, write, lambda: last(expected())),
        *(told or {}, "deepmimo"),
    )


def _written(write: Callable, variables: dict[str, Any]) -> Callable:
    return lambda path: write(path, variables)


def _archive(path: pathlib.Path) -> None:
    with open(path, "wb") as file:
        np.savez(file, H=H)


def scene_folders(folder: pathlib.Path) -> None:
    to.version4(folder / "scene_0", PATHS[::-1])
    to.version4(folder / "scene_1", PATHS)


def refused() -> Iterator[Refusal]:
    """Forms that could be read in two ways, or that are no CSI."""

    def numpy(form: str, values: np.ndarray, words: str, reason: str) -> Refusal:
        return Refusal("NumPy", form, "a.npy", npy(values), words, reason)

    two = "all readings are named"
    yield numpy("32 matrices of 32 x 32", H[:32], "axes=n,tx,sc.*axes=tx,sc,n", two)
    first = matrices(64, 32, 100)
    yield numpy("[64, 32, 100], matrices last", first, "64 matrices.*100 matrices", two)
    yield numpy("Wi-Fi [56, 3, 50]", first[:56, :3, :50], "axes=sc,tx,n", two)
    yield numpy("one matrix [32, 16]", H[0, :, :16], "1 matrix of 32.*axes=n,sc", two)
    yield numpy("CSIKit [n, sc, rx, 1]", H[..., :3, None], "axes=n,sc,rx,tx", two)
    reason = "a last axis of one may have been dropped"
    snapshot = v73(H=RX[0])
    yield Refusal("MATLAB", "[3, 32, 32]", "a.mat", snapshot, "axes=rx,tx,sc", reason)
    amplitudes = "amplitudes without phases are no CSI"
    yield numpy("amplitudes of two antennas", abs(parts(H)), amplitudes, amplitudes)
    int16 = (100 * parts(H)).astype(np.int16)
    reason = "name the axis of real and imaginary parts"
    yield numpy("I and Q as int16", int16, "such as axes=n,tx,sc,reim", reason)
    reason = "give `--zero=0.5`"
    yield numpy("complex, parts in [0, 1]", UNIT @ [1, 1j], "give zero=0.5", reason)
    yield numpy("no matrix", H[:0], "is empty", "it is empty")
    yield numpy("five axes", H[None, None], "no axes fit matrices", "name the axes")
    beyond = H * 1e59
    yield numpy("numbers beyond float32", beyond, "float32 cannot hold", "scale them")
    pickled = np.array([{"user": {"channel": H}}], object)
    reason = "pickled objects can run any code; save the array"
    yield numpy("a pickled list of dicts", pickled, r"numpy.savez\(", reason)
    cell = v5(H=list(H))
    reason = "`H = cat(3, H{:})` makes one array"
    yield Refusal(
        "MATLAB", "cell of matrices", "a.mat", cell, r"cat\(3, H{:}\)", reason
    )


FORMS = [*of_files(), *of_tools(), *of_sources()]
REFUSED = [*refused()]
