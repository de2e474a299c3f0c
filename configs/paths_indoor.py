"""Path coding on COST 2100 indoor.

    tfcsi train --config=paths_indoor --data_dir=DIR --workdir=runs/paths

It counts the paths of 2000 training matrices, which takes about a minute on one core,
and needs no TensorFlow. One codec serves all rates: `network.step` is the step of its
shortest packets.
"""

from tfcsi.training.config import defaults


def get_config():
    return defaults(model="paths")
