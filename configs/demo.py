"""A short STQENet training for `make demo`: 5 epochs of 8000 matrices.

    python train/demo.py --config=configs/demo.py --workdir=runs/demo

About 2 minutes of training on 2 cores. On simulated COST 2100 indoor channels it ends
near 550 bits a CSI matrix and -14.5 dB (KLT transform coding: about -12.5 dB).
"""

from tfcsi.training.config import read


def get_config():
    config = read("stqenet_indoor")
    config.epochs = 5
    config.num_train, config.num_val = 8000, 1000
    return config
