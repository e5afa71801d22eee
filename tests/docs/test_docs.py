"""Every page is a program: its blocks run, and what it says they print is what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import pages

PAGES = [pages.ROOT / "README.md", *sorted((pages.ROOT / "docs").glob("*.md"))]


def marked(page: Path) -> object:
    """Pages that start processes of their own take their time."""
    slow = [pytest.mark.slow] if "```sh\nstretto " in page.read_text() else []
    return pytest.param(page, id=page.name, marks=slow)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_page_runs(page: Path, tmp_path: Path) -> None:
    pages.run_page(page, tmp_path)


LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by, as GitHub makes it of them."""
    found: set[str] = set()
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for link in LINK.findall(text):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page.name}: there is no {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: there is no heading for {link}"


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(page.read_text())
        if "://" not in link and not link.startswith("#")
    }
    assert {page for page in PAGES[1:] if page.resolve() not in linked} == set()


def test_from_scratch_file_is_made_from_its_page() -> None:
    page = pages.ROOT / "docs" / "from_scratch.md"
    assert page.with_suffix(".py").read_text() == pages.code_of(page), (
        "run: python tests/docs/pages.py docs/from_scratch.md > docs/from_scratch.py"
    )


def test_from_scratch_file_runs() -> None:
    file = pages.ROOT / "docs" / "from_scratch.py"
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "9 seconds" in done.stdout
