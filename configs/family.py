"""Any autoencoder of the field on COST 2100, by its name.

    python train/cost2100.py --config=configs/family.py:crnet --data_dir=DIR \
        --workdir=runs/crnet [--config.latent_dim=256 --config.network.latent=conv]

The published way is a float codeword, 32 bits a real: `quantizer="float"`. For packets
that one would send, quantise and code it:

    --config.quantizer=uniform --config.prior=factorized --config.lmbda=1.5e-4

8 epochs of 16000 matrices take 3 to 6 minutes for a small network on 2 cores, 5120
steps against the 250000 and more of published trainings. That few steps want a batch of
25 in place of 200. What half of it reaches: results/latent_kinds.json.
"""

import inspect

from ml_collections import config_dict

from tfcsi import models


def get_config(name="csinet"):
    config = config_dict.ConfigDict()
    config.dataset = "cost2100"
    config.scenario = "indoor"
    config.shape = (32, 32)
    config.data = "files"
    config.num_train, config.num_val = 16000, 3000

    config.model = name
    arguments = inspect.signature(models.get(name).encoder).parameters.values()
    config.network = config_dict.ConfigDict(
        {a.name: a.default for a in arguments if a.default is not a.empty}
    )
    config.latent_dim = 512
    config.init = "random"

    config.quantizer = "float"
    config.quantizer_args = config_dict.ConfigDict()
    config.prior = "none"
    config.coder = "range"
    config.send_gain = False

    config.distortion = "nmse"
    config.lmbda = 1e-9
    config.batch_size = 25
    config.epochs = 8
    config.learning_rate = 2e-3
    config.prior_learning_rate = 5e-3
    config.beta_1 = 0.9
    config.warmup_epochs = 0.5
    config.final_rate = 0.01
    config.clip_norm = 1.0
    config.prior_warmup_steps = 150
    config.prior_warmup_learning_rate = 2e-2
    config.augment = "phase_flip"
    config.noise = config_dict.ConfigDict({"csi_snr_db": (), "codeword_snr_db": ()})
    config.stages = ()
    config.seed = 1
    SPECIAL.get(name, lambda config: None)(config)
    return config


def _learned_rate(config):
    """Rate in the loss, as these papers have it."""
    config.quantizer, config.prior, config.lmbda = "uniform", "factorized", 1.5e-4


def _attention(config):
    """The form that trains at a bearable speed on a CPU."""
    config.network.attention = "released"


def _noisy(config):
    """One stage, with an SNR that is drawn anew for each matrix."""
    config.noise.codeword_snr_db = (0.0, 40.0)


def _denoiser(config):
    """CsiNet without noise, its denoiser on noisy codewords, then both together."""
    config.noise.codeword_snr_db = (0.0, 40.0)
    config.stages = (
        {"share": 2, "train": "^(?!decoder/denoise_)", "noise": False},
        {"share": 1, "train": "^decoder/denoise_", "loss": "codeword"},
        {"share": 1},
    )


def _offset(config):
    """CsiNet+ with float codewords, the offset network alone, then both together."""
    config.quantizer, config.prior, config.coder = "mulaw", "histogram", "huffman"
    config.quantizer_args.bits = 4
    config.quantizer_args.mu = 255.0
    config.stages = (
        {"share": 2, "train": "^(?!decoder/offset_)", "quantize": False},
        {"share": 1, "train": "^decoder/offset_"},
        {"share": 1},
    )


SPECIAL = {
    "cllwcsinet": _noisy,
    "csinet_dnnet": _denoiser,
    "deepcmc": _learned_rate,
    "offset_csinet": _offset,
    "ravula_jain": _learned_rate,
    "stnet": _attention,
    "stqenet": _attention,
}
