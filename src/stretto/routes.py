"""Routes: one call that may be made in several ways, of which the cheapest that works is taken.

A `Route` is a call: one operation of the flow, and one in the journal. Its function makes one of several
other calls, through their own limits, retries, timeouts and breakers, and the next one where that fails (see
`stretto.drivers.routing`).
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from .amounts import is_amount
from .calls import BoundCall, Call, where
from .calls import call as declare
from .effects import Effects, Kind, Resource
from .errors import DeclarationError
from .secrecy import RESULT

__all__ = ["Route", "Taken", "Way", "route", "way"]

P = ParamSpec("P")
R = TypeVar("R")
R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
R4 = TypeVar("R4")
R5 = TypeVar("R5")
R_co = TypeVar("R_co", covariant=True)

#: Options of a route that are those of any call.
_OPTIONS = ("name", "timeout", "retries", "retry_on")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Way(Generic[P, R_co]):
    """One of the calls of a route.

    Attributes:
        call: the call.
        cost: what it costs, a number or a function of its arguments; None if that is not said.
        when: whether it may be taken, a function of its arguments; None if it always may.
        name: what it is called in messages.
    """

    def __init__(
        self, call: Call[P, R_co], cost: float | Callable[..., float] | None,
        when: Callable[..., bool] | None, name: str,
    ) -> None:  # fmt: skip
        self.call = call
        self.cost = cost
        self.when = when
        self.name = name

    def __repr__(self) -> str:
        return f"<way {self.name}: {self.call!r}>"

    def __str__(self) -> str:
        return f"{self.name} ({where(self.call.fn)})"


class Taken:
    """What has become of one call of a route.

    Attributes:
        way: the name of the way that gave its result; None if none did.
        tried: the ways that did not, in the order in which they were looked at: name, and why.
    """

    def __init__(self, way: str | None, tried: Sequence[tuple[str, str]]) -> None:
        self.way = way
        self.tried = tuple(tried)

    def __repr__(self) -> str:
        return f"Taken({self.way!r}, tried={self.tried!r})"


class Route(Call[P, R_co]):
    """A call that is made in one of several ways; made by `route`.

    Attributes:
        ways: the ways, in the order in which they were given.
        reroute_on: the exceptions after which the next one is taken.
        last: what has become of the call of it that ended last in this process; None before.
        left_out: the ways that are not taken, by name, and why.
        whole: the route as it was made, with all ways.
    """

    passes_on = True

    def __init__(self, ways: Sequence[Way[P, R_co]], reroute_on: Any, module: str, **options: Any) -> None:
        self.ways = tuple(ways)
        self.reroute_on = reroute_on
        self.last: Taken | None = None
        self.left_out: Mapping[str, str] = {}
        self.whole: Route[..., Any] = self
        name = options.setdefault("name", f"route({', '.join(way.name for way in self.ways)})")
        _check(name, self.ways)
        first = self.ways[0].call
        calls = [way.call for way in self.ways]
        self._asked = {
            id(asked): _reader(asked, first, f"{word}= of {way}, in {name},")
            for way in self.ways
            for word, asked in (("when", way.when), ("cost", way.cost))
            if callable(asked)
        }

        take = self._taking(first.fn)  # its parameters are those of the first
        take.__module__, take.__qualname__ = module, name
        take.__annotations__ = _returns(calls)
        if any(call.changes for call in calls):
            if all(call.idempotent for call in calls):
                options["idempotent"] = True
            else:
                options["check"] = self._was_made
        secret = _secret(calls, first)
        if secret:
            options["secret"] = secret
        options["pickle"] = any(call.pickle for call in calls)
        super().__init__(take, _effects(calls), options)
        self.awaited = any(call.awaited for call in calls)

    def _taking(self, like: Callable[..., Any]) -> Callable[..., Any]:
        async def take(*args: Any, **kwargs: Any) -> Any:
            from .drivers.routing import taken  # late: it imports this

            return await taken(self, args, kwargs)

        return functools.update_wrapper(take, like)

    def without(self, name: str, why: str) -> Route[P, R_co]:
        """The same call, and one way of it is not taken."""
        less = copy.copy(self)
        less.left_out = {**self.left_out, name: why}
        less.fn = less.once = less.make = less._taking(self.fn)
        return less

    def may_be_taken(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Way[P, R_co]]:
        """The ways that may be taken with these arguments."""
        return [w for w in self.ways if w.name not in self.left_out and self.may_take(w, args, kwargs)]

    def may_take(self, way: Way[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether the predicate of a way holds."""
        return way.when is None or bool(self._ask("when", way, way.when, args, kwargs))

    def cost_of(self, way: Way[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
        """What a way costs with these arguments."""
        cost = way.cost
        return cost or 0.0 if not callable(cost) else self._ask("cost", way, cost, args, kwargs)

    def most(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> float:
        """The most that a call with these arguments costs: every way that may be taken may be tried."""
        return sum(self.cost_of(way, args, kwargs) for way in self.may_be_taken(args, kwargs))

    def _ask(
        self, word: str, way: Way[..., Any], fn: Callable[..., Any], args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:  # fmt: skip
        given = self.resources(args, kwargs)
        try:
            found = self._asked[id(fn)](args, kwargs, given)
            if word == "cost":
                found = float(found)
                if not is_amount(found):
                    raise ValueError(f"it is a number from 0; found {found!r}")
        except Exception as error:
            raise DeclarationError(
                f"{self.name}: {word}= of {way} ({where(fn)}) raised {type(error).__name__}: {error}. It is "
                "a function of the arguments of the call, and has to answer for all of them"
            ) from error
        return found

    async def _was_made(self, *args: Any, **kwargs: Any) -> Any:
        """The ``check=`` of the route: whether the call was made in any of the ways."""
        for way in self.ways:
            if way.call.check is not None:
                answer = way.call.check(*args, **kwargs)
                if inspect.isawaitable(answer):
                    answer = await answer
                if answer is not False:
                    return answer
        return False


def way(
    call: Call[P, R], *, cost: float | Callable[..., float] | None = None,
    when: Callable[..., bool] | None = None, name: str | None = None,
) -> Way[P, R]:  # fmt: skip
    """One of the calls of a `route`.

    Args:
        call: the call.
        cost: what it costs, in any unit, as long as all of a route say it in the same one; a function of
            arguments of the call, by their names, where it hangs on them.
        when: whether it may be taken, a function of arguments of the call.
        name: what it is called; if not said, as the call.
    """
    _check_call(call)
    if cost is not None and not callable(cost):
        if not is_amount(cost):
            raise DeclarationError(
                f"{where(call.fn)}: cost= of {call.name} is a number from 0, or a function of arguments of "
                f"the call; found {cost!r}"
            )
    if when is not None and not callable(when):
        raise DeclarationError(
            f"{where(call.fn)}: when= of {call.name} is a function of arguments of the call; found {when!r}"
        )
    if name is not None and not (isinstance(cast("object", name), str) and name):
        raise DeclarationError(f"{where(call.fn)}: name= of a way is a string; found {name!r}")
    return Way(call, cost, when, name or call.name)


@overload
def route(
    a: Call[P, R1] | Way[P, R1], /, *, reroute_on: Any = ..., name: str = ..., timeout: float | None = ...,
    retries: int = ..., retry_on: Any = ...,
) -> Route[P, R1]: ...  # fmt: skip
@overload
def route(
    a: Call[P, R1] | Way[P, R1], b: Call[P, R2] | Way[P, R2], /, *, reroute_on: Any = ..., name: str = ...,
    timeout: float | None = ..., retries: int = ..., retry_on: Any = ...,
) -> Route[P, R1 | R2]: ...  # fmt: skip
@overload
def route(
    a: Call[P, R1] | Way[P, R1], b: Call[P, R2] | Way[P, R2], c: Call[P, R3] | Way[P, R3], /, *,
    reroute_on: Any = ..., name: str = ..., timeout: float | None = ..., retries: int = ...,
    retry_on: Any = ...,
) -> Route[P, R1 | R2 | R3]: ...  # fmt: skip
@overload
def route(
    a: Call[P, R1] | Way[P, R1], b: Call[P, R2] | Way[P, R2], c: Call[P, R3] | Way[P, R3],
    d: Call[P, R4] | Way[P, R4], /, *, reroute_on: Any = ..., name: str = ..., timeout: float | None = ...,
    retries: int = ..., retry_on: Any = ...,
) -> Route[P, R1 | R2 | R3 | R4]: ...  # fmt: skip
@overload
def route(
    a: Call[P, R1] | Way[P, R1], b: Call[P, R2] | Way[P, R2], c: Call[P, R3] | Way[P, R3],
    d: Call[P, R4] | Way[P, R4], e: Call[P, R5] | Way[P, R5], /, *more: Call[P, R] | Way[P, R],
    reroute_on: Any = ..., name: str = ..., timeout: float | None = ..., retries: int = ...,
    retry_on: Any = ...,
) -> Route[P, R1 | R2 | R3 | R4 | R5 | R]: ...  # fmt: skip
def route(*ways: Any, reroute_on: Any = Exception, **options: Any) -> Any:
    """A call that is made in the cheapest of several ways that works.

    Ways that are well come before those that have failed often of late, and cheaper ones before dearer ones;
    of the same cost, those that were given first. If all fail, `stretto.errors.RoutesExhausted` lists them.

    Args:
        ways: calls of the same parameters, or what `way` makes of them.
        reroute_on: the exception class, or a tuple of them, after which the next one is taken (Exception).
        options: ``name``, ``timeout``, ``retries`` and ``retry_on``, as of any call: of the whole.
    """
    for option in options:
        if option not in _OPTIONS:
            raise DeclarationError(
                f"there is no option {option!r} for a route. There are: reroute_on, {', '.join(_OPTIONS)}; "
                "what it touches, and whether that may happen twice, its calls say"
            )
    declare(**options)  # what is wrong with them, it says
    kinds = cast("tuple[Any, ...]", reroute_on if isinstance(reroute_on, tuple) else (reroute_on,))
    if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        raise DeclarationError(
            f"reroute_on= of a route is an exception class, or a tuple of them; found {reroute_on!r}"
        )
    made: list[Any] = [given if isinstance(given, Way) else way(_check_call(given)) for given in ways]
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    return Route(made, reroute_on, module, **options)


def _check_call(given: Any) -> Call[..., Any]:
    if isinstance(given, Call):
        return cast("Call[..., Any]", given)
    if isinstance(given, BoundCall):
        raise DeclarationError(
            f"{where(given.call.fn)}: {given.call.name} is a call of one object; a route is made "
            "of the calls of a class, in the class, or of functions that are given the object"
        )
    raise DeclarationError(
        f"a route is made of calls, and of way(call, cost=..., when=...); found {given!r}. Declare what it "
        "touches: call.reads('web')(function)"
    )


def _check(name: str, ways: Sequence[Way[..., Any]]) -> None:
    """Whether these are ways of one call."""
    if not ways:
        raise DeclarationError("a route needs at least one way: route(fast, strong)")
    names = [way.name for way in ways]
    for way in ways:
        if names.count(way.name) > 1:
            same = " and ".join(str(other) for other in ways if other.name == way.name)
            raise DeclarationError(f"{name}: {same} have the same name. Name them: way(..., name='local')")
        if way.call.streams:
            raise DeclarationError(
                f"{name}: {way} gives a stream, which may fail when part of it was used already. Have it "
                "return a list"
            )
    if any(way.cost is None for way in ways) and any(way.cost is not None for way in ways):
        says, silent = (next(w for w in ways if (w.cost is None) is none) for none in (False, True))
        raise DeclarationError(
            f"{name}: {says} says what it costs, and {silent} does not. Say it of all, cost=0 of what is free"
        )
    first = ways[0]
    for other in ways[1:]:
        difference = _different(_parameters(name, first), _parameters(name, other), first.call.effects.fields)
        if difference is not None:
            raise DeclarationError(
                f"{name}: its ways are to take the same parameters, and {difference} of {first} is not that "
                f"of {other}. Wrap one of them in a function that takes what the other does"
            )
    _check_effects(name, ways)


def _check_effects(name: str, ways: Sequence[Way[..., Any]]) -> None:
    writers = [way for way in ways if way.call.changes]
    if not writers:
        return
    for way in ways:
        if way.call.effects != writers[0].call.effects:
            one, other = (way, writers[0]) if way is not ways[0] else (writers[0], way)
            raise DeclarationError(
                f"{name}: {one} is declared {one.call.effects}, and {other} {other.call.effects}. Ways that "
                "change the world must touch the same, since one is taken for the other"
            )
        if not (way.call.idempotent or way.call.check):
            raise DeclarationError(
                f"{name}: {way} changes the world, and may have done so where it fails, before another way "
                "is taken. Declare idempotent=True if it may happen twice, in whichever way, or check="
            )


def _parameters(name: str, way: Way[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(way.call.fn).parameters.values())
    except (TypeError, ValueError):
        raise DeclarationError(
            f"{name}: the signature of {way} cannot be read. Wrap it in a function with named parameters"
        ) from None


def _different(
    ours: Sequence[inspect.Parameter], theirs: Sequence[inspect.Parameter], fields: frozenset[str]
) -> str | None:
    """The first parameter in which two functions differ, in words. Defaults may, unless a resource is named
    after them."""
    for mine, other in zip(ours, theirs, strict=False):
        if (mine.name, mine.kind) != (other.name, other.kind):
            return f"the parameter {str(mine)!r}"
        if (mine.default is mine.empty) != (other.default is other.empty):
            return f"the parameter {mine.name!r}, which has a default in one of them only,"
        if mine.name in fields and mine.default != other.default:
            return f"the default of {mine.name!r}, which a resource is named after,"
    if len(ours) != len(theirs):
        more = (ours if len(ours) > len(theirs) else theirs)[min(len(ours), len(theirs))]
        return f"the parameter {more.name!r}, which one of them lacks,"
    return None


def _effects(calls: Sequence[Call[..., Any]]) -> Effects:
    """What a call touches that is one of these."""
    effects = [call.effects for call in calls]
    if all(one == effects[0] for one in effects) and effects[0].kind is not Kind.PURE:
        return effects[0]
    reads: dict[str, Resource] = {r.template: r for one in effects for r in one.reads}
    if not reads:
        return Effects(Kind.UNORDERED)  # which of them is taken is no matter of the arguments alone
    return Effects(Kind.READS, reads=tuple(reads.values()))


def _returns(calls: Sequence[Call[..., Any]]) -> dict[str, Any]:
    """The annotation of what one of these returns; nothing if that is not known of all, or not yet."""
    found: list[Any] = []
    for call in calls:
        try:
            hints = typing.get_type_hints(call.fn, include_extras=True)
        except Exception:  # whatever the user's annotations do when they are evaluated
            return {}
        if "return" not in hints or call.checker.always:
            return {}
        found.append(hints["return"])
    return {"return": typing.Union[tuple(found)]}  # noqa: UP007


def _secret(calls: Sequence[Call[..., Any]], first: Call[..., Any]) -> list[str]:
    """What any of these keeps out of the journal."""
    kept = [call.secret for call in calls if call.secret is not None]
    names = [name for name in inspect.signature(first.fn).parameters if any(s.covers(name) for s in kept)]
    return [*names, RESULT] if any(s.result for s in kept) else names


def _reader(
    fn: Callable[..., Any], call: Call[..., Any], what: str
) -> Callable[[tuple[Any, ...], Mapping[str, Any], Mapping[str, Any]], Any]:
    """Asks a function that takes some of the arguments of a call, by their names."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return lambda args, kwargs, given: fn(*args, **kwargs)
    if any(p.kind in (*_VARIADIC, p.POSITIONAL_ONLY) for p in parameters):
        return lambda args, kwargs, given: fn(*args, **kwargs)
    known = inspect.signature(call.fn).parameters
    names = [p.name for p in parameters if p.name in known or p.default is p.empty]
    for name in names:
        if name not in known and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise DeclarationError(
                f"{where(fn)}: {what} takes {name!r}, which is not one of the arguments of the call. "
                f"Expected some of: {', '.join(known)}"
            )
    return lambda args, kwargs, given: fn(**{name: given[name] for name in names})
