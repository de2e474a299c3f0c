"""Any autoencoder with real codewords and noise on them, by its name.

    tfcsi train --config=noisy_codeword:cllwcsinet --data_dir=DIR \
        --workdir=runs/noisy [--config.noise.codeword_snr_db=10,30]

The codeword is not quantised and costs 32 bits a real. Each matrix gets noise of
another SNR in each step (docs/noise.md). CsiNet with DNNet is trained in three stages:
CsiNet without noise, the denoiser on noisy codewords, then both.
"""

from tfcsi.training.config import defaults


def get_config(name="csinet"):
    config = defaults(model=name, rate=False)
    config.noise.codeword_snr_db = (0.0, 40.0)
    if name == "csinet_dnnet":
        config.stages = (
            {"share": 2, "train": "^(?!decoder/denoise_)", "noise": False},
            {"share": 1, "train": "^decoder/denoise_", "loss": "codeword"},
            {"share": 1},
        )
    return config
