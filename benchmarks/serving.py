"""The service under load: packets a second, times of requests, memory over time.

    python benchmarks/serving.py --output=results/serving.json

It starts `tfcsi serve` with two sessions of path coding. Several clients send packets
of both, mixed, and damaged ones among them. Every answer is compared with that of the
codec itself. The benchmark fails if one is missing or wrong.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import urllib.request

import numpy as np
from packet_damage import KINDS

import tfcsi
from tfcsi import results
from tfcsi.channels import cost2100
from tfcsi.coding.packets import PacketError
from tfcsi.commands import flags, program
from tfcsi.serving.batches import decompress_each
from tfcsi.serving.load import Sent, drive

SEED = 0
CODECS = ("paths", "paths_cost2100_indoor")
DISTINCT = 2000  # Packets that are made of each session, and sent again and again.
PERIOD = 1.0  # From one look at the memory to the next [s].


def add_arguments(parser) -> None:
    flags.add_results(parser)
    for name, default, words in (
        ("num", 100_000, "Number of packets."),
        ("clients", 4, "Number of clients."),
        ("size", 64, "Packets of a request."),
        ("every", 10, "One of so many packets is damaged."),
        ("threads", 1, "Number of batches that the service decodes at one time."),
    ):
        parser.add_argument(
            f"--{name}",
            type=flags.integer(1),
            default=default,
            metavar="N",
            help=words,
        )


def load_of(args) -> list[Sent]:
    """Makes packets of the sessions, mixed, with the answer that is right for each."""
    rng, kinds = np.random.default_rng(SEED), []
    h = cost2100.simulate(DISTINCT, SEED, "indoor")
    for name in CODECS:
        codec = tfcsi.load(name)
        packets = codec.compress(h, nmse_db=-10)
        packets += [KINDS[i % len(KINDS)](p, rng) for i, p in enumerate(packets)]
        right = decompress_each(codec, packets)
        kinds.append([Sent(codec.session, *pair) for pair in zip(packets, right)])
    rows = rng.integers(0, DISTINCT, args.num)
    rows[:: args.every] += DISTINCT
    sessions = rng.integers(0, len(CODECS), args.num)
    return [kinds[session][row] for session, row in zip(sessions, rows)]


def memory(url: str) -> float:
    """Returns the resident memory of the service [MB]."""
    with urllib.request.urlopen(f"{url}/metrics") as reply:
        text = reply.read().decode()
    return (
        float(re.search(r"^process_resident_memory_bytes (\S+)", text, re.M)[1]) / 1e6
    )


def main(args) -> None:
    """Prints what came of the load and writes the results file."""
    results.check_output(args.output)
    load = load_of(args)
    command = [sys.executable, "-m", "tfcsi", "serve", f"--codec={','.join(CODECS)}"]
    command += ["--port=0", f"--threads={args.threads}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            while "listening at" not in (line := process.stdout.readline()):
                if not line:
                    raise RuntimeError("the service did not start")
            url, done = line.split()[-1], threading.Event()
            used = [memory(url)]

            def watch() -> None:
                while not done.wait(PERIOD):
                    used.append(memory(url))

            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                outcome = drive(url, load, args.clients, args.size)
            finally:
                done.set()
                watcher.join()
            used.append(memory(url))
        finally:
            process.terminate()
    refused = sum(isinstance(sent.right, PacketError) for sent in load)
    p50, p99 = np.percentile(outcome.seconds, [50, 99])
    point = {
        "codec": ",".join(CODECS),
        "packets": len(load),
        "refused": outcome.refused,
        "wrong": len(outcome.wrong),
        "clients": args.clients,
        "packets_per_request": args.size,
        "requests_per_second": len(outcome.seconds) / outcome.total,
        "packets_per_second": len(load) / outcome.total,
        "p50_seconds": p50,
        "p99_seconds": p99,
        "sent_again": outcome.again,
        "memory_mb": [round(mb, 1) for mb in used],
    }
    for name, value in point.items():
        print(f"{name}: {value if isinstance(value, (str, list)) else f'{value:g}'}")
    results.write(args.output, [point], SEED)
    if outcome.wrong or outcome.refused != refused or process.returncode:
        raise RuntimeError(
            f"{len(outcome.wrong)} answers are wrong, {outcome.refused} packets were "
            f"refused and {refused} had to be; exit code {process.returncode}"
        )


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
