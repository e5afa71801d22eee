"""Which operations on an object run no code of the user's, judged from its class.

Nothing about a user's class is cached: a class can be patched at any time (tests do), and a stale
answer would be a wrong one. Only classes of the interpreter and the standard library are.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import builtins
import collections
import functools
import re
import sys
import types
from abc import ABCMeta
from collections.abc import Sequence
from typing import Any, Final, Generic

from stretto.compiler import known
from stretto.compiler.known_methods import MUTATORS, PLAIN_CLASSES

__all__ = [
    "BUILTIN",
    "CONSTANT",
    "C_DESCRIPTORS",
    "ITERATORS",
    "MUTABLE",
    "PLAIN",
    "PLAIN_METACLASSES",
    "SCALARS",
    "asks_quietly",
    "attribute_is_plain",
    "binds_quietly",
    "class_attribute",
    "class_module",
    "class_mro",
    "class_name",
    "construction_is_pure",
    "defining_class",
    "instance_dict",
    "is_fixed",
    "is_inert",
    "is_ours",
    "is_plain_class",
    "keep_fixed",
    "let_change",
    "reads_plainly",
    "refresh_classes",
    "slots_of",
    "slots_safe",
    "super_is_plain",
]

#: Immutable, and holding nothing else.
SCALARS: Final[frozenset[type]] = frozenset(
    {int, float, complex, bool, str, bytes, type(None), type(...), type(NotImplemented)}
)
#: Of these types nothing can change, and nothing inside.
CONSTANT: Final[frozenset[type]] = SCALARS | {range, re.Pattern}
_ORDERED: Final = collections.OrderedDict[Any, Any]()
_VIEWS: Final[set[type]] = {
    *(type({}.keys()), type({}.values()), type({}.items())),
    *(type(_ORDERED.keys()), type(_ORDERED.values()), type(_ORDERED.items())),
}
#: Exactly these classes run no unknown code in any operator. Grows as modules are loaded.
PLAIN: Final[set[type]] = {*SCALARS, tuple, frozenset, range, slice, list, dict, set, bytearray, *_VIEWS}
#: Those of them that are written in C and know nothing but each other.
BUILTIN: Final = frozenset(PLAIN)
#: Those of them that can be changed.
MUTABLE: Final[set[type]] = {list, dict, set, bytearray}
#: Builtin iterators: looking at them is free, advancing them changes them.
ITERATORS: Final[set[type]] = {
    type(iter([])), type(iter(())), type(iter("")), type(iter("é")), type(iter(b"")),
    type(iter(bytearray())), type(iter({})), type(iter({}.values())), type(iter({}.items())),
    type(iter(set())), type(iter(range(0))), type(iter(range(1 << 1000))), type(reversed([])),
    type(iter(collections.OrderedDict())), type(reversed({})), type(reversed({}.values())),
    type(reversed({}.items())),
    type(iter(lambda: 0, 0)), enumerate, zip, map, filter, reversed, types.GeneratorType,
}  # fmt: skip

_UNIVERSE: Final[set[type]] = {thing for thing in vars(builtins).values() if isinstance(thing, type)} | {
    thing for thing in vars(types).values() if isinstance(thing, type)
}
# These hand operations on to what they wrap.
_UNIVERSE.difference_update({super, types.MappingProxyType, types.GenericAlias, types.DynamicClassAttribute})
_UNIVERSE.update(PLAIN, ITERATORS, {type(len), ABCMeta})
for _name in ("abc.ABC", "typing.Generic", "typing.Protocol", "typing.NamedTuple"):
    _found = known.find(_name)
    if isinstance(_found, type):
        _UNIVERSE.add(_found)

#: Calling their classes makes an object and initialises it, and does nothing else.
PLAIN_METACLASSES: Final = (type, ABCMeta)

_ENUMS = ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "ReprEnum", "EnumType")
_seen_modules = -1


def refresh_classes() -> bool:
    """Take in the classes of modules that have been loaded since; True if there were any."""
    global _seen_modules
    if len(sys.modules) == _seen_modules:
        return False
    _seen_modules = len(sys.modules)
    before = len(_UNIVERSE)
    for path in PLAIN_CLASSES:
        cls = known.find(path)
        if isinstance(cls, type):
            PLAIN.add(cls)
            _UNIVERSE.update(base for base in cls.__mro__)
            if path in MUTATORS:
                MUTABLE.add(cls)
    for name in _ENUMS:
        cls = known.find(f"enum.{name}")
        if isinstance(cls, type):
            _UNIVERSE.add(cls)
    itertools = sys.modules.get("itertools")
    if itertools is not None:
        for thing in vars(itertools).values():
            if isinstance(thing, type) and thing.__module__ == "itertools":
                ITERATORS.add(thing)
                _UNIVERSE.add(thing)
    for path in ("types.SimpleNamespace", "functools.partial", "contextlib.suppress"):
        cls = known.find(path)
        if isinstance(cls, type):
            _UNIVERSE.add(cls)
    return len(_UNIVERSE) != before


# A metaclass may answer for these, so it is not asked.
class_mro: Final = type.__dict__["__mro__"].__get__
class_name: Final = type.__dict__["__qualname__"].__get__
class_module: Final = type.__dict__["__module__"].__get__
_names: Final = type.__dict__["__dict__"].__get__


def is_plain_class(cls: type) -> bool:
    """Whether instances of exactly `cls` run no unknown code in any operator."""
    return cls in PLAIN or (refresh_classes() and cls in PLAIN)


def asks_quietly(cls: Any) -> bool:
    """Whether ``isinstance(x, cls)`` runs no code, but for what the object says that its class is."""
    if type(cls) not in PLAIN_METACLASSES:
        return False
    return all(
        "__subclasshook__" not in _names(base) or base in _UNIVERSE
        for known_base in (cls, *_subclasses(cls))
        for base in class_mro(known_base)
    )


def _subclasses(cls: type) -> list[type]:
    """The classes that an abstract class asks as well."""
    found: list[type] = []
    if type(cls) is ABCMeta:
        below: Sequence[type] = cls.__subclasses__()
        for inner in below:
            found += [inner, *_subclasses(inner)]
    return found


def defining_class(cls: type, name: str) -> type | None:
    """The class in the order of inheritance that defines `name`, or None."""
    for base in class_mro(cls):
        if name in _names(base):
            return base  # type: ignore[no-any-return]
    return None


def class_attribute(cls: type, name: str) -> tuple[type, Any] | None:
    """Where `name` is found on the class, and what is stored there, without binding it."""
    for base in class_mro(cls):
        if name in _names(base):
            return base, _names(base)[name]
    return None


def slots_safe(cls: type, *names: str) -> bool:
    """Whether these special methods of `cls` are absent, the interpreter's own or generated ones."""
    for name in names:
        found = class_attribute(cls, name)
        if found is None or found[1] is None or found[0] in _UNIVERSE:
            continue
        if refresh_classes() and found[0] in _UNIVERSE:
            continue
        if not _generated(found[0], name, found[1]):
            return False
    return True


