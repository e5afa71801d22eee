"""The same tests run plainly and as flows, each way in a process of its own, and where they differ."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ROOT", "Module", "Test", "compare"]

ROOT = Path(__file__).resolve().parents[2]

#: Seconds that all the tests of one module may take, one way.
PATIENCE = 900.0


@dataclass(frozen=True)
class Test:
    """One test that is compiled: how it ended plainly, and as a flow."""

    __test__ = False  # for pytest: no test of ours

    name: str
    expected: str
    got: str
    detail: str = ""

    @property
    def same(self) -> bool:
        return self.expected == self.got


@dataclass
class Module:
    """The tests of one module.

    Attributes:
        tests: those that were compiled.
        refused: the name of a test, and the construct for which it is refused.
    """

    name: str
    tests: list[Test] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def differing(self) -> list[Test]:
        return [test for test in self.tests if not test.same]

    @property
    def constructs(self) -> Counter[str]:
        return Counter(self.refused.values())


def compare(name: str, way: str, path: list[str], only: str = "") -> Module:
    """Run a module's tests plainly and in another way."""
    expected, got = _plainly(name, tuple(path), only), _ended(name, way, path, only)
    module = Module(name)
    for test, how in expected.items():
        then = got.get(test, {"ended": "lost"})
        if how["ended"] == "skipped":
            continue
        if then["ended"] == "refused":
            module.refused[test] = then["detail"]
            continue
        ended, ends = how["ended"], then["ended"]
        detail = then.get("detail", "")
        if test.startswith("doctest ") and ended == ends == "passed" and how["detail"] != detail:
            ends = "shown otherwise"
            detail = _unlike(how["detail"], detail)
        module.tests.append(Test(test, ended, ends, detail))
    return module


def _unlike(expected: str, got: str) -> str:
    """The first line in which two texts differ."""
    ours, theirs = got.splitlines(), expected.splitlines()
    for number, (mine, line) in enumerate(zip(ours, theirs, strict=False)):
        if mine != line:
            return f"line {number} is {mine!r}, and should be {line!r}"
    return f"{len(ours)} lines, and should be {len(theirs)}"


@functools.lru_cache(maxsize=1)
def _plainly(name: str, path: tuple[str, ...], only: str) -> dict[str, dict[str, str]]:
    """How they end in CPython: what all ways are compared with."""
    return _ended(name, "plain", list(path), only)


def _ended(name: str, way: str, path: list[str], only: str) -> dict[str, dict[str, str]]:
    """How each test has ended; where one takes the process with it, the rest run in another."""
    ended: dict[str, dict[str, str]] = {}
    while True:
        before = len(ended)
        code, out, err = _child(name, way, path, only, before)
        for line in out.splitlines():
            told = json.loads(line)
            if told.pop("begun", False):
                ended[told["test"]] = {"ended": "crashed", "detail": err[-2000:]}
            else:
                ended[told.pop("test")] = told
        if code == 0:
            return ended
        if len(ended) == before:
            raise RuntimeError(f"{name} could not be run ({way}):\n{err[-4000:]}")


def _child(name: str, way: str, path: list[str], only: str, behind: int) -> tuple[int, str, str]:
    paths = [str(ROOT / "src"), str(ROOT), *path, os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        "PYTHONHASHSEED": "0",
        "STRETTO_JOURNAL": "",
    }
    command = [sys.executable, "-W", "default", "-m", "tests.cpython.child", name, way, only, str(behind)]
    # A folder of its own: some tests make files beside them under fixed names, and modules run side by side.
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        try:
            out, err = child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
    return child.returncode, out, err
