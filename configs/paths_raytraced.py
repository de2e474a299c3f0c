"""Path coding on ray-traced streets: munich or street_canyon.

    tfcsi train --config=paths_raytraced:munich --data_dir=DIR --workdir=runs/paths

All 32 subcarriers are kept, so delays wrap around after 32 taps.
"""

from tfcsi.training.config import read


def get_config(name="munich"):
    config = read("paths_indoor", ["dataset=raytraced", "domain=space_frequency"])
    config.network.num_fft = 32
    config.scenario = name
    return config
