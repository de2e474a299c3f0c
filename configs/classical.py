"""Codecs without a network: klt, topk and gaussian_mixture, by name.

    tfcsi train --config=classical:klt --data_dir=DIR --workdir=runs/klt \
        --config.network.bits=250

They are fitted to the training matrices by counting, which takes seconds, and need no
TensorFlow. `bits` is what a packet may take, header included; every packet for topk,
the mean packet for the others.
"""

from tfcsi.training.config import defaults


def get_config(name="klt"):
    return defaults(model=name)
