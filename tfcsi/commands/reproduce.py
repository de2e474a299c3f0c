"""Measures codecs at several rates, or repeats a figure of a paper.

    tfcsi reproduce rate-distortion --dataset=raytraced_munich --data_root=DIR \
        --output=results/rd_raytraced_munich.json

    tfcsi reproduce noise --dataset=cost2100_indoor --data_root=DIR

    tfcsi reproduce cllwcsinet-table3 --budget=quick --data_dir=DIR

The second one measures codecs on CSI that the UE measured with noise. Codecs without a
network are fitted on the way. Trained runs are added by --workdirs, and lines of
networks that were measured before by --results. The results file is written after each
point. If the file of the first study is there already, its points are kept. Only the
missing ones are measured, and those of a fitted codec that has changed.

The next one trains and measures what a table or a figure of a paper shows, and writes
its values beside ours, a picture and a verdict on each claim. Finished trainings are
used again, and stopped ones go on. STUDY is the name of the table or figure, or papers
for all of them. Without --data_dir the channels are simulated.

The study comparing measures how much published numbers gain by what they leave out.
If its results file is there already, only the missing effects are measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib

from tfcsi import files, results
from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError
from tfcsi.commands.publish import check_output, publish
from tfcsi.papers import experiment

STUDIES = ("rate-distortion", "noise", "comparing")
PAPERS = "papers"  # All tables and figures of papers.
NOISE_COLUMNS = ("codec", "snr_db", "nmse_db", "bits")
EFFECT_COLUMNS = (
    *("effect", "dataset", "codec", "bits"),
    *("nmse_db", "nmse_other_db", "difference_db"),
)
COLUMNS = ("codec", "bits", "nmse_db", "bd_rate", "encode_ms", "decode_ms")


def add_arguments(parser: Parser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "study",
        type=flags.choice(*STUDIES, PAPERS, *experiment.names()),
        metavar="STUDY",
        help="What to reproduce: rate-distortion; noise on the CSI; comparing, what "
        "published numbers leave out; a table or a figure of a paper by its name; "
        "papers for all of those.",
    )
    parser.add_argument(
        "--dataset",
        type=flags.TEXT,
        metavar="NAME",
        help="Source to measure on, such as cost2100_indoor; for rate-distortion and "
        "noise, which need it.",
    )
    flags.add(
        parser,
        "data_root",
        help="Folder of the folders cost2100/, quadriga/, raytraced/ and deepmimo/; "
        "for rate-distortion, noise and comparing, which need it.",
    )
    flags.add(
        parser,
        "data_dir",
        help="Folder of the files of the data set, or of the folders cost2100/, "
        "quadriga/ and raytraced/; for tables and figures of papers.",
    )
    parser.add_argument(
        "--budget",
        type=flags.choice(*experiment.BUDGETS),
        metavar="NAME",
        help="How much of a table or figure is done: quick (about two minutes, shows "
        "that all works), full (about an hour on two cores; its page tells) or long "
        "(half a day); quick if not given.",
    )
    flags.add(
        parser,
        "workdir",
        help="Folder of the trainings of tables and figures, runs/reproduce if not "
        "given; or of comparing, runs/comparing.",
    )
    parser.add_argument(
        "--page",
        type=flags.FILE,
        metavar="FILE",
        help="Markdown page with the lines <!-- experiments --> and <!-- end -->. The "
        "table between them is made anew from the results files of all tables and "
        "figures.",
    )
    parser.add_argument(
        "--codecs",
        type=flags.NAMES,
        metavar="NAME,...",
        help="Codecs without a network, such as klt,paths; all if not given.",
    )
    parser.add_argument(
        "--workdirs",
        type=flags.FOLDERS,
        action="extend",
        default=[],
        metavar="DIR,...",
        help="Folders of runs that were trained on this source; give the flag once for "
        "each if names have commas.",
    )
    parser.add_argument(
        "--results",
        type=flags.FILES,
        default=[],
        metavar="FILE,...",
        help="Results files of trained networks. A network becomes a line if it was "
        "measured on the whole test set of this source.",
    )
    parser.add_argument(
        "--networks",
        type=flags.NAMES,
        default=[],
        metavar="NAME,...",
        help="Networks that are taken from --results; all if not given.",
    )
    parser.add_argument(
        "--bits",
        type=flags.number(0),
        metavar="BITS",
        help="Mean bits of a packet without noise, for the study noise; 250 if not "
        "given.",
    )
    flags.add(
        parser,
        "output",
        type=flags.RESULTS,
        help="Results file to write (.json), results/rd_NAME.json, "
        "results/noise_NAME.json, results/comparing.json or "
        "results/reproduce_NAME.json if not given; its picture and its page get the "
        "same name.",
    )
    flags.add(parser, "progress")
    parser.continues = True


def run(args: argparse.Namespace) -> None:
    """Writes the results file and the picture, and prints the table."""
    if args.study not in STUDIES:
        return _papers(args)
    _refuse(args, ("budget", "data_dir", "page"))
    needed = ("data_root",) if args.study == "comparing" else ("dataset", "data_root")
    for name in needed:
        if not getattr(args, name):
            raise UsageError(f"expected --{name}, for the study {args.study}")
    if args.study == "comparing":
        return _comparing(args)
    _refuse(args, ("workdir",))
    if args.study == "noise":
        return _noise(args)
    _refuse(args, ("bits",))
    from tfcsi.evaluation import bounds, other_lines, plots
    from tfcsi.evaluation import rate_distortion as work

    name = args.dataset
    path = pathlib.Path(args.output or f"results/rd_{name}.json")
    check_output(path)
    there = results.read(path)["points"] if path.exists() else []
    csi = work.read(name, args.data_root)
    codecs = args.codecs or work.available(csi)
    lines = [point for point in there if "results" in point]
    if args.results:
        lines = other_lines.read(args.results, name, len(csi.test), args.networks)
    there = [point for point in there if "results" not in point]
    for points in work.measure_all(
        csi, name, codecs, args.workdirs, there, args.progress
    ):
        points = work.with_bd_rates([*points, *lines])
        results.write(path, points, 0)
    print(results.table(points, columns=COLUMNS))
    picture = plots.rate_distortion(
        points, bounds.BOUNDS.get(name, {}), bounds.PUBLISHED.get(name, {})
    )
    plots.save(picture, path.with_suffix(".png"))
    print(f"written to {path} and {path.with_suffix('.png')}")


def _refuse(args: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Raises a UsageError if a flag of the other study was given."""
    for name in names:
        if getattr(args, name) not in (None, []):
            raise UsageError(f"--{name} changes nothing in the study {args.study}")


