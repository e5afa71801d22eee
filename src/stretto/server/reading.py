"""What the page is told of runs and of single calls, as `stretto ls` and `stretto show` tell it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..cli.output import as_json
from ..cli.runs import as_fields, state_of
from ..cli.tree import fetch
from ..cli.values import Values, clean
from ..compiler.source import MODULE
from ..errors import StrettoError
from ..journal.events import (
    CallFinished,
    CallIntended,
    CallSettled,
    RunEnded,
    RunStarted,
    RunState,
    StreamReceived,
)
from ..journal.history import names_of
from ..journal.leases import alive, this_process
from ..observe.kinds import KINDS, WAITS

if TYPE_CHECKING:
    from ..journal import Journal, RunRecord
    from ..journal.events import Event, Value
    from .costs import Costs

__all__ = ["WORDS", "as_text", "details", "head", "listed", "told"]

#: No value is sent to the page at more length than this.
_MOST = 100_000

#: What the page calls things.
WORDS: dict[str, Any] = {"kinds": list(KINDS), "waits": [[kind, *words[:2]] for kind, words in WAITS.items()]}


def listed(journal: Journal, limit: int, costs: Costs) -> list[dict[str, Any]]:
    """The newest runs."""
    runs = journal.runs(limit=limit)
    usd = costs.of(runs)
    usual: dict[str, int] = {}  # how many calls a run of that flow makes, if one has succeeded
    for run in runs:
        if run.state is RunState.SUCCEEDED:
            usual.setdefault(run.flow, run.calls)
    return [{**_plain(run), "usual": usual.get(run.flow), "usd": usd[run.id]} for run in runs]


def _plain(run: RunRecord) -> dict[str, Any]:
    return {**as_fields(run), "id": run.id, "micros": run.started, "name": clean(names_of(run.flow)[1])}


def head(journal: Journal, record: RunRecord) -> dict[str, Any]:
    """What is known of a run as a whole."""
    values = Values(journal)
    usual = journal.runs(flow=record.flow, state=RunState.SUCCEEDED, limit=1)
    found = {**_plain(record), "usual": usual[0].calls if usual else None, "can": _possible(record)}
    events = fetch(journal, record.id, {1, record.events}).values()
    for event in events:
        if isinstance(event, RunStarted):
            found["arguments"] = _cut(values.arguments(event.arguments))
            found["forked_before"] = event.forked_before
        elif isinstance(event, RunEnded):
            if event.result is not None:
                found["result"] = _cut(values.text(event.result))
            if event.error is not None:
                found["error"] = _cut(values.text(event.error))
    return found


def _possible(record: RunRecord) -> dict[str, str]:
    """What can be done to the run: for each action why it cannot, or nothing where it can."""
    state = state_of(record)
    running = state == RunState.RUNNING.value
    can = {"stop": "", "resume": "", "settle": "", "fork": ""}
    if not running:
        can["stop"] = "nobody runs it"
    elif record.owner is None or alive(record.owner) is not True:
        can["stop"] = "it is run on another machine, or in a container: stop it there"
    elif record.owner == this_process():
        can["stop"] = "it is run by this very process"
    if running:
        can["resume"] = can["settle"] = "it is running"
    elif record.state.ended:
        can["resume"] = can["settle"] = f"it has ended ({state}); it can be forked"
    if record.flow.endswith(f":{MODULE}"):
        can["fork"] = "scripts cannot be forked"
    return can


def details(journal: Journal, run: str, numbers: set[int]) -> dict[str, Any]:
    """What is recorded of one call, by the numbers of its events."""
    found: dict[str, Any] = {}
    values = Values(journal)
    for event in fetch(journal, run, numbers).values():
        found |= told(values, event)
    return found


def told(values: Values, event: Event) -> dict[str, Any]:
    """What one event tells of its call."""
    if isinstance(event, CallIntended):
        return {
            "place": event.place, "call": event.call, "key": event.key, "intended": event.time,
            "arguments": _text(values, event.arguments, arguments=True),
        }  # fmt: skip
    if isinstance(event, CallFinished):
        found: dict[str, Any] = {"place": event.place, "call": event.call, "attempt": event.attempt}
        if event.arguments is not None:
            found["arguments"] = _text(values, event.arguments, arguments=True)
        if event.result is not None:
            found["result"] = _text(values, event.result)
        if event.error is not None:
            found["error"] = _text(values, event.error)
        return found
    if isinstance(event, StreamReceived):
        return {"place": event.place, "call": event.call, "received": event.first + event.count}
    if isinstance(event, CallSettled):
        found = {"place": event.place, "call": event.call, "settled": event.decision.value, "by": event.by}
        if event.value is not None:
            found["result"] = _text(values, event.value)
        return found
    return {}


def _text(values: Values, value: Value, *, arguments: bool = False) -> str:
    """A value over several lines where it has parts, as JSON if it can be; as one line else."""
    try:
        found = None if arguments else values.read(value)
    except StrettoError:
        found = None
    if isinstance(found, str):
        return _cut(found)
    if isinstance(found, (list, dict)):
        text = as_json(found, indent=2)
        if text is not None:
            return _cut(text)
    return _cut(values.arguments(value) if arguments else values.text(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}… ({len(text):,} characters)"


def as_text(data: Any) -> str:
    """JSON without blanks; nothing in it can be taken for a tag where it stands in a page."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
