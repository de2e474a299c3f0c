"""Sizes and NMSE of trained networks in 8 bits, with and without all of their layers.

    python benchmarks/all_layers.py --workdirs=zoo/cllwcsinet-indoor-cr8 \
        --data_dir=DIR --output=results/all_layers.json

TFLite's "dynamic" leaves small layers in float. "all layers" rounds the kernel and the
input of every layer. Both ends are quantised.
"""

from __future__ import annotations

import pathlib

import tfcsi
from tfcsi import datasets, results
from tfcsi.commands import flags, program
from tfcsi.papers import matrices, measures


def add_arguments(parser):
    flags.add(parser, "data_dir", required=True, help="Folder of the data set.")
    parser.add_argument(
        "--workdirs",
        type=flags.FOLDERS,
        required=True,
        metavar="DIR,...",
        help="Folders of runs of networks.",
    )
    parser.add_argument(
        "--num_test",
        type=flags.integer(2),
        metavar="N",
        help="Number of test matrices; all if not given.",
    )
    flags.add_results(parser)


def main(args):
    results.check_output(args.output)
    points = []
    for workdir in args.workdirs:
        codec, folder = tfcsi.load(workdir), pathlib.Path(workdir)
        config = codec.config
        source = f"{datasets.dataset_of(config)}_{config['scenario']}"
        where = ("", config, args.data_dir)
        h = matrices.read(source, *where, "test", args.num_test)
        splits = matrices.Splits(h, h, h)  # Nothing is learned here.
        run = measures.Run(codec, folder, splits, h)
        for point in measures.measure(run, "dynamic"):
            name = f"{folder.name}, {point['precision']}"
            facts = {"dataset": source, "split": "test"}
            points.append({**codec.describe(), **facts, **point, "codec": name})
        results.write(args.output, points, 1)
    print(results.table(points, columns=("codec", "nmse_db", "ue_bytes", "bytes")))


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
