"""Lets the site show pages and pictures that lie beside docs/, such as results/."""

from __future__ import annotations

import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages of `BESIDE`, and all files of results/ that pages link to."""
    found = [path for path in (ROOT / "results").iterdir() if path.is_file()]
    names = [*BESIDE, *sorted(f"results/{path.name}" for path in found)]
    for name in names:
        file = File(name, str(ROOT), config.site_dir, config.use_directory_urls)
        if name.startswith("results/") and name.endswith(".md"):
            file.inclusion = file.inclusion.NOT_IN_NAV
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Changes links from the folders of the repository to those of the site."""
    name = page.file.src_uri
    if name in BESIDE:
        return markdown.replace("](docs/", "](")
    up = "../" * (name.count("/") + 1)
    return re.sub(rf"\]\({re.escape(up)}", f"]({up[3:]}", markdown)
