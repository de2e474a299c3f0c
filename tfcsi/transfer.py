"""Transfer: codecs trained on one source of channels and tested on others.

A base station that moves to another place has a little data from there and phones that
it cannot change. So the few-shot fine-tuning here trains the decoder alone, on what the
encoder, quantiser and tables that are already in the phones make of a few matrices.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Sequence

import ml_collections
import numpy as np
import tensorflow as tf

from tfcsi import codec as codecs
from tfcsi import datasets, evaluation, metrics, training, transforms
from tfcsi.codec import CODEC_FILE, Codec, join, load_config

_MAX_VAL = 500  # Validation matrices that choose the epoch of a fine-tuning.


def transfer(
    config: ml_collections.ConfigDict,
    data_root: str | os.PathLike,
    workdir: str | os.PathLike,
    train_on: Sequence[str],
    test_on: Sequence[str],
    shots: int,
    limit: int | None = None,
    **tuning,
) -> list[dict]:
    """Trains a codec on each of some sources and tests it on others.

    Args:
      config: Of the trainings; its `dataset` and `scenario` become those of the source.
      data_root: Folder of the sources, see `tfcsi.datasets`.
      workdir: Folder of the runs, one a source; a finished run is loaded, a stopped one
        goes on.
      train_on: Names of sources.
      test_on: Names of sources. One that the codec was trained on is the reference.
      shots: Training matrices of the test source that a decoder is tuned on, besides
        the test as trained; 0 for no tuning. A source is not tuned to itself.
      limit: Test matrices of each source, the first ones; all if None.
      **tuning: epochs, batch_size, learning_rate, augment of `finetune_decoder`.

    Returns:
      A point for each pair of sources and, but on the source itself, number of shots:
      train_on, test_on, shots, and as `Codec.describe` and `evaluation.evaluate`.

    Raises:
      ValueError: If a source is not known or has too few matrices, or a run in the
        workdir has another config; as `training.train` and `finetune_decoder`.
    """
    for name in [*train_on, *test_on]:
        datasets.parts(name)
    _check_tuning(**tuning)
    # What lacks is found before the trainings, not after them.
    tests = {name: datasets.load(name, data_root, "test")[:limit] for name in test_on}
    others = [name for name in test_on if set(train_on) - {name}]
    few = {name: _few(name, data_root, shots, config.seed) for name in others}
    points = []
    for source in train_on:
        codec = _trained(config, data_root, pathlib.Path(workdir, source), source)
        for target, h in tests.items():
            tested = {0: codec}
            if shots and target != source:
                tested[shots] = finetune_decoder(
                    codec, *few[target], seed=config.seed, **tuning
                )
            for count, each in tested.items():
                pair = {"train_on": source, "test_on": target, "shots": count}
                known = {**each.describe(), **pair, "dataset": target, "split": "test"}
                points.append({**known, **evaluation.evaluate(each, h)})
                print(line(points[-1]), flush=True)
    return points


def line(point: dict) -> str:
    """Returns a line of text on a point of `transfer`."""
    return (
        f"{point['train_on']:24s} -> {point['test_on']:24s} {point['shots']:5d} shots "
        f"{point['nmse_db']:8.2f} dB {point['bits']:8.1f} bits"
    )


def finetune_decoder(
    codec: Codec,
    h_shots: np.ndarray,
    h_val: np.ndarray,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    augment: str,
    seed: int,
) -> Codec:
    """Trains the decoder of a codec on what the UE sends of a few matrices.

    The loss is the mean NMSE, the optimiser Adam. Batch normalisation is in inference
    mode: so few matrices have no statistics. The epoch that is best on the validation
    matrices is kept, be it the one before the first.

    Args:
      codec: A trained codec; it stays as it is.
      h_shots: complex64 [n, num_tx, num_delay], max |h| = 0.5 unless the codec sends
        the gain.
      h_val: complex64 [n_val, num_tx, num_delay], of the same kind.
      epochs: Number of passes over `h_shots`.
      batch_size: Matrices a step; the last step of an epoch may have fewer.
      learning_rate: Of Adam.
      augment: "none", "phase" or "phase_flip", see `training.augment`.
      seed: Of the order and the augmentation.

    Returns:
      A codec with the same encoder, quantiser and tables, and with a fingerprint of its
      own, unless no epoch was better than the decoder as it was.

    Raises:
      ValueError: If an argument is out of range, or as `Codec.symbols`.
      RuntimeError: If the codec has no tables.
    """
    _check_tuning(epochs, batch_size, learning_rate, augment)
    if not len(h_shots) or not len(h_val):
        raise ValueError(
            f"{len(h_shots)} shots and {len(h_val)} validation matrices; at least 1 "
            f"and 1 are needed"
        )
    tuned = _copy(codec)
    decoder = tuned.decoder
    variables = decoder.trainable_variables
    adam = tf.keras.optimizers.legacy.Adam(learning_rate)

    @tf.function(reduce_retracing=True)
    def step(y_hat, x):
        with tf.GradientTape() as tape:
            x_hat = decoder(join(decoder, y_hat, y_hat), training=False)
            error = tf.reduce_sum(tf.square(x - x_hat), (1, 2, 3))
            loss = tf.reduce_mean(error / tf.reduce_sum(tf.square(x), (1, 2, 3)))
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        adam.apply_gradients(zip(gradients, variables))

    received, h_val = _received(codec, h_val)

    def score() -> float:
        return metrics.nmse(h_val, tuned.synthesis(received, received)).mean()

    best, weights = score(), decoder.get_weights()
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        draw = tf.constant([seed, epoch], tf.int64)
        x = training.augment(transforms.to_real(h_shots), augment, draw)
        y_hat, h = _received(codec, transforms.to_complex(x))
        order = rng.permutation(len(h))
        for i in range(0, len(h), batch_size):
            chosen = order[i : i + batch_size]
            step(y_hat[chosen], transforms.to_real(h[chosen]))
        if (now := score()) < best:
            best, weights = now, decoder.get_weights()
    decoder.set_weights(weights)
    tuned.use(codec.tables)
    return tuned


def _received(codec: Codec, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codewords at the BS, [n, latent], and h at the scale of its decoder."""
    y_hat, gain = codec.dequantize(*codec.symbols(h))
    return y_hat, h / gain


