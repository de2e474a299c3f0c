"""Says what a file of CSI is like, and which codec suits it.

    tfcsi advise --input=h.npy

It tries the codecs of the zoo that fit, and a KLT, top-K and path coding that are
fitted on a part of the file. It measures them on the rest and ends with a table and one
command. Without --max_bits or --nmse_db the target is an NMSE of -15 dB:

    tfcsi advise --input=h.npy --max_bits=100 --ue_macs=3000000

A codec that was fitted or made for the shape has to be saved before it is used; give
--workdir for it.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shlex
from typing import TYPE_CHECKING

import numpy as np

from tfcsi import results, transforms
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError

if TYPE_CHECKING:
    from tfcsi.evaluation.advice import Candidate, Target

NMSE_DB = -15.0
NUM_MATRICES = 100
WORKDIR = "advised"  # What the recommended command names if no folder was given.
_READING = ("key", "axes", "rx", "zero")
_COLUMNS = (
    *("codec", "bits", "most_bits", "nmse_db", "nmse_db_low", "sgcs", "macs"),
    *("encode_ms", "meets"),
)


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    flags.add(
        parser,
        "input",
        required=True,
        help="File of CSI matrices, as tfcsi compress takes it.",
    )
    parser.add_argument(
        "--nmse_db",
        type=flags.number(),
        metavar="DB",
        help=f"Largest NMSE in dB. It is {NMSE_DB:g} if neither this nor --max_bits is "
        f"given.",
    )
    parser.add_argument(
        "--max_bits",
        type=flags.integer(1),
        metavar="BITS",
        help="Most bits of each packet, in place of --nmse_db.",
    )
    parser.add_argument(
        "--ue_macs",
        type=flags.integer(1),
        metavar="N",
        help="Most multiply-accumulates of the phone for a matrix.",
    )
    parser.add_argument(
        "--domain",
        type=flags.choice(*transforms.DOMAINS),
        metavar="NAME",
        help="Domain of the matrices. If it is not given, their sparsity tells it.",
    )
    parser.add_argument(
        "--num_matrices",
        type=flags.integer(1),
        default=NUM_MATRICES,
        metavar="N",
        help="Most matrices on which codecs are measured; they are of the last fifth "
        "of the file.",
    )
    flags.add(
        parser,
        "workdir",
        help="New folder for the recommended codec, if it has to be saved.",
    )
    flags.add(parser, *_READING, "prepared", "progress")


def run(args: argparse.Namespace) -> None:
    """Prints what the file is like, a table of codecs and a command."""
    from tfcsi.codecs.workdir import check_free
    from tfcsi.datasets import character
    from tfcsi.evaluation import advice

    if args.nmse_db is not None and args.max_bits is not None:
        raise UsageError("--nmse_db and --max_bits were given; give one of them")
    if args.workdir:
        check_free(args.workdir)
    unset = args.nmse_db is None and args.max_bits is None
    nmse_db = NMSE_DB if unset else args.nmse_db
    target = advice.Target(nmse_db, args.max_bits, args.ue_macs)
    h, domain = _read(args)
    for line in character.in_words(character.character(h, domain)):
        print(line)
    own, tested = advice.split(h, args.num_matrices)
    wish = (
        f"an NMSE of at most {nmse_db:g} dB"
        if nmse_db is not None
        else f"at most {args.max_bits} bits a packet"
    )
    if args.ue_macs:
        wish += f" and {args.ue_macs:,} multiply-accumulates of the phone"
    print(
        f"\ntarget        {wish}\n"
        f"matrices      {len(tested)} are measured, {len(own)} others are for fits",
        flush=True,
    )
    candidates, points, refused = _tried(
        own, tested, domain, target, args.num_matrices, args.progress
    )
    for reason in refused:
        print(f"left out      {reason}")
    if not candidates:
        raise ValueError(f"no codec can send {args.input} so; give another target")
    best, point = advice.recommended(candidates, points, target)
    points.sort(key=lambda one: (one["meets"] == "no", target.cost(one)))
    print(f"\n{results.table(points, columns=_COLUMNS)}\n")
    if point["meets"] == "no":
        print("No codec meets the target. The nearest one:")
    print(f"Recommended: {best.name}, {point['bits']:.0f} bits a matrix. Run")
    print(f"\n  {_command(args, target, best)}\n")


def _read(args: argparse.Namespace) -> tuple[np.ndarray, str]:
    """The matrices and their domain; prints how they were read."""
    from tfcsi.datasets import character, inputs

    told = {name: getattr(args, name) for name in _READING}
    lines: list[str] = []
    domain = args.domain or transforms.DOMAINS[0]

    def read() -> np.ndarray:
        lines.clear()
        return inputs.read(
            args.input,
            domain,
            told=told,
            prepared=args.prepared,
            report=lines.append,
        )

    h = read()
    if not len(h) or not np.abs(h).max(axis=(1, 2)).all():
        raise ValueError(f"{args.input} holds no matrices, or one that is all zero")
    how = "as you say"
    if not args.domain:
        how = "by its sparsity; --domain says otherwise"
        likely = character.likely_domain(h)
        if likely != domain:
            domain = likely
            h = read()
    print("\n".join(f"file          {line}" for line in lines))
    print(f"domain        {domain}, {how}")
    return h, domain


def _tried(
    own: np.ndarray,
    tested: np.ndarray,
    domain: str,
    target: Target,
    most: int,
    progress: bool,
) -> tuple[list[Candidate], list[dict], list[str]]:
    """The candidates that were measured, their points, and why others were not."""
    import tqdm

    from tfcsi.codecs.paths import NUM_FFT, Paths
    from tfcsi.evaluation import advice

    shape = tested.shape[1], tested.shape[2]
    candidates = list(advice.of_the_zoo(shape, domain))
    few = advice.spaced(own if len(own) else tested, min(most, advice.SCREENED))
    points: list[dict] = []
    with tqdm.tqdm(
        total=len(candidates) + 9, desc="codecs", disable=not progress, leave=False
    ) as bar:
        kept, screened, refused = advice.best_of_each_kind(
            candidates, few, target, bar.update
        )
        kept, screened, behind = advice.without_the_far(kept, screened, target)
        refused += behind
        bar.total = bar.n + len(kept) + 2 * advice.NUM_FITS
        lengths = [c.codec.atoms.num_fft for c in kept if isinstance(c.codec, Paths)]
        num_fft = lengths[0] if lengths else max(NUM_FFT, shape[1])
        bits = target.max_bits or min((p["bits"] for p in screened), default=200.0)
        if len(own) >= advice.LEAST_FIT:
            hard = target.max_bits is not None
            for fit in advice.fitted(own, domain, num_fft, bits, hard):
                try:
                    kept.append(advice.within(fit(), few, target))
                except ValueError as error:
                    refused.append(f"a fitted codec: {error}")
                bar.update()
        else:
            refused.append(
                f"fitted codecs: they need {advice.LEAST_FIT} matrices, and there are "
                f"{len(own)}"
            )
        measured = []
        for candidate in kept:
            try:
                points.append(candidate.point(tested, target))
                measured.append(candidate)
            except ValueError as error:
                refused.append(f"{candidate.name}: {error}")
            bar.update()
    return measured, points, refused


def _command(args: argparse.Namespace, target: Target, best: Candidate) -> str:
    """The command that uses a candidate; saves it if a folder is given for it."""
    output = f"{pathlib.Path(args.input).stem}.tcsi"
    reading = [
        f"--{name}={getattr(args, name)}"
        for name in _READING
        if getattr(args, name) not in (None, 0.0)
    ]
    if args.prepared:
        reading.append("--prepared")
    words = ["tfcsi", "compress", f"--input={args.input}", f"--output={output}"]
    words += reading
    words += [f"--{k}={v:g}" for k, v in target.wishes(best.codec).items()]
    if best.effort not in ("", "default"):
        words.append(f"--effort={best.effort}")
    if best.scale:
        words.append("--scale")
    if best.loads:
        return shlex.join([*words, f"--codec={best.loads}"])
    folder = args.workdir or WORKDIR
    while not args.workdir and os.path.exists(folder):
        folder += "_new"
    command = shlex.join([*words, f"--workdir={folder}"])
    if args.workdir:
        best.codec.save(folder)
        return command
    again = ["tfcsi", "advise", f"--input={args.input}", *reading]
    for name in ("nmse_db", "max_bits", "ue_macs", "domain"):
        if getattr(args, name) is not None:
            again.append(f"--{name}={getattr(args, name)}")
    if args.num_matrices != NUM_MATRICES:
        again.append(f"--num_matrices={args.num_matrices}")
    return f"{shlex.join([*again, f'--workdir={folder}'])} && \\\n  {command}"
