"""What guarded code does with items, attributes and whole statements; see `guard_ops`."""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import sys
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final

from stretto.compiler import known
from stretto.compiler.guard_ops import (
    comparable,
    contains,
    formatted,
    hashable,
    iterable,
    iterable_temporary,
    mapping,
    name_of,
    nested,
    operand,
    operators,
    truth,
    unpacked,
)  # fmt: skip
from stretto.compiler.guard_state import current, fresh, keep, stop
from stretto.compiler.known_objects import (
    ITERATORS,
    MUTABLE,
    PLAIN,
    SCALARS,
    attribute_is_plain,
    class_attribute,
    class_module,
    class_mro,
    class_name,
    defining_class,
    instance_dict,
    is_plain_class,
    slots_safe,
)
from stretto.compiler.types import attribute_type, method_type

__all__ = ["ITEMS", "attr", "getitem"]


# ------------------------------------------------------------------ subscripts

_INDEXED: Final = frozenset({list, tuple, str, dict, bytes, range})


def getitem(a: Any, i: Any, S: Any = SCALARS, X: Any = _INDEXED) -> Any:
    """`a[i]`."""
    if type(a) in X and type(i) in S:
        return a[i]
    return _getitem_slow(a, i)


def _getitem_slow(a: Any, i: Any) -> Any:
    _index(i)
    cls = type(a)
    if cls in PLAIN or is_plain_class(cls):
        factory = getattr(a, "default_factory", None) if issubclass(type(a), dict) else None
        if factory is not None and i not in a:
            if not fresh(a):
                stop("a missing key of a defaultdict that was not made here")
            from stretto.compiler.guard_calls import call

            a[i] = made = call(factory)
            return made
        result = a[i]
        return keep(result) if type(i) is slice and cls in MUTABLE else result
    if issubclass(type(a), type):
        if cls is type and (a in PLAIN or a is type or class_attribute(cls, "__getitem__") is None):
            found = class_attribute(a, "__class_getitem__")
            if found is None or class_module(found[0]) in ("builtins", "collections", "typing"):
                return a[i]
        found = class_attribute(cls, "__getitem__")
        if found is not None and class_module(found[0]) == "enum":
            return a[i]
        stop(f"a subscript of the class {class_name(a)}")
    names = ("__getitem__", "__missing__", "__len__", "__class_getitem__")
    if cls not in ITERATORS and operand(a, *names):
        return a[i]
    stop(f"a subscript of a {name_of(a)}")


def _index(i: Any) -> None:
    if type(i) is slice:
        for part in (i.start, i.stop, i.step):
            if type(part) not in SCALARS and not operand(part, "__index__"):
                stop(f"a slice with a {name_of(part)}")
    elif type(i) not in PLAIN and not operand(i, "__hash__", "__eq__", "__index__"):
        stop(f"a subscript with a {name_of(i)}")


def setitem(value: Any, a: Any, i: Any) -> None:
    """`a[i] = value`."""
    cls = type(a)
    if type(i) not in SCALARS:
        _index(i)
    if cls in MUTABLE:
        if not fresh(a):
            stop(f"an item is set in a {name_of(a)} that was not made here")
        if type(i) is slice:
            value = iterable(value)
        elif cls is bytearray and type(value) not in PLAIN and not operand(value, "__index__"):
            stop(f"a {name_of(value)} is put into a bytearray")
    elif cls not in PLAIN and defining_class(cls, "__setitem__") is not None:
        stop(f"an item is set in a {name_of(a)}")
    a[i] = value


def delitem(a: Any, i: Any) -> None:
    """`del a[i]`."""
    cls = type(a)
    _index(i)
    if cls in MUTABLE:
        if not fresh(a):
            stop(f"an item is deleted from a {name_of(a)} that was not made here")
    elif cls not in PLAIN and defining_class(cls, "__delitem__") is not None:
        stop(f"an item is deleted from a {name_of(a)}")
    del a[i]


# ------------------------------------------------------------------ attributes


_QUIET: Final = frozenset({FunctionType, MemberDescriptorType, staticmethod, *SCALARS})
_ABSENT: Final = object()


