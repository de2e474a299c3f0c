"""The networks that papers compare, each with the schedule of its own paper or code.

    tfcsi train --config=paper_networks:crnet --data_dir=DIR --workdir=runs/crnet

Adam, batches of 200 matrices, squared error, no augmentation, float codewords. With
100000 matrices these are 250000 to 1250000 steps on a GPU; no full training was run
here. ACRNet, BCsiNet and the baselines of STQENet's paper have released no schedule:
theirs is that of the authors' other network, or that of STNet. CLLWCsiNet has its noise
of 40 dB and its released noise path (docs/noise.md).
"""

from tfcsi.training.config import defaults

# Epochs, largest learning rate, epochs of its rise, last rate relative to the largest.
CONSTANT = (1000, 1e-3, 0.0, 1.0)
COSINE = (2500, 2e-3, 30.0, 0.025)
SCHEDULES = {
    "acrnet": COSINE,
    "bcsinet": COSINE,
    "clnet": (1000, *COSINE[1:]),
    "cllwcsinet": (500, *CONSTANT[1:]),
    "crnet": COSINE,
    "dcrnet": COSINE,
    "transnet": (400, 1e-4, 0.0, 1.0),
}


def get_config(name="csinet"):
    config = defaults(model=name, rate=False)
    epochs, rate, rise, last = SCHEDULES.get(name, CONSTANT)
    config.epochs, config.batch_size = epochs, 200
    config.learning_rate, config.final_rate = rate, last
    config.warmup_epochs = rise
    config.distortion = "sse"
    config.clip_norm = 1e9
    config.augment = "none"
    SPECIAL.get(name, lambda config: None)(config)
    return config


def _noisy(config):
    """The noise of CLLWCsiNet: 40 dB, and a clean codeword for one branch."""
    config.network.noise_path = "released"
    config.noise.codeword_snr_db = (40.0, 40.0)


def _learned_rate(config):
    """The rate is in the loss, beside the squared error."""
    config.quantizer, config.prior, config.lmbda = "uniform", "factorized", 1e-3


def _offset(config):
    """CsiNet+ with float codewords, then the offset network alone, then both."""
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
    "deepcmc": _learned_rate,
    "offset_csinet": _offset,
    "ravula_jain": _learned_rate,
}
