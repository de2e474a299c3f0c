"""The help of every command and program, and what a wrong command line is told."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

import tfcsi
from tfcsi.__main__ import COMMANDS, GROUPS, main, parser_of
from tfcsi.codecs import schema
from tfcsi.commands.parser import UsageError, heading

ROOT = pathlib.Path(__file__).parents[2]
PROGRAMS = sorted(
    str(path.relative_to(ROOT))
    for folder in ("train", "tflite")
    for path in (ROOT / folder).glob("*.py")
)
BENCHMARKS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "benchmarks").glob("*.py")
    if "__main__" in path.read_text()
)
TYPES = (
    r"\((switch|text|file|folder|name|number|integer|positive integer|one of|some of"
)
TYPES += r"|low:high:step|key=value|num_tx,num_delay|N, or|any number of times)"


def entries(text):
    """Arguments of a help text: how each is written, and all its lines."""
    block = text.split("Arguments:\n")[1].split("\n\n")[0]
    parts = re.split(r"\n(?=  \S)", block)
    return {part.split()[0].split("=")[0]: part for part in parts}


def check_help(text, name, example):
    """A help text has its usage, its own flags first, and an example."""
    assert text.startswith(f"usage: {name} ")
    for entry in entries(text).values():
        match = re.fullmatch(r"  \S.*?   (\(.*?\))\n( +[A-Z].*\.)", entry, re.DOTALL)
        assert match, entry
        kind, sentence = match.groups()
        assert re.match(TYPES, kind), entry
        assert len(sentence.split()) > 2, entry
    assert text.index("Arguments:") < text.index("Example:\n")
    assert re.search(rf"Example:\n  {re.escape(example)} ", text)
    assert all(len(line) <= 80 for line in text.splitlines())


def started(*command, **keywords):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        **keywords,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_its_flags_with_types_and_an_example(command, capsys):
    assert main(["tfcsi", command, "--help"]) == 0
    shown = capsys.readouterr()
    check_help(shown.out, f"tfcsi {command}", f"tfcsi {command}")
    assert not shown.err


@pytest.mark.parametrize("command", COMMANDS)
def test_defaults_stand_in_the_help_and_the_parser_takes_the_example(command, capsys):
    parser = parser_of(command)
    shown = entries(parser.format_help())
    for action in parser.shown:
        if action in parser.required or action.default in (None, [], {}):
            continue
        name = (action.option_strings or [action.metavar])[0]
        entry = shown.get(name) or shown[name.replace("--", "--[no]")]
        assert "default: " in " ".join(entry.split())
    words = shlex.split(parser.example.replace("\\\n", " "))
    assert parser.parse_args(words[2:])


def slow(cases):
    """Cases that are slow, because the program starts TensorFlow first."""
    cases = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*case, marks=pytest.mark.slow) for case in cases]


@pytest.mark.parametrize("program", [*PROGRAMS, *slow(BENCHMARKS)])
def test_the_help_of_a_program_has_its_own_flags_and_absls_on_request(program):
    done = started(program, "--help")
    assert done.returncode == 0 and not done.stderr
    check_help(done.stdout, f"python {program}", f"python {program}")
    assert not {"--verbosity", "--alsologtostderr"} & entries(done.stdout).keys()
    assert "--helpfull also lists the flags of absl." in done.stdout


def test_the_full_help_of_a_program_ends_with_the_flags_of_absl():
    done = started("train/cost2100.py", "--helpfull")
    assert done.returncode == 0
    assert done.stdout.index("--data_dir") < done.stdout.index("verbosity")


def test_the_full_help_of_a_command_ends_with_the_fields_of_a_config(capsys):
    assert main(["tfcsi", "train", "--helpfull"]) == 0
    text = capsys.readouterr().out
    assert text.index("Example:") < text.index("Fields of a config:")
    assert f"\nlmbda: {schema.FIELDS['lmbda'].meaning}\n" in text
    assert main(["tfcsi", "compress", "--helpfull"]) == 0
    assert "Fields of a config:" not in capsys.readouterr().out


def test_help_loads_no_tensorflow_and_no_data_libraries():
    script = "import sys; from tfcsi.__main__ import COMMANDS, main\n"
    script += "for name in COMMANDS: main(['tfcsi', name, '--help'])\n"
    script += "heavy = {'tensorflow', 'matplotlib', 'scipy', 'h5py', 'absl'}\n"
    script += "sys.exit(', '.join(heavy & {*sys.modules}) or 0)"
    done = started("-c", script)
    assert done.returncode == 0, done.stderr


def test_the_list_of_commands_has_groups_and_a_sentence_for_each(capsys):
    assert main(["tfcsi", "--help"]) == 0
    text = capsys.readouterr().out
    for group, modules in GROUPS.items():
        assert f"\n{group}:\n" in text and modules
    for command in COMMANDS:
        assert re.search(rf"\n  {command} +[A-Z].*\.\n", text)
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_versions_are_those_of_what_is_installed(capsys):
    assert main(["tfcsi", "--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"tfcsi {tfcsi.__version__}"
    assert lines[1] == f"python {platform.python_version()}"
    numbers = dict(line.split(" ", 1) for line in lines)
    assert numbers["numpy"] == np.__version__
    assert {"tensorflow", "keras", "ai-edge-litert"} <= numbers.keys()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("compress --wrokdir=a", "unknown flag --wrokdir; did you mean --workdir?"),
        ("compress --work=a", "unknown flag --work; did you mean --workdir?"),
        ("compress --workdir", "flag --workdir: expected one argument"),
        ("compress --workdir=", "flag --workdir=: a value is missing"),
        ("compress --workdir=a", "expected --input, --output"),
        ("check --html=perhaps", "flag --html=perhaps: give true or false"),
        ("table", "expected FILE..."),
        ("info a b", "unexpected argument 'b'"),
        ("compres", "unknown command compres; did you mean compress?"),
        ("--verson", "unknown flag --verson; did you mean --version?"),
        ("", "give a command\n"),
        ("", "\n  compress    Compresses CSI"),
        ("train --config=stqenet_indor --workdir=a", "'stqenet_indoor'"),
        ("train --config=autoencoder:crnett --workdir=a", "'crnet'"),
        ("train --config=demo --workdir=a --config.epoch=1", "'epochs'"),
        ("train --config=demo --workdir=a --config.lmbda=b", "lmbda"),
        ("train --config=demo --workdir=a --config.epochs=many", "epochs"),
        ("train --config=demo --workdir=a --config.network.windw=4", "'window'"),
        ("train --config=demo --workdir=a", "--data_dir=DIR"),
        ("train --config=demo --workdir=a --sources=b", "give both"),
        (
            "train --config=demo --workdir=a --data_dir=b --config.num_test=9",
            "has num_test, which only tfcsi demo uses",
        ),
        (
            "transfer --config=demo --workdir=a --data_root=b --train_on=c --test_on=d "
            "--output=e.json --config.num_test=9",
            "has num_test, which only tfcsi demo uses",
        ),
        (
            "train --config=demo --workdir=a --data_dir=b --config.num_train=0",
            "num_train is 0; it must be positive",
        ),
        (
            "transfer --config=demo --workdir=a --data_root=b --train_on=c --test_on=d "
            "--output=e.json --options=bs=3",
            "--options=bs=3; give NAME:KEY=VALUE,...",
        ),
        (
            "train --config=demo --workdir=a --data_dir=b --channel=c",
            "--data_dir and --channel were given; give one of them",
        ),
    ],
)
def test_a_wrong_command_line_is_refused_with_2_and_a_hint(command, words, capsys):
    assert main(["tfcsi", *command.split()]) == 2
    shown = capsys.readouterr()
    assert words in shown.err and "usage: tfcsi" in shown.err
    assert not shown.out


@pytest.mark.parametrize(
    ("program", "flag", "nearest"),
    [(program, "--wrokdir", "--workdir") for program in PROGRAMS]
    + slow((program, "--ouptut", "--output") for program in BENCHMARKS),
)
def test_every_program_refuses_misspelt_and_missing_flags(program, flag, nearest):
    done = started(program, f"{flag}=a")
    assert done.returncode == 2
    assert f"unknown flag {flag}; did you mean {nearest}" in done.stderr
    done = started(program)
    assert done.returncode == 2
    assert f"python {program}: error: expected " in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--workdir=a", "expected --config"),
        ("--verbosity=loud", "--verbosity=loud"),
        ("--config=demo --workdir=a --config.epoch=1", "'epochs'"),
    ],
)
def test_a_program_refuses_a_wrong_command_line_without_a_traceback(flags, words):
    done = started("train/cost2100.py", *flags.split())
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert "usage: python train/cost2100.py" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("empty", ["", "  "])
def test_no_command_takes_an_empty_folder_file_or_name(command, empty):
    parser = parser_of(command)
    for action in parser.shown:
        if "DIR" in heading(action) or "FILE" in heading(action):
            name = action.option_strings[:1]
            with pytest.raises(
                UsageError, match=f"{empty}(: a value is missing|; give)"
            ):
                parser.parse_args([f"{name[0]}={empty}"] if name else [empty])


def test_a_reader_that_stops_reading_gets_no_traceback(tmp_path):
    script = "import sys; from tfcsi.__main__ import main\n"
    script += "sys.exit(max(main(['tfcsi', '--help']) for _ in range(200)))"
    command = f'"{sys.executable}" -c "{script}" | head -1'
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stdout.startswith("usage: tfcsi")
    assert not done.stderr
