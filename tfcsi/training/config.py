"""The schema of configs: every field once, with its type, default and meaning.

A config file has a function `get_config`, which starts from `defaults` and changes what
differs. `read` runs it, applies changes of the command line and checks every field:

    config = read("autoencoder:crnet", ["latent_dim=256", "network.latent=conv"])

No TensorFlow is imported here, so that help and refusals come at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import ml_collections

from tfcsi import models, transforms
from tfcsi.codecs.workdir import KINDS
from tfcsi.coding.tables import CODERS
from tfcsi.training import config_files
from tfcsi.training.fields import (
    UNSET,
    ConfigError,
    Field,
    arguments_in_source,
    check_value,
    fields_of_source,
    nearest,
    value_of,
    with_defaults,
    words_of,
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
    Field("num_train", "int", 16000, "Simulated training matrices; not for files."),
    Field("num_val", "int", 3000, "Simulated validation matrices; not for files."),
    Field("num_test", "int", UNSET, "Test matrices of tfcsi demo."),
    Field("shape", "tuple[int, int]", (32, 32), "(num_tx, num_delay) of a matrix."),
    Field("model", "str", "csinet", "A file of tfcsi/models, or a codec such as klt."),
    Field("network", "dict", {}, "Arguments of the builders or of the fit."),
    Field("latent_dim", "int", 512, "Length of the codeword.", positive=True),
    Field("init", "str", "random", "Initialisation of the weights.", ("random", "klt")),
    Field("qat", "dict", UNSET, "Fake quantisation; only fine-tuned runs have it."),
    Field("quantizer", "str", "float", "Quantiser of the codeword."),
    Field("quantizer_args", "dict", {}, "Arguments of the quantiser."),
    Field(
        "prior",
        "str",
        "none",
        "Model of the rate; 'none' for float codewords.",
        ("factorized", "histogram", "none"),
    ),
    Field("coder", "str", "range", "Entropy coder that makes the bytes.", CODERS),
    Field(
        "send_gain",
        "bool",
        False,
        "Scale each matrix to the same peak and send the scale in the packet.",
    ),
    Field("distortion", "str", "nmse", "Distortion in the loss.", ("nmse", "sse")),
    Field("lmbda", "float", 1e-9, "Loss = distortion + lmbda * bits.", positive=True),
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
    "uniform": {},
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


def defaults(
    model: str = str(FIELDS["model"].default),
    dataset: str = str(FIELDS["dataset"].default),
) -> ml_collections.ConfigDict:
    """Returns a config of defaults, to be changed by a config file.

    Args:
      model: Its default arguments become the field `network`.
      dataset: Its default options become the field `source`, if it has any.

    Raises:
      ConfigError: If the model or the data set is not known.
    """
    config = ml_collections.ConfigDict(with_defaults(FIELDS))
    config.model, config.dataset = model, dataset
    config.noise = section("noise")
    _fill(config)
    return config


def section(name: str) -> ml_collections.ConfigDict:
    """Returns the defaults of a field that has fields: "noise" or "qat"."""
    return ml_collections.ConfigDict(with_defaults({"noise": NOISE, "qat": QAT}[name]))


def complete(config: Mapping | ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Returns a copy of the config of a run, with the fields that it lacks.

    A run of an earlier version lacks the fields that came later. It did what their
    defaults say.
    """
    fields = config if isinstance(config, Mapping) else config.to_dict()
    noise = {"noise": with_defaults(NOISE)}
    whole = {**with_defaults(FIELDS), **noise, **fields}
    if whole.get("source") and (options := fields_of_source(whole["dataset"])):
        whole["source"] = {**with_defaults(options), **dict(whole["source"])}
    return ml_collections.ConfigDict(whole)


