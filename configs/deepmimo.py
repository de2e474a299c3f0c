"""Any autoencoder of the field on DeepMIMO, with the data of the CSI-INR paper.

    python train/deepmimo.py --config=configs/deepmimo.py:crnet --data_dir=DIR \
        --workdir=runs/deepmimo [--config.source.bs=3 --config.source.rows=1,500]

O1 at 3.5 GHz, base station 1, 100 MHz, 32 antennas by 32 subcarriers, space-frequency
domain (arXiv:2403.13615); all rows of users unless told. --config.domain=angular_delay
keeps the first 32 of 1024 delay taps of 10 ns.
"""

from tfcsi.training.config import read


def get_config(name="csinet"):
    config = read(f"autoencoder:{name}", ["dataset=deepmimo"])
    config.scenario = "O1_3p5"
    config.domain = "space_frequency"
    config.augment = "phase"
    return config
