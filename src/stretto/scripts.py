"""Whole files as flows: ``stretto run script.py``.

A script is run as ``python script.py`` runs it: as ``__main__``, with its own ``sys.argv`` and ``sys.path``.
Its top level is what is overlapped (see `stretto.compiler.toplevel`).
"""

from __future__ import annotations

import ast
import builtins
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from .compiler.scope import bound_names
from .compiler.source import MODULE
from .compiler.toplevel import TopLevel, parse, toplevel_node
from .declarations import registry
from .declarations.project import load
from .engine.machine import Outcome
from .flows import Flow

if TYPE_CHECKING:
    from .compiler.functions import Compiled

__all__ = ["Script", "load_script"]


class Script(Flow[..., Any]):
    """A file whose top level is a flow.

    Attributes:
        module: the module that it runs in.
        started_with: what it is given by its process, as a journal keeps it: ``argv`` and ``cwd``.
    """

    def __init__(self, path: str, argv: Sequence[str]) -> None:
        source = Path(path).read_bytes()
        file = str(Path(path).absolute())
        code = compile(source, file, "exec", dont_inherit=True)
        load(Path(file).parent, Path.cwd(), catalogue=True)
        tree = parse(source, file)
        registry.defines(frozenset(bound_names(tree.body)))
        self.module = _main_module(file, ast.get_docstring(tree, clean=False))
        self.fn = FunctionType(code, vars(self.module), MODULE)
        self._node = toplevel_node(tree)
        self._form = TopLevel(self.fn, self._node)
        self.name = Path(path).name
        self.timeout = self.limit = self.secret = self.journal = None
        self.started_with: dict[str, Any] = {"argv": [path, *argv], "cwd": os.getcwd()}

    @property
    def form(self) -> Compiled:
        return self._form

    def check(self, args: Any, kwargs: Mapping[str, Any]) -> None:
        """What a journal keeps as its arguments is for its process; its top level has no parameters."""

    def told(self, outcome: Outcome) -> Outcome:
        """To leave by ``sys.exit`` is no failure of a script, whatever it says by it."""
        if isinstance(outcome.error, SystemExit):
            return Outcome(outcome.error.code)
        return outcome

    def look(self) -> None:
        """Execute its imports and definitions, so that what it calls is known."""
        self._form.look()

    def enter(self) -> None:
        """Make this process one that runs the script."""
        Flow.running = self
        sys.modules["__main__"] = self.module
        sys.argv[:] = self.started_with["argv"]
        if not sys.flags.safe_path:
            # what stands there is the folder of the program `stretto`
            sys.path[0] = str(Path(self.fn.__code__.co_filename).resolve().parent)


def load_script(path: str, argv: Sequence[str]) -> Script:
    """The script in a file. Raises OSError, and SyntaxError where it is not Python."""
    return Script(path, argv)


def _main_module(file: str, doc: str | None) -> ModuleType:
    module = ModuleType("__main__", doc)
    vars(module).update(
        __annotations__={},
        __builtins__=builtins,
        __cached__=None,
        __file__=file,
        __loader__=SourceFileLoader("__main__", file),
        __package__=None,
    )
    return module
