"""A program with some of its statements in blocks of budgets."""

from __future__ import annotations

import ast
import dataclasses
import zlib

from ..harness import Program

__all__ = ["bounded"]

_DEFINED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_NOT_INSIDE = (*_DEFINED, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom)


def bounded(program: Program) -> Program | None:
    """The same program, where some statements of its functions may cost so much only. A generator's are left
    alone: its blocks would stay entered between its values."""
    try:
        tree = ast.parse(program.source)
    except SyntaxError:
        return None
    functions = [
        f
        for f in ast.walk(tree)
        if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef))
        and not any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in ast.walk(f))
    ]
    for function in functions:
        _block(function.body, 0)
    tree.body[:0] = ast.parse("from stretto import budget\nSHARED = budget(usd=30)").body
    ast.fix_missing_locations(tree)
    return dataclasses.replace(program, source=ast.unparse(tree) + "\n")


def _block(body: list[ast.stmt], depth: int) -> None:
    for at, s in enumerate(body):
        if isinstance(s, _NOT_INSIDE):
            continue
        which = zlib.crc32(ast.unparse(s).encode())
        deeper = depth
        if which % 5 < 2 and depth < 2:
            made = "SHARED" if which % 7 == 0 else f"budget(usd={which % 11 * 3 + 1})"
            block = ast.parse(f"with {made}: pass").body[0]
            assert isinstance(block, ast.With)
            more = body[at + 1 :] if which % 3 else []
            block.body = [s, *more] if not any(isinstance(n, _NOT_INSIDE) for n in more) else [s]
            del body[at + 1 : at + len(block.body)]
            body[at] = block
            deeper = depth + 1
            _block(block.body[1:], deeper)
        for field in ("body", "orelse", "finalbody"):
            _block(getattr(s, field, None) or [], deeper)
        for handler in getattr(s, "handlers", ()):
            _block(handler.body, deeper)
        if deeper > depth:
            return
