"""Rules for the known functions that do more with an argument than look at a plain value."""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable
from types import FunctionType, GenericAlias, UnionType
from typing import Any, Final

from stretto.compiler import known
from stretto.compiler.guard_calls import argument, guarded, plainly
from stretto.compiler.guard_items import attr
from stretto.compiler.guard_ops import (
    formatted,
    hashable,
    inert,
    iterable,
    iterables,
    name_of,
    operand,
    plain_items,
    plain_pairs,
    truth,
)
from stretto.compiler.guard_state import Lazy, current, keep, stop
from stretto.compiler.known_objects import (
    ITERATORS,
    MUTABLE,
    PLAIN,
    SCALARS,
    class_attribute,
    class_module,
    slots_safe,
)

__all__ = ["CLASS_RULES", "RULES", "lazy"]

_Args = tuple[Any, ...]
_Kwargs = dict[str, Any]


def _anything(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    """Functions that only look at identity or type, or only store what they are given."""
    result = f(*args, **kwargs)
    return result if type(result) in SCALARS or issubclass(type(result), type) else keep(result)


def _passes(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    return f(*args, **kwargs)


def _type(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) != 1 or kwargs:
        stop("making a class")
    return type(args[0])


def _quiet_class(cls: Any) -> bool:
    """Whether asking whether something is an instance of `cls` runs no unknown code."""
    if type(cls) is tuple:
        return all(map(_quiet_class, cls))
    if type(cls) is UnionType:
        return all(map(_quiet_class, cls.__args__))
    if not issubclass(type(cls), type):
        return type(cls) in SCALARS or type(cls) is GenericAlias
    meta = type(cls)
    if meta is type:
        return True
    if meta is ABCMeta:
        hook = class_attribute(cls, "__subclasshook__")
        return hook is not None and (
            hook[0] is object or class_module(hook[0]) in ("collections.abc", "contextlib", "os")
        )
    return bool(class_module(meta) == "enum")


def _isinstance(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) == 2 and type(args[1]) is type and type(args[0]) in PLAIN:
        return f(*args, **kwargs)
    if len(args) == 2 and not _quiet_class(args[1]):
        stop(f"{f.__name__}() with a class that may decide it itself")
    if args and type(args[0]) not in PLAIN:
        if not slots_safe(type(args[0]), "__getattribute__", "__class__", "__bases__"):
            stop(f"{f.__name__}() of a {name_of(args[0])}")
    return f(*args, **kwargs)


def _getattr(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if kwargs or len(args) not in (2, 3) or type(args[1]) is not str:
        return plainly(f, args, kwargs)
    if f is hasattr:
        try:
            attr(args[0], args[1])
        except AttributeError:
            return False
        return True
    if len(args) == 2:
        return attr(args[0], args[1])
    try:
        return attr(args[0], args[1])
    except AttributeError:
        return args[2]


def _bool(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    return f(*[truth(x) for x in args], **kwargs)


def _text(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) == 1 and not kwargs:
        return f(formatted(args[0]))
    if len(args) == 2 and f is format:
        return f(formatted(args[0]), argument(f, args[1]))
    return plainly(f, args, kwargs)


def _hash(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    return f(*[hashable(x) for x in args], **kwargs)


def _len(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    for x in args:
        if not operand(x, "__len__"):
            stop(f"len() of a {name_of(x)}")
    return f(*args, **kwargs)


def _sum(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if not args:
        return f(**kwargs)
    rest = [argument(f, x) for x in args[1:]]
    named = {name: argument(f, x) for name, x in kwargs.items()}
    # Not kept as new: the sum of nothing is the start itself.
    return f(_summable(iterable(args[0])), *rest, **named)


def _summable(items: Any) -> Any:
    if (type(items) in (list, tuple) and set(map(type, items)) <= PLAIN) or type(items) is range:
        return items
    return _each_inert(items)


def _any(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) != 1:
        return f(*args, **kwargs)
    return f(plain_items(iterable(args[0]), "__bool__", "__len__"), **kwargs)


def _ordering(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    """`min`, `max`, `sorted`, `heapq.nlargest`: items and a key."""
    named = dict(kwargs)
    if named.get("key") is not None:
        named["key"] = guarded(named["key"])
    if f in (min, max) and len(args) > 1:
        if named.get("key") is None:
            args = tuple(argument(f, x) for x in args)
        return f(*args, **named)
    result = f(*[iterable(x) for x in args], **named)
    return result if f in (min, max) else keep(result)


def _merge(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    items = [iterable(x) for x in args]
    if kwargs.get("key") is not None or any(a is not b for a, b in zip(items, args, strict=True)):
        stop("heapq.merge() that would hold guarded functions")
    return keep(f(*items, **kwargs))


def _collect(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    """`list`, `set` and others that take the items of one argument."""
    items = [iterable(x) for x in args[:1]]
    if f is set or f is frozenset:
        items = [plain_items(x, "__hash__", "__eq__") for x in items]
    result = f(*items, *[argument(f, x) for x in args[1:]], **kwargs)
    return result if f is tuple or f is frozenset else keep(result)


def _bytes(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if (args and type(args[0]) in (list, tuple, set, frozenset)) or (args and type(args[0]) in ITERATORS):
        args = (_summable(iterable(args[0])), *args[1:])
        result = f(args[0], *[argument(f, x) for x in args[1:]], **kwargs)
    else:
        result = f(*[argument(f, x) for x in args], **kwargs)
    return result if f is bytes else keep(result)


def _pairs(x: Any) -> Any:
    if issubclass(type(x), dict) and slots_safe(type(x), "keys", "__getitem__", "__iter__"):
        return x
    if type(x) not in PLAIN and type(x) not in ITERATORS:
        if class_attribute(type(x), "keys") is not None or not inert(x):
            stop(f"dict() of a {name_of(x)}")
    return plain_pairs(iterable(x))


def _dict(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    return keep(f(*[_pairs(x) for x in args], **kwargs))


def _defaultdict(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    return keep(f(*args[:1], *[_pairs(x) for x in args[1:]], **kwargs))


def _counter(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    given = [argument(f, x) for x in args]
    return keep(f(*given, **kwargs))


def _fromkeys(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    return keep(f(*[iterable(x) for x in args[:1]], *args[1:], **kwargs))


# ------------------------------------------------------------------ lazy iterators


def _both(x: Any) -> tuple[Any, Any, bool]:
    """One iterator over `x` for the program and one for guarded code, and whether they agree."""
    execution = current.execution
    lazy = execution.lazies.get(id(x)) if execution is not None else None
    if lazy is not None:
        if not (lazy.exact or lazy.temporary):
            stop(f"advancing a {name_of(x)} that may be used elsewhere too")
        return lazy.native, lazy.twin, lazy.exact
    items = iter(iterable(x))
    return items, items, True


def _made(native: Any, twin: Any, exact: bool) -> Any:
    execution = current.execution
    if native is twin:
        return keep(native)
    if execution is not None:
        execution.lazies[id(native)] = Lazy(native, twin, exact)
    return native


def lazy(source: Any, native: Any, twin: Any, exact: bool, temporary: bool) -> Any:
    """A generator expression: both its bodies, over one iterator."""
    first, second, agree = _both(source)
    made = native(first)
    execution = current.execution
    assert execution is not None
    entry = Lazy(made, twin(second), exact and agree, closes=True)
    execution.lazies[id(made)] = entry
    if temporary:
        entry.temporary = True
        execution.flagged.append(entry)
    return made


def _combine(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    """`zip`, `enumerate`, `chain` and others that only pass items on."""
    one = f is enumerate or f.__name__ in ("islice", "cycle", "batched", "pairwise")
    count = 1 if one else len(args)
    sides = [_both(x) for x in args[:count]]
    rest = [argument(f, x) for x in args[count:]]
    native = f(*[side[0] for side in sides], *rest, **kwargs)
    if all(side[0] is side[1] for side in sides):
        return keep(native)
    twin = f(*[side[1] for side in sides], *rest, **kwargs)
    return _made(native, twin, f is zip and all(side[2] for side in sides))


def _map(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) < 2 or kwargs:
        return f(*args, **kwargs)  # a TypeError
    sides = [_both(x) for x in args[1:]]
    native = f(args[0], *[side[0] for side in sides])
    twin: Any
    if f is filter and args[0] is None:
        twin = f(None, plain_items(sides[0][1], "__bool__", "__len__"))
    elif f is map:
        twin = f(guarded(args[0]), *[side[1] for side in sides])
    else:
        check = guarded(args[0])
        twin = f(lambda x: truth(check(x)), *[side[1] for side in sides])
    return _made(native, twin, all(side[2] for side in sides))


def _while(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    """`takewhile`, `dropwhile`, `filterfalse`, `starmap`."""
    if len(args) != 2 or kwargs or args[0] is None:
        return plainly(f, args, kwargs)
    native, items, exact = _both(args[1])
    check = guarded(args[0])
    if f.__name__ == "starmap":
        return _made(f(args[0], native), f(check, iterables(items)), exact)
    twin = f(lambda x: truth(check(x)), items)
    return _made(f(args[0], native), twin, exact and f.__name__ == "filterfalse")


def _groupby(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    bound = inspect.Signature(
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("items", "key")]
    ).bind_partial(*args, **{("items" if n == "iterable" else n): x for n, x in kwargs.items()})
    if "items" not in bound.arguments:
        return f(*args, **kwargs)  # a TypeError
    key = bound.arguments.get("key")
    native, items, _ = _both(bound.arguments["items"])
    check = guarded(key)
    twin = f(items, (lambda x: hashable(check(x))) if key is not None else hashable)
    return _made(f(native, key), ((k, keep(group)) for k, group in twin), False)


def _accumulate(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) not in (1, 2) or not set(kwargs) <= {"func", "initial"}:
        return f(*args, **kwargs)
    func = args[1] if len(args) == 2 else kwargs.get("func")
    native, items, _ = _both(args[0])
    first = {"initial": kwargs["initial"]} if "initial" in kwargs else {}
    checked = items if func is not None else _each_inert(items)
    if func is None and first and not inert(first["initial"]):
        stop("itertools.accumulate() of an object")
    return _made(f(native, func, **first), f(checked, guarded(func), **first), False)


def _each_inert(items: Any) -> Any:
    for x in items:
        if not inert(x):
            stop(f"an operation on a {name_of(x)}")
        yield x


def _from_iterable(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) != 1 or kwargs:
        return f(*args, **kwargs)
    native, items, _ = _both(args[0])
    return _made(f(native), f(iterables(items)), False)


def _product(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    """Those that take all items at once when they are made."""
    return keep(f(*[iterable(x) for x in args], **{k: argument(f, x) for k, x in kwargs.items()}))


def _repeat(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    return keep(f(args[0], *[argument(f, x) for x in args[1:]], **kwargs) if args else f(**kwargs))


def _iter(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) != 1 or kwargs:
        stop("iter() with a function")
    x = args[0]
    if type(x) in ITERATORS:
        return x
    return keep(f(iterable(x)))


def _next(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if not args or (type(args[0]) not in ITERATORS and type(args[0]) not in PLAIN):
        stop(f"next() of a {name_of(args[0]) if args else 'nothing'}")
    return f(iterable(args[0]), *args[1:], **kwargs)


def _reversed(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    for x in args:
        if not operand(x, "__reversed__", "__len__", "__getitem__") or type(x) in ITERATORS:
            stop(f"reversed() of a {name_of(x)}")
    return keep(f(*args, **kwargs))


# ------------------------------------------------------------------ functions that take functions


def _reduce(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if len(args) < 2 or kwargs:
        return f(*args, **kwargs)
    return f(guarded(args[0]), iterable(args[1]), *args[2:])


def _cmp_to_key(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    stop("functools.cmp_to_key()")


def _functions_by_name(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    """`re.sub`, `json.loads`: functions may be anywhere among the arguments."""
    given = [_maybe_function(f, x) for x in args]
    named = {name: _maybe_function(f, x) for name, x in kwargs.items()}
    result = f(*given, **named)
    # What a hook of the user's gave back may be anybody's.
    hooked = any(map(callable, [*given, *named.values()]))
    return keep(result) if type(result) in MUTABLE and not hooked else result


def _maybe_function(f: Any, x: Any) -> Any:
    if type(x) is FunctionType or (callable(x) and not issubclass(type(x), type) and known.is_pure(x)):
        return guarded(x)
    if issubclass(type(x), type) and x in (str, int, float):
        return guarded(x)
    return argument(f, x)


def _bisect(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    named = dict(kwargs)
    if named.get("key") is not None:
        named["key"] = guarded(named["key"])
    return f(*[argument(f, x) for x in args], **named)


def _copy(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    for x in args:
        if issubclass(type(x), type) or type(x) is FunctionType:
            continue
        if type(x) in ITERATORS or not inert(x):
            stop(f"a copy of a {name_of(x)}")
    result = f(*args, **kwargs)
    if type(result) in SCALARS or any(result is x for x in args):
        return result
    return keep(result)


def _fields(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    for x in args:
        if not (type(x) is type or inert(x)):
            stop(f"dataclasses.{f.__name__}() of a {name_of(x)}")
    return f(*args, **kwargs)


def _asdict(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    if kwargs or len(args) != 1:
        return plainly(f, args, kwargs)
    return keep(f(argument(f, args[0])))


def _replace(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    for x in args:
        if not known.is_pure(type(x)) or not inert(x):
            stop(f"dataclasses.replace() of a {name_of(x)}")
    return keep(f(*args, **kwargs))


_Rule = Callable[[Any, _Args, _Kwargs], Any]


def _table(*rows: tuple[_Rule, str]) -> dict[str, _Rule]:
    return {path: rule for rule, names in rows for path in names.split()}


_I = "itertools."
RULES: Final[dict[str, _Rule]] = {
    **{f"builtins.{n}": r for n, r in _table(
        (_passes, "id callable"), (_type, "type"), (_isinstance, "isinstance issubclass"),
        (_getattr, "getattr hasattr"), (_bool, "bool"), (_text, "str repr ascii format"),
        (_hash, "hash"), (_len, "len"), (_sum, "sum"), (_any, "any all"),
        (_ordering, "min max sorted"), (_collect, "list tuple set frozenset"), (_dict, "dict"),
        (_combine, "zip enumerate"), (_map, "map filter"), (_iter, "iter"), (_next, "next"),
        (_reversed, "reversed"), (_bytes, "bytes bytearray"),
    ).items()},
    **{_I + n: r for n, r in _table(
        (_combine, "chain islice pairwise zip_longest cycle batched"),
        (_while, "takewhile dropwhile filterfalse starmap"), (_groupby, "groupby"),
        (_accumulate, "accumulate"),
        (_product, "product combinations combinations_with_replacement permutations"),
        (_repeat, "repeat"),
    ).items()},
    **_table(
        (_anything, "types.SimpleNamespace contextlib.suppress contextlib.nullcontext"),
        (_passes, "typing.cast"), (_fields, "dataclasses.is_dataclass dataclasses.fields"),
        (_dict, "collections.OrderedDict"), (_defaultdict, "collections.defaultdict"),
        (_counter, "collections.Counter"), (_collect, "collections.deque"),
        (_reduce, "functools.reduce"), (_cmp_to_key, "functools.cmp_to_key"),
        (_anything, "functools.partial operator.itemgetter operator.attrgetter"),
        (_cmp_to_key, "operator.methodcaller"),
        (_functions_by_name, "re.sub re.subn json.loads json.dumps textwrap.indent "
                             "urllib.parse.urlencode hmac.new hmac.digest"),
        (_merge, "heapq.merge"), (_bisect, "bisect.bisect bisect.bisect_left "
                                              "bisect.bisect_right"),
        (_copy, "copy.copy copy.deepcopy"), (_asdict, "dataclasses.asdict dataclasses.astuple"),
        (_replace, "dataclasses.replace"),
    ),
}  # fmt: skip


def _nlargest(f: Any, args: _Args, kwargs: _Kwargs) -> Any:
    named = dict(kwargs)
    if named.get("key") is not None:
        named["key"] = guarded(named["key"])
    return keep(f(*[iterable(x) for x in args], **named))


#: The same for class methods.
CLASS_RULES: Final[dict[tuple[str, str], _Rule]] = {
    ("itertools.chain", "from_iterable"): _from_iterable,
    ("builtins.dict", "fromkeys"): _fromkeys,
    ("collections.OrderedDict", "fromkeys"): _fromkeys,
}
RULES["heapq.nlargest"] = RULES["heapq.nsmallest"] = _nlargest
