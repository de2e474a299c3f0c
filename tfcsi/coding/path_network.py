"""The search of paths by a TFLite network, in the place of `pursuit`.

The network comes from `tfcsi.tflite.path_convert`. It takes a matrix and the number of
a step, and puts out the list of paths in integers.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from tfcsi.coding import pursuit
from tfcsi.coding.atoms import Atoms
from tfcsi.coding.path_encoder import PathEncoder, norm_of
from tfcsi.coding.path_lists import FIELDS, Lists
from tfcsi.coding.path_sets import AnyCoder


class PathNetwork:
    """A network of the pursuit as a function.

    Attributes:
      num_paths: Most paths of a matrix.
    """

    def __init__(self, interpreter: Any, shape: tuple[int, int], name: str = "it"):
        """Takes an interpreter of TFLite that has its tensors, tf.lite's or LiteRT's.

        Args:
          interpreter: Of the network.
          shape: (num_tx, num_delay) of the matrices.
          name: What the error calls the network.

        Raises:
          ValueError: If the network has other inputs or outputs.
        """
        inputs, outputs = interpreter.get_input_details(), _outputs(interpreter)
        kinds = {(d["dtype"], *d["shape"].tolist()): d["index"] for d in inputs}
        x, step = (np.float32, 1, *shape, 2), (np.int32, 1)
        if len(inputs) != 2 or not {x, step} <= kinds.keys() or outputs is None:
            raise ValueError(
                f"{name} is no network of paths for {shape[0]} x {shape[1]} matrices, "
                f"as tfcsi export writes it"
            )
        self.num_paths = int(outputs["shape"][1])
        self._interpreter, self._output = interpreter, outputs["index"]
        self._turn = threading.Lock()  # An interpreter serves one thread at a time.
        self._x, self._step = kinds[x], kinds[step]

    def __call__(self, h: np.ndarray, steps: np.ndarray) -> Lists:
        """Finds the paths of matrices.

        Args:
          h: complex64 [n, num_tx, num_delay], divided by the norms of their packets.
          steps: int64 [n], the number of the step of each.

        Returns:
          Lists of n matrices, neither sorted nor without gaps.
        """
        paths = np.empty((len(h), self.num_paths, len(FIELDS)), np.int32)
        for i, step in enumerate(steps):
            x = np.stack([h[i].real, h[i].imag], axis=-1)[None]
            with self._turn:
                self._interpreter.set_tensor(self._x, x)
                self._interpreter.set_tensor(self._step, np.array([step], np.int32))
                self.run()
                paths[i] = self._interpreter.get_tensor(self._output)[0]
        return Lists(np.ascontiguousarray(np.moveaxis(paths, 2, 0)))

    def run(self) -> None:
        """Runs the network on the inputs that it has."""
        self._interpreter.invoke()


class NetworkEncoder(PathEncoder):
    """A `PathEncoder` whose lists come from a network, which has its own effort."""

    def __init__(
        self,
        network: PathNetwork,
        h: np.ndarray,
        atoms: Atoms,
        coder: AnyCoder,
        effort: str,
        noise: np.ndarray | float | str | None,
    ):
        """Takes a network, and the arguments of `PathEncoder`.

        Raises:
          ValueError: If a noise is given, of which the network knows nothing.
        """
        if noise is not None and (isinstance(noise, str) or np.any(noise)):
            raise ValueError("noise_variance is for the pursuit, not for a network")
        super().__init__(h, atoms, coder, effort, 0.0)
        self._network = network
        self._unit = (h / norm_of(self.norm)[:, None, None]).astype(np.complex64)

    def part(self, rows: np.ndarray) -> NetworkEncoder:
        """As `PathEncoder.part`."""
        other = super().part(rows)
        assert isinstance(other, NetworkEncoder)
        other._unit = self._unit[rows]
        return other

    def find(self, rows: np.ndarray, steps: np.ndarray) -> Lists:
        """As `PathEncoder.find`."""
        return self._network(self._unit[rows], steps)


def _outputs(interpreter: Any) -> dict | None:
    """Details of the output of a network of paths; None if it is another one's."""
    details = interpreter.get_output_details()
    if len(details) != 1 or details[0]["dtype"] != np.int32:
        return None
    shape = details[0]["shape"].tolist()
    fits = shape[::2] == [1, len(FIELDS)] and 1 <= shape[1] <= pursuit.MAX_PATHS
    return details[0] if fits else None
