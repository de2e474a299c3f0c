"""Checks the exported encoders of a run on emulated 64-bit ARM (docs/arm.md).

    python tflite/check_arm.py --workdir=runs/a --machine=.arm64

Runs `tfcsi.ue`, what a phone runs, on this machine and on the ARM machine that
tflite/arm64.sh put into a folder: the same version of LiteRT, the same encoders, tables
and matrices. The packets of both are decoded here. The exit status is 1 if an encoder
of exact arithmetic gives another symbol there, or another encoder changes a larger
share of its symbols than --max_changed.
"""

import pathlib

from tfcsi.commands import flags, program

# Cortex-A53 has plain NEON, A76 dot products, "max" matrix products, SVE2 and SME too.
CPUS = ["cortex-a53", "cortex-a76", "max"]


def add_arguments(parser):
    flags.add_codec(parser)
    flags.add(parser, "folder")
    flags.add(
        parser,
        "input",
        help="File of matrices, .npy, which a codec of paths needs; those that the run "
        "keeps for calibration if not given.",
    )
    parser.add_argument(
        "--machine",
        type=flags.FOLDER,
        default=".arm64",
        metavar="DIR",
        help="Folder that tflite/arm64.sh filled.",
    )
    parser.add_argument(
        "--cpus",
        type=flags.NAMES,
        default=CPUS,
        metavar="NAME,...",
        help="Processors, as qemu-aarch64 -cpu help lists them.",
    )
    parser.add_argument(
        "--num",
        type=flags.integer(1),
        default=100,
        metavar="N",
        help="Number of matrices: the last ones of the file.",
    )
    parser.add_argument(
        "--max_changed",
        type=flags.number(),
        default=1e-2,
        metavar="SHARE",
        help="Largest share of symbols, or of packets of paths, that may differ where "
        "arithmetic is not exact.",
    )


def run(args):
    folder = flags.folder_of(args)
    machine = pathlib.Path(args.machine).resolve()
    if not (machine / "site").exists():
        raise FileNotFoundError(f"{machine} is not ready: run tflite/arm64.sh first")
    import numpy as np

    from tfcsi import files, results, transforms
    from tfcsi.codecs.workdir import CALIBRATION_FILE, load
    from tfcsi.codecs.zoo import folder_of
    from tfcsi.coding.sending import TABLES_FILE
    from tfcsi.tflite import arm

    codec = load(args.workdir)
    encoders = sorted(folder.glob("encoder_*.tflite"))
    if not encoders or not (folder / TABLES_FILE).exists():
        raise FileNotFoundError(
            f"{folder} lacks encoders or {TABLES_FILE}: run tfcsi export first"
        )
    calibration, points = folder_of(args.workdir) / CALIBRATION_FILE, []
    if args.input:
        h = files.read_csi(args.input)[-args.num :]
    elif calibration.exists():
        x = np.load(calibration)[-args.num :]
        h = transforms.to_complex(x.astype(np.float32))
    else:
        raise FileNotFoundError(f"{calibration} does not exist: give --input=FILE")
    for point in arm.compare(codec, encoders, h, machine, args.cpus):
        points.append(point)
        print(line(point, len(h)), flush=True)
    results.write(folder / "arm_check.json", points, codec.config["seed"])
    bad = [
        point["codec"]
        for point in points
        if point["symbols_changed"] > args.max_changed
        or (point["packets_changed"] and not point["inexact"])
    ]
    if bad:
        raise ValueError(f"too many symbols differ: {'; '.join(bad)}")


def line(point, num):
    return (
        f"{point['codec']} ({'inexact' if point['inexact'] else 'exact'}): "
        f"{round(point['symbols_changed'] * point['symbols'])} of {point['symbols']} "
        f"symbols and {point['packets_changed']} of {num} packets differ, "
        f"NMSE {point['nmse_db']:.2f} dB ({point['nmse_loss_db']:+.3f} dB), "
        f"{point['bits']:.1f} bits"
    )


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, run).start()
