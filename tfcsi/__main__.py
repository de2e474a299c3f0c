"""The command line: tfcsi evaluate | compress | decompress | info | data | table.

Each command reads or adds a file of a workdir, the folder of one training run.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import flags

from tfcsi import bitstream, files, results

FLAGS_OF = {
    "workdir": "Folder of the run.",
    "data_dir": "Folder of the published .mat files.",
    "input": "File to read.",
    "output": "File to write.",
    "key": "Name of the variable in a .mat or .h5 file; found if there is only one.",
    "scenario": "indoor or outdoor; that of the run's config if not given.",
    "split": "train, val or test.",
}


def evaluate(argv: list[str]) -> None:
    """Measures NMSE, SGCS and real bits of a run on a split of its data."""
    given = _parse(argv, "workdir data_dir", "scenario", split="test")
    from tfcsi import codec as codecs
    from tfcsi import evaluation
    from tfcsi.datasets import cost2100

    codec = codecs.load(given["workdir"])
    scenario = given["scenario"] or codec.config.scenario
    h = cost2100.load(given["data_dir"], given["split"], scenario)
    hf = None
    frequency = pathlib.Path(given["data_dir"], cost2100.frequency_file_name(scenario))
    if given["split"] == "test" and frequency.exists():
        hf = cost2100.load_frequency(given["data_dir"], scenario)
    point = {
        **codec.describe(),
        "dataset": f"cost2100_{scenario}",
        "split": given["split"],
        **evaluation.evaluate(codec, h, hf),
    }
    path = pathlib.Path(
        given["workdir"], f"evaluation_{scenario}_{given['split']}.json"
    )
    results.write(path, [point], codec.config.seed)
    print(results.table([point]))
    print(f"written to {path}")


def compress(argv: list[str]) -> None:
    """Turns a file of CSI (.npy, .mat, .h5) into one file of packets."""
    given = _parse(argv, "workdir input output", "key")
    from tfcsi import codec as codecs
    from tfcsi.datasets import cost2100

    h = cost2100.read_csi(given["input"], given["key"])
    codec = codecs.load(given["workdir"])
    packets = codec.compress(h)
    bitstream.write_file(given["output"], codec.session, packets)
    mean = 8 * np.mean([len(packet) for packet in packets]) if packets else 0
    print(f"{len(packets)} CSI matrices, {mean:.1f} bits each, to {given['output']}")


def decompress(argv: list[str]) -> None:
    """Turns a file of packets back into CSI, a complex64 .npy file."""
    given = _parse(argv, "workdir input output")
    from tfcsi import codec as codecs

    session, packets = bitstream.read_file(given["input"])
    codec = codecs.load(given["workdir"])
    _same_session(session, codec.session, given["input"])
    h_hat = codec.decompress(packets)
    with files.replacing(given["output"]) as temporary:
        with open(temporary, "wb") as file:
            np.save(file, h_hat)
    print(f"{len(h_hat)} CSI matrices to {given['output']}")


def info(argv: list[str]) -> None:
    """Explains a workdir, a file of packets, or with --packet=N one packet of it."""
    given = _parse(argv, "", "workdir packet", positional="PATH")
    path = pathlib.Path(given["positional"])
    if path.is_dir():
        print(_describe_workdir(path))
    elif not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    else:
        print(_describe_packets(path, given["packet"], given["workdir"]))


def data(argv: list[str]) -> None:
    """`tfcsi data verify DIR`: compares files with the published release."""
    given = _parse(argv, "", "", positional="verify DIR")
    words = given["positional"].split()
    if len(words) != 2 or words[0] != "verify":
        raise UsageError("usage: tfcsi data verify DIR")
    from tfcsi.datasets import cost2100

    rows = cost2100.verify(words[1])
    for name, status, detail in rows:
        print(f"{name:24s} {status:8s} {detail}")
    if any(status == "differs" for _, status, _ in rows):
        raise ValueError("some files are not those of the published release")


def table(argv: list[str]) -> None:
    """Prints result files as a Markdown table; with --output=README.md updates it."""
    given = _parse(argv, "", "output", positional="FILE...")
    paths = given["positional"].split()
    text = results.table(
        [p for path in paths for p in results.read(path)["points"]], True
    )
    if given["output"]:
        results.insert(given["output"], paths, text)
        print(f"table of {', '.join(paths)} written to {given['output']}")
    else:
        print(text)


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "evaluate": evaluate,
    "compress": compress,
    "decompress": decompress,
    "info": info,
    "data": data,
    "table": table,
}


class UsageError(ValueError):
    """The command line is not one of this program's."""