def _generated(cls: type, name: str, thing: Any) -> bool:
    """Whether `dataclasses` or `collections.namedtuple` wrote this method."""
    function: Any = getattr(thing, "__func__", thing) if type(thing) is staticmethod else thing
    if name == "__hash__" and "__dataclass_fields__" in _names(cls) and thing is None:
        return True
    if type(function) is not types.FunctionType:
        return False
    if "__dataclass_fields__" in _names(cls):
        if name == "__repr__":  # behind a guard against recursion
            function = getattr(function, "__wrapped__", function)
        code = function.__code__
        qualname = getattr(code, "co_qualname", "")
        if code.co_filename == "<string>" and qualname.startswith("__create_fn__."):
            return True
        return bool(code.co_filename == _dataclasses_file())
    if "_fields" in _names(cls) and issubclass(cls, tuple):
        if function.__code__.co_filename == collections.__file__:
            return True
        spaces = function.__globals__
        return str(spaces.get("__name__", "")).startswith("namedtuple_") and "_tuple_new" in spaces
    return False


def _dataclasses_file() -> str | None:
    module = sys.modules.get("dataclasses")
    return getattr(module, "__file__", None)


# Names in a class body that are not called by operators or by the standard library on instances.
_HARMLESS: Final = frozenset(
    "__module__ __doc__ __dict__ __weakref__ __slots__ __annotations__ __init__ __new__ "
    "__match_args__ __init_subclass__ __class_getitem__ __orig_bases__ __parameters__ "
    "__abstractmethods__ __static_attributes__ __firstlineno__ __qualname__ __post_init__ "
    "__getnewargs__ __annotate__ __annotate_func__ __annotations_cache__ __classcell__ "
    "__non_callable_proto_members__ __protocol_attrs__ __type_params__ __orig_class__ __final__ "
    "__enter__ __exit__ __aenter__ __aexit__ __call__ __set_name__".split()
)