def read(name: str, changes: Sequence[str] = ()) -> ml_collections.ConfigDict:
    """Reads a config.

    Args:
      name: Name of a config that comes with tfcsi, such as "stqenet_indoor", or path of
        a config file; with ":ARGUMENT" for its `get_config`, "autoencoder:crnet".
      changes: "FIELD=VALUE" each, such as "lmbda=1e-4" or "network.latent=conv".

    Returns:
      The config, checked by `check`. That of a fine-tuning has only the fields that
      it changes.

    Raises:
      ConfigError: If there is no such config, or a field or a value is not known; the
        message names the nearest one.
    """
    path, argument = config_files.find(name)
    config = config_files.run(path, argument)
    try:
        check(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    pairs = [_pair(change) for change in changes]
    for key, text in sorted(pairs, key=lambda pair: pair[0] not in _FILLED):
        _change(config, key, text)
    check(config)
    return config


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
    for name in _SECTIONS:
        known = _section(config, name) if name in config else None
        if known is not None:
            _check_fields(config[name], known, f"{name}.")
    for name in ("network", "quantizer_args") if whole else ():
        for key, field in (_section(config, name) or {}).items():
            if field.default is UNSET and key not in config[name]:
                raise ConfigError(f"{name}.{key} is missing; it has no default")
    if whole or {"shape", "latent_dim"} <= {*config}:
        reals = 2 * math.prod(config.shape)
        if config.latent_dim > reals:
            raise ConfigError(
                f"latent_dim is {config.latent_dim}; it must be at most the {reals} "
                f"reals of a matrix of shape {tuple(config.shape)}"
            )
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


def describe() -> str:
    """Returns a text with a line for each field: name, type, default, meaning."""
    lines = []
    sections = {"": FIELDS, "noise.": NOISE, "qat.": QAT, "stages[].": STAGE}
    for prefix, fields in sections.items():
        for name, field in fields.items():
            default = "not set" if field.default is UNSET else repr(field.default)
            choices = " or ".join(map(repr, field.choices)) or words_of(field.type)
            lines.append(f"{prefix}{name}: {field.meaning}")
            lines.append(f"    {choices}; default {default}")
    return "\n".join(lines) + "\n"


_SECTIONS = ("network", "quantizer_args", "noise", "qat", "source", "simulator")
_FILLED = {"model": "network", "dataset": "source"}


def _section(config: ml_collections.ConfigDict, name: str) -> dict[str, Field] | None:
    """Fields of a field, by those beside it; None if any name will do."""
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
    # A simulator checks its own arguments.
    return None if name == "simulator" else fields_of_source(config.dataset)


def _fill(
    config: ml_collections.ConfigDict, fields: Iterable[str] = tuple(_FILLED)
) -> None:
    """Gives the network and the source the defaults of the model and the data set."""
    for field in fields:
        name = _FILLED[field]
        values = with_defaults(_section(config, name) or {})
        with config.unlocked():
            if name in config:
                del config[name]
            if values or FIELDS[name].default is not UNSET:
                config[name] = ml_collections.ConfigDict(values)


def _pair(change: str) -> tuple[str, str]:
    key, equals, text = change.partition("=")
    if not equals:
        raise ConfigError(f"{change!r} changes no field; give FIELD=VALUE")
    return key, text


def _change(config: ml_collections.ConfigDict, key: str, text: str) -> None:
    """Sets a field of a config to the value of a text."""
    name, dot, inner = key.partition(".")
    optional = [n for n, field in FIELDS.items() if field.default is UNSET]
    if name not in config and name not in optional:
        known = nearest(name, [*config.keys(), *optional])
        raise ConfigError(f"the config has no field {name!r}{known}")
    with config.unlocked():
        if not dot:
            if FIELDS[name].type == "dict":
                raise ConfigError(f"{name} has fields of its own; give {name}.FIELD")
            config[name] = value_of(text, FIELDS[name], name)
            if name in _FILLED:
                _fill(config, [name])
            return
        if name not in _SECTIONS:
            raise ConfigError(f"{name} has no fields, got {key!r}")
        fields = _section(config, name)
        if fields is None:
            field = Field(inner, "object")
        elif inner in fields:
            field = fields[inner]
        else:
            raise ConfigError(f"{name} has no field {inner!r}{nearest(inner, fields)}")
        if name not in config:
            config[name] = ml_collections.ConfigDict()
        with config[name].unlocked():
            config[name][inner] = value_of(text, field, key)


def _check_fields(
    values: Mapping[str, object], fields: Mapping[str, Field], prefix: str
) -> None:
    """Refuses fields that are not known or have a value that they may not have."""
    for name, value in dict(values).items():
        if name not in fields:
            known = nearest(name, fields)
            raise ConfigError(f"the config has no field {prefix + name!r}{known}")
        check_value(value, fields[name], f"{prefix}{name}")
