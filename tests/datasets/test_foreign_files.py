"""Each foreign form of one set of matrices is read as these, or refused with a remedy.

`FORMS` is the table of `docs/data.md`: `test_the_page_has_the_table` compares them.
"""

import pathlib

import h5py
import numpy as np
import pytest

from tfcsi import metrics, transforms
from tfcsi.datasets import any_file
from tfcsi.datasets._files import DataError


def matrices(*shape, seed=0):
    """Complex128 of a shape, no two axes alike in statistics."""
    x = np.random.default_rng(seed).standard_normal((*shape, 2)) @ [1, 1j]
    for axis, size in enumerate(shape):
        ramp = np.expand_dims(
            np.arange(1, size + 1), tuple(range(1, len(shape) - axis))
        )
        x = x * ramp**0.25
    return x


def compound(values, names=("real", "imag"), dtype="<f8"):
    """Values as a compound type with parts of these names, in this order."""
    out = np.empty(values.shape, [(name, dtype) for name in names])
    for name, part in zip(names, (values.real, values.imag)):
        out[name] = part
    return out


H = matrices(50, 32, 32)  # The set: 50 matrices of 32 antennas x 32 delays.
LAST = np.moveaxis(H, 0, -1)
REAL = np.stack([H.real, H.imag], -1)
RX = np.stack([0 * H, H, 2 * H], 1)  # [n, 3 rx, tx, sc]; antenna 1 is meant.
UNIT = transforms.to_unit_interval(H)[0]
HT = np.moveaxis(UNIT, -1, 1).reshape(50, 2048)
PAIR = {"re": H.real, "im": H.imag}
ONE = {"rx": 1}


def npy(values):
    return lambda path, to: np.save(path, values)


def npz(**arrays):
    return lambda path, to: np.savez(path, **arrays)


def h5(**arrays):
    return lambda path, to: to.python_h5(path, arrays)


def v5(**arrays):
    return lambda path, to: to.savemat(path, arrays)


def v73(**arrays):
    return lambda path, to: to.matlab73(path, arrays)


def h5_groups(path, to):
    to.python_h5(
        path, {"scene/H": H, "scene/pos": np.zeros((50, 3)), "t": np.arange(50)}
    )


def h5_split_group(path, to):
    to.python_h5(path, {f"H/{name}": part for name, part in PAIR.items()})


def appended(path, to):
    to.matlab73(path, {"fc": 3.5e9})
    with h5py.File(path, "r+") as file:
        file["H"] = H


