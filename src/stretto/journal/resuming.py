"""Opening the journal of a run, taking up a run that was interrupted, and forking one."""

from __future__ import annotations

import functools
import importlib
import sys
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..compiler.source import MODULE
from ..errors import FlowArgumentError, JournalError, RunNotFound
from ..flows import Flow
from .codecs import encode
from .configured import current, shared
from .contract import Journal
from .doubts import ended
from .ending import releasing
from .events import CallSettled, Decision, RunResumed, RunStarted, now
from .forking import Ancestor
from .history import ANY_ARGUMENTS, TIMEOUT, History, value_of
from .leases import this_process
from .recording import Recording
from .secrets import check_key, encode_arguments, opened_arguments, ready, settled_result
from .sources import source_of

if TYPE_CHECKING:
    from ..runs import Run

__all__ = [
    "ancestor_of",
    "beginning",
    "flow_named",
    "fork",
    "journal_for",
    "journal_of",
    "name_of",
    "record",
    "resume",
    "take_up",
]


def journal_of(flow: Flow[..., Any]) -> Journal | None:
    """The journal that a run of this flow is written to: the flow's own, or the one that is configured."""
    return current() if flow.journal is None else shared(flow.journal) if flow.journal else None


def record(
    journal: Journal, flow: Flow[..., Any], run: str, args: Any, kwargs: Mapping[str, Any]
) -> Recording:
    """Begin to record a new run."""
    file = _resolved(flow.fn.__code__.co_filename)
    ready()
    named = name_of(flow)
    arguments = encode_arguments(flow.secret, named, flow.name, tuple(args), kwargs, file)
    owner = this_process()
    lease = journal.start(RunStarted(run, named, source_of(flow), arguments, owner, now()))
    return Recording(journal, lease)


def resume(
    run: str, *, journal: str | Path | None = None, accept: bool | Collection[str] = False
) -> Run[Any]:
    """Take up a run that was interrupted: what it has done is answered from its journal, the rest is run.

    Args:
        run: the run's identifier.
        journal: the URL of its journal; the one that is configured if it is not given.
        accept: the places of recorded writes that the program, which was edited, need not make again, this
            time; True for whichever those are. A write that is recorded and not made again stops the run
            otherwise.

    Returns a handle at once, as `Flow.start` does; a run of a flow that yields begins when it is gone over
    (``for value in run``), from its first value on. Raises `RunNotFound`, `LeaseHeld` where the process that
    runs it is alive, `RunEndedAlready`, and `SecretKeyError` where it has secrets whose key is not here.
    """
    made = take_up(run, journal=journal, accept=accept)
    if not made.flow.yields:
        made.drive_elsewhere()
    return made


def take_up(run: str, *, journal: str | Path | None, accept: bool | Collection[str] = False) -> Run[Any]:
    """As `resume`; but somebody has yet to drive the run."""
    found = journal_for(journal, run)
    about = found.run(run)
    if about.state.ended:
        raise ended(about)
    ending = releasing.get(run)
    if ending is not None:
        ending.result()
    lease = found.acquire(run)
    try:
        history = History(found, run, whole=False)
        flow, args, kwargs = beginning(found, history)
        ready()
        if accept:
            history.read()
            history.accept(None if accept is True else accept)
        source = source_of(flow)
        ancestor = ancestor_of(found, history, source)
        made: Run[Any] = _run()(
            flow, args, kwargs, recording=Recording(found, lease, history, ancestor), id=run
        )
        found.append(lease, [RunResumed(lease.owner, source, now())])
    except BaseException:
        found.release(lease)
        raise
    return made


def fork(
    run: str, *, before: str, set: Mapping[str, Any] | None = None, journal: str | Path | None = None
) -> Run[Any]:
    """Start a new run that shares what another one has done, up to one call; that and all after it is run.

    The other run may have ended, or go on; it stays as it is. Writes that come before the call are shared
    too: they are not made again. Those that come after it are.

    Args:
        run: the identifier of the other run.
        before: the place of the call at which the two part, as `stretto show` tells it, or its name, if the
            run has one call of that name.
        set: by place or name, results that calls are given instead of being made.
        journal: the URL of the journal; the one that is configured if it is not given.

    Returns a handle at once, as `resume` does. Raises `RunNotFound`, and `JournalError` where no such
    call is recorded.
    """
    found = journal_for(journal, run)
    history = History(found, run)
    flow, args, kwargs = beginning(found, history)
    ready()
    parting = _parting(history, before)
    settled = [
        CallSettled(
            past.place, past.call, ANY_ARGUMENTS, Decision.DONE,
            settled_result(
                run, past.call, past.digest, ANY_ARGUMENTS,
                encode(value, name=f"the value for {past.place}").data,
            ),
            "fork", now(),
        )
        for past, value in ((history.named(name), value) for name, value in (set or {}).items())
    ]  # fmt: skip
    started = history.started
    source, owner = source_of(flow), this_process()
    made = uuid.uuid4().hex[:16]
    # what is shared stands where the program had it then
    shaped_by = [RunResumed(owner, other, now()) for other in sorted(history.sources - {source})]
    lease = found.start(
        RunStarted(made, started.flow, source, started.arguments, owner, now(), run, parting),
        with_events=[*shaped_by, *settled],
    )
    try:
        own = History(found, made)
        own.compare(source)
        recording = Recording(found, lease, own, Ancestor(history, parting))
        forked: Run[Any] = _run()(flow, args, kwargs, recording=recording, id=made)
    except BaseException:
        found.release(lease)
        raise
    if not flow.yields:
        forked.drive_elsewhere()
    return forked


