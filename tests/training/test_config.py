"""Laws of the schema of configs: what is read, what is refused and in which words."""

from __future__ import annotations

import inspect
import json
import pathlib
import shutil
import subprocess
import sys

import ml_collections
import pytest

import tfcsi
from tfcsi import models
from tfcsi.codecs import schema
from tfcsi.codecs.fields import UNSET, arguments_in_source, is_of_type
from tfcsi.entropy import quantizers
from tfcsi.training import config as configs
from tfcsi.training.config import ConfigError, read

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = sorted((ROOT / "tests" / "golden" / "workdirs").iterdir())


def test_a_config_is_the_defaults_and_what_its_file_changes():
    config, base = read("autoencoder:crnet"), configs.defaults("crnet")
    assert config.to_dict() == base.to_dict()
    assert config.network.to_dict() == {"latent": "dense", "form": "tfcsi"}
    changed = read("stqenet_indoor").to_dict()
    base = configs.defaults("stqenet").to_dict()
    differs = {name for name in base if base[name] != changed[name]}
    assert differs >= {"init", "network"}
    assert not differs & {"seed", "shape", "clip_norm", "noise", "augment"}


@pytest.mark.parametrize("model", models.MODELS)
def test_every_network_has_its_rate_in_the_loss_unless_real_codewords_are_asked(model):
    config = read(f"autoencoder:{model}")
    assert config.quantizer != "float" and config.prior != "none" and config.lmbda > 0
    assert not config.noise.codeword_snr_db
    real = configs.defaults(model, rate=False)
    assert (real.quantizer, real.prior, real.lmbda) == ("float", "none", 1e-9)
    if config.quantizer == "uniform":
        changed = read(f"autoencoder:{model}", ["quantizer=float", "lmbda=1e-9"])
        real.network = changed.network  # That of the config may be a faster form.
        assert changed.to_dict() == real.to_dict()


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("lmbda=1e-4", 1e-4),
        ("lmbda=1", 1.0),
        ("epochs=3", 3),
        ("send_gain=true", True),
        ("send_gain=0", False),
        ("scenario=outdoor", "outdoor"),
        ("shape=16,24", (16, 24)),
        ("shape=(16, 24)", (16, 24)),
        ("noise.codeword_snr_db=0,40", (0, 40)),
        ("noise.codeword_snr_db=()", ()),
        ("network.latent=conv", "conv"),
        ("network.blocks=4", 4),
        ("simulator.carrier=3.5e9", 3.5e9),
        ("simulator.place=hall", "hall"),
        ("stages=()", ()),
    ],
)
def test_a_change_is_read_by_the_type_of_its_field(change, value):
    config = read("autoencoder", [change])
    for name in change.split("=")[0].split("."):
        config = config[name]
    assert config == value and type(config) is type(value)


def test_a_field_of_a_quantiser_is_set_together_with_the_quantiser():
    changes = ["quantizer_args.bits=6", "quantizer_args.mu=255", "quantizer=mulaw"]
    config = read("stqenet_indoor", [changes[2], *changes[:2]])
    assert config.quantizer_args.to_dict() == {"bits": 6, "mu": 255.0}
    with pytest.raises(ConfigError, match="quantizer_args has no field 'bits'"):
        read("stqenet_indoor", changes[:1])


