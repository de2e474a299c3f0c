"""Config files: where they lie and how they are run."""

from __future__ import annotations

import importlib.util
import pathlib
import types

import ml_collections

import tfcsi
from tfcsi.codecs.fields import ConfigError, nearest


def names() -> list[str]:
    """Returns the names of the configs that come with tfcsi."""
    return sorted(path.stem for path in _folder().glob("*.py"))


def find(name: str) -> tuple[pathlib.Path, str | None]:
    """Finds a config file.

    Args:
      name: Name of a config that comes with tfcsi, or path of a file; with ":ARGUMENT"
        behind it if its `get_config` takes one.

    Returns:
      Path of the file; the argument, None if there is none.

    Raises:
      ConfigError: If there is no such file; the message names the nearest config.
    """
    argument = ""
    if not pathlib.Path(name).is_file():  # The name of a file may have a colon.
        name, _, argument = name.partition(":")
    path = pathlib.Path(name)
    if path.suffix != ".py" and path.name == name:
        path = _folder() / f"{name}.py"
        if not name or not path.exists():
            known = nearest(name, names(), "configs")
            raise ConfigError(f"there is no config {name!r}{known}")
    elif path.is_dir():
        raise ConfigError(f"{path} is a folder; give a config file")
    elif not path.is_file():
        remedy = ""
        if path.stem in names():
            remedy = f"; the config that comes with tfcsi is {path.stem!r}"
        raise ConfigError(f"there is no config file {path}{remedy}")
    return path, argument or None


def run(path: pathlib.Path, argument: str | None) -> ml_collections.ConfigDict:
    """Runs the `get_config` of a config file.

    Args:
      path: Path of the file.
      argument: Argument of its `get_config`; None if there is none.

    Returns:
      The config as `get_config` returns it; it is not checked.

    Raises:
      ConfigError: If the file raises an error; the message begins with the path.
    """
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        get_config = getattr(module, "get_config", None)
        if not isinstance(get_config, types.FunctionType):
            raise ConfigError("it has no function get_config, which returns the config")
        if argument and not get_config.__code__.co_argcount:
            raise ConfigError(f"it takes no argument, got {argument!r}")
        fields = get_config(*[argument] if argument else [])
        if not isinstance(fields, ml_collections.ConfigDict):
            raise ConfigError(
                f"get_config returns {type(fields).__name__}, not a ConfigDict"
            )
        return fields
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except (Exception, SystemExit) as error:  # A user's file may raise any error.
        text = " ".join(str(error).split())
        raise ConfigError(f"{path}: {type(error).__name__}: {text}") from error


def _folder() -> pathlib.Path:
    """Folder of the configs: in an installed package, or else in a checkout."""
    package = pathlib.Path(tfcsi.__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"
