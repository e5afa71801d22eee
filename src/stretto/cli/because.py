"""``stretto why RUN CALL``: why a call started when it did."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from stretto.engine.causes import SOFT, START
from stretto.journal.events import RunState
from stretto.journal.history import the_only, without_gc
from stretto.observe.kinds import INSIDE, WAITS
from stretto.observe.timeline import Call, Timeline
from stretto.observe.why import Why

from .execute import OK
from .options import Given
from .output import Style
from .runs import find_run, opened, state_of
from .times import lasted
from .values import clean
from .why import OLD, chain, earlier, named, waited_for

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord

__all__ = ["timeline_of", "why_call"]

#: So many of the results that a call needed are told.
_NEEDS = 8


def timeline_of(journal: Journal, record: RunRecord) -> Timeline:
    """The calls of a run in time."""
    return Timeline(event for _, event in journal.events(record.id))


def why_call(given: Given) -> int:
    run, name = given.places
    with opened(given) as journal, without_gc():
        record = find_run(journal, run)
        timeline = timeline_of(journal, record)
        found = timeline.named(name)
        why = Why(timeline, found[the_only([call.place for call in found], name, record.id)])
    if given.json:
        fields = {"run": record.id, "flow": record.flow, "state": state_of(record), **why.as_json()}
        print(json.dumps(fields, ensure_ascii=False, indent=2))
        return OK
    width = min(shutil.get_terminal_size((80, 24)).columns, 100)
    for line in _report(why, record, given, width, Style(sys.stdout)):
        print(line.rstrip())
    return OK


def _report(why: Why, record: RunRecord, given: Given, width: int, style: Style) -> Iterator[str]:
    call = why.call
    yield f"{style('1', named(call))} of {clean(record.flow)}, run {clean(record.id)}"
    yield style.dim(f"  {clean(call.place)}")
    yield ""
    if call.shared:
        yield "It was taken over from the run that this one was forked from; why it started when it did:"
        yield f"\n    {style.cyan(given.again('why', record.forked_from or 'RUN', call.place))}"
        return
    for name, text in _times(why, record):
        yield f"  {style.dim(f'{name:<12}')}{text}"
    if not why.recorded:
        yield ""
        said = OLD
        if why.under_way:
            said = "What it waited for is recorded when it ends, or has run for a while."
        elif why.timeline.caused:
            said = f"It was made by {WAITS[INSIDE].short}, and waited for what that did before."
        yield from textwrap.wrap(said, width)
    if len(why.path) > 1 or call.site is not None:
        yield ""
        yield style("1", "How it came to that") + style.dim(
            ": each call waited for something of the one above"
        )
        yield from chain(why.timeline, why.path, call.started, width, style)
    if why.remedies:
        yield ""
        yield style("1", "What would have let it start earlier")
        yield from earlier(why.remedies, width, style)
    elif call.site is not None:
        yield ""
        if call.kind == START:
            yield "It waited for nothing: the program came to it when it began."
        elif any(step.call.kind in SOFT for step in why.path):
            yield "No single declaration would have let it start earlier."
        else:
            yield "Nothing to declare would have let it start earlier: it hung on all these results."


def _times(why: Why, record: RunRecord) -> Iterator[tuple[str, str]]:
    """Name, text."""
    call = why.call
    if call.effects:
        yield "declared", clean(call.effects)
    needs = sorted(call.needs, key=lambda need: -need.ended)
    for index, need in enumerate(needs[:_NEEDS]):
        yield (
            "" if index else "needed",
            f"{named(need)}, which came at {lasted(need.ended)}  {clean(need.place)}",
        )
    if len(needs) > _NEEDS:
        yield "", f"and {len(needs) - _NEEDS} more results"
    if call.site is not None:
        yield "could start", f"at {lasted(call.ready)}"
    late = f", {lasted(why.waited)} later" if why.waited >= 1000 else ""
    yield "started", f"at {lasted(call.started)}{late}{_said(call)}"
    times = f", in {call.attempts} attempts" if call.attempts > 1 else ""
    how = "and raised" if call.failed else "and came back"
    if not why.under_way:
        yield "took", f"{lasted(call.took)}{times}, {how}"
    elif state_of(record) == RunState.RUNNING.value:
        yield "runs", f"for {lasted(call.took)} so far{times}"
    else:
        yield "never ended", "nothing of it is recorded since"


def _said(call: Call) -> str:
    """How it waited, and on whose end."""
    said = waited_for(call)
    if call.site is None or not said:
        return ""
    of = f" ({named(call.last)})" if call.last is not None and not call.unseen else ""
    return f"; it waited for {said}{of}"
