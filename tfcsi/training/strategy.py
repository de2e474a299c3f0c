"""Training on several devices or machines, by `tf.distribute`.

A training inside the scope of a strategy is the same training: each step takes the
batch of the config, of which each replica computes its share, and the gradients are
those of the whole batch. Two replicas give what one gives, but for rounding and for
what is drawn at random inside a step. Batch normalisation takes the statistics of a
share.

Every worker reads the same files and does the same; the first worker, the chief, alone
writes to the folder of the run. The others write to a folder of their own, which is
deleted at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

STRATEGIES = ("mirrored", "multiworker")
CLUSTER = "TF_CONFIG"  # Variable that tells a worker its cluster and its place there.
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


def get(name: str) -> tf.distribute.Strategy:
    """Makes a strategy, before anything else of TensorFlow is used.

    Args:
      name: "mirrored" for all GPUs of this machine, or all logical CPUs if it has none;
        "multiworker" for the machines of TF_CONFIG.

    Raises:
      ValueError: If there is no such strategy, or TF_CONFIG names no cluster of workers
        or no place in it.
    """
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        return tf.distribute.MirroredStrategy(
            [device.name for device in tf.config.list_logical_devices(kind)]
        )
    if name != "multiworker":
        raise ValueError(f"strategy is {name!r}; known: {', '.join(STRATEGIES)}")
    text = os.environ.get(CLUSTER, "")
    try:
        content = json.loads(text)
        workers, task = content["cluster"]["worker"], content["task"]
        sound = task["type"] == "worker" and 0 <= task["index"] < len(workers)
        if not sound or set(content["cluster"]) != {"worker"}:
            raise ValueError("the task is none of the workers")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{CLUSTER} is {text!r} ({error!r}); give each process the same workers "
            f"and its own index, as in {CLUSTER}='{_EXAMPLE}'"
        ) from None
    return tf.distribute.MultiWorkerMirroredStrategy()


@contextlib.contextmanager
def scope(name: str | None) -> Iterator[None]:
    """Runs a training under a strategy; under none if there is no name.

    Args:
      name: As of `get`.

    Raises:
      ValueError: As `get`.
      RuntimeError: If another worker has ended.
    """
    if name is None:
        yield
        return
    strategy = get(name)
    with strategy.scope():
        try:
            yield
        except (
            tf.errors.UnavailableError,
            tf.errors.AbortedError,
            tf.errors.CancelledError,
            tf.errors.DeadlineExceededError,
            tf.errors.InternalError,
        ) as error:
            if name != "multiworker":
                raise
            raise RuntimeError(
                f"another worker has ended or cannot be reached "
                f"({str(error).splitlines()[0]}): start all workers again with --resume"
            ) from error


def check_batch(batch_size: int) -> None:
    """Raises a ValueError if a batch does not divide into shares of one size."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"batch_size is {batch_size}, and there are {replicas} replicas: give a "
            f"multiple of {replicas}"
        )


def is_chief() -> bool:
    """Whether this process is the only one, or the first of several workers."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    return not (resolver and resolver.cluster_spec().jobs and resolver.task_id)


@contextlib.contextmanager
def own_folder(workdir: pathlib.Path, resume: bool) -> Iterator[pathlib.Path]:
    """Yields the folder that this process writes to: that of the run for the chief.

    It must be called before any variable is made. The chief waits for all workers when
    it makes its first variable, and so has written nothing before they have a copy.

    Args:
      workdir: Folder of the run, which all workers see.
      resume: Whether the run goes on.

    Yields:
      The workdir, or a copy of it, which is deleted at the end.
    """
    if is_chief():
        yield workdir
        return
    with tempfile.TemporaryDirectory() as folder:
        own = pathlib.Path(folder, "run")
        if resume and workdir.exists():
            shutil.copytree(workdir, own)
        yield own


def distributed(
    step: Callable[..., tf.Tensor],
) -> Callable[..., tf.Tensor]:
    """Makes the step of a batch of the step of a replica, under the strategy in scope.

    Args:
      step: Function of the tensors of the share of a replica; it returns the same on
        each.

    Returns:
      Function of the tensors of a batch, compiled.
    """
    strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return tf.function(step)
    spread = strategy.experimental_distribute_values_from_function
    run = tf.function(lambda *shares: strategy.run(step, shares))

    def of_batch(*batch: tf.Tensor) -> tf.Tensor:
        shares = [
            spread(lambda c, x=x: _share(x, c.replica_id_in_sync_group, replicas))
            for x in batch
        ]
        return strategy.experimental_local_results(run(*shares))[0]

    return of_batch


def _share(x: tf.Tensor, replica: int, replicas: int) -> tf.Tensor:
    size = len(x) // replicas
    return x[replica * size : (replica + 1) * size]


def replicas() -> int:
    """Returns how many replicas compute a step; within a replica or outside."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def seed_of_replica(seed: tf.Tensor) -> tf.Tensor:
    """Returns other seeds int64 [2] for other replicas; those of the first stay."""
    context = tf.distribute.get_replica_context()
    number = tf.cast(context.replica_id_in_sync_group, tf.int64)
    return seed + tf.stack([tf.constant(0, tf.int64), number * 2**50])


def summed(values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the sums of tensors over all replicas, within a replica."""
    if replicas() == 1 or not len(values):
        return list(values)
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(values))
