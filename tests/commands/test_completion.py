"""A shell completes commands, flags, and the names that flags take."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tfcsi.__main__ import main


def completed(line, tmp_path):
    """What a shell is offered at the end of a command line."""
    path = tmp_path / "completions"
    variables = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(path),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tfcsi"],
        env={**os.environ, **variables},
        capture_output=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [word.strip() for word in path.read_text().split("\n")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tfcsi comp", ["compress", "completion"]),
        ("tfcsi compress --co", ["--codec"]),
        ("tfcsi compress --codec=paths_quadriga_2", ["--codec=paths_quadriga_28ghz"]),
        ("tfcsi compress --codec paths_quadriga_2", ["paths_quadriga_28ghz"]),
        ("tfcsi evaluate --split=", ["--split=train", "--split=val", "--split=test"]),
        ("tfcsi train --config=paper_s", ["--config=paper_stqenet"]),
        ("tfcsi completion z", ["zsh"]),
        ("tfcsi wrong --", ["--help", "--version"]),
    ],
)
def test_a_shell_is_offered_what_fits(line, words, tmp_path):
    assert completed(line, tmp_path) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_the_script_of_a_shell_is_printed(shell, capsys):
    assert main(["tfcsi", "completion", shell]) == 0
    assert "tfcsi" in capsys.readouterr().out


@pytest.mark.skipif(not os.path.exists("/bin/bash"), reason="needs bash")
def test_bash_takes_the_script(capsys):
    assert main(["tfcsi", "completion", "bash"]) == 0
    script = capsys.readouterr().out + "\ncomplete -p tfcsi\n"
    done = subprocess.run(["/bin/bash"], input=script, capture_output=True, text=True)
    assert done.returncode == 0 and "tfcsi" in done.stdout
