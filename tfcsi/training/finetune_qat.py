"""Fine-tuning of a trained codec with fake quantisation, for integer encoders."""

from __future__ import annotations

import functools
import os

import ml_collections
import numpy as np

from tfcsi import transforms
from tfcsi.codecs.neural import Codec
from tfcsi.coding.any_tables import AnyTables
from tfcsi.coding.network_tables import NetworkTables
from tfcsi.coding.tables import Tables
from tfcsi.entropy import priors
from tfcsi.model_optimization.fake_quantization import calibrate, quantize_pair
from tfcsi.training import config as configs
from tfcsi.training import run

_CALIBRATION_MATRICES = 500


def finetune(
    source: Codec,
    tuning: ml_collections.ConfigDict,
    workdir: str | os.PathLike,
    h_train: np.ndarray,
    h_val: np.ndarray,
    resume: bool = False,
    progress: bool = True,
) -> Codec:
    """Continues the training of a codec with fake quantisation, then makes its tables.

    The encoder has fake quantisation, and with `tuning.qat.decoder` the decoder has it
    too. Pair, quantiser and prior are trained together in one stage. At the end the
    tables are made anew for the symbols of the quantised network: histograms of the
    training symbols, because a learned density does not converge in so few steps; or
    the integer networks of the prior, which begin with those of the source and are
    trained alone for some more steps.

    Args:
      source: A trained codec without fake quantisation.
      tuning: Fields that replace those of the source's config, as in configs/qat.py.
      workdir: Folder of the new run.
      h_train: complex64 [n, num_tx, num_delay], as `run.train`.
      h_val: complex64 [n_val, num_tx, num_delay].
      resume: As `run.train`.
      progress: As `run.train`.

    Returns:
      The codec with its tables, as `tfcsi.load(workdir)` gives it.

    Raises:
      ValueError: If the source has fake quantisation already, or as `quantize_aware`
        and `run.train`.
      FileExistsError: As `run.train`.
    """
    if source.config.get("qat"):
        raise ValueError(
            "this run is quantisation-aware already; give the float run it came from"
        )
    config = configs.complete(source.config)
    config.update(tuning)
    config.stages = ()
    start = functools.partial(initialize, source=source)
    codec = run.train(
        config, workdir, h_train, h_val, resume, progress, start, source=source
    )
    if codec.quantizer.num_symbols:
        symbols = codec.symbols_in_turn(h_train[: run.MAX_TABLE_MATRICES])
        codec.use(refitted(codec, symbols))
        codec.save(workdir)
    return codec


def refitted(codec: Codec, symbols: np.ndarray) -> AnyTables:
    """Returns tables of a codec that are made anew for symbols.

    Args:
      codec: Codec with tables; those of a prior that counts nothing are trained on.
      symbols: int32 [n, latent], training symbols.
    """
    if not isinstance(codec.tables, NetworkTables):
        return Tables.from_counts(symbols, codec.config.coder)
    prior = priors.of_config(codec.config, codec.quantizer)
    prior.thaw(codec.tables)
    prior.refit(symbols)
    return prior.freeze(symbols)


def initialize(codec: Codec, h: np.ndarray, source: Codec) -> None:
    """Copies what a codec has learned to a codec with fake quantisation.

    Args:
      codec: A codec with the config of the source and the field `qat`.
      h: complex64 [n, num_tx, num_delay], training matrices for the calibration.
      source: A trained codec.
    """
    x = transforms.to_real(h[:: max(1, len(h) // _CALIBRATION_MATRICES)])
    x = x[:_CALIBRATION_MATRICES]
    for one, other in zip(codec.quantizer.variables, source.quantizer.variables):
        one.assign(other)
    encoder, decoder = quantize_pair(
        source.encoder, source.decoder, codec.config, codec.quantizer.step is not None
    )
    codec.encoder.set_weights(encoder.get_weights())
    codec.decoder.set_weights(decoder.get_weights())
    same = all(
        codec.config.get(k) == source.config.get(k) for k in ("prior", "prior_args")
    )
    if same and isinstance(source.tables, NetworkTables):
        codec.use(source.tables)  # The prior begins with them.
    calibrate(codec.encoder, x)
    if codec.config.qat.decoder:
        _, y_hat = codec.quantizer(codec.encoder(x))
        calibrate(codec.decoder, y_hat)
