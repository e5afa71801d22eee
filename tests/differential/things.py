"""Objects that take part in everything that Python's grammar can say, and tell the world of each part.

What an operation gives is a function of the world's salt and of all that was done before, so two runs stay
the same for as long as they do the same, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .world import current

__all__ = ["Thing", "chosen"]

#: So many operations, and each further one fails: a program that makes more goes round in circles.
ENOUGH = 150

#: One operation in so many fails.
_FAILS = 17

_FAILURES: tuple[type[Exception], ...] = (ValueError, TypeError, KeyError, StopIteration, AttributeError)


class Enough(Exception):
    """The program has done all that it is to do."""


class Thing:
    """All operators, calls, loops, context managers, patterns. Equality, hash and repr tell nobody."""

    __match_args__ = ("name_0", "name_1", "name_2")

    def __init__(self, number: int) -> None:
        object.__setattr__(self, "number", number)

    def __repr__(self) -> str:
        return f"Thing({self.number})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _result("getattr", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        _tell("setattr", self, name, _shown(value))
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        _tell("delattr", self, name)
        object.__delattr__(self, name)

    def __getitem__(self, key: object) -> Any:
        return _result("getitem", self, _shown(key))

    def __setitem__(self, key: object, value: object) -> None:
        _tell("setitem", self, _shown(key), _shown(value))

    def __delitem__(self, key: object) -> None:
        _tell("delitem", self, _shown(key))

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return _result("call", self, [_shown(a) for a in args], {k: _shown(v) for k, v in kwargs.items()})

    def __bool__(self) -> bool:
        return _tell("bool", self) % 3 > 0

    def __contains__(self, item: object) -> bool:
        return _tell("contains", self, _shown(item)) % 2 > 0

    def __iter__(self) -> Iterator[Any]:
        return iter([chosen(_tell("iter", self) + n) for n in range(_tell("how many", self) % 4)])

    def __enter__(self) -> Any:
        return _result("enter", self)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        return _tell("exit", self, None if kind is None else kind.__name__) % 2 > 0

    def __format__(self, spec: str) -> str:
        _tell("format", self, spec)
        return f"[{self.number}]"

    def __index__(self) -> int:
        return _tell("index", self) % 3

    def keys(self) -> list[str]:
        return ["name_1", "name_3"][: _tell("keys", self) % 3]


def _shown(value: object) -> str:
    """What is told of an operand."""
    if isinstance(value, type):
        return value.__name__
    return "function" if hasattr(value, "__wrapped__") else type(value).__name__  # or a declared call


def _tell(what: str, thing: Thing, *more: object) -> int:
    """Say what is done; a number made of all that was done until now."""
    world = current()
    number = world.unknown(what, thing.number, *more) ^ world.salt
    if world.calls > ENOUGH:
        raise Enough
    if number % _FAILS == 0:
        raise _FAILURES[number // _FAILS % len(_FAILURES)](what)
    return number // 101


def _result(what: str, thing: Thing, *more: object) -> Any:
    return chosen(_tell(what, thing, *more))


def chosen(number: int) -> Any:
    """One of many values."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: Thing(number % 997),
        lambda: Thing(number % 997),
        lambda: Thing(number % 997),
        lambda: number % 5,
        lambda: "ab"[: number % 3],
        lambda: [number % 7, Thing(1)][: number % 3],
        lambda: (Thing(2), number % 3),
        lambda: {number % 3: "x", "k": Thing(3)},
        lambda: {number % 4, 1},
        lambda: None,
        lambda: number % 2 == 0,
        lambda: 1.5,
        lambda: ValueError("made"),
        lambda: (KeyError, ValueError, Exception, TypeError)[number % 4],
        lambda: (len, sorted, Thing, _identity)[number % 4],
    )
    return kinds[number // 7 % len(kinds)]()


def _identity(*args: object, **kwargs: object) -> object:
    return args


def _operators() -> Iterator[tuple[str, Any]]:
    names = "add sub mul matmul truediv floordiv mod pow lshift rshift and or xor".split()
    for name in [f"__{prefix}{name}__" for name in names for prefix in ("", "r", "i")]:
        yield name, _operator(name)
    for name in ("__lt__", "__le__", "__gt__", "__ge__", "__neg__", "__pos__", "__invert__"):
        yield name, _operator(name)


def _operator(name: str) -> Any:
    def method(self: Thing, *others: object) -> Any:
        return _result(name, self, *map(_shown, others))

    method.__name__ = name
    return method


for _name, _method in _operators():
    setattr(Thing, _name, _method)
