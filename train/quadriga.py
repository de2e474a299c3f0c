"""Trains a codec on channels that were made with QuaDRiGa.

    python train/quadriga.py --config=autoencoder:crnet --data_dir=DIR \
        --config.scenario=28ghz --workdir=runs/a

The scenario is 28ghz, 5p3ghz or 300mhz, or the name of a .mat file of the folder. The
fields --config.source of configs/quadriga.py tell how that file is read (variable,
domain, band). A training that was stopped continues with --resume.
"""

from tfcsi.commands import flags, program, train


def add_arguments(parser):
    train.add_run(parser)
    flags.add(parser, "data_dir", help="Folder of the .mat files.")


def run(args):
    train.train_on_files(flags.config_of(args), args, "quadriga")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()
