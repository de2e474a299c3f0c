"""Gives tfcsi as many hostile inputs of each kind as it is told, and counts.

    python -m tests.hostile.fuzz --inputs=1000 --seconds=600 --output=results/soak.json

Atheris changes the inputs so that they reach new lines of tfcsi (`pip install
'tfcsi[fuzz]'`); every second change is one of `mutations`, which repairs what hides
behind a check. Each kind has a process of its own. `header` and `check` get a hundred
times as many inputs as the others. A kind ends when its share of the time is over, and
the record holds what was really read. An input that is a fault is kept in --faults.
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

if TYPE_CHECKING:
    from tests.hostile.kinds import Kind

QUICK = ("header", "check:1", "check:2")  # Kinds that get TIMES as many inputs.
TIMES = 100
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
    parser.add_argument("--faults", default="faults", help="Folder of bad inputs.")
    args = parser.parse_args(argv[1:])
    import atheris

    with atheris.instrument_imports(include=["tfcsi"]):
        from tests.hostile import kinds
    with tempfile.TemporaryDirectory(prefix="tfcsi_fuzz_") as place:
        made = kinds.make(pathlib.Path(place, "examples"), args.networks)
        begins = tuple(args.kinds.split(",")) if args.kinds else ("",)
        names = [name for name in made if name.startswith(begins)]
        records, end = [], time.time() + args.seconds
        for number, name in enumerate(names):
            left = max(1.0, (end - time.time()) / (len(names) - number))
            records.append(_apart(made[name], args, left, pathlib.Path(place)))
            print(_line(records[-1]), flush=True)
            if args.output:
                _write(args.output, argv, records)
    faults = sum(record["faults"] for record in records)
    inputs = sum(record["inputs"] for record in records)
    print(f"{inputs:,} inputs of {len(records)} kinds, {faults} faults")
    return int(faults > 0)


def _apart(
    kind: Kind, args: argparse.Namespace, seconds: float, place: pathlib.Path
) -> dict:
    """Fuzzes a kind in a process of its own, and returns its record."""
    record = place / "record.json"
    record.write_text(json.dumps({"kind": kind.name, "inputs": 0, "faults": 0}))
    child = os.fork()
    if not child:
        _fuzz(kind, args, seconds, place)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    content = json.loads(record.read_text())
    if status:
        content["faults"] += 1
        content["ended"] = f"status {status}"
        last = pathlib.Path(args.faults, f"{kind.name.replace(':', '_')}_ended")
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
    record = {"kind": kind.name, "inputs": 0, "faults": 0, "messages": []}
    began, wanted = time.time(), args.inputs * (TIMES if kind.name in QUICK else 1)

    def keep() -> None:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        record.update(refused=watch.refused, read=watch.read)
        record.update(slowest_seconds=round(watch.slowest, 4))
        record.update(seconds=round(time.time() - began, 1), megabytes=most >> 10)
        record["corpus"] = len(list(corpus.iterdir()))
        (folder / "record.json").write_text(json.dumps(record))

    def read(content: bytes) -> None:
        try:
            watch(kind.prepare(content, place), kind.says)
        except Fault as fault:
            record["faults"] += 1
            record["messages"] = [*record["messages"], str(fault)[:300]][:5]
            name = f"{kind.name.replace(':', '_')}_{hashlib.md5(content).hexdigest()}"
            bad = pathlib.Path(args.faults)
            bad.mkdir(parents=True, exist_ok=True)
            (bad / name).write_bytes(content)
        record["inputs"] += 1
        over = time.time() - began > seconds or record["inputs"] >= wanted
        if over or record["inputs"] % KEEP == 0:
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


def _line(record: dict) -> str:
    return (
        f"{record['kind']:32s} {record['inputs']:>10,} inputs, "
        f"{record.get('refused', 0):,} refused, {record['faults']} faults, slowest "
        f"{1000 * record.get('slowest_seconds', 0):.0f} ms, "
        f"{record.get('megabytes', 0)} MB {record.get('messages') or ''}"
    )


def _write(path: str, argv: list[str], records: list[dict]) -> None:
    """Puts the records into the file, in place of older ones of the same kinds."""
    from tfcsi import files, results

    place = pathlib.Path(path)
    content = json.loads(place.read_text()) if place.exists() else {}
    every = {record["kind"]: record for record in content.get("inputs", [])}
    every |= {record["kind"]: record for record in records}
    content["inputs"] = [every[kind] for kind in sorted(every)]
    content["inputs_command"] = results.command_line(argv)
    content["versions"] = results.versions()
    files.write_json(path, content)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
