"""The table ``[effects]`` of ``stretto.toml``, or ``[tool.stretto.effects]`` of ``pyproject.toml``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ..calls import call
from ..configuration.files import nearest, places_in
from ..effects import Effects, Kind, Resource
from ..errors import DeclarationError
from .bounds import Bounds, read_bounds

__all__ = ["Entry", "effects_of", "entry", "read"]

_NAME = re.compile(r"[A-Za-z_*]\w*(\.([A-Za-z_]\w*|\*))*")
_FREE = {"unordered": Kind.UNORDERED, "pure": Kind.PURE}
_VERBS = ("reads", "writes", "commutes")
_GRAMMAR = (
    "expected 'reads R', 'writes R' or 'commutes R' (several with ';' between them, and R a resource such as "
    "'web' or 'store:{key}', several with ','), 'unordered', 'pure' or 'ordered', or 'changes self' or "
    "'changes nothing'"
)
_OWN = ("effect", "returns", "unless", "here", "changes_self", "fixed_self", "iterates", "shows")
_OPTIONS = (
    "limit",
    "rate",
    "tokens",
    "breaker",
    "per",
    "hedge",
    "retries",
    "timeout",
    "idempotent",
    "fails",
    "pickle",
    "secret",
    "name",
)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line of a table.

    Attributes:
        name: a dotted name, perhaps with ``*`` in it.
        effect: what it touches; None for ``ordered``, which takes back what another table says.
        options: those of `call`.
        returns: the type of what it gives, as text; empty if nothing is said.
        unless: keyword arguments with which nothing of this holds.
        here: whether it runs in the thread of the program, in its turn; else a sync call has its own.
        where: file and line, for messages.
        bounds: what it changes at most, where that is what is said of it; it is no call then.
        changes_self: whether it is a method that changes the object itself, as it can be looked at.
        fixed_self: whether it is a method whose object leads to nothing that the program changes, unless it
            sets attributes of objects of that package.
        iterates: the argument whose items what it gives can be gone over for; empty if nothing is said.
        shows: whether it makes texts of what it is given: so it may run code of the program's own.
        sure: whether it is the user's, and there must be something of that name; a catalogue covers several
            versions of a library.
    """

    name: str
    effect: Effects | None
    where: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    returns: str = ""
    unless: frozenset[str] = frozenset()
    here: bool = False
    changes_self: bool = False
    fixed_self: bool = False
    iterates: str = ""
    shows: bool = False
    sure: bool = True
    bounds: Bounds | None = None

    @property
    def rank(self) -> tuple[bool, bool]:
        """Of two entries about the same thing, that of the higher rank counts, or the later one."""
        return self.sure, "*" not in self.name


def read(file: Path, said: Mapping[str, Any], *, sure: bool = True) -> Iterator[Entry]:
    """The entries of a table; `DeclarationError` names the file, the line and the name of what is wrong."""
    place = places_in(file, "effects")
    for name, value in _flat("", said):
        yield entry(name, value, f"{place(name)}: {name}", sure)


def _flat(prefix: str, said: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A name without quotes is taken apart at its dots by TOML: put it together again."""
    for key, value in said.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and "effect" not in value:
            yield from _flat(f"{name}.", cast("dict[str, Any]", value))
        elif name != "catalogue":
            yield name, value


def entry(name: str, value: Any, at: str, sure: bool = True) -> Entry:
    """What one line says: its name, and an effect or a table with it. `at` is where it stands."""
    if not _NAME.fullmatch(name):
        raise DeclarationError(
            f"{at}: this is no dotted name; expected one such as 'requests.get' or 'openai.*.create'"
        )
    said: dict[str, Any] = {"effect": value} if isinstance(value, str) else value
    if not isinstance(said, dict) or not isinstance(said.get("effect"), str):
        raise DeclarationError(
            f"{at}: found {value!r}; expected an effect such as 'reads web', or a table such as "
            '{ effect = "reads web", retries = 2 }'
        )
    options = {key: option for key, option in said.items() if key not in _OWN}
    for key in options:
        if key not in _OPTIONS:
            raise DeclarationError(
                f"{at}: there is no option {key!r}{nearest(key, (*_OWN, *_OPTIONS))} "
                f"There are: {', '.join((*_OWN, *_OPTIONS))}"
            )
    try:
        call(**options)
    except DeclarationError as error:
        raise DeclarationError(f"{at}: {error}") from None
    unless: Any = said.get("unless", [])
    returns: Any = said.get("returns", "")
    here: Any = said.get("here", False)
    changes: Any = said.get("changes_self", False)
    fixed: Any = said.get("fixed_self", False)
    iterates: Any = said.get("iterates", "")
    shows: Any = said.get("shows", False)
    texts = isinstance(returns, str) and isinstance(iterates, str)
    flags = all(isinstance(flag, bool) for flag in (here, changes, fixed, shows))
    if not (isinstance(unless, list) and texts and flags):
        raise DeclarationError(
            f"{at}: `unless` is a list of names of arguments, `returns` a type as text, `iterates` the name "
            "of an argument, `here`, `changes_self`, `fixed_self` and `shows` are true or false"
        )
    if changes and not here:
        raise DeclarationError(f"{at}: only what runs `here` may have changes_self = true")
    bounds = read_bounds(said["effect"], at)
    if bounds is not None:
        for more in said.keys() - {"effect", "returns"}:
            raise DeclarationError(
                f"{at}: what a function changes at most makes it no call: it has no {more!r}, only 'returns'"
            )
        return Entry(name, None, at, returns=str(said.get("returns", "")), sure=sure, bounds=bounds)
    effect = effects_of(said["effect"], at)
    if here and (effect is None or effect.kind is not Kind.WRITES):
        raise DeclarationError(
            f"{at}: only what writes runs `here`, in its turn, in the program's own thread"
        )
    names = frozenset(map(str, cast("list[Any]", unless)))
    if fixed and (effect is None or here or effect.kind is Kind.PURE):
        raise DeclarationError(f"{at}: only a method that is a call of its own may have fixed_self = true")
    for word, is_said in (("iterates", iterates), ("shows", shows)):
        if is_said and not here:
            raise DeclarationError(f"{at}: only what runs `here` may have `{word}`")
    return Entry(name, effect, at, options, returns, names, here, changes, fixed, iterates, shows, sure)


def effects_of(text: str, at: str) -> Effects | None:
    """The effects that a text says; None for ``ordered``."""
    words = text.strip()
    if words == "ordered":
        return None
    if words in _FREE:
        return Effects(_FREE[words])
    groups: dict[str, tuple[Resource, ...]] = {}
    for part in words.split(";"):
        verb, _, rest = part.strip().partition(" ")
        names = [r.strip() for r in rest.split(",") if r.strip()]
        if verb not in _VERBS or not names:
            raise DeclarationError(f"{at}: {text!r} is no effect; {_GRAMMAR}")
        try:
            groups[verb] = groups.get(verb, ()) + tuple(map(Resource.parse, names))
        except DeclarationError as error:
            raise DeclarationError(f"{at}: {error}") from None
    kind = Kind.WRITES if "writes" in groups else Kind.COMMUTES if "commutes" in groups else Kind.READS
    return Effects(kind, **groups)
