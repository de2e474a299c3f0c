"""Shared fixtures: a small set of CSI, a small config and a tiny trained codec."""

from __future__ import annotations

import fcntl
import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # As tfcsi, imported first or not.
if "PYTEST_XDIST_WORKER" in os.environ:  # Two workers share the cores.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import hypothesis
import ml_collections
import numpy as np
import pytest

# `make test` takes the first, `make test-all` also the second, by --hypothesis-profile.
PROFILES = {"default": 40, "thorough": 1000}  # To the examples of each property.
for name, num_examples in PROFILES.items():
    hypothesis.settings.register_profile(
        f"tfcsi_{name}",
        max_examples=num_examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("tfcsi_default")

# Models of each kind of layers, on which the default suite tries what all must fulfil.
SAMPLE = ("cllwcsinet", "crnet", "csi_inr", "transnet")

# Files that take a minute or more, of the slow tests and of the others.
LONGEST = (
    *("test_docs.py", "test_wheel.py", "test_run.py", "test_fake_quantization.py"),
    *("test_readme.py", "test_contract.py", "test_train.py", "test_family.py"),
)
SHAPE = (16, 16)
LEARNED = {"epochs": 40, "learning_rate": 5e-3}  # Fields of the config of `workdir`.
NUM_TRAIN = 300
# Model to the options that make a small network of it, on 16 x 16 and others.
TINY_NETWORKS = {
    "acrnet": {},
    "aianet": {"channels": 4},
    "attention_csinet": {"blocks": 1},
    "bacrnet": {},
    "bcsinet": {"num_refine": 1},
    "cllwcsinet": {},
    "clnet": {},
    "crnet": {},
    "csi_inr": {"widths": (12, 12), "features": 8, "gain": 32.0},
    "csiformer": {"embedding": 8, "window": 4, "num_heads": 2},
    "csinet": {"blocks": 1},
    "csinet_dnn": {"hidden": (48,), "blocks": 1},
    "csinet_dnnet": {"hidden": (32,), "blocks": 1},
    "csinet_plus": {"blocks": 1},
    "csinet_pro": {"widths": (4, 2)},
    "dcrnet": {},
    "deep_decoder_csinet": {"blocks": 3},
    "deepcmc": {"width": 8},
    "ds_nlcsinet": {},
    "offset_csinet": {"blocks": 1},
    "ravula_jain": {"filters": 8, "stages": 2},
    "stnet": {"window": 4},
    "stqenet": {"window": 4},
    "transnet": {"width": 32, "hidden": 64},
}


def slow(*values):
    """Parameters of a test that is a slow one with them."""
    return pytest.param(*values, marks=pytest.mark.slow)


def sampled(names, sample=SAMPLE):
    """Parameters of a test: those that are not in the sample are slow tests."""
    return [name if name in sample else slow(name) for name in names]


def correlated_csi(n, shape=SHAPE, seed=0):
    """Complex64 [n, num_tx, num_delay] of four paths in one sector, max |h| = 0.5."""
    rng = np.random.default_rng(seed)
    angles, delays = (np.arange(size) for size in shape)
    h = np.zeros((n, *shape), np.complex128)
    for _ in range(4):
        angle = rng.normal(shape[0] / 2, shape[0] / 8, (n, 1, 1))
        delay = rng.gamma(2.0, 0.7, (n, 1, 1))
        gain = rng.standard_normal((n, 1, 1, 2)) @ [1, 1j] * np.exp(-delay / 2)
        h += gain * np.sinc(angles[:, None] - angle) * np.sinc(delays - delay)
    return (h * (0.5 / np.abs(h).max((1, 2), keepdims=True))).astype(np.complex64)


def small_config(**fields):
    """Config of a codec that trains in seconds; `fields` override.

    The model `dense` starts as the KLT.
    """
    from tfcsi.training.config import defaults

    config = defaults(model="csinet")
    config.network.blocks = 1
    model = fields.get("model", config.model)
    config.update(
        shape=SHAPE,
        latent_dim=32,
        init="klt" if model == "dense" else "random",
        quantizer="uniform",
        prior="factorized",
        lmbda=1e-3,
        batch_size=20,
        epochs=2,
        learning_rate=3e-4,
        prior_learning_rate=3e-3,
        prior_warmup_steps=60,
        prior_warmup_learning_rate=5e-2,
    )
    if model != config.model:
        config.network = ml_collections.ConfigDict()
    config.update(fields)
    return config


def pytest_collection_modifyitems(items):
    """The longest files go first, so that no process waits for one at the end."""
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Folder that TFCSI_CACHE names, so that no test touches the user's own."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFCSI_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def draw_csi():
    """The function (n, shape, seed) -> complex64 [n, num_tx, num_delay]."""
    return correlated_csi


@pytest.fixture(scope="session")
def make_config():
    """The function (**fields) -> ConfigDict."""
    return small_config


@pytest.fixture(scope="session")
def tiny_networks():
    """Model to the options that make a small network of it; all models are there."""
    return TINY_NETWORKS


@pytest.fixture(scope="session")
def h():
    """Complex64 [400, 16, 16], max |h| = 0.5 a matrix; the first 300 train."""
    h = correlated_csi(NUM_TRAIN + 100)
    h.flags.writeable = False
    return h


@pytest.fixture(scope="session")
def workdir(tmp_path_factory, cache, h):
    """Folder of a codec of -4.5 dB; copy it before you change it.

    The processes of pytest-xdist share it: the first that asks trains, others wait.
    """
    from tfcsi.training import run

    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, unfinished = base / "tiny", base / "unfinished"
    with open(base / "tiny.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            parts = (h[:NUM_TRAIN], h[NUM_TRAIN:])
            run.train(small_config(**LEARNED), unfinished, *parts, progress=False)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def codec(workdir):
    """The codec of `workdir`, loaded; leave it as it is."""
    from tfcsi.codecs.neural import load

    return load(workdir)


@pytest.fixture(scope="module")
def dense():
    """Name of the model of `tests.dense_pair`, known while a module is tested."""
    from tfcsi import models

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "dense", "tests.dense_pair")
        yield "dense"
