"""Model registry: one module a paper, each of which declares its `MODEL`."""

from __future__ import annotations

import importlib

from tfcsi import plugins
from tfcsi.models.contract import Model

_NAMES = (
    *("acrnet", "aianet", "attention_csinet", "bacrnet", "bcsinet", "cllwcsinet"),
    *("clnet", "crnet", "csi_inr", "csiformer", "csinet", "csinet_dnn"),
    *("csinet_dnnet", "csinet_plus", "csinet_pro", "dcrnet", "deep_decoder_csinet"),
    *("deepcmc", "ds_nlcsinet", "offset_csinet", "ravula_jain", "stnet", "stqenet"),
    "transnet",
)
MODELS = {name: f"tfcsi.models.{name}" for name in _NAMES}
MODELS |= plugins.modules(plugins.MODELS, MODELS)


def get(name: str) -> Model:
    """Returns a model by its name.

    Args:
      name: A key of `MODELS`.

    Returns:
      The model: its builders, its options, and what else it can do.

    Raises:
      ValueError: If the name is not known; the message lists the known names.
    """
    if name not in MODELS:
        raise ValueError(
            f"model is {name!r}; known models: {', '.join(sorted(MODELS))}"
        )
    return importlib.import_module(MODELS[name]).MODEL
