"""Wrong inputs for each command: no traceback, no hang, and no file that is changed.

Each case is a command that works, with one argument replaced by something wrong. A
sample runs with the suite, all cases by `make soak`.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import signal
import sys

import h5py
import numpy as np
import pytest

from tfcsi import __main__ as registry
from tfcsi import results, ue
from tfcsi.__main__ import main
from tfcsi.codecs.klt import Klt
from tfcsi.coding.packet_file import write_file
from tfcsi.datasets import cost2100

SECONDS = 240  # A command that takes longer hangs; advise takes 60 on a slow machine.
STRIDE = 8  # One case of so many is in the sample.
GOOD = "--nmse_db=1.5"  # It is not wrong, so advise measures all codecs.
# A command that works in the project, each argument a word or (flag, kind, value).
RUN, CSI, PACKETS = ("--workdir", "run", "klt"), ("input", "h.npy"), ("input", "h.tcsi")
DATA, OUT = ("--data_dir", "input", "data"), ("--output", "output", "new")
COUNT, RATE = "count", "rate"
DECODER = "import numpy as np; np.save('h_hat.npy', np.ones((6, 32, 32), 'c8'))"
DECODER = shlex.join([sys.executable, "-c", DECODER])
COMMANDS = (
    ("compress", RUN, ("--input", *CSI), OUT, ("--rx", COUNT, "0"), ("--zero", RATE)),
    ("compress", ("--codec", "run", "paths"), ("--input", *CSI), OUT),
    ("compress", RUN, ("--input", *CSI), OUT, ("--key", "word"), ("--axes", "word")),
    ("decompress", RUN, ("--input", *PACKETS), OUT),
    ("info", ("", *PACKETS), ("--packet", COUNT, "0"), RUN),
    ("info", ("", "run", "klt")),
    ("info", "crnet", ("--latent_dim", COUNT, "64"), ("--shape", "word", "32,32")),
    ("evaluate", RUN, DATA, ("--output", "results", "new.json"), ("--seed", COUNT)),
    ("evaluate", RUN, DATA, ("--snr_db", "range", "0,5"), ("--noise", "word")),
    ("evaluate", RUN, DATA, ("--bit_error_rate", "range", "0"), ("--split", "word")),
    ("evaluate", RUN, DATA, ("--scenario", "word", "indoor")),
    (
        *("advise", ("--input", *CSI), ("--max_bits", COUNT), ("--nmse_db", RATE)),
        *(("--workdir", "folder"), "--num_matrices=1", ("--domain", "word")),
    ),
    ("report", ("", "run", "klt"), ("--input", *CSI), OUT, ("--num_matrices", COUNT)),
    (
        *("score", ("--packets", *PACKETS), ("--input", *CSI), ("--seconds", RATE)),
        *(("--decoder", "word", DECODER), ("--output", "results", "new.json")),
    ),
    ("score", ("--packets", "run", "six"), "--input=h.npy", f"--decoder={DECODER}"),
    ("table", ("", "input", "points.json"), ("--columns", "word", "codec")),
    ("table", "points.json", ("--output", "page", "page.md")),
    ("data", "stats", ("", *CSI), OUT, ("--domain", "word"), ("--shape", "word")),
    ("data", "verify", ("", "input", "data")),
    ("data", ("", "word", "verify"), "data"),
    (
        *("train", ("--config", "config", "classical:klt"), DATA),
        *(("--workdir", "folder", "new"), ("--config.seed", COUNT, "1")),
    ),
    (
        *("train", "--config=autoencoder:csinet", "--data_dir=data", "--workdir=new"),
        *(("--config.epochs", COUNT), ("--config.lmbda", RATE)),
        *(("--config.latent_dim", COUNT), ("--config.shape", "word")),
        *(("--config.init", "word"), ("--config.quantizer", "word")),
    ),
    (
        *("generate", ("--channel", "word", "cost2100_indoor"), ("--num", COUNT, "1")),
        *(("--out", "folder", "new"), ("--seed", COUNT), ("--setup", "word")),
        *(("--format", "word", "mat"), "--processes=1"),
    ),
    (
        *("import", "--model=csinet", ("--latent_dim", COUNT, "32")),
        *(("--weights", "input", "noise"), ("--workdir", "folder", "new")),
        *(("--network", "word"), ("--scenario", "word"), ("--shape", "word")),
    ),
    ("quantize", RUN, ("--output", "folder", "new"), ("--bits", COUNT, "4")),
    ("finetune", RUN, DATA, ("--output", "folder", "new"), ("--config", "config")),
    ("zoo", ("--add", "run", "klt"), "--name=own", ("--zoo", "folder", "new")),
    ("zoo", ("", "word", "paths")),
    ("completion", ("", "word", "bash")),
    ("merge", ("", *PACKETS), ("", *PACKETS), OUT),
    ("export", ("--workdir", "run", "klt"), ("--precision", "word", "float32")),
    ("check", ("--workdir", "run", "klt"), DATA, ("--max_loss_db", RATE, "0.3")),
    ("benchmark", ("--workdirs", "run", "klt"), ("--output", "results", "new.json")),
    ("demo", ("--workdir", "folder", "papers"), ("--config", "config", "demo")),
    (
        *("transfer", ("--config", "config", "autoencoder:crnet"), "--workdir=new"),
        *(("--data_root", "input", "data"), ("--train_on", "word", "cost2100_indoor")),
        *("--test_on=cost2100_indoor", ("--output", "results", "new.json")),
    ),
    (
        *("reproduce", "rate-distortion", ("--dataset", "word", "cost2100_indoor")),
        *(("--data_root", "input", "data"), ("--output", "results", "new.json")),
        *("--codecs=topk", "--noprogress"),
    ),
    (
        *("ue", ("--tables", "input", "klt/codec.npz"), ("--input", *CSI), OUT),
        ("--encoder", "input", "page.md"),
    ),
    (  # Nobody can listen at this address, so that no case waits for packets.
        *("serve", ("--workdir", "run", "klt"), "--host=192.0.2.1"),
        *(("--port", COUNT, "0"), ("--max_batch", COUNT), ("--max_seconds", RATE)),
        *(("--certificate", "input"), ("--threads", COUNT)),
    ),
)
# What takes the place of an argument of a kind: names in the project, or texts.
PATHS = (
    *("missing", "papers", "empty", "thesis.txt", "noise", "pipe", "link", "/dev/zero"),
    *("thesis.txt/below", "pickled.npy", "cut.npy", "cut.tcsi", "nan.npy", "real.npy"),
    *("declared.h5", "words.npz", "list.json", "", "h.npy", "h.tcsi", "data", "klt"),
)
NUMBERS = ("-1", "nan", "1e400", "", "many", "9" * 30, "1.5", "-1e9")
KINDS = {
    "input": PATHS,
    "run": (*PATHS, "broken"),
    "output": (
        *("papers", "thesis.txt", "", "none/x", "thesis.txt/x", "h.npy", "same"),
        *("hard", "./h.npy", "/dev/full", "/dev/fd/77"),
    ),
    "results": ("papers", "thesis.txt", "", "list.json", "thesis.txt/x.json", "a.csv"),
    "page": ("papers", "thesis.txt", "", "missing", "noise", "pipe", "h.npy", "hard"),
    "folder": ("papers", "thesis.txt", "", "thesis.txt/x", "pipe", "data", "klt"),
    "config": ("stqenet_indor", "missing.py", "thesis.txt", "papers", "", "bad.py"),
    "word": ("", "bogus", "a,b=c", "\u4e2d", "--", "x" * 300),
    "count": NUMBERS,
    "rate": NUMBERS,
    "range": (*NUMBERS, "0:1e12:1e-3", "5:0:1", "0:1", ",", "0:5:0"),
}


def cases():
    """Each command with one argument replaced, and a name for it."""
    for command in COMMANDS:
        for at, argument in enumerate(command):
            if isinstance(argument, str):
                continue
            for wrong in KINDS[argument[1]]:
                words = [w if isinstance(w, str) else word(w) for w in command]
                words[at] = word((*argument[:2], wrong))
                yield [w for w in words if w is not None]


def word(argument):
    """An argument on the command line; None if it need not be given."""
    flag, _, *value = argument
    if not value:
        return None
    return f"{flag}={value[0]}" if flag else value[0]


CASES = [
    pytest.param(
        words,
        marks=() if number % STRIDE == 0 and GOOD not in words else pytest.mark.soak,
        id=f"{number}-{' '.join(words)[:80]}",
    )
    for number, words in enumerate(cases())
]


@pytest.fixture(scope="module")
def project(tmp_path_factory, draw_csi):
    """A folder with all that the commands take, and with files of somebody else."""
    folder = tmp_path_factory.mktemp("wrong")
    h = draw_csi(60, (32, 32))
    np.save(folder / "h.npy", h[:6])
    (folder / "data").mkdir()
    for split, part in zip(cost2100.SPLITS, np.split(h, [30, 45])):
        cost2100.write(folder / "data" / cost2100.file_name(split), part)
    codec = Klt.fit(h[:40], 0.1)
    codec.config.update(dataset="cost2100", scenario="indoor")
    codec.save(folder / "klt")
    write_file(folder / "h.tcsi", codec.session, codec.compress(h[:6]))
    results.write(folder / "points.json", [{"codec": "klt", "bits": 8.0}], 0)
    (folder / "page.md").write_text("<!-- table: points.json -->\n<!-- end -->\n")
    (folder / "six").mkdir()
    for number in range(6):
        (folder / "six" / str(number)).write_bytes(b"packet")
    (folder / "papers").mkdir()
    for name in ("thesis.txt", "papers/draft.tex", "papers/config.json"):
        (folder / name).write_text("Years of work.\n")
    (folder / "empty").touch()
    (folder / "noise").write_bytes(np.random.default_rng(0).bytes(5000))
    os.mkfifo(folder / "pipe")
    os.symlink("nowhere", folder / "link")
    os.symlink("h.npy", folder / "same")
    os.link(folder / "h.npy", folder / "hard")
    objects = np.array([{1: 2}], dtype=object)
    np.save(folder / "pickled.npy", objects, allow_pickle=True)
    for name in ("h.npy", "h.tcsi"):
        content = (folder / name).read_bytes()
        (folder / f"cut{name[1:]}").write_bytes(content[: len(content) // 2])
    np.save(folder / "nan.npy", np.full_like(h[:3], np.nan))
    np.save(folder / "real.npy", h[:3].real)
    np.savez(folder / "words.npz", a=np.array(["a", "b"]))
    with h5py.File(folder / "declared.h5", "w") as file:
        file.create_dataset("h", (4_000_000, 32, 32), "c8", chunks=(64, 32, 32))
    (folder / "list.json").write_text("[1, 2]")
    (folder / "bad.py").write_text("def get_config():\n    return 3\n")
    shutil.copytree(folder / "klt", folder / "broken")
    (folder / "broken" / "codec.npz").write_bytes(b"PK")
    return folder


@pytest.fixture(scope="module")
def contents(project):
    """Name of each file of the project to its bytes."""
    files = [path for path in project.rglob("*") if path.is_file()]
    return {str(path.relative_to(project)): path.read_bytes() for path in files}


def state(folder):
    """Each path below a folder to what it is: a digest, a link's target, or a kind."""
    held = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            held[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            held[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            held[name] = "folder" if path.is_dir() else "other"
    return held


@pytest.fixture
def in_time():
    """A command that hangs is ended by an error."""

    def stop(*_):
        raise AssertionError(f"it still runs after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# What a command may change that is there: what is its own to write.
OWN = {"table": ("page.md",), "evaluate": ("klt",), "export": ("klt",)}
OWN["decompress"] = ("h.npy", "same", "hard")  # CSI is replaced by CSI.


@pytest.mark.parametrize("words", CASES)
def test_a_wrong_input_is_one_line_and_changes_nothing(
    project, contents, words, in_time, monkeypatch, capsys
):
    monkeypatch.chdir(project)
    before = state(project)
    command, *rest = words
    try:
        status = ue.main(rest) if command == "ue" else main(["tfcsi", *words])
    except SystemExit as stop:  # argparse of the phone.
        status = stop.code
    shown = capsys.readouterr()
    after = state(project)
    for name in sorted(after.keys() - before.keys(), reverse=True):
        path = project / name
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert status in (0, 1, 2), shown
    assert "Traceback" not in shown.err and "bug in tfcsi" not in shown.err
    if status:
        assert ": error: " in shown.err and ".tmp" not in shown.err
    own = OWN.get(command, ())
    changed = {name for name in before if after.get(name) != before[name]}
    for name in changed & contents.keys():
        (project / name).write_bytes(contents[name])
    assert not [name for name in changed if name.split("/")[0] not in own]


def test_there_are_200_cases_over_all_commands():
    assert len(CASES) >= 200
    assert {case.values[0][0] for case in CASES} >= {*registry.COMMANDS, "ue"}
