"""CSI-INR as its paper has it, as far as the paper tells (arXiv:2403.13615).

    tfcsi train --config=paper_csi_inr --data_dir=DIR --workdir=runs/csi_inr

Three inner steps of one fixed rate, second order, one deviation of the frequencies,
about 3000 epochs, absolute delays. Not told are w0, sigma, widths, rates, batch size
and number of matrices: these are those of the model and of `configs/csi_inr.py`. With
absolute delays three steps do not learn the ray-traced files here (docs/csi_inr.md). A
full training was not run here.
"""

from tfcsi.training.config import read


def get_config():
    config = read(
        "autoencoder:csi_inr", ["dataset=raytraced", "quantizer=float", "lmbda=1e-9"]
    )
    config.scenario = "street_canyon"
    config.domain = "space_frequency"
    config.latent_dim = 32
    config.network.rate_learned = False
    config.network.sigma = (2.0, 2.0)
    config.epochs, config.batch_size = 3000, 16
    config.warmup_epochs, config.final_rate = 0.0, 1.0
    config.augment = "none"
    return config
