"""Every page is a program: its blocks run, and what it says they print is what they print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import pages

PAGES = [pages.ROOT / "README.md", *sorted((pages.ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs(page: Path, tmp_path: Path) -> None:
    pages.run_page(page, tmp_path)


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
