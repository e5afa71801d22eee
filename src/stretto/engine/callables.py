"""What calling an object of the user's own runs: a method, the ``__init__`` of a class, ``__call__``."""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import Any, NamedTuple, cast

from ..compiler import ir
from ..compiler.coroutines import called_by
from ..compiler.functions import Compiled, compiled, helper
from ..compiler.known_objects import PLAIN_METACLASSES
from ..compiler.walked import glances, sets_up, takes
from ..flows import Flow

__all__ = ["Behind", "behind"]


class Behind(NamedTuple):
    """The function or the flow, what it is given first, and whether that is the result, too."""

    fn: Any
    first: Any
    makes: bool = False


def behind(callee: Any, *, late: bool = False) -> Behind | None:
    """The compiled function or the flow that calling this runs, and nothing else; None if it is none.

    `late`: the making of an object, or a method that only looks at objects, would have to wait as a whole.
    """
    kind = cast("type[Any]", type(callee))
    if kind is MethodType:
        fn = callee.__func__
        if isinstance(fn, Flow):
            return Behind(fn, callee.__self__)
        if type(fn) is FunctionType and (helper(fn) is not None or (late and glances(fn) is not None)):
            return Behind(fn, callee.__self__)
        return None
    if kind in PLAIN_METACLASSES:
        return _constructed(callee, late)
    fn = called_by(callee)
    return None if fn is None or helper(fn) is None else Behind(fn, callee)


def _constructed(cls: type[Any], late: bool) -> Behind | None:
    """The ``__init__`` of a class whose objects nothing else makes."""
    init, new = cast("Any", cls.__init__), cast("Any", cls.__new__)
    if type(init) is not FunctionType or new is not object.__new__:
        return None
    form = helper(init)
    if form is None and (late or takes(init)) and sets_up(init):
        form = compiled(init)
    if form is None or form.is_async or not _returns_nothing(form):
        return None
    return Behind(init, cls, True)


def _returns_nothing(form: Compiled) -> bool:
    """Whether a function returns None for certain: another result of ``__init__`` is an error."""
    found: bool | None = form.summaries.get("returns nothing")
    if found is None:
        found = form.summaries["returns nothing"] = all(
            isinstance(i.source, ir.Const) and i.source.value is None
            for i in ir.instructions(form.body)
            if isinstance(i, ir.Return)
        )
    return found
