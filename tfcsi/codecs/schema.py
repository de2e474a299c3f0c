"""The schema of config.json: every field once, with its type, default and meaning.

`check` refuses a config that has a field or a value that the schema does not know. A
training checks what it is given, and `tfcsi.load` what a run holds. No TensorFlow is
imported here, so that help and refusals come at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import ml_collections

from tfcsi import models, transforms
from tfcsi.codecs.fields import (
    UNSET,
    ConfigError,
    Field,
    arguments_in_source,
    check_value,
    fields_of_source,
    nearest,
    with_defaults,
)
from tfcsi.codecs.workdir import KINDS
from tfcsi.coding.tables import CODERS
from tfcsi.models import size

# How many matrices are simulated if a config does not say it.
SIMULATED = {"num_train": 16000, "num_val": 3000}
# Fields that have fields of their own.
SECTIONS = (
    "network",
    "quantizer_args",
    "prior_args",
    "noise",
    "qat",
    "source",
    "simulator",
)
AUGMENTATIONS = ("none", "phase", "phase_flip")


def _by_name(*fields: Field) -> dict[str, Field]:
    return {field.name: field for field in fields}


FIELDS = _by_name(
    Field("dataset", "str", "cost2100", "Data set or simulator of the CSI."),
    Field("scenario", "str", "indoor", "Scenario of the data set."),
    Field(
        "domain",
        "str",
        transforms.DOMAINS[0],
        "Domain of the CSI matrices.",
        transforms.DOMAINS,
    ),
    Field("source", "dict", UNSET, "Options of the data set, such as its band."),
    Field(
        "data",
        "str",
        "files",
        "Train on files, or simulate fresh matrices for each epoch.",
        ("files", "simulate"),
    ),
    Field("simulator", "dict", UNSET, "Arguments of the simulator."),
    Field(
        "num_train",
        "int | None",
        None,
        "Training matrices: the first ones of the files of each source, None for all; "
        f"or simulated ones, None for {SIMULATED['num_train']}.",
        positive=True,
    ),
    Field(
        "num_val",
        "int | None",
        None,
        "Validation matrices: the first ones of the files of each source, None for "
        f"all; or simulated ones, None for {SIMULATED['num_val']}.",
        positive=True,
    ),
    Field(
        "num_test",
        "int",
        UNSET,
        "Test matrices of tfcsi demo; 1000 if not set.",
        positive=True,
    ),
    Field("shape", "tuple[int, int]", (32, 32), "(num_tx, num_delay) of a matrix."),
    Field(
        "model",
        "str",
        "csinet",
        "Name of a network, such as stqenet, or of a codec without one, such as klt.",
    ),
    Field("network", "dict", {}, "Arguments of the builders or of the fit."),
    Field("latent_dim", "int", 512, "Length of the codeword.", positive=True),
    Field("init", "str", "random", "Initialisation of the weights.", ("random", "klt")),
    Field("qat", "dict", UNSET, "Fake quantisation; only fine-tuned runs have it."),
    Field("quantizer", "str", "uniform", "Quantiser; 'float' for real codewords."),
    Field("quantizer_args", "dict", {}, "Arguments of the quantiser."),
    Field(
        "prior",
        "str",
        "factorized",
        "Model of the rate; 'none' for float codewords.",
        (
            *("factorized", "universal", "histogram", "scale_hyperprior"),
            *("mean_scale_hyperprior", "contexts", "none"),
        ),
    ),
    Field("prior_args", "dict", {}, "Arguments of the prior."),
    Field(
        "rounding",
        "str",
        "prior",
        "What stands for rounding in training; 'prior' for what the prior prefers.",
        ("prior", "straight_through", "noise", "mixed", "soft"),
    ),
    Field("coder", "str", "range", "Entropy coder that makes the bytes.", CODERS),
    Field(
        "send_gain",
        "bool",
        False,
        "Scale each matrix to the same peak and send the scale in the packet.",
    ),
    Field("distortion", "str", "nmse", "Distortion in the loss.", ("nmse", "sse")),
    Field("lmbda", "float", 1.5e-4, "Loss = distortion + lmbda * bits.", positive=True),
    Field("batch_size", "int", 25, "Matrices in a training step.", positive=True),
    Field("epochs", "int", 8, "Passes over the training matrices.", positive=True),
    Field(
        "learning_rate",
        "float",
        2e-3,
        "Largest learning rate of the networks and the quantiser (Adam).",
        positive=True,
    ),
    Field("prior_learning_rate", "float", 5e-3, "Learning rate of the prior.", least=0),
    Field("beta_1", "float", 0.9, "Decay of Adam's mean gradient.", least=0, below=1),
    Field("warmup_epochs", "float", 0.5, "Epochs of rising learning rate.", least=0),
    Field(
        "final_rate",
        "float",
        0.01,
        "Last learning rate of a stage, relative to the largest.",
        least=0,
    ),
    Field(
        "clip_norm",
        "float",
        1.0,
        "Largest norm of the gradient of all network variables together.",
        positive=True,
    ),
    Field(
        "prior_warmup_steps",
        "int",
        150,
        "Steps that fit the prior alone before the first epoch with a quantiser.",
        least=0,
    ),
    Field(
        "prior_warmup_learning_rate",
        "float",
        2e-2,
        "Learning rate of the prior in the prior_warmup_steps.",
        least=0,
    ),
    Field(
        "augment",
        "str",
        "phase_flip",
        "Random phase of each training matrix, and a mirrored angle axis.",
        AUGMENTATIONS,
    ),
    Field("noise", "dict", {}, "Noise in training and validation."),
    Field("stages", "tuple[dict, ...]", (), "Stages, as a tuple of dicts; () for one."),
    Field("seed", "int", 1, "Seed of all randomness of the training.", least=0),
)
NOISE = _by_name(
    Field(
        "csi_snr_db",
        "tuple[float, ...]",
        (),
        "Lowest and highest SNR of the measured CSI [dB]; () for no noise.",
    ),
    Field(
        "codeword_snr_db",
        "tuple[float, ...]",
        (),
        "Lowest and highest SNR of the received codeword [dB]; () for no noise.",
    ),
)
QAT = _by_name(
    Field("weight_bits", "int", 8, "Bits of a weight.", positive=True),
    Field("activation_bits", "int", 8, "Bits of an activation.", positive=True),
    Field("decoder", "bool", False, "Quantise the decoder as well as the encoder."),
)
QUANTIZER_ARGS = {
    "float": {},
    "mulaw": _by_name(
        Field("bits", "int", UNSET, "Bits of an entry, 1 to 14.", positive=True),
        Field("mu", "float", UNSET, "Strength of the companding.", positive=True),
    ),
    "uniform": _by_name(
        Field(
            "offset",
            "str",
            "zero",
            "Where the point of symbol 0 is in each entry.",
            ("zero", "learned", "dither"),
        )
    ),
    "uniform_rates": _by_name(
        Field("rates", "int", 12, "Number of rates, 2 to 64.", least=2, below=65),
        Field(
            "octaves",
            "float",
            0.75,
            "Octaves of lmbda from rate to rate; lmbda is that of the coarsest.",
            positive=True,
        ),
        Field("rate", "int", 5, "Number of the usual rate, from 0 on.", least=0),
    ),
}
_NETWORKS = _by_name(
    Field("hyper_dim", "int", 0, "Hyper-latents; 0 for what the prior takes.", least=0),
    Field("hidden", "int", 64, "Width of the integer networks.", positive=True),
)
PRIOR_ARGS = {
    "scale_hyperprior": _NETWORKS,
    "mean_scale_hyperprior": _NETWORKS,
    "contexts": _NETWORKS
    | _by_name(
        Field("groups", "int", 4, "Groups of symbols that are sent.", positive=True),
        Field(
            "order",
            "str",
            "interleaved",
            "Which symbols make a group.",
            ("interleaved", "blocks", "checkerboard"),
        ),
        Field("grid", "tuple[int, ...]", (), "(rows, columns) of a checkerboard."),
    ),
}
STAGE = _by_name(
    Field("share", "float", UNSET, "Relative length of a stage.", positive=True),
    Field(
        "train",
        "str",
        "",
        "Regular expression. Only layers with a name, 'encoder/...' or 'decoder/...', "
        "that it matches are trained; '' trains all.",
    ),
    Field("quantize", "bool", True, "Quantise the codeword and count its bits."),
    Field("noise", "bool", True, "Apply the noise of the config."),
    Field(
        "loss",
        "str",
        "csi",
        "'csi', or 'codeword': the error of the denoised codeword.",
        ("csi", "codeword"),
    ),
)


def check_file(config: ml_collections.ConfigDict, path: str | os.PathLike) -> None:
    """Checks the config of a file as `check`; a message begins with the path.

    Args:
      config: What the file holds.
      path: Of the file.

    Raises:
      ConfigError: As `check`.
    """
    try:
        check(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def check(config: ml_collections.ConfigDict, whole: bool = False) -> None:
    """Checks the names, types and ranges of the fields of a config.

    Args:
      config: Of a run, or of a fine-tuning.
      whole: Whether it must have all fields that have a default.

    Raises:
      ConfigError: If a field is not known, is missing, has another type or is out of
        range. The message names the field, and the nearest one that is known.
    """
    _check_fields(config, FIELDS, "")
    if whole:
        for name in with_defaults(FIELDS):
            if name not in config:
                raise ConfigError(f"the config has no field {name!r}")
    for name in SECTIONS:
        known = fields_in(config, name) if name in config else None
        if known is not None:
            _check_fields(config[name], known, f"{name}.")
    for name in ("network", "quantizer_args") if whole else ():
        for key, field in (fields_in(config, name) or {}).items():
            if field.default is UNSET and key not in config[name]:
                raise ConfigError(f"{name}.{key} is missing; it has no default")
    if whole or {"model", "shape", "latent_dim"} <= {*config}:
        _check_size(config)
    for field, limits in dict(config.get("noise", {})).items():
        if len(limits) not in (0, 2) or list(limits) != sorted(limits):
            raise ConfigError(
                f"noise.{field} is {limits}; it must be empty or two SNRs in dB, the "
                f"lower first"
            )
    for i, stage in enumerate(config.get("stages", ())):
        _check_fields(stage, STAGE, f"stages[{i}].")
        if "share" not in stage:
            raise ConfigError(f"stages[{i}].share is missing; each stage needs it")


def _check_size(config: ml_collections.ConfigDict) -> None:
    """Refuses a network that is too large; raises ConfigError."""
    if config.model in KINDS:  # A codec with no codeword of `latent_dim`.
        return
    options = config.get("network", {}) if config.model in models.MODELS else {}
    try:
        size.check(config.model, config.shape, config.latent_dim, dict(options))
    except ValueError as error:
        raise ConfigError(str(error)) from None


def fields_in(config: ml_collections.ConfigDict, name: str) -> dict[str, Field] | None:
    """Returns the fields of a field that has some.

    Args:
      config: Of a run; its fields beside the field say which ones that has.
      name: One of `SECTIONS`.

    Returns:
      Name to field; None if every name is allowed.

    Raises:
      ConfigError: If the config names a model or a quantiser that is not known.
    """
    if name in ("noise", "qat"):
        return {"noise": NOISE, "qat": QAT}[name]
    if name == "network":
        if config.model in KINDS and config.model != "neural":
            return arguments_in_source(KINDS[config.model], "fit")
        if config.model not in models.MODELS:
            known = nearest(config.model, models.MODELS, "models")
            raise ConfigError(f"model is {config.model!r}{known}")
        return arguments_in_source(models.MODELS[config.model], "encoder")
    if name == "quantizer_args":
        if config.quantizer not in QUANTIZER_ARGS:
            known = nearest(config.quantizer, QUANTIZER_ARGS, "quantizers")
            raise ConfigError(f"quantizer is {config.quantizer!r}{known}")
        return QUANTIZER_ARGS[config.quantizer]
    if name == "prior_args":
        return PRIOR_ARGS.get(config.get("prior"), {})
    # A simulator checks its own arguments.
    return None if name == "simulator" else fields_of_source(config.dataset)


def _check_fields(
    values: Mapping[str, object], fields: Mapping[str, Field], prefix: str
) -> None:
    """Refuses fields that are not known or have a value that they may not have."""
    for name, value in dict(values).items():
        if name not in fields:
            known = nearest(name, fields)
            raise ConfigError(f"the config has no field {prefix + name!r}{known}")
        check_value(value, fields[name], f"{prefix}{name}")
