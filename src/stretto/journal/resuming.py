"""Opening the journal of a run, and taking up a run that was interrupted."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import RunEndedAlready, RunNotFound
from ..flows import Flow
from .codecs import encode
from .configured import current, shared
from .contract import Journal
from .events import RunResumed, RunStarted, now
from .history import History, value_of
from .leases import this_process
from .recording import Recording, releasing

if TYPE_CHECKING:
    from ..runs import Run

__all__ = ["flow_named", "journal_of", "name_of", "record", "resume"]


def journal_of(flow: Flow[..., Any]) -> Journal | None:
    """The journal that a run of this flow is written to: the flow's own, or the one that is configured."""
    return current() if flow.journal is None else shared(flow.journal) if flow.journal else None


def record(
    journal: Journal, flow: Flow[..., Any], run: str, args: Any, kwargs: Mapping[str, Any]
) -> Recording:
    """Begin to record a new run."""
    file = str(Path(flow.fn.__code__.co_filename).resolve())
    arguments = encode((tuple(args), dict(kwargs), file), name=f"the arguments of {flow.name}").data
    owner = this_process()
    lease = journal.start(RunStarted(run, name_of(flow), source_of(flow), arguments, owner, now()))
    return Recording(journal, lease)


def resume(run: str, *, journal: str | Path | None = None) -> Run[Any]:
    """Take up a run that was interrupted: what it has done is answered from its journal, the rest is run.

    Args:
        run: the run's identifier.
        journal: the URL of its journal; the one that is configured if it is not given.

    Returns a handle at once, as `Flow.start` does. Raises `RunNotFound`, `LeaseHeld` where the process that
    runs it is alive, and `RunEndedAlready`.
    """
    from ..runs import Run

    found = current() if journal is None else shared(journal)
    if found is None:
        raise RunNotFound(
            f"no journal is configured to look for the run {run!r} in. Give one: resume(run, journal=...), "
            "stretto.configure(journal=...) or STRETTO_JOURNAL"
        )
    about = found.run(run)
    if about.state.ended:
        raise RunEndedAlready(
            f"the run {run} of {about.flow} has ended: it is {about.state}. Start a new one"
        )
    ending = releasing.get(run)
    if ending is not None:
        ending.result()
    lease = found.acquire(run)
    try:
        history = History(found, run)
        assert history.started is not None
        args, kwargs, file = value_of(found, history.started.arguments)
        flow = flow_named(about.flow, file)
        found.append(lease, [RunResumed(lease.owner, source_of(flow), now())])
    except BaseException:
        found.release(lease)
        raise
    made: Run[Any] = Run(flow, args, kwargs, recording=Recording(found, lease, history), id=run)
    made.drive_elsewhere()
    return made


def source_of(flow: Flow[..., Any]) -> str:
    """A digest of a flow's source, to tell whether it has been edited."""
    import ast

    return hashlib.blake2b(ast.dump(flow.node).encode(), digest_size=8).hexdigest()


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


def _loaded(file: str) -> Any:
    """The module of a file, if this process has loaded it."""
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None) == file:
            return module
    return None
