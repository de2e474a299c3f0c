"""Trains one codec on several sources together, each matrix scaled to the same peak.

    python train/mixed.py --config=autoencoder:crnet --data_root=DIR \
        --sources=cost2100_indoor,quadriga_28ghz --workdir=runs/a

DIR holds the folders cost2100/, quadriga/, raytraced/ and deepmimo/. `tfcsi evaluate`
measures such a run on one source: --scenario=quadriga_28ghz --data_dir=DIR/quadriga. A
training that was stopped continues with --resume.
"""

from tfcsi.commands import flags, program, train


def add_arguments(parser):
    train.add_run(parser)
    train.add_sources(parser, required=True)


def run(args):
    train.train_on_sources(flags.config_of(args), args)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()
