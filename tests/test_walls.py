"""The walls between the rooms of the package, read from the imports of its files.

Nothing is executed: the files are parsed. Each test prints the lines that break a wall.
"""

from __future__ import annotations

import ast
import pathlib
from typing import NamedTuple

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# From the ground floor up. A module imports from its own floor and from those below.
FLOORS = (
    (
        "",
        "transforms",
        "metrics",
        "noise",
        "results",
        "files",
        "archives",
        "hdf5_files",
        "locks",
        "responses",
        "options",
        "matrices",
        "unfinished",
        "plugins",
        "schedules",
    ),
    ("coding", "channels", "datasets", "weights"),
    ("ue", "models"),
    ("entropy", "model_optimization"),
    ("codecs",),
    ("training", "serving"),
    ("evaluation",),
    ("tflite", "papers"),
    ("commands",),
    ("__main__",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# What runs with NumPy and no TensorFlow, not even through another module.
WITHOUT_TENSORFLOW = (
    *("tfcsi", "tfcsi.transforms", "tfcsi.metrics", "tfcsi.files", "tfcsi.responses"),
    *("tfcsi.results", "tfcsi.noise", "tfcsi.ue", "tfcsi.coding", "tfcsi.channels"),
    *("tfcsi.options", "tfcsi.archives", "tfcsi.locks", "tfcsi.weights"),
    *("tfcsi.matrices", "tfcsi.unfinished", "tfcsi.plugins", "tfcsi.codecs.streams"),
    *("tfcsi.datasets", "tfcsi.codecs.klt", "tfcsi.codecs.topk", "tfcsi.codecs.zoo"),
    *("tfcsi.codecs.gaussian_mixture", "tfcsi.codecs.dft_grid", "tfcsi.serving"),
    *("tfcsi.codecs.paths", "tfcsi.codecs.classical", "tfcsi.codecs.schema"),
    *("tfcsi.schedules", "tfcsi.codecs.learned", "tfcsi.codecs.learned_networks"),
    *("tfcsi.codecs.workdir", "tfcsi.training.config", "tfcsi.hdf5_files"),
)
# A reader of TensorFlow's own files, and a simulator that is written in TensorFlow.
WITH_TENSORFLOW = ("tfcsi.datasets.tfrecord", "tfcsi.channels.tr38901")
# A library to the only room that imports it.
OWNERS = {
    "tensorflow_compression": "entropy",
    "tensorflow_model_optimization": "model_optimization",
    "tensorflow.lite": "tflite",
    "ai_edge_litert": "ue",
    "tf2onnx": "codecs",
    "aiohttp": "serving",
    "apache_beam": "commands",
    "jinja2": "evaluation",
    "plotly": "evaluation",
    "prometheus_client": "serving",
}
DYNAMIC = ("importlib.import_module", "importlib.__import__", "__import__")
BY_NAME = {  # Modules that import by a name that is not written there.
    "tfcsi/__init__.py": "the public names",
    "tfcsi/channels/__init__.py": "the simulators",
    "tfcsi/commands/bulk.py": "the commands that run in parts",
    "tfcsi/codecs/workdir.py": "the kinds of codecs",
    "tfcsi/datasets/__init__.py": "the data sets of other packages",
    "tfcsi/models/__init__.py": "the models",
    "tfcsi/training/fit.py": "the kinds of codecs",
}
BUILT_IN = ("exec", "eval", "compile", "globals")
LITE = ("tensorflow.lite", "tensorflow.compat.v1.lite", "tensorflow.compat.v2.lite")
SHARED = {"ai_edge_litert": ("tflite",)}  # The check beside the phone's runtime.


class Import(NamedTuple):
    """One imported name: the file, the line, the module and the name in it."""

    source: str  # Module that imports.
    line: str  # "path:number: text" for the report.
    target: str  # Module that is imported.
    name: str  # Name that is imported from it, or "".
    lazy: bool  # Whether it stands in a function, or is for types alone.


def module_of(path: pathlib.Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in sorted((ROOT / "tfcsi").rglob("*.py"))}


def room(module: str) -> str:
    """The room of a module: the first part of its name behind tfcsi."""
    return module.split(".")[1] if "." in module else ""


def for_types(node: ast.AST) -> bool:
    """Whether a node is `if TYPE_CHECKING:`, which never runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def absolute(node: ast.ImportFrom, module: str) -> str:
    """The module that `from ... import` names, also if it begins with dots."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    if FILES[module].name != "__init__.py":
        parts = parts[:-1]
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def short_names(tree: ast.AST) -> dict[str, str]:
    """Short name in a file to the full name, such as tf to tensorflow."""
    short = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            short |= {a.asname: base + a.name for a in node.names if a.asname}
            if base:
                short |= {a.name: base + a.name for a in node.names}
    return short


def full_name(node: ast.AST, short: dict[str, str]) -> str:
    """The text of a node, its first part as imports name it."""
    head, dot, rest = ast.unparse(node).partition(".")
    return short.get(head, head) + dot + rest


def imports_of(module: str) -> list[Import]:
    text = FILES[module].read_text()
    lines, tree = text.splitlines(), ast.parse(text)
    short = short_names(tree)
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.Lambda)) or for_types(function)
        for node in ast.walk(function)
    }
    imports = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            pairs = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, module)
            pairs = [(base, alias.name) for alias in node.names]
        elif isinstance(node, ast.Call) and full_name(node.func, short) in DYNAMIC:
            literal = node.args and isinstance(node.args[0], ast.Constant)
            pairs = [(str(node.args[0].value) if literal else "?", "")]
        elif isinstance(node, ast.Attribute) and full_name(node, short) in LITE:
            pairs = [("tensorflow.lite", "")]
        else:
            continue
        line = f"{FILES[module].relative_to(ROOT)}:{node.lineno}: "
        line += lines[node.lineno - 1].strip()
        for target, name in pairs:
            if f"{target}.{name}" in FILES:  # `from tfcsi.coding import grids`.
                target, name = f"{target}.{name}", ""
            imports.append(Import(module, line, target, name, id(node) in inner))
    return imports


