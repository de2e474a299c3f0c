"""Edits of TFLite files that their converter has no option for.

A file holds a subgraph: tensors, with their constants in buffers, and operations in
their order. The bodies of loops are further subgraphs; of the functions here, only
`operations` takes files that have some. All functions take and give whole files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

# Operations with weights, which are their second input.
WITH_KERNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_NAMES = {
    code: name
    for name, code in vars(schema.BuiltinOperator).items()
    if isinstance(code, int)
}
_ALIGNMENT = 16  # Alignment of constants in bytes: force_align of the format.


def operations(flatbuffer: bytes) -> Counter[str]:
    """Counts the operations of a file by name; one that is no builtin is "CUSTOM"."""
    model = _model(flatbuffer)
    every = (operator for graph in model.subgraphs for operator in graph.operators)
    return Counter(_name(model, operator) for operator in every)


def constants(flatbuffer: bytes) -> dict[str, int]:
    """Counts the constant numbers of a file by type.

    Args:
      flatbuffer: Content of a `.tflite` file.

    Returns:
      Type to number, such as {"INT8": 28672, "FLOAT32": 486}.
    """
    model, graph = _read(flatbuffer)
    types = {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
    counts: Counter[str] = Counter()
    for tensor in graph.tensors:
        if model.buffers[tensor.buffer].data is not None:
            counts[types[tensor.type]] += int(np.prod(tensor.shape))
    return dict(counts)


def kernels(flatbuffer: bytes) -> dict[str, int]:
    """Counts the weights of each operation that has a kernel.

    Args:
      flatbuffer: Content of a `.tflite` file.

    Returns:
      Name of the operation's result to the number of its weights, without the bias.
    """
    model, graph = _read(flatbuffer)
    return {
        graph.tensors[operator.outputs[0]].name.decode(): int(
            np.prod(graph.tensors[operator.inputs[1]].shape)
        )
        for operator in graph.operators
        if _name(model, operator) in WITH_KERNEL
    }


def chain(first: bytes, second: bytes) -> bytes:
    """Joins two networks of one input and one output each, the second after the first.

    Each network keeps its types: integer parts stay integer, float parts stay float.

    Args:
      first: Content of a `.tflite` file.
      second: The same; its input has the shape and the type of the output of `first`.

    Returns:
      Content of the joined file.
    """
    model, graph = _read(first)
    tail, tail_graph = _read(second)
    num_buffers, num_codes = len(model.buffers), len(model.operatorCodes)
    # The tail reads the output of the first network. Its other tensors are appended.
    places = {i: len(graph.tensors) + i for i in range(len(tail_graph.tensors))}
    places[tail_graph.inputs[0]] = graph.outputs[0]
    for tensor in tail_graph.tensors:
        tensor.buffer += num_buffers
    for operator in tail_graph.operators:
        operator.opcodeIndex += num_codes
        operator.inputs = [places.get(i, i) for i in operator.inputs]
        operator.outputs = [places[i] for i in operator.outputs]
    model.buffers += tail.buffers
    model.operatorCodes += tail.operatorCodes
    graph.tensors += tail_graph.tensors
    graph.operators += tail_graph.operators
    graph.outputs = [places[tail_graph.outputs[0]]]
    for signature in model.signatureDefs or ():
        signature.outputs[0].tensorIndex = graph.outputs[0]
    return _write(model)


def prefixes(flatbuffer: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields networks of the first operation, of the first two, and so on.

    The outputs of each are its last result and all inputs of later operations, so that
    no operation is dropped as unused.

    Args:
      flatbuffer: Content of a `.tflite` file.

    Yields:
      Name of the last operation; content of the file.
    """
    model, graph = _read(flatbuffer)
    model.signatureDefs, every = None, graph.operators
    for i, operator in enumerate(every):
        graph.operators = every[: i + 1]
        made = {t for done in graph.operators for t in done.outputs}
        taken = {t for done in graph.operators for t in done.inputs}
        graph.outputs = sorted(made - taken)
        yield _name(model, operator), _write(model)


def _name(model: Any, operator: Any) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    return _NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _model(flatbuffer: bytes) -> Any:
    try:
        model = flatbuffer_utils.convert_bytearray_to_object(bytearray(flatbuffer))
        if not model.subgraphs:
            raise ValueError("it has no network")
    except Exception as error:  # The library checks no offset.
        raise ValueError(
            f"this is not a TFLite model, or it is damaged "
            f"({type(error).__name__}: {error})"
        ) from error
    return model


def _read(flatbuffer: bytes) -> tuple[Any, Any]:
    model = _model(flatbuffer)
    if len(model.subgraphs) != 1:
        raise ValueError(
            f"this is not a TFLite model of one network: it has {len(model.subgraphs)}"
        )
    (graph,) = model.subgraphs
    return model, graph


class _Builder(flatbuffers.Builder):
    """Writes the bytes of constants where SIMD units like to read them."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802, N803
        alignment = max(alignment, _ALIGNMENT) if elemSize == 1 else alignment
        return super().StartVector(elemSize, numElems, alignment)


def _write(model: Any) -> bytes:
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
