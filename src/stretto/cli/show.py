"""``stretto show``: one run, and its calls as a tree in program order."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from stretto.journal.events import (
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Decision,
    Event,
    RunState,
    StreamReceived,
    now,
)
from stretto.journal.history import without_gc
from stretto.journal.leases import alive, describe
from stretto.journal.waits import read_wait
from stretto.observe.kinds import WAITS
from stretto.observe.trace import trace

from .because import timeline_of
from .chart import print_chart
from .execute import OK
from .listing import colour_of
from .load import UsageError
from .options import Given
from .output import Style
from .runs import as_fields, find_run, opened, state_of
from .times import ago, exact, iso, lasted
from .tree import DONE, DOUBT, FAILED, RECEIVED, SETTLED, UNDER_WAY, History, Node, fetch
from .values import Values, clean, dollars, shorten

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord

__all__ = ["show_run"]

#: How many calls are shown to people who have not said how many.
_SHOWN = 200

#: A wait that is shorter is not worth telling, in microseconds.
_LATE = 1000

#: Calls whose events are read together.
_TOGETHER = 10_000

#: A call's label is not given more room than this, so that there is some for what it returned.
_LABEL = 44

_COLOURS = {FAILED: "31", DOUBT: "33;1", SETTLED: "36", "running": "36"}

Line: TypeAlias = "tuple[int, str, str, Node]"


def show_run(given: Given) -> int:
    limit = given.number("--limit")
    with opened(given) as journal:
        record = find_run(journal, given.places[0])
        file = given.values.get("--html")
        if file is not None:
            return _as_file(journal, record, file, given)
        with without_gc():
            traced = given.values.get("--trace")
            if traced is not None:
                return _as_trace(journal, record, traced, given)
            if "--timeline" in given.flags:
                if given.json:
                    raise UsageError(
                        "--timeline is for people; for programs there are --json alone, and --trace FILE"
                    )
                print_chart(timeline_of(journal, record), record, limit)
                return OK
            shown = _Shown(journal, record, given, whole=given.json or limit is not None)
            if given.json:
                shown.as_json(limit)
            else:
                shown.as_text(limit or _SHOWN)
    return OK


def _as_file(journal: Journal, record: RunRecord, file: str, given: Given) -> int:
    from stretto.server.file import as_file

    text = as_file(journal, record.id)
    Path(file).write_text(text, encoding="utf-8")
    if given.json:
        print(json.dumps({"id": record.id, "file": file, "bytes": len(text.encode())}, ensure_ascii=False))
    else:
        print(
            f"{clean(record.id)} is in {file}, {len(text.encode()) / 1_000_000:.1f} MB: open it in a browser."
        )
    return OK


def _as_trace(journal: Journal, record: RunRecord, file: str, given: Given) -> int:
    timeline = timeline_of(journal, record)
    if file == "-":
        for piece in trace(timeline, record.id):
            sys.stdout.write(piece)
        return OK
    with open(file, "w", encoding="utf-8") as opened:
        opened.writelines(trace(timeline, record.id))
    calls = len(timeline.calls) + len(timeline.running)
    if given.json:
        print(json.dumps({"id": record.id, "file": file, "calls": calls}, ensure_ascii=False))
    else:
        where = "open it at ui.perfetto.dev, or in chrome://tracing"
        print(f"{calls:,} call{'s' * (calls != 1)} of {clean(record.id)} in {file}: {where}.")
    return OK


class _Shown:
    def __init__(self, journal: Journal, record: RunRecord, given: Given, *, whole: bool) -> None:
        self.journal = journal
        self.record = record
        self.given = given
        self.values = Values(journal)
        self.state = state_of(record)
        # Doubts may be anywhere, and are needed as soon as somebody can settle them.
        whole = whole or not (record.state.ended or self.state == RunState.RUNNING.value)
        self.history = History(journal, record.id, events=None if whole else record.events)

    # -- what holds for both -------------------------------------------------------------------------

    def call_state(self, node: Node) -> str:
        """A write that is intended is in doubt only once nobody runs it any more."""
        if node.state in (RECEIVED, UNDER_WAY) and self.state == RunState.RUNNING.value:
            return "running"
        if node.state != DOUBT:
            return node.state
        if self.history.read:  # how it ended may be among what was left out
            return "not read"
        return "running" if self.state == RunState.RUNNING.value else DOUBT

    def events(self, lines: Iterable[Line]) -> dict[int, Event]:
        """The events of those calls."""
        numbers = {n for *_, node in lines for n in node.events if n}
        return fetch(self.journal, self.record.id, numbers)

    def cost(self, node: Node, events: dict[int, Event]) -> float | None:
        """What a call has cost, in US dollars, if its result tells."""
        finished = _of(node, events)[1]
        return None if finished is None or finished.result is None else self.values.cost(finished.result)

    def settling(self, place: str) -> tuple[str, str] | None:
        """The two commands that settle a doubt, if there is anything to settle."""
        if self.record.state.ended or self.state == RunState.RUNNING.value:
            return None
        words = ("settle", self.record.id, place)
        return self.given.again(*words, "--done", "VALUE"), self.given.again(*words, "--retry")

    # -- for programs --------------------------------------------------------------------------------

    def as_json(self, limit: int | None) -> None:
        history = self.history
        head = as_fields(self.record)
        head.pop("calls")
        if history.started is not None:
            head |= self.values.json("arguments", history.started.arguments)
            head["forked_before"] = history.started.forked_before
        if history.ended is not None:
            for name, value in (("result", history.ended.result), ("error", history.ended.error)):
                if value is not None:
                    head |= self.values.json(name, value)
        head["resumed"] = history.times
        head["calls_left_out"] = 0 if limit is None else max(0, history.calls - limit)
        text = json.dumps(head, ensure_ascii=False, indent=2)
        print(text.removesuffix("\n}") + ',\n  "calls": [', end="")
        between, costs = "\n", list[float]()
        lines = islice((line for line in history.walk() if line[3].state), limit)
        while part := list(islice(lines, _TOGETHER)):
            events = self.events(part)
            for _, _, place, node in part:
                fields = self.fields(place, node, events)
                if "usd" in fields:
                    costs.append(fields["usd"])
                print(between + "    " + json.dumps(fields, ensure_ascii=False), end="")
                between = ",\n"
        usd = json.dumps(sum(costs)) if costs else "null"
        print(("\n  ]" if history.calls else "]") + f',\n  "usd": {usd}\n}}')

    def fields(self, place: str, node: Node, events: dict[int, Event]) -> dict[str, Any]:
        intended, finished, settled, received, started = _of(node, events)
        last = finished or intended or settled or received or started
        assert last is not None
        state = self.call_state(node)
        found: dict[str, Any] = {"place": place, "call": last.call, "state": state}
        if intended is not None:
            found |= {"key": intended.key, "intended": iso(intended.time), "attempt": intended.attempt}
            found |= self.values.json("arguments", intended.arguments)
        if finished is not None:
            if finished.arguments is not None:
                found |= self.values.json("arguments", finished.arguments)
            found |= {
                "attempt": finished.attempt,
                "ready": iso(finished.ready),
                "started": iso(finished.started),
            }
            found |= {
                "ended": iso(finished.ended),
                "seconds": (finished.ended - finished.started) / 1_000_000,
            }
            wait = read_wait(finished.waited_for)
            found["waited"] = None if wait is None else wait.kind
            found["waited_for"] = finished.waited_for if wait is None else wait.last
            if wait is not None and wait.site.way:
                found["way"] = wait.site.way
            found["line"] = None if wait is None else f"{wait.site.file}:{wait.site.line}"
            for name, value in (("result", finished.result), ("error", finished.error)):
                if value is not None:
                    found |= self.values.json(name, value)
            cost = self.cost(node, events)
            if cost is not None:
                found["usd"] = cost
        if settled is not None:
            found["settled"] = {"decision": settled.decision, "by": settled.by, "time": iso(settled.time)}
            if settled.value is not None and finished is None:
                found |= self.values.json("result", settled.value)
        if node.state == RECEIVED and received is not None:
            found["received"] = _count(received)
        if finished is None and started is not None:
            found |= {"attempt": started.attempt, "started": iso(started.started)}
        commands = self.settling(place) if state == DOUBT else None
        if commands is not None:
            found["settle"] = {"done": commands[0], "retry": commands[1]}
        return found

    # -- for people ----------------------------------------------------------------------------------

    def as_text(self, limit: int) -> None:
        style = Style(sys.stdout)
        width = shutil.get_terminal_size((120, 24)).columns
        lines = list(_first(self.history.walk(), limit))
        events = self.events(lines)
        count = sum(bool(node.state) for *_, node in lines)
        left_out = (self.record.calls if self.history.read else self.history.calls) - count
        costs = [cost for *_, node in lines if (cost := self.cost(node, events)) is not None]
        for name, text, code in self.head():
            print(f"{style.dim(f'{name:<10}')}{style(code, shorten(text, width - 10))}")
        if costs:
            of = " (of the calls shown)" if left_out > 0 else ""
            print(f"{style.dim('cost      ')}{dollars(sum(costs))}{of}")
        if lines:
            print()
        room = min(_LABEL, max((2 * depth + len(label) for depth, label, _, _ in lines), default=0))
        told: set[str] = set()
        for depth, label, place, node in lines:
            label = "  " * depth + clean(label)
            if not node.state:
                print(style.dim(label))
                continue
            state = self.call_state(node)
            took, says, waited = self.says(node, events)
            left = width - max(room, len(label)) - 24 - len(waited)
            said = shorten(says, left) + style.dim(waited)
            coloured = style(_COLOURS.get(state, "0"), f"{state:<8}")
            print(f"{label:<{room}}  {coloured}  {took:>10}  {said}".rstrip())
            if state == DOUBT:
                told.add(place)
                self.tell_settling(place, style)
        if left_out > 0:
            print(style.dim(f"... and {left_out:,} more calls; --limit N shows more of them"))
        if self.history.read:
            print(
                style.dim(
                    f"Only the first {self.history.read:,} of {self.record.events:,} events were read; "
                    "with --limit N, all are."
                )
            )
        self.tell_other_doubts(told, style)

    def tell_settling(self, place: str, style: Style) -> None:
        commands = self.settling(place)
        if commands is not None:
            print(f"    if it happened:      {style.cyan(commands[0])}")
            print(f"    if not, or if again: {style.cyan(commands[1])}")

    def tell_other_doubts(self, told: set[str], style: Style) -> None:
        """Doubts are never left out."""
        others = [place for place in self.history.doubts if place not in told]
        if self.state == RunState.RUNNING.value or self.record.state.ended or not others:
            return
        print(f"\nAlso in doubt, and not shown above: {len(others):,}")
        for place in others[:_SHOWN]:
            print(clean(place))
            self.tell_settling(place, style)

    def head(self) -> Iterator[tuple[str, str, str]]:
        """Name, text, colour."""
        record, history, current = self.record, self.history, now()
        yield "run", clean(record.id), "1"
        yield "flow", clean(record.flow), "0"
        yield "state", self.state, colour_of(self.state)
        took = ""
        if record.ended is not None:
            took = f", took {lasted(record.ended - record.started)}"
        yield "started", f"{exact(record.started)} ({ago(record.started, current)}){took}", "0"
        if history.resumed is not None:
            times = "once" if history.times == 1 else f"{history.times} times, the last time"
            yield "resumed", f"{times} at {exact(history.resumed.time)}", "0"
        if record.forked_from is not None:
            before = history.started.forked_before if history.started else None
            yield "forked", clean(f"from {record.forked_from}" + (f" before {before}" if before else "")), "0"
        if record.owner is not None:
            gone = {True: "", False: ", which is gone", None: ", which may be alive"}[alive(record.owner)]
            yield "owner", clean(describe(record.owner) + gone), "0"
        if history.started is not None:
            yield "arguments", self.values.arguments(history.started.arguments), "0"
        if history.ended is not None and history.ended.result is not None:
            yield "result", self.values.text(history.ended.result), "0"
        if history.ended is not None and history.ended.error is not None:
            yield "error", self.values.text(history.ended.error), "31"
        doubts = f", {len(history.doubts):,} in doubt" if self.state != RunState.RUNNING.value else ""
        count = record.calls if history.read else history.calls
        yield "calls", f"{count:,}{doubts if history.doubts and not history.read else ''}", "0"

    def says(self, node: Node, events: dict[int, Event]) -> tuple[str, str, str]:
        """How long a call took, what came of it, and what it waited for."""
        intended, finished, settled, received, _ = _of(node, events)
        says, took, waited = "", "", ""
        if intended is not None:
            says = self.values.arguments(intended.arguments)
        if finished is not None:
            if finished.arguments is not None:
                says = self.values.arguments(finished.arguments)
            took = lasted(finished.ended - finished.started)
            if node.state in (DONE, FAILED):
                values = [value for value in (finished.result, finished.error) if value is not None]
                says += "".join([f" → {self.values.text(value)}" for value in values])
            cost = self.cost(node, events)
            if cost is not None:
                waited += f"  {dollars(cost)}"
            if finished.attempt > 1:
                waited += f"  attempt {finished.attempt}"
            late = finished.started - finished.ready
            wait = read_wait(finished.waited_for)
            if wait is not None and wait.site.way:
                waited += clean(f"  by {shorten(wait.site.way, _LABEL)}")
            if finished.waited_for and late >= _LATE:
                what = finished.waited_for if wait is None else WAITS[wait.kind].short
                waited += "  " + shorten(clean(f"waited {lasted(late)} for {what}"), 48)
        if received is not None and node.state == RECEIVED:
            count = _count(received)
            says = f"{count} {'item' if count == 1 else 'items'} so far"
        if settled is not None and node.state == SETTLED:
            if settled.decision is Decision.DONE and settled.value is not None:
                says += f" → {self.values.text(settled.value)}"
            what = "done" if settled.decision is Decision.DONE else "to be run again"
            waited += clean(f"  {what}, said {settled.by}")
        return took, says.strip(), waited


def _first(lines: Iterator[Line], calls: int) -> Iterator[Line]:
    """Lines up to that many calls."""
    for line in lines:
        if line[3].state:
            calls -= 1
        yield line
        if calls == 0:
            return


def _of(
    node: Node, events: dict[int, Event]
) -> tuple[
    CallIntended | None, CallFinished | None, CallSettled | None, StreamReceived | None, CallStarted | None
]:  # fmt: skip
    intended, finished, settled, received, started = (events.get(n) for n in node.events)
    return (
        intended if isinstance(intended, CallIntended) else None,
        finished if isinstance(finished, CallFinished) else None,
        settled if isinstance(settled, CallSettled) else None,
        received if isinstance(received, StreamReceived) else None,
        started if isinstance(started, CallStarted) else None,
    )


def _count(received: StreamReceived) -> int:
    """How many items of a stream are on record."""
    return received.first + received.count
