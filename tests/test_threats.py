"""What a file of weights can do, and the page that says so."""

import ast
import io
import pathlib
import pickle
import re
import shutil
import zipfile

import numpy as np
import pytest

import tfcsi

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "threats.md").read_text()
# Functions that run what a file says, or build objects of any class from it.
# The only module that reads pickles, which may name tensors and plain records alone.
RESTRICTED = ROOT / "tfcsi" / "weights" / "unpickling.py"
EXECUTING = ("load_model", "model_from_json", "model_from_config", "model_from_yaml")


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["codec.npz", "config.json"])
def test_code_in_a_file_of_a_run_is_not_run(tmp_path, name):
    run, trace = tmp_path / "run", tmp_path / "trace"
    shutil.copytree(sorted((ROOT / "tests/golden/workdirs").iterdir())[0], run)
    if name == "config.json":
        (run / name).write_bytes(pickle.dumps(Bomb(trace)))
    else:
        array = io.BytesIO()
        np.save(array, np.array([Bomb(trace)], object), allow_pickle=True)
        with np.load(run / name) as arrays:
            names = [f"{key}.npy" for key in arrays if key.startswith("decoder/")]
        with zipfile.ZipFile(run / name) as old:
            content = {item: old.read(item) for item in old.namelist()}
        content[names[0]] = array.getvalue()
        with zipfile.ZipFile(run / name, "w") as new:
            for item, value in content.items():
                new.writestr(item, value)
    with pytest.raises(ValueError, match=name):
        tfcsi.load(run)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Bomb(trace)))
    assert trace.exists()  # It would have been.


def test_no_module_builds_objects_from_a_file_that_may_be_foreign():
    banned = {"pickle", "marshal", "shelve", "dill", "joblib", "yaml"}
    lines = []
    for path in (ROOT / "tfcsi").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            bad = False
            if isinstance(node, ast.Import):
                named = {alias.name for alias in node.names}
                bad = bool(banned & named) and path != RESTRICTED
            elif isinstance(node, ast.ImportFrom):
                bad = node.module in banned
            elif isinstance(node, ast.Attribute):
                bad = node.attr in EXECUTING or (
                    node.attr == "load"
                    and ast.unparse(node).endswith("saved_model.load")
                )
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                bad = ast.unparse(node.value) != "False"
            if bad:
                lines.append(f"{path.relative_to(ROOT)}: {ast.unparse(node)}")
    assert not lines, lines


def test_every_statement_of_the_page_names_tests_that_exist():
    rows = [row for row in PAGE.splitlines() if row.startswith("| ")]
    rows = [row for row in rows if not row.endswith("| test |")]
    assert len(rows) > 12
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            tree = ast.parse((ROOT / "tests" / file).read_text())
            functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
            assert test in functions, f"{file} has no {test}"


def test_the_lock_has_every_pin_of_setup_with_hashes():
    lock = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text())
    locked = set()
    for entry in lock:
        assert "--hash=sha256:" in entry, entry[:80]
        name, version = re.match(r"([\w.-]+)==([\w.]+)", entry).groups()
        locked.add((name.replace("_", "-").lower(), version))
    setup = (ROOT / "setup.py").read_text()
    optional = {"sionna", "sionna-rt", "torch", "onnx", "protobuf", "tf2onnx"}
    optional |= {"atheris", "apache-beam"}
    optional |= set(
        re.findall(
            r'"([\w-]+)[\[=]', setup[setup.index("DOCS =") :].partition("]\n")[0]
        )
    )
    pins = set(re.findall(r'"([\w-]+)==([\w.]+)', setup))
    pins = {(n.replace("_", "-").lower(), v) for n, v in pins if n not in optional}
    assert len(pins) > 15
    assert pins <= locked, sorted(pins - locked)
