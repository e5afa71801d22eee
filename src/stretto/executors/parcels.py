"""Values on their way to another process: pickled, with what is large beside it.

Functions and classes go by name where the other process can import them, and by value where it cannot: in
``__main__``, in a notebook, and nested ones. Large buffers (those of arrays) stay outside of the pickle, so
that they need not be copied into it (pickle protocol 5).
"""

from __future__ import annotations

import functools
import importlib
import io
import os
import pickle
import sys
from collections.abc import Sequence
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, cast

from .extras import extra

__all__ = ["Parcel", "lost", "pack", "unpack"]


class Parcel(NamedTuple):
    """A value as bytes-like objects: its pickle, and the buffers that are not in it."""

    body: Any
    buffers: Sequence[Any]


def pack(value: Any) -> Parcel:
    """Raises whatever the value's own code does, where it cannot be pickled."""
    buffers: list[memoryview] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        try:
            buffers.append(buffer.raw())
        except BufferError:  # it does not lie in one piece
            return True
        return False

    file = io.BytesIO()
    _pickler()(file, protocol=5, buffer_callback=beside).dump(value)
    return Parcel(file.getvalue(), buffers)


def unpack(parcel: Parcel) -> Any:
    return pickle.loads(parcel.body, buffers=parcel.buffers)


def lost(error: BaseException) -> str:
    """Why something could not be pickled, or built again, in a few words."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


@functools.cache
def _pickler() -> Any:
    base: Any = _inside().Pickler

    class Pickler(base):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            kind = cast("type[Any]", type(obj))
            if kind is FunctionType or issubclass(kind, type) or kind in _declared():
                named = _named(obj)
                if named is not None:
                    return NotImplemented if named[2] == 0 and kind not in _declared() else (_by_name, named)
                if issubclass(kind, type) and (ident := _foreign.get(obj)) is not None:
                    return _by_ident, (ident,)
            return base.reducer_override(self, obj)

    return Pickler


def _inside() -> Any:
    return extra("cloudpickle.cloudpickle", "process", "processes")


#: Classes that the other process has sent, by value: it knows them by these, and takes no copies back.
_foreign: dict[type, str] = {}


def received() -> None:
    """Remember which classes have come from the other process."""
    known = cast("dict[str, type]", _inside()._DYNAMIC_CLASS_TRACKER_BY_ID)
    _foreign.update({cls: ident for ident, cls in list(known.items())})


def _by_ident(ident: str) -> Any:
    return _inside()._DYNAMIC_CLASS_TRACKER_BY_ID[ident]


@functools.cache
def _declared() -> tuple[type[Any], ...]:
    """What stands at the top of a module in the place of a function."""
    from ..calls import Call
    from ..flows import Flow

    return Call, Flow


def _named(obj: Any) -> tuple[str, str, int] | None:
    """By which name the other process finds this, and how deeply wrapped it is there: ``@call`` leaves a
    `Call` in the place of the function. None if it finds it by no name."""
    module, name = getattr(obj, "__module__", None), getattr(obj, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return None
    there = sys.modules.get(module)
    if module == "__main__" or there is None:
        return None
    found: Any = there
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            return None
    depth = 0
    while found is not obj:
        found = getattr(found, "__wrapped__", None)
        depth += 1
        if found is None or depth > _DEEPEST:
            return None
    if not _importable(there):
        _inside().register_pickle_by_value(there)  # whatever else it has is sent in the same way
        return None
    return module, name, depth


_DEEPEST = 20


def _by_name(module: str, name: str, depth: int) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    for _ in range(depth):
        found = found.__wrapped__
    return found


_found: dict[str, tuple[ModuleType, bool]] = {}


def _importable(module: ModuleType) -> bool:
    """Whether ``import`` finds this very module, in a process that has not imported it yet."""
    name = module.__name__
    known = _found.get(name)
    if known is None or known[0] is not module:
        known = _found[name] = (module, _finds(module))
    return known[1]


def _finds(module: ModuleType) -> bool:
    name = module.__name__
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    parent = name.rpartition(".")[0]
    if parent:
        above = sys.modules.get(parent)
        if above is None or not _importable(above):
            return False
        path: Any = getattr(above, "__path__", None)
    else:
        path = None
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # a finder of somebody else's that fails finds nothing, and the next one is asked
            continue
        if spec is not None:
            return _same(spec.origin, getattr(module, "__file__", None))
    return False


def _same(origin: str | None, file: str | None) -> bool:
    if origin is None or file is None:
        return origin is file
    try:
        return os.path.samefile(origin, file)
    except OSError:
        return origin == file
