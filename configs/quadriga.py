"""Any autoencoder of the field on a QuaDRiGa file of one's own.

    python train/quadriga.py --config=configs/quadriga.py:crnet --data_dir=DIR \
        --config.scenario=NAME.mat --workdir=runs/quadriga

The file holds channel objects, or matrices under `source.key`, which are subcarriers
(stored=space_frequency) or delay taps (angular_delay, or angular_delay_centred with the
zero angle in the middle).
"""

from tfcsi.training.config import read


def get_config(name="csinet"):
    config = read(f"autoencoder:{name}", ["dataset=quadriga"])
    config.scenario = "28ghz"
    return config
