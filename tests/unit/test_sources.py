"""That a program was edited is told from a flow and what it leads to by names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

FILES = {
    "calls": """\
from stretto import call

@call.reads("web")
def get(x):
    return x
""",
    "helpers": """\
from calls import get

def wrapped(fn):
    import functools
    return functools.wraps(fn)(lambda *args: fn(*args))

def deep(x):
    return get(x) + 1

@wrapped
def helper(x):
    return deep(x) if x in {"a", "b", "c", "d"} else 0

class Agent:
    LIMIT = 3

    def act(self, x):
        return [helper(y) for y in x]

    @property
    def name(self):
        return get(5)

def unused():
    return 1
""",
    "flows": """\
import helpers
from stretto import flow

@flow
def main(x):
    return helpers.Agent().act(x)
""",
}


def digest(folder: Path, seed: str) -> str:
    program = "from flows import main; from stretto.journal.sources import source_of; print(source_of(main))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=PATIENCE,
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder: Path, **edits: tuple[str, str]) -> None:
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text.replace(*edits.get(name, ("", ""))))


@pytest.mark.parametrize(
    ("name", "old", "new", "edited"),
    [
        ("flows", "act(x)", "act([x])", True),
        ("helpers", "for y in x", "for y in x[:2]", True),
        ("helpers", "get(x) + 1", "get(x) + 2", True),
        ("helpers", "get(5)", "get(6)", True),
        ("helpers", '{"a", "b", "c", "d"}', '{"a", "b", "c", "e"}', True),
        ("helpers", "class Agent", "# what it is\n\n\nclass Agent", False),
        ("helpers", "return 1", "return 2", False),
        ("calls", "return x", "return [x]", False),  # what it gave is recorded
    ],
)
def test_what_counts_as_an_edit(name: str, old: str, new: str, edited: bool, tmp_path: Path) -> None:
    write(tmp_path)
    before = digest(tmp_path, "1")
    assert digest(tmp_path, "2") == before
    write(tmp_path, **{name: (old, new)})
    assert (digest(tmp_path, "3") != before) == edited
