"""Gives headers and checks of packets many millions of hostile inputs, and counts.

    python -m tests.hostile.bulk --inputs=10000000 --output=results/soak.json

`fuzz` reads inputs one by one, guided by coverage, which is slow. Here thousands of
changed copies are made at once, and nothing guides them. Each header goes through
`Session.from_bytes`, with its CRC repaired in every fourth one. Packets go through
`sound` in blocks; `unpack` must take all that are sound, and refuse a sample of the
others. What was read, and not refused, are copies that the change left as they were,
and one of 2048 of the others, which has the right check of 11 bits by chance.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from tests.hostile import record
from tests.hostile.watch import Fault, Watch
from tfcsi.coding.packets import PacketError, Session, pack, sound, unpack

BLOCK = 8192  # Inputs that are made at once.
LONGER = 24  # Bytes by which an input may be longer than the example.
FINGERPRINT = bytes(range(8))
SESSIONS = {version: Session("demo", 2, 3, FINGERPRINT, version) for version in (1, 2)}


def changed(content: bytes, rng: np.random.Generator, count: int) -> list[bytes]:
    """Returns changed copies: bits flipped, bytes replaced, cut, extended, zeros.

    Args:
      content: At least one byte.
      rng: Source of the changes.
      count: Number of the copies.
    """
    size, place = len(content), np.arange(len(content) + LONGER)
    rows = np.zeros((count, len(place)), np.uint8)
    rows[:, :size] = np.frombuffer(content, np.uint8)
    change, sizes = rng.integers(0, 6, count), np.full(count, size)
    strange = rng.integers(0, 256, rows.shape, np.uint8)
    begin = rng.integers(0, size, (count, 1))
    end = begin + rng.integers(1, 9, (count, 1))
    burst = (place >= begin) & (place < end)
    for number, fill in ((1, strange), (2, 0), (3, 255)):
        np.copyto(
            rows, fill, where=burst & (change == number)[:, None], casting="unsafe"
        )
    sizes[change == 4] = begin[change == 4, 0]
    longer = (change == 5)[:, None] & (place >= size)
    np.copyto(rows, strange, where=longer)
    sizes[change == 5] += rng.integers(1, LONGER + 1, (change == 5).sum())
    flipped = np.flatnonzero(change == 0)
    for _ in range(3):
        bits = rng.integers(0, 8 * size, len(flipped))
        rows[flipped, bits // 8] ^= (1 << bits % 8).astype(np.uint8)
        flipped = flipped[rng.random(len(flipped)) < 0.5]
    whole, width = rows.tobytes(), rows.shape[1]
    ends = (width * np.arange(count) + sizes).tolist()
    return [whole[width * i : end] for i, end in enumerate(ends)]


def headers(rng: np.random.Generator, count: int) -> tuple[int, int]:
    """Reads changed headers; returns how many were refused, and were read."""
    session = SESSIONS[int(rng.integers(1, 3))]
    refused = 0
    for i, content in enumerate(changed(session.to_bytes(), rng, count)):
        if not i % 4 and len(content) > 4:
            crc = zlib.crc32(content[:-4]).to_bytes(4, "big")
            content = content[:-4] + crc
        try:
            read, size = Session.from_bytes(content)
        except PacketError as error:
            if not str(error).startswith("header "):
                raise Fault(f"the error does not say header: {error!r}") from error
            refused += 1
        else:
            if read.to_bytes() != content[:size]:
                raise Fault(f"{content!r} was read as {read}")
    return refused, count - refused


def packets(session: Session) -> Callable[[np.random.Generator, int], tuple[int, int]]:
    """Returns the function that reads changed packets of a session, as `headers`."""

    def read(rng: np.random.Generator, count: int) -> tuple[int, int]:
        sizes = rng.integers(0, 64, 16).tolist()
        examples = pack([rng.bytes(size) for size in sizes], session)
        given = [
            each
            for example in examples
            for each in changed(example, rng, -(-count // len(examples)))
        ][:count]
        passed = sound(given, session)
        good = [given[i] for i in np.flatnonzero(passed)]
        bad = np.flatnonzero(~passed)
        if len(unpack(good, session)) != len(good):
            raise Fault("unpack loses packets")
        for row in rng.choice(bad, min(20, len(bad)), replace=False).tolist():
            _refuse(given[row], session)
        return len(bad), len(good)

    return read


def _refuse(packet: bytes, session: Session) -> None:
    try:
        unpack([packet], session)
    except PacketError as error:
        if "packet 0 " in str(error) and error.row == 0:
            return
        raise Fault(f"the error does not say packet 0: {error!r}") from error
    raise Fault(f"{packet!r} is not sound, and it was unpacked")


TARGETS = {
    "header:many": headers,
    "check:1:many": packets(SESSIONS[1]),
    "check:2:many": packets(SESSIONS[2]),
}


def run(name: str, inputs: int, seconds: float, seed: int) -> dict:
    """Reads inputs of a kind until their number or the time is over.

    Args:
      name: Key of `TARGETS`.
      inputs: Number of the inputs.
      seconds: Time that it may take [s].
      seed: Of the changes.

    Returns:
      The record, of the form of results/soak.json.
    """
    rng, watch = np.random.default_rng([seed, *name.encode()]), Watch(seconds=60)
    out = {"kind": name, "inputs": 0, "faults": 0, "messages": []}
    out |= {"refused": 0, "read": 0}
    began = time.time()
    while out["inputs"] < inputs and time.time() - began < seconds:
        count = min(BLOCK, inputs - out["inputs"])
        try:
            refused, read = watch(lambda n=count: TARGETS[name](rng, n), "$")
            out["refused"] += refused
            out["read"] += read
        except Fault as fault:
            out["faults"] += 1
            out["messages"] = [*out["messages"], str(fault)[:300]][:5]
        out["inputs"] += count
    out["slowest_seconds"] = round(watch.slowest / BLOCK, 6)  # Of one, in the mean.
    out["seconds"] = round(time.time() - began, 1)
    return out


def main(argv: Sequence[str]) -> int:
    """Reads inputs of each kind; returns 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=10_000_000, help="Of a kind.")
    parser.add_argument("--seconds", type=float, default=3600, help="Time of all.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", help="JSON file of results/soak.json's form.")
    parser.add_argument("--add", action="store_true", help="Adds to its counts.")
    args = parser.parse_args(argv[1:])
    faults = 0
    for name in TARGETS:
        made = run(name, args.inputs, args.seconds / len(TARGETS), args.seed)
        print(record.line(made), flush=True)
        faults += made["faults"]
        if args.output:
            record.write(args.output, argv, [made], args.add)
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
