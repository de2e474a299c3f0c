"""Writers of files as other programs write them, those of benchmarks/."""

import pathlib
import sys
import types

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benchmarks"))

import foreign_writers  # noqa: E402


@pytest.fixture(scope="session")
def foreign():
    """The writers: `matlab73`, `python_h5`, `savemat`, each of (path, variables)."""
    return types.SimpleNamespace(
        matlab73=foreign_writers.matlab73,
        python_h5=foreign_writers.python_h5,
        savemat=foreign_writers.matlab5,
    )
