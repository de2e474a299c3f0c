"""The codec `learned` on COST 2100 indoor: one set of weights for sixteen rates.

    tfcsi train --config=learned_indoor --data_dir=DIR --workdir=runs/learned

A training may begin with the weights of a codec that is trained already, in the zoo or
in a folder, such as --config.network.start=learned_cost2100_outdoor. docs/learned.md
tells how long a training takes and what it gives.
"""

from tfcsi.training.config import defaults


def get_config():
    config = defaults(model="learned")
    config.batch_size = 64
    config.epochs = 16
    config.learning_rate = 1e-3
    config.prior_learning_rate = 2e-3
    return config
