"""Parts of a command as an Apache Beam pipeline, on one machine or a cluster.

A part is what the command does with --shard, and the parts are joined as `tfcsi merge`
and `tfcsi generate` join them. So the result is that of the command without --runner.
All workers must see the files under the same paths, and have tfcsi installed.
"""

from __future__ import annotations

import argparse
import importlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfcsi.commands import flags
from tfcsi.commands.parser import Parser, UsageError

# Name of a runner to its name in Beam.
RUNNERS = {
    "direct": "DirectRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
    "dataflow": "DataflowRunner",
}


def add_arguments(parser: Parser) -> None:
    """Adds the flags of a command that can be a pipeline."""
    parser.add_argument(
        "--runner",
        type=flags.choice(*RUNNERS),
        metavar="NAME",
        help="Do the parts as an Apache Beam pipeline (pip install 'tfcsi[beam]').",
    )
    parser.add_argument(
        "--shards",
        type=flags.integer(1),
        metavar="N",
        help="Number of parts of the pipeline, with --runner.",
    )
    parser.add_argument(
        "--beam",
        type=flags.ARGUMENTS,
        default={},
        metavar="KEY=VALUE,...",
        help="Options of Beam and of its runner, such as direct_num_workers=2.",
    )


def check(args: argparse.Namespace) -> bool:
    """Whether the command shall be a pipeline.

    Raises:
      UsageError: If its flags do not go together.
      ImportError: If Apache Beam is not installed.
    """
    if not args.runner:
        if args.shards or args.beam:
            raise UsageError("--shards and --beam go with --runner")
        return False
    if not args.shards or args.shard:
        raise UsageError("--runner goes with --shards=N, and not with --shard")
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "--runner needs Apache Beam: pip install 'tfcsi[beam]'"
        ) from error
    return True


def run(args: argparse.Namespace, command: str, ending: str = "") -> list[str]:
    """Does all parts of a command.

    Args:
      args: Of the command.
      command: Name of the command.
      ending: End of the name of the output of a part; "" if --output is none.

    Returns:
      The outputs of the parts, in their order. They lie beside --output; the caller
      joins and deletes them.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    options = {"runner": RUNNERS[args.runner], **args.beam}
    if args.runner == "direct":
        options.setdefault("direct_running_mode", "multi_processing")
    given = [f"--{key}={value}" for key, value in options.items()]
    plain: dict[str, Any] = {
        "runner": None,
        "shards": None,
        "beam": {},
        "progress": False,
    }
    common = {**vars(args), **plain, "command": command}
    jobs, outputs = [], []
    for number in range(1, args.shards + 1):
        jobs.append({**common, "shard": (number, args.shards)})
        if ending:
            outputs.append(f"{args.output}.{number}-of-{args.shards}{ending}")
            jobs[-1]["output"] = outputs[-1]
    with beam.Pipeline(options=PipelineOptions(given)) as pipeline:
        pipeline | beam.Create(jobs) | beam.Reshuffle() | beam.Map(part)
    return outputs


def part(job: Mapping[str, Any]) -> None:
    """Does a part of a command, in a worker.

    Args:
      job: Arguments of the command, and its name as `command`.
    """
    module = importlib.import_module(f"tfcsi.commands.{job['command']}")
    module.run(argparse.Namespace(**job))


def delete(paths: Sequence[str]) -> None:
    """Deletes the outputs of parts that were joined."""
    for path in paths:
        pathlib.Path(path).unlink()
