"""Path coding on QuaDRiGa: 28ghz, 5p3ghz or 300mhz.

    tfcsi train --config=paths_quadriga:28ghz --data_dir=DIR --workdir=runs/paths

The matrices are the first 32 delay taps of 1024 subcarriers.
"""

from tfcsi.training.config import read


def get_config(name="28ghz"):
    config = read("paths_indoor", ["dataset=quadriga", "network.num_fft=1024"])
    config.scenario = name
    return config
