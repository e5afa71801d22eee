"""Working out the arguments of a call, as CPython does: what is spread, and what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ..calls import BoundCall, Call
from ..compiler import ir
from ..flows import Flow
from .containers import Versioned
from .interpreted import spread
from .operands import OLDEST, Failure, bound, operand
from .operations import function_node
from .slots import Slot
from .strands import Block, Strand
from .tokens import HEAP

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["arguments"]

_ITERABLES = (list, tuple, dict, set, frozenset, str, bytes, range)


def arguments(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, callee: Any
) -> tuple[Any, list[Any], dict[str, Any]]:
    """What has to be waited for first, if anything; else the arguments."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    wait = _unspread(engine, strand, block, instr)
    if wait is None:
        _taken_apart(engine, strand, block, instr, callee, args, kwargs)
    return wait, args, kwargs


def _taken_apart(
    engine: Engine, strand: Strand, block: Block, instr: ir.Apply, callee: Any,
    args: list[Any], kwargs: dict[str, Any],
) -> None:  # fmt: skip
    """Work out arguments with names or stars among them; all can be taken apart by now (`unspread`)."""
    frame = block.frame
    lone = len(instr.args) == 1 and instr.args[0][0]
    for star, source in () if lone else instr.args:
        v = operand(frame, source)
        if star:
            args.extend(_members(v, None))
        else:
            args.append(bound(engine, strand, block, instr, v))
    for name, source in instr.kwargs:
        v = operand(frame, source)
        if name is None:
            _merge(kwargs, v, callee)
        elif name in kwargs:  # of a mapping before it
            found = f"{_text(callee)} got multiple values for keyword argument '{name}'"
            raise Failure(TypeError(found))
        else:
            kwargs[name] = bound(engine, strand, block, instr, v)
    if lone:  # as CPython does it, after the keywords
        args.extend(_members(operand(frame, instr.args[0][1]), callee))


def _unspread(engine: Engine, strand: Strand, block: Block, instr: ir.Apply) -> Any:
    """What has to come before all of ``*values`` and ``**values`` can be taken apart, which happens once."""
    frame = block.frame
    plain = True
    for name, source in instr.kwargs:
        if name is None:
            v = operand(frame, source)
            if (wait := _spread(engine, strand, v)) is not None:
                return wait
            plain = plain and (type(v) is dict or isinstance(v, Versioned))
    for star, source in instr.args:
        if not star:
            continue
        v = operand(frame, source)
        if plain and made_up(source) and _unknown(v):
            # going through it is a step of its own, in its turn
            v = frame.env[source] = function_node(engine, strand, block, instr, list, [v], {})
        if (wait := _spread(engine, strand, v)) is not None:
            return wait
    return None


def _unknown(value: Any) -> bool:
    """Whether going over a value may run code of the user's."""
    return not isinstance(value, (Slot, Versioned)) and type(value) not in _ITERABLES and _goes_over(value)


def _spread(engine: Engine, strand: Strand, value: Any) -> Any:
    """What has to come before ``*value`` can be taken apart."""
    if isinstance(value, Slot):
        return value
    if isinstance(value, Versioned):
        return None
    if strand.tokens:
        before = strand.tokens.before_read(HEAP)
        if before:
            return before
    if type(value) not in _ITERABLES and engine.end.following is not strand:
        return OLDEST
    return None


def made_up(source: ir.Operand) -> TypeGuard[str]:
    """Whether an operand is a temporary of the compiler's."""
    return isinstance(source, str) and source.startswith("__t")


def _goes_over(value: Any) -> bool:
    cls = cast("type[Any]", type(value))
    return not isinstance(value, Versioned) and (hasattr(cls, "__iter__") or hasattr(cls, "__getitem__"))


def _members(value: Any, callee: Any) -> list[Any]:
    """What ``*value`` gives; `callee` where that is all that is given by position (CPython then names it)."""
    if isinstance(value, Versioned):
        return list(value.elements())
    try:
        return list(value)
    except TypeError as error:
        if _goes_over(value):
            raise Failure(error) from None  # its own
        whose = "Value" if callee is None else f"{_text(callee)} argument"
        found = f"{whose} after * must be an iterable, not {type(value).__name__}"
        raise Failure(TypeError(found)) from None
    except BaseException as error:
        raise Failure(error) from None


def _merge(kwargs: dict[str, Any], value: Any, callee: Any) -> None:
    if isinstance(value, Versioned):
        value = value.root()
    if type(value) is not dict:
        try:
            kwargs.update(spread(kwargs, value, _text(callee)))
        except BaseException as error:
            raise Failure(error) from None
        return
    given = cast("dict[Any, Any]", value)
    for key in given:
        if key in kwargs:
            raise Failure(TypeError(f"{_text(callee)} got multiple values for keyword argument '{key}'"))
        if not isinstance(key, str):
            raise Failure(TypeError(_refused(callee)))
        kwargs[key] = given[key]


def _refused(callee: Any) -> str:
    """What is said where the name of an argument is no text: what is called says it, if it can be called."""
    if not callable(callee):
        return f"'{type(callee).__name__}' object is not callable"
    own = ("__init__", "__new__")
    if type(callee) is type and all(getattr(callee, name) is getattr(object, name) for name in own):
        return f"{callee.__name__}() takes no arguments"
    return "keywords must be strings"


def _text(callee: Any) -> str:
    """What CPython calls a function in the messages about its arguments."""
    if isinstance(callee, BoundCall):
        callee = callee.call
    if isinstance(callee, (Call, Flow)):
        callee = callee.fn
    name = getattr(callee, "__qualname__", None)
    if name is None:
        return str(callee)
    module = getattr(callee, "__module__", None)
    return f"{name}()" if module in (None, "builtins") else f"{module}.{name}()"
