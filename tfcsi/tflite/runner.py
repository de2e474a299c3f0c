"""TFLite networks in a runtime on this machine."""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf

from tfcsi.coding import sending
from tfcsi.tflite import flatbuffer
from tfcsi.tflite.exports import RUNTIMES


def interpreter(
    model: bytes | str, runtime: str = "tf.lite", xnnpack: bool = True
) -> tf.lite.Interpreter:
    """Loads a network into a TFLite runtime, one thread.

    Args:
      model: Flatbuffer, or the path of one, which is then mapped into memory.
      runtime: "tf.lite" or "litert".
      xnnpack: Whether float and integer kernels of XNNPACK are used where it has some.

    Returns:
      An interpreter with its tensors.

    Raises:
      ValueError: If the runtime is unknown.
      RuntimeError: If it is not installed, or has no kernel for an operation.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"runtime is {runtime!r}; it must be one of {RUNTIMES}")
    make, kinds = tf.lite.Interpreter, tf.lite.experimental.OpResolverType
    if runtime == "litert":
        try:
            from ai_edge_litert import interpreter as litert

            make, kinds = litert.Interpreter, litert.OpResolverType
        except ImportError as error:
            raise RuntimeError(
                f"runtime 'litert' is not installed ({error}): pip install 'tfcsi[ue]'"
            ) from error
    kind = kinds.AUTO if xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    source = {"model_content" if isinstance(model, bytes) else "model_path": model}
    made = make(**source, num_threads=1, experimental_op_resolver_type=kind)
    made.allocate_tensors()
    return made


class Runner:
    """A TFLite encoder as a function x -> y, or x -> what is sent; one thread.

    Attributes:
      size: Bytes of the flatbuffer.
      operations: Names of its operations, sorted.
    """

    def __init__(self, content: bytes, runtime: str = "tf.lite", xnnpack: bool = True):
        """Loads a flatbuffer that `convert` made; arguments as of `interpreter`."""
        self.size = len(content)
        self.operations = sorted(flatbuffer.operations(content))
        self._interpreter = interpreter(content, runtime, xnnpack)
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Encodes x float32 [n, num_tx, num_delay, 2].

        Returns:
          y float32 [n, latent]; of a network that quantises int32 [n, words], symbols
          and then side information.
        """
        symbols = self._output["dtype"] == np.int32
        y = np.empty((len(x), self._output["shape"][1]), np.int32 if symbols else "f4")
        for matrix, row in zip(x, y):
            self.load(matrix)
            self._interpreter.invoke()
            stored = self._interpreter.get_tensor(self._output["index"])
            row[:] = sending.from_stored(stored, self._output)[0]
        return y

    def load(self, matrix: np.ndarray) -> None:
        """Copies a matrix to the input of the network.

        Args:
          matrix: float32 [num_tx, num_delay, 2].
        """
        stored = sending.to_stored(matrix[None], self._input)
        self._interpreter.set_tensor(self._input["index"], stored)

    def microseconds(self, runs: int) -> np.ndarray:
        """Measures how long the network takes on the input that it has.

        Args:
          runs: Number of runs.

        Returns:
          float64 [runs], the time of each run in us.
        """
        times = np.empty(runs + 1)
        times[0] = time.perf_counter()
        for i in range(runs):
            self._interpreter.invoke()
            times[i + 1] = time.perf_counter()
        return 1e6 * np.diff(times)