# Who wrote it, and what it holds: suffix, writer, and the options that are needed. Each
# form is read to the same matrices.
FORMS = {
    "NumPy: complex [n, 32, 32]": (".npy", npy(H), {}),
    "NumPy: complex [32, 32, n]": (".npy", npy(LAST), {"axes": "tx,sc,n"}),
    "NumPy: complex [n, 1, 32, 32]": (".npy", npy(H[:, None]), {}),
    "NumPy: complex [n, rx, 32, 32]": (".npy", npy(RX), ONE),
    "NumPy: real [n, 32, 32, 2]": (".npy", npy(REAL), {"axes": "n,tx,sc,reim"}),
    "NumPy: real [n, 2, 32, 32]": (
        ".npy",
        npy(np.moveaxis(REAL, -1, 1)),
        {"axes": "n,reim,tx,sc"},
    ),
    "NumPy: real [n, 32, 32, 2] in [0, 1]": (
        ".npy",
        npy(UNIT),
        {"axes": "n,tx,sc,reim", "zero": 0.5},
    ),
    "NumPy: real [n, 2048] in [0, 1]": (".npy", npy(HT), {"axes": "n,ht"}),
    "NumPy archive: one complex array": (".npz", npz(H=H, pos=np.zeros((50, 3))), {}),
    "NumPy archive: H_re and H_im": (".npz", npz(H_re=H.real, H_im=H.imag), {}),
    "h5py: complex [n, 32, 32]": (".h5", h5(H=H), {}),
    "h5py, named .mat": (".mat", h5(H=H), {}),
    "h5py: groups and paths": (".hdf5", h5_groups, {}),
    "h5py: group H with re and im": (".h5", h5_split_group, {}),
    "h5py: compound (re, im)": (".h5", h5(H=compound(H, ("re", "im"))), {}),
    "h5py: compound (Re, Im)": (".h5", h5(H=compound(H, ("Re", "Im"))), {}),
    "h5py: compound (R, I)": (".h5", h5(H=compound(H, ("R", "I"))), {}),
    "h5py: compound (real, imaginary)": (
        ".h5",
        h5(H=compound(H, ("real", "imaginary"))),
        {},
    ),
    "h5py: compound (imag, real)": (
        ".h5",
        h5(H=compound(1j * H.conj(), ("imag", "real"))),
        {},
    ),
    "h5py, added to a file of MATLAB": (".mat", appended, {}),
    "MATLAB v5: H [32, 32, n]": (".mat", v5(H=LAST, pos=np.zeros((3, 50))), {}),
    "MATLAB v5: H [n, 32, 32]": (".mat", v5(H=H, fc=3.5e9), {}),
    "MATLAB v5: HT [n, 2048] in [0, 1]": (".mat", v5(HT=HT), {}),
    "MATLAB v7.3: H [32, 32, n]": (".mat", v73(H=LAST, fc=3.5e9), {}),
    "MATLAB v7.3, named .h5": (".h5", v73(H=LAST), {}),
    "MATLAB v7.3: H [n, 32, 32]": (".mat", v73(H=H), {}),
    "MATLAB v7.3: [rx, tx, sc, n]": (
        ".mat",
        v73(H=np.moveaxis(RX, 0, -1)),
        {"axes": "rx,tx,sc,n", **ONE},
    ),
    "MATLAB 5G Toolbox: [sc, symbols, rx, tx]": (
        ".mat",
        v73(hest=RX.transpose(3, 0, 1, 2)),
        {"axes": "sc,n,rx,tx", **ONE},
    ),
    "Sionna: h_freq [n, 1, rx, 1, tx, 1, sc]": (
        ".npy",
        npy(RX[:, None, :, None, :, None, :]),
        {"axes": "n,1,rx,1,tx,1,sc", **ONE},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_as_the_same_matrices(tmp_path, foreign, form):
    suffix, write, options = FORMS[form]
    path = tmp_path / f"a{suffix}"
    write(path, foreign)
    lines = []
    h = any_file.read_csi(path, **options, report=lines.append)
    sent = H
    if "[0, 1]" in form:
        sent, h = (transforms.to_peak(values)[0] for values in (sent, h))
    assert h.shape == sent.shape and h.dtype == np.complex64
    assert metrics.to_db(metrics.nmse(sent, h).max()) < -70
    assert "50 matrices of 32 antennas x 32 delays" in lines[0]


@pytest.mark.parametrize("form", [form for form in FORMS if FORMS[form][2]])
def test_a_form_that_needs_options_is_refused_without_them(tmp_path, foreign, form):
    suffix, write, _ = FORMS[form]
    path = tmp_path / f"a{suffix}"
    write(path, foreign)
    with pytest.raises(ValueError, match=r"axes=|give axes|name one with rx"):
        any_file.read_csi(path)


REFUSED = {
    "32 matrices of 32 x 32": (
        H[:32],
        r"axes=n,tx,sc\) or 32 matrices .*axes=tx,sc,n\) or .*; give axes",
    ),
    "matrices last that are no squares": (
        matrices(64, 32, 100),
        r"64 matrices of 32 antennas x 100 .* or 100 matrices of 64 antennas x 32",
    ),
    "amplitudes of two antennas": (
        np.abs(REAL),
        "real .*no negative value: amplitudes without phases are no CSI",
    ),
    "parts in [0, 1]": (
        UNIT,
        "no negative value, is all of .0, 1. and has a mean near 0.5.* give zero=0.5",
    ),
    "int16 I and Q": (
        (100 * REAL).astype(np.int16),
        "real .*if one axis holds .re, im., name it, such as axes=n,tx,sc,reim",
    ),
    "one matrix that is no square": (
        H[0, :, :16],
        r"1 matrix of 32 .*axes=tx,sc\) or 32 matrices of 1 ant",
    ),
    "no matrix": (H[:0], "is empty"),
    "five axes": (H[None, None], "no axes fit matrices; taken are complex"),
}


# Axes as other tools store them, and what they can be taken for.
AXES = {
    "Wi-Fi [sc, rx, n]": ((56, 3, 50), "axes=n,tx,sc.*axes=sc,tx,n"),
    "[sc, tx, n]": ((1024, 32, 700), "axes=n,tx,sc.*axes=tx,sc,n.*axes=sc,tx,n"),
    "[sc, symbols, rx]": ((3276, 14, 4), "axes=n,tx,sc.*4 matrices of 14 antennas"),
    "[n, sc, rx] of many": ((5000, 64, 3), "axes=n,tx,sc.*axes=n,sc,tx"),
    "CSIKit [n, sc, rx, 1]": ((50, 64, 3, 1), "axes=n,sc,rx,tx"),
    "[sc, symbols, rx, 1]": ((624, 14, 4, 1), "14 matrices of 1 antenna x 624"),
    "many rows [n, sc] or [sc, n]": ((3276, 50), "axes=n,sc.*axes=sc,n"),
}


@pytest.mark.parametrize("suffix", [".npy", ".mat"])
@pytest.mark.parametrize("form", AXES)
def test_axes_of_other_tools_are_not_taken_for_those_of_python(
    tmp_path, foreign, form, suffix
):
    shape, words = AXES[form]
    path = tmp_path / f"a{suffix}"
    values = np.ones(shape, np.complex64)
    np.save(path, values) if suffix == ".npy" else foreign.savemat(path, {"H": values})
    with pytest.raises(DataError, match=f"{words}.*; give axes"):
        any_file.read_csi(path)


def test_matrices_that_no_antenna_or_subcarrier_can_count_are_read(tmp_path):
    np.save(tmp_path / "a.npy", -np.ones((5000, 4, 20), np.complex64))
    assert any_file.read_csi(tmp_path / "a.npy").shape == (5000, 4, 20)


@pytest.mark.parametrize("write", ["savemat", "matlab73"])
def test_an_axis_that_matlab_dropped_is_asked_for(tmp_path, foreign, write):
    path = tmp_path / "a.mat"
    getattr(foreign, write)(path, {"H": RX[0, :2]})  # One snapshot.
    words = r"2 matrices of 32 .* or 1 matrix of 32 .*2 antennas of the user \(axes=rx"
    for shape in (None, (32, 32)):
        with pytest.raises(DataError, match=words):
            any_file.read_csi(path, shape=shape)
    h = any_file.read_csi(path, axes="rx,tx,sc", rx=1)
    np.testing.assert_allclose(h, H[:1], rtol=1e-6)
    getattr(foreign, write)(path, {"H": RX[:, :2, :, 0]})  # One subcarrier.
    with pytest.raises(DataError, match=r"x 1 subcarrier or delay, 2 ant.*axes=n,rx"):
        any_file.read_csi(path)


@pytest.mark.parametrize("form", REFUSED)
def test_what_can_be_read_two_ways_is_refused_with_both(tmp_path, form):
    values, words = REFUSED[form]
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(DataError, match=words):
        any_file.read_csi(tmp_path / "a.npy")


def test_amplitudes_are_refused_even_if_an_axis_is_named_re_and_im(tmp_path):
    np.save(tmp_path / "a.npy", np.abs(REAL))
    with pytest.raises(DataError, match="amplitudes without phases are no CSI"):
        any_file.read_csi(tmp_path / "a.npy", axes="n,tx,sc,reim")
    np.save(tmp_path / "b.npy", UNIT)
    with pytest.raises(DataError, match="give zero=0.5"):
        any_file.read_csi(tmp_path / "b.npy", axes="n,tx,sc,reim")


@pytest.mark.parametrize("form", ["complex", "pair", "compound"])
def test_an_offset_of_complex_numbers_is_told(tmp_path, foreign, form):
    parts = {"H_re": UNIT[..., 0], "H_im": UNIT[..., 1]}
    values = parts["H_re"] + 1j * parts["H_im"]
    arrays = {"complex": {"H": values}, "compound": {"H": compound(values)}}
    foreign.python_h5(tmp_path / "a.h5", arrays.get(form, parts))
    with pytest.raises(DataError, match="mean near 0.5 .*: give zero=0.5"):
        any_file.read_csi(tmp_path / "a.h5")
    h = any_file.read_csi(tmp_path / "a.h5", zero=0.5)
    h, sent = (transforms.to_peak(matrices)[0] for matrices in (h, H))
    assert metrics.to_db(metrics.nmse(sent, h).max()) < -70
    foreign.python_h5(tmp_path / "b.h5", {"H_re": abs(H.real), "H_im": abs(H.imag)})
    with pytest.raises(DataError, match="amplitudes without phases are no CSI"):
        any_file.read_csi(tmp_path / "b.h5")


@pytest.mark.parametrize("write", ["savemat", "matlab73"])
def test_fields_of_structs_are_read_and_cells_are_named(tmp_path, foreign, write):
    path = tmp_path / "a.mat"
    if write == "savemat":
        foreign.savemat(path, {"s": {"H": LAST, "fc": 3.5e9}})
    else:
        foreign.matlab73(path, {"s/H": LAST, "s/fc": 3.5e9})
    np.testing.assert_allclose(any_file.read_csi(path), H, rtol=1e-6)
    np.testing.assert_allclose(any_file.read_csi(path, "s/H"), H, rtol=1e-6)
    cell = np.empty((1, len(H)), object)
    cell[0] = list(H)
    foreign.savemat(path, {"H": cell})
    with pytest.raises(DataError, match=r"is cell \[1, 50\].* H = cat\(3, H{:}\)"):
        any_file.read_csi(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".h5"])
def test_the_content_of_a_file_tells_its_format(tmp_path, foreign, suffix):
    foreign.savemat(tmp_path / "v5", {"H": LAST})
    foreign.matlab73(tmp_path / "v73", {"H": LAST})
    foreign.python_h5(tmp_path / "h5", {"H": H})
    for name, save in (("npy", np.save), ("npz", np.savez)):
        with open(tmp_path / name, "wb") as file:
            save(file, H)
    for name in ("v5", "v73", "h5", "npy", "npz"):
        if name == "v5" and suffix in (".npy", ".npz"):
            continue  # It has no mark at its beginning.
        path = (tmp_path / name).rename(tmp_path / f"a{suffix}")
        np.testing.assert_allclose(any_file.read_csi(path), H, rtol=1e-6)


def test_the_shape_of_a_codec_decides_which_axis_counts_the_matrices(tmp_path):
    h = matrices(100, 64, 32)
    np.save(tmp_path / "first.npy", h)
    np.save(tmp_path / "last.npy", np.moveaxis(h, 0, -1))
    np.save(tmp_path / "one.npy", h[0])
    for name, num in (("first", 100), ("last", 100), ("one", 1)):
        back = any_file.read_csi(tmp_path / f"{name}.npy", shape=(64, 32))
        np.testing.assert_allclose(back, h[:num], rtol=1e-6)
    with pytest.raises(DataError, match=r"no axes fit matrices; expected complex \[n"):
        any_file.read_csi(tmp_path / "first.npy", shape=(32, 64))
    turned = any_file.read_csi(tmp_path / "first.npy", axes="n,sc,tx", shape=(32, 64))
    np.testing.assert_allclose(turned, h.swapaxes(1, 2), rtol=1e-6)
    with pytest.raises(DataError, match="matrices of 64 x 32 .*, expected 32 x 64"):
        any_file.read_csi(tmp_path / "first.npy", axes="n,tx,sc", shape=(32, 64))


def test_the_shape_of_ht_is_told_and_printed(tmp_path, foreign):
    h = transforms.to_peak(matrices(5, 16, 64))[0]
    ht = np.moveaxis(transforms.to_real(h), -1, 1).reshape(5, 2048) + 0.5
    foreign.savemat(tmp_path / "a.mat", {"HT": ht.astype(float)})
    lines = []
    path = tmp_path / "a.mat"
    back = any_file.read_csi(path, shape=(16, 64), report=lines.append)
    np.testing.assert_allclose(back, h, atol=1e-6)
    back = any_file.read_csi(path, report=lines.append)
    assert "5 matrices of 16 antennas x 64" in lines[0] and back.shape == (5, 32, 32)
    assert "5 matrices of 32 antennas x 32 delays (axes n,ht)" in lines[1]
    with pytest.raises(DataError, match="matrices of 32 x 64 has 4096 numbers; give s"):
        any_file.read_csi(path, shape=(32, 64))


def test_an_array_that_cannot_be_read_does_not_keep_the_others_from_it(tmp_path):
    pickled = np.array([{"a": 1}], object)
    np.savez(tmp_path / "a.npz", about=pickled, H=H)
    np.testing.assert_allclose(any_file.read_csi(tmp_path / "a.npz"), H, rtol=1e-6)
    np.savez(tmp_path / "b.npz", about=pickled, fc=3.5e9)
    with pytest.raises(DataError, match=r"found about unreadable \[1\], fc real \[\]"):
        any_file.read_csi(tmp_path / "b.npz")


def test_one_square_matrix_is_read(tmp_path):
    np.save(tmp_path / "a.npy", H[0])
    lines = []
    back = any_file.read_csi(tmp_path / "a.npy", report=lines.append)
    np.testing.assert_allclose(back, H[:1], rtol=1e-6)
    assert lines == ["array [32, 32]: 1 matrix of 32 antennas x 32 delays (axes tx,sc)"]


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("n,tx,time", "'time' is no axis, known: delay, n, rx"),
        ("n,tx,tx", "'tx' comes twice"),
        ("n,rx,1", "name an axis tx, sc or delay"),
        ("n,tx", "which has 3 axes; axes=n,tx names 2"),
        ("1,tx,sc", "names an axis of 50 '1'"),
        ("n,ht,tx", "ht holds all axes but n"),
    ],
)
def test_axes_that_do_not_fit_are_refused(tmp_path, axes, words):
    np.save(tmp_path / "a.npy", H)
    with pytest.raises(ValueError, match=words):
        any_file.read_csi(tmp_path / "a.npy", axes=axes)


