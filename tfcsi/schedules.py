"""How long papers trained their networks, and with which learning rates.

ACRNet, BCsiNet and the baselines of STQENet's paper have released no schedule: theirs
is that of the authors' other network, or that of STNet.
"""

from __future__ import annotations

import dataclasses

NUM_TRAIN = 100_000  # Training matrices of the papers that use COST 2100.


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A training of a paper.

    Attributes:
      epochs: Of all training matrices.
      learning_rate: The largest one.
      warmup_epochs: Epochs in which the learning rate rises.
      final_rate: The last learning rate, relative to the largest.
      released: Whether the paper or its code tells the schedule.
    """

    epochs: int = 1000
    learning_rate: float = 1e-3
    warmup_epochs: float = 0.0
    final_rate: float = 1.0
    released: bool = True


USUAL = Schedule()
COSINE = Schedule(2500, 2e-3, 30.0, 0.025)
OF_THE_AUTHORS = dataclasses.replace(COSINE, released=False)
SCHEDULES = {
    "acrnet": OF_THE_AUTHORS,
    "bcsinet": OF_THE_AUTHORS,
    "clnet": dataclasses.replace(COSINE, epochs=1000),
    "cllwcsinet": Schedule(500),
    "crnet": COSINE,
    "csinet": USUAL,
    "dcrnet": COSINE,
    "stnet": USUAL,
    "stqenet": USUAL,
    "transnet": Schedule(400, 1e-4),
}


def share(model: str, epochs: float, num_train: int) -> float | None:
    """Returns how much of the training of a paper a training is.

    Args:
      model: Name of the network.
      epochs: Epochs of the training, and of those before it.
      num_train: Its training matrices.

    Returns:
      The matrices that it saw, each as often as it did, relative to those that the
      network of the paper saw. None if the paper does not tell.
    """
    schedule = SCHEDULES.get(model)
    if schedule is None or not schedule.released:
        return None
    return epochs * num_train / (schedule.epochs * NUM_TRAIN)
