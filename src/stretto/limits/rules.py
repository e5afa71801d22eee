"""What is said of how many calls may run and how fast, and which buckets that makes for one call.

Said of a call it counts the calls of that function; with ``per=`` those of all that name the same key.
Said of a resource in the table ``[limits]`` of ``stretto.toml`` it counts whatever touches that resource,
or what lies under it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast
from weakref import WeakSet

from ..amounts import is_count
from ..effects import Resource
from ..errors import DeclarationError
from .adaptive import Adaptive
from .breaker import Breaker, Threshold
from .buckets import Bucket
from .limiter import Limiter
from .overload import Refusal
from .rates import Rate
from .tokens import MOST_TOKENS, estimate

if TYPE_CHECKING:
    from ..calls import Call

__all__ = [
    "ADAPTIVE",
    "KEYS",
    "Limits",
    "Said",
    "alike",
    "buckets_of",
    "is_limited",
    "learn",
    "limit_ok",
    "load",
    "read",
    "share",
    "tokens_of",
    "told",
]

ADAPTIVE: Literal["adaptive"] = "adaptive"
#: What the table, and a call, may say.
KEYS = ("limit", "rate", "tokens", "breaker")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of something.

    Attributes:
        limit: how many calls run at once; ``"adaptive"`` to have it found out.
        rate: how many are started in a time.
        tokens: how many tokens they use in a time.
        breaker: after how many failures in a row nothing is tried for a while.
    """

    limit: int | Literal["adaptive"] | None = None
    rate: Rate | None = None
    tokens: Rate | None = None
    breaker: Threshold | None = None

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Limits:
        """Of the options of a call, or one line of the table."""
        rate, tokens, breaker = said.get("rate"), said.get("tokens"), said.get("breaker")
        return cls(
            said.get("limit"),
            None if rate is None else Rate.parse(rate),
            None if tokens is None else Rate.parse(tokens),
            None if breaker is None else Threshold.parse(breaker),
        )

    def __bool__(self) -> bool:
        return self.counted or self.breaker is not None

    @property
    def counted(self) -> bool:
        """Whether it says how many calls, or how much, may be."""
        return self.limit is not None or self.rate is not None or self.tokens is not None

    def bucket(self, name: str) -> Bucket:
        most = self.limit if isinstance(self.limit, int) else None
        adaptive = Adaptive() if self.limit == ADAPTIVE else None
        breaker = None if self.breaker is None else Breaker(name, self.breaker)
        return Bucket(name, most=most, rate=self.rate, tokens=self.tokens, adaptive=adaptive, breaker=breaker)

    def __str__(self) -> str:
        parts = [f"{key}={said}" for key in KEYS if (said := getattr(self, key)) is not None]
        return ", ".join(parts) or "no limits"


@dataclass(frozen=True, slots=True)
class Said:
    """A line of the table: limits of a resource, or of each that a template names."""

    parts: tuple[str, ...]
    limits: Limits
    where: str

    def key(self, path: str) -> str | None:
        """The part of a resource's path that is counted together; None if the line does not speak of it."""
        given = path.split(":")
        if len(given) < len(self.parts):
            return None
        for said, found in zip(self.parts, given, strict=False):
            if said != found and not said.startswith("{"):
                return None
        return ":".join(given[: len(self.parts)])


_FIELD = re.compile(r"\{[^}]*\}")
_table: list[Said] = []
#: How many tables have been taken in.
loads: int = 0
#: Calls that were asked about: another table may say otherwise.
_looked_up: WeakSet[Call[..., Any]] = WeakSet()
#: Who has said what of a key that functions share.
_shared: dict[str, tuple[str, Limits, str]] = {}


def share(template: str, limits: Limits, name: str, where: str) -> None:
    """A function counts its calls by a key: others that do must say the same."""
    key = _FIELD.sub("{}", template)  # whatever the argument is called
    before = _shared.get(key)
    if before is not None and before[0] != name and before[1] != limits:
        raise DeclarationError(
            f"{where}: {name} counts its calls per {template!r} with {limits}, and {before[0]} "
            f"({before[2]}) does so with {before[1]}. What is counted together has one limit: "
            "say the same, or name another key"
        )
    _shared[key] = (name, limits, where)


def load(file: Path | None, said: Mapping[str, Any]) -> None:
    """Take in the table of a file, in the place of any other."""
    table: list[Said] = []
    if file is not None:
        from ..configuration.files import places_in  # late: most programs have no such table

        place = places_in(file, "limits")
        table = [read(name, value, f"{place(name)}: limits: {name}") for name, value in said.items()]
    global loads
    if table != _table:
        loads += 1
        _table[:] = table
        for call in tuple(_looked_up):
            if not call.limits:
                call.gated = None
        _looked_up.clear()


