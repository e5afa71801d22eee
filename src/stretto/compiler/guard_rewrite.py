"""The guarded form of a function: every operation replaced by a call of its guarded double.

Nested functions and lambdas are left as they are: they are values that may leave, so what the
program holds is the native function. Each is reported to `mark` when it is made, which remembers
its source; when guarded code calls it, its guarded twin is compiled from that. A generator
expression has both bodies (see `guard_state.Lazy`).

Locations are those that CPython gives the operation, so that errors name the user's line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from stretto.compiler.guard_expressions import PREFIX, Marked
from stretto.compiler.guard_statements import StatementRewriter
from stretto.compiler.syntax import function_def
from stretto.compiler.walking import copied

__all__ = ["PREFIX", "Marked", "rewrite"]


def rewrite(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
    cells: Iterable[str],
    *,
    root: bool,
    future_annotations: bool,
) -> tuple[ast.FunctionDef | ast.Lambda, list[Marked]]:
    """The guarded form of `node`, and the functions that it makes, by the number given to `mark`.

    Args:
        node: the function; it is not changed.
        cells: names that the native function takes from its closure.
        root: whether this is a fragment, which begins an execution of its own.
        future_annotations: whether annotations are left unevaluated.
    """
    node = copied(node)
    args = node.args
    args.defaults = []
    args.kw_defaults = [None] * len(args.kwonlyargs)
    for arg in _all_args(args):
        arg.annotation = None
    rewriter = StatementRewriter(node, set(cells), root, future_annotations)
    if isinstance(node, ast.Lambda):
        node.body = rewriter.visit(node.body)
        return node, rewriter.made
    body: list[ast.stmt] = [*rewriter.body(node.body)]
    if args.kwarg is not None:
        body.insert(0, rewriter.expression_statement(node, "keep", ast.Name(args.kwarg.arg, ast.Load())))
    if not root:
        body.insert(0, rewriter.expression_statement(node, "turn"))
    else:
        state = PREFIX + "state"
        begin = ast.Assign([ast.Name(state, ast.Store())], rewriter.op(node, "enter"))
        end = rewriter.expression_statement(node, "leave", ast.Name(state, ast.Load()))
        body = [begin, ast.Try(body=body, handlers=[], orelse=[], finalbody=[end])]
    # Not under its own name: that is a global for the function, not a name of what holds it here.
    made = function_def(PREFIX + "body", args, body)
    ast.copy_location(made, node)
    return made, rewriter.made


def _all_args(args: ast.arguments) -> list[ast.arg]:
    extra = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]
