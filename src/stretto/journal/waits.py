"""What a call waited for, as it stands in a journal: a few lines of text.

The first line says how it waited last, and for whose end where that was not a result that it needs (and of
code that is no call, behind a tab, how long it took and where it stands); the second where it stands in the
source; the third its effects (and of a route, the way that was taken); each further one is the place of a
result that it could not do without, the latest first::

    order digest/for/3/summarise
    digest.py:21
    writes mail:{to}
    digest/summarise

A call that is recorded without the engine (one that is made by code that runs as a whole, a clock that is
read) and every call that an older Stretto recorded has no such lines.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ..effects import Kind
from ..engine.causes import CERTAIN, CONTROL, DATA, EFFECT, LIMIT, ORDER, ROOM, SOFT, START

if TYPE_CHECKING:
    from ..calls import Call
    from ..engine.causes import Cause

__all__ = ["Own", "Site", "Wait", "declared", "near", "read_own", "read_wait", "wait_text"]

#: So many places in the source are known at a time.
_MOST = 10_000

_KINDS = {CERTAIN, CONTROL, DATA, EFFECT, LIMIT, ORDER, ROOM, START}
#: What stands between the effects of a route and its way.
_WAY = "; by way of "

#: The lines that are the same for every call at one place in the source, by function, line and call.
_same: dict[tuple[Any, int, Any], str] = {}


def wait_text(call: Call[..., Any], trace: Any, cause: Cause, way: str = "") -> str:
    """What a call waited for, to be recorded."""
    kind, last, needs, _ = cause
    if kind == EFFECT and last in needs:  # what made the thing that it reads made what it needs
        kind, needs = DATA, (last, *(need for need in needs if need is not last))
    key = (trace[0], trace[1], call)
    same = _same.get(key)
    if same is None:
        if len(_same) > _MOST:
            _same.clear()
        same = _same[key] = _at(trace[0].filename, trace[1], call)
    if way:
        same = f"{same}{_WAY}{' '.join(way.split())}"  # it is one line, whatever the way is called
    # A result that was needed is the first of those that follow.
    if last is None or (kind not in SOFT and needs and needs[0] is last):
        text = kind + same
    elif last.own is None:
        text = f"{kind} {last}{same}"
    else:
        took, (form, line, *_) = last.own
        text = f"{kind} {last}\t{took} {near(form.filename)}:{line}{same}"
    for need in needs:
        text = f"{text}\n{need}"
    return text


def _at(file: str, line: int, call: Call[..., Any]) -> str:
    """Where a call stands, from the folder where the program runs, and its effects."""
    said = declared(call)
    if call.limits:
        only = call.limits.rate is None and call.limits.tokens is None
        said = f"{said}; limit {call.limits.limit if only else call.limits}"
    return f"\n{near(file)}:{line}\n{said}"


def declared(call: Call[..., Any]) -> str:
    """What is declared of the effects of a call: ``writes mail:{to}``."""
    effects = call.effects
    return effects.kind.value if effects.free or effects.kind is Kind.PLAIN else str(effects)


def near(file: str) -> str:
    """The name of a file, from the folder where the program runs if it lies there."""
    return file.removeprefix(os.path.join(os.getcwd(), ""))


@dataclass(frozen=True, slots=True)
class Wait:
    """What a call waited for.

    Attributes:
        kind: how, as in `stretto.engine.causes`.
        last: the place of the operation whose end let it go on; empty if it waited for none.
        site: where the call stands in the source.
        needs: the places of results that it could not do without, the latest first.
        own: what it waited for last, if that was code of the flow's own.
    """

    kind: str
    last: str
    site: Site
    needs: Sequence[str]
    own: Own | None = None


class Site(NamedTuple):
    """Where calls stand in the source, and what is the same for all of them.

    Attributes:
        file, line: the place.
        effects: what was declared of them.
        limit: how many of their kind may run at once, where that is declared; or all of their limits.
        way: of a route, the name of the way that gave their result.
    """

    file: str
    line: int
    effects: str
    limit: str = ""
    way: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """Code that is no call: how long it took, in microseconds, and where it stands."""

    took: int
    file: str
    line: int


def read_wait(text: str) -> Wait | None:
    """The text that `wait_text` made; None for any other."""
    first, *rest = text.split("\n")
    kind, _, last = first.partition(" ")
    if kind not in _KINDS or len(rest) < 2:
        return None
    where, said, *needs = rest
    site = _site(where, said)
    if site is None:
        return None
    if not last and needs:
        last = needs[0]
    last, _, code = last.partition("\t")
    return Wait(kind, last, site, tuple(needs), read_own(code) if code else None)


@lru_cache(_MOST)
def _site(where: str, said: str) -> Site | None:
    """What the lines tell that are the same for thousands of calls."""
    file, _, line = where.rpartition(":")
    if not line.isdecimal():
        return None
    said, _, way = said.partition(_WAY)
    effects, _, limit = said.partition("; limit ")
    return Site(file, int(line), effects, limit, way)


def read_own(text: str) -> Own | None:
    """What stands behind a tab of the first line."""
    took, _, at = text.partition(" ")
    file, _, line = at.rpartition(":")
    return Own(int(took), file, int(line)) if took.isdecimal() and line.isdecimal() else None
