"""Packaging of tfcsi."""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.+)"', (ROOT / "tfcsi" / "__init__.py").read_text()
)[1]

# What runs on the phone, tfcsi.ue: NumPy and this. The last for Python 3.9 is 2.1.0.
UE = [
    "ai-edge-litert==2.3.0; python_version >= '3.10'",
    "ai-edge-litert==2.1.0; python_version < '3.10'",
]
FULL = [
    "absl-py==1.4.0",
    "argcomplete==3.6.2",
    "h5py==3.14.0",
    "jinja2==3.1.6",
    "matplotlib==3.9.4",
    "ml_collections==0.1.1",
    "plotly==6.9.0",  # Wheels for Python 3.9; its script is inside each report.
    "scipy==1.11.4",
    "tensorflow==2.14.1",
    # Wheels exist for x86-64 only; only training a factorized prior needs it.
    "tensorflow-compression==2.14.1; platform_machine == 'x86_64'",
    "tensorflow-model-optimization==0.8.0",
    "tqdm==4.67.1",
]
# tfcsi serve. Both have wheels for Python 3.9 and do not touch TensorFlow's protobuf.
SERVE = ["aiohttp==3.13.2", "prometheus_client==0.22.1"]
TEST = [
    *FULL,
    *UE,
    *SERVE,
    # The oracle of the entropy coder; few other machines have a wheel of it.
    "constriction==0.4.2; platform_machine == 'x86_64'",
    "hypothesis==6.141.1",
    "pytest==8.4.2",
    "pytest-xdist==3.8.0",
]

# The site, `make docs`; these are the last for Python 3.9.
DOCS = [
    "mkdocs==1.6.1",
    "mkdocs-material==9.7.7",
    "mkdocstrings==0.30.1",
    "mkdocstrings-python==1.18.2",
    "pymdown-extensions==10.21.3",
]

setup(
    name="tfcsi",
    version=VERSION,
    description="Compress channel state information (CSI) into real bytes",
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    python_requires=">=3.9,<3.12",
    license="Apache-2.0",
    # The configs, and the manifest of the zoo of the repository, lie beside the package
    # in a checkout and in it when installed.
    packages=[
        *find_packages(include=["tfcsi", "tfcsi.*"]),
        "tfcsi.configs",
        "tfcsi.repository_zoo",
    ],
    package_dir={"tfcsi.configs": "configs", "tfcsi.repository_zoo": "zoo"},
    package_data={
        "tfcsi": [
            *("py.typed", "evaluation/report.html", "zoo/*.json", "zoo/*/*"),
            "papers/experiments/*.json",
        ],
        "tfcsi.repository_zoo": ["manifest.json"],
    },
    install_requires=["numpy==1.26.4"],
    extras_require={
        "ue": UE,
        "full": FULL,
        "serve": SERVE,
        "test": TEST,
        "docs": DOCS,
        "dev": [*TEST, "mypy==1.19.1", "ruff==0.14.4"],
        # tfcsi export --format=onnx. tf2onnx needs protobuf 3.20, which TensorFlow
        # takes, too; so it is no part of "test".
        "onnx": [*FULL, "onnx==1.17.0", "protobuf==3.20.3", "tf2onnx==1.16.1"],
        # --runner of generate, compress and evaluate.
        "beam": [*FULL, "apache-beam==2.60.0"],
        # The models of 3GPP TR 38.901, tfcsi.channels.tr38901.
        "sionna": [*FULL, "sionna==0.19.2"],
        # tfcsi.channels.raytraced, in an environment of its own (not with "full").
        "raytracing": ["absl-py==1.4.0", "sionna-rt==2.2.0", "tqdm==4.67.1"],
        # Of tests/hostile/fuzz.py (make soak); wheels for x86-64 Linux only.
        "fuzz": ["atheris==2.3.0"],
        # Of benchmarks/training_speed.py only; from Python 3.10.
        "benchmark": [*FULL, "torch==2.13.0"],
    },
    entry_points={"console_scripts": ["tfcsi = tfcsi.__main__:run"]},
)
