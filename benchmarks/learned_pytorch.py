"""Trains the weights of the codec `learned` in PyTorch, on one GPU.

    python benchmarks/learned_pytorch.py --data=data.npz --output=weights \
        --sets=out:230,in:180,28:105

A set begins with the weights of the set before it. The data file has `train_SET` and
`val_SET`, int8 [n, 2, num_tx, num_delay]: sign(x) sqrt(|x|) of real and imaginary parts
relative to the peak, times 127. The zero angle must lie where `tfcsi.datasets.load` has
it, in the middle: decoder and contexts know the angles. The program writes `SET.npz`,
float16 and integers, and `SET.json`, bits and NMSE over time. It needs PyTorch.
"""

from __future__ import annotations

from tfcsi.commands import flags, program


def add_arguments(parser) -> None:
    parser.add_argument(
        "--data",
        type=flags.FILE,
        required=True,
        metavar="FILE",
        help="Data file with the matrices of each set (.npz).",
    )
    flags.add(
        parser,
        "output",
        type=flags.FOLDER,
        required=True,
        metavar="DIR",
        help="Folder of the weights; it must exist.",
    )
    parser.add_argument(
        "--sets",
        required=True,
        metavar="SET:SECONDS,...",
        help="Sets of the data file, in turn, and their seconds of training.",
    )
    parser.add_argument(
        "--batch_size",
        type=flags.integer(1),
        default=256,
        metavar="N",
        help="Number of matrices in a step.",
    )


def main(args) -> None:
    """Trains each set."""
    from learned_pytorch_training import train_sets

    train_sets(args.data, args.output, args.sets.split(","), args.batch_size)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
