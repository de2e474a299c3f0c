"""What a person sees around the work: next steps, colours, silence, a stop."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest

from tfcsi.__main__ import COMMANDS, main, parser_of
from tfcsi.commands import next_steps, program, terminal
from tfcsi.commands.parser import Parser, Switch


@pytest.mark.parametrize("command", COMMANDS)
def test_the_next_command_is_one_that_the_parser_takes(command):
    parser = parser_of(command)
    example = parser.example.replace("\\\n", " ").splitlines()[0]
    args = parser.parse_args(shlex.split(example)[2:])
    assert (command in next_steps.STEPS) != (command in next_steps.LAST)
    if command in next_steps.STEPS:
        words = next_steps.STEPS[command](args)
        if words:
            assert words[0] == "tfcsi"
            parser_of(words[1]).parse_args(words[2:])


@pytest.fixture
def files(tmp_path, draw_csi):
    """The flags of tfcsi compress for a small file."""
    np.save(tmp_path / "h h.npy", draw_csi(3, (32, 32)))
    return [
        "--codec=paths",
        f"--input={tmp_path / 'h h.npy'}",
        f"--output={tmp_path / 'h h.tcsi'}",
    ]


def test_the_next_command_is_named_at_the_end_and_works(files, capsys):
    assert main(["tfcsi", "compress", *files]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("next: tfcsi decompress --codec=paths ")
    words = shlex.split(line.partition("next: ")[2])
    output = files[1].replace("--input", "--output").replace("h.npy", "h_hat.npy")
    words = [output if "--output" in word else word for word in words]
    assert main(words) == 0


def test_quiet_prints_nothing_where_all_is_well(files, capsys):
    assert main(["tfcsi", "compress", "--quiet", *files]) == 0
    shown = capsys.readouterr()
    assert not shown.out and not shown.err
    assert main(["tfcsi", "compress", "--quiet", *files, "--max_bits=9"]) == 1
    assert "a packet without paths takes" in capsys.readouterr().err


def on_a_terminal(*command, **variables):
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    subprocess.run(
        [sys.executable, "-m", "tfcsi", *command],
        env={**environment, **variables},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = os.read(ours, 10000)
    os.close(ours)
    return shown.decode()


def test_colours_are_for_terminals_alone(capsys):
    red = "\x1b[1;31merror:\x1b[0m"
    assert red in on_a_terminal("--wrong", TERM="xterm")
    assert "\x1b" not in on_a_terminal("--wrong", TERM="xterm", NO_COLOR="1")
    assert main(["tfcsi", "--wrong"]) == 2
    shown = capsys.readouterr().err
    assert "error:" in shown and "\x1b" not in shown
    assert terminal.painted("word", "red", sys.stderr) == "word"


def stopped(words, capsys, **settings):
    """What is said of a command that was stopped."""
    parser = Parser("tfcsi x", "Works.")
    parser.add_argument("--workdir")
    if settings.get("resumes"):
        parser.add_argument("--resume", action=Switch, help="Go on.")
    parser.continues = settings.get("continues", False)

    def work():
        parser.parse_args(words)
        raise KeyboardInterrupt

    assert program.run(work, parser) == program.STOPPED
    return capsys.readouterr().err.strip()


def test_a_stopped_command_says_how_to_go_on(capsys):
    words = ["--workdir=a b"]
    assert stopped(words, capsys) == "tfcsi x: stopped"
    goes_on = "tfcsi x: stopped; continue with: tfcsi x '--workdir=a b'"
    assert stopped(words, capsys, continues=True) == goes_on
    assert stopped(words, capsys, resumes=True) == f"{goes_on} --resume"
    again = [*words, "--resume"]
    assert stopped(again, capsys, resumes=True) == f"{goes_on} --resume"


@pytest.mark.slow
def test_a_training_that_ctrl_c_stops_goes_on_as_it_says(tmp_path):
    """Stops a real process after its first epoch, and runs what it prints."""
    flags = ["--config=autoencoder:csinet", "--channel=cost2100_indoor"]
    flags += ["--config.num_train=60", "--config.num_val=20", "--config.epochs=10"]
    flags += ["--config.batch_size=20", "--noprogress"]
    command = ["train", *flags, f"--workdir={tmp_path / 'a run'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tfcsi", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test in the background ignores the signal, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert any("epoch " in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1]
    assert process.returncode == program.STOPPED, errors
    words = shlex.split(errors.partition("continue with: ")[2].splitlines()[0])
    assert words == ["tfcsi", *command, "--resume"]
    assert main(words) == 0
    assert (tmp_path / "a run" / "codec.npz").exists()
