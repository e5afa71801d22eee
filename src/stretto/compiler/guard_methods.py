"""Methods of builtin objects in guarded code: which may be called, and on what."""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import string
from types import FunctionType
from typing import Any, Final

from stretto.compiler import known
from stretto.compiler.guard_calls import argument, guarded, quick_method
from stretto.compiler.guard_ops import formatted, hashable, iterable, name_of, plain_pairs
from stretto.compiler.guard_state import fresh, keep, stop
from stretto.compiler.known_methods import NEW_METHODS
from stretto.compiler.known_objects import (
    MUTABLE,
    PLAIN,
    SCALARS,
    class_name,
    defining_class,
    is_plain_class,
    slots_safe,
)

__all__ = ["method"]

_STORES: Final = frozenset({"append", "appendleft", "insert", "setdefault"})
_TAKES_ITEMS: Final = frozenset(
    "extend extendleft union intersection difference symmetric_difference issubset issuperset "
    "isdisjoint intersection_update difference_update symmetric_difference_update join".split()
)
# What was found out about methods of builtin classes, which nobody can patch.
_verdicts: Final[dict[tuple[type, str], tuple[type, bool, bool, bool]]] = {}
_NO_EFFECT_BASES: Final = (tuple, str, int, float, bytes, frozenset)


def method(f: Any, owner: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the builtin method `f`, which is `owner.name`."""
    cls = type(owner)
    verdict = _verdicts.get((cls, name))
    if verdict is None:
        verdict = _judge(owner, cls, name)
    cls, mutator, new, foreign = verdict
    if foreign:
        return f(*args, **kwargs)
    if mutator and not fresh(owner):
        stop(f"{cls.__qualname__}.{name}() changes an object that was not made here")
    if cls is str and name not in ("join", "format", "format_map"):
        for x in args:
            if type(x) not in PLAIN or getattr(x, "default_factory", None) is not None:
                stop(f"str.{name}() of a {name_of(x)}")
        result = f(*args, **kwargs)
        if new:
            return keep(result)
        quick_method(cls, name)
        return result
    given, named = _arguments(f, owner, cls, name, args, kwargs)
    result = f(*given, **named)
    if new:
        if type(result) not in SCALARS:
            keep(result)
    elif not mutator and cls in PLAIN:
        quick_method(cls, name)
    return result


def _judge(owner: Any, cls: type, name: str) -> tuple[type, bool, bool, bool]:
    """The class whose method it is, whether it changes it, makes something new, or is assumed."""
    plain = is_plain_class(cls)
    if not plain:
        # A named tuple has the methods of a tuple.
        base = defining_class(cls, name)
        if base in _NO_EFFECT_BASES and slots_safe(cls, "__iter__", "__len__", "__getitem__"):
            cls = base
        elif known.in_assumed_package(cls):
            return cls, False, False, True
        elif not known.is_pure_method(cls, name) and not (known.is_mutator(cls, name) and fresh(owner)):
            stop(f"{class_name(cls)}.{name}()", (cls, name))
        elif known.class_key(cls) not in known.MUTATORS:
            stop(f"{class_name(cls)}.{name}()", (cls, name))
    mutator = known.is_mutator(cls, name)
    if name == "__getitem__" and hasattr(cls, "default_factory"):
        stop(f"{cls.__qualname__}.{name}()", (cls, name))
    if not mutator and not known.is_pure_method(cls, name):
        stop(f"{cls.__qualname__}.{name}() is not known", (cls, name))
    verdict = (cls, mutator, name in NEW_METHODS.get(known.class_key(cls), ()), False)
    if plain:
        _verdicts[cls, name] = verdict
    return verdict


def _arguments(
    f: Any, owner: Any, cls: type, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    if name in _STORES and cls is not bytearray:
        if name == "setdefault":
            return [*map(hashable, args[:1]), *args[1:]], kwargs
        if name == "insert":
            return [*(argument(f, x) for x in args[:1]), *args[1:]], kwargs
        return args, kwargs
    if name in _TAKES_ITEMS and cls is not bytearray:
        return [iterable(x) for x in args], kwargs
    if name == "sort":
        return args, {**kwargs, "key": guarded(kwargs.get("key"))} if "key" in kwargs else kwargs
    if issubclass(cls, dict):
        if (name == "update" and cls in (dict, known.find("collections.OrderedDict"))) or (
            name == "update" and getattr(cls, "__name__", "") == "defaultdict"
        ):
            return [_pairs(x) for x in args], kwargs
        if name in ("update", "subtract"):
            return [x if type(x) in PLAIN else argument(f, x) for x in args], kwargs
        if name in ("get", "pop"):
            return [*map(hashable, args[:1]), *args[1:]], kwargs
        if name == "fromkeys":
            return [*map(iterable, args[:1]), *args[1:]], kwargs
        if name == "move_to_end":
            return [*map(hashable, args[:1]), *args[1:]], kwargs
    if cls is set and name == "update":
        return [iterable(x) for x in args], kwargs
    if cls in (set, frozenset) or (name in ("remove", "index", "count") and cls in (list, tuple)):
        return [*map(hashable, args[:1]), *(argument(f, x) for x in args[1:])], kwargs
    if cls is str and name in ("format", "format_map"):
        return _format(owner, name, args, kwargs), kwargs
    if name in ("sub", "subn") and cls.__module__ == "re":
        return [guarded(x) if type(x) is FunctionType else argument(f, x) for x in args], {
            key: guarded(x) if type(x) is FunctionType else argument(f, x) for key, x in kwargs.items()
        }
    return [argument(f, x) for x in args], {k: argument(f, x) for k, x in kwargs.items()}


def _pairs(x: Any) -> Any:
    if type(x) in MUTABLE and issubclass(type(x), dict):
        return x
    if type(x) not in PLAIN and defining_class(type(x), "keys") is not None:
        stop(f"dict.update() with a {name_of(x)}")
    return plain_pairs(iterable(x))


def _format(text: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if name == "format_map" and not (len(args) == 1 and type(args[0]) is dict):
        stop("str.format_map() of something that is not a dict")
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field]
    except ValueError:
        fields = []
    deep = any("." in field or "[" in field for field in fields)
    for x in [*args, *kwargs.values()]:
        formatted(x)
        if deep and not _only_scalars(x):
            stop("str.format() that looks into an object")
    return args


def _only_scalars(x: Any) -> bool:
    if type(x) in SCALARS:
        return True
    if type(x) in (list, tuple):
        return set(map(type, x)) <= SCALARS
    return type(x) is dict and set(map(type, x.values())) <= SCALARS
