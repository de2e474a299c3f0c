"""Simulated COST 2100 matrices against the reference implementation and its files.

    python benchmarks/channel_statistics.py --scenario=indoor --data_dir=DIR \
        --output=results/channel_statistics.json

DIR holds matrices of the reference in the published form. Two things are compared: the
statistics of `tfcsi.datasets.statistics`, and how well a small CNN tells simulated from
reference matrices, both rounded as in the files. As a control, a second CNN compares
the reference with users in the square that the papers describe (+-10 m indoor, +-200 m
outdoor); it shows what such a test can detect. New values replace those that the
results file holds.
"""

import os
import pathlib
import time

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf

from tfcsi import results
from tfcsi.channels import cost2100 as simulator
from tfcsi.commands import flags, program
from tfcsi.datasets import cost2100
from tfcsi.datasets.statistics import statistics

PARTS = ["statistics", "classifier", "control"]
SEED = 2100
LEVELS = 1 << 13  # of the files, between 0 and 1
ROWS = 257  # all delay taps
# Runs of the reference implementation with the same users; energy_kept is of 1024 rows.
REFERENCE = {
    "indoor": {
        "energy_kept mean": 0.964,
        "energy_kept 5 %": 0.909,
        "peak_ratio": 0.324,
        "entries 0.9": 19,
        "entries 0.99": 104,
        "klt 0.9": 158,
        "klt 0.99": 380,
        "klt 0.999": 528,
        "pca_nmse_db 512": -28.5,
        "pca_nmse_db 128": -8.8,
        "pca_nmse_db 64": -4.7,
        "pca_nmse_db 32": -2.5,
        "energy_db_mean": -51.6,
        "energy_db_std": 4.6,
    },
    "outdoor": {
        "energy_kept mean": 0.951,
        "energy_kept 5 %": 0.871,
        "peak_ratio": 0.338,
        "entries 0.9": 30,
        "entries 0.99": 189,
        "klt 0.9": 895,
        "klt 0.99": 1635,
        "klt 0.999": 1861,
        "pca_nmse_db 512": -5.8,
        "pca_nmse_db 128": -1.8,
        "pca_nmse_db 64": -1.2,
        "pca_nmse_db 32": -0.8,
        "energy_db_mean": -49.2,
        "energy_db_std": 3.6,
    },
}
CONTROL = {"indoor": "indoor_hall_5ghz", "outdoor": "semi_urban_300mhz_los"}
_OF_SCALE = ("energy_db_mean", "energy_db_std")  # not of files scaled to their peaks
_LEAST_SHARE = 0.01  # of the energy, for the dB of a profile to be compared


def flat(levels: dict) -> dict:
    """Statistics as one level of names and numbers, without profiles and sizes."""
    numbers = {}
    for name, value in levels.items():
        if isinstance(value, dict):
            numbers.update({f"{name} {key}": x for key, x in value.items()})
        elif isinstance(value, float):
            numbers[name] = value
    return numbers


def rows(simulated: dict, other: dict, of: str) -> list[dict]:
    """Compares the numbers of both sets; 3 % or 0.3 dB of difference is allowed."""
    compared_rows = []
    for name in simulated:
        if name in other and not (of == "files" and name in _OF_SCALE):
            difference = simulated[name] - other[name]
            unit = "dB" if "_db" in name else "%"
            if unit == "%":
                difference *= 100 / other[name]
            row = {"name": name, "simulated": simulated[name], of: other[name]}
            row.update(difference=difference, unit=unit)
            row["within"] = abs(difference) <= (0.3 if unit == "dB" else 3)
            compared_rows.append(row)
    return compared_rows


def profiles(simulated: dict, other: dict) -> list[dict]:
    """Compares profiles: share of moved energy (at most 3 %), largest dB of a bin."""
    differences = []
    for name in ("delay_profile", "angle_profile"):
        p, q = np.array(simulated[name]), np.array(other[name])
        share = 50 * np.abs(p - q).sum()
        db = 10 * np.log10(p / q)[q >= _LEAST_SHARE]
        largest = float(db[np.abs(db).argmax()])
        differences.append({"name": name, "simulated": p.tolist(), "files": q.tolist()})
        differences[-1].update(moved_percent=share, largest_db=largest)
        differences[-1]["within"] = bool(share <= 3)
    return differences


def features(h: np.ndarray) -> np.ndarray:
    """Re, im and log|h|, [n, 32, 32, 3], of matrices rounded as in the files."""
    x = h.view(np.float32).reshape(*h.shape, 2)
    x = np.round(x * LEVELS) / LEVELS
    power = np.maximum((x**2).sum(axis=-1, keepdims=True), (0.5 / LEVELS) ** 2)
    x = np.concatenate([4 * x, (np.log10(power) + 4) / 2], axis=-1)
    return x.astype(np.float32)


