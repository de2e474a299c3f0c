"""Path coding on COST 2100 outdoor.

    tfcsi train --config=paths_outdoor --data_dir=DIR --workdir=runs/paths

As `paths_indoor`; a matrix has more paths, so it takes two minutes.
"""

from tfcsi.training.config import read


def get_config():
    config = read("paths_indoor")
    config.scenario = "outdoor"
    return config
