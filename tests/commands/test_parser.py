"""The parser of commands: flags as absl writes them, errors as one line."""

import signal
import subprocess
import sys

import numpy as np
import pytest

from tfcsi.commands import flags, program
from tfcsi.commands.parser import Parser, Switch, UsageError

DOC = """Does something.

    tfcsi something --size=3 --name=a \
        --more

The rest
of the text.
"""


@pytest.fixture
def parser():
    parser = Parser("tfcsi something", DOC)
    parser.add_argument("--size", type=flags.integer(1), default=2, help="The size.")
    parser.add_argument("--level", type=flags.number(), help="The level.")
    parser.add_argument("--more", action=Switch, default=True, help="More of it.")
    parser.add_argument("paths", nargs="*", help="Some paths.")
    flags.add_config(parser, default="demo")
    return parser


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--size=3", "size", 3),
        ("--size 3", "size", 3),
        ("--size=3 --size=4", "size", 4),
        ("", "size", 2),
        ("--level -1.5e-3", "level", -1.5e-3),
        ("--level=-1", "level", -1.0),
        ("--nomore", "more", False),
        ("--more", "more", True),
        ("--more=false", "more", False),
        ("--more=True --nomore", "more", False),
        ("a --size 3 b", "paths", ["a", "b"]),
        ("a -- --size", "paths", ["a", "--size"]),
        ("--config.a.b=c --config.d 5", "changes", ["a.b=c", "d=5"]),
        ("--config.a --noconfig.b", "changes", ["a=True", "b=False"]),
        ("--config.a=b=c --config.d=-3", "changes", ["a=b=c", "d=-3"]),
        ("--config x.py:crnet", "config", "x.py:crnet"),
    ],
)
def test_a_flag_is_written_as_absl_users_know_it(parser, words, name, value):
    assert getattr(parser.parse_args(words.split()), name) == value


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("--siz=3", "unknown flag --siz; did you mean --size?"),
        ("--zzzzzz", "unknown flag --zzzzzz; --help lists what there is"),
        ("--nosize", "unknown flag --nosize; did you mean --size?"),
        ("--size", "flag --size: expected one argument"),
        ("--size=0", "flag --size=0: 0 is not a positive integer"),
        ("--size=1.5", "flag --size=1.5: 1.5 is not a positive integer"),
        ("--level=nan", "flag --level=nan: nan is not a number"),
        ("--more=2", "flag --more=2: give true or false"),
    ],
)
def test_what_is_no_flag_or_value_is_refused_with_a_remedy(parser, words, error):
    with pytest.raises(UsageError) as refused:
        parser.parse_args(words.split())
    assert str(refused.value) == error


def test_a_help_text_is_made_of_the_docstring(parser):
    text = parser.format_help()
    assert "\n\nDoes something.\n\n" in text
    assert "Example:\n  tfcsi something --size=3 --name=a --more\n" in text
    assert text.endswith("The rest of the text.\n")
    assert "  --size=TEXT   (positive integer, default: 2)\n      The size.\n" in text
    assert "  --[no]more   (switch, default: on)\n" in text


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (flags.COUNTS, "5", [5]),
        (flags.COUNTS, "1,2,3", [1, 2, 3]),
        (flags.SHAPE, "4,8", (4, 8)),
        (flags.NAMES, "a, b", ["a", "b"]),
        (flags.choices("a", "b"), "b,a", ["b", "a"]),
        (flags.choice("a", "b"), "b", "b"),
    ],
)
def test_a_kind_reads_the_text_of_a_flag(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("no"), 2),
        (ValueError("no"), 1),
        (OSError("no"), 1),
        (ImportError("no"), 1),
        (FloatingPointError("no"), 1),
        (SystemExit(3), 3),
    ],
)
def test_an_error_becomes_a_line_and_a_status(parser, error, status, capsys):
    def work():
        raise error

    assert program.run(work, parser) == status
    shown = capsys.readouterr()
    assert not shown.out
    if not isinstance(error, SystemExit):
        assert shown.err.startswith("tfcsi something: error: no\n")
    assert ("usage: " in shown.err) == (status == 2)


def test_an_error_of_a_file_begins_with_its_name(parser, tmp_path, capsys):
    assert program.run(lambda: open(tmp_path / "none"), parser) == 1
    words = f"tfcsi something: error: {tmp_path}/none: No such file or directory\n"
    assert capsys.readouterr().err == words


@pytest.mark.parametrize("kind", ["python", "numpy", "tensorflow"])
def test_a_lack_of_memory_is_one_line(parser, kind, capsys):
    import tensorflow as tf

    def work():
        if kind == "tensorflow":
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        raise (
            MemoryError
            if kind == "python"
            else np.core._exceptions._ArrayMemoryError((1 << 40,), np.dtype("f4"))
        )

    assert program.run(work, parser) == 1
    error = capsys.readouterr().err
    assert error.startswith("tfcsi something: error: there is not enough memory: ")
    assert error.count("\n") == 1


def test_a_bug_shows_its_traceback_and_says_that_it_is_one(parser, capsys):
    assert program.run(lambda: None.missing, parser) == 1
    error = capsys.readouterr().err
    assert error.startswith("Traceback") and "None.missing" in error
    assert "this is a bug in tfcsi" in error.splitlines()[-1]


def test_a_user_who_stops_a_command_sees_no_traceback(tmp_path):
    script = "import sys, time; from tfcsi.commands import program, parser\n"
    script += "def work():\n    print('ready', flush=True)\n    time.sleep(60)\n"
    script += "sys.exit(program.run(work, parser.Parser('tfcsi x', 'Waits.')))"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background may have been told to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as started:
        assert started.stdout.readline() == "ready\n"
        started.send_signal(signal.SIGINT)
        _, errors = started.communicate(timeout=30)
    assert started.returncode == program.STOPPED
    assert errors == "\ntfcsi x: stopped\n"


def test_what_is_not_installed_is_named_with_the_remedy(parser, monkeypatch, capsys):
    monkeypatch.setattr("tfcsi._FULL", ("numpy", "no_such_package"))

    def work():
        import no_such_package  # noqa: F401

    assert program.run(work, parser) == 1
    shown = capsys.readouterr().err
    assert "no_such_package" in shown and "pip install 'tfcsi[full]'" in shown


def test_two_dashes_are_no_value_of_a_flag(parser):
    parser.add_argument("--key")
    with pytest.raises(UsageError, match="flag --key=--: -- is not a value"):
        parser.parse_args(["--key=--"])
