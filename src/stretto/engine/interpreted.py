"""What interpreted code has to do, where the engine is machine code (docs/speed.md).

mypyc means almost what CPython means. What it does otherwise, and a program can see, stands here: this
module is never compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from ..errors import InternalError

__all__ = ["at_once", "awaited", "caught_by", "part_of", "put_together", "spread", "stepped"]


async def awaited(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What a call gives when it is awaited: mypyc words otherwise that something cannot be."""
    return await fn(*args, **kwargs)


async def at_once(why: BaseException, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What a call gives when it is awaited, if it does not wait; else the error `why` is raised there."""
    return await _AtOnce(fn(*args, **kwargs), why)


class _AtOnce:
    def __init__(self, what: Any, why: BaseException) -> None:
        self.what = what
        self.why = why

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = awaited(lambda: self.what, (), {}).__await__()
        try:
            steps.send(None)
        except StopIteration as end:
            return end.value
        steps.throw(self.why)
        raise self.why
        yield


def stepped(fn: Callable[..., Any], /, *args: Any) -> Any:
    """What a coroutine gives that does not wait."""
    steps: Any = fn(*args)
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value
    steps.close()
    raise InternalError(f"{fn!r} waits")


def caught_by(error: BaseException, kind: Any) -> BaseException | None:
    """What comes of ``except kind`` when `error` is raised: `error` if that is caught, None if it is not,
    and another exception where `kind` is no class of exceptions, which mypyc does not ask."""
    trace = error.__traceback__
    context = error.__context__
    try:
        try:
            raise error
        except kind:
            return error
    except BaseException as other:
        return None if other is error else other
    finally:
        error.__traceback__ = trace
        error.__context__ = context


def part_of(error: BaseException, kind: Any) -> tuple[BaseException | None, BaseException | None]:
    """What ``except* kind`` takes of an exception, and the rest of it."""
    kinds: tuple[Any, ...] = kind if issubclass(type(kind), tuple) else (kind,)
    for one in kinds:
        if isinstance(one, type) and issubclass(one, BaseExceptionGroup):
            raise TypeError("catching ExceptionGroup with except* is not allowed. Use except instead.")
    found = caught_by(error, kind)
    if found is not None and found is not error:
        raise found
    group: Any = error
    if not isinstance(error, BaseExceptionGroup):
        return (None, error) if found is None else (BaseExceptionGroup("", (error,)), None)
    return (group, None) if found is not None else group.split(kinds)


def put_together(
    error: BaseException, raised: Sequence[BaseException], rest: BaseException | None
) -> BaseException | None:
    """What a ``try`` with ``except*`` raises in the end: what its handlers have raised, and what none of them
    took of the exception."""
    if not isinstance(error, BaseExceptionGroup):
        return raised[0] if raised else rest
    group: BaseExceptionGroup[Any] = error  # pyright: ignore[reportUnknownVariableType]
    left = list(raised)
    if rest is not None:
        ids = _leaves(rest)
        kept = group.subgroup(lambda one: not isinstance(one, BaseExceptionGroup) and id(one) in ids)
        if kept is not None:
            left.append(kept)
    if len(left) > 1:
        return BaseExceptionGroup("", left)
    return left[0] if left else None


def _leaves(error: Any) -> set[int]:
    """The exceptions in a group, and in those inside of it, by id."""
    inner: Any = getattr(error, "exceptions", None)
    if inner is None or not issubclass(type(error), BaseExceptionGroup):
        return {id(error)}
    return {found for one in inner for found in _leaves(one)}


def spread(kwargs: dict[str, Any], value: Any, name: str) -> dict[str, Any]:
    """What ``f(**kwargs, **value)`` gives `f` by name: how CPython asks a mapping for its keys and values can
    be seen, and what it says when there are none names the function that is called, `name`."""

    def merged(**named: Any) -> dict[str, Any]:
        return named

    merged.__qualname__ = _STAND_IN
    merged.__module__ = "builtins"
    try:
        return merged(**kwargs, **value)
    except BaseException as error:
        if error.args and type(error.args[0]) is str:
            error.args = (error.args[0].replace(f"{_STAND_IN}()", name), *error.args[1:])
        raise


_STAND_IN = "\0"
