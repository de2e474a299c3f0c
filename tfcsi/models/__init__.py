"""Model registry: one module a paper, each with `encoder` and `decoder`."""

from __future__ import annotations

import importlib
from types import ModuleType

_NAMES = (
    *("acrnet", "aianet", "attention_csinet", "bacrnet", "bcsinet", "cllwcsinet"),
    *("clnet", "crnet", "csi_inr", "csiformer", "csinet", "csinet_dnn"),
    *("csinet_dnnet", "csinet_plus", "csinet_pro", "dcrnet", "deep_decoder_csinet"),
    *("deepcmc", "ds_nlcsinet", "offset_csinet", "ravula_jain", "stnet", "stqenet"),
    "transnet",
)
MODELS = {name: f"tfcsi.models.{name}" for name in _NAMES}


def get(name: str) -> ModuleType:
    """Returns the module of a model.

    Args:
      name: A key of `MODELS`.

    Raises:
      ValueError: If the name is not known; the message lists the known names.
    """
    if name not in MODELS:
        raise ValueError(
            f"model is {name!r}; known models: {', '.join(sorted(MODELS))}"
        )
    return importlib.import_module(MODELS[name])
