"""STQENet on COST 2100 indoor, for a short training on a CPU.

    python train/cost2100.py --config=configs/stqenet_indoor.py --data_dir=DIR \
        --workdir=runs/indoor_500 --config.lmbda=1.5e-4

16 epochs of 16000 matrices take about 14 minutes on 2 cores. Test set, real bits of
whole packets: lmbda 8.5e-4 gives 263 bits, -9.9 dB; 1.5e-4 gives 470 bits, -14.8 dB;
1.6e-5 gives 1036 bits, -22.0 dB (results/stqenet_indoor.json).
"""

from ml_collections import config_dict


def get_config() -> config_dict.ConfigDict:
    config = config_dict.ConfigDict()
    config.dataset = "cost2100"
    config.scenario = "indoor"
    config.shape = (32, 32)
    config.data = "files"
    config.num_train, config.num_val = 16000, 3000

    config.model = "stqenet"
    config.network = config_dict.ConfigDict(
        {"attention": "released", "window": 8, "num_heads": 4, "amplitude": "kept"}
    )
    config.latent_dim = 512
    config.init = "klt"

    config.quantizer = "uniform"
    config.quantizer_args = config_dict.ConfigDict()
    config.prior = "factorized"
    config.coder = "range"
    config.send_gain = False

    config.distortion = "nmse"
    config.lmbda = 1.5e-4
    config.batch_size = 200
    config.epochs = 16
    config.learning_rate = 3e-3
    config.prior_learning_rate = 5e-3
    config.beta_1 = 0.9
    config.warmup_epochs = 1.0
    config.final_rate = 0.01
    config.clip_norm = 1.0
    config.prior_warmup_steps = 150
    config.prior_warmup_learning_rate = 2e-2
    config.augment = "phase_flip"
    config.noise = config_dict.ConfigDict({"csi_snr_db": (), "codeword_snr_db": ()})
    config.stages = ()
    config.seed = 1
    return config
