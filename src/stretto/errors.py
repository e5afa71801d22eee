"""Every exception of Stretto's own that a user can meet.

Each message says what was expected, what was found and what to do, and where it can be known,
the user's file and line.
"""

from __future__ import annotations

__all__ = [
    "Cancelled",
    "CompileError",
    "DeclarationError",
    "FlowArgumentError",
    "InternalError",
    "ReturnTypeError",
    "SourceNotFound",
    "StrettoError",
    "UnsupportedConstruct",
]


class StrettoError(Exception):
    """Base of every exception that Stretto itself raises."""


class CompileError(StrettoError):
    """A flow's source cannot be compiled.

    Attributes:
        filename: the user's file, or None where there is none.
        lineno: the line in that file (1-based), or None.
        construct: what was found there, in a few words.
    """

    def __init__(
        self,
        message: str,
        *,
        filename: str | None = None,
        lineno: int | None = None,
        construct: str | None = None,
    ) -> None:
        self.filename = filename
        self.lineno = lineno
        self.construct = construct
        where = ""
        if filename is not None:
            where = f"{filename}:{lineno}: " if lineno is not None else f"{filename}: "
        super().__init__(where + message)


class UnsupportedConstruct(CompileError):
    """The flow uses a construct that Stretto does not take (yet); raised at decoration time."""


class SourceNotFound(CompileError):
    """The flow's source text cannot be found (a REPL, `exec`, a lambda)."""


class DeclarationError(StrettoError):
    """A `call` or `flow` is declared wrongly: a template, an effect or an option."""


class FlowArgumentError(StrettoError, TypeError):
    """A flow was called with arguments that its signature does not take."""


class ReturnTypeError(StrettoError, TypeError):
    """A call returned a value that breaks its declared return type."""


class Cancelled(StrettoError):
    """The run was cancelled, by `run.cancel()`."""


class InternalError(StrettoError):
    """An invariant of the engine does not hold. This is a bug in Stretto: please report it."""
