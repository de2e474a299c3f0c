"""Trains a codec on COST 2100 data in the published file format.

    python train/cost2100.py --config=stqenet_indoor --data_dir=DIR --workdir=runs/a

With --config.data=simulate each epoch trains on `num_train` fresh matrices, which are
simulated during the epoch before. The validation matrices come from --data_dir; without
it they are simulated too. A field `simulator` of the config gives the simulator further
arguments. A training that was stopped continues with --resume.
"""

from tfcsi.commands import flags, program, train


def add_arguments(parser):
    train.add_run(parser)
    flags.add(parser, "data_dir", help="Folder of the DATA_H*.mat files.")


def run(args):
    train.train_on_files(flags.config_of(args), args, "cost2100")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()
