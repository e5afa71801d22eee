"""Whether a program was edited: a digest of a flow and of what is called from it, as far as names lead there.

It only decides where calls are looked for (see `History`). So it need not be complete, and where nothing was
edited it must be the same in every process. The bodies of calls do not come into it: what they gave is
recorded.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

from ..compiler.functions import users_own
from ..flows import Flow

__all__ = ["source_of"]

#: So many functions are looked at, at most.
_MOST = 2000


def source_of(flow: Flow[..., Any]) -> str:
    """The digest of a flow, and of its helpers."""
    parts = [_digest_of(flow.node)]
    parts += sorted({_digest_of_code(fn.__code__) for fn in _helpers(flow.fn)})
    return _digest("\n".join(parts))


@functools.lru_cache(maxsize=256)
def _digest_of(source: ast.AST) -> str:
    return _digest(ast.dump(source))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


@functools.lru_cache(maxsize=4096)
def _digest_of_code(code: CodeType) -> str:
    return _digest(f"{code.co_qualname} {_told(code)}")


def _told(value: Any) -> str:
    """What tells a piece of code from others, without where it stands in its file; or a constant in one."""
    if isinstance(value, CodeType):
        names = value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars
        return f"{value.co_name} {value.co_code.hex()} {names} {[_told(const) for const in value.co_consts]}"
    if isinstance(value, frozenset):  # whose order is another one in each process
        return f"frozenset {sorted(_told(part) for part in cast('Iterable[Any]', value))}"
    if isinstance(value, tuple):
        return f"tuple {[_told(part) for part in cast('Iterable[Any]', value)]}"
    return f"{type(value).__name__} {value!r}"


def _helpers(fn: FunctionType) -> list[FunctionType]:
    """The user's own functions that a function leads to by names, itself left out."""
    found: dict[FunctionType, None] = {fn: None}
    todo = [fn]
    while todo and len(found) < _MOST:
        at = todo.pop()
        for name in _names(at.__code__):
            for helper in _functions(_meant(at, name), _names(at.__code__)):
                if helper not in found:
                    found[helper] = None
                    todo.append(helper)
    return list(found)[1:]


def _names(code: CodeType) -> list[str]:
    inner = (name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const))
    return [*code.co_names, *code.co_freevars, *inner]


def _meant(fn: FunctionType, name: str) -> Any:
    if name in fn.__code__.co_freevars:
        cell = (fn.__closure__ or ())[fn.__code__.co_freevars.index(name)]
        try:
            return cell.cell_contents
        except ValueError:
            return None
    return fn.__globals__.get(name)


def _functions(thing: Any, names: list[str]) -> Iterator[FunctionType]:
    """The functions of the user's that something stands for, or holds."""
    if isinstance(thing, ModuleType):
        if _is_own(thing.__name__):
            for name in names:
                held = vars(thing).get(name)
                if not isinstance(held, ModuleType):
                    yield from _functions(held, names)
    elif isinstance(thing, FunctionType):
        if _is_own(thing.__module__) and users_own(thing):
            yield thing
        yield from _functions(getattr(thing, "__wrapped__", None), names)
    elif isinstance(thing, Flow):
        yield cast("Flow[..., Any]", thing).fn
    elif isinstance(thing, type):
        for cls in thing.__mro__:
            for member in vars(cls).values() if _is_own(cls.__module__) else ():
                inner = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if isinstance(inner, (FunctionType, Flow)):
                    yield from _functions(inner, names)


def _is_own(module: object) -> bool:
    return isinstance(module, str) and module.partition(".")[0] not in ("stretto", "builtins")
