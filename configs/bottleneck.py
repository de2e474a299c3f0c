"""A rate for a finished run: the fields that replace those of a run of float codewords.

    tfcsi finetune --config=bottleneck --workdir=runs/crnet_published --data_dir=DIR \
        --output=runs/crnet_bottleneck [--config.lmbda=3e-4]

The codeword gets a quantiser with learned steps and a learned prior, and the networks
are trained on with the rate in the loss. A larger lmbda gives fewer bits. 2 epochs of
16000 matrices take 1 to 3 minutes for a small network on 2 cores.
"""

from ml_collections import config_dict


def get_config():
    config = config_dict.ConfigDict()
    config.quantizer, config.prior, config.lmbda = "uniform", "factorized", 1.5e-4
    config.epochs = 2
    config.learning_rate = 3e-4
    config.warmup_epochs = 0.1
    return config
