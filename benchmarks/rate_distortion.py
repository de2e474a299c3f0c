"""Rate and distortion of trained runs and of training-free codecs on a whole test set.

    python benchmarks/rate_distortion.py --workdirs=runs/a,runs/b --data_dir=DIR \
        --output=results/NAME.json

Each run compresses the test set in one process, and another process decompresses the
file. The KLT is learned on the training set; k and bits of top-K are chosen on the
validation set. Both get a tenth more bits than the run spends on the validation set.
"""

import os
import pathlib
import sys

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

from absl import app, flags

from tfcsi import metrics, results
from tfcsi.codecs.klt import Klt
from tfcsi.codecs.topk import TopK
from tfcsi.commands import demo
from tfcsi.datasets import cost2100
from tfcsi.evaluation import baselines, measure, plots
from tfcsi.tflite import compare

_WORKDIRS = flags.DEFINE_list("workdirs", None, "Folders of runs.", required=True)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of the DATA_H*.mat files.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Results file.", required=True)
_MARGIN = flags.DEFINE_float(
    "margin", 1.1, "Bits of the training-free codecs, relative to those of the run."
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    points, integer, seeds = [], [], set()
    for workdir in map(pathlib.Path, _WORKDIRS.value):
        codec = tfcsi.load(workdir)
        scenario = codec.config.scenario
        h_train, h_val, h_test = (
            cost2100.load(_DATA_DIR.value, scenario, split, codec.domain)
            for split in cost2100.SPLITS
        )
        packets, h_hat = demo.send(codec, workdir, h_test)
        symbols, _ = codec.symbols(h_test)
        compared = [
            {
                **codec.describe(),
                **measure.measure(h_test, h_hat, packets, codec.domain),
                "bits_estimated": float(codec.bits_estimated(symbols).mean()),
            }
        ]
        bits = _MARGIN.value * metrics.bits_per_csi(codec.compress(h_val))
        for other in (
            Klt.at_bits(h_train, bits),
            TopK.at_bits(h_val, bits, baselines.TOPK_MU),
        ):
            compared.append({"codec": other.name, **measure.evaluate(other, h_test)})
        converted = compare.compare(codec, demo.export(codec, workdir), h_test)
        for point in [*compared, *converted]:
            point.update(dataset=f"cost2100_{scenario}", split="test")
        points += compared
        integer += converted
        seeds.add(codec.config.seed)
        print(results.table([*compared, *converted]), flush=True)
    path = pathlib.Path(_OUTPUT.value)
    seed = seeds.pop() if len(seeds) == 1 else sorted(seeds)
    results.write(path, points, seed)
    results.write(path.with_name(f"{path.stem}_tflite.json"), integer, seed)
    plots.save(plots.rate_distortion(points), path.with_suffix(".png"))


if __name__ == "__main__":
    try:
        app.run(main)
    except (OSError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
