"""``@call``: operations of the outside world, with what they touch said beside them.

A `Call` wraps one function. Inside a flow the engine decides when it runs; anywhere else it simply
runs, and a call of an ``async def`` function returns its value, not a coroutine; except in code that is
itself an ``async def``, where it is to be awaited.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any, Generic, Literal, NoReturn, ParamSpec, Protocol, TypeVar, cast, overload

from .compiler.checkers import Checker, checker_of, item_checker_of, text_of
from .drivers.ambient import invoke_now, invoke_on_loop
from .drivers.coroutines import coroutine_of, in_async_code
from .effects import Effects, Kind, Resource
from .errors import DeclarationError
from .executors import place
from .limits.rules import Limits, share
from .options import PLACES, check_options
from .secrecy import secrecy_of
from .streams import BUFFER, Stream

__all__ = ["Call", "CallDecorator", "CallHolder", "call"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Call(Generic[P, R_co]):
    """A function of the outside world with its declared effects.

    Attributes:
        fn: the function as the user wrote it.
        effects: what it touches.
        name: how it is named in traces.
        timeout: seconds an attempt may take, or None.
        on: where it runs, if it says so: "thread", "process" or "ray".
        patience: seconds after which who makes it gives up: its timeout, unless where it runs sees to that.
        limits: how many may run at once, and how many may be started in a time.
        per: what these are counted by; None for the call itself.
        tokens_of: tells how many tokens it is going to use; None if that is estimated.
        usd: what it costs at most, in US dollars, or what tells that of its arguments; None if nobody says.
        gated: whether it needs a place among others before it starts; None until that is looked up.
        hedge: the part of calls that come back before they are made once more; None if that is never done.
        once: what an attempt calls: `fn`, or what has that called elsewhere.
        make: what making it calls: `once`, or what calls that once or twice.
        fails: whether it may raise (the default).
        idempotent: whether it may be made again where nobody knows if it was made.
        check: tells whether it was made; None if nothing can.
        retries: how many times it is made again after a failure.
        retry_on: the exceptions after which it is.
        secret: what of it is kept out of the journal; None if nothing is. The option takes True for all
            arguments and the result, or the name of a parameter, or several, and "return" for the result.
            What the call raises is kept out with any of them.
        pickle: whether results that cannot be recorded otherwise are pickled.
        changes: whether it changes the world, as far as is known.
        is_async: whether `make` is awaited on the event loop; else it runs in a thread.
        checker: the check of the declared return type.
        awaited: whether calling `fn` gives a coroutine.
        streams: whether what it gives is a stream of items (see `stretto.streams`).
        opens: of such a call, whether `fn` is no generator, and has to be called for its iterator.
        buffer: how many items of it may wait to be taken.
        items: the check of the declared type of its items.
        here: whether it runs in the thread of the program, in its turn.
        shows: whether it makes texts of what it is given, which may run code of the program's.
        changes_receiver: whether it is a method that may change the object that it is looked up on.
        iterates: of what gives the items of one of its arguments, that: its name and place.
        fixed_receiver: whether it is one whose object leads to nothing that the program changes.
        settled: the names of what it is given that does so neither: classes, say.
        told: the check of its result, where that hangs on what it is given by name (`Any` stands for what is
            not known of that); None if it does not.
        made_again: whether it is left out of the journal if its result cannot be recorded.
        passes_on: whether all that it does is make other calls, which have their own places.
        named_after: what of its arguments its resources are named after, if not these themselves. It may look
            at the world, at links of files say: nothing is asked of it while all of a resource may change.
    """

    here = shows = False
    passes_on = False
    made_again = False
    named_after: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    changes_receiver = False
    fixed_receiver = False
    settled: frozenset[str] = frozenset()
    told: Callable[[Mapping[str, Any]], Checker] | None = None
    iterates: tuple[str, int] | None = None

    def __init__(self, fn: Callable[..., Any], effects: Effects, options: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.effects = effects
        self.name: str = options.get("name") or getattr(fn, "__qualname__", None) or repr(fn)
        self.timeout: float | None = options.get("timeout")
        self.limits = Limits.read(options)
        self.per: Resource | None = Resource.parse(options["per"]) if "per" in options else None
        self.tokens_of: Callable[..., float] | None = options.get("tokens_of")
        self.usd: float | Callable[..., float] | None = options.get("usd")
        self.gated: bool | None = True if self.limits else None
        self.hedge: float | None = options.get("hedge")
        self.fails: bool = options.get("fails", True)
        self.idempotent: bool = options.get("idempotent", False)
        self.check: Callable[..., Any] | None = options.get("check")
        self.retries: int = options.get("retries", 0)
        self.retry_on: Any = options.get("retry_on", Exception)
        self.pickle: bool = options.get("pickle", False)
        self.changes = effects.kind in (Kind.PLAIN, Kind.WRITES, Kind.COMMUTES)
        if not self.limits and self.per is not None:
            raise DeclarationError(
                f"{where(fn)}: {self.name} is counted per={self.per.template!r}, and has no limit. "
                "Add limit=, rate=, tokens= or breaker=, or leave per= out"
            )
        if self.retries and self.changes and not (self.idempotent or self.check):
            raise DeclarationError(
                f"{where(fn)}: {self.name} changes the world, and retries= would make it again without "
                "knowing whether it has happened. Declare idempotent=True if it may happen twice, or check="
            )
        generates = _is(fn, inspect.isgeneratorfunction)
        self.is_async = is_coroutine_function(fn) or _is(fn, inspect.isasyncgenfunction)
        self.awaited = is_coroutine_function(fn)
        self.streams = (
            generates or _is(fn, inspect.isasyncgenfunction) or "buffer" in options or _iterates(fn)
        )
        self.opens = self.streams and not generates and not _is(fn, inspect.isasyncgenfunction)
        self.buffer: int = options.get("buffer", BUFFER)
        self.checker: Checker = Checker() if self.streams else checker_of(fn, self.is_async)
        self.on: str | None = options.get("on")
        placed = place(self, options, where(fn)) if any(name in options for name in PLACES) else None
        self.once: Callable[..., Any] = fn if placed is None else placed
        self.is_async = self.is_async or placed is not None
        self.patience: float | None = self.timeout if self.on in (None, "thread") else None
        self.make: Callable[..., Any] = self.once if self.hedge is None else self._hedged(fn)
        self.items: Checker = item_checker_of(fn)
        self._signature: inspect.Signature | None = None
        self._check_fields(effects.fields, "a resource")
        if self.per is not None:
            self._check_fields(frozenset(self.per.fields), "the key per=")
            share(self.per.template, self.limits, self.name, where(fn))
        self.secret = secrecy_of(
            options.get("secret", False), fn, where=where(fn), name=self.name, told=effects.fields
        )

    def _hedged(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if self.changes or not (self.awaited or self.on in ("process", "ray")) or self.streams:
            why = (
                "changes the world" if self.changes else "gives a stream" if self.streams else "is not async"
            )
            raise DeclarationError(
                f"{where(fn)}: {self.name} {why}, and hedge= would make it twice. It is for async calls "
                "without effects, of which the slower one can be cancelled"
            )

        async def once_or_twice(*args: Any, **kwargs: Any) -> Any:
            from .drivers.hedging import hedged  # late: it imports this

            return await hedged(self, args, kwargs)

        return once_or_twice

    def __repr__(self) -> str:
        return f"<call {self.name}: {self.effects}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the call here and now (what a call outside any flow means). Of an async call in an ``async
        def`` it is a coroutine, as the function itself would give."""
        if self.awaited and in_async_code(sys._getframe(1)):
            return cast("R_co", coroutine_of(self, args, kwargs))
        return cast("R_co", invoke_now(self, args, kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the call from async code, outside any flow."""
        return cast("R_co", await invoke_on_loop(self, args, kwargs))

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """A call that is an attribute of a class is called with its instance, like a function."""
        if instance is None:
            return self
        return BoundCall(self, instance)

    def holds(self, names: Iterable[str | None]) -> bool:
        """Whether the declaration holds for keyword arguments of these names; None stands for ``**``."""
        return True

    def resources(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments by name, defaults included, to fill resource names with."""
        signature = self._signature
        if signature is None:
            signature = self._signature = inspect.signature(self.fn)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = bound.arguments
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments = {**arguments, **arguments[parameter.name]}
        return arguments if self.named_after is None else self.named_after(arguments)

    def _check_fields(self, fields: frozenset[str], what: str) -> None:
        """Whether what is named after arguments can be."""
        if not fields:
            return
        try:
            signature = inspect.signature(self.fn)
        except (TypeError, ValueError):
            raise DeclarationError(
                f"{where(self.fn)}: {what} of {self.name} is named after {sorted(fields)}, but the "
                f"signature of {self.fn!r} cannot be read. Wrap it in a function with named parameters"
            ) from None
        self._signature = signature
        names = set(signature.parameters)
        if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            return
        for field in sorted(fields - names):
            raise DeclarationError(
                f"{where(self.fn)}: {what} of {self.name} is named after {field!r}, which is not one of "
                f"its arguments. Expected one of: {', '.join(sorted(names)) or 'none, it has no arguments'}"
            )


class Done:
    """The answer of a ``check=``: the write has happened, and this was its result."""

    def __init__(self, result: Any = None) -> None:
        self.result = result


class BoundCall:
    """A `Call` looked up on an instance: the instance goes in as the first argument."""

    __slots__ = ("call", "instance")

    def __init__(self, call: Call[..., Any], instance: object) -> None:
        self.call = call
        self.instance = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.call.awaited and in_async_code(sys._getframe(1)):
            return coroutine_of(self, args, kwargs)
        return self.call(self.instance, *args, **kwargs)

    async def aio(self, *args: Any, **kwargs: Any) -> Any:
        return await self.call.aio(self.instance, *args, **kwargs)


class CallHolder:
    """Base of objects whose attributes are calls, and stay what they are once the object is made: a name of a
    module that is bound to one is known to lead to its calls, as that of a module is."""


class CallDecorator(Protocol):
    """What ``call.reads("web")`` gives: it turns a function, sync or async, into a `Call`."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, AsyncIterator[R]]], /) -> Call[P, Stream[R]]: ...
    @overload
    def __call__(self, fn: Callable[P, AsyncIterator[R]], /) -> Call[P, Stream[R]]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Call[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Call[P, R]: ...
    def __call__(self, fn: Any, /) -> Any: ...

    def reads(self, *resources: str, **options: Any) -> CallDecorator: ...
    def writes(self, *resources: str, **options: Any) -> CallDecorator: ...
    def commutes(self, *resources: str, **options: Any) -> CallDecorator: ...


class _Decorator:
    """The one implementation behind `call` and everything reached from it."""

    def __init__(self, effects: Effects, options: Mapping[str, Any]) -> None:
        self._effects = effects
        self._options = dict(options)

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, AsyncIterator[R]]], /) -> Call[P, Stream[R]]: ...
    @overload
    def __call__(self, fn: Callable[P, AsyncIterator[R]], /) -> Call[P, Stream[R]]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Call[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Call[P, R]: ...
    @overload
    def __call__(
        self,
        /,
        *,
        name: str = ...,
        timeout: float | None = ...,
        limit: int | Literal["adaptive"] | None = ...,
        rate: str | None = ...,
        tokens: str | None = ...,
        tokens_of: Callable[..., float] = ...,
        breaker: int | str | None = ...,
        usd: float | Callable[..., float] = ...,
        per: str = ...,
        hedge: float | None = ...,
        fails: bool = ...,
        idempotent: bool = ...,
        check: Callable[..., Any] = ...,
        retries: int = ...,
        retry_on: type[BaseException] | tuple[type[BaseException], ...] = ...,
        secret: bool | str | Collection[str] = ...,
        pickle: bool = ...,
        buffer: int = ...,
        on: Literal["thread", "process", "ray"] | None = ...,
        cpus: float | None = ...,
        gpus: float | None = ...,
        memory: str | None = ...,
    ) -> CallDecorator: ...
    def __call__(self, fn: Any = None, /, **options: Any) -> Any:
        if fn is None:
            return _Decorator(self._effects, self._merged(options))
        if options:
            self._merged(options)
            raise DeclarationError(
                "give options first and the function after: call.reads('r', timeout=3)(fn)"
            )
        if isinstance(fn, Call):
            found = cast("Call[..., Any]", fn)
            raise DeclarationError(
                f"{where(found.fn)}: {found.name} is a call already ({found.effects}), and is declared again "
                f"({self._effects}). Declare all its effects at once: call.reads('a').writes('b')"
            )
        if not callable(fn):
            raise DeclarationError(
                f"a call wraps a function; found {fn!r}. Resources go to call.reads(...) or call.writes(...)"
            )
        made: Call[..., Any] = Call(cast("Callable[..., Any]", fn), self._effects, self._options)
        return made

    def reads(self, *resources: str, **options: Any) -> CallDecorator:
        """Sees these resources and changes nothing."""
        return self._with("reads", resources, options)

    def writes(self, *resources: str, **options: Any) -> CallDecorator:
        """Changes these resources."""
        return self._with("writes", resources, options)

    def commutes(self, *resources: str, **options: Any) -> CallDecorator:
        """Changes these resources; the order among calls that commute on one does not matter."""
        return self._with("commutes", resources, options)

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("pure", "unordered"):
            raise DeclarationError(
                f"contradictory effects: a {name} call touches nothing, and this one {self._effects}. "
                "Keep one of the two"
            )
        raise AttributeError(name)

    def _with(self, word: str, resources: tuple[str, ...], options: Mapping[str, Any]) -> CallDecorator:
        old = self._effects
        if old.free:
            raise DeclarationError(
                f"contradictory effects: a call declared {old.kind.value} touches nothing, "
                f"yet call.{word} was asked for. Keep one of the two"
            )
        if len(resources) == 1 and callable(resources[0]):
            raise DeclarationError(f"call.{word} needs a resource: @call.{word}('name')")
        if not resources:
            raise DeclarationError(
                f"call.{word} needs at least one resource, as in call.{word}('mail:{{to}}')"
            )
        groups = {"reads": old.reads, "writes": old.writes, "commutes": old.commutes}
        groups[word] += tuple(Resource.parse(r) for r in resources)
        for resource in groups["commutes"]:
            if any(resource.template == w.template for w in groups["writes"]):
                raise DeclarationError(
                    f"contradictory effects: {resource.template!r} both commutes and is written in order. "
                    "Keep one of the two"
                )
        kind = Kind.WRITES if groups["writes"] else Kind.COMMUTES if groups["commutes"] else Kind.READS
        return _Decorator(Effects(kind, **groups), self._merged(options))

    def _merged(self, options: Mapping[str, Any]) -> dict[str, Any]:
        check_options(options)
        return {**self._options, **options}


class _Entry(_Decorator):
    """`call` itself."""

    def __init__(self) -> None:
        super().__init__(Effects(Kind.PLAIN), {})

    @property
    def unordered(self) -> _Decorator:
        """Sees and changes nothing shared; answers may differ (a language model)."""
        return _Free(Effects(Kind.UNORDERED), {})

    @property
    def pure(self) -> _Decorator:
        """As `unordered`, and equal inputs give equal results."""
        return _Free(Effects(Kind.PURE), {})


class _Free(_Decorator):
    @property
    def unordered(self) -> NoReturn:
        raise DeclarationError("contradictory effects: pure and unordered. Keep one of the two")

    @property
    def pure(self) -> NoReturn:
        raise DeclarationError("contradictory effects: pure and unordered. Keep one of the two")


def is_coroutine_function(fn: object) -> bool:
    """Whether calling `fn` gives a coroutine, as far as can be told without calling it."""
    return _is(fn, inspect.iscoroutinefunction)


def _is(fn: object, kind: Callable[[Any], bool]) -> bool:
    """Whether calling `fn` runs a function of this kind, as far as can be told without calling it."""
    while isinstance(fn, functools.partial):
        fn = cast("Any", fn).func
    if kind(fn):
        return True
    return callable(fn) and not inspect.isroutine(fn) and kind(type(fn).__call__)


#: What a function is declared to return that gives its items one by one.
_ITERATORS = re.compile(r"([\w.]+\.)?(Async)?(Iterator|Generator)\b|([\w.]+\.)?AsyncIterable\b")


def _iterates(fn: object) -> bool:
    """Whether a function is declared to return an iterator."""
    raw = cast("Mapping[str, Any] | None", getattr(fn, "__annotations__", None))
    found: Any = raw.get("return") if raw else None
    if found is None:
        return False
    return _ITERATORS.match(found if isinstance(found, str) else text_of(found)) is not None


def where(fn: object) -> str:
    """``file:line`` of a function, for messages. What stands for something of others says that itself."""
    said: object = getattr(fn, "stretto_where", None)
    if isinstance(said, str):
        return said
    code = getattr(inspect.unwrap(cast("Any", fn)) if callable(fn) else fn, "__code__", None)
    if code is None:
        return getattr(fn, "__module__", None) or "somewhere"
    return f"{code.co_filename}:{code.co_firstlineno}"


#: Declares what a function touches; see `docs/effects.md`.
call = _Entry()
