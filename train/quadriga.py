"""Trains a codec on channels that were made with QuaDRiGa.

    python train/quadriga.py --config=configs/autoencoder.py:crnet --data_dir=DIR \
        --config.scenario=28ghz --workdir=runs/a [--resume]

The scenario is 28ghz, 5p3ghz or 300mhz, or the name of a .mat file of the folder. How
that file is read (variable, domain, band) is told by --config.source of
configs/quadriga.py.
"""

import launch
from absl import flags

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of the .mat files.")

if __name__ == "__main__":
    launch.run(lambda config: {f"quadriga_{config.scenario}": _DATA_DIR.value})
