"""Trains a codec on fresh channels of a simulator, others in each epoch.

    python train/simulated.py --config=configs/autoencoder.py:crnet \
        --channel=tr38901_uma_nlos --workdir=runs/a [--resume]

Channels are those of `tfcsi generate`. Validation data are simulated, too. A field
`simulator` of the config gives the simulator further arguments. `tfcsi evaluate`
measures such a run on files: --scenario=quadriga_28ghz --data_dir=DIR.
"""

import launch
from absl import flags

_CHANNEL = flags.DEFINE_string(
    "channel", None, "Simulator and scenario.", required=True
)


def channel(config):
    config.data = "simulate"
    return {_CHANNEL.value: None}


if __name__ == "__main__":
    launch.run(channel)
