"""Fields of classes, as their annotations say: what is known of them while an object is still to come.

``class Answer: text: str`` promises what ``answer.text`` is, and Python does not check it. So the promise is
used only of an object that a declared call has still to give, and what is used of it is checked when the
object arrives: the fields that some expression was judged by, and no others. Nobody else has changed the
object by then. Where code that nobody knows may have changed it before the look, nothing is promised
(`loose`); of an object that is there already nothing needs to be, as it can be looked at.

A value of a built-in type that nobody can change (None, a number, a text) may stand in the place of any
other: whatever is done with it has no effects, and fails, or gives another result, as it does in CPython.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Final
from weakref import WeakKeyDictionary

from .checkers import text_of
from .known_objects import (
    BUILTIN,
    MUTABLE,
    SCALARS,
    attribute_is_plain,
    class_module,
    class_mro,
    defining_class,
    instance_dict,
    is_plain_class,
    reads_plainly,
    slots_safe,
)
from .types import ELLIPSIS, Either, Json, Promise, Scalar, T, of_annotation, of_class

__all__ = [
    "broken",
    "field",
    "item",
    "keeps_promise",
    "lasting",
    "loose",
    "promised",
    "tested_plainly",
    "used_of",
]

_PROMISE: Final = T(Promise)
_KEY: Final = T(str)
_CODE: Final[Any] = object()
_NOTHING: Final[dict[str, T | None]] = {}
#: They do not change, and may hold what does.
_HOLDERS: Final = frozenset({tuple, frozenset, slice, type({}.keys()), type({}.values()), type({}.items())})
#: The annotations of classes, by name; those that cannot be worked out are left out.
_annotations: Final[WeakKeyDictionary[type, dict[str, Any]]] = WeakKeyDictionary()
#: What some expression was judged by: of each class the fields, with their types; and of a class that is
#: said of others (``Answer[Invoice]``) the fields whose types hang on these, as that.
_used: Final[dict[type, dict[str, T | None]]] = {}
_varied: Final[dict[T, dict[str, T]]] = {}
_varies: Final[set[tuple[type, str]]] = set()


def promised(cls: type, args: tuple[T | None, ...] = ()) -> T | None:
    """The type of an object of this class that is still to come; None where its annotations say nothing. The
    `args` are what it is said of: ``Invoice`` of ``Answer[Invoice]``."""
    if cls in BUILTIN or is_plain_class(cls) or not any(map(_annotated, class_mro(cls))):
        return None
    if typing.is_typeddict(cls):
        kinds = {of_annotation(hint, fields=True) for hint in _hints(cls).values()}
        return T(dict, (_KEY, kinds.pop() if len(kinds) == 1 else None, T(cls, (_PROMISE,))))
    known = args if len(args) == len(getattr(cls, "__parameters__", ())) else ()
    return T(cls, (*known, _PROMISE))


def _annotated(cls: type) -> bool:
    names = vars(cls)
    return bool(names.get("__annotations__")) or "__annotate_func__" in names


def _is_promise(kind: T) -> bool:
    return bool(kind.args) and kind.args[-1] is _PROMISE


def loose(kind: T | None) -> T | None:
    """What is known where the object may have been changed, as far as promises about fields go."""
    if kind is None or kind.firm:
        return kind
    if _is_promise(kind):
        return of_class(kind.cls)
    if kind.cls in (tuple, frozenset):
        return T(kind.cls, tuple(map(loose, kind.args)))
    return None if kind.cls is Either else T(kind.cls)


def lasting(kind: T | None) -> T | None:
    """What is known where anything may have been changed, other elements been put into containers as well."""
    if kind is None or kind.lasting:
        return kind
    if kind.cls in (list, dict, set):
        return T(kind.cls)
    if kind.cls in (tuple, frozenset):
        return T(kind.cls, tuple(map(lasting, kind.args)))
    return loose(kind)


# -- what is promised of parts -------------------------------------------------------------------------------


def field(kind: T, name: str) -> tuple[bool, T | None]:
    """Whether to look at an attribute of such an object runs no code, and the type of the attribute."""
    if kind.cls is Either:
        return _of_any(kind.args, field, name)
    if kind.cls in SCALARS:
        return not hasattr(kind.cls, name), None  # it fails
    if not _is_promise(kind):
        return False, None
    cls = kind.cls
    hint = _hints(cls).get(name, _hints)
    if hint is _hints or not reads_plainly(cls, name):
        return False, None
    if type(hint) is typing.TypeVar:
        return True, _varying(kind, name, hint)
    found = of_annotation(hint, fields=True)
    _used.setdefault(cls, {})[name] = found
    return True, found


def _varying(kind: T, name: str, hint: Any) -> T | None:
    """The type of a field that hangs on what the class is said of."""
    cls = kind.cls
    _used.setdefault(cls, {})[name] = None
    _varies.add((cls, name))
    parameters: tuple[Any, ...] = getattr(cls, "__parameters__", ())
    if len(kind.args) <= len(parameters) or hint not in parameters:
        return None
    found = kind.args[parameters.index(hint)]
    if found is not None:
        _varied.setdefault(kind, {})[name] = found
    return found


def item(kind: T, key: Any) -> tuple[bool, T | None]:
    """Whether to look at an item by this key or index, a constant, runs no code; and the type of the item."""
    if kind.cls is Either:
        return _of_any(kind.args, item, key)
    if kind.cls is type(None):
        return True, None  # it fails
    if kind.cls in (list, tuple):
        inner = kind.args[0] if kind.cls is list and kind.args else None
        return type(key) in (int, bool), inner
    if kind.cls is dict and len(kind.args) == 3:
        told = kind.args[2]
        assert told is not None
        hint = _hints(told.cls).get(key) if type(key) is str else None
        found = None if hint is None else of_annotation(hint, fields=True)
        if found is not None:
            _used.setdefault(told.cls, {})[key] = found
        return True, found
    names: Any = getattr(kind.cls, "_fields", None)
    if _is_promise(kind) and issubclass(kind.cls, tuple) and type(key) is int and type(names) is tuple:
        if slots_safe(kind.cls, "__getitem__"):
            return (True, None) if not 0 <= key < len(names) else field(kind, names[key])
    return False, None


def _of_any(parts: Iterable[T | None], ask: Any, part_of: Any) -> tuple[bool, T | None]:
    """Of a value that has one of several types."""
    kinds: set[T | None] = set()
    for part in parts:
        if part is None:
            return False, None
        free, found = ask(part, part_of)
        if not free:
            return False, None
        if part.cls not in SCALARS or part.cls is Scalar:  # else it fails
            kinds.add(found)
    return True, kinds.pop() if len(kinds) == 1 else None


def tested_plainly(kind: T) -> bool:
    """Whether to ask for the truth of such an object runs no code."""
    if kind.cls is Either:
        return all(part is not None and tested_plainly(part) for part in kind.args)
    return is_plain_class(kind.cls) or (_is_promise(kind) and slots_safe(kind.cls, "__bool__", "__len__"))


# -- annotations ---------------------------------------------------------------------------------------------


def _hints(cls: type) -> dict[str, Any]:
    found = _annotations.get(cls)
    if found is None:
        found = _annotations[cls] = _worked_out(cls)
    return found


def _worked_out(cls: type) -> dict[str, Any]:
    models: Any = getattr(cls, "model_fields", None) if _is_model(cls) else None
    if models is not None:
        return {name: one.annotation for name, one in models.items()}
    try:
        found = typing.get_type_hints(cls, include_extras=True)
    except Exception:  # what one of them names is not there: the others are worked out by themselves
        found = {}
        for base in reversed(class_mro(cls)):
            space = vars(sys.modules.get(class_module(base), typing))
            for name, hint in vars(base).get("__annotations__", {}).items():
                try:
                    found[name] = eval(hint, dict(space), dict(vars(base))) if type(hint) is str else hint
                except Exception:  # it promises nothing
                    found.pop(name, None)
    return {
        name: hint
        for name, hint in ((n, _bare(h)) for n, h in found.items())
        if typing.get_origin(hint) is not typing.ClassVar
        and hint is not typing.ClassVar
        and not isinstance(hint, dataclasses.InitVar)
    }


def _bare(hint: Any) -> Any:
    """An annotation without what says how the field is kept."""
    while typing.get_origin(hint) in (typing.Annotated, typing.Final, typing.Required, typing.NotRequired):
        hint = typing.get_args(hint)[0]
    return Any if hint is typing.Final else hint


def _is_model(cls: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


# -- checking ------------------------------------------------------------------------------------------------


def broken(value: Any, kind: T | None, where: str = "", seen: set[tuple[int, T]] | None = None) -> str:
    """What in a value is not as was promised, and used, in words; empty if nothing. What was `seen` is not
    looked at again."""
    stack: list[tuple[Any, T | None, str]] = [(value, kind, where)]
    seen = set() if seen is None else seen
    while stack:
        value, kind, where = stack.pop()
        if kind is None or type(value) in SCALARS or (id(value), kind) in seen:
            continue
        seen.add((id(value), kind))
        if kind.cls is Either:
            parts = [part for part in kind.args if _fits(value, part)]
            if len(parts) == 1:
                stack.append((value, parts[0], where))
            elif not any(not broken(value, part, where, seen) for part in parts):
                return _told(where, kind, value)
        elif not _fits(value, kind):
            return _told(where, kind, value)
        elif _is_promise(kind):
            varied = _varied.get(kind, _NOTHING)
            for name, found in list(_used.get(kind.cls, {}).items()):
                inner = _at(value, name)
                if inner is _CODE:
                    return f"to look at {where}.{name} runs code of {type(value).__qualname__}"
                stack.append((inner, varied.get(name, found), f"{where}.{name}"))
        else:
            stack += _inside(value, kind, where)
    return ""


def keeps_promise(cls: type, name: str, value: Any, kind: T | None) -> bool:
    """Whether an attribute of objects of this class is still what was promised, and used, once it is set to
    this value; or, where that is None, to one of this type."""
    if _used:
        for base in class_mro(cls):
            if (base, name) in _varies:
                return False  # which promise it was is not known any more
            found = _used.get(base, _NOTHING).get(name)
            if found is not None:
                if value is not None:
                    return not broken(value, found)
                return kind is found or (kind is not None and (kind.cls in SCALARS or kind.cls is Scalar))
    return True


def _fits(value: Any, kind: T | None) -> bool:
    """Whether a value itself is as was promised, whatever is in it."""
    cls = type(value)
    if kind is None:
        return True
    if _is_promise(kind):
        return isinstance(value, kind.cls)
    if kind.cls is Json:
        return cls in (dict, list, tuple)
    if kind.cls in SCALARS or kind.cls is Scalar:
        return (is_plain_class(cls) and cls not in MUTABLE and cls not in _HOLDERS) or _is_number(cls)
    return cls is kind.cls


def _is_number(cls: type) -> bool:
    """Whether it is one of NumPy's numbers."""
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and issubclass(cls, (numpy.number, numpy.bool_))


