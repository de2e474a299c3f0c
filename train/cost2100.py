"""Trains a codec on COST 2100 data in the published file format.

    python train/cost2100.py --config=configs/stqenet_indoor.py --data_dir=DIR \
        --workdir=runs/a [--config.lmbda=1e-4 ...] [--resume]

With --config.data=simulate each epoch trains on `num_train` fresh matrices, simulated
while the one before trains; validation data come from DIR, or without it are simulated
too. A field `simulator` of the config gives the simulator further arguments.
"""

import launch
from absl import flags

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the DATA_H*.mat files.")

if __name__ == "__main__":
    launch.run(lambda config: {f"cost2100_{config.scenario}": _DATA_DIR.value})
