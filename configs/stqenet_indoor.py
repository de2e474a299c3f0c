"""STQENet on COST 2100 indoor, for a short training on a CPU.

    python train/cost2100.py --config=configs/stqenet_indoor.py --data_dir=DIR \
        --workdir=runs/indoor_500 --config.lmbda=1.5e-4

16 epochs of 16000 matrices take about 14 minutes on 2 cores. Test set, real bits of
whole packets: lmbda 8.5e-4 gives 263 bits, -9.9 dB; 1.5e-4 gives 470 bits, -14.8 dB;
1.6e-5 gives 1036 bits, -22.0 dB (results/stqenet_indoor.json).
"""

from tfcsi.training.config import defaults


def get_config():
    config = defaults(model="stqenet")
    config.network.attention = "released"
    config.network.amplitude = "kept"
    config.init = "klt"
    config.batch_size = 200
    config.epochs = 16
    config.learning_rate = 3e-3
    config.warmup_epochs = 1.0
    return config
