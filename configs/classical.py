"""Codecs that are fitted by counting: klt, topk, gaussian_mixture, dft_grid, by name.

    tfcsi train --config=classical:klt --data_dir=DIR --workdir=runs/klt \
        --config.network.bits=250

They are fitted to the training matrices by counting, which takes seconds, and need no
TensorFlow. `bits` is what a packet may take, header included; every packet for topk,
the mean packet for the others; dft_grid has a `step`,
relative to the norm of a matrix, in its place. `learned` takes networks from the file
`weights` of benchmarks/learned_pytorch.py, and counts the norms.
"""

from tfcsi.training.config import defaults


def get_config(name="klt"):
    return defaults(model=name)
