"""Whatever is written to a file is read back, for any content and any name."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tfcsi import files, results

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)),
    min_size=1,
    max_size=40,
).filter(lambda name: name not in (".", ".."))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
POINTS = st.lists(
    st.dictionaries(
        st.text(), st.none() | st.booleans() | NUMBERS | st.text(), max_size=5
    ),
    max_size=4,
)
ARRAYS = hnp.arrays(
    st.sampled_from(["<f4", "<f8", "<c8", "<i4", "u1", "?", "<U3"]),
    hnp.array_shapes(min_dims=0, min_side=0),
)
KEYS = st.from_regex(r"[a-z_0-9]+(/[a-z_0-9]+)?", fullmatch=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that all examples share."""
    return tmp_path_factory.mktemp("files")


@given(name=NAMES, content=st.binary())
def test_any_bytes_come_back_from_a_file_of_any_name(folder, name, content):
    files.write_bytes(folder / name, content)
    assert (folder / name).read_bytes() == content
    (folder / name).unlink()
    assert not list(folder.iterdir())  # And no temporary file stays.


@given(old=st.binary(), new=st.binary())
def test_a_write_that_fails_leaves_the_file_as_it_was(folder, old, new):
    files.write_bytes(folder / "kept", old)
    with pytest.raises(KeyError), files.replacing(folder / "kept") as temporary:
        temporary.write_bytes(new)
        raise KeyError
    assert (folder / "kept").read_bytes() == old
    assert [path.name for path in folder.iterdir()] == ["kept"]
    (folder / "kept").unlink()


def test_a_folder_is_refused_by_name_and_stays(tmp_path):
    (tmp_path / "kept").mkdir()
    with pytest.raises(IsADirectoryError, match="kept is a folder"):
        files.write_bytes(tmp_path / "kept", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_link_stays_and_leads_to_what_was_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    files.write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_bytes(pipe, b"new")
    assert pipe.is_fifo() and os.read(reader, 9) == b"new"
    os.close(reader)


# `np.savez` keeps the name "file" for itself.
@given(arrays=st.dictionaries(KEYS.filter("file".__ne__), ARRAYS, max_size=4))
def test_any_arrays_come_back_with_their_types_and_shapes(folder, arrays):
    files.write_arrays(folder / "arrays.npz", arrays)
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        again = dict(stored)
    assert again.keys() == arrays.keys()
    for key, array in arrays.items():
        assert again[key].dtype == array.dtype
        assert again[key].shape == array.shape
        assert again[key].tobytes() == array.tobytes()
    (folder / "arrays.npz").unlink()


@given(st.dictionaries(st.text("ab/", max_size=4), st.integers()), st.text("ab"))
def test_a_part_is_what_was_put_under_its_name(content, name):
    whole = {f"{name}/{key}": value for key, value in content.items()}
    others = {f"{name}c/{key}": value for key, value in content.items()}
    assert files.part({**others, **whole}, name) == content


@given(points=POINTS, seed=st.integers(), command=st.text(min_size=1))
def test_results_read_back_as_they_were_written(folder, points, seed, command):
    results.write(folder / "new" / "points.json", points, seed, command)
    content = results.read(folder / "new" / "points.json")
    assert content["points"] == points
    assert (content["seed"], content["command"]) == (seed, command)
    (folder / "new" / "points.json").unlink()
    (folder / "new").rmdir()


@given(
    point=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (column[1] for column in results.COLUMNS if isinstance(column[1], str)),
            st.integers(0, 10**9),
        ),
    )
)
def test_a_table_has_a_column_for_each_key_of_a_point(point):
    header, _, row = results.table([point], markdown=True).splitlines()
    headings = [h for h, key, _ in results.COLUMNS if key in point]
    cells = [cell.strip() for cell in header.strip("|").split("|")]
    assert [cell for cell in cells if cell] == headings
    assert row.count("|") == header.count("|") and json.dumps(point)


@given(
    before=st.text("ab \n"),
    old=st.text("ab|<-\n"),
    new=st.text("ab|\\1\n"),
    after=st.text("ab \n"),
)
def test_a_table_goes_between_its_markers_and_nothing_else_changes(
    folder, before, old, new, after
):
    path = folder / "page.md"
    begin, end = "<!-- table: x.json -->\n", "<!-- end -->"
    path.write_text(f"{before}{begin}{old}\n{end}{after}")
    results.insert(path, ["x.json"], new)
    assert path.read_text() == f"{before}{begin}{new}\n{end}{after}"
    path.unlink()


def test_csi_is_read_with_numpy_alone(tmp_path):
    h = np.arange(12).reshape(2, 3, 2) * (1 + 1j)
    for array in (h, h[0]):
        np.save(tmp_path / "h.npy", array)
        read = files.read_csi(tmp_path / "h.npy")
        np.testing.assert_array_equal(read, array.reshape(-1, 3, 2))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 3, 2)), r"holds float64 \[4, 3, 2\]; give a .npy file of one"),
        (np.zeros((1, 4, 3, 2), complex), r"holds complex128 \[1, 4, 3, 2\]"),
        (np.array([{}]), "cannot be read as a .npy file: .*objects"),
        (None, "h.npy cannot be read as a .npy file"),
        ("archive", "holds an archive; give a .npy file"),
    ],
)
def test_what_is_no_csi_is_refused_by_the_name_of_its_file(tmp_path, array, words):
    path = tmp_path / "h.npy"
    if isinstance(array, str):
        with open(path, "wb") as file:
            np.savez(file, h=np.zeros(3))
    elif array is None:
        path.write_text("time,re,im")
    else:
        np.save(path, array)
    with pytest.raises(ValueError, match=words):
        files.read_csi(path)