IMPORTS = {module: imports_of(module) for module in FILES}
OURS = [i for imports in IMPORTS.values() for i in imports if i.target in FILES]


def report(lines) -> str:
    return "\n".join(["these lines break a wall:", *sorted(set(lines))])


def test_every_module_has_a_floor():
    assert {room(module) for module in FILES} == set(FLOOR)


def test_nothing_imports_upwards():
    up = [i.line for i in OURS if FLOOR[room(i.target)] > FLOOR[room(i.source)]]
    assert not up, report(up)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The nodes that lie on a circle or lead into one, or nothing."""
    edges = {node: set(targets) for node, targets in edges.items()}
    while free := {node for node, targets in edges.items() if not targets & {*edges}}:
        edges = {node: edges[node] for node in edges.keys() - free}
    return sorted(edges)


def test_no_modules_import_each_other_in_a_circle():
    edges = {module: {i.target for i in IMPORTS[module]} for module in FILES}
    # A module of a package also runs the __init__ of that package; importing that by
    # name from inside is a circle only if the __init__ imports the module.
    assert not circle(edges), circle(edges)


def test_no_rooms_import_each_other_in_a_circle():
    edges = {name: set() for name in FLOOR}
    for each in OURS:
        if room(each.source) != room(each.target):
            edges[room(each.source)].add(room(each.target))
    assert not circle(edges), circle(edges)


def test_private_names_stay_in_their_package():
    crossing = [
        i.line
        for i in OURS
        if room(i.source) != room(i.target)
        and any(
            part.startswith("_") and not part.endswith("__")
            for part in (*i.target.split("."), i.name)
        )
    ]
    assert not crossing, report(crossing)


def test_each_library_is_imported_by_its_own_room_alone():
    strangers = [
        i.line
        for imports in IMPORTS.values()
        for i in imports
        for library, owner in OWNERS.items()
        if f"{i.target}.{i.name}.".startswith(f"{library}.")
        and room(i.source) not in (owner, *SHARED.get(library, ()))
    ]
    assert not strangers, report(strangers)


def test_what_is_imported_stands_in_the_file_or_in_a_registry():
    hidden = {i.line for each in IMPORTS.values() for i in each if i.target == "?"}
    new = [line for line in hidden if line.partition(":")[0] not in BY_NAME]
    assert not new, report(new)
    gone = BY_NAME.keys() - {line.partition(":")[0] for line in hidden}
    assert not gone, f"take these off the list BY_NAME: {sorted(gone)}"


def path_to_tensorflow(module: str, seen: set[str]) -> list[str]:
    """Lines of imports that lead from a module to TensorFlow, or nothing.

    Imports in functions of the module itself count as well; those of the modules that
    it imports do not, for they run when they are called.
    """
    for each in IMPORTS[module]:
        if each.lazy and seen:
            continue
        if each.target.split(".")[0] in (
            *("tensorflow", "keras", "tensorflow_probability"),
            *("tensorflow_compression", "tensorflow_model_optimization"),
        ):
            return [each.line]
        if each.target in FILES and each.target not in seen:
            if rest := path_to_tensorflow(each.target, seen | {module}):
                return [each.line, *rest]
    return []


def test_what_runs_without_tensorflow_imports_none():
    paths = [
        " -> ".join(path)
        for module in sorted(FILES.keys() - {*WITH_TENSORFLOW})
        if f"{module}.".startswith(tuple(f"{name}." for name in WITHOUT_TENSORFLOW[1:]))
        or module == "tfcsi"
        if (path := path_to_tensorflow(module, set()))
    ]
    assert not paths, report(paths)


def test_no_module_has_more_than_400_lines():
    files = [*FILES.values(), *(ROOT / "tests").rglob("*.py")]
    names = {path.relative_to(ROOT): path for path in files}
    lengths = {name: len(path.read_text().splitlines()) for name, path in names.items()}
    long = [f"{path}: {n} lines" for path, n in lengths.items() if n > 400]
    assert not long, report(long)


# Where a question is put to an object or a file that another contract does not answer.
ALLOWED = {
    ("tfcsi/channels/generate.py", "hasattr"): "os.sched_getaffinity is Linux's alone",
    ("tfcsi/model_optimization/integer_layers.py", "hasattr"): "layers of Keras's own",
    ("tfcsi/model_optimization/integer_layers.py", "getattr"): "layers of Keras's own",
    ("tfcsi/model_optimization/sparsity.py", "getattr"): "layers of tfmot's own",
    ("tfcsi/training/config_files.py", "getattr"): "the config file of a user",
    ("tfcsi/models/contract.py", "inspect.signature"): "builders declare the options",
    ("tfcsi/tflite/footprint.py", "hasattr"): "mallinfo2 came with glibc 2.33",
    ("tfcsi/tflite/arm.py", "_get_ops_details"): "not public",
}


def detours(path: pathlib.Path) -> list[tuple[str, int]]:
    """What goes round a contract or a public interface: its name and its line.

    These are calls of `hasattr`, `inspect.signature`, `getattr` with a default, `exec`
    and its like, imports of `runpy`, the legacy optimisers of Keras, and private
    attributes that the file does not define itself.
    """
    tree = ast.parse(path.read_text())
    own = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
    } | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
    }
    seen, short = [], short_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = full_name(node.func, short)
            duck = name == "getattr" and len(node.args) + len(node.keywords) > 2
            if name in ("hasattr", "inspect.signature", *BUILT_IN) or duck:
                seen.append((name, node.lineno))
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            seen += [("runpy", node.lineno)] * ("runpy" in names)
        elif isinstance(node, ast.Attribute):
            private = node.attr.startswith("_") and not node.attr.endswith("__")
            if ast.unparse(node).endswith("optimizers.legacy"):
                seen.append(("optimizers.legacy", node.lineno))
            elif private and node.attr not in own and ast.unparse(node.value) != "self":
                seen.append((node.attr, node.lineno))
    return seen


def test_no_module_goes_round_a_contract_or_a_public_interface():
    round_about = {
        (str(path.relative_to(ROOT)), name): line
        for folder in ("tfcsi", "configs", "benchmarks", "examples", "train", "tflite")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name, line in detours(path)
    }
    new = [
        f"{path}:{line}: {name}"
        for (path, name), line in round_about.items()
        if (path, name) not in ALLOWED
    ]
    assert not new, report(new)
    gone = ALLOWED.keys() - round_about.keys()
    assert not gone, f"take these off the list ALLOWED: {sorted(gone)}"


@pytest.mark.parametrize(
    ("text", "target", "name"),
    [
        ("from tfcsi.training import config", "tfcsi.training.config", ""),
        ("from ..training import config", "tfcsi.training.config", ""),
        ("from .. import metrics", "tfcsi.metrics", ""),
        ("from . import blocks", "tfcsi.models.blocks", ""),
        ("from ..coding.tables import _x", "tfcsi.coding.tables", "_x"),
        ("def f():\n    import tensorflow as x", "tensorflow", ""),
        ("x = __import__('tensorflow')", "tensorflow", ""),
        ("x = importlib.import_module('tensorflow')", "tensorflow", ""),
        ("x = __import__('tensor' + 'flow')", "?", ""),
        ("import importlib as i\nx = i.import_module('tensorflow')", "tensorflow", ""),
        ("from importlib import import_module as f\nf('keras')", "keras", ""),
        ("def f(name):\n    return importlib.import_module(name)", "?", ""),
        ("x = tensorflow.lite.Interpreter", "tensorflow.lite", ""),
        ("import tensorflow as t\nx = t.lite.Interpreter", "tensorflow.lite", ""),
        ("import tensorflow as t\nt.compat.v1.lite.Optimize", "tensorflow.lite", ""),
        ("from tensorflow import lite as x", "tensorflow", "lite"),
    ],
)
def test_an_import_is_seen_in_any_form(text, target, name, tmp_path, monkeypatch):
    written = tmp_path / "crnet.py"
    written.write_text(text)
    monkeypatch.setitem(FILES, "tfcsi.models.crnet", written)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    seen = [(i.target, i.name) for i in imports_of("tfcsi.models.crnet")]
    assert (target, name) in seen


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x = hasattr(codec, 'fold')", "hasattr"),
        ("x = getattr(codec, 'fold', None)", "getattr"),
        ("from inspect import signature as s\nx = s(f)", "inspect.signature"),
        ("exec('import tensorflow')", "exec"),
        ("x = eval('codec.fold')", "eval"),
        ("import runpy", "runpy"),
        ("x = model._layers", "_layers"),
    ],
)
def test_a_detour_is_seen_however_it_is_written(text, name, tmp_path):
    (tmp_path / "module.py").write_text(text)
    assert name in [each for each, _ in detours(tmp_path / "module.py")]
