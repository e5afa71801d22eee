"""How guarded code calls: natively what is known, guarded what is Python, nothing else.

`call` stands where the user's code has a call. A function of the tables is called natively once its
arguments are known to be harmless to it; functions among the arguments are replaced by guarded
ones, and iterators by their guarded twins. A Python function runs as its guarded twin.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import functools
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterable
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, Final, Generic

from stretto.compiler import known
from stretto.compiler.guard_ops import (
    hashable,
    inert,
    iterable,
    name_of,
)
from stretto.compiler.guard_source import follow, followed, is_generator, twin_of
from stretto.compiler.guard_state import Execution, Lazy, NeedsOrder, current, fresh, keep, stop
from stretto.compiler.known_methods import NEW_FUNCTIONS
from stretto.compiler.known_objects import (
    ITERATORS,
    MUTABLE,
    PLAIN,
    SCALARS,
    class_attribute,
    class_module,
    class_name,
    defining_class,
    is_plain_class,
    refresh_classes,
    slots_safe,
)
from stretto.compiler.managers import ASYNC_LOOKUPS, LOOKUPS, looks_quietly

__all__ = [
    "argument",
    "call",
    "call_function",
    "call_merged",
    "call_temporary",
    "enter",
    "guarded",
    "keywords",
    "leave",
    "plainly",
    "quick_method",
    "run",
]

# Known functions that take plain arguments, need no rule and return nothing that can be changed.
_simple: Final[dict[int, object]] = {}
# Methods that change nothing and make nothing that can be changed.
_quick: Final[set[tuple[type, str]]] = set()
_new_functions: Final[dict[int, object]] = {}
_rules: Final[dict[int, Callable[..., Any]]] = {}
# The function of `guard_methods`, which imports this module.
_methods: Final[list[Callable[..., Any]]] = []
# How many modules were loaded when the rules were read.
_prepared = -1
# Class methods of C are bound anew each time.
_class_rules: Final[dict[tuple[type, str], Callable[..., Any]]] = {}


def call(f: Any, /, *args: Any, **kwargs: Any) -> Any:
    """`f(*args, **kwargs)`."""
    if type(f) is FunctionType:
        twin = followed(f)
        execution = current.execution
        if twin is not None and execution is not None and not execution.lazies:
            return twin(*args, **kwargs)
    elif not kwargs:
        if id(f) in _simple:
            for arg in args:
                if type(arg) not in PLAIN:
                    break
            else:
                return f(*args)
        elif type(f) is BuiltinFunctionType and (type(f.__self__), f.__name__) in _quick:
            # A method that looks at nothing but its receiver and plain scalars.
            for arg in args:
                if type(arg) not in SCALARS:
                    break
            else:
                return f(*args)
    return _call_slow(f, args, kwargs)


def call_merged(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call with `**`, whose keywords are already merged."""
    return _call_slow(f, args, kwargs)


def call_temporary(f: Any, /, *args: Any, **kwargs: Any) -> Any:
    """A call whose result is handed to an operation at once and held by nobody else."""
    result = call(f, *args, **kwargs)
    execution = current.execution
    if execution is not None and execution.lazies:
        lazy = execution.lazies.get(id(result))
        if lazy is not None and (f in ITERATORS if issubclass(type(f), type) else is_generator(f)):
            lazy.temporary = True
            execution.flagged.append(lazy)
    return result


def keywords(*parts: tuple[str | None, Any]) -> dict[str, Any]:
    """The keywords of a call, of which some come out of `**` mappings."""
    merged: dict[str, Any] = {}
    for name, value in parts:
        if name is not None:
            new = {name: value}
        elif type(value) is dict:
            new = value
        else:
            stop(f"`**` of a {name_of(value)}")
        for key in new:
            if type(key) is not str or key in merged:
                stop("`**` with a key that is no text or that was given before")
        merged.update(new)
    return merged


