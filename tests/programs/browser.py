"""What the tests of the page in docs/demo share: its programs, and a server."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

DEMO = pathlib.Path(__file__).parents[2] / "docs" / "demo"
NODE = shutil.which("node")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node.js")
in_chromium = pytest.mark.skipif(
    CHROMIUM is None or not (DEMO / "node_modules" / "playwright-core").exists(),
    reason="needs Chromium, and `npm ci` in docs/demo",
)


def node(script: str, message: Any) -> Any:
    """What `script` prints of `message`."""
    head = f"const demo = {json.dumps(DEMO.as_uri())};\n"
    head += "const print = (value) => console.log(JSON.stringify(value));\n"
    head += 'const message = JSON.parse((await import("node:fs")).readFileSync(0));\n'
    command = [NODE, "--input-type=module", "--eval", head + script]
    done = subprocess.run(
        command, input=json.dumps(message), capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def served(folder: pathlib.Path) -> Iterator[str]:
    """Serves the page and the files of a folder beside it; yields its address."""
    for path in DEMO.iterdir():
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)
    handler: Any = type("Handler", (http.server.SimpleHTTPRequestHandler,), {})
    handler.log_message = lambda *args: None
    handler = functools.partial(handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def drive(address: str, steps: list[dict]) -> dict:
    """What the page shows after each step, and its faults; see drive.mjs."""
    done = subprocess.run(
        [NODE, "drive.mjs", CHROMIUM, address],
        cwd=DEMO,
        input=json.dumps(steps),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert not done.returncode, done.stderr
    seen = json.loads(done.stdout)
    assert not seen["faults"]
    return seen
