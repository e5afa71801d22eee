"""Every exception of Stretto's own that a user can meet.

Each message says what was expected, what was found and what to do, and where it can be known,
the user's file and line.
"""

from __future__ import annotations

__all__ = [
    "BudgetExceeded",
    "Cancelled",
    "CircuitOpen",
    "CompileError",
    "ConfigurationError",
    "CorruptValue",
    "DeclarationError",
    "ExecutorMissing",
    "FlowArgumentError",
    "ForkMissed",
    "InDoubt",
    "InternalError",
    "JournalClosed",
    "JournalCorrupt",
    "JournalError",
    "JournalFull",
    "JournalLocked",
    "JournalUnavailable",
    "JournalUrlError",
    "JournalVersion",
    "LeaseHeld",
    "LeaseLost",
    "NotDecodable",
    "NotRecordable",
    "NotSendable",
    "Orphaned",
    "OutcomeUnknown",
    "RecordedError",
    "ReturnTypeError",
    "RoutesExhausted",
    "RunEndedAlready",
    "RunExists",
    "RunNotFound",
    "SecretKeyError",
    "SourceNotFound",
    "StrettoError",
    "ToolArgumentError",
    "ToolError",
    "ToolServerError",
    "TransferError",
    "UnknownPrice",
    "UnsupportedConstruct",
    "WorkerDied",
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


class ExecutorMissing(StrettoError, ImportError):
    """What a call is to run on is not installed."""


class NotSendable(StrettoError, TypeError):
    """A call, an argument, a result or an exception cannot pass between two processes."""


class CircuitOpen(StrettoError):
    """An attempt of a call was not made, since what it asks has failed too often in a row (``breaker=``).

    Attributes:
        call: the name of the call.
        failed: the last of those failures, as a text.
        since: seconds since the first of them.
        retry_after: seconds until one attempt is let through; 0 if one is under way.
    """

    def __init__(
        self, message: str, *, call: str = "", failed: str = "", since: float = 0.0, retry_after: float = 0.0
    ) -> None:
        self.call = call
        self.failed = failed
        self.since = since
        self.retry_after = retry_after
        super().__init__(message)


class RoutesExhausted(StrettoError):
    """No way of a route has worked.

    Attributes:
        route: the name of the route.
        tried: its ways, in the order in which they were looked at: name, and why it was not taken or how it
            has failed.
        retry_after: seconds until a way may work that did not; 0 if nothing tells.
    """

    def __init__(
        self,
        message: str,
        *,
        route: str = "",
        tried: tuple[tuple[str, str], ...] = (),
        retry_after: float = 0.0,
    ) -> None:
        self.route = route
        self.tried = tried
        self.retry_after = retry_after
        super().__init__(message)


class Cancelled(StrettoError):
    """The run was cancelled, by `run.cancel()`."""


class BudgetExceeded(StrettoError):
    """A call does not fit any more in a budget whose block it is in, or the seconds of that are over."""


class UnknownPrice(StrettoError):
    """A budget bounds the money that a call may cost, and nobody knows how much that is."""


class NotRecordable(StrettoError, TypeError):
    """A value cannot be written to a journal.

    Attributes:
        path: where in the value it is, as one would write it in Python: ``result.items[3].client``.
    """

    def __init__(self, path: str, problem: str, advice: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}; {advice}")

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self.args, self.__dict__)


class NotDecodable(StrettoError):
    """A recorded value is well formed, but this program cannot build it: it lacks a class, a library, a time
    zone or a codec, or has one of another shape."""


class CorruptValue(StrettoError, ValueError):
    """Bytes that are no recorded value: cut off, damaged, or of a later version of the format."""


