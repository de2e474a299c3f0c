"""Trains a codec on a DeepMIMO scenario, or on a data set generated from one.

    python train/deepmimo.py --config=configs/deepmimo.py:crnet --data_dir=DIR \
        --config.scenario=O1_3p5 --config.source.rows=1,500 --workdir=runs/a [--resume]

DIR holds the folder (or file) that the scenario names. Base station, rows of users,
antennas, band and subcarriers are fields of --config.source; the defaults are those of
the CSI-INR paper.
"""

import launch
from absl import flags

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of scenarios.")

if __name__ == "__main__":
    launch.run(lambda config: {f"deepmimo_{config.scenario}": _DATA_DIR.value})