def attr(a: Any, name: str) -> Any:
    """`a.name`."""
    cls = type(a)
    if cls in PLAIN:
        return getattr(a, name)
    if type(cls) is type and cls is not super and not issubclass(type(a), (type, ModuleType)):
        raw: Any = _ABSENT
        for base in cls.__mro__[:-1]:
            names = base.__dict__
            if "__getattribute__" in names or "__getattr__" in names:
                break
            if raw is _ABSENT and name in names:
                raw = names[name]
        else:
            if (raw is _ABSENT and name not in object.__dict__) or type(raw) in _QUIET:
                # In the instance, or an AttributeError; a method; a default.
                return getattr(a, name)
    return _attr_slow(a, name)


def _attr_slow(a: Any, name: str) -> Any:
    if attribute_is_plain(a, name):
        return getattr(a, name)
    cls = type(a)
    if cls is super:
        return _super_attribute(a, name)
    if issubclass(type(a), (type, ModuleType)):
        if cls is ModuleType and "__getattr__" not in a.__dict__ and not hasattr(ModuleType, name):
            return getattr(a, name)  # an AttributeError
        if cls is ModuleType and hasattr(ModuleType, name):
            return getattr(a, name)
        if cls is type and issubclass(type(a), type) and class_attribute(a, name) is None:
            return getattr(a, name)
        stop(f"the attribute `{name}` of {name_of(a)}")
    if known.in_assumed_package(cls) or attribute_type(cls, name)[0] or method_type(cls, name):
        return getattr(a, name)
    if slots_safe(cls, "__getattribute__") and defining_class(cls, "__getattr__") is None:
        found = class_attribute(cls, name)
        if found is None:
            if class_attribute(cls, "__dict__") is None or instance_dict(a) is not None:
                return getattr(a, name)  # an AttributeError
        elif type(found[1]) is property and type(found[1].fget) is FunctionType:
            from stretto.compiler.guard_calls import call_function

            return call_function(found[1].fget, (a,), {})
    stop(f"the attribute `{name}` of a {name_of(a)}", (cls, name))


def super_of(maker: Any, cls: Any, instance: Any) -> Any:
    """`super()` in a method: the frame that it would look at is not the user's."""
    return maker(cls, instance) if maker is super else stop("`super` is not the builtin")


def _super_attribute(a: Any, name: str) -> Any:
    instance = super.__getattribute__(a, "__self__")
    this = super.__getattribute__(a, "__thisclass__")
    mro = class_mro(type(instance))
    if not issubclass(type(instance), type) and this in mro:
        for base in mro[mro.index(this) + 1 :]:
            if name in base.__dict__:
                raw = base.__dict__[name]
                if type(raw) is FunctionType:
                    return MethodType(raw, instance)
                if base is object or issubclass(base, BaseException):
                    return getattr(a, name)
                if type(raw) is property and type(raw.fget) is FunctionType:
                    from stretto.compiler.guard_calls import call_function

                    return call_function(raw.fget, (instance,), {})
                break
    stop(f"the attribute `{name}` of super()")


def _own_attribute(a: Any, name: str, special: str) -> bool:
    """Whether setting this attribute changes nothing but the object itself."""
    cls = type(a)
    if issubclass(type(a), (type, ModuleType)) or not slots_safe(cls, special):
        return False
    if name.startswith("__"):
        return False
    found = class_attribute(cls, name)
    if found is None:
        return True
    kind = type(found[1])
    if kind is MemberDescriptorType:
        return True
    return defining_class(kind, "__set__") is None and defining_class(kind, "__delete__") is None


def setattribute(value: Any, a: Any, name: str) -> None:
    """`a.name = value`."""
    if type(a) not in SCALARS:
        if not fresh(a):
            stop(f"the attribute `{name}` is set on a {name_of(a)} that was not made here")
        if not _own_attribute(a, name, "__setattr__"):
            stop(f"the attribute `{name}` of a {name_of(a)} is set")
    setattr(a, name, value)


def delattribute(a: Any, name: str) -> None:
    """`del a.name`."""
    if type(a) not in SCALARS:
        if not fresh(a) or not _own_attribute(a, name, "__delattr__"):
            stop(f"the attribute `{name}` of a {name_of(a)} is deleted")
    delattr(a, name)


