"""Fields of a config: their types, how they are read from text and how checked.

A type is written as an annotation in source text is: "int", "tuple[float, ...]",
"tuple[int, ...] | None". So the arguments of a network are checked in the same way as
the fields of a config, without importing TensorFlow.
"""

from __future__ import annotations

import ast
import dataclasses
import math
import numbers
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import ml_collections

import tfcsi
from tfcsi.options import meant

LARGEST = 2**32 - 1  # Of integers: seeds of NumPy are not larger.
UNSET = object()  # Default of a field that has none.
_PACKAGE = pathlib.Path(tfcsi.__file__).parent
_SIMPLE = {"int": numbers.Integral, "float": numbers.Real, "str": str, "bool": bool}
_WORDS = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "True or False",
    "dict": "a set of fields",
}


class ConfigError(ValueError):
    """A config cannot be used. The message names the field and says what it accepts."""


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a config, or one argument of a network, quantiser or data set.

    Attributes:
      name: Name of the field.
      type: Its type, as an annotation.
      default: Its default; `UNSET` if there is none.
      meaning: What it does, in one sentence.
      choices: The values that it may have; empty if every value of the type is allowed.
      positive: Whether it must be greater than 0.
      least: Smallest value that it may have.
      below: What it must be less than. A number is always finite.
    """

    name: str
    type: str
    default: object = UNSET
    meaning: str = ""
    choices: tuple = ()
    positive: bool = False
    least: float = -math.inf
    below: float = math.inf


def options_of(declared: type, skip: Iterable[str]) -> dict[str, Field]:
    """Returns the fields of a dataclass of options.

    Args:
      declared: The dataclass.
      skip: Names of fields that are left out.

    Returns:
      Name to field.
    """
    return {
        f.name: Field(f.name, str(f.type), f.default)
        for f in dataclasses.fields(declared)
        if f.name not in skip
    }


def arguments_in_source(module: str, function: str) -> dict[str, Field] | None:
    """Returns the arguments of a function of this package that have a default.

    The text of the module is read, which is not imported: that would load TensorFlow.
    Defaults must be literals.

    Args:
      module: Full name, such as "tfcsi.models.crnet".
      function: Name of a function that it defines, or imports from another one.

    Returns:
      Name to field; None if the module is not a file of this package.

    Raises:
      LookupError: If the module has no such function.
    """
    path = _PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    if not module.startswith("tfcsi.") or not path.exists():
        return None
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            source = node.module or ""
            here = [alias.asname or alias.name for alias in node.names]
            if source.startswith("tfcsi.") and function in here:
                return arguments_in_source(source, function)
        if isinstance(node, ast.FunctionDef) and node.name == function:
            arguments = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            return {
                a.arg: Field(a.arg, ast.unparse(a.annotation), ast.literal_eval(value))
                for a, value in zip(arguments, node.args.defaults)
                if a.annotation is not None
            }
    raise LookupError(f"{path} defines no function {function}")


def fields_of_source(dataset: str) -> dict[str, Field] | None:
    """Returns the options of a data set; None of a simulator or of several sources."""
    from tfcsi import datasets  # Takes half a second.

    if dataset not in datasets.DATASETS:
        return None
    return options_of(datasets.DATASETS[dataset].Options, {"cache_dir"})


def with_defaults(fields: Mapping[str, Field]) -> dict[str, object]:
    """Returns name to default of the fields that have one."""
    return {n: f.default for n, f in fields.items() if f.default is not UNSET}


def is_of_type(value: object, type_: str) -> bool:
    """Returns whether a value fits a type.

    Args:
      value: The value.
      type_: Annotation, such as "int" or "tuple[float, ...] | None". Any value fits a
        type that is not known here.

    Returns:
      Whether it fits. An integer fits "float"; a bool fits neither "int" nor "float".
    """
    head, *rest = (part.strip() for part in type_.split("|"))
    if rest:
        return any(is_of_type(value, part) for part in (head, *rest))
    if head == "None":
        return value is None
    if head == "dict":
        return isinstance(value, (Mapping, ml_collections.ConfigDict))
    if head in _SIMPLE:
        right = isinstance(value, _SIMPLE[head])
        return right and (head == "bool" or not isinstance(value, bool))
    if head.startswith(("tuple[", "Sequence[")):
        inner, *more = head[head.index("[") + 1 : -1].split(", ")
        if not isinstance(value, Sequence) or isinstance(value, str):
            return False
        of_length = head.startswith("Sequence") or more in ([], ["..."])
        return (of_length or len(value) == 1 + len(more)) and all(
            is_of_type(item, inner) for item in value
        )
    return True


def words_of(type_: str) -> str:
    """Returns a type in words, such as "an integer" for "int"."""
    head, *rest = (part.strip() for part in type_.split("|"))
    if head in _WORDS:
        words = _WORDS[head]
    elif "[" in head:
        inner, *more = head[head.index("[") + 1 : -1].split(", ")
        count = "" if more in ([], ["..."]) else f"{1 + len(more)} "
        plural = {"int": "integers", "float": "numbers", "dict": "sets of fields"}
        words = f"a tuple of {count}{plural.get(inner, inner)}"
    else:
        words = head
    return f"{words} or None" if "None" in rest else words


def value_of(text: str, field: Field, name: str) -> object:
    """Reads the value of a field from the text of a command line.

    Args:
      text: Such as "1e-4", "conv", "true", "0,40" or "(0, 40)".
      field: The field; its type says how the text is read.
      name: Full name of the field for the error.

    Returns:
      The value, of the type of the field.

    Raises:
      ConfigError: If the text is no value of the type.
    """
    if field.type == "str":
        return text
    value: object
    try:
        if field.type == "bool":
            value = {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        elif field.type in ("int", "float"):
            value = {"int": int, "float": float}[field.type](text)
        else:
            value = ast.literal_eval(text)
    except (KeyError, ValueError, SyntaxError):
        value = text
    if not is_of_type(value, field.type) and is_of_type((value,), field.type):
        value = (value,)
    check_value(value, field, name)
    return value


def check_value(value: object, field: Field, name: str) -> None:
    """Refuses a value that a field may not have.

    Args:
      value: The value.
      field: The field.
      name: Full name of the field, for the message.

    Raises:
      ConfigError: If the value has another type or is out of range.
    """
    if not is_of_type(value, field.type):
        raise ConfigError(f"{name} is {value!r}; it must be {words_of(field.type)}")
    if field.choices and value not in field.choices:
        raise ConfigError(f"{name} is {value!r}; it must be one of {field.choices}")
    if field.positive and isinstance(value, (int, float)) and not value > 0:
        raise ConfigError(f"{name} is {value!r}; it must be positive")
    for number in value if isinstance(value, Sequence) else (value,):
        if isinstance(number, int) and abs(number) > LARGEST:
            raise ConfigError(f"{name} is {value!r}; it must be at most {LARGEST:,}")
        if isinstance(number, float) and not math.isfinite(number):
            raise ConfigError(f"{name} is {value!r}; it must be finite")
    if isinstance(value, (int, float)) and not field.least <= value < field.below:
        bound = "" if math.isinf(field.below) else f" and less than {field.below:g}"
        raise ConfigError(
            f"{name} is {value!r}; it must be {field.least:g} or more{bound}"
        )


def nearest(name: str, known: Iterable[str], kind: str = "") -> str:
    """Returns the end of a message on a name that is not known.

    Args:
      name: The name.
      known: The names that are known.
      kind: What they name, in the plural, such as "models"; or "".

    Returns:
      "; did you mean ...?", or the known names if none of them is near.
    """
    known = sorted(known)
    if hint := meant(name, known):
        return f"; {hint}"
    if not known:
        return "; it has none"
    return f"; known{kind and ' ' + kind}: {', '.join(known)}"