def _parse(
    argv: list[str], required: str, optional: str = "", positional: str = "", **defaults
) -> dict:
    """Parses a command's flags; `positional` names its other arguments, if any."""
    values = flags.FlagValues()
    for name in [*required.split(), *optional.split(), *defaults]:
        if name == "packet":
            flags.DEFINE_integer(
                name, None, "Number of a packet, from 0.", flag_values=values
            )
        else:
            default = defaults.get(name)
            flags.DEFINE_string(
                name, default, FLAGS_OF.get(name, ""), flag_values=values
            )
    usage = " ".join(
        ["usage: tfcsi", argv[0], positional]
        + [f"--{name}=..." for name in required.split()]
        + [f"[--{name}=...]" for name in [*optional.split(), *defaults]]
    )
    if {"--help", "-h", "--helpfull"} & set(argv):
        doc = COMMANDS[argv[0]].__doc__
        print(f"{doc}\n\n{usage}\n{values.main_module_help()}{values.get_help()}")
        raise SystemExit(0)
    try:
        rest = values(argv)[1:]
    except flags.Error as error:
        raise UsageError(f"{error}\n{usage}") from None
    missing = [name for name in required.split() if not values[name].value]
    if missing or bool(rest) != bool(positional):
        lacks = [f"--{name}" for name in missing] or [f"{positional or 'no'} argument"]
        raise UsageError(f"expected {', '.join(lacks)}, got {argv[1:]}\n{usage}")
    return {**values.flag_values_dict(), "positional": " ".join(rest)}


def _same_session(session, expected, path) -> None:
    if session != expected:
        raise bitstream.PacketError(
            f"{path} is of codec {session.codec!r}, {session.num_tx} x "
            f"{session.num_delay}, fingerprint {session.fingerprint.hex()}; the "
            f"workdir has {expected.codec!r}, {expected.num_tx} x "
            f"{expected.num_delay}, {expected.fingerprint.hex()}"
        )


def _describe_workdir(path: pathlib.Path) -> str:
    from tfcsi import codec as codecs

    codec = codecs.load(path)
    facts = {**codec.describe(), "session fingerprint": codec.session.fingerprint.hex()}
    facts.pop("config")
    lines = [f"{key:22s} {value}" for key, value in facts.items()]
    lines += ["", "config", str(codec.config).rstrip(), "", "files"]
    for file in sorted(path.iterdir()):
        if file.is_file():
            lines.append(f"  {file.name:32s} {file.stat().st_size:>10,} bytes")
    return "\n".join(lines)


def _describe_packets(
    path: pathlib.Path, number: int | None, workdir: str | None
) -> str:
    session, packets = bitstream.read_file(path)
    lines = [
        f"session    codec {session.codec!r}, {session.num_tx} x {session.num_delay}, "
        f"fingerprint {session.fingerprint.hex()}, {len(session.to_bytes())} bytes once"
    ]
    sizes = np.array([len(packet) for packet in packets])
    if len(sizes):
        lines.append(
            f"packets    {len(sizes)}, {sizes.mean():.1f} bytes each ({sizes.min()} to "
            f"{sizes.max()}), {8 * sizes.mean():.1f} bits a CSI matrix, checks pass"
        )
    else:
        lines.append("packets    0")
    codec = None
    if workdir:
        from tfcsi import codec as codecs

        codec = codecs.load(workdir)
        _same_session(session, codec.session, path)
        lines.append(f"decodes    with {workdir}")
    if number is None:
        return "\n".join(lines)
    if not 0 <= number < len(packets):
        raise ValueError(
            f"--packet={number}; the file has packets 0 to {len(packets) - 1}"
        )
    packet = packets[number]
    head = int.from_bytes(packet[: bitstream.HEADER_BYTES], "big")
    lines += [
        f"packet {number}   {len(packet)} bytes: {packet.hex()}",
        f"  header   {packet[:3].hex()}: {head >> bitstream.CRC_BITS} payload bytes, "
        f"check 0x{head & (1 << bitstream.CRC_BITS) - 1:03x}",
    ]
    if codec is None:
        lines.append(
            "  payload  side information and coded symbols; --workdir decodes it"
        )
        return "\n".join(lines)
    symbols, side = codec.receive([packet])
    lines += [
        f"  side     {2 * side.shape[1]} bytes: {side[0].tolist()} as 16-bit words",
        f"  symbols  {symbols.shape[1]}, {np.count_nonzero(symbols)} of them not zero, "
        f"{codec.bits_estimated(symbols)[0]:.1f} bits by the tables",
        f"           {symbols[0].tolist()}",
    ]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """Runs a command; returns the exit status."""
    if len(argv) < 2 or argv[1] not in COMMANDS:
        print("usage: tfcsi COMMAND [flags]; tfcsi COMMAND --help tells more\n")
        for name, command in COMMANDS.items():
            print(f"  {name:11s} {command.__doc__.splitlines()[0]}")
        return 0 if len(argv) > 1 and argv[1] in ("--help", "-h", "help") else 2
    try:
        COMMANDS[argv[1]](argv[1:])
    except (ValueError, OSError, RuntimeError) as error:
        print(f"tfcsi {argv[1]}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main(sys.argv))


if __name__ == "__main__":
    run()