def test_another_model_or_data_set_brings_its_own_arguments():
    config = read("stqenet_indoor", ["network.blocks=3", "model=csinet"])
    assert config.network.to_dict() == {
        "activation": "linear",
        "blocks": 3,
        "latent": "dense",
        "form": "tfcsi",
    }
    assert "source" not in config
    config = read("autoencoder", ["source.timing=strongest", "dataset=raytraced"])
    splits = {"num_val": 200, "num_test": 400, "keep_empty": False}
    assert config.source.to_dict() == {"timing": "strongest", **splits}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("lmbd=1e-4", "no field 'lmbd'; did you mean 'lmbda'?"),
        ("network.latnt=conv", "network has no field 'latnt'; did you mean 'latent'?"),
        ("noise.snr=1,2", "noise has no field 'snr'; known: codeword_snr_db, csi_snr"),
        ("seed.x=1", "seed has no fields, got 'seed.x'"),
        ("network=conv", "network has fields of its own; give network.FIELD"),
        ("stages=1", "stages is 1; it must be a tuple of sets of fields"),
        ("stages={'quantise': True}", "quantise'; did you mean 'quantize'"),
        ("lmbda", "'lmbda' changes no field; give FIELD=VALUE"),
        ("epochs=many", "epochs is 'many'; it must be an integer"),
        ("epochs=1.5", "epochs is '1.5'; it must be an integer"),
        ("latent_dim=9999999", "latent_dim is 9999999; it must be at most the 2048"),
        ("latent_dim=0", "latent_dim is 0; it must be positive"),
        ("lmbda=small", "lmbda is 'small'; it must be a number"),
        ("lmbda=nan", "lmbda is nan; it must be positive"),
        ("lmbda=inf", "lmbda is inf; it must be finite"),
        ("epochs=99999999999", "epochs is 99999999999; it must be at most 4,294,967"),
        ("warmup_epochs=nan", "warmup_epochs is nan; it must be finite"),
        ("final_rate=-1", "final_rate is -1.0; it must be 0 or more"),
        ("beta_1=1", "beta_1 is 1.0; it must be 0 or more and less than 1"),
        ("prior_warmup_steps=-5", "prior_warmup_steps is -5; it must be 0 or more"),
        ("seed=-1", "seed is -1; it must be 0 or more"),
        ("noise.csi_snr_db=0,1e999", r"csi_snr_db is \(0, inf\); it must be finite"),
        ("send_gain=maybe", "send_gain is 'maybe'; it must be True or False"),
        ("shape=16", "shape is 16; it must be a tuple of 2 integers"),
        ("network.blocks=two", "network.blocks is 'two'; it must be an integer"),
        ("epochs=0", "epochs is 0; it must be positive"),
        ("augment=flip", "augment is 'flip'; it must be one of"),
        ("domain=delay", "domain is 'delay'; it must be one of"),
        ("model=csinett", "model is 'csinett'; did you mean 'csinet'?"),
        ("quantizer=vector", "quantizer is 'vector'; known quantizers: float, mulaw"),
        ("noise.csi_snr_db=9,1", r"noise.csi_snr_db is \(9, 1\); it must be empty or"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_with_the_remedy(change, words):
    with pytest.raises(ConfigError, match=words):
        read("autoencoder", [change])


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["config.lmbd = 1e-4"], "no field 'lmbd'; did you mean 'lmbda'"),
        (["config.epochs = 'many'"], "epochs"),
        (["config.epochs = -1"], "epochs is -1; it must be positive"),
        (["config.network.latnt = 'conv'"], "'network.latnt'; did you mean 'latent'"),
        (["config.stages = ({'share': 1, 'los': 'csi'},)"], "did you mean 'loss'"),
        (["config.noise.csi_snr_db = (5.0,)"], "noise.csi_snr_db is"),
        (["config.noise.csi_snr_db = 5.0"], "csi_snr_db"),
        (["config.missing.field = 1"], "missing"),
        (["import missing_module"], "missing_module"),
        (["this is no Python"], "invalid syntax"),
        (["raise ValueError('no such street')"], "no such street"),
    ],
)
def test_an_error_in_a_config_file_is_told_with_its_path(tmp_path, lines, words):
    path = tmp_path / "mine.py"
    text = ["from tfcsi.training.config import defaults", "def get_config():"]
    text += [f"    {line}" for line in ["config = defaults()", *lines, "return config"]]
    path.write_text("\n".join(text))
    with pytest.raises(ConfigError, match=words) as caught:
        read(str(path))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stqenet_indor", "no config 'stqenet_indor'; did you mean 'stqenet_indoor'?"),
        ("elsewhere/demo.py", "no config file elsewhere/demo.py; .* is 'demo'"),
        ("elsewhere/x.py", "there is no config file elsewhere/x.py$"),
        ("demo:crnet", "it takes no argument, got 'crnet'"),
        ("autoencoder:crnett", "model is 'crnett'; did you mean 'crnet'?"),
    ],
)
def test_a_config_that_is_not_there_is_refused_by_the_nearest_name(name, words):
    with pytest.raises(ConfigError, match=words):
        read(name)


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_the_network_of_a_config_is_that_of_the_builders(name):
    for builder in ("encoder", "decoder"):
        function = getattr(models.get(name), builder)
        real = inspect.signature(function).parameters.values()
        fields = arguments_in_source(models.MODELS[name], builder)
        defaults = {p.name: p.default for p in real if p.default is not p.empty}
        assert {f.name: f.default for f in fields.values()} == defaults
        for field in fields.values():
            assert is_of_type(field.default, field.type), (field.name, field.type)


