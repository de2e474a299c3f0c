"""Lets the site show notebooks, and what lies beside docs/, such as results/."""

from __future__ import annotations

import json
import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = pathlib.Path(__file__).parents[1]
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds `BESIDE`, notebooks, and the files of results/ and examples/."""
    found = [*(ROOT / "results").iterdir(), *(ROOT / "examples").glob("*.py")]
    files_of = sorted(str(path.relative_to(ROOT)) for path in found if path.is_file())
    names = [*BESIDE, *files_of]
    for name in names:
        file = File(name, str(ROOT), config.site_dir, config.use_directory_urls)
        if name.startswith("results/") and name.endswith(".md"):
            file.inclusion = file.inclusion.NOT_IN_NAV
        files.append(file)
    for notebook in sorted((ROOT / "docs" / "tutorials").glob("*.ipynb")):
        name = f"tutorials/{notebook.stem}.md"
        files.append(File.generated(config, name, content=markdown_of(notebook)))
    return files


def markdown_of(notebook: pathlib.Path) -> str:
    """Returns a notebook as a page: its text, its code, and a link to itself.

    Args:
      notebook: A .ipynb file without outputs.
    """
    blocks = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            language = "sh" if text.startswith("!") else "python"
            text = f"```{language}\n{text}\n```"
        blocks.append(text)
    title, first, *rest = blocks[0].split("\n\n", 1) + blocks[1:]
    link = f"[This page is a notebook]({notebook.name}), which you can run."
    return "\n\n".join([title, first, link, *rest])


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Changes links from the folders of the repository to those of the site."""
    name = page.file.src_uri
    if name in BESIDE:
        return markdown.replace("](docs/", "](")
    if name.startswith("results/"):
        markdown = markdown.replace("](../docs/", "](../")
    # Links to notebooks lead to their pages, except the one of a page to its notebook.
    own = pathlib.PurePosixPath(name).stem
    pattern = rf"\]\(((?:\.\./|tutorials/)*(?!{own}\.)\w+)\.ipynb\)"
    markdown = re.sub(pattern, r"](\1.md)", markdown)
    up = "../" * (name.count("/") + 1)
    return re.sub(rf"\]\({re.escape(up)}", f"]({up[3:]}", markdown)
