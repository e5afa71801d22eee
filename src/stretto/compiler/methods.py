"""What is known of a method that holds no call, from the very object that it is called on.

Of what an attribute of an object is, the source tells nothing. But where nothing is to come of it, it can be
looked at: a method that goes by a table of its object's (``return self.scores[text]``) is then known to be
free of effects while what it is given is still to come.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .types import T, Verdict, of_value
from .verdicts import function_verdict
from .walking import walk

if TYPE_CHECKING:
    from .functions import Compiled

__all__ = ["method_verdict"]


def method_verdict(
    fn: FunctionType, held: Any, given: tuple[T | None, ...], settled: Callable[[Any, str], bool]
) -> Verdict:
    """What is known of calling a method with positional arguments of these types; `settled` tells whether to
    look at an attribute runs no code, and nothing is to come of it."""
    own = of_value(held)
    found = function_verdict(fn, (own, *given))
    if found.pure or own is not None:
        return found
    names = _looked_at(fn)
    fields = tuple([(name, of_value(getattr(held, name))) for name in names if settled(held, name)])
    return function_verdict(fn, (own, *given), fields) if fields else found


def _looked_at(fn: FunctionType) -> tuple[str, ...]:
    """The attributes that a function looks at of its first parameter."""
    from .functions import compiled

    form = compiled(fn)
    if form is None:
        return ()
    found: tuple[str, ...] | None = form.summaries.get("looked at")
    if found is None:
        found = form.summaries["looked at"] = _attributes(form)
    return found


def _attributes(form: Compiled) -> tuple[str, ...]:
    node = form.node
    if not isinstance(node, ast.FunctionDef) or not form.params:
        return ()
    first = form.params[0]
    found: dict[str, None] = {}
    for n in (n for statement in node.body for n in walk(statement)):
        if isinstance(n, ast.Name) and n.id == first and not isinstance(n.ctx, ast.Load):
            return ()
        if isinstance(n, ast.arg) and n.arg == first:
            return ()
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == first:
            found[n.attr] = None
    return tuple(found)
