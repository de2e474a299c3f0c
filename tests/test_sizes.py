"""Small things stay small: the zoo on the disk, and the import of the package."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def test_the_whole_zoo_has_less_than_40_megabytes():
    sizes = []
    for folder in (ROOT / "tfcsi" / "zoo", ROOT / "zoo"):
        for codec in json.loads((folder / "manifest.json").read_text())["codecs"]:
            sizes.append(sum(f.stat().st_size for f in (folder / codec).iterdir()))
    assert len(sizes) > 10 and sum(sizes) < 40e6


def test_the_import_takes_less_than_a_third_of_a_second_of_processor_time():
    code = "import time; began = time.process_time(); import tfcsi; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print(time.process_time() - began)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 0.3