def read(name: str, value: Any, at: str) -> Said:
    """One line of the table."""
    if not isinstance(value, dict):
        raise DeclarationError(
            f'{at}: found {value!r}; expected a table such as {{ limit = 20, rate = "600/min" }}'
        )
    given = cast("dict[str, Any]", value)
    for key in given:
        if key not in KEYS:
            from ..configuration.files import nearest  # late: there is nothing wrong, mostly

            raise DeclarationError(
                f"{at}: there is no limit {key!r}{nearest(key, KEYS)} There are: {', '.join(KEYS)}"
            )
    limit = given.get("limit")
    if limit is not None and not limit_ok(limit):
        raise DeclarationError(f'{at}: limit is a positive integer or "adaptive"; found {limit!r}')
    try:
        limits = Limits.read(given)
        Resource.parse(name)
    except DeclarationError as error:
        raise DeclarationError(f"{at}: {error}") from None
    parts = tuple(name.split(":"))
    for part in parts:
        if "{" in part and not (part.startswith("{") and part.endswith("}") and part.count("{") == 1):
            raise DeclarationError(
                f"{at}: a field stands for one whole part of a resource, as in 'web:{{host}}'; found {part!r}"
            )
    return Said(parts, limits, at)


def limit_ok(value: object) -> bool:
    return value == ADAPTIVE or is_count(value)


def is_limited(call: Call[..., Any]) -> bool:
    """Whether a call needs places in buckets, as far as can be told without its arguments."""
    _looked_up.add(call)
    resources = _resources(call)
    return bool(call.limits) or any(_may_name(said, one) for said in _table for one in resources)


def told(call: Call[..., Any]) -> str:
    """What is said of how often a call is made, for people; empty if nothing is."""
    per = "" if call.per is None else f" per {call.per.template}"
    of_table = [
        f"{said.limits} for {':'.join(said.parts)} ({said.where.partition(': ')[0]})"
        for said in _table
        if any(_may_name(said, one) for one in _resources(call))
    ]
    return "; ".join([f"{call.limits}{per}", *of_table] if call.limits else of_table)


def alike(call: Call[..., Any]) -> bool:
    """Whether all calls of a function need places in the same buckets, as long as the table is the same."""
    if not call.limits.counted or (_table and call.effects.fields):
        return False  # a server may tell more of it
    return call.per is None or not call.per.fields


def _resources(call: Call[..., Any]) -> tuple[Resource, ...]:
    """What a call touches itself."""
    effects = call.effects
    return () if call.passes_on else (*effects.reads, *effects.writes, *effects.commutes)


def _may_name(said: Said, resource: Resource) -> bool:
    parts = resource.template.split(":")
    if not resource.fields:
        return said.key(resource.template) is not None
    return all(s == p or s.startswith("{") or "{" in p for s, p in zip(said.parts, parts, strict=False))


def buckets_of(
    limiter: Limiter, call: Call[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[Bucket]:
    """The buckets that a call needs a place in."""
    found: list[Bucket] = []
    limits = call.limits
    if limits:
        key: object = call
        name = call.name
        if call.per is not None:
            key = name = call.per.fill(call.resources(tuple(args), kwargs) if call.per.fields else {})
        found.append(limiter.bucket(key, lambda: limits.bucket(name)))
    if _table:
        resources = _resources(call)
        if resources:
            named: Mapping[str, Any] = call.resources(tuple(args), kwargs) if call.effects.fields else {}
            paths = [resource.fill(named) for resource in resources]
            for said in _table:
                keys = {key for path in paths if (key := said.key(path)) is not None}
                found += [limiter.bucket((said, key), _maker(said.limits, key)) for key in sorted(keys)]
    if not limits.counted:
        learned = limiter.learned.get(call)
        if learned is not None:
            found.append(learned)
    return found


def learn(limiter: Limiter, call: Call[..., Any], found: Refusal) -> None:
    """A server has refused a call. If nobody has said how many it takes, that is found out from now on."""
    if not call.limits.counted and not call.passes_on:
        limiter.learn(call, call.name, found)


def _maker(limits: Limits, name: str) -> Callable[[], Bucket]:
    return lambda: limits.bucket(name)


def tokens_of(call: Call[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> float:
    """How many tokens a call is going to use, as far as is known before."""
    if call.tokens_of is None:
        try:
            return estimate((), call.resources(tuple(args), kwargs))  # defaults count, too
        except (TypeError, ValueError):
            return estimate(args, kwargs)
    found = call.tokens_of(*args, **kwargs)
    if not 0 <= found <= MOST_TOKENS:
        raise DeclarationError(
            f"{call.name}: tokens_of= gave {found!r}; expected how many tokens the call uses: 0, or more"
        )
    return float(found)
