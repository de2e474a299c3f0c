"""Configs of trainings: a file that says what it changes, and the command line.

A config file has a function `get_config`, which starts from `defaults` and changes what
differs. `read` runs it, applies changes of the command line and checks every field by
the schema (`tfcsi.codecs.schema`):

    config = read("autoencoder:crnet", ["latent_dim=256", "network.latent=conv"])

No TensorFlow is imported here, so that help and refusals come at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import ml_collections

from tfcsi.codecs.fields import (
    UNSET,
    ConfigError,
    Field,
    fields_of_source,
    nearest,
    value_of,
    with_defaults,
    words_of,
)
from tfcsi.codecs.schema import (
    FIELDS,
    NOISE,
    QAT,
    SECTIONS,
    STAGE,
    check,
    check_file,
    fields_in,
)
from tfcsi.training import config_files

_FILLED = {"model": "network", "dataset": "source"}


def defaults(
    model: str = str(FIELDS["model"].default),
    dataset: str = str(FIELDS["dataset"].default),
    rate: bool = True,
) -> ml_collections.ConfigDict:
    """Returns a config of defaults, to be changed by a config file.

    Args:
      model: Its default arguments become the field `network`.
      dataset: Its default options become the field `source`, if it has any.
      rate: Whether the rate is in the loss. False for real codewords of 32 bits an
        entry, which most papers have.

    Raises:
      ConfigError: If the model or the data set is not known.
    """
    config = ml_collections.ConfigDict(with_defaults(FIELDS))
    config.model, config.dataset = model, dataset
    config.noise = section("noise")
    if not rate:
        config.quantizer, config.prior, config.lmbda = "float", "none", 1e-9
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
    check_file(config, path)
    pairs = [_pair(change) for change in changes]
    first = (*_FILLED, "quantizer", "prior")  # They say which fields others have.
    for key, text in sorted(pairs, key=lambda pair: pair[0] not in first):
        _change(config, key, text)
    names = [key for key, _ in pairs]
    if ("quantizer", "float") in pairs and "prior" not in names:
        config.prior = "none"  # There are no symbols.
    check(config)
    return config


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


def _fill(
    config: ml_collections.ConfigDict, fields: Iterable[str] = tuple(_FILLED)
) -> None:
    """Gives the network and the source the defaults of the model and the data set."""
    for field in fields:
        name = _FILLED[field]
        values = with_defaults(fields_in(config, name) or {})
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
        if name not in SECTIONS:
            raise ConfigError(f"{name} has no fields, got {key!r}")
        fields = fields_in(config, name)
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
