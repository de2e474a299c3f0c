"""Several rates for a finished run: the fields that replace those of a run of one rate.

    tfcsi finetune --config=rates --workdir=runs/stqenet --data_dir=DIR \
        --output=runs/stqenet_rates [--config.epochs=24]

The packets of the new run name one of thirteen rates; `tfcsi compress` takes --step,
--nmse_db and --max_bits for it. The networks are trained on with a rate that is drawn
for each matrix; lmbda is that of the coarsest rate. Contexts pick the tables of the
symbols.
"""

from ml_collections import config_dict


def get_config():
    config = config_dict.ConfigDict()
    config.quantizer, config.prior, config.lmbda = "uniform_rates", "contexts", 3e-3
    config.quantizer_args = {"rates": 13, "octaves": 0.75, "rate": 6}
    config.prior_args = {"groups": 8, "hidden": 96}
    config.batch_size = 64
    config.epochs = 24
    config.learning_rate = 1.5e-3
    config.warmup_epochs = 0.5
    return config