def _noise(args: argparse.Namespace) -> None:
    """NMSE over the SNR of the CSI that the UE measures."""
    _refuse(args, ("codecs", "results", "networks"))
    from tfcsi.evaluation import csi_noise, plots
    from tfcsi.evaluation import rate_distortion as work

    path = pathlib.Path(args.output or f"results/noise_{args.dataset}.json")
    check_output(path)
    csi = work.read(args.dataset, args.data_root)
    bits = 250.0 if args.bits is None else args.bits
    for points in csi_noise.measure(csi, bits, args.workdirs, args.progress):
        results.write(path, points, csi_noise.SEED)
    print(results.table(points, columns=NOISE_COLUMNS))
    plots.save(plots.over_snr(points), path.with_suffix(".png"))
    print(f"written to {path} and {path.with_suffix('.png')}")


def _comparing(args: argparse.Namespace) -> None:
    """What published numbers gain by what they leave out: a results file."""
    _refuse(args, ("dataset", "codecs", "workdirs", "results", "networks", "bits"))
    from tfcsi.papers import comparing

    path = pathlib.Path(args.output or "results/comparing.json")
    results.check_output(path)
    workdir = args.workdir or "runs/comparing"
    there = results.read(path)["points"] if path.exists() else []
    for points in comparing.measure(args.data_root, workdir, args.progress, there):
        results.write(path, points, 1)
    print(results.table(points, columns=EFFECT_COLUMNS))
    print(f"written to {path}")


def _papers(args: argparse.Namespace) -> None:
    """Tables and figures of papers: results files, pictures and pages."""
    _refuse(args, ("dataset", "data_root", "codecs", "workdirs", "results", "networks"))
    _refuse(args, ("bits",))
    names = [args.study]
    if args.study == PAPERS:
        _refuse(args, ("output",))
        names = experiment.names()
    if args.page:
        files.check_input(args.page)
    for name in names:
        path = pathlib.Path(args.output or f"results/reproduce_{name}.json")
        check_output(path)
        _paper(args, experiment.read(name), path)
    if args.page:
        from tfcsi.papers import page

        there = pathlib.Path(args.page)
        link = os.path.relpath(path.parent, there.parent)
        page.insert(there, page.summary(path.parent, link))
        print(f"written to {there}")


def _paper(
    args: argparse.Namespace, study: experiment.Experiment, path: pathlib.Path
) -> None:
    """One table or figure: its results file, its picture and its page."""
    from tfcsi.papers import page, picture, runner, verdicts

    budget = args.budget or experiment.BUDGETS[0]
    workdir = args.workdir or "runs/reproduce"
    points: list[dict] = []
    facts = {"experiment": study.name, "budget": budget}
    for points in runner.reproduce(
        study, budget, workdir, args.data_dir, args.progress
    ):
        judged = verdicts.judge(study, points)
        facts["verdicts"] = [dataclasses.asdict(verdict) for verdict in judged]
        results.write(path, points, 1, facts=facts)
    for verdict in judged:
        print(page.line(verdict))
    publish(path, points, 1, lambda p: picture.draw(study, p, budget), facts)
    name = path.with_suffix(".png").name
    text = page.section(study, results.read(path), judged, name)
    files.write_text(path.with_suffix(".md"), text)
