"""Foreign forms of CSI are read as their matrices, or refused with a remedy.

The forms are those of `benchmarks/foreign_files.py`, which also makes their table in
docs/data.md.
"""

import re

import foreign_files
import foreign_kinds
import h5py
import numpy as np
import pytest
from foreign_forms import FORMS, LAST, RX, UNIT, H, matrices
from foreign_writers import compound

from tfcsi import metrics, transforms
from tfcsi.datasets import any_file
from tfcsi.datasets._files import DataError

REAL = np.stack([H.real, H.imag], -1)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.title)
def test_each_form_is_read_as_its_matrices(tmp_path, form):
    assert form.check(tmp_path) < foreign_files.LARGEST


@pytest.mark.parametrize("form", foreign_files.REFUSED, ids=lambda form: form.title)
def test_what_can_be_read_two_ways_or_is_no_csi_is_refused(tmp_path, form):
    assert form.check(tmp_path) is None


def test_a_form_that_is_read_as_others_fails(tmp_path):
    form = FORMS[0]
    other = foreign_kinds.Form("a", "b", "c.npy", form.write, lambda: 2 * H)
    assert other.check(tmp_path) > foreign_files.LARGEST
    told = foreign_kinds.Form(
        *("a", "b", "c.npy", form.write, lambda: H), {"axes": "n,tx,sc"}
    )
    with pytest.raises(ValueError, match="is read without `--axes=n,tx,sc`"):
        told.check(tmp_path)
    refusal = foreign_kinds.Refusal("a", "b", "c.npy", form.write, "", "it is none")
    with pytest.raises(ValueError, match="is read, although it is none"):
        refusal.check(tmp_path)


def test_the_page_has_the_table(tmp_path):
    page = foreign_kinds.PAGE.read_text()
    assert foreign_files.BEGIN + foreign_files.table() + foreign_files.END in page, (
        "run python benchmarks/foreign_files.py --output=results/NAME.json "
        "--page=docs/data.md"
    )
    (tmp_path / "old.md").write_text(page.replace("| NumPy |", "| old |"))
    foreign_files.put(tmp_path / "old.md")
    assert (tmp_path / "old.md").read_text() == page


def test_each_recipe_of_the_page_is_tested():
    section = foreign_kinds.PAGE.read_text().split("## Recipes for other tools")[1]
    begun = re.findall(r"^\*\*.*", section.split("\n## ")[0], re.MULTILINE)
    used = [form.recipe for form in FORMS if form.recipe]
    for line in begun:
        own = any(line.startswith(words) for words in used)
        assert own or "needs no recipe" in line, line
    for form in FORMS:
        if form.recipe:
            flags, _ = foreign_kinds.recipe(form.recipe)
            assert flags == {name: str(value) for name, value in form.told.items()}


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
        with pytest.raises(DataError, match="'array', matrix 7: max.h. is .*--scale"):
            any_file.read_csi(tmp_path / "a.npy")
        h = any_file.read_csi(tmp_path / "a.npy", scale=True)
        assert metrics.to_db(metrics.nmse(transforms.to_peak(H)[0], h).max()) < -70


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
