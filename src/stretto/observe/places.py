"""The lines of a program that cost a run the most time, and what would free each."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..engine.causes import CERTAIN, EFFECT, LIMIT, ORDER, ROOM, SOFT
from .kinds import INSIDE
from .paths import Model, Step
from .timeline import Call

__all__ = ["Line", "Place", "costliest", "defined_at"]

#: So many lines are looked at closely: each is a run in the head.
_TRIED = 12

#: A saving below this share of the run is none.
_WORTH = 0.005


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source."""

    file: str
    number: int

    @property
    def text(self) -> str:
        """As it stands now; empty where it is not here."""
        return linecache.getline(self.file, self.number).strip()

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.number}" if self.file else "?"


@dataclass(slots=True)
class Place:
    """A call as it stands on a line, with all the times that it was made.

    Attributes:
        call: the function's name, as "module:qualname".
        line: where it is called.
        made: how often it was made.
        on_path: how often it stands on the critical path, and `path_time` for how long.
        waited: how long calls of it on the path waited for what they did not need, by how they waited.
        saving: how much shorter the run would have been with the remedy.
        says: why it costs what it costs.
        remedy: what would free it; empty where it is what it is.
        change: the line that says so, or would.
    """

    call: str
    line: Line
    made: int = 0
    on_path: int = 0
    path_time: int = 0
    waited: dict[str, int] = field(default_factory=dict[str, int])
    saving: int = 0
    says: str = ""
    remedy: str = ""
    change: Line | None = None
    calls: list[Call] = field(default_factory=list[Call])

    @property
    def name(self) -> str:
        return self.calls[0].short if self.calls else self.call

    @property
    def effects(self) -> str:
        return self.calls[0].effects

    @property
    def cost(self) -> int:
        return max(self.saving, self.path_time)


_Key = tuple[str, str, int]
_Test = Callable[[Call], bool]
#: How long it would have been, by what would have been free, and what would have waited even so.
_Would = Callable[[_Test, _Test], int]


def _key(call: Call) -> _Key:
    return (call.name, *call.line)


def costliest(
    model: Model, path: Sequence[Step], took: int, most: int, would: _Would | None = None, tried: int = _TRIED
) -> list[Place]:
    """The places that cost most, the dearest first.

    Args:
        took: how long it was until what is to be sooner.
        would: how long that would have been, if some waits were left out; as long as the run, if nothing else
            is said.
        tried: so many places are looked at closely.
    """
    would = would or model.took
    places: dict[_Key, Place] = {}
    for step in path:
        call = step.call
        place = places.setdefault(_key(call), Place(call.name, Line(*call.line)))
        place.on_path += 1
        place.path_time += call.took
        if call.kind in SOFT or call.kind == INSIDE:
            delay = call.started - call.inputs_came
            place.waited[call.kind] = place.waited.get(call.kind, 0) + delay
    for call in model.calls:
        found = places.get(_key(call))
        if found is not None:
            found.made += 1
            found.calls.append(call)
    own = _own(path, would, took)
    held = _held(path)
    ranked = sorted(
        places.values(), key=lambda p: p.path_time + sum(p.waited.values()) + held.get(_key(p.calls[0]), 0)
    )
    for place in ranked[: -tried - 1 : -1]:
        _judge(place, would, took, held.get(_key(place.calls[0]), 0))
    dearest = sorted([*places.values(), *own], key=lambda place: (-place.saving, -place.path_time))
    return [place for place in dearest if place.cost > _WORTH * took][:most]


def _may_touch_anything(call: Call) -> bool:
    """Whether nothing is known of what a call has waited for."""
    return bool(call.unseen) or (call.last is not None and call.last.effects == "plain")


def _own(path: Sequence[Step], would: _Would, took: int) -> list[Place]:
    """Code of the flow's own that calls on the path waited for."""
    places: dict[_Key, Place] = {}
    for step in path:
        own = step.call.own
        if own is None:
            continue
        name = step.call.unseen.rpartition("/")[2]
        line = Line(own.file, own.line)
        shown = (
            line.text if "__t" in name and line.text else name
        )  # as it was written, not as it was taken apart
        place = places.setdefault((name, own.file, own.line), Place(shown, line))
        place.on_path += 1
        place.made += 1
        place.path_time += own.took
        place.says = "it is no call: it runs in order, as the oldest, and what follows waits for it"
        place.remedy = (
            "`stretto run --suggest` tells what in it is not known, and the line in [effects] that frees it"
        )
        place.change = place.line
    for name, file, number in places:

        def waits(call: Call, name: str = name, at: tuple[str, int] = (file, number)) -> bool:
            own = call.own
            return own is None or (own.file, own.line) != at or call.unseen.rpartition("/")[2] != name

        places[name, file, number].saving = max(0, took - would(_nothing, waits))
    return list(places.values())


def _held(path: Sequence[Step]) -> dict[_Key, int]:
    """For how long calls on the path waited for writes, by whose."""
    held: dict[_Key, int] = {}
    for step in path:
        call = step.call
        if call.kind == EFFECT and call.last is not None and not call.unseen:
            key = _key(call.last)
            held[key] = held.get(key, 0) + call.started - call.inputs_came
    return held