def test_the_arguments_of_a_quantiser_are_those_of_its_class():
    assert schema.QUANTIZER_ARGS.keys() == quantizers.QUANTIZERS.keys()
    for name, fields in schema.QUANTIZER_ARGS.items():
        parameters = inspect.signature(quantizers.get(name)).parameters
        assert {"latent_dim", *fields} == set(parameters)


@pytest.mark.parametrize(
    ("value", "type_", "fits"),
    [
        (3, "float", True),
        (True, "int", False),
        (1, "bool", False),
        ((1, 2), "tuple[int, int]", True),
        ([1, 2], "tuple[int, ...]", True),
        ((1, 2, 3), "tuple[int, int]", False),
        ((1, "2"), "tuple[int, ...]", False),
        ("12", "Sequence[int]", False),
        (None, "tuple[int, ...] | None", True),
        (None, "int", False),
        (ml_collections.ConfigDict(), "dict", True),
        (object(), "np.ndarray", True),
    ],
)
def test_types_are_told_apart(value, type_, fits):
    assert is_of_type(value, type_) == fits


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_the_config_of_an_earlier_run_is_complete_with_the_defaults(folder):
    stored = json.loads((folder / "config.json").read_text())
    assert ("domain" in stored) == (folder.name == "csinet_rates")  # A later one.
    whole = configs.complete(stored)
    schema.check(whole, whole=True)
    assert whole.domain == "angular_delay"
    fields = json.loads(json.dumps(whole.to_dict()))
    assert {name: fields[name] for name in stored} == stored


def test_a_source_of_an_earlier_run_is_complete_with_the_defaults():
    stored = {"dataset": "quadriga", "source": {"key": "G", "num_sc": 16}}
    source = configs.complete(stored).source
    assert (source.key, source.num_sc, source.num_val, source.axes) == (
        "G",
        16,
        200,
        "",
    )
    schema.check(configs.complete(stored))


def test_a_config_that_lacks_a_field_is_not_trained_on(make_config):
    config = make_config()
    del config.clip_norm
    schema.check(config)
    with pytest.raises(ConfigError, match="the config has no field 'clip_norm'"):
        schema.check(config, whole=True)
    config = make_config(quantizer="mulaw")
    with pytest.raises(ConfigError, match="quantizer_args.bits is missing"):
        schema.check(config, whole=True)


def test_the_text_on_the_fields_tells_each_with_its_default():
    text = configs.describe()
    tables = {"": schema.FIELDS, "noise.": schema.NOISE, "qat.": schema.QAT}
    for prefix, fields in {**tables, "stages[].": schema.STAGE}.items():
        for name, field in fields.items():
            assert field.meaning[-1] == "." and not field.meaning[0].islower()
            assert f"\n{prefix}{name}: {field.meaning}\n" in f"\n{text}"
            if field.default is not UNSET:
                assert f"default {field.default!r}" in text


def test_reading_a_config_loads_no_tensorflow_from_any_folder(tmp_path):
    program = "import sys; from tfcsi.training.config import read; read('deepmimo');"
    program += "read('csi_inr:transnet'); print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(pathlib.Path(tfcsi.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_an_installed_package_has_its_configs_in_it(tmp_path):
    package = tmp_path / "site-packages" / "tfcsi"
    shutil.copytree(ROOT / "tfcsi", package)
    (package / "configs").mkdir()
    text = (ROOT / "configs" / "demo.py").read_text()
    (package / "configs" / "demo.py").write_text(
        text.replace("epochs = 5", "epochs = 7")
    )
    shutil.copy(ROOT / "configs" / "stqenet_indoor.py", package / "configs")
    program = "from tfcsi.training.config import read\n"
    program += "from tfcsi.training.config_files import names\n"
    program += "print(read('demo').epochs, names())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "7 ['demo', 'stqenet_indoor']\n"
