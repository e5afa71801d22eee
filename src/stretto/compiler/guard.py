"""Run plain Python so that the first operation not known to be free of effects is not performed.

A fragment of a flow may run early, before older operations have finished, only if it does nothing
that could be seen. Most fragments do nothing of the kind (they build strings, index lists, call
helpers), but Python does not say so beforehand: `a + b` may run anybody's `__add__`. So the
fragment is compiled a second time with each operation behind a check of its operands' exact types.
Where the check passes, the very same operation is performed; the first time one does not,
`NeedsOrder` is raised *before* it, nothing that anybody can see has happened, and the fragment can
be run natively when its turn comes.

What makes that exact:

* only objects made inside the execution are changed (`guard_state.Execution.fresh`);
* functions, generators and other lazy values made inside are native ones with guarded twins, so
  that what leaves is what plain Python would have made;
* `NeedsOrder` cannot be swallowed: handlers let it pass, `finally` bodies do not run after it, and
  what the user's code does afterwards in spite of all is discarded when the execution ends;
* guarded code needs more frames, so a `RecursionError` is never believed: it ends in `NeedsOrder`.

`known` states what is assumed. The parts: `guard_rewrite` (with `guard_expressions` and
`guard_statements`) rewrites source, `guard_ops` and `guard_items` are the operations, `guard_calls`
(with `guard_rules` and `guard_methods`) calls functions, `guard_source` finds their source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from types import CellType, FunctionType
from typing import Any, Final

from stretto.compiler.guard_calls import run
from stretto.compiler.guard_source import Unit, assemble, build
from stretto.compiler.guard_state import FRAGMENTS, NeedsOrder

__all__ = ["NeedsOrder", "assemble", "call_guarded", "compile_guarded", "guarded_unit"]

_NONE: Final[Mapping[str, CellType]] = {}


def compile_guarded(
    tree: ast.FunctionDef,
    filename: str,
    namespace: dict[str, Any],
    freevars: Mapping[str, CellType] = _NONE,
    *,
    future_annotations: bool = False,
    qualname: str = "",
) -> FunctionType:
    """Compile a run of statements so that nothing with an effect is performed.

    Args:
        tree: a function that holds the statements, with their line numbers.
        filename: the user's file.
        namespace: the globals of the statements.
        freevars: cells of the names that they take from an enclosing function.
        future_annotations: whether annotations are left unevaluated.
        qualname: the qualified name of the function; its name, where it is not given.

    Returns:
        A function of the same signature. It does what the plain function would do (values,
        exceptions, order), or raises `NeedsOrder` before the first operation that is not known to
        be free of effects.
    """
    unit = guarded_unit(
        tree, filename, namespace, tuple(freevars), future_annotations=future_annotations, qualname=qualname
    )
    made = assemble(unit, freevars, namespace, tree.name)
    if tree.args.defaults:
        made.__defaults__ = tuple(_value(d, filename, namespace) for d in tree.args.defaults)
    named = {
        arg.arg: _value(default, filename, namespace)
        for arg, default in zip(tree.args.kwonlyargs, tree.args.kw_defaults, strict=True)
        if default is not None
    }
    if named:
        made.__kwdefaults__ = named
    return made


def guarded_unit(
    tree: ast.FunctionDef,
    filename: str,
    namespace: dict[str, Any],
    freevars: tuple[str, ...],
    *,
    future_annotations: bool,
    qualname: str,
) -> Unit:
    """The code of `compile_guarded`; `assemble` makes functions of it, over one set of cells or another."""
    unit = Unit(None)
    package = namespace.get("__package__")
    build(unit, tree, freevars, filename, future_annotations, package, qualname or tree.name, root=True)
    assert unit.code is not None
    FRAGMENTS[id(unit.code)] = unit.code
    return unit


def _value(node: ast.expr, filename: str, namespace: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), filename, "eval"), namespace)


def call_guarded(
    fn: Any,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    own: Iterable[object] = (),
) -> Any:
    """Call something with nothing that has an effect being performed.

    What is known to be free of effects is called natively; a Python function whose source can be
    found runs guarded, and so does what it calls.

    Args:
        fn: a function, a class, a method, or what `compile_guarded` made.
        args: its arguments.
        kwargs: its keyword arguments.
        own: objects that nobody else can see, so that changing them is no effect.

    Raises:
        NeedsOrder: before the first operation that is not known to be free of effects.
    """
    root = type(fn) is FunctionType and id(fn.__code__) in FRAGMENTS
    return run(fn, tuple(args), dict(kwargs or {}), own, root)
