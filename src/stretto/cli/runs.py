"""Which journal and which run a command means, and how runs are told."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stretto.configuration import DEFAULT, VARIABLE, choice
from stretto.errors import JournalError, JournalUnavailable, JournalUrlError, RunNotFound
from stretto.journal import configured, file_of
from stretto.journal.events import RunState
from stretto.journal.leases import alive, describe

from .load import UsageError, did_you_mean
from .options import Given
from .times import exact, iso
from .values import clean

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord

__all__ = [
    "INTERRUPTED",
    "STATES",
    "as_fields",
    "find_run",
    "journal_url",
    "opened",
    "state_named",
    "state_of",
]

#: Shown in place of RUNNING where nobody is left to run it.
INTERRUPTED = "interrupted"

STATES = (*(state.value for state in RunState), INTERRUPTED)

#: How many runs are looked through for one of a similar name.
_SIMILAR = 1000


@contextmanager
def opened(given: Given, *, make: bool = False) -> Generator[Journal, None, None]:
    """The journal that the command is about; only with `make` is one made where there is none."""
    url, said_by = journal_url(given)
    try:
        file = file_of(url)
    except JournalUrlError as error:
        if said_by == "--journal":
            raise UsageError(f"--journal: {error}") from None
        raise JournalUrlError(f"{said_by}: {error}") from None
    if file is not None and not file.is_file() and not make:
        if file.exists():
            raise JournalUnavailable(f"{file} is no file, and no journal (said by {said_by})")
        raise JournalUnavailable(f"there is no journal {file} (said by {said_by}); the first run makes it")
    journal = configured.opened(url)
    try:
        yield journal
    finally:
        journal.close()


def journal_url(given: Given) -> tuple[str, str]:
    """Which journal a command means, and who says so."""
    url = given.values.get("--journal")
    if url is not None:
        return url, "--journal"
    chosen = choice()
    if chosen.url is not None:
        return chosen.url, chosen.said_by
    if DEFAULT.is_file():
        return str(DEFAULT), "default"
    raise JournalUnavailable(
        f"there is no journal here: no {DEFAULT} in {Path.cwd()}, and none is configured; "
        f"go to where the runs were started, set {VARIABLE}, or say --journal URL"
    )


def find_run(journal: Journal, name: str) -> RunRecord:
    """The run of that identifier, or the only one whose identifier begins so."""
    try:
        return journal.run(name)
    except RunNotFound:
        pass
    runs = journal.runs()
    found = [run for run in runs if run.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = [f"  {clean(run.id)}  {clean(run.flow)}, started {exact(run.started)}" for run in found[:10]]
        if len(found) > 10:
            listed.append(f"  and {len(found) - 10} more")
        lines = "\n".join(listed)
        raise JournalError(f"{len(found)} runs begin with {name!r}; write more of the one you mean:\n{lines}")
    guess = did_you_mean(name, [run.id for run in runs[:_SIMILAR]]).rstrip(".")
    raise RunNotFound(
        f"{journal.where}: there is no run {name!r}{guess}; `stretto ls` lists the runs there are"
    )


def state_of(run: RunRecord) -> str:
    """A run's state as people understand it."""
    if run.state is RunState.RUNNING and (run.owner is None or alive(run.owner) is False):
        return INTERRUPTED
    return run.state.value


def state_named(text: str) -> str:
    """Raises `UsageError`."""
    name = text.strip().lower().replace("-", " ").replace("_", " ")
    if name not in STATES:
        raise UsageError(
            f"there is no state {text!r}{did_you_mean(name, STATES)} States: {', '.join(STATES)}"
        )
    return name


def as_fields(run: RunRecord) -> dict[str, Any]:
    """What is known of a run without its events, for programs."""
    return {
        "id": run.id,
        "flow": run.flow,
        "state": state_of(run),
        "started": iso(run.started),
        "ended": iso(run.ended),
        "seconds": None if run.ended is None else (run.ended - run.started) / 1_000_000,
        "calls": run.calls,
        "events": run.events,
        "owner": None if run.owner is None else describe(run.owner),
        "forked_from": run.forked_from,
    }
