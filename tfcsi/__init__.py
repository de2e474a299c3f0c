"""tfcsi: compress channel state information (CSI) into real bytes.

    codec = tfcsi.load("runs/a")
    packets = codec.compress(h)
    h_hat = codec.decompress(packets)

Importing the package loads no TensorFlow. `pip install tfcsi` brings NumPy, which is
enough for the codecs without a network, such as `paths`. `pip install tfcsi[ue]` adds
LiteRT, with which `tfcsi.ue` runs exported encoders on a phone. Everything else needs
`pip install tfcsi[full]`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os

TYPE_CHECKING = False  # True to type checkers; importing typing would take 2 ms.
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

# TensorFlow 2.14 uses oneDNN by itself only where a processor has AVX512-VNNI. With
# AVX2 alone, a training step of convolutions takes a third of the time with it.
# TensorFlow reads the variable when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_PUBLIC = {
    "Ue": "tfcsi.ue",
    "load": "tfcsi.codecs.workdir",
    "Codec": "tfcsi.codecs.neural",
    "train": "tfcsi.training.fit",
    "evaluate": "tfcsi.evaluation.measure",
}
__all__ = ["__version__", "need_full", *sorted(_PUBLIC)]

# Packages of the extra "full" that tfcsi imports beside TensorFlow.
_FULL = (
    *("absl", "h5py", "jinja2", "matplotlib", "ml_collections", "plotly", "scipy"),
    *("tensorflow", "tqdm"),
)


def need_full() -> None:
    """Says what to install if this is not the full set, before another import fails.

    Raises:
      ImportError: If a package is missing.
    """
    missing = [name for name in _FULL if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"not installed: {', '.join(missing)}; install the full set: "
            f"pip install 'tfcsi[full]'"
        )


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tfcsi' has no attribute {name!r}")
    if name not in ("Ue", "load"):
        need_full()
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    """Lists the public names."""
    return __all__
