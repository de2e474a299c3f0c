"""Damaged packets: how many of them a codec accepts.

    python benchmarks/packet_damage.py --codec=paths_cost2100_indoor --data_root=DIR \
        --dataset=cost2100_indoor --output=results/packet_damage.json

Each packet of a test file is damaged in one of five ways and given to the decoder. A
check of 11 bits passes one of 2048 at random. The decoder also refuses what the encoder
would not have written.
"""

from __future__ import annotations

import time

import numpy as np

import tfcsi
from tfcsi import datasets, results
from tfcsi.coding.packets import PacketError
from tfcsi.commands import flags, program


def flipped(packet: bytes, rng: np.random.Generator) -> bytes:
    """One bit is another one."""
    number = int.from_bytes(packet, "big") ^ 1 << int(rng.integers(8 * len(packet)))
    return number.to_bytes(len(packet), "big")


def changed(packet: bytes, rng: np.random.Generator) -> bytes:
    """Some of the bytes are random."""
    array = np.frombuffer(packet, np.uint8).copy()
    array[rng.integers(0, len(array), 3)] = rng.integers(0, 256, 3)
    return array.tobytes()


def shortened(packet: bytes, rng: np.random.Generator) -> bytes:
    """Bytes at the end are missing."""
    return packet[: rng.integers(0, len(packet))]


def extended(packet: bytes, rng: np.random.Generator) -> bytes:
    """There are more bytes behind the end."""
    return packet + rng.bytes(int(rng.integers(1, 9)))


def random(packet: bytes, rng: np.random.Generator) -> bytes:
    """All bytes are random, and so is their number."""
    return rng.bytes(int(rng.integers(0, 2 * len(packet))))


SEED = 0
KINDS = (flipped, changed, shortened, extended, random)


def add_arguments(parser) -> None:
    flags.add(parser, "data_root", required=True)
    parser.add_argument(
        "--dataset",
        type=flags.choice(*datasets.SOURCES),
        default="cost2100_indoor",
        metavar="NAME",
        help="Source of the test file.",
    )
    flags.add_codec(parser)
    flags.add_results(parser)
    parser.add_argument(
        "--num",
        type=flags.integer(1),
        default=100_000,
        metavar="N",
        help="Number of damaged packets.",
    )


def main(args) -> None:
    """Prints the table and writes the results file."""
    results.check_output(args.output)
    codec = tfcsi.load(args.workdir)
    h = datasets.load(args.dataset, args.data_root, "test", codec.domain)[:2000]
    packets, rng = codec.compress(h), np.random.default_rng(SEED)
    taken = dict.fromkeys(KINDS, 0)
    num, longest = dict(taken), 0.0
    for i in range(args.num):
        kind, packet = KINDS[i % len(KINDS)], packets[i % len(packets)]
        damaged = kind(packet, rng)
        if damaged == packet:
            continue
        num[kind] += 1
        start = time.perf_counter()
        try:
            codec.decompress([damaged])
            taken[kind] += 1
        except PacketError:
            pass
        longest = max(longest, time.perf_counter() - start)
    print("| damage | packets | taken for whole ones | share |")
    print("|---|---|---|---|")
    points = []
    for kind in KINDS:
        share = taken[kind] / max(num[kind], 1)
        print(f"| {kind.__name__} | {num[kind]} | {taken[kind]} | {share:.6f} |")
        point = {"codec": codec.name, "damage": kind.__name__, "num": num[kind]}
        points.append({**point, "taken": taken[kind]})
    results.write(args.output, points, SEED)
    print(f"The longest decoding took {1e3 * longest:.1f} ms.")


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
