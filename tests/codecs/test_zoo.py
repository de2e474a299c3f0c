"""Codecs of the zoo load by name, after their files were checked."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

import tfcsi
from tfcsi.codecs import zoo
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.workdir import commands_of

ROOT = pathlib.Path(__file__).parents[2]
FILES = ("codec.npz", "config.json")


@pytest.fixture
def own_zoo(tmp_path, draw_csi, monkeypatch):
    """A zoo with the codec klt-own, which TFCSI_ZOO names."""
    Klt.fit(draw_csi(100), 0.02).save(tmp_path / "zoo" / "klt-own")
    zoo.record(tmp_path / "zoo", "klt-own", data="drawn", seed=0)
    monkeypatch.setenv(zoo.VARIABLE, f"{tmp_path / 'none'}:{tmp_path / 'zoo'}")
    return tmp_path / "zoo"


def test_a_codec_of_the_users_zoo_loads_by_name(own_zoo):
    codec = tfcsi.load("klt-own")
    assert codec.session == tfcsi.load(own_zoo / "klt-own").session
    assert "klt-own" in zoo.entries() and "klt-own" not in zoo.shipped()


def test_the_codec_of_the_package_comes_before_one_of_the_same_name(own_zoo):
    shutil.copytree(own_zoo / "klt-own", own_zoo / "paths")
    zoo.record(own_zoo, "paths")
    assert tfcsi.load("paths").name == "paths"


@pytest.mark.parametrize("name", sorted(zoo.entries()))
def test_every_file_of_the_zoo_is_that_of_its_manifest(name):
    entry = zoo.entries()[name]
    zoo.check(entry)
    assert set(FILES) <= entry.fields["files"].keys()
    assert {"data", "seed", "command", "version", "licence"} <= entry.fields.keys()
    there = {path.name for path in entry.folder.iterdir()}
    assert there - {zoo.CARD_FILE} == set(entry.fields["files"])


def test_every_folder_of_a_zoo_is_in_its_manifest():
    for place in (zoo.PACKAGE, zoo.CHECKOUT):
        folders = {path.name for path in place.iterdir() if path.is_dir()}
        assert folders and folders == zoo.read_manifest(place).keys()


@pytest.mark.parametrize("file", FILES)
def test_a_changed_file_is_refused_before_it_is_opened(own_zoo, file):
    path = own_zoo / "klt-own" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    words = rf"{file} was changed or damaged: its SHA-256 is .* manifest says"
    with pytest.raises(ValueError, match=words):
        tfcsi.load("klt-own")
    path.write_bytes(content[:-1])
    with pytest.raises(ValueError, match="its size is .* copy .*klt-own again"):
        tfcsi.load("klt-own")


def test_a_codec_that_is_not_here_is_refused_with_the_way_to_get_it(
    own_zoo, tmp_path, monkeypatch
):
    (own_zoo / "klt-own" / "codec.npz").unlink()
    words = "klt-own/codec.npz is not here .* bytes.*from where this zoo came from"
    with pytest.raises(FileNotFoundError, match=words):
        tfcsi.load("klt-own")
    # An installed package has the manifest of the repository, and not the codecs.
    listed = tmp_path / "listed"
    listed.mkdir()
    shutil.copy(zoo.CHECKOUT / zoo.MANIFEST_FILE, listed)
    monkeypatch.setattr(zoo, "CHECKOUT", tmp_path / "none")
    monkeypatch.setattr(zoo, "LISTED", listed)
    words = "clone the repository, and set TFCSI_ZOO to its folder zoo"
    with pytest.raises(FileNotFoundError, match=words):
        tfcsi.load("learned_cost2100_indoor")
    monkeypatch.setenv(zoo.VARIABLE, str(ROOT / "zoo"))
    assert tfcsi.load("learned_cost2100_indoor").name == "learned"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(format=2), "it is not a manifest of format 1"),
        (lambda m: m["codecs"].update({"../x": {"files": {}}}), "not a name"),
        (lambda m: m["codecs"].update(x={"files": {"/etc/x": {}}}), "not a name"),
        (lambda m: m["codecs"].update(x={}), "files"),
        (
            lambda m: m["codecs"].update(
                x={"files": {"a": {"bytes": 1, "sha256": ""}}}
            ),
            "x/a has no size or no SHA-256",
        ),
    ],
)
def test_a_damaged_manifest_is_refused_by_its_name(own_zoo, change, words):
    path = own_zoo / zoo.MANIFEST_FILE
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"manifest.json is damaged: .*{words}"):
        tfcsi.load("klt-own")


def test_a_folder_with_the_name_of_a_codec_is_given_with_a_dot(own_zoo, monkeypatch):
    monkeypatch.chdir(own_zoo)
    assert zoo.folder_of("./paths") == pathlib.Path("paths")
    assert zoo.folder_of(pathlib.Path("paths")) == pathlib.Path("paths")
    assert zoo.folder_of("paths") == zoo.PACKAGE / "paths"


def test_the_zoo_needs_no_tensorflow():
    script = "import sys; from tfcsi.codecs import zoo; print(len(zoo.entries()));"
    script += "sys.exit('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == 0 and int(done.stdout) > 8


def test_what_goes_on_from_a_codec_of_a_zoo_has_its_command(own_zoo, tmp_path):
    folder = own_zoo / "klt-own"
    zoo.record(own_zoo, "klt-own", command="c")
    for place in ("klt-own", folder, str(folder)):
        assert commands_of(place, {"commands_before": ["a"]}) == ["a", "c"]
    assert commands_of(tmp_path, {"commands_before": ["a"]}) == ["a"]
    (tmp_path / "run.json").write_text('{"command": "b"}')
    assert commands_of(tmp_path, {}) == ["b"]
