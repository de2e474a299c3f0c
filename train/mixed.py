"""Trains one codec on several sources together, each matrix scaled to the same peak.

    python train/mixed.py --config=configs/autoencoder.py:crnet --data_root=DIR \
        --sources=cost2100_indoor,quadriga_28ghz --workdir=runs/a [--resume]

DIR holds the folders cost2100/, quadriga/, raytraced/ and deepmimo/. `tfcsi evaluate`
measures such a run on one source: --scenario=quadriga_28ghz --data_dir=DIR/quadriga.
"""

import pathlib

import launch
from absl import flags

from tfcsi import datasets

_DATA_ROOT = flags.DEFINE_string("data_root", None, "Folder of the sources' folders.")
_SOURCES = flags.DEFINE_list("sources", None, "Sources, after commas.")
flags.mark_flags_as_required(["data_root", "sources"])


def folders(config):
    root = pathlib.Path(_DATA_ROOT.value)
    return {name: root / datasets.parts(name)[0] for name in _SOURCES.value}


if __name__ == "__main__":
    launch.run(folders)
