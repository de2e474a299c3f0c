"""Speed and size of path coding beside STQENet and the KLT, in one run.

    python benchmarks/codec_speed.py --output=results/codec_speed.json

All codecs send the same simulated indoor matrices. Times are processor times of one
thread: in one batch, and a matrix or packet alone. Multiply-accumulates are those of
the encoder. STQENet has its KLT start and is not trained: weights do not change its
speed.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ[name] = "1"  # Before NumPy and TensorFlow are loaded.
os.environ["TF_NUM_INTEROP_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tfcsi

tfcsi.need_full()

from tfcsi import models, results
from tfcsi.channels import cost2100
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.neural import Codec
from tfcsi.coding import pursuit
from tfcsi.coding.tables import Tables
from tfcsi.commands import flags, program
from tfcsi.evaluation import measure
from tfcsi.models import complexity
from tfcsi.tflite import convert
from tfcsi.training import config as configs

STEP = 2.0**-4.75  # About -20 dB indoor.
BITS = 263  # Of the KLT: those of STQENet at its coarsest in docs/results.md.
_TRAIN, _ALONE, _ROUNDS = 2000, 100, 3
_SEED = 21
EFFORTS = ("default", "light")


def add_arguments(parser) -> None:
    flags.add_results(parser)
    parser.add_argument(
        "--num",
        type=flags.integer(1),
        default=500,
        metavar="N",
        help="Number of matrices that are sent.",
    )


def milliseconds(work, num: int) -> float:
    """The least processor time of some rounds [ms], for each of `num` items."""
    times = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1e3 * min(times) / num


def alone(work, items) -> float:
    """The median processor time of one item at a time [ms]."""
    work(items[:1])  # The first call may trace a graph.
    times = []
    for i in range(min(_ALONE, len(items))):
        began = time.process_time()
        work(items[i : i + 1])
        times.append(time.process_time() - began)
    return 1e3 * float(np.median(times))


def measured(codec, h: np.ndarray, **wishes) -> dict:
    """Times, bits and NMSE of a codec."""

    def compress(part):
        return codec.compress(part, **wishes)

    packets = compress(h)
    point = measure.measure(h, codec.decompress(packets), packets, codec.domain)
    point["encode_ms"] = milliseconds(lambda: compress(h), len(h))
    point["encode_ms_alone"] = alone(compress, h)
    point["decode_ms"] = milliseconds(lambda: codec.decompress(packets), len(h))
    point["decode_ms_alone"] = alone(codec.decompress, packets)
    return point


def path_points(h: np.ndarray, folder: pathlib.Path) -> list[dict]:
    """The points of path coding, one an effort."""
    codec = tfcsi.load("paths_cost2100_indoor").at_step(STEP)
    codec.save_ue(folder / "paths.npz")
    points = []
    for effort in EFFORTS:
        *_, lists = codec.receive_lists(codec.compress(h, effort=effort))
        mean = float(lists.count.mean())
        counts = np.unique(lists.count, return_counts=True)
        macs = [
            pursuit.macs(codec.atoms, pursuit.EFFORTS[effort], n) for n in counts[0]
        ]
        point = {"codec": f"paths, {effort}", "num_paths": mean}
        point["macs"] = round(float(np.average(macs, weights=counts[1])))
        point |= {"ue_params": 0, "ue_bytes": (folder / "paths.npz").stat().st_size}
        points.append({**point, **measured(codec, h, effort=effort)})
    return points


def klt_point(h_train: np.ndarray, h: np.ndarray, folder: pathlib.Path) -> dict:
    """The point of the KLT."""
    codec = Klt.at_bits(h_train, BITS)
    codec.save(folder / "klt")
    size = (folder / "klt" / "codec.npz").stat().st_size
    point = {"codec": "klt", "macs": 4 * codec.basis.size}  # Four a complex product.
    point |= {"ue_params": 2 * codec.basis.size, "ue_bytes": size}
    return {**point, **measured(codec, h)}


def network_point(h_train: np.ndarray, h: np.ndarray, folder: pathlib.Path) -> dict:
    """The point of STQENet, not trained."""
    config = configs.read("stqenet_indoor")
    codec = Codec(config)
    models.get(config.model).initialize_klt(codec.encoder, codec.decoder, h_train)
    codec.quantizer.initialize(codec.codewords(h_train)[0], config.lmbda)
    codec.use(Tables.from_counts(codec.symbols(h_train)[0]))
    content = convert.export(codec, "float32", None)
    codec.save_ue(folder / "stqenet.npz", **{"encoder.tflite": content})
    size = len(content) + (folder / "stqenet.npz").stat().st_size
    point = {"codec": "stqenet, not trained", "ue_bytes": size}
    point["macs"] = complexity.count(codec.encoder)["macs"]
    point["ue_params"] = codec.describe()["ue_params"]
    return {**point, **measured(codec, h)}


def main(args) -> None:
    """Prints the table and writes the results file."""
    results.check_output(args.output)
    h = cost2100.simulate(_TRAIN + args.num, _SEED, "indoor")
    h_train, h = h[:_TRAIN], h[_TRAIN:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        points = path_points(h, folder)
        points += [klt_point(h_train, h, folder), network_point(h_train, h, folder)]
    source = {"dataset": "simulated cost2100_indoor", "split": "test"}
    points = [{**point, **source} for point in points]
    columns = ("macs", "ue_params", "ue_bytes", "bits", "nmse_db")
    times = [f"{a}_ms{b}" for a in ("encode", "decode") for b in ("", "_alone")]
    print(f"| codec | {' | '.join((*columns, *times))} |")
    print("|---" * (1 + len(columns) + len(times)) + "|")
    for point in points:
        cells = [f"{point[key]:.4g}" for key in ("nmse_db", *times)]
        cells = [f"{point[key]:,.0f}" for key in columns[:-1]] + cells
        print(f"| {point['codec']} | {' | '.join(cells)} |")
    results.write(args.output, points, _SEED)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