def test_numbers_beyond_float32_are_refused_by_the_number_of_the_matrix(tmp_path):
    for scale in (1e-61, 1e-47, 1e59):
        h = H.copy()
        h[7] *= scale
        np.save(tmp_path / "a.npy", h)
        with pytest.raises(DataError, match="'array', matrix 7: max.h. is"):
            any_file.read_csi(tmp_path / "a.npy")


def test_what_is_in_a_file_is_listed_if_nothing_or_several_arrays_fit(
    tmp_path, foreign
):
    path = tmp_path / "a.h5"
    foreign.python_h5(path, {"a/x": np.zeros((5, 3)), "b": np.zeros(4)})
    words = r"no array could be CSI; found a/x real \[5, 3\], b real \[4\]; name one"
    with pytest.raises(DataError, match=words):
        any_file.read_csi(path)
    foreign.python_h5(path, {"a/H": H, "b/H": H, "none": h5py.Empty("f4")})
    with pytest.raises(DataError, match=r"2 arrays could be CSI; found a/H complex"):
        any_file.read_csi(path)
    np.testing.assert_allclose(any_file.read_csi(path, "b/H"), H, rtol=1e-6)
    with pytest.raises(DataError, match="is a folder; give the name of a file"):
        any_file.read_csi(tmp_path)


def test_the_page_has_the_table():
    page = pathlib.Path(__file__).parents[2] / "docs" / "data.md"
    for line in table():
        assert line in page.read_text(), f"docs/data.md lacks the line\n{line}"


def table():
    """The lines of the table of forms in docs/data.md."""
    yield "| written by, and form | what tfcsi needs |"
    yield "|---|---|"
    for form, (suffix, _, options) in FORMS.items():
        needs = " ".join(f"`--{name}={value}`" for name, value in options.items())
        yield f"| {form} (`{suffix}`) | {needs or 'nothing'} |"
    for form in REFUSED:
        yield f"| NumPy: {form} (`.npy`) | refused; the message says what would do |"


if __name__ == "__main__":
    print("\n".join(table()))
