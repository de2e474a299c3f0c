"""Trains a codec on ray-traced streets in the form of a DeepMIMO data set.

    python train/raytraced.py --config=configs/csi_inr.py --data_dir=DIR \
        --config.scenario=street_canyon --workdir=runs/a [--resume]

The scenario is munich or street_canyon. Domain and timing are fields of the config.
"""

import launch
from absl import flags

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the .npz files.")

if __name__ == "__main__":
    launch.run(lambda config: {f"raytraced_{config.scenario}": _DATA_DIR.value})