def _parting(history: History, name: str) -> str:
    past = history.named(name)
    module = past.call.partition(":")[0].partition(".")[0]
    # a clock is read as soon as the program comes to it, which is before its turn
    if past.call == TIMEOUT or module in sys.stdlib_module_names:
        raise JournalError(
            f"{past.place} ({past.call}) is a reading, and no call: two runs cannot part there. "
            "Name the call that comes after it"
        )
    return past.place


def _run() -> type[Run[Any]]:
    from ..runs import Run  # late: it imports what records runs

    return Run


def journal_for(url: str | Path | None, run: str) -> Journal:
    found = current() if url is None else shared(url)
    if found is None:
        raise RunNotFound(
            f"no journal is configured to look for the run {run!r} in. Give one: journal=..., "
            "stretto.configure(journal=...) or STRETTO_JOURNAL"
        )
    return found


def beginning(journal: Journal, history: History) -> tuple[Flow[..., Any], tuple[Any, ...], dict[str, Any]]:
    """The flow of a recorded run as it is now, and the arguments; whether it was edited is noted."""
    started = history.started
    check_key(started.run, (past.digest for past in history.left()))
    recorded = value_of(journal, started.arguments)
    args, kwargs, file = opened_arguments(started.run, started.flow, recorded)
    flow = flow_named(started.flow, file)
    try:
        flow.check(args, kwargs)
    except FlowArgumentError as error:
        raise FlowArgumentError(
            f"{error}. A run keeps the arguments that it was started with; give new parameters a default"
        ) from None
    history.compare(source_of(flow))
    return flow, args, kwargs


def ancestor_of(journal: Journal, own: History, source: str) -> Ancestor | None:
    """The run that a run was forked from, if it needs that still."""
    started = own.started
    if started.forked_from is None or started.forked_before is None:
        return None
    own.read()
    parting = own.recorded(started.forked_before)
    if parting is not None and not isinstance(parting.last, CallSettled):
        return None  # this run has come to it
    try:
        history = History(journal, started.forked_from)
    except RunNotFound:
        raise RunNotFound(
            f"the run {started.run} was forked from {started.forked_from}, and has not done yet all that it "
            f"shares with it; {journal.where} does not have that run any more. Start a new run"
        ) from None
    history.compare(source)
    return Ancestor(history, started.forked_before)


@functools.lru_cache(maxsize=256)
def _resolved(file: str) -> str:
    return str(Path(file).resolve())


def name_of(flow: Flow[..., Any]) -> str:
    """How a journal names a flow. A script is not ``__main__`` to the process that resumes its runs; a
    notebook is, since its cells are no files."""
    fn = flow.fn
    script = fn.__module__ == "__main__" and "__file__" in fn.__globals__
    module = Path(fn.__code__.co_filename).stem if script else fn.__module__
    return f"{module}:{fn.__qualname__}"


def flow_named(name: str, file: str) -> Flow[..., Any]:
    """The flow that a journal calls so, which was in that file when it was run."""
    module, _, qualname = name.rpartition(":")
    if qualname == MODULE:
        return _script(file)
    found: Any = sys.modules["__main__"] if module == "__main__" else _loaded(file)
    if found is None:
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise  # the module is there, and imports another one that is not
            if not Path(file).is_file():
                raise RunNotFound(
                    f"the run was of the flow {name}; there is no module {module} to import here, and no "
                    f"file {file} any more. Run this where the module can be imported"
                ) from None
            from ..cli.load import import_file  # the command line loads flows from files too

            found = import_file(Path(file))
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, Flow):
        if module == "__main__":
            raise RunNotFound(
                f"the run was of the flow {qualname}, which was defined in a notebook, and there is no such "
                f"flow here; found {found!r}. Run the cell that defines it, then call stretto.resume there"
            )
        raise RunNotFound(
            f"the run was of the flow {name}, and there is no such flow any more; found {found!r}. "
            "Put it back, or start a new run"
        )
    return cast("Flow[..., Any]", found)


def _script(file: str) -> Flow[..., Any]:
    """The script that this process runs."""
    running = Flow.running
    if running is None or _resolved(running.fn.__code__.co_filename) != file:
        raise RunNotFound(
            f"the run was of the whole script {file}, which is run in a process of its own: "
            "take it up with the command `stretto resume`"
        )
    return running


def _loaded(file: str) -> Any:
    """The module of a file, if this process has loaded it."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == file:
            return module
    return None