def is_inert(cls: type) -> bool:
    """Whether no operator, and no function of the tables, can run code of the user's on `cls`.

    So it is for exceptions, dataclasses, named tuples, enumerations and classes that define only
    methods of their own. Reading attributes and calling methods is another matter.
    """
    if cls in PLAIN:
        return True
    refresh_classes()
    meta = type(cls)
    if meta not in _UNIVERSE:
        return False
    for base in class_mro(cls):
        if base in _UNIVERSE:
            continue
        for name, thing in _names(base).items():
            if not (name.startswith("__") and name.endswith("__")) or name in _HARMLESS:
                continue
            if thing is None or name.startswith("__dataclass_"):
                continue
            if name in ("__reduce_ex__", "__hash__", "__replace__") and _from_enum(cls, thing):
                continue
            if not _generated(base, name, thing):
                return False
    return True


def _from_enum(cls: type, thing: Any) -> bool:
    """Whether this is a method of `enum.Enum` that the metaclass copied into the class."""
    enum = sys.modules.get("enum")
    return (
        enum is not None
        and issubclass(type(cls), enum.EnumMeta)
        and getattr(getattr(thing, "__code__", None), "co_filename", None) == enum.__file__
    )


# ------------------------------------------------------------------ attributes

_TUPLE_FIELD: Final = type(collections.namedtuple("_", "x").x)  # type: ignore[attr-defined]
C_DESCRIPTORS: Final = (types.MemberDescriptorType, types.GetSetDescriptorType, _TUPLE_FIELD)
_BINDING: Final = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    staticmethod,
)


def binds_quietly(raw: Any) -> bool:
    """Whether reading this class attribute through an instance runs no code."""
    kind = type(raw)
    if kind in C_DESCRIPTORS or kind in _BINDING:
        return True
    if kind is classmethod:
        # Until 3.12 a class method passes the binding on to what it wraps.
        inner = raw.__func__
        return type(inner) is types.FunctionType or defining_class(type(inner), "__get__") in _ours()
    binding = defining_class(kind, "__get__")
    return binding is None or binding in _ours()


def is_ours(thing: object) -> bool:
    """Whether it is a call or a flow."""
    return isinstance(thing, _ours())


@functools.cache
def _ours() -> tuple[type, ...]:
    """Calls and flows, which are given their instance like functions."""
    from ..calls import Call  # late: calls know of types
    from ..flows import AsyncFlow, Flow

    return Call, Flow, AsyncFlow


#: Packages whose objects a program does not change, as was declared; where it does, all waits for that.
_fixed: Final[set[str]] = set()


def keep_fixed(cls: type) -> None:
    """Of objects of the package of this class it was declared that a program does not change them."""
    _fixed.add(class_module(cls).partition(".")[0])


def let_change() -> None:
    """Forget what was declared of packages."""
    _fixed.clear()


def is_fixed(cls: type) -> bool:
    """Whether objects of this class are of a package of which that was declared."""
    return bool(_fixed) and any(class_module(base).partition(".")[0] in _fixed for base in class_mro(cls))


def instance_dict(obj: object) -> dict[str, Any] | None:
    """The attribute dict of an instance, or None where there is none or it cannot be read freely."""
    found = class_attribute(type(obj), "__dict__")
    if found is None or type(found[1]) is not types.GetSetDescriptorType:
        return None
    names = found[1].__get__(obj)
    return names if type(names) is dict else None


def slots_of(obj: object) -> dict[str, Any]:
    """What an instance keeps in the slots of classes that are written in Python."""
    found: dict[str, Any] = {}
    for base in class_mro(type(obj)):
        for name, raw in _names(base).items() if "__slots__" in _names(base) else ():
            if type(raw) is types.MemberDescriptorType:
                try:
                    found[name] = raw.__get__(obj)
                except AttributeError:
                    found[name] = None  # nothing is in it yet
    return found


def attribute_is_plain(obj: Any, name: str) -> bool:
    """Whether reading `obj.name` finds something and runs no code of the user's.

    True for what is in the instance's `__dict__` or slots, for class attributes that are not
    descriptors, and for methods (reading one only binds it). A property is not plain.
    """
    cls = type(obj)
    if cls in PLAIN:
        return hasattr(obj, name)
    if cls is types.ModuleType:
        return name in obj.__dict__
    if issubclass(type(obj), type):
        return _class_attribute_is_plain(obj, name)
    if is_plain_class(cls):
        return hasattr(obj, name)
    if cls in _UNIVERSE and class_module(cls) in ("builtins", "itertools", "types", "functools"):
        return hasattr(obj, name)
    if not slots_safe(cls, "__getattribute__"):
        return False
    found = class_attribute(cls, name)
    if found is None:
        names = instance_dict(obj)
        return names is not None and name in names
    base, raw = found
    if type(raw) in C_DESCRIPTORS and defining_class(cls, "__getattr__") is not None:
        return False  # which is asked where a slot is empty
    if base in _UNIVERSE:
        if name in ("name", "value") and type(raw) is not property:
            return True  # of an enumeration's member
        return type(raw) in C_DESCRIPTORS or binds_quietly(raw)
    kind = type(raw)
    if kind in C_DESCRIPTORS:
        return True
    if defining_class(kind, "__set__") is not None or defining_class(kind, "__delete__") is not None:
        return False
    if binds_quietly(raw):
        return True
    names = instance_dict(obj)
    return names is not None and name in names


