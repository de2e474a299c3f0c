"""Any autoencoder of the field on COST 2100, by its name.

    python train/cost2100.py --config=configs/autoencoder.py:crnet --data_dir=DIR \
        --workdir=runs/crnet [--config.latent_dim=256 --config.network.latent=conv]

The rate is in the loss: a uniform quantiser, a factorized prior and a range coder.
--config.prior names another prior (docs/entropy.md). Most papers do not quantise the
codeword, so that it costs 32 bits a real: --config.quantizer=float, or the config
`paper_networks`. Real codewords with noise are those of the config `noisy_codeword`.

8 epochs of 16000 matrices take 3 to 6 minutes for a small network on 2 cores. These are
5120 steps; published trainings take 250000 and more. With so few steps a batch of 25
learns more than one of 200. results/latent_kinds.json has the results of 4 epochs.
"""

from tfcsi.training.config import defaults


def get_config(name="csinet"):
    config = defaults(model=name)
    SPECIAL.get(name, lambda config: None)(config)
    return config


def _attention(config):
    """The form of the attention that a CPU trains in a few minutes."""
    config.network.attention = "released"


def _offset(config):
    """CsiNet+ with float codewords, then the offset network alone, then both."""
    config.quantizer, config.prior, config.coder = "mulaw", "histogram", "huffman"
    config.lmbda = 1e-9  # The number of levels sets the rate.
    config.quantizer_args.bits = 4
    config.quantizer_args.mu = 255.0
    config.stages = (
        {"share": 2, "train": "^(?!decoder/offset_)", "quantize": False},
        {"share": 1, "train": "^decoder/offset_"},
        {"share": 1},
    )


SPECIAL = {
    "offset_csinet": _offset,
    "stnet": _attention,
    "stqenet": _attention,
}
