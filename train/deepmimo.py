"""Trains a codec on a DeepMIMO scenario, or on a data set generated from one.

    python train/deepmimo.py --config=deepmimo:crnet --data_dir=DIR \
        --config.scenario=O1_3p5 --config.source.rows=1,500 --workdir=runs/a

DIR holds the folder (or file) that the scenario names. Base station, rows of users,
antennas, band and subcarriers are fields of --config.source; the defaults are those of
the CSI-INR paper. A training that was stopped continues with --resume.
"""

from tfcsi.commands import flags, program, train


def add_arguments(parser):
    train.add_run(parser)
    flags.add(parser, "data_dir", help="Folder of the scenarios.")


def run(args):
    train.train_on_files(flags.config_of(args), args, "deepmimo")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()
