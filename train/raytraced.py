"""Trains a codec on ray-traced streets in the form of a DeepMIMO data set.

    python train/raytraced.py --config=csi_inr --data_dir=DIR \
        --config.scenario=street_canyon --workdir=runs/a

The scenario is munich or street_canyon. Domain and timing are fields of the config. A
training that was stopped continues with --resume.
"""

from tfcsi.commands import flags, program, train


def add_arguments(parser):
    train.add_run(parser)
    flags.add(parser, "data_dir", help="Folder of the .npz files.")


def run(args):
    train.train_on_files(flags.config_of(args), args, "raytraced")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()
