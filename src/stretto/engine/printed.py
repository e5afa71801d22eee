"""Where what is printed goes: the streams of the process, and what is put in their place."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from types import BuiltinFunctionType, MethodType
from typing import Any, Final, cast

from .tokens import EVERYTHING, HEAP

__all__ = [
    "STAND_INS", "STDERR", "STDOUT", "WRITES", "Late", "all_shown", "is_of_stream", "path_of_file",
    "shown_at",
]  # fmt: skip

#: The paths of what is printed. Where that goes can be changed, to be looked at by the program.
STDOUT, STDERR = "stdout", "stderr"
#: Below `HEAP`: what is printed into an object that the program may look at.
_SHOWN: Final = f"{HEAP}:shown"
#: Classes that others put in the place of the process's streams: writing there runs no code of the program's,
#: and it can look at what was written only with code of which nothing is known.
STAND_INS: Final = {
    ("ipykernel.iostream", "OutStream"), ("_pytest.capture", "EncodedFile"),
    ("_pytest.capture", "CaptureIO"), ("rich.file_proxy", "FileProxy"),
    ("colorama.ansitowin32", "StreamWrapper"), ("stretto.cli.progress", "_Above"),
}  # fmt: skip


#: What a class says of itself: a metaclass may answer for it, so it is not asked.
_MODULE: Final = type.__dict__["__module__"].__get__
_NAME: Final = type.__dict__["__qualname__"].__get__
#: The methods of a stream that show something.
WRITES: Final = ("write", "flush")


def shown_at(path: str) -> tuple[str, ...]:
    """What is changed by printing there, as things stand; what is no stream of ours may run any code."""
    stream: Any = sys.stdout if path == STDOUT else sys.stderr
    if stream is None or stream is sys.__stdout__ or stream is sys.__stderr__:
        return (path,)
    kind = cast("type[Any]", type(stream))
    if (_MODULE(kind), _NAME(kind)) in STAND_INS:
        return (path,)
    return (path, _SHOWN) if kind is io.StringIO else (EVERYTHING,)


class Late:
    """A method of a stream that is looked up when it is called."""

    def __init__(self, stream: str, method: str) -> None:
        self.stream = stream
        self.method = method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return getattr(getattr(sys, self.stream), self.method)(*args, **kwargs)


def all_shown(paths: Iterable[str]) -> set[str]:
    """What is changed by a call that writes there."""
    return {one for path in paths for one in (shown_at(path) if path in (STDOUT, STDERR) else (path,))}


def path_of_file(kwargs: dict[str, Any]) -> str | None:
    """The stream that `print` is given, if it is one of the process's."""
    file = kwargs.get("file")
    if file is None:
        return STDOUT
    path = STDOUT if file is sys.stdout else STDERR if file is sys.stderr else None
    return path if path is not None and EVERYTHING not in shown_at(path) else None


def is_of_stream(callee: Any) -> str | None:
    """The stream whose method this is that shows something; None of anything else."""
    if type(callee) not in (BuiltinFunctionType, MethodType):
        return None
    held = callee.__self__
    # asked for its name only then: that of a method of the program's own may be code of its own
    if held is None or (held is not sys.stdout and held is not sys.stderr) or callee.__name__ not in WRITES:
        return None
    path = STDOUT if held is sys.stdout else STDERR
    return path if type(callee) is BuiltinFunctionType or EVERYTHING not in shown_at(path) else None
