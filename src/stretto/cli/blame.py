"""``stretto blame RUN``: where the failure of a run began, and what led to it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stretto.journal.codecs import Sealed
from stretto.journal.codecs.view import kind_and_message
from stretto.journal.events import CallFinished, CallIntended, Event, RunState
from stretto.journal.history import without_gc
from stretto.observe.blame import Blame, causes
from stretto.observe.explained import seconds, told

from .execute import OK
from .options import Given
from .output import Style
from .runs import find_run, opened, state_of
from .times import lasted
from .tree import fetch
from .values import Values, clean, given_to, said, shorten
from .why import named

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord
    from stretto.observe.timeline import Call

__all__ = ["blame_run"]

#: So many calls of a kind are told one by one.
_SHOWN = 8

#: How an exception came of another one.
_HOW = {"": "", "from": "from ", "while": "while handling ", "in": "in it: "}


def blame_run(given: Given) -> int:
    with opened(given) as journal, without_gc():
        record = find_run(journal, given.places[0])
        told = _Told(journal, record)
        if given.json:
            print(json.dumps(told.as_json(), ensure_ascii=False, indent=2))
        else:
            width = min(shutil.get_terminal_size((100, 24)).columns, 120)
            for line in told.as_text(given, width, Style(sys.stdout)):
                print(line.rstrip())
    return OK


class _Told:
    def __init__(self, journal: Journal, record: RunRecord) -> None:
        self.record = record
        self.values = Values(journal)
        events = journal.events(record.id) if record.state is RunState.FAILED else ()
        blame = self.blame = Blame(events, self.values.read)
        shown = [*blame.calls, *(given.call for given in blame.values), *blame.cancelled[:_SHOWN]]
        numbers = {number for call in shown for number in blame.numbers.get(call.place, ()) if number}
        self.events = fetch(journal, record.id, numbers)

    def of(self, call: Call) -> tuple[CallIntended | None, CallFinished | None]:
        """Its last events that are shown."""
        found: list[Event | None] = [self.events.get(n) for n in self.blame.numbers.get(call.place, (0, 0))]
        intended, finished = found
        return (
            intended if isinstance(intended, CallIntended) else None,
            finished if isinstance(finished, CallFinished) else None,
        )

    # -- for programs --------------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        blame, record = self.blame, self.record
        found: dict[str, Any] = {
            "run": record.id, "flow": record.flow, "state": state_of(record), "failed": blame.failed,
        }  # fmt: skip
        if not blame.failed:
            return found
        if blame.outcome is not None:
            found |= self.values.json("error", blame.outcome)
        if blame.error is not None:
            found["raised"] = [
                {"type": kind, "message": message, "notes": _notes(error)}
                for _, error in causes(blame.error)
                for kind, message in [kind_and_message(error)]
            ]
        found["calls"] = [self.fields(call) for call in blame.calls]
        found["alike"] = blame.alike
        found["values"] = [{"depth": each.depth, **self.fields(each.call)} for each in blame.values]
        found["values_left_out"] = blame.left_out
        found["handled"] = [self.fields(call) for call in blame.handled]
        found["cancelled"] = [told(call) for call in blame.cancelled]
        found["for_nothing"] = [told(call) for call in blame.for_nothing]
        found["for_nothing_seconds"] = seconds(sum(call.took for call in blame.for_nothing))
        return found

    def fields(self, call: Call) -> dict[str, Any]:
        found = told(call)
        intended, finished = self.of(call)
        given = given_to(intended, finished)
        if given is not None:
            found |= self.values.json("arguments", given)
        if finished is not None and finished.result is not None:
            found |= self.values.json("result", finished.result)
        error = self.blame.error_of(call)
        return found if error is None else found | self.values.json("error", error)

    # -- for people ----------------------------------------------------------------------------------

    def as_text(self, given: Given, width: int, style: Style) -> Iterator[str]:
        blame, record = self.blame, self.record
        state = state_of(record)
        yield f"{style('1', clean(record.flow))}, run {clean(record.id)}: {state}"
        if not blame.failed:
            yield ""
            yield f"It has not failed.{_instead(state, given, record)}"
            return
        if blame.error is not None:
            for how, error in causes(blame.error):
                text = shorten(f"{_HOW[how]}{said(error)}", width - 2)
                yield "  " + (text if how else style.red(text))
                yield from (style.dim(shorten(f"    {clean(note)}", width)) for note in _notes(error))
        elif blame.outcome is not None:
            yield "  " + style.red(shorten(self.values.text(blame.outcome), width - 2))
        yield ""
        yield from self.origin(width, style)
        if blame.values:
            yield ""
            yield style("1", "What led to it") + style.dim(": results that it needed, and what these needed")
            for each in blame.values:
                yield self.line(each.call, width, style, each.depth)
            if blame.left_out:
                yield style.dim(f"  and {blame.left_out:,} more")
        yield from self.several(
            "Other calls that failed, and were not what it failed with", blame.handled, width, style
        )
        yield from self.several("Cancelled for it: calls that had begun", blame.cancelled, width, style)
        lost = lasted(sum(call.took for call in blame.for_nothing))
        title = f"Ended for nothing: calls that come later in the program, {lost} together"
        yield from self.several(title, blame.for_nothing, width, style)

    def origin(self, width: int, style: Style) -> Iterator[str]:
        """Where it began."""
        blame = self.blame
        if not blame.calls:
            yield "No call that is recorded raised that: it came from the flow's own code, or from Stretto."
            return
        yield style("1", "Where it began")
        for index, call in enumerate(blame.calls):
            if index:
                yield style("1", "While that was handled, or from it")
            yield f"  {style('1', named(call))}  {style.dim(clean(call.place))}"
            given = given_to(*self.of(call))
            if given is not None:
                yield "    " + shorten(self.values.arguments(given), width - 4)
            error = blame.error_of(call)
            if error is not None:
                yield "    " + style("31", shorten(self.values.text(error), width - 4))
            attempts = f", in the last of {call.attempts} attempts" if call.attempts > 1 else ""
            yield f"    at {lasted(call.ended)}, after {lasted(call.took)}{attempts}"
        if blame.alike:
            yield style.dim(f"  {blame.alike:,} more raised the same")

    def several(self, title: str, calls: Sequence[Call], width: int, style: Style) -> Iterator[str]:
        if not calls:
            return
        yield ""
        yield style("1", title)
        for call in calls[:_SHOWN]:
            yield self.line(call, width, style, 1)
        if len(calls) > _SHOWN:
            yield style.dim(f"  and {len(calls) - _SHOWN:,} more")

    def line(self, call: Call, width: int, style: Style, depth: int) -> str:
        """A call, where it stands, how long it took, and what came of it."""
        label = f"{'  ' * depth}{named(call)}"
        said_ = f"{label}  {style.dim(clean(call.place))}  {lasted(call.took)}"
        plain = len(label) + len(clean(call.place)) + len(lasted(call.took)) + 4
        _, finished = self.of(call)
        error = self.blame.error_of(call)
        value = error if error is not None else finished.result if finished is not None else None
        return said_ if value is None else f"{said_}  → {shorten(self.values.text(value), width - plain - 4)}"


def _notes(error: BaseException | Sealed) -> list[str]:
    notes: Any = getattr(error, "__notes__", None) or ()
    return [str(note) for note in notes]


def _instead(state: str, given: Given, record: RunRecord) -> str:
    """What may be asked of a run that has not failed."""
    if state == RunState.SUCCEEDED.value:
        return ""
    if state == RunState.IN_DOUBT.value:
        return f" It stopped, since nobody knows whether a write happened: {given.again('show', record.id)}"
    if state == RunState.CANCELLED.value:
        return " It was cancelled."
    return f" What it has done so far: {given.again('show', record.id)}"