def classifier() -> tf.keras.Model:
    layers = tf.keras.layers
    x = inputs = tf.keras.Input((32, 32, 3))
    for width, size in ((16, 5), (32, 3), (64, 3)):
        x = layers.Conv2D(width, size, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(64, "relu")(x)
    return tf.keras.Model(inputs, layers.Dense(1)(x))


def told_apart(files: tuple, simulated: tuple, epochs: int) -> dict:
    """Trains a CNN to tell files from simulated matrices; returns its accuracy."""
    tf.keras.utils.set_random_seed(SEED)
    (x, y), (x_test, y_test) = (
        (
            np.concatenate([features(a), features(b)]),
            np.concatenate([np.ones(len(a)), np.zeros(len(b))]).astype(np.float32),
        )
        for a, b in zip(files, simulated)
    )
    model = classifier()
    steps = epochs * -(-len(x) // 200)
    rate = tf.keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(
        tf.keras.optimizers.Adam(rate),
        tf.keras.losses.BinaryCrossentropy(from_logits=True),
        tf.keras.metrics.BinaryAccuracy(threshold=0.0),
    )
    model.fit(x, y, 200, epochs, verbose=0)
    right = model.evaluate(x_test, y_test, 1000, verbose=0)[1]
    seen = model.evaluate(x, y, 1000, verbose=0)[1]
    return {
        "right": right,
        "error": float(np.sqrt(right * (1 - right) / len(y_test))),
        "right_in_training": seen,
        "num_train": len(y),
        "num_test": len(y_test),
        "epochs": epochs,
    }


def throughput(scenario: str) -> dict:
    num = 16 * simulator.BLOCK
    began, began_cpu = time.time(), time.process_time()
    simulator.simulate(num, SEED, scenario)
    cpu, wall = time.process_time() - began_cpu, time.time() - began
    return {"per_cpu_second": num / cpu, "per_second_beside_others": num / wall}


def compared(scenario: str, data_dir: str, num: int) -> dict:
    """Statistics of simulated matrices beside those of the reference and its files."""
    speed = throughput(scenario)
    print(speed, flush=True)
    h = simulator.simulate(num, SEED, scenario, scaled=False)
    of_all = flat(statistics(h, "angular_delay"))
    all_taps = simulator.simulate(num // 10, SEED, scenario, num_delay=ROWS)
    kept = statistics(all_taps, "angular_delay")["energy_kept"]
    of_all.update(flat({"energy_kept": kept}))
    del all_taps
    # As many as the files have: counts of KLT coefficients grow with the number.
    h_files = load(scenario, data_dir)[0]
    simulated = statistics(h[: len(h_files)], "angular_delay")
    files = statistics(h_files, "angular_delay")
    point = {
        "num_matrices": num,
        "throughput": speed,
        "against_reference": rows(of_all, REFERENCE[scenario], "reference"),
        "against_files": rows(flat(simulated), flat(files), "files"),
        "profiles": profiles(simulated, files),
    }
    halves = [h_files[: len(h_files) // 2], h_files[len(h_files) // 2 :]]
    for row, own in zip(
        point["profiles"],
        profiles(*(statistics(half, "angular_delay") for half in halves)),
    ):
        row["between_halves_of_files_db"] = own["largest_db"]
    for row in point["against_reference"] + point["against_files"]:
        print({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()})
    for row in point["profiles"]:
        print({k: v for k, v in row.items() if not isinstance(v, list)}, flush=True)
    return point


def classified(scenario: str, data_dir: str, part: str, epochs: int) -> dict:
    """Measures how well a CNN tells files from simulated matrices, or a control."""
    source = {"classifier": scenario, "control": CONTROL[scenario]}[part]
    files = load(scenario, data_dir)
    h = simulator.simulate(sum(map(len, files)), SEED + 1, source)
    shares = told_apart(files, np.split(h, [len(files[0])]), epochs)
    print(part, shares, flush=True)
    return {part: {"simulated": source, **shares}}


def load(scenario: str, data_dir: str) -> tuple[np.ndarray, np.ndarray]:
    """Training matrices of the files; validation and test matrices."""
    train, *others = (
        np.array(cost2100.load(data_dir, scenario, split, "angular_delay"))
        for split in cost2100.SPLITS
    )
    return train, np.concatenate(others)


def add_arguments(parser):
    parser.add_argument(
        "--scenario",
        type=flags.choice(*cost2100.SCENARIOS),
        required=True,
        metavar="NAME",
        help="Scenario that is compared.",
    )
    flags.add(
        parser, "data_dir", required=True, help="Folder of the DATA_H*.mat files."
    )
    parser.add_argument(
        "--parts",
        type=flags.choices(*PARTS),
        default=PARTS,
        metavar="NAME,...",
        help="Parts that are measured.",
    )
    flags.add_results(parser)
    parser.add_argument(
        "--num",
        type=flags.integer(10),
        default=20000,
        metavar="N",
        help="Number of matrices simulated for the statistics.",
    )
    parser.add_argument(
        "--epochs",
        type=flags.integer(1),
        default=8,
        metavar="N",
        help="Number of epochs of the CNNs.",
    )


def main(args):
    dataset, output = f"cost2100_{args.scenario}", pathlib.Path(args.output)
    for part in args.parts:
        if part == "statistics":
            measured = compared(args.scenario, args.data_dir, args.num)
        else:
            measured = classified(args.scenario, args.data_dir, part, args.epochs)
        points = results.read(output)["points"] if output.exists() else []
        by_name = {p["dataset"]: p for p in points}
        by_name[dataset] = {**by_name.get(dataset, {"dataset": dataset}), **measured}
        results.write(output, [by_name[name] for name in sorted(by_name)], SEED)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
