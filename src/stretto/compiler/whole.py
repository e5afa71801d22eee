"""Statements of the top level that CPython runs as they stand."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

from .fragments import Fragment
from .functions import Compiled, forget, is_static
from .scope import bound_names
from .source import MODULE
from .walking import walk

__all__ = ["Whole"]


class Whole(Fragment):
    """A statement that CPython runs as it stands, in the namespace of the module.

    Attributes:
        text: its first line.
        bound: the names of the module that it may bind.
        defines: whether it does nothing but give names to functions, classes and modules.
        calls: whether it holds a call.
    """

    __slots__ = ("bound", "calls", "defines")

    whole = True

    def __init__(self, form: Compiled, statement: ast.stmt, flags: int, defines: bool) -> None:
        super().__init__(form, [], (), (), opaque=True, lineno=statement.lineno, name=MODULE)
        self.text = ast.unparse(statement).split("\n")[0]
        self.bound = bound_names([statement])
        self.defines = defines
        self.calls = any(isinstance(n, ast.Call) for n in walk(statement))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # the compilation of the whole has told
            code = compile(ast.Module([statement], []), form.filename, "exec", flags=flags, dont_inherit=True)
        self._native = FunctionType(code, form.globals, MODULE)

    def native(self, cells: Any) -> Callable[..., Any]:
        native = self._native
        assert native is not None
        if self.bound:
            return self._and_look
        return native

    def _and_look(self) -> Any:
        """Run it; what was compiled with another meaning of a name that it binds is compiled again."""
        space = self.function.globals
        before = {name: space.get(name, getattr(builtins, name, None)) for name in self.bound}
        assert self._native is not None
        try:
            return self._native()
        finally:
            if any(is_static(old) and space.get(name) is not old for name, old in before.items()):
                forget()