class RecordedError(StrettoError):
    """Stands for a recorded exception whose class this program does not have.

    Attributes:
        module: the module of the class.
        qualname: its name in there.
        args: the arguments of the exception, as they were.
    """

    def __init__(self, module: str, qualname: str, *args: object) -> None:
        self.module = module
        self.qualname = qualname
        super().__init__(*args)

    def __str__(self) -> str:
        said = super().__str__()
        return f"{self.module}.{self.qualname}: {said}" if said else f"{self.module}.{self.qualname}"

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(cls: type[BaseException], args: tuple[object, ...], state: dict[str, object]) -> BaseException:
    """An exception whose arguments are not those of its `__init__`, unpickled."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class InDoubt(StrettoError):
    """A write was under way when the process of a run ended, and nothing tells whether it happened."""


class OutcomeUnknown(StrettoError):
    """A call cannot tell whether it has happened: what it was made of was lost while it was under way.

    Any call may raise it. Of one that changes the world, and may not be made twice, the run stops there, in
    doubt; where there is no journal it is raised like any other exception.
    """


class WorkerDied(OutcomeUnknown):
    """The process that a call ran in is gone, and nobody knows how far the call had come."""


class ToolError(StrettoError):
    """A tool, or the server that it belongs to, says that it has failed.

    Attributes:
        tool: its name.
        server: the name of the server or service.
        text: what was said.
        status: the status of the HTTP response; None where there was none.
    """

    def __init__(
        self, message: str, *, tool: str = "", server: str = "", text: str = "", status: int | None = None
    ) -> None:
        self.tool = tool
        self.server = server
        self.text = text
        self.status = status
        super().__init__(message)


class ToolArgumentError(StrettoError, TypeError):
    """A tool was given arguments that its schema does not take; nothing was sent."""


class ToolServerError(StrettoError):
    """The server of a tool does not start, cannot be reached, or was lost; nothing has been changed by it."""


class RunEndedAlready(StrettoError):
    """A run is to be resumed that has its outcome."""


class Orphaned(StrettoError):
    """A run that is resumed has made writes that its program, as it is now, does not make."""


class ForkMissed(StrettoError):
    """A forked run has ended without coming to the call at which it was to part."""


class JournalError(StrettoError):
    """Something is wrong with a journal; the message says which one, what was found and what to do.

    Once an append has failed, the journal that it failed in takes no more: what was written until then
    is there, and opening the journal again goes on from it.
    """


class JournalUrlError(JournalError, ValueError):
    """What should name a journal does not: an unknown scheme, no path, a driver that is not installed."""


class JournalUnavailable(JournalError):
    """The file cannot be opened, or the server did not answer for as long as the journal waits."""


class JournalLocked(JournalError):
    """Another process held the journal's write lock for longer than the journal waits."""


class JournalFull(JournalError):
    """There is no room for what was to be written."""


class JournalCorrupt(JournalError):
    """What the journal holds is not what was written to it, or is no journal at all."""


class JournalVersion(JournalError):
    """The journal was written by a newer Stretto than this one."""


class JournalClosed(JournalError):
    """The journal was closed before this was asked of it."""


class RunNotFound(JournalError, LookupError):
    """The journal holds no run with that identifier."""


class RunExists(JournalError):
    """The journal already holds a run with that identifier."""


class ConfigurationError(DeclarationError, JournalUrlError):
    """A file, a variable or an argument configures what there is not, or wrongly; the message says which. (It
    is what a wrong declaration raises, and what names no journal: a project's files hold both.)"""


class LeaseHeld(JournalError):
    """Another owner has the run, and is or may be alive.

    Attributes:
        owner: who has it, as a text for people.
        retry_after: seconds after which asking again can succeed, if the owner shows no sign of life.
    """

    def __init__(self, message: str, *, owner: str = "", retry_after: float = 0.0) -> None:
        self.owner = owner
        self.retry_after = retry_after
        super().__init__(message)


class LeaseLost(JournalError):
    """The run has another owner by now: nothing more may be written, or done, in the name of this one."""


class SecretKeyError(JournalError):
    """Secrets are to be recorded, or read, and what that takes is not here: their key, or the library."""


class TransferError(JournalError):
    """A file that is to be imported is no export of a run, is damaged, or is of a newer format."""


class InternalError(StrettoError):
    """An invariant of the engine does not hold. This is a bug in Stretto: please report it."""
