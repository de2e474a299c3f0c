"""The networks that papers compare, each with the schedule of its own paper or code.

    tfcsi train --config=paper_networks:crnet --data_dir=DIR --workdir=runs/crnet

Adam, batches of 200 matrices, squared error, no augmentation, float codewords. With
100000 matrices these are 250000 to 1250000 steps on a GPU; no full training was run
here. `tfcsi/schedules.py` has the schedules and tells which ones are not released.
CLLWCsiNet has its noise of 40 dB and its released noise path (docs/noise.md).
"""

from tfcsi.schedules import SCHEDULES, USUAL
from tfcsi.training.config import defaults


def get_config(name="csinet"):
    config = defaults(model=name, rate=False)
    schedule = SCHEDULES.get(name, USUAL)
    config.epochs, config.batch_size = schedule.epochs, 200
    config.learning_rate = schedule.learning_rate
    config.warmup_epochs = schedule.warmup_epochs
    config.final_rate = schedule.final_rate
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
