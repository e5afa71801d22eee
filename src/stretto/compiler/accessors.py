"""What looking at an attribute, or setting it, runs: nothing of the user's, or the function of a property."""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import FunctionType, ModuleType
from typing import Any, Final

from .known import in_assumed_package
from .known_objects import (
    C_DESCRIPTORS,
    binds_quietly,
    class_attribute,
    class_mro,
    defining_class,
    is_plain_class,
    slots_safe,
)
from .types import attribute_type

__all__ = ["getter_of", "setter_of", "super_getter_of"]

#: Calling a function of these kinds runs nothing of it.
_MAKES: Final = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


def getter_of(cls: type, name: str) -> FunctionType | bool:
    """What runs where an attribute of an instance of a class is looked at: the function of a property; True
    where nothing of the user's does; False where that is not known.

    Whether the attribute is there is another matter: if it is not, looking at it fails.
    """
    if is_plain_class(cls):
        return True
    if issubclass(cls, (type, ModuleType)) or not slots_safe(cls, "__getattribute__"):
        return False
    if defining_class(cls, "__getattr__") is not None:
        return False
    found = class_attribute(cls, name)
    if found is None:
        return True
    raw = found[1]
    kind = type(raw)
    if kind is property:
        if attribute_type(cls, name)[0] or in_assumed_package(cls):
            return False  # it is said to have no effects, and is not gone into
        return _own(raw.fget) or False
    if kind not in C_DESCRIPTORS:
        if defining_class(kind, "__set__") is not None or defining_class(kind, "__delete__") is not None:
            return False
    return binds_quietly(raw)


def setter_of(cls: type, name: str) -> FunctionType | None:
    """The function of the property that is set where an attribute of an instance of a class is; None where
    there is none, or more than that runs."""
    if issubclass(cls, (type, ModuleType)) or defining_class(cls, "__setattr__") is not object:
        return None
    found = class_attribute(cls, name)
    return _own(found[1].fset) if found is not None and type(found[1]) is property else None


def super_getter_of(cls: Any, held: Any, name: str) -> FunctionType | None:
    """The function of the property that ``super(cls, held).name`` looks at; None where it is none."""
    order = class_mro(type(held))
    if cls not in order or issubclass(type(held), type):
        return None
    for base in order[order.index(cls) + 1 :]:
        names = type.__getattribute__(base, "__dict__")  # past a metaclass
        if name in names:
            return _own(names[name].fget) if type(names[name]) is property else None
    return None


def _own(fn: Any) -> FunctionType | None:
    """A function of the user's, in which calling it runs something."""
    from .functions import users_own  # late: it needs what this is needed for

    if type(fn) is FunctionType and users_own(fn) and not fn.__code__.co_flags & _MAKES:
        return fn
    return None
