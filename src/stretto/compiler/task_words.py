"""Whether a flow may make tasks of asyncio, as far as this can be told from the sources that it can reach.

Where it cannot be told that it may not, what follows a region of unknown steps has to wait for the region
before it asks which tasks there are. So flows whose modules speak of no tasks are spared that.
"""

from __future__ import annotations

import linecache
import re
import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, cast

from .bounded import Bounded

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["MAKERS", "may_make_tasks", "works_on_tasks"]

#: Functions of asyncio that make tasks.
MAKERS = frozenset({"create_task", "ensure_future"})
#: Names in functions that make tasks or wait for some.
_NAMES = MAKERS | {"TaskGroup", "as_completed", "gather", "wait"}
_WORDS = re.compile(r"\b(?:create_task|ensure_future|TaskGroup|as_completed|wait)\b")
#: By file: the digest of its text, and whether it speaks of tasks.
_files: Bounded[str, tuple[int, bool]] = Bounded(1024)


def may_make_tasks(form: Compiled) -> bool:
    """Whether a function, or what the names of its module lead to, speaks of tasks."""
    found: bool | None = form.summaries.get("may make tasks")
    if found is None:
        found = form.summaries["may make tasks"] = _speaks(form)
    return found


def works_on_tasks(fn: FunctionType) -> bool:
    """Whether a function makes tasks, or waits for some: it cannot run as a whole, where there are others."""
    return not _NAMES.isdisjoint(fn.__code__.co_names)


def _speaks(form: Compiled) -> bool:
    from .functions import users_own  # late: it is asked when everything is there

    todo: list[Any] = [form.fn]
    seen: set[int] = set()
    spaces: set[int] = set()
    while todo:
        at = todo.pop()
        if id(at) in seen:
            continue
        seen.add(id(at))
        if isinstance(at, ModuleType):
            space = vars(at)
            if id(space) not in spaces and _of_user(space):
                spaces.add(id(space))
                todo += space.values()
            continue
        if isinstance(at, (staticmethod, classmethod)):
            at = cast("Any", at).__func__
        at = getattr(at, "fn", at) if type(at).__module__.startswith("stretto.") else at
        if isinstance(at, FunctionType):
            if not users_own(at):
                continue
            if _file_speaks(at.__code__.co_filename):
                return True
            for cell in at.__closure__ or ():
                try:
                    todo.append(cell.cell_contents)
                except ValueError:
                    continue
            if id(at.__globals__) not in spaces:
                spaces.add(id(at.__globals__))
                todo += at.__globals__.values()
        elif isinstance(at, type) and at.__module__ != "builtins":
            todo += vars(at).values()
            todo += at.__bases__
    return False


def _of_user(space: dict[str, Any]) -> bool:
    """Whether a module is one of the user's own."""
    file = space.get("__file__") or ""
    return "/site-packages/" not in file and "/dist-packages/" not in file and not _in_stdlib(space)


def _in_stdlib(space: dict[str, Any]) -> bool:
    root = str(space.get("__name__", "")).partition(".")[0]
    return root in sys.stdlib_module_names or root == "stretto"


def _file_speaks(filename: str) -> bool:
    lines = linecache.getlines(filename)
    if not lines:
        return True
    text = "".join(lines)
    key = hash(text)
    found = _files.get(filename)
    if found is None or found[0] != key:
        found = _files[filename] = key, _WORDS.search(text) is not None
    return found[1]
