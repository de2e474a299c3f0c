"""Gives tfcsi as many hostile inputs of each kind as it is told, and counts.

    python -m tests.hostile.fuzz --inputs=1000 --seconds=600 --output=results/soak.json

Atheris changes the inputs so that they reach new lines of tfcsi (`pip install
'tfcsi[fuzz]'`); every second change is one of `mutations`, which repairs what hides
behind a check. Each kind has a process of its own. A kind ends when its share of the
time is over, and the record holds what was really read. An input that is a fault is
kept in --faults. `bulk` gives headers and checks many more inputs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import resource
import shutil
import sys
import tempfile
import time
from typing import TYPE_CHECKING

from tests.hostile import record

if TYPE_CHECKING:
    from tests.hostile.kinds import Kind

LARGEST = 1 << 17  # Bytes of an input.
KEEP = 2000  # Inputs between two records.


def main(argv: list[str]) -> int:
    """Fuzzes each kind; returns 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000, help="Inputs of a kind.")
    parser.add_argument("--seconds", type=float, default=600, help="Time of all.")
    parser.add_argument("--kinds", default="", help="Beginnings of kinds: check,h5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--networks", action="store_true", help="Kinds of TensorFlow.")
    parser.add_argument("--output", help="JSON file of results/soak.json's form.")
    parser.add_argument("--add", action="store_true", help="Adds to its counts.")
    parser.add_argument("--faults", default="faults", help="Folder of bad inputs.")
    args = parser.parse_args(argv[1:])
    import atheris

    with atheris.instrument_imports(include=["tfcsi"]):
        from tests.hostile import kinds
    with tempfile.TemporaryDirectory(prefix="tfcsi_fuzz_") as place:
        made: dict = kinds.make(pathlib.Path(place, "examples"))
        if args.networks:  # Made where they are used: TensorFlow outlives no fork.
            made |= dict.fromkeys(kinds.OF_NETWORKS)
        begins = tuple(args.kinds.split(",")) if args.kinds else ("",)
        names = [name for name in made if name.startswith(begins)]
        records, end = [], time.time() + args.seconds
        for number, name in enumerate(names):
            left = max(1.0, (end - time.time()) / (len(names) - number))
            kind = made[name] or name
            records.append(_apart(kind, args, left, pathlib.Path(place)))
            print(record.line(records[-1]), flush=True)
            if args.output:
                record.write(args.output, argv, records[-1:], args.add)
    faults = sum(each["faults"] for each in records)
    inputs = sum(each["inputs"] for each in records)
    print(f"{inputs:,} inputs of {len(records)} kinds, {faults} faults")
    return int(faults > 0)


def _apart(
    kind: Kind | str, args: argparse.Namespace, seconds: float, place: pathlib.Path
) -> dict:
    """Fuzzes a kind in a process of its own, and returns its record."""
    name = kind if isinstance(kind, str) else kind.name
    known = place / "record.json"
    known.write_text(json.dumps({"kind": name, "inputs": 0, "faults": 0}))
    child = os.fork()
    if not child:
        if isinstance(kind, str):
            import atheris

            with atheris.instrument_imports(include=["tfcsi"]):
                from tests.hostile import network_kinds

            kind = network_kinds.make(place / name)[kind]
        _fuzz(kind, args, seconds, place)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    content = json.loads(known.read_text())
    if status:
        content["faults"] += 1
        content["ended"] = f"status {status}"
        last = pathlib.Path(args.faults, f"{name.replace(':', '_')}_ended")
        last.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(place / "x", last, dirs_exist_ok=True)
    return content


def _fuzz(
    kind: Kind, args: argparse.Namespace, seconds: float, folder: pathlib.Path
) -> None:
    """Fuzzes a kind until its inputs or its time are over, and ends the process."""
    import atheris
    import numpy as np

    from tests.hostile import mutations
    from tests.hostile.watch import Fault, Watch

    watch, place, corpus = Watch(), folder / "x", folder / "corpus"
    for each in (place, corpus):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir()
    for i, example in enumerate(kind.examples):
        (corpus / f"example{i}").write_bytes(example)
    for example in kind.examples:  # The first read imports what it needs.
        kind.prepare(example, place)()
    counts = {"kind": kind.name, "inputs": 0, "faults": 0, "messages": []}
    began = time.time()

    def keep() -> None:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        counts.update(refused=watch.refused, read=watch.read)
        counts.update(slowest_seconds=round(watch.slowest, 4))
        counts.update(seconds=round(time.time() - began, 1), megabytes=most >> 10)
        counts["corpus"] = len(list(corpus.iterdir()))
        (folder / "record.json").write_text(json.dumps(counts))

    def read(content: bytes) -> None:
        try:
            watch(kind.prepare(content, place), kind.says)
        except Fault as fault:
            counts["faults"] += 1
            counts["messages"] = [*counts["messages"], str(fault)[:300]][:5]
            name = f"{kind.name.replace(':', '_')}_{hashlib.md5(content).hexdigest()}"
            bad = pathlib.Path(args.faults)
            bad.mkdir(parents=True, exist_ok=True)
            (bad / name).write_bytes(content)
        counts["inputs"] += 1
        over = time.time() - began > seconds or counts["inputs"] >= args.inputs
        if over or counts["inputs"] % KEEP == 0:
            keep()
        if over:  # Atheris would go on after an exception.
            os._exit(0)

    def change(content: bytes, most: int, seed: int) -> bytes:
        if seed % 2:
            return atheris.Mutate(content, most)
        rng = np.random.default_rng([args.seed, seed])
        return mutations.mutated(content, rng, kind.form)[:most]

    words = ["fuzz", f"-max_len={LARGEST}", f"-seed={args.seed}", "-timeout=600"]
    words += ["-verbosity=0", "-len_control=0", "-rss_limit_mb=0", str(corpus)]
    atheris.Setup(words, read, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
