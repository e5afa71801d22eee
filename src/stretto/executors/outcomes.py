"""What has become of a call in another process, on its way back: its value, or what it raised, with all that
a pickle leaves behind of an exception: where it was raised, from what, and while handling what."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from types import FrameType, FunctionType, TracebackType
from typing import Any, NamedTuple, cast

from ..errors import NotSendable
from .parcels import Parcel, lost, pack, unpack

__all__ = ["Opened", "Outcome", "failed", "opened", "returned", "unread"]


class Place(NamedTuple):
    """A line that an exception has passed through."""

    file: str
    function: str
    line: int
    module: str


class Lost(NamedTuple):
    """Something that did not come through, and why."""

    what: str
    why: str


VALUE, RAISED, UNREAD = b"value", b"raised", b"unread"


class Outcome(NamedTuple):
    """What has become of a call. Args: parcel: a value, or exceptions. kind: which of these it is, or that
    the call itself could not be read."""

    parcel: Parcel
    kind: bytes


class _Raised(NamedTuple):
    """One exception of those that hang together; the others by where they stand in the list."""

    pickled: bytes
    lost: Lost | None
    places: list[Place]
    cause: int | None
    context: int | None
    suppressed: bool
    parts: list[int]


def returned(value: Any) -> Outcome:
    try:
        return Outcome(pack((value, None)), VALUE)
    except Exception as error:
        return Outcome(pack((None, Lost(type(value).__qualname__, lost(error)))), VALUE)


def unread(error: Exception) -> Outcome:
    """The call itself did not arrive."""
    return Outcome(Parcel(pickle.dumps(lost(error)), []), UNREAD)


def failed(error: BaseException, own: Callable[[str], bool]) -> Outcome:
    """What a call has raised; the frames in files of which `own` is true are left out."""
    found: list[BaseException] = []
    _gather(error, found)
    numbers = {id(one): number for number, one in enumerate(found)}

    def number(one: BaseException | None) -> int | None:
        return None if one is None else numbers[id(one)]

    told: list[_Raised] = []
    for one in found:
        pickled, why = _pickled(one)
        parts = [numbers[id(part)] for part in _parts(one)]
        cause, context = number(one.__cause__), number(one.__context__)
        told.append(
            _Raised(
                pickled, why, _places(one.__traceback__, own), cause, context, one.__suppress_context__, parts
            )
        )
    return Outcome(Parcel(pickle.dumps(told, 5), []), RAISED)


def _gather(error: BaseException, found: list[BaseException]) -> None:
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if any(one is known for known in found):
            continue
        found.append(one)
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        waiting += _parts(one)


def _parts(error: BaseException) -> list[BaseException]:
    return list(cast("BaseExceptionGroup[Any]", error).exceptions) if _is_group(error) else []


def _is_group(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup)


def _pickled(error: BaseException) -> tuple[bytes, Lost | None]:
    """An exception such that it can be built again: many have an ``__init__`` that takes other arguments than
    they keep, and pickle no further than here."""
    group = _is_group(error)
    try:
        if not group:
            body = _packed(error)
            if _comes_back(body, error):
                return body, None
        # the parts of a group come by themselves, each with its own traceback
        body = _packed(_Kept(type(error), error.args[:1] if group else error.args, dict(error.__dict__)))
        pickle.loads(body)
        return body, None
    except Exception as problem:  # by the code of its class; it is told beside what it says
        why = lost(problem)
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    try:
        said = str(error)
    except Exception:  # its `__str__` is at fault, too; its class is told all the same
        said = "its text cannot be told"
    return b"", Lost(f"{name}: {said}" if said else name, why)


def _comes_back(body: bytes, error: BaseException) -> bool:
    try:
        made = pickle.loads(body)
    except Exception:  # its `__init__` takes something else: then it goes without that
        return False
    return type(made) is type(error) and repr(made.args) == repr(error.args)


def _packed(value: object) -> bytes:
    """With its buffers inside."""
    parcel = pack(value)
    return parcel.body if not parcel.buffers else pickle.dumps(unpack(parcel), 5)


class _Kept:
    """An exception as its class, arguments and attributes."""

    def __init__(self, cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> None:
        self.cls = cls
        self.args = args
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        kept: Any = self.cls
        made = _Group if issubclass(kept, BaseExceptionGroup) else _exception_kept
        return made, (kept, self.args, self.state)


def _exception_kept(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class _Group:
    """A group on its way: it is made when its parts are there."""

    def __init__(self, cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> None:
        self.cls, self.args, self.state = cls, args, state


def _places(trace: TracebackType | None, own: Callable[[str], bool]) -> list[Place]:
    found: list[Place] = []
    while trace is not None:
        frame = trace.tb_frame
        if not own(frame.f_code.co_filename):
            module = frame.f_globals.get("__name__", "")
            found.append(Place(frame.f_code.co_filename, frame.f_code.co_name, trace.tb_lineno, module))
        trace = trace.tb_next
    if len(found) > 2 * _MOST:
        found = found[:_MOST] + found[-_MOST:]  # it was too deep a recursion
    return found


#: So many lines of a traceback are kept from its beginning, and from its end.
_MOST = 200


# -- where it arrives -------------------------------------------------------------------------------------


class Opened(NamedTuple):
    """An outcome as this process has it: a value, or what is to be raised."""

    value: Any
    error: BaseException | None


def opened(outcome: Outcome, name: Callable[[], str]) -> Opened:
    """`name` tells the name of the call, for what could not be sent."""
    if outcome.kind == RAISED:
        return Opened(None, _exception(unpack(outcome.parcel), name))
    if outcome.kind == UNREAD:
        return _not_sent(
            f"{name()} cannot be read by the process that it is to run in ({unpack(outcome.parcel)}). "
            "Modules and classes that it needs must be found there, too: on sys.path, or installed"
        )
    try:
        value, gone = unpack(outcome.parcel)
    except Exception as error:
        return _not_sent(
            f"{name()} has returned what cannot be built again here ({lost(error)}). "
            "Return what can be pickled: plain values, dataclasses, arrays"
        )
    if gone is not None:
        return _not_sent(
            f"{name()} has returned a {gone.what} that cannot leave the process it ran in ({gone.why}). "
            "Return what can be pickled: plain values, dataclasses, arrays"
        )
    return Opened(value, None)


def _not_sent(said: str) -> Opened:
    return Opened(None, NotSendable(said))


def _exception(told: list[_Raised], name: Callable[[], str]) -> BaseException:
    made: list[Any] = []
    for one in told:
        try:
            error: Any = pickle.loads(one.pickled) if one.lost is None else None
            gone = one.lost
        except Exception as problem:
            error, gone = None, Lost("an exception", lost(problem))
        if gone is not None:
            error = NotSendable(
                f"{name()} has raised {gone.what} (an exception that cannot be built again here: {gone.why})"
                ". Raise one that can be pickled, or give its class a __reduce__"
            )
        made.append(error)
    for at in reversed(range(len(told))):
        if isinstance(made[at], _Group):
            made[at] = _group(made, told, at)
    for one, error in zip(told, made, strict=True):
        error.__cause__ = None if one.cause is None else made[one.cause]
        error.__context__ = None if one.context is None else made[one.context]
        error.__suppress_context__ = one.suppressed
        error.__traceback__ = _trace(one.places)
    found: BaseException = made[0]
    made.clear()  # what it raises holds this frame, and must not be held by it
    return found


def _group(made: list[Any], told: list[_Raised], at: int) -> Any:
    kept = made[at]
    if not isinstance(kept, _Group):
        return kept
    parts = [_group(made, told, number) for number in told[at].parts]
    for number, part in zip(told[at].parts, parts, strict=True):
        made[number] = part
    error: Any = kept.cls.__new__(kept.cls, *kept.args, parts)
    error.__dict__.update(kept.state)
    made[at] = error
    return error


def _trace(places: list[Place]) -> TracebackType | None:
    """A traceback through these lines."""
    trace: TracebackType | None = None
    for place in reversed(places):
        trace = TracebackType(trace, _frame(place), 0, place.line)
    return trace


def _here() -> FrameType:
    return sys._getframe()


def _line_alone(length: int) -> bytes:
    """The table of places of code all of which stands in its first line; no column is known. (An entry is for
    at most eight instructions: 13 is the kind without columns, and the line is as far from the one before as
    the second byte says.)"""
    whole, rest = divmod(length, 8)
    return bytes([0x80 | 13 << 3 | 7, 0]) * whole + (bytes([0x80 | 13 << 3 | rest - 1, 0]) if rest else b"")


_LINE_ALONE = _line_alone(len(_here.__code__.co_code) // 2)


def _frame(place: Place) -> FrameType:
    """A frame that says it is of that function."""
    code = _here.__code__.replace(
        co_filename=place.file, co_name=place.function, co_qualname=place.function, co_firstlineno=place.line,
        co_linetable=_LINE_ALONE,
    )  # fmt: skip
    made: Any = FunctionType(code, {"sys": sys, "__name__": place.module, "__file__": place.file})
    return cast("FrameType", made())
