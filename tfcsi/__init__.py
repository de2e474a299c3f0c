"""tfcsi: compress channel state information (CSI) into real bytes.

    codec = tfcsi.load("runs/a")
    packets = codec.compress(h)
    h_hat = codec.decompress(packets)

Importing the package loads no TensorFlow; `load` does.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_PUBLIC = {
    "load": "tfcsi.codec",
    "Codec": "tfcsi.codec",
    "train": "tfcsi.training",
    "evaluate": "tfcsi.evaluation",
}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str):
    """Imports a public name when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tfcsi' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    """Lists the public names."""
    return __all__
