"""Gives tfcsi as many hostile inputs of each kind as it is told, and counts.

    python -m tests.hostile.fuzz --inputs=1000 --seconds=600 --output=results/soak.json

Atheris changes the inputs so that they reach new lines of tfcsi (`pip install
'tfcsi[fuzz]'`); every second change is one of `mutations`, which repairs what hides
behind a check. Each kind has a process of its own. A kind ends when its share of the
time is over, and the record holds what was really read. An input that is a fault is
kept in --faults. With --unguided all changes are those of `mutations`, and Atheris is
not needed; it is several times as fast. `bulk` gives headers and checks many more.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from tests.hostile import record

if TYPE_CHECKING:
    from tests.hostile.kinds import Kind

# Atheris 2.3 breaks generators of these modules on Python 3.11: they refuse all files.
BROKEN = ["tfcsi.coding.packet_file", "tfcsi.datasets._matlab5"]
NEVER_READ = ("tables:network",)  # The kinds whose sound examples are refused.
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
    parser.add_argument("--unguided", action="store_true", help="Without Atheris.")
    args = parser.parse_args(argv[1:])
    with _instrumented(args):
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


def _instrumented(args: argparse.Namespace) -> contextlib.AbstractContextManager:
    """In its block, modules are imported so that Atheris sees which lines run."""
    if args.unguided:
        return contextlib.nullcontext()
    import atheris

    return atheris.instrument_imports(include=["tfcsi"], exclude=BROKEN)


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
            _end_with(
                lambda: _fuzz(_of_network(name, args, place), args, seconds, place)
            )
        _end_with(lambda: _fuzz(kind, args, seconds, place))
    _, status = os.waitpid(child, 0)
    content = json.loads(known.read_text())
    if status:
        content["faults"] += 1
        content["ended"] = f"status {status}"
        last = pathlib.Path(args.faults, f"{name.replace(':', '_')}_ended")
        last.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(place / "x", last, dirs_exist_ok=True)
    return content


def _of_network(name: str, args: argparse.Namespace, place: pathlib.Path) -> Kind:
    """A kind of `network_kinds`, which starts TensorFlow."""
    with _instrumented(args):
        from tests.hostile import network_kinds

    return network_kinds.make(place / name)[name]


def _end_with(work: Callable[[], None]) -> NoReturn:
    """Ends the process with some work, and deletes nothing that its parent holds."""
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _fuzz(
    kind: Kind, args: argparse.Namespace, seconds: float, folder: pathlib.Path
) -> None:
    """Fuzzes a kind until its inputs or its time are over, and ends the process."""
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
        if kind.name not in NEVER_READ:
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

    if args.unguided:
        rng = np.random.default_rng([args.seed, *kind.name.encode()])
        for example in itertools.cycle(kind.examples):
            read(mutations.mutated(example, rng, kind.form))
    import atheris

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
