"""What a function changes at most: ``"changes self; writes log"``.

Such a line declares no call. The function stays what it is: it is compiled and overlaps inside, or runs as a
whole in its turn. But where it has not come to its end, what follows knows what it may still change: the
attributes of the object that it is called on, with ``self.notes`` the list, dict or set that one of them
holds, objects that it makes itself, and the resources that are named. Nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..compiler.checkers import Checker
from ..compiler.types import T
from ..effects import Resource
from ..errors import DeclarationError

__all__ = ["Bounds", "read_bounds"]

_GRAMMAR = (
    "expected 'changes self', 'changes self, self.NAME' or 'changes nothing', perhaps with 'writes R', "
    "'commutes R' and 'reads R' behind it (';' between them): what the function changes at most"
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a function changes at most, but for objects that it makes itself.

    Attributes:
        own: whether it may set attributes of the object that it is called on.
        held: the attributes of that object whose list, dict or set it may change.
        paths: the resources that it may write, as far as their names are known without its arguments.
        checker: asks whether what it returns is of the type that is said.
    """

    own: bool
    held: tuple[str, ...]
    paths: frozenset[str]
    checker: Checker | None = None

    @property
    def type(self) -> T | None:
        """The type of what it returns, where that is known."""
        return None if self.checker is None else self.checker.type


def read_bounds(text: str, at: str) -> Bounds | None:
    """The bounds that a text says; None for one that says effects. `DeclarationError` says what is wrong."""
    first, *rest = [part.strip() for part in text.split(";")]
    verb, _, what = first.partition(" ")
    if verb != "changes":
        return None
    things = [thing.strip() for thing in what.split(",")]
    held = tuple([thing[5:] for thing in things if thing.startswith("self.") and thing[5:].isidentifier()])
    whole = [thing for thing in things if thing in ("self", "nothing")]
    if len(held) + len(whole) != len(things) or ("nothing" in whole and len(things) > 1):
        raise DeclarationError(f"{at}: {text!r} does not say what is changed at most; {_GRAMMAR}")
    paths: set[str] = set()
    for part in rest:
        verb, _, names = part.partition(" ")
        resources = [name.strip() for name in names.split(",") if name.strip()]
        if verb not in ("reads", "writes", "commutes") or not resources:
            raise DeclarationError(f"{at}: {text!r} does not say what is changed at most; {_GRAMMAR}")
        try:
            found = [Resource.parse(name).root for name in resources]
        except DeclarationError as error:
            raise DeclarationError(f"{at}: {error}") from None
        if verb != "reads":
            paths.update(found)
    return Bounds("self" in whole, held, frozenset(paths))