def _judge(place: Place, would: _Would, took: int, held: int) -> None:
    """Say why a place costs what it costs, and try what would free it."""
    its = set(place.calls)
    best = 0
    for says, remedy, definition, freed, kinds in _remedies(place, its, held):

        def waits(call: Call, kinds: frozenset[str] = kinds, plain: bool = place.effects == "plain") -> bool:
            if call not in its or call.kind not in kinds:
                return True
            # no name is narrow enough for what may touch anything
            return call.kind == EFFECT and not plain and _may_touch_anything(call)

        saving = took - would(freed, waits)
        # the one that asks less is told first, and stays unless the other is worth much more
        if saving > (best + took // 10 if best else _WORTH * took):
            best = saving
            place.says, place.remedy = says, remedy
            place.change = (defined_at(place.call, place.line.file) if definition else None) or place.line
    place.saving = best
    if not best:
        place.says = _plain_reason(place)


def _plain_reason(place: Place) -> str:
    if INSIDE in place.waited:
        return "it is made by code that runs as a whole, one call after another"
    if place.waited:
        return "it waits, and without that wait the run would not have been shorter"
    return "what comes next needs its result; only a faster call would help"


def _remedies(
    place: Place, its: set[Call], held: int
) -> Iterable[tuple[str, str, bool, _Test, frozenset[str]]]:
    """What may free a place: why it waits, what to do, whether that is done where it is defined, what would
    be free then, and the waits that it would not have."""
    effects, waited = place.effects, place.waited
    name = place.name
    if effects == "plain":
        says = f"nothing is said of what {name} touches: it waits for all before it, and what follows for it"
        yield (
            says, 'say what it touches: @call.writes("..."), @call.reads("...") or @call.unordered',
            True, its.__contains__, frozenset({EFFECT}),
        )  # fmt: skip
        yield (
            says, 'if it changes nothing, say so: @call.reads("...") or @call.unordered',
            True, its.__contains__, frozenset({ORDER, EFFECT}),
        )  # fmt: skip
    elif ORDER in waited:
        yield (
            "it writes, and is made when all before it is done",
            f"if the order of these writes does not matter: @call.commutes({_resources(effects)})",
            True, _nothing, frozenset({ORDER}),
        )  # fmt: skip
    if held and effects != "plain":
        yield (
            "what reads the same thing waits for its writes",
            f'give what it writes a narrower name than {_resources(effects)}, such as "name:{{argument}}"',
            True, its.__contains__, frozenset(),
        )  # fmt: skip
    if EFFECT in waited and "reads" in effects:
        yield (
            f"it reads {_resources(effects)}, and waits for writes that may change that",
            'give what it reads a narrower name, such as "name:{argument}"',
            True, _nothing, frozenset({EFFECT}),
        )  # fmt: skip
    if CERTAIN in waited:
        yield (
            "it waits until nothing before it can fail any more",
            "promise of the calls before it that they do not raise: fails=False",
            False, _nothing, frozenset({CERTAIN}),
        )  # fmt: skip
    if LIMIT in waited:
        limit = next((c.site.limit for c in place.calls if c.site is not None and c.site.limit), "")
        plain = limit.isdecimal()
        most = f"at most {limit} of them run at once"
        yield (
            most if plain else f"no more of them may start: {limit or 'limits'}",
            f"raise {'limit=' if plain else ''}{limit or 'the limits'}, if what it calls can take more",
            plain, _nothing, frozenset({LIMIT}),
        )  # fmt: skip
    if ROOM in waited:
        yield (
            "the flow had as many operations under way as it may",
            "raise the limit= of the flow",
            False, _nothing, frozenset({ROOM}),
        )  # fmt: skip


def _nothing(call: Call) -> bool:
    return False


def _resources(effects: str) -> str:
    """The names of what is written, or else read: ``"mail:{to}"``."""
    parts = dict(part.split(" ", 1) for part in effects.split("; ") if " " in part)
    names = parts.get("writes") or parts.get("commutes") or parts.get("reads") or ""
    return ", ".join(f'"{name}"' for name in names.split(", "))


def defined_at(call: str, near: str) -> Line | None:
    """Where a function is defined, as far as that can be told without importing anything.

    Args:
        call: its name, as "module:qualname".
        near: a file in which it is called.
    """
    module, _, qualname = call.partition(":")
    inside = module.replace(".", os.sep)
    folders = dict.fromkeys([os.path.dirname(near), *(path or os.curdir for path in sys.path)])
    files = [
        near,
        *(
            os.path.join(f, end)
            for f in folders
            for end in (f"{inside}.py", os.path.join(inside, "__init__.py"))
        ),
    ]
    for file in files:
        number = _definition("".join(linecache.getlines(file)), qualname.split("."))
        if number:
            return Line(file, number)
    return None


def _definition(source: str, names: list[str]) -> int:
    """The line of what is nested so, or 0; of a function with decorators, that of the first."""
    if not source:
        return 0
    try:
        inside: list[ast.stmt] = ast.parse(source).body
    except SyntaxError:
        return 0
    found: ast.stmt | None = None
    for name in names:
        if name == "<locals>":
            continue
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = next((s for s in inside if isinstance(s, kinds) and s.name == name), None)
        if not isinstance(found, kinds):
            return 0
        inside = found.body
    decorators: list[ast.expr] = getattr(found, "decorator_list", [])
    return decorators[0].lineno if decorators else getattr(found, "lineno", 0)
