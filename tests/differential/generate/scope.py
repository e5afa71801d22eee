"""What is known about names at a place in a generated program.

A name's first letters tell its type, in every scope, so a rebinding never changes what a name holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

__all__ = ["GLOBALS", "POOLS", "Helper", "Scope"]

POOLS: dict[str, tuple[str, ...]] = {
    "int": ("a", "b", "c", "n"),
    "bool": ("p", "q"),
    "str": ("s", "t"),
    "list": ("xs", "ys", "zs"),
    "dict": ("d", "e"),
    "set": ("w",),
    "pair": ("u",),
    "nest": ("m", "mm"),
    "box": ("o", "oo"),
    "agent": ("r", "rr"),
    "opt": ("z",),
    "func": ("f", "g"),
    "actor": ("r", "rr"),
    "gen": ("gg", "hh"),
    "answer": ("v", "vv"),
}


#: Names that every module binds.
GLOBALS = (("int", "a"), ("int", "b"), ("list", "xs"), ("str", "s"), ("dict", "d"), ("box", "o"))


@dataclass(frozen=True)
class Helper:
    """A function that programs can call: how its arguments are written, and what it gives."""

    name: str
    parameters: tuple[str, ...]  # types, positional
    defaults: int
    star: bool
    keywords: bool
    gives: str


@dataclass
class Scope:
    """One block: the names that are bound there for sure, and those that may be."""

    prefix: str = ""  # of the names that are bound here: nested functions have names of their own
    sure: dict[str, set[str]] = field(default_factory=dict)
    maybe: dict[str, set[str]] = field(default_factory=dict)
    loops: int = 0  # how many loops enclose the block, within its function
    final: bool = False  # in a `finally`, where break and return swallow
    walked: frozenset[str] = frozenset()  # lists that enclosing loops walk over
    gives: str = "int"
    handling: bool = False
    inside: tuple[str, ...] = ()  # what encloses the expression being written: "lambda", "comprehension", ...
    recursive: str = ""
    yields: bool = False  # it is in a generator function, and in no function inside it
    shared: frozenset[tuple[str, str]] = frozenset()  # types and names declared global or nonlocal here
    global_names: frozenset[str] = frozenset()  # that this function or one around it declares

    def block(self, **changes: object) -> Scope:
        """The scope of a block inside this one."""
        return replace(
            self,
            sure={kind: set(names) for kind, names in self.sure.items()},
            maybe={kind: set(names) for kind, names in self.maybe.items()},
            **changes,  # type: ignore[arg-type]
        )

    def bind(self, kind: str, name: str) -> str:
        self.sure.setdefault(kind, set()).add(name)
        self.maybe.get(kind, set()).discard(name)
        return name

    def unbind(self, kind: str, name: str) -> None:
        self.sure[kind].discard(name)
        self.maybe.setdefault(kind, set()).add(name)

    def names(self, kind: str) -> list[str]:
        return sorted(self.sure.get(kind, ()))

    def doubtful(self, kind: str) -> list[str]:
        return sorted(self.maybe.get(kind, ()))

    def after(self, blocks: Iterable[Scope]) -> None:
        """What is known once one of these blocks has run, nobody knows which."""
        for block in blocks:
            for table in (block.sure, block.maybe):
                for kind, names in table.items():
                    mine = self.sure.get(kind, set())
                    self.maybe.setdefault(kind, set()).update(names - mine)
            for kind, names in self.sure.items():
                lost = names - block.sure.get(kind, set())
                names -= lost
                self.maybe.setdefault(kind, set()).update(lost)
