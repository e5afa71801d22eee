"""A run in the format of Chrome's traces, which Perfetto and chrome://tracing show.

Written as it goes, an event a line. Calls are complete events on as few threads as hold them without overlap;
an arrow goes from the call that another one waited for to that one; the critical path is a thread of its own.
The format is the "Trace Event Format" of the Chromium project, its JSON object form.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..engine.causes import SOFT
from .kinds import WAITS, kind_of
from .lanes import packed
from .paths import critical_path
from .timeline import Call, Timeline

__all__ = ["trace"]

_PROCESS = 1
#: The thread of the critical path; those of the calls follow.
_PATH = 1


def trace(timeline: Timeline, run: str) -> Iterator[str]:
    """The text of the trace, piece by piece."""
    yield '{"traceEvents":[\n'
    between = ""
    for event in _events(timeline, run):
        yield between + json.dumps(event, ensure_ascii=True, separators=(",", ":"))
        between = ",\n"
    about = {"run": run, "flow": timeline.flow, "state": timeline.state.value}
    yield f'\n],"displayTimeUnit":"ms","otherData":{json.dumps(about)}}}\n'


def _events(timeline: Timeline, run: str) -> Iterator[dict[str, Any]]:
    calls = sorted([*timeline.calls, *timeline.running], key=lambda call: call.started)
    lanes = packed((call.started, call.ended) for call in calls)
    thread = dict(zip(calls, lanes, strict=True))
    path = critical_path(timeline) if timeline.caused else []
    yield _named("process_name", _PROCESS, 0, f"{timeline.flow}, run {run}")
    if path:
        yield _named("thread_name", _PROCESS, _PATH, "critical path")
        yield _sorted(_PATH)
    for lane in range(max(lanes, default=-1) + 1):
        yield _named("thread_name", _PROCESS, _lane(lane), f"calls {lane + 1}")
        yield _sorted(_lane(lane))
    for time in timeline.resumed:
        yield {"ph": "i", "s": "p", "name": "taken up again", "pid": _PROCESS, "tid": _PATH, "ts": time}
    under_way = set(timeline.running)
    for call in calls:
        yield _slice(call, _lane(thread[call]), under_way=call in under_way)
    for step in path:
        call = step.call
        yield {
            "ph": "X", "name": call.short, "cat": "critical path", "pid": _PROCESS, "tid": _PATH,
            "ts": call.started, "dur": call.took, "args": {"place": call.place, "gap_us": step.gap},
        }  # fmt: skip
    number = 0
    for call in calls:
        last = call.last
        if last is None or call.site is None or call.unseen:
            continue
        number += 1
        how = {"name": WAITS[call.kind].word, "cat": "waits", "id": number, "pid": _PROCESS}
        # an arrow begins and ends in a slice: what ends at a moment is no longer there at that moment
        begins = max(last.ended - 1, last.started)
        yield {"ph": "s", **how, "tid": _lane(thread[last]), "ts": begins}
        yield {"ph": "f", "bp": "e", **how, "tid": _lane(thread[call]), "ts": max(call.started, begins)}


def _lane(lane: int) -> int:
    return _PATH + 1 + lane


def _named(what: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}


def _sorted(thread: int) -> dict[str, Any]:
    order = {"sort_index": thread}
    return {"ph": "M", "name": "thread_sort_index", "pid": _PROCESS, "tid": thread, "args": order}


def _slice(call: Call, thread: int, *, under_way: bool) -> dict[str, Any]:
    """A call. Times are in microseconds, as the format has them."""
    file, line = call.line
    args: dict[str, Any] = {"place": call.place, "function": call.name, "ready_us": call.ready}
    if file:
        args["line"] = f"{file}:{line}"
    if call.site is not None:
        args["effects"] = call.effects
        args["waited"] = WAITS[call.kind].word
        args["waited_us"] = call.started - call.ready
        args["avoidable"] = call.kind in SOFT
        if call.unseen or call.last is not None:
            args["waited_for"] = call.unseen or (call.last.place if call.last is not None else "")
        if call.needs:
            args["needs"] = [need.place for need in call.needs]
        if call.site.limit:
            args["limit"] = call.site.limit
        if call.site.way:
            args["way"] = call.site.way
    if call.attempts > 1:
        args["attempts"] = call.attempts
    if call.failed:
        args["failed"] = True
    if call.shared:
        args["taken_over"] = True
    if under_way:
        args["under_way"] = True
    found: dict[str, Any] = {
        "ph": "X", "name": call.short, "cat": kind_of(call.effects), "pid": _PROCESS, "tid": thread,
        "ts": call.started, "dur": call.took, "args": args,
    }  # fmt: skip
    if call.failed:
        found["cname"] = "terrible"  # red, in what knows the names of Chrome's colours
    return found
