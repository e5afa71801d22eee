"""What people and programs read: results, errors, colours."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

import stretto

__all__ = ["Style", "as_json", "short_traceback", "shown", "user_frames"]

_OURS = str(Path(stretto.__file__).parent) + os.sep
_STDLIB = str(Path(os.__file__).parent) + os.sep
#: Where a call passes through on its way between the user's flow and the user's function.
_CARRIERS = (f"asyncio{os.sep}", f"concurrent{os.sep}", f"importlib{os.sep}", "threading.py")
_PLUMBING = ("<frozen importlib", *(_STDLIB + name for name in _CARRIERS))


class Style:
    """Colours where there is a terminal to show them, and nobody has asked for none."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") != "dumb"

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.on else text

    def red(self, text: str) -> str:
        return self("31;1", text)

    def cyan(self, text: str) -> str:
        return self("36", text)

    def dim(self, text: str) -> str:
        return self("2", text)


def as_json(value: Any, *, indent: int | None = None) -> str | None:
    """A value as JSON, dataclasses and models included; None where it has no such form."""
    try:
        return json.dumps(value, default=_plain, indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # also: a circle, NaN, keys that are no text
        return None


def shown(value: Any) -> str:
    """A result for people: text as it is, else JSON where it has that form, else its repr."""
    if isinstance(value, str):
        return value
    text = as_json(value, indent=2)
    return repr(value) if text is None else text


def short_traceback(error: BaseException) -> str:
    """The traceback with the user's own frames only, causes and groups included."""
    report = traceback.TracebackException.from_exception(error)
    for part in _parts(report):
        part.stack = traceback.StackSummary.from_list(user_frames(part.stack))
    return "".join(report.format())


def user_frames(stack: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """A stack without Stretto's frames and without what only carries a call between two of the user's."""
    ours = [_ours(frame) for frame in stack]
    for order in (range(len(stack)), range(len(stack) - 1, -1, -1)):
        step = order.step
        for at in order:
            behind = at - step
            if stack[at].filename.startswith(_PLUMBING) and 0 <= behind < len(stack) and ours[behind]:
                ours[at] = True
    return [frame for frame, drop in zip(stack, ours, strict=True) if not drop]


def _ours(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(_OURS) or frame.filename.startswith("<stretto")


def _parts(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    yield report
    for inner in (report.__cause__, report.__context__, *(report.exceptions or ())):
        if inner is not None:
            yield from _parts(inner)


def _plain(value: object) -> Any:
    """The JSON form of what JSON does not know."""
    it = cast("Any", value)  # what the checks below narrow is `value`
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(it, field.name) for field in dataclasses.fields(value)}
    if (pydantic := sys.modules.get("pydantic")) and isinstance(value, pydantic.BaseModel):
        return it.model_dump(mode="json")
    if (codecs := sys.modules.get("stretto.journal.codecs")) and isinstance(value, codecs.Untold):
        return repr(value)
    if isinstance(value, enum.Enum):
        return it.value
    if isinstance(value, os.PathLike):
        return str(it)
    if isinstance(value, (set, frozenset)):
        return sorted(it)
    isoformat: Any = getattr(it, "isoformat", None)
    if isoformat is not None:
        return isoformat()
    raise TypeError