def _inside(value: Any, kind: T, where: str) -> Iterator[tuple[Any, T | None, str]]:
    """The elements of a container, with what was promised of each."""
    args = kind.args
    if type(value) is dict:
        if len(args) == 3 and args[2] is not None:
            for name, found in list(_used.get(args[2].cls, {}).items()):
                yield value.get(name), found, f"{where}[{name!r}]"
        of_key, of_item = (kind, kind) if kind.cls is Json else (args[0], args[1]) if args else (None, None)
        for key, inner in value.items() if of_key is not None or of_item is not None else ():
            yield key, of_key, f"a key of {where}"
            yield inner, of_item, f"{where}[{key!r}]"
    elif kind.cls is tuple and ELLIPSIS not in args:
        for at, (inner, found) in enumerate(zip(value, args, strict=False)):
            yield inner, found, f"{where}[{at}]"
    elif kind.cls is Json or (args and kind.cls in (list, set, frozenset, tuple)):
        of_item = kind if kind.cls is Json else args[0]
        for at, inner in enumerate(value):
            yield inner, of_item, f"{where}[{at}]"


def _at(value: Any, name: str) -> Any:
    """What an attribute of an object is; None if there is none, `_CODE` if to look at it runs code."""
    if attribute_is_plain(value, name):
        return getattr(value, name, None)
    cls = type(value)
    fails = slots_safe(cls, "__getattribute__") and defining_class(cls, "__getattr__") is None
    return None if fails and defining_class(cls, name) is None else _CODE


def _told(where: str, kind: T, value: Any) -> str:
    return f"{where or 'the value'} is annotated {_name(kind)}, and is {text_of(type(value))}: {value!r:.80}"


def _name(kind: T) -> str:
    if kind.cls in (Either, Scalar):
        return " | ".join("Any" if part is None else _name(part) for part in kind.args)
    return text_of(kind.cls)


# -- what the objects lead to --------------------------------------------------------------------------------


def used_of(value: Any) -> tuple[Any, list[Any]] | None:
    """What an object keeps its attributes in, and the values of those that expressions are judged by; None
    where nothing is promised of its class."""
    names = [name for base in class_mro(type(value)) for name in _used.get(base, ())]
    if not names:
        return None
    held = instance_dict(value)
    parts = [_at(value, name) for name in names]
    return value if held is None else held, parts
