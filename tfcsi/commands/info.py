"""Explains a workdir, a file of packets, or what a model costs.

    tfcsi info h.tcsi --packet=0 --workdir=runs/a

The cost of a model is that of one matrix, UE and BS separately: parameters,
multiply-accumulates and activations. A path that exists wins over a model of that name.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfcsi import files
from tfcsi.codecs.contract import SymbolCodec, rates_of
from tfcsi.codecs.workdir import RUN_FILE
from tfcsi.coding.packet_file import check_session, read_file, remark
from tfcsi.coding.packets import CRC_BITS, HEADER_BYTES
from tfcsi.commands import flags
from tfcsi.commands.parser import WIDTH, Parser, UsageError

COUNTS = ("num_train", "num_val")  # Of matrices that a run was trained on.


def add_arguments(parser: Parser) -> None:
    """Adds the arguments of the command."""
    parser.add_argument(
        "path",
        type=flags.FILE,
        metavar="PATH|MODEL",
        help="Folder of a run, file of packets, name of a codec of the zoo, such as "
        "paths, or name of a model, such as csinet.",
    )
    parser.add_argument(
        "--packet",
        type=flags.integer(),
        metavar="N",
        help="Number of the packet to explain byte by byte; the first one is 0.",
    )
    flags.add_codec(
        parser,
        required=False,
        help="Folder of the run, or name of the codec, that wrote the packets; its "
        "tables decode the packet. --codec is the same flag.",
    )
    parser.add_argument(
        "--latent_dim",
        type=flags.integer(1),
        metavar="N",
        help="Length of the codeword of a model; 512 if not given.",
    )
    parser.add_argument(
        "--shape",
        type=flags.SHAPE,
        metavar="NUM_TX,NUM_DELAY",
        help="Shape of the CSI matrix that a model takes; 32,32 if not given.",
    )
    parser.add_argument(
        "--network",
        type=flags.ARGUMENTS,
        metavar="KEY=VALUE,...",
        help="Arguments of the networks of a model, such as latent=conv.",
    )
    flags.add(parser, "json", help="Print what a run or a codec is as JSON.")


def run(args: argparse.Namespace) -> None:
    """Prints the explanation."""
    from tfcsi.codecs.zoo import folder_of

    path = folder_of(args.path)
    of_file, of_net = ("packet", "workdir"), ("latent_dim", "shape", "network")
    kind: str = "a model"
    idle: tuple[str, ...] = of_file
    if path.exists():
        kind, idle = "a file of packets", of_net
    if path.is_dir():
        kind, idle = "a workdir", (*of_file, *of_net)
    for name in idle:
        if getattr(args, name) is not None:
            belongs = "a file of packets" if name in of_file else "a model"
            raise UsageError(f"--{name} goes with {belongs}; {args.path} is {kind}")
    if args.json and not path.is_dir():
        raise UsageError(f"--json goes with a run or a codec; {args.path} is {kind}")
    if path.is_dir():
        facts = of_workdir(path)
        print(json.dumps(facts, indent=2) if args.json else _written(facts))
    elif path.exists():
        print(of_packets(path, args.packet, args.workdir))
    else:
        print(
            of_model(
                args.path,
                args.shape or (32, 32),
                args.latent_dim or 512,
                args.network or {},
            )
        )


def of_workdir(path: pathlib.Path) -> dict[str, Any]:
    """Describes the run of a workdir.

    Args:
      path: The folder.

    Returns:
      What the codec tells of itself, with `config`, and `files`, name to size.
    """
    from tfcsi.codecs.workdir import load

    codec = load(path)
    facts: dict[str, Any] = {
        **codec.describe(),
        "session fingerprint": codec.session.fingerprint.hex(),
    }
    fields = facts.pop("config")
    facts |= {key: value for key, value in _counts(path).items() if key not in facts}
    if fields.get("data") != "simulate":  # Files have their own numbers of matrices.
        fields = {k: v for k, v in fields.items() if k not in COUNTS}
    held = sorted(file for file in path.iterdir() if file.is_file())
    sizes = {file.name: file.stat().st_size for file in held}
    return {**facts, "config": fields, "files": sizes}


def _written(facts: dict[str, Any]) -> str:
    """What `of_workdir` returned, as text."""
    apart = ("config", "files", "val_curve")
    plain = {k: v for k, v in facts.items() if k not in apart}
    lines = [f"{key:22s} {value}" for key, value in plain.items()]
    text = json.dumps(facts["config"], indent=2, sort_keys=True)
    lines += ["", "config", text, "", "files"]
    lines += [
        f"  {name:32s} {size:>10,} bytes" for name, size in facts["files"].items()
    ]
    return "\n".join(lines)


def _counts(path: pathlib.Path) -> dict[str, int]:
    """How many matrices a codec without a network was fitted to, by its run.json."""
    record = path / RUN_FILE
    facts = dict(files.read_json(record)) if record.exists() else {}
    return {key: facts[key] for key in COUNTS if key in facts}


def of_packets(path: pathlib.Path, number: int | None, workdir: str | None) -> str:
    """Describes a file of packets.

    Args:
      path: The file.
      number: That of a packet to explain byte by byte, or None.
      workdir: Folder of the run that decodes the packet, or None.

    Raises:
      ValueError: If the file is damaged, of another codec than that of the workdir, or
        has no packet of that number.
    """
    session, packets = read_file(path)
    lines = [
        f"session    codec {session.codec!r}, {session.num_tx} x {session.num_delay}, "
        f"fingerprint {session.fingerprint.hex()}, "
        f"packets of version {session.version}, {os.path.getsize(path)} bytes"
    ]
    sizes = np.array([len(packet) for packet in packets])
    if len(sizes):
        lines.append(
            f"packets    {len(sizes)}, {sizes.mean():.1f} bytes each ({sizes.min()} to "
            f"{sizes.max()}), {8 * sizes.mean():.1f} bits a CSI matrix, checks pass"
        )
    else:
        lines.append("packets    0")
    if doubt := remark(session):
        lines.append(_wrapped(doubt))
    codec = None
    if workdir:
        from tfcsi.codecs.workdir import load

        codec = load(workdir)
        check_session(session, codec.session, path)
        lines.append(f"decodes    with {workdir}")
    if number is None:
        return "\n".join(lines)
    if not 0 <= number < len(packets):
        raise ValueError(
            f"--packet={number}; the file has packets 0 to {len(packets) - 1}"
        )
    packet = packets[number]
    lines.append(f"packet {number}   {len(packet)} bytes:")
    lines.append(_wrapped(packet.hex(" ")))
    if session.version == 1:
        head = int.from_bytes(packet[:HEADER_BYTES], "big")
        lines.append(
            f"  header   {packet[:HEADER_BYTES].hex()}: {head >> CRC_BITS} payload "
            f"bytes, check 0x{head & (1 << CRC_BITS) - 1:03x}"
        )
    else:
        check = int.from_bytes(packet[:2], "big") >> 16 - CRC_BITS
        lines.append(
            f"  check    0x{check:03x}, {CRC_BITS} bits; "
            f"{8 * len(packet) - CRC_BITS} bits follow"
        )
    if codec is None:
        lines.append(
            "  payload  side information and coded symbols; --workdir decodes it"
        )
        return "\n".join(lines)
    if not isinstance(codec, SymbolCodec):
        lines.append(
            f"  payload  a code word of {codec.name}, which has no list of symbols"
        )
        return "\n".join(lines)
    symbols, side = codec.receive([packet])
    if known := rates_of(codec):  # The first symbol is the number of the rate.
        steps, rate = known[0], int(symbols[0, 0])
        lines.append(
            f"  rate     {rate} of 0 to {len(steps) - 1}: step {steps[rate]:.4g}"
        )
    lines += [
        f"  side     {2 * side.shape[1]} bytes: {side[0].tolist()} as 16-bit words",
        f"  symbols  {symbols.shape[1]}, {np.count_nonzero(symbols)} of them not zero, "
        f"{codec.bits_estimated(symbols)[0]:.1f} bits by the tables",
        _wrapped(" ".join(map(str, symbols[0].tolist()))),
    ]
    return "\n".join(lines)


def _wrapped(words: str) -> str:
    """Words on lines that are no wider than a help text."""
    return textwrap.fill(
        words, WIDTH, initial_indent=" " * 11, subsequent_indent=" " * 11
    )


def of_model(
    name: str, shape: tuple[int, int], latent_dim: int, arguments: Mapping
) -> str:
    """Describes what the two networks of a model cost for one matrix.

    Args:
      name: A key of `models.MODELS`.
      shape: (num_tx, num_delay).
      latent_dim: Length of the codeword.
      arguments: Of the model's builders.

    Raises:
      FileNotFoundError: If there is no such model.
      UsageError: If the builders do not take these arguments, or if the networks would
        be too large (`models.size`).
    """
    import ml_collections

    from tfcsi import models
    from tfcsi.codecs import schema
    from tfcsi.codecs.zoo import entries

    if name not in models.MODELS:
        known = ", ".join(sorted(models.MODELS))
        raise FileNotFoundError(
            f"{name} does not exist; nor is it a model: {known}; or a codec of the "
            f"zoo: {', '.join(entries())}"
        )
    fields = {"model": name, "shape": shape, "latent_dim": latent_dim}
    try:
        schema.check(ml_collections.ConfigDict({**fields, "network": arguments}))
    except schema.ConfigError as error:
        raise UsageError(f"{name} cannot be built: {error}") from None
    from tfcsi.models import complexity

    model = models.get(name)
    rows: list[tuple[str, ...]] = [("", "parameters", "MACs", "activations")]
    for side, build in (("UE encoder", model.encoder), ("BS decoder", model.decoder)):
        cost = complexity.count(build(shape, latent_dim, **arguments))
        keys = ("params", "macs", "activations")
        rows.append((side, *(f"{cost[key]:,}" for key in keys)))
    lines = [f"{name}, {shape[0]} x {shape[1]}, latent_dim {latent_dim}"]
    lines += [f"{a:10s}  {b:>14s}  {c:>16s}  {d:>14s}".rstrip() for a, b, c, d in rows]
    return "\n".join(lines)