def _call_slow(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    result = _dispatch(f, args, kwargs)
    execution = current.execution
    if execution is not None and execution.flagged:
        # The call may have stored what it was given, so others may hold it from here on.
        for lazy in execution.flagged:
            lazy.temporary = False
        execution.flagged.clear()
    return result


def _dispatch(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if len(sys.modules) != _prepared:
        _prepare()
    kind = type(f)
    if kind is BuiltinFunctionType and type(f.__self__) in PLAIN and f.__self__ is not None:
        return _method(f, f.__self__, f.__name__, args, kwargs)
    rule = _rules.get(id(f))
    if rule is not None:
        return rule(f, args, kwargs)
    if kind is FunctionType:
        if known.is_pure(f):
            return plainly(f, args, kwargs)
        return call_function(f, args, kwargs)
    if kind is MethodType:
        function = f.__func__
        if known.in_assumed_package(f.__self__) or known.in_assumed_package(function):
            return f(*args, **kwargs)
        if known.is_pure(f):
            return plainly(f, args, kwargs)
        if type(function) is FunctionType:
            return call_function(function, (f.__self__, *args), kwargs)
        return call(function, f.__self__, *args, **kwargs)
    if issubclass(type(f), BuiltinFunctionType):
        owner = f.__self__
        if owner is not None and not issubclass(type(owner), (ModuleType, type)):
            return _method(f, owner, f.__name__, args, kwargs)
        if owner is not None and issubclass(type(owner), type):
            rule = _class_rules.get((owner, f.__name__))
            if rule is not None:
                return rule(f, args, kwargs)
            if f.__name__ == "__new__":
                return _new(f, args, kwargs)
        if known.is_pure(f):
            return plainly(f, args, kwargs)
        if known.mutates_first_argument(f):
            return _mutates_first(f, args, kwargs)
        stop(f"{_named(f)}() is not known", f)
    if kind is MethodDescriptorType or kind is WrapperDescriptorType:
        if args and issubclass(type(args[0]), f.__objclass__) and not f.__name__.startswith("__"):
            return _method(functools.partial(f, args[0]), args[0], f.__name__, args[1:], kwargs)
        stop(f"{_named(f)}() is not known", f)
    if issubclass(type(f), type):
        return _construct(f, args, kwargs)
    if kind is MethodWrapperType:
        return _method_wrapper(f, args, kwargs)
    if kind is functools.partial:
        merged = {**f.keywords, **kwargs}
        return call_merged(f.func, (*f.args, *args), merged)
    if known.class_key(kind) in ("operator.itemgetter", "operator.attrgetter"):
        return _getter(f, args, kwargs)
    if kind in SCALARS:
        return f(*args, **kwargs)  # a TypeError: not callable
    if known.in_assumed_package(f):
        return f(*args, **kwargs)
    stop(f"a call of a {name_of(f)}", f)


def _named(f: Any) -> str:
    return str(getattr(f, "__qualname__", None) or getattr(f, "__name__", None) or name_of(f))


# ------------------------------------------------------------------ known functions


def argument(f: Any, x: Any) -> Any:
    """What the known function `f` is given for `x`."""
    cls = type(x)
    if cls in PLAIN:
        if cls in MUTABLE and getattr(x, "default_factory", None) is not None:
            stop(f"{_named(f)}() of a defaultdict")  # reading an item may make one
        return x
    if cls in ITERATORS:
        items = iterable(x)
        if items is not x and type(f) is type and f in ITERATORS:
            # It would hold the guarded twin, and may leave.
            stop(f"{_named(f)}() of a {name_of(x)}")
        return items
    if inert(x) and defining_class(cls, "__call__") is None:
        return x
    stop(f"{_named(f)}() of a {name_of(x)}")


def plainly(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a known function with arguments that are harmless to it."""
    if known.in_assumed_package(f):
        return f(*args, **kwargs)
    result = f(
        *[argument(f, x) for x in args],
        **{name: argument(f, x) for name, x in kwargs.items()},
    )
    if id(f) in _new_functions:
        if type(result) not in SCALARS:
            keep(result)
    elif not issubclass(type(f), type) and id(f) in known._pure and id(f) not in known.HIGHER_ORDER:
        _simple[id(f)] = f
    return result


def _prepare() -> None:
    """Take in the rules of functions whose modules have been loaded since."""
    from stretto.compiler.guard_methods import method
    from stretto.compiler.guard_rules import CLASS_RULES, RULES

    global _prepared
    _methods[:] = [method]
    _prepared = len(sys.modules)
    known.refresh()
    refresh_classes()
    for (name, attribute), made in CLASS_RULES.items():
        cls = known.find(name)
        if isinstance(cls, type):
            _class_rules[cls, attribute] = made
    for lookup in (*LOOKUPS, *ASYNC_LOOKUPS):
        _rules[id(lookup)] = _looked_up
    for path in NEW_FUNCTIONS:
        thing = known.find(path)
        if thing is not None:
            _new_functions[id(thing)] = thing
    for path, rule in RULES.items():
        thing = known.find(path)
        if thing is not None and id(thing) in known._pure:
            _rules[id(thing)] = rule
    # With plain operands their rules have nothing to say.
    for f in (len, str, repr, ascii, bool, hash, format, id, callable, abs, ord, chr, int, float):
        _simple[id(f)] = f


def quick_method(cls: type, name: str) -> None:
    """Remember a method of a plain class as one that needs no rule for scalars."""
    _quick.add((cls, name))


def _looked_up(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a ``with`` looks up of its context manager."""
    (manager,) = args
    return f(manager) if looks_quietly(f, manager) else stop(f"`with` a {name_of(manager)}")


def _method(f: Any, owner: Any, name: str, args: Any, kwargs: Any) -> Any:
    return _methods[0](f, owner, name, args, kwargs)


def _mutates_first(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not args or type(args[0]) not in MUTABLE or not fresh(args[0]):
        stop(f"{_named(f)}() changes an object that was not made here")
    rest = [argument(f, x) for x in args[1:]]
    if kwargs.get("key") is not None:
        kwargs = {**kwargs, "key": guarded(kwargs["key"])}
    return f(args[0], *rest, **kwargs)


def _getter(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    from stretto.compiler.guard_items import attr, getitem

    if len(args) != 1 or kwargs:
        return f(*args, **kwargs)  # a TypeError
    found: list[Any] = []
    for name in f.__reduce__()[1]:
        value = args[0]
        if type(f).__name__ == "itemgetter":
            value = getitem(value, name)
        else:
            for part in name.split("."):
                value = attr(value, part)
        found.append(value)
    return found[0] if len(found) == 1 else tuple(found)


# ------------------------------------------------------------------ Python functions


def call_function(fn: FunctionType, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run the guarded twin of a Python function."""
    if known.in_assumed_package(fn):
        return fn(*args, **kwargs)
    execution = current.execution
    twin = twin_of(fn)
    if execution is None or twin is None:
        stop(f"{fn.__qualname__}() cannot be followed", fn)
    if execution.lazies:
        for arg in args:
            held = execution.lazies.get(id(arg))
            if held is not None:
                held.temporary = False
    if is_generator(fn):
        native = fn(*args, **kwargs)
        execution.lazies[id(native)] = Lazy(native, twin(*args, **kwargs), False, closes=True)
        return native
    follow(fn)
    return twin(*args, **kwargs)


def guarded(f: Any) -> Any:
    """The function to hand to `sorted`, `map` and the like instead of `f`."""
    if f is None:
        return None
    if type(f) is FunctionType and not known.is_pure(f) and not is_generator(f):
        twin = twin_of(f)
        if twin is None:
            stop(f"{f.__qualname__}() cannot be followed")
        return twin
    return functools.partial(call, f)


# ------------------------------------------------------------------ making instances


def _construct(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if known.in_assumed_package(cls):
        return keep(cls(*args, **kwargs))
    if known.is_pure(cls):
        if id(cls) in known._pure or is_plain_class(cls) or issubclass(cls, BaseExceptionGroup):
            result = plainly(cls, args, kwargs)
            if type(result) not in SCALARS:
                keep(result)
            return result
        if "_member_map_" in cls.__dict__:
            return cls(*[hashable(x) for x in args], **kwargs)
        made = keep(cls(*args, **kwargs))
        _adopt_defaults(made, [*args, *kwargs.values()])
        return made
    new = class_attribute(cls, "__new__")
    init = class_attribute(cls, "__init__")
    if (
        type(cls) in (type, ABCMeta)
        and new is not None
        and init is not None
        and type(init[1]) is FunctionType
        and slots_safe(cls, "__del__")
        and not class_module(cls).startswith("stretto.")
        and (new[0] in (object, Generic) or issubclass(cls, BaseException))
        and slots_safe(cls, "__new__")
    ):
        if issubclass(cls, BaseException):
            made = keep(cls.__new__(cls, *args, **kwargs))
        else:
            made = keep(object.__new__(cls))
        result = call_function(init[1], (made, *args), kwargs)
        if result is not None:
            raise TypeError(f"__init__() should return None, not '{type(result).__name__}'")
        return made
    stop(f"making a {class_name(cls)}", cls)


def _new(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`tuple.__new__` in what `namedtuple` writes; no other `__new__` is known."""
    if f.__self__ is tuple and args and issubclass(type(args[0]), type) and not kwargs:
        return f(args[0], *[iterable(x) for x in args[1:]])
    stop(f"{f.__self__.__qualname__}.__new__()")


def _adopt_defaults(made: Any, given: list[Any]) -> None:
    """What `default_factory` made belongs to nobody else either."""
    for name, field in getattr(type(made), "__dataclass_fields__", {}).items():
        if field.default_factory in MUTABLE:
            value = getattr(made, name, None)
            if type(value) in MUTABLE and not any(value is x for x in given):
                keep(value)


def _method_wrapper(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    owner = f.__self__
    if f.__name__ == "__init__" and f.__objclass__ is object:
        return f(*args, **kwargs)  # it does nothing
    if f.__name__ == "__init__" and fresh(owner):
        if issubclass(type(owner), BaseException) and not issubclass(type(owner), BaseExceptionGroup):
            return f(*args, **kwargs)
    stop(f"{_named(f)}() of a {name_of(owner)}")


# ------------------------------------------------------------------ executions


def enter() -> tuple[Execution | None, Execution]:
    """Begin an execution; what `leave` takes."""
    before = current.execution
    if before is not None and before.adopt:
        before.adopt = False
        return before, before
    execution = Execution()
    current.execution = execution
    return before, execution


def leave(state: tuple[Execution | None, Execution]) -> None:
    """End an execution. What stopped it is raised even if the user's code went on."""
    before, execution = state
    try:
        if isinstance(sys.exception(), RecursionError):
            stop("recursion that is too deep to follow")
        if execution.stopped is not None and sys.exception() is not execution.stopped:
            raise execution.stopped
    finally:
        current.execution = before
        if execution is not before:
            execution.stopped = None  # its traceback leads back here: it would be freed late


def run(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any], own: Iterable[object], root: bool) -> Any:
    """Call `f` guarded, in an execution of its own if there is none."""
    before = current.execution
    if before is not None and not root:
        return call(f, *args, **kwargs)
    execution = Execution()
    execution.adopt = root
    execution.fresh = {id(thing): thing for thing in own}
    current.execution = execution
    try:
        result = f(*args, **kwargs) if root else _call_slow(f, args, kwargs)
        if execution.stopped is not None:
            raise execution.stopped
    except RecursionError:
        raise NeedsOrder("recursion that is too deep to follow") from None
    finally:
        current.execution = before
        execution.stopped = None  # its traceback leads back here: what the frames hold would be freed late
    return result
