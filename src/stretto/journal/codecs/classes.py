"""Which classes can be recorded, under which names, and how the names are found again.

A class is recorded by its module and its name in there. It is looked up without running anything: only in
modules that the program has loaded, or that the reader of a journal has named, and only in their
dictionaries, so that no `__getattr__` of a lazy module gets a say."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from ...errors import CorruptValue, NotDecodable, RecordedError
from ...main_module import main_name
from . import registry, wire

__all__ = ["Shape", "find", "names", "shape_of", "shape_of_class"]

#: `Py_TPFLAGS_HEAPTYPE`: the class was made by a class statement, not in C.
_HEAP = 1 << 9


class Shape:
    """What is written once for a class, and what its objects are made of."""

    __slots__ = ("cls", "definition", "direct", "fields", "fieldset", "kind", "module", "qualname")

    def __init__(
        self, kind: int, cls: type[Any], module: str, qualname: str, fields: tuple[str, ...]
    ) -> None:
        #: One of `wire.KINDS`.
        self.kind = kind
        self.cls = cls
        self.module = module
        self.qualname = qualname
        self.fields = fields
        self.fieldset = frozenset(fields)
        #: Whether all fields are simply entries of the object's `__dict__`.
        self.direct = kind == wire.DATACLASS and _in_dict(cls, fields)
        self.definition = b"".join(
            (
                bytes((kind,)),
                wire.text(module),
                wire.text(qualname),
                wire.count(len(fields)),
                *map(wire.text, fields),
            )
        )


def names(cls: Any) -> tuple[str, str]:
    """The module and the qualified name of a class or function, as they are recorded."""
    module = getattr(cls, "__module__", None)
    qualname = getattr(cls, "__qualname__", None) or type(cls).__qualname__
    if module == "__main__":
        module = main_name()
    return module if isinstance(module, str) else "?", qualname if isinstance(qualname, str) else "?"


def look_up(module: str, qualname: str) -> Any:
    """What has that name in a module that is loaded, else None. Runs no code."""
    found = _within(sys.modules.get(module), qualname)
    if found is None and module == main_name():
        found = _within(sys.modules.get("__main__"), qualname)
    return found


def _within(thing: Any, qualname: str) -> Any:
    for part in qualname.split("."):
        if isinstance(thing, ModuleType):
            thing = object.__getattribute__(thing, "__dict__").get(part)
        elif isinstance(thing, type):
            thing = type.__getattribute__(thing, "__dict__").get(part)
        else:
            return None
    return thing


def find(module: str, qualname: str, allowed: Collection[str] = ()) -> type:
    """The class of that name.

    Args:
        module: its module.
        qualname: its name in there; dots for classes within classes.
        allowed: modules that may be imported to find it.

    Raises:
        NotDecodable: it is not there; the message says what to import.
    """
    if module in allowed and module not in sys.modules:
        try:
            import_module(module)
        except ImportError as error:
            raise NotDecodable(f"the class {module}.{qualname} was recorded, and {error}") from None
    found = look_up(module, qualname)
    if isinstance(found, type):
        return cast("type[Any]", found)
    if module in sys.modules or module == main_name():
        raise NotDecodable(
            f"a value of the class {module}.{qualname} was recorded, and its module has no such class "
            "(any more): put it back under that name"
        )
    raise NotDecodable(
        f"a value of the class {module}.{qualname} was recorded, and its module is not loaded: "
        f"import {module} first, or name it in `modules=`"
    )


#: The shapes of objects, by class, and of classes that are themselves recorded.
shapes: dict[type[Any], Shape] = registry.shapes
class_shapes: dict[type[Any], Shape] = {}
_definitions: dict[bytes, Shape] = {}


def shape_of(cls: type[Any]) -> Shape | str:
    """How objects of a class are recorded, or why they cannot be."""
    shape = shapes.get(cls)
    if shape is not None:
        return shape
    found = _shape(cls)
    if not isinstance(found, str):  # a class that cannot be found by name may be short-lived: do not keep it
        shapes[cls] = _definitions[found.definition] = found
    return found


def known_definition(definition: bytes) -> Shape | None:
    """The shape that has this definition, if it was met before and the class is still there."""
    shape = _definitions.get(definition)
    if shape is not None and look_up(shape.module, shape.qualname) is shape.cls:
        return shape
    return None


def shape_of_class(cls: type[Any]) -> Shape | str:
    """How a class itself is recorded, or why it cannot be."""
    shape = class_shapes.get(cls)
    if shape is None:
        module, qualname = names(cls)
        if look_up(module, qualname) is not cls:
            return _unnamed(cls, module, qualname)
        shape = class_shapes[cls] = Shape(wire.CLASS, cls, module, qualname, ())
    return shape


def _shape(cls: type[Any]) -> Shape | str:
    custom = registry.by_class.get(cls)
    if custom is not None:
        return Shape(wire.REGISTERED, cls, custom.name, str(custom.version), ())
    module, qualname = names(cls)
    kind, fields = kind_of(cls)
    if not kind:
        return ""
    # An exception is recorded even so, since a failure must never be lost: it comes back as `RecordedError`.
    if kind != wire.EXCEPTION and look_up(module, qualname) is not cls:
        return _unnamed(cls, module, qualname)
    return Shape(kind, cls, module, qualname, fields)


def _unnamed(cls: type[Any], module: str, qualname: str) -> str:
    if "<locals>" in qualname:
        return f"the class {cls.__name__} is local to a function, where it could not be found again"
    return f"the name {module}.{qualname} does not lead to the class, so that it could not be found again"


def kind_of(cls: type[Any]) -> tuple[int, tuple[str, ...]]:
    """The kind of a class (one of `wire.KINDS`) and the names of its fields; 0 where it has none."""
    if issubclass(cls, enum.Enum):
        return (wire.FLAG if issubclass(cls, enum.Flag) else wire.ENUM), ()
    if issubclass(cls, BaseException):
        return wire.EXCEPTION, ()
    named: Any = cls
    if issubclass(cls, tuple):
        if isinstance(getattr(named, "_fields", None), tuple) and callable(getattr(named, "_make", None)):
            return wire.NAMEDTUPLE, tuple(map(str, named._fields))
        return 0, ()
    if any(base is not object and not base.__flags__ & _HEAP for base in cls.__mro__):
        return 0, ()  # a dataclass that is also a dict: more to it than its fields
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(cls, pydantic.BaseModel):
        return wire.PYDANTIC, tuple(named.model_fields)
    if dataclasses.is_dataclass(cls):
        return wire.DATACLASS, tuple(field.name for field in dataclasses.fields(cls))
    attributes = cls.__dict__.get("__attrs_attrs__")
    if attributes is not None:
        return wire.DATACLASS, tuple(attribute.name for attribute in attributes)
    return 0, ()


def _in_dict(cls: type[Any], fields: tuple[str, ...]) -> bool:
    """Whether no field is a slot, a property or another descriptor that wants to be told."""
    for base in cls.__mro__:
        space = base.__dict__
        if any(name in space and hasattr(wire.class_of(space[name]), "__set__") for name in fields):
            return False
    return any("__dict__" in base.__dict__ for base in cls.__mro__)


def shape_for(kind: int, module: str, qualname: str, fields: Sequence[str] = ()) -> Shape:
    """A shape for something that has no class here: a registered codec, or an exception that is gone."""
    return Shape(kind, RecordedError if kind == wire.EXCEPTION else object, module, qualname, tuple(fields))


def resolve(kind: int, module: str, qualname: str, allowed: Collection[str]) -> Shape:
    """The class of a recorded object, if it is (still) of the kind that was recorded.

    An exception whose class is not to be had gives the shape of `RecordedError`.

    Raises:
        NotDecodable: it is not there, or of another kind.
    """
    if kind == wire.REGISTERED:
        if not (qualname.isascii() and qualname.isdecimal()) or len(qualname) > 9:
            raise CorruptValue("the version of a codec is a number")
        return shape_for(kind, module, qualname)
    try:
        cls = find(module, qualname, allowed)
    except NotDecodable:
        if kind != wire.EXCEPTION:
            raise
        return shape_for(kind, module, qualname)
    if kind == wire.CLASS:
        return Shape(kind, cls, module, qualname, ())
    known = shape_of(cls)
    if isinstance(known, Shape) and known.kind == kind:
        return known
    now, fields = kind_of(cls)
    if now == kind:
        return Shape(kind, cls, module, qualname, fields)
    if kind == wire.EXCEPTION:
        return shape_for(kind, module, qualname)
    raise NotDecodable(f"a {module}.{qualname} was recorded, which has become another kind of class since")
