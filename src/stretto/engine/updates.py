"""The next version of a container that is a value, and looks at one: now, or when what they need has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .containers import Dict, List, Versioned
from .nodes import Node, unbound
from .slots import PENDING, UNBOUND, Slot

if TYPE_CHECKING:
    from .machine import Engine
    from .strands import Strand

__all__ = ["UpdateNode", "change", "look", "needs"]


class UpdateNode(Node):
    """The next version of a container that is a value, or a look at one."""

    __slots__ = ("args", "held", "method", "update")

    def __init__(
        self, strand: Strand, trace: Any, place: Any,
        held: Any, method: str, args: list[Any], update: bool,
    ) -> None:  # fmt: skip
        super().__init__(strand, trace, place, method)
        self.held = held
        self.method = method
        self.args = args
        self.update = update
        self.open = True

    def proceed(self, engine: Engine) -> None:
        held = self.held
        if isinstance(held, Slot):
            if held.value is UNBOUND:
                self.lost = getattr(held, "name", "?")
            held = self.held = held.value
        args = [a.value if isinstance(a, Slot) and a.value is not PENDING else a for a in self.args]
        for before, after in zip(self.args, args, strict=True):
            if after is UNBOUND:
                self.lost = getattr(before, "name", "?")
        if self.lost is not None:
            engine.failed(self, unbound(self.lost))
            return
        try:
            if self.update:
                result = change(held, self.method, args)
            else:
                result = look(held, self.method, args)
        except Exception as error:
            engine.failed(self, error)
            return
        if isinstance(result, Slot):
            if result.value is PENDING:
                self.held, self.method, self.args, self.update = result, "pass", [], False
                result.wait(self)
                self.missing += 1
                return
            result = result.value
        engine.finish(self, result)


def needs(method: str, args: list[Any]) -> list[Any]:
    """The arguments of a change or a look that have to be there for it (an element need not)."""
    if method == "append":
        return []
    return args[:1]


def _first_version(made: list[Any] | dict[Any, Any]) -> Versioned:
    """Of a container that was made natively, and is seen by no other name; those who wait with it in hand
    keep theirs."""
    return List(list(made)) if isinstance(made, list) else Dict(dict(made))


def change(held: Any, method: str, args: list[Any]) -> Any:
    """The next version."""
    version: Any = held if isinstance(held, Versioned) else _first_version(held)
    if method == "append":
        return version.append(args[0])
    if method == "setitem":
        return version.setitem(args[0], args[1])
    if method == "add":
        return version.add(args[0])
    if method == "repeat":
        return List(version.root() * args[0])
    items = args[0]
    return version.extend(list(items.elements()) if isinstance(items, Versioned) else items)


def look(held: Any, method: str, args: list[Any]) -> Any:
    """What a look gives; a slot where that element has not come."""
    if method == "pass":
        return held
    if method == "len":
        return len(held)
    if method == "bool":
        return bool(len(held)) if isinstance(held, Versioned) else bool(held)
    data = held.root() if isinstance(held, Versioned) else held
    if method == "getitem":
        return data[args[0]]
    if method == "in":
        return args[0] in data
    return data.get(*args)
