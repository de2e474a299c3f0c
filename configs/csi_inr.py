"""CSI-INR on ray-traced streets, or any autoencoder on the same data by its name.

    python train/raytraced.py --config=configs/csi_inr.py --data_dir=DIR \
        --workdir=runs/csi_inr [--config.latent_dim=64 --config.scenario=munich]
    python train/raytraced.py --config=configs/csi_inr.py:transnet --data_dir=DIR \
        --workdir=runs/transnet

The rate is in the loss. With real codewords, `train/quantize.py` makes packets of any
number of bits an entry and inner steps from one run (docs/csi_inr.md):

    --config.quantizer=float

`config.source.timing` is "strongest": delays count from the strongest echo, as in a
receiver. Absolute delays spread over all 32 taps, and three gradient steps from zero
learn nothing from them (docs/csi_inr.md has the numbers).
"""

from tfcsi.training.config import read

# About equal time of training: six minutes on two cores. The learning rates are the
# best of a few short trainings, by validation data. TransNet learns nothing at 2e-3.
EPOCHS = {"csi_inr": 30, "transnet": 75, "crnet": 200}
LEARNING_RATES = {"csi_inr": 4e-3, "transnet": 5e-4}


def get_config(name="csi_inr"):
    config = read(f"autoencoder:{name}", ["dataset=raytraced", "lmbda=1e-4"])
    config.scenario = "street_canyon"
    config.domain = "space_frequency"
    config.source.timing = "strongest"
    config.augment = "phase"
    config.latent_dim = 32
    config.epochs = EPOCHS.get(name, 100)
    config.learning_rate = LEARNING_RATES.get(name, config.learning_rate)
    if name == "csi_inr":
        config.batch_size = 16
        config.network.widths, config.network.sigma = (512, 32), (2.0, 0.25)
    return config
