"""The pages for people: their size, links, pictures, tables and the files they name."""

import ast
import pathlib
import re

import pytest

import tfcsi
from tfcsi import models, results
from tfcsi.evaluation import leaderboard

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = [  # Pages of the site that lie in docs/,
    page
    for place in ("*.md", "tasks/*.md", "api/*.md", "demo/*.md")
    for page in sorted((ROOT / "docs").glob(place))
]
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")  # and beside it.
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *DOCS,
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
# The change log may name files of earlier versions.
PRESENT = [page for page in PAGES if page.name != "CHANGELOG.md"]
every_page = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def prose(page):
    """The text of a page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def anchors(page):
    """The anchors that a page offers, made from its headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def links(page):
    """The relative links and pictures of a page, as (file, anchor)."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    near = [t for t in targets if not t.startswith(("http:", "https:"))]
    return [(file, anchor) for file, _, anchor in (t.partition("#") for t in near)]


def test_the_readme_has_6_to_8_kilobytes():
    assert 6000 <= len(README.read_bytes()) <= 8192


@every_page
def test_every_relative_link_and_picture_leads_to_a_file(page):
    for file, anchor in links(page):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name}: {file} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {file} has no #{anchor}"


def test_every_page_of_the_docs_is_linked_from_the_readme():
    linked = {(ROOT / file).resolve() for file, _ in links(README)}
    linked |= {  # The start of the site, and pages that are too long for their tables.
        (ROOT / "docs" / file).resolve()
        for name in ("index.md", "results.md")
        for file, _ in links(ROOT / "docs" / name)
    }
    pages = {page.resolve() for page in DOCS if page.parent.name != "api"}
    assert pages and not pages - linked


def test_every_page_of_the_docs_has_a_place_on_the_site():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    placed = set(re.findall(r": (\S+\.md)$", navigation, re.MULTILINE))
    notebooks = (ROOT / "docs" / "tutorials").glob("*.ipynb")
    pages = {*DOCS, *(path.with_suffix(".md") for path in notebooks)}
    names = {str(page.relative_to(ROOT / "docs")) for page in pages}
    assert placed - {*BESIDE} == names


@pytest.mark.parametrize("page", PRESENT, ids=lambda page: page.stem)
def test_every_file_of_the_repository_that_a_page_names_exists(page):
    folders = "tfcsi|configs|train|tflite|results|benchmarks|examples|tests|docs"
    named = re.findall(rf"`((?:{folders})/[\w./]*)`", prose(page))
    named = [name for name in named if "NAME" not in name]
    assert not [name for name in named if not (ROOT / name).exists()]


@every_page
def test_every_make_target_of_a_page_is_in_the_makefile(page):
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(r"^make ([a-z-]+)", page.read_text(), re.MULTILINE)
    named += re.findall(r"`make ([a-z-]+)", page.read_text())
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_tables_are_those_of_the_result_files():
    marked = re.compile(r"<!-- table: (.+?) -->\n(.*?)<!-- end -->", re.DOTALL)
    tables = [match for page in PAGES for match in marked.findall(page.read_text())]
    assert len(tables) >= 8
    for arguments, text in tables:
        words = arguments.split()
        flags = dict(word[2:].split("=") for word in words if "=" in word)
        columns, codecs = (flags.get(k, "") for k in ("columns", "codecs"))
        columns, codecs = (v.split(",") if v else [] for v in (columns, codecs))
        names = [word for word in words if not word.startswith("--")]
        points = [p for n in names for p in results.read(ROOT / n)["points"]]
        points = results.of_codecs(points, codecs)
        if "--leaderboard" in words:
            points, columns = leaderboard.rows(points), leaderboard.COLUMNS
        expected = results.table(points, markdown=True, columns=columns)
        assert text.strip() == expected, arguments


def test_the_readme_says_that_the_leading_network_is_not_that_of_the_paper():
    text = " ".join(README.read_text().split())
    assert re.search(r"^\| stqenet, 16 epochs ", README.read_text(), re.MULTILINE)
    assert "`stqenet, 16 epochs` is the network of the STQENet paper with three" in text
    for change in ("start as the linear transform", "keeps the amplitude", "released"):
        assert change in text
    assert "`stqenet, 8 epochs` is the configuration of the paper" in text


def test_the_drawing_of_the_house_has_the_rooms_that_the_walls_hold():
    tree = ast.parse((ROOT / "tests" / "test_walls.py").read_text())
    (floors,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "FLOORS"
    )
    page = (ROOT / "docs" / "architecture.md").read_text()
    drawn = re.findall(r"^ *(\d+) \|(.+)\|$", page, re.MULTILINE)
    rooms = {int(n): {c.split()[0] for c in cells.split("|")} for n, cells in drawn}
    assert rooms == {n: {*names} - {""} for n, names in enumerate(floors)}


def test_the_page_of_the_house_names_every_test_of_the_walls():
    page = (ROOT / "docs" / "architecture.md").read_text()
    tests = re.findall(
        r"^def (test_\w+)", (ROOT / "tests/test_walls.py").read_text(), re.M
    )
    assert tests and not [test for test in tests if f"`{test}`" not in page]


def test_the_promise_of_stable_names_has_every_public_name():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    promise = page[page.index("- **Public names**") :].partition("- **Flags**")[0]
    names = set(re.findall(r"`tfcsi\.(\w+)`", promise)) - {"ue"}
    assert names == {name for name in tfcsi.__all__ if name[0] != "_"} - {"need_full"}


def test_the_page_of_models_has_a_row_for_every_model():
    page = (ROOT / "docs" / "models.md").read_text()
    table = page[page.index("| name | paper |") :].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in named_in(row)}
    assert named == set(models.MODELS)


def named_in(row):
    """The names in the first cell of a row."""
    return re.findall(r"`(\w+)`", row.split("|")[1])
