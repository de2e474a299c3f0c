"""What every data set offers: one way to load it, declared options, a known scale."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfcsi import transforms
from tfcsi.matrices import Matrices
from tfcsi.options import check_options

SPLITS = ("train", "val", "test")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A kind of data files and how they are read.

    Attributes:
      name: key in `tfcsi.datasets.DATASETS`.
      reader: function (folder, scenario, split, domain, options) -> (h, lost), as
        `load_with_loss` returns them, with `options` an `Options`. It is called with
        names that have been checked.
      Options: dataclass of the options, each with its default and its meaning.
      of_file: function (path, domain, options) -> h, which reads all matrices of one
        file, of any name, as `reader` reads those of a split.
      owns: function (path, options) -> bool, whether a file has the form of the data
        set: with the options of a run, or by its form alone if they are None.
      scenarios: names of the scenarios with files of a fixed name.
      own: endings of the names of other scenarios, which are files or folders of the
        user's: "" is for any name; empty if there are none.
      splits: names of the splits.
      domains: domains in which the files can be read.
      scale: max|h| of each matrix that is loaded.
      opener: function (path, domain, options) -> context manager, which opens the
        matrices of `of_file` to be read a block at a time; None if only all of them can
        be read.
      split_opener: function (folder, scenario, split, domain, options) -> context
        manager, the same of the matrices of `reader`.
    """

    name: str
    reader: Callable[[Path, str, str, str, Any], tuple[np.ndarray, np.ndarray | None]]
    Options: type
    of_file: Callable[[Path, str, Any], np.ndarray]
    owns: Callable[[Path, Any], bool]
    scenarios: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    splits: tuple[str, ...] = SPLITS
    domains: tuple[str, ...] = transforms.DOMAINS
    scale: float = transforms.PEAK
    opener: (
        Callable[[Path, str, Any], contextlib.AbstractContextManager[Matrices]] | None
    ) = None
    split_opener: (
        Callable[
            [Path, str, str, str, Any], contextlib.AbstractContextManager[Matrices]
        ]
        | None
    ) = None

    @property
    def options(self) -> dict[str, Any]:
        """Returns the name of each option with its default."""
        return {f.name: f.default for f in dataclasses.fields(self.Options)}

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the scenarios, with "NAME" for those that are named after files."""
        return self.scenarios + tuple(f"NAME{ending}" for ending in self.own)

    def has(self, scenario: str) -> bool:
        """Returns whether there is a scenario of this name."""
        own = bool(scenario) and scenario not in self.own
        return scenario in self.scenarios or (own and scenario.endswith(self.own))

    def load(
        self,
        folder: str | os.PathLike,
        scenario: str,
        split: str,
        domain: str,
        **options: Any,
    ) -> np.ndarray:
        """Loads the matrices of one split.

        Args:
          folder: folder of the files; may be read-only.
          scenario: one of `names`.
          split: "train", "val" or "test".
          domain: "angular_delay" (angles, zero in the middle, by delay taps) or
            "space_frequency" (antennas by subcarriers).
          **options: fields of `Options`.

        Returns:
          [n, num_tx, num_delay], complex64, zero-centred, max|h| = `scale` a matrix.

        Raises:
          ValueError: unknown scenario, split, domain or option, with those there are;
            or an option is out of range.
          DataError: a file is missing, unreadable or of another form.
        """
        return self.load_with_loss(folder, scenario, split, domain, **options)[0]

    def read_file(
        self, path: str | os.PathLike, domain: str, **options: Any
    ) -> np.ndarray:
        """Reads all matrices of one file of the data set, whatever its name.

        Args:
          path: the file.
          domain: as for `load`.
          **options: fields of `Options`; numbers of matrices of splits do not count.

        Returns:
          [n, num_tx, num_delay], as `load`, in the order of the file.

        Raises:
          ValueError: as `load`.
          DataError: as `load`.
        """
        self._check(domain, options)
        return self.of_file(Path(path), domain, self.Options(**options))

    @contextlib.contextmanager
    def open_file(
        self, path: str | os.PathLike, domain: str, **options: Any
    ) -> Iterator[Matrices]:
        """Opens one file, to read the matrices of `read_file` a block at a time.

        Args:
          path: as for `read_file`.
          domain: as for `read_file`.
          **options: as for `read_file`.

        Yields:
          The matrices, which can be read until the block ends.

        Raises:
          ValueError: as `read_file`.
          DataError: as `read_file`; some of that may show only when they are read.
        """
        if self.opener is None:
            yield Matrices.of(self.read_file(path, domain, **options))
            return
        self._check(domain, options)
        with self.opener(Path(path), domain, self.Options(**options)) as matrices:
            yield matrices

    def _check(self, domain: str, options: dict[str, Any]) -> None:
        """Refuses a domain or options that the data set does not have."""
        transforms.check_domain(domain)
        if domain not in self.domains:
            known = ", ".join(self.domains)
            raise ValueError(
                f"{self.name} cannot be read in domain {domain!r}; it gives {known}"
            )
        check_options(options, self.options, self.name)

    def load_with_loss(
        self,
        folder: str | os.PathLike,
        scenario: str,
        split: str,
        domain: str,
        **options: Any,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Loads as `load`; also reports the energy that the matrices do not hold.

        Args:
          folder: folder of the files; may be read-only.
          scenario: one of `names`.
          split: "train", "val" or "test".
          domain: as for `load`.
          **options: fields of `Options`.

        Returns:
          h: as `load`.
          lost: [n], float64, linear: the share of the energy of each channel that was
            cut off with its late paths and delay taps. None if the files hold matrices
            that were already truncated.

        Raises:
          ValueError: as `load`.
          DataError: as `load`.
        """
        self._check_split(scenario, split)
        self._check(domain, options)
        chosen = self.Options(**options)
        return self.reader(Path(folder), scenario, split, domain, chosen)

    @contextlib.contextmanager
    def open_split(
        self,
        folder: str | os.PathLike,
        scenario: str,
        split: str,
        domain: str,
        **options: Any,
    ) -> Iterator[Matrices]:
        """Opens the matrices of `load`, to be read a block at a time.

        Args:
          folder: as for `load`.
          scenario: as for `load`.
          split: as for `load`.
          domain: as for `load`.
          **options: as for `load`.

        Yields:
          The matrices, which can be read until the block ends.

        Raises:
          ValueError: as `load`.
          DataError: as `load`; some of that may show only when they are read.
        """
        if self.split_opener is None:
            yield Matrices.of(self.load(folder, scenario, split, domain, **options))
            return
        self._check_split(scenario, split)
        self._check(domain, options)
        names = (Path(folder), scenario, split, domain)
        with self.split_opener(*names, self.Options(**options)) as matrices:
            yield matrices

    def _check_split(self, scenario: str, split: str) -> None:
        """Refuses a scenario or a split that the data set does not have."""
        if not self.has(scenario):
            known = ", ".join(self.names)
            raise ValueError(
                f"{self.name}: unknown scenario {scenario!r}; known: {known}"
            )
        if split not in self.splits:
            known = ", ".join(self.splits)
            raise ValueError(f"{self.name}: unknown split {split!r}; known: {known}")
