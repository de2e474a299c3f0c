"""Any autoencoder of the field on DeepMIMO, with the data of the CSI-INR paper.

    python train/deepmimo.py --config=configs/deepmimo.py:crnet --data_dir=DIR \
        --workdir=runs/deepmimo [--config.source.bs=3 --config.source.rows=1,500]

O1 at 3.5 GHz, base station 1, 100 MHz, 32 antennas by 32 subcarriers, space-frequency
domain (arXiv:2403.13615); all rows of users unless told. --config.domain=angular_delay
keeps the first 32 of 1024 delay taps of 10 ns.
"""

import pathlib
import runpy

from ml_collections import config_dict


def get_config(name="csinet"):
    path = pathlib.Path(__file__).with_name("family.py")
    config = runpy.run_path(str(path))["get_config"](name)
    config.dataset, config.scenario = "deepmimo", "O1_3p5"
    config.domain = "space_frequency"
    config.augment = "phase"
    config.source = config_dict.ConfigDict(
        {
            "bs": 1,
            "rows": (),
            "array": (32, 1),
            "spacing": 0.5,
            "rotation": 0.0,
            "bandwidth": 100e6,
            "num_fft": 1024,
            "num_sc": 32,
            "select": "spread",
            "clip": True,
            "max_paths": 0,
            "timing": "absolute",
            "rx": 0,
            "num_val": 200,
            "num_test": 400,
            "shuffle": True,
        }
    )
    return config