def reads_plainly(cls: type, name: str) -> bool:
    """Whether reading `name` of an instance of a class runs no code, if it is found in the instance."""
    if not slots_safe(cls, "__getattribute__"):
        return False
    found = class_attribute(cls, name)
    if found is None:
        return True
    kind = type(found[1])
    if kind in C_DESCRIPTORS:
        return defining_class(cls, "__getattr__") is None
    return defining_class(kind, "__set__") is None and defining_class(kind, "__delete__") is None


def super_is_plain(cls: Any, obj: Any, name: str) -> bool:
    """Whether reading `super(cls, obj).name` finds something and runs no code of the user's.

    The object itself is not looked at, only the classes behind `cls` in the order of inheritance of its own.
    """
    kind = type(obj)
    if issubclass(kind, type) or name == "__class__":
        return False
    order = class_mro(kind)
    if cls not in order:
        return False
    for base in order[order.index(cls) + 1 :]:
        if name in _names(base):
            return binds_quietly(_names(base)[name])
    return False


def _class_attribute_is_plain(cls: type, name: str) -> bool:
    meta = type(cls)
    if meta not in _UNIVERSE and not (refresh_classes() and meta in _UNIVERSE):
        return False
    on_meta = class_attribute(meta, name)
    if on_meta is not None and type(on_meta[1]) in C_DESCRIPTORS:
        return True
    found = class_attribute(cls, name)
    if found is None:
        members = _names(cls).get("_member_map_")
        if type(members) is dict and name in members:
            return True
        return on_meta is not None and type(on_meta[1]) in _BINDING
    raw = found[1]
    if type(raw) is property or binds_quietly(raw):
        return True
    if isinstance(_names(cls).get("_member_map_"), dict) and name in _names(cls)["_member_map_"]:
        return True
    return False


# ------------------------------------------------------------------ making instances


def construction_is_pure(cls: type) -> bool:
    """Whether calling this class is known to have no effect and to run no unknown code.

    Exceptions and plain classes without `__init__` and `__new__` of their own, dataclasses whose
    `__init__` is generated and which have no `__post_init__`, named tuples, enumerations.
    """
    refresh_classes()
    meta = type(cls)
    if meta is not type and meta is not ABCMeta:
        return _enum_lookup_is_pure(cls)
    if not slots_safe(cls, "__del__"):
        return False
    new = class_attribute(cls, "__new__")
    init = class_attribute(cls, "__init__")
    if new is None or init is None:
        return False
    own_new = new[0] not in (object, Generic)
    if issubclass(cls, BaseException):
        return new[0] in _UNIVERSE and init[0] in _UNIVERSE
    if own_new:
        return (
            issubclass(cls, tuple)
            and init[0] is object
            and cls not in _UNIVERSE
            and _generated(new[0], "__new__", new[1])
        )
    if init[0] is object:
        return cls not in _UNIVERSE
    return _dataclass_init_is_pure(cls, init)


def _dataclass_init_is_pure(cls: type, init: tuple[type, Any]) -> bool:
    owner = init[0]
    if "__dataclass_fields__" not in _names(owner) or not _generated(owner, "__init__", init[1]):
        return False
    if init[1].__code__.co_filename != "<string>" or defining_class(cls, "__post_init__"):
        return False
    if not slots_safe(cls, "__setattr__"):
        return False
    missing = sys.modules["dataclasses"].MISSING
    for name, field in _names(owner)["__dataclass_fields__"].items():
        factory = field.default_factory
        if factory is not missing and not known.is_pure(factory):
            return False
        found = class_attribute(cls, name)
        if found is not None and type(found[1]) not in C_DESCRIPTORS:
            if defining_class(type(found[1]), "__set__") is not None:
                return False
    return True


def _enum_lookup_is_pure(cls: type) -> bool:
    enum = sys.modules.get("enum")
    if enum is None or type(cls) is not enum.EnumMeta:
        return False
    found = class_attribute(cls, "_missing_")
    return bool(_names(cls).get("_member_map_")) and found is not None and found[0] in _UNIVERSE
