"""Trains a codec on fresh channels of a simulator, others in each epoch.

    python train/simulated.py --config=autoencoder:crnet --channel=tr38901_uma_nlos \
        --workdir=runs/a

The channels are those of `tfcsi generate`; the validation matrices are simulated too. A
field `simulator` of the config gives the simulator further arguments. `tfcsi evaluate`
measures such a run on files: --scenario=quadriga_28ghz --data_dir=DIR. A training that
was stopped continues with --resume.
"""

from tfcsi.commands import flags, program, train


def add_arguments(parser):
    train.add_run(parser)
    flags.add(parser, "channel", required=True)


def run(args):
    train.train_on_channel(flags.config_of(args), args)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()
