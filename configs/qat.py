"""Quantisation-aware fine-tuning: the fields that replace those of a finished run.

    python train/finetune_qat.py --workdir=runs/indoor_500 --data_dir=DIR \
        [--config.qat.weight_bits=4 --config.qat.decoder=True]

2 epochs of 16000 matrices take 2 to 3 minutes on 2 cores. Full-integer STQENet at 467
bits then loses 0.01 dB on validation data (results/phone.json has more).
"""

from ml_collections import config_dict

from tfcsi.training.config import section


def get_config():
    config = config_dict.ConfigDict({"qat": section("qat")})
    config.epochs = 2
    config.learning_rate = 3e-4
    config.prior_learning_rate = 2e-3
    config.warmup_epochs = 0.1
    config.final_rate = 0.01
    return config
