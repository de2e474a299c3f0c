"""The command of a phone: a file of CSI to a file of packets."""

from __future__ import annotations

import argparse
import pathlib
import sys
import warnings
from collections.abc import Sequence

from tfcsi import files, transforms
from tfcsi.coding.packet_file import write_file
from tfcsi.coding.path_sending import CODEC
from tfcsi.coding.pursuit import EFFORTS
from tfcsi.coding.sending import tables_of
from tfcsi.coding.token_sending import CODEC as LEARNED
from tfcsi.coding.wishes import MissedTarget, NoiseAlone
from tfcsi.ue.encoders import PathUe, TokenUe, Ue

_EXAMPLE = """example:
  python -m tfcsi.ue --encoder=encoder_int8.tflite --tables=tables.npz \\
      --input=h.npy --output=h.tcsi"""


def main(argv: Sequence[str] | None = None) -> int:
    """Turns a file of CSI into a file of packets; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tfcsi.ue",
        description="Turns a file of CSI into a file of packets.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, text in (
        ("tables", "The file tables.npz of a run."),
        ("input", "A .npy file, complex [n, num_tx, num_delay] or one matrix."),
        ("output", "File of packets to write; tfcsi decompress reads it."),
    ):
        parser.add_argument(f"--{name}", required=True, metavar="FILE", help=text)
    parser.add_argument(
        "--encoder",
        metavar="FILE",
        help="TFLite encoder of the same run, the file encoder_PRECISION.tflite. The "
        "codec paths can do without it.",
    )
    parser.add_argument(
        "--scale",
        action="store_true",
        help="Scale each matrix to max|h| = 0.5 first, as networks need it. This loses "
        "its power.",
    )
    several = "For codecs that have several."
    for name, text in (
        ("step", f"Step of the quantiser, as of tfcsi compress. {several}"),
        ("nmse_db", "Largest NMSE of a matrix in dB. For the codec paths."),
        ("max_bits", "Most bits of a packet. For codecs of several rates."),
    ):
        parser.add_argument(f"--{name}", type=float, metavar="NUMBER", help=text)
    searches = "How much the codec paths searches; default if not given."
    parser.add_argument("--effort", choices=[*EFFORTS], help=searches)
    args = parser.parse_args(argv)
    names = ("step", "nmse_db", "max_bits", "effort")
    wishes = {name: getattr(args, name) for name in names}
    limits = {name: wish for name, wish in wishes.items() if wish is not None}
    try:
        kept = [path for path in (args.encoder, args.tables, args.input) if path]
        files.check_output(args.output, files.PACKETS, kept)
        with tables_of(pathlib.Path(args.tables)) as arrays:
            codec = str(arrays["codec"])
            grid = str(arrays.get("quantizer"))
        dial = codec == LEARNED or grid == "uniform_rates"
        granted = names if codec == CODEC else ("step", "max_bits") if dial else ()
        if idle := sorted(limits.keys() - set(granted)):
            raise ValueError(f"--{idle[0]} is not for the codec {codec} on a phone")
        ue: Ue | PathUe | TokenUe
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            if codec == CODEC or not args.encoder:
                ue = PathUe(args.tables, args.encoder, **limits)
            elif codec == LEARNED:
                ue = TokenUe(args.tables, args.encoder, **limits)
            else:
                ue = Ue(args.encoder, args.tables, **limits)
        for doubt in doubts:
            print(f"{parser.prog}: warning: {doubt.message}", file=sys.stderr)
        h = files.read_csi(args.input)
        if args.scale:
            h = transforms.to_peak(h)[0]
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            sent = [ue.encode(matrix) for matrix in h]
        told = [doubt.message for doubt in doubts]
        for kind in (MissedTarget, NoiseAlone):
            if (one := kind.together(told, len(h))) is not None:
                print(f"{parser.prog}: warning: {one}", file=sys.stderr)
        num_bytes = write_file(args.output, ue.session, sent)
    except (OSError, ValueError, ImportError, MemoryError) as error:
        short = "not enough memory" if isinstance(error, MemoryError) else error
        print(f"{parser.prog}: error: {short}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: stopped", file=sys.stderr)
        return 130
    every, share = (8 * n / max(len(sent), 1) for n in (sum(map(len, sent)), num_bytes))
    print(
        f"{args.output}: {len(sent)} packets, {every:.1f} bits each on average, "
        f"{share:.1f} with their share of the file"
    )
    return 0