def _copy(codec: Codec) -> Codec:
    """A codec with the same weights and analysis, without tables."""
    copy = Codec(codec.config)
    copy.encoder.set_weights(codec.encoder.get_weights())
    copy.decoder.set_weights(codec.decoder.get_weights())
    for one, other in zip(copy.quantizer.variables, codec.quantizer.variables):
        one.assign(other)
    copy.analysis, copy.facts = codec.analysis, dict(codec.facts)
    return copy


def _trained(config, data_root, folder: pathlib.Path, source: str) -> Codec:
    """The codec of a source: loaded if its run is finished, else trained."""
    config = ml_collections.ConfigDict(config.to_dict())
    config.dataset, config.scenario = datasets.parts(source)
    if (folder / CODEC_FILE).exists():
        stored, given = load_config(folder).to_dict(), config.to_dict()
        given = json.loads(json.dumps(given))
        keys = given.keys() | stored.keys()
        if differs := sorted(k for k in keys if given.get(k) != stored.get(k)):
            raise ValueError(
                f"the run in {folder} has another config: {differs} differ; give "
                f"another --workdir"
            )
        return codecs.load(folder)
    h_train, h_val = (datasets.load(source, data_root, s) for s in ("train", "val"))
    print(f"training on {len(h_train)} matrices of {source}", flush=True)
    return training.train(config, folder, h_train, h_val, resume=True)


def _few(source: str, data_root, shots: int, seed: int) -> tuple:
    """Training matrices of a source that the seed chooses, and for validation."""
    if not shots:
        return ()
    h = datasets.load(source, data_root, "train")
    if shots > len(h):
        raise ValueError(f"shots is {shots}; {source} has {len(h)} training matrices")
    chosen = np.sort(np.random.default_rng(seed).permutation(len(h))[:shots])
    return h[chosen], datasets.load(source, data_root, "val")[:_MAX_VAL]


def _check_tuning(
    epochs: int, batch_size: int, learning_rate: float, augment: str
) -> None:
    if augment not in training.AUGMENTATIONS:
        known = ", ".join(training.AUGMENTATIONS)
        raise ValueError(f"augment is {augment!r}; it must be one of {known}")
    numbers = {"epochs": epochs, "batch_size": batch_size}
    for field, value in {**numbers, "learning_rate": learning_rate}.items():
        if not value > 0:
            raise ValueError(f"{field} is {value}; it must be positive")
