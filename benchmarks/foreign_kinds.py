"""What a form of foreign files is, and how `foreign_files.py` checks it."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tfcsi import datasets, metrics
from tfcsi.datasets import inputs

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "data.md"
# The splits of the small sources. The last matrices are those of the test.
SPLITS = {"num_val": 2, "num_test": 5}
OPTIONS = {"deepmimo": {"shuffle": False}}


@dataclasses.dataclass(frozen=True)
class Form:
    """A form of files that is read.

    Attributes:
      source: The program that writes it.
      form: What it holds.
      name: Name of the file or folder.
      write: Writes it to a path.
      expected: Makes the matrices that it holds.
      told: Options that it needs: of `tfcsi compress`, or fields of the config's
        `source` for a data set.
      dataset: The data set whose form it has; "" for files of any form.
      recipe: Words that begin the recipe of the page, which makes a `.npy` file of it.
      needs: Code that a user of the recipe has before it, beside NumPy and SciPy.
    """

    source: str
    form: str
    name: str
    write: Callable[[pathlib.Path], Any]
    expected: Callable[[], np.ndarray]
    told: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    dataset: str = ""
    recipe: str = ""
    needs: str = ""

    def check(self, folder: pathlib.Path) -> float:
        """Writes the form, reads it and returns the largest NMSE of a matrix in dB.

        Raises:
          ValueError: It is not read as its matrices, or is read without its options.
        """
        path, expected = folder / self.name, self.expected()
        self.write(path)
        if self.recipe:
            path = self._made(path)
        if self.told and not self.dataset and self.read(path, {}) is not None:
            raise ValueError(f"{self.title} is read without {self.remedy}")
        h = self.read(path, self.told)
        if h is None or h.shape != expected.shape:
            raise ValueError(f"{self.title} is not read as {expected.shape}")
        return float(metrics.to_db(metrics.nmse(expected, h).max()))

    def read(self, path: pathlib.Path, told: Mapping[str, Any]) -> np.ndarray | None:
        """Reads the file; None if it is refused because something must be told."""
        if self.dataset:
            options = {**SPLITS, **OPTIONS.get(self.dataset, {}), **told}
            place = (f"{self.dataset}_{path.name}", path.parent)
            return datasets.read(*place, "test", "space_frequency", **options)
        try:
            return inputs.read(path, "angular_delay", told=told)
        except ValueError as error:
            if re.search("axes=|give axes|name one with rx|give zero", str(error)):
                return None
            raise

    def _made(self, path: pathlib.Path) -> pathlib.Path:
        """Runs the recipe of the page in the folder of a file."""
        _, code = recipe(self.recipe)
        lines = "import numpy as np, scipy.io\n" + self.needs + code
        run = [sys.executable, "-c", lines]
        done = subprocess.run(run, cwd=path.parent, capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{self.title}: its recipe fails: {done.stderr}")
        return path.with_suffix(".npy")

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"{self.source}: {self.form} ({self.name})"

    @property
    def remedy(self) -> str:
        """What is given to tfcsi, in Markdown."""
        prefix = "--config.source." if self.dataset else "--"
        flags = [f"`{prefix}{name}={value}`" for name, value in self.told.items()]
        if self.recipe:
            flags.insert(0, "the recipe below, then")
        return " ".join(flags) or "nothing"

    @property
    def row(self) -> str:
        """Its row of the table."""
        suffix = pathlib.Path(self.name).suffix
        form = f"{self.form} ({f'`{suffix}`' if suffix else 'folder'})"
        kind = f"data set `{self.dataset}`" if self.dataset else "any file"
        return f"| {self.source} | {form} | {kind} | read; needs {self.remedy} |"


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A form of files that is refused.

    Attributes:
      source: The program that writes it.
      form: What it holds.
      name: Name of the file.
      write: Writes it to a path.
      words: Regular expression that the message matches.
      reason: Why, for the page.
    """

    source: str
    form: str
    name: str
    write: Callable[[pathlib.Path], Any]
    words: str
    reason: str

    def check(self, folder: pathlib.Path) -> None:
        """Writes the form and reads it.

        Raises:
          ValueError: It is read, or refused with other words.
        """
        path = folder / self.name
        self.write(path)
        try:
            inputs.read(path, "angular_delay")
        except ValueError as error:
            if re.search(self.words, str(error)):
                return
            raise
        raise ValueError(f"{self.title} is read, although {self.reason}")

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"{self.source}: {self.form} ({self.name})"

    @property
    def row(self) -> str:
        """Its row of the table."""
        form = f"{self.form} (`{pathlib.Path(self.name).suffix}`)"
        return f"| {self.source} | {form} | any file | refused: {self.reason} |"


def recipe(words: str) -> tuple[dict[str, str], str]:
    """Flags and code of the recipe of the page that begins with some words."""
    section = PAGE.read_text().split("## Recipes for other tools")[1]
    section = section.split("\n## ")[0]
    parts = re.split(r"\n(?=\*\*)", section)
    (text,) = (part for part in parts if part.startswith(words))
    flags = dict(re.findall(r"--(axes|rx)=([\w,]+)", text))
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return flags, "".join(code)
