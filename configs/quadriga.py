"""Any autoencoder of the field on a QuaDRiGa file of one's own.

    python train/quadriga.py --config=configs/quadriga.py:crnet --data_dir=DIR \
        --config.scenario=NAME.mat --workdir=runs/quadriga

The file holds channel objects, or matrices under `source.key`, which are subcarriers
(stored=space_frequency) or delay taps (angular_delay, or angular_delay_centred with the
zero angle in the middle).
"""

import pathlib
import runpy

from ml_collections import config_dict


def get_config(name="csinet"):
    path = pathlib.Path(__file__).with_name("family.py")
    config = runpy.run_path(str(path))["get_config"](name)
    config.dataset, config.scenario = "quadriga", "28ghz"
    config.domain = "angular_delay"
    config.source = config_dict.ConfigDict(
        {
            "key": "H",
            "stored": "angular_delay",
            "rx": 0,
            "bandwidth": 20e6,
            "num_fft": 1024,
            "num_sc": 32,
            "select": "spread",
        }
    )
    return config