# ------------------------------------------------------------------ whole statements


def raised(x: Any) -> Any:
    """What `raise` is given: an exception, or a class that is safe to make one of."""
    if issubclass(type(x), type):
        if issubclass(x, BaseException) and not known.is_pure(x):
            from stretto.compiler.guard_calls import call

            return call(x)
        return x
    return x


def entered(x: Any) -> Any:
    """The context manager of a `with`, if it is one that has no effects."""
    suppress: Any = known.find("contextlib.suppress")
    if suppress is not None and type(x) is suppress:
        caught = x._exceptions
        if not any(issubclass(type(e), type) and e in (BaseException, object) for e in caught):
            return x
    null: Any = known.find("contextlib.nullcontext")
    if null is not None and type(x) is null:
        return x
    stop(f"`with` a {name_of(x)}")


def imported(name: str, names: tuple[str, ...], level: int, package: str | None) -> None:
    """Let an import pass if it loads nothing."""
    if level:
        if not package:
            stop("a relative import")
        parts = package.rsplit(".", level - 1)
        name = parts[0] + ("." + name if name else "")
    pieces = name.split(".")
    for cut in range(1, len(pieces) + 1):
        module = sys.modules.get(".".join(pieces[:cut]))
        if type(module) is not ModuleType:
            stop(f"the first import of {name}")
        if getattr(module.__dict__.get("__spec__"), "_initializing", False):
            stop(f"an import of {name} while it is being loaded")
    space = sys.modules[name].__dict__
    for item in names:
        if item not in space:
            stop(f"`{item}` is not in {name} yet")


def live() -> bool:
    """Whether the body of a `finally` may run: not when the execution has stopped."""
    execution = current.execution
    if execution is not None and execution.stopped is not None:
        return False
    if isinstance(sys.exception(), RecursionError):
        too_deep()
    return True


def too_deep() -> None:
    """Guarded code needs more frames than native code, so its limit means nothing."""
    stop("recursion that is too deep to follow")


def matched(subject: Any) -> Any:
    """The subject of a `match`, if no pattern can run code of its own on it."""
    if not _deeply_plain(subject, 200):
        stop(f"`match` on a {name_of(subject)}")
    return subject


def _deeply_plain(x: Any, budget: int) -> bool:
    cls = type(x)
    if cls in SCALARS:
        return True
    if budget <= 0:
        return False
    if cls in (tuple, list, set, frozenset):
        return len(x) <= budget and all(_deeply_plain(v, budget // 2) for v in x)
    if cls is dict:
        return len(x) <= budget and all(
            _deeply_plain(k, 0) and _deeply_plain(v, budget // 2) for k, v in x.items()
        )
    if type(cls) is not type:
        return False
    if "__dataclass_fields__" in cls.__dict__ and slots_safe(cls, "__getattribute__", "__eq__"):
        if defining_class(cls, "__getattr__") is not None:
            return False
        if any(type(v) is property for base in cls.__mro__[:-1] for v in base.__dict__.values()):
            return False
        names = cls.__dict__["__dataclass_fields__"]
        return all(attribute_is_plain(x, n) and _deeply_plain(getattr(x, n), budget // 2) for n in names)
    return is_plain_class(cls) and cls not in MUTABLE


def pattern_class(cls: Any) -> None:
    """A class in a pattern: asking whether something is an instance must run no code."""
    if issubclass(type(cls), type) and type(cls) is not type:
        stop(f"a pattern with the class {class_name(cls)}")


ITEMS: Final[dict[str, Any]] = {
    **operators(),
    "truth": truth, "hashable": hashable, "comparable": comparable, "formatted": formatted,
    "mapping": mapping, "contains": contains, "iterable": iterable,
    "iterable_temporary": iterable_temporary, "unpacked": unpacked, "nested": nested,
    "getitem": getitem, "setitem": setitem, "delitem": delitem, "slice": slice,
    "attr": attr, "setattribute": setattribute, "delattribute": delattribute,
    "raised": raised, "entered": entered, "imported": imported, "live": live,
    "too_deep": too_deep, "matched": matched, "pattern_class": pattern_class,
    "keep": keep, "stop": stop, "super_of": super_of,
}  # fmt: skip
