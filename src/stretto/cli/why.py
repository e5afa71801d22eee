"""``stretto explain RUN``: where the time of a run went."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stretto.engine.causes import LIMIT, SOFT
from stretto.journal.history import without_gc
from stretto.observe import RunExplanation
from stretto.observe.kinds import INSIDE, WAITS
from stretto.observe.places import Line

from .execute import OK
from .options import Given
from .output import Style
from .runs import find_run, opened, state_of
from .times import lasted
from .values import clean, shorten

if TYPE_CHECKING:
    from stretto.observe.paths import Step
    from stretto.observe.places import Place
    from stretto.observe.timeline import Call, Timeline

__all__ = ["OLD", "chain", "earlier", "explain_recorded", "named", "report", "waited_for"]

#: A critical path of more calls than this is shown without its short ones.
_SHOWN = 12

#: Of a run that tells no causes.
OLD = "What calls waited for is not recorded: the run is of an older version of Stretto."


def explain_recorded(given: Given) -> int:
    with opened(given) as journal:
        record = find_run(journal, given.places[0])
        with without_gc():
            found = RunExplanation(record.id, (event for _, event in journal.events(record.id)))
        if given.json:
            print(json.dumps(found.as_json(), ensure_ascii=False, indent=2))
        else:
            width = min(shutil.get_terminal_size((80, 24)).columns, 80)
            for line in report(found, state_of(record), width, Style(sys.stdout)):
                print(line.rstrip())
    return OK


def report(found: RunExplanation, state: str, width: int, style: Style) -> Iterator[str]:
    """What people read of it, line by line."""
    timeline = found.timeline
    yield f"{style('1', clean(timeline.flow))}, run {clean(found.run)}: {state}"
    yield ""
    calls = len(timeline.calls)
    count = f"{calls:,} call" + "s" * (calls != 1)
    yield f"  one by one     {lasted(found.sequential):>8}   {style.dim(f'{count}; own code is not counted')}"
    times = f"{found.sequential / found.took:.1f} times as fast" if 0 < found.took < found.sequential else ""
    yield f"  as it was      {style('1', f'{lasted(found.took):>8}')}   {style.dim(times)}"
    if found.ideal is not None:
        yield f"  at best        {lasted(found.ideal):>8}   {style.dim('if only results were waited for')}"
    if timeline.resumed:
        often = "once" if len(timeline.resumed) == 1 else f"{len(timeline.resumed)} times"
        yield style.dim(
            f"  interrupted {often}: the {lasted(timeline.away)} in which nobody ran it are left out"
        )
    if timeline.shared:
        yield style.dim(f"  {timeline.shared:,} calls were taken over from the run that it was forked from")
    if not calls:
        return
    if not timeline.caused:
        yield ""
        yield from textwrap.wrap(f"{OLD} So there is no critical path to tell.", width)
        return
    yield ""
    yield from _path(found, width, style)
    yield ""
    yield from _places(found.places, width, style)


def _path(found: RunExplanation, width: int, style: Style) -> Iterator[str]:
    yield style("1", "Critical path") + style.dim(": each call waited for something of the one above")
    yield from chain(found.timeline, found.path, found.took, width, style)
    tail = found.took - found.path[-1].call.ended
    if tail > _small(found.took):
        yield style.dim(f"  {'':>8}  {lasted(tail):>8}  until the end of the flow")


def _small(took: int) -> int:
    """Less than that is not worth a line."""
    return max(took // 100, 1_000)


def chain(timeline: Timeline, path: Sequence[Step], took: int, width: int, style: Style) -> Iterator[str]:
    """Calls of which each waited for the one before it, as a table."""
    shown = _longest(path)
    small = _small(took)
    names = {index: named(path[index].call) for index in shown}
    room = min(max([4, *map(len, names.values())]), width - 50)
    yield style.dim(f"  {'at':>8}  {'took':>8}  {'call':<{room}}  waited for")
    skipped: list[Step] = []
    for index, step in enumerate(path):
        if index not in names:
            skipped.append(step)
            continue
        if skipped:
            yield _left_out(skipped, style)
            skipped = []
        call = step.call
        if step.gap > small:
            yield style.dim(f"  {'':>8}  {lasted(step.gap):>8}  {_gap(timeline, step)}")
        why = shorten(waited_for(call), max(width - room - 24, 8))
        text = f"  {lasted(call.started):>8}  {lasted(call.took):>8}  {shorten(names[index], room):<{room}}  "
        yield text + (style("33", why) if call.kind in SOFT or call.kind == INSIDE else style.dim(why))
    if skipped:
        yield _left_out(skipped, style)


def waited_for(call: Call) -> str:
    """What a call waited for last, in a few words."""
    why = WAITS[call.kind].short
    return clean(f"{why}: {call.unseen.rpartition('/')[2]}" if call.unseen else why)


def _longest(path: Sequence[Step]) -> list[int]:
    """The steps that are shown: the first, the last and the longest."""
    if len(path) <= _SHOWN:
        return list(range(len(path)))
    by_length = sorted(range(len(path)), key=lambda index: -(path[index].call.took + path[index].gap))
    return sorted({0, len(path) - 1, *by_length[: _SHOWN - 2]})


def named(call: Call) -> str:
    """A call, and the line where it stands."""
    file, line = call.line
    where = f" {os.path.basename(file)}:{line}" if file else ""
    return clean(f"{call.short}{where}")


def _left_out(steps: Sequence[Step], style: Style) -> str:
    time = sum(step.call.took + step.gap for step in steps)
    return style.dim(f"  {'':>8}  {lasted(time):>8}  {len(steps):,} more call{'s' * (len(steps) != 1)}")


def _gap(timeline: Timeline, step: Step) -> str:
    start, end = step.call.started - step.gap, step.call.started
    if any(start <= time <= end for time in timeline.resumed):
        return "interrupted, and what was under way lost"
    call = step.call
    if call.own is not None:
        return f"{clean(call.unseen.rpartition('/')[2])} {Line(call.own.file, call.own.line)} (own code)"
    if call.kind == LIMIT:
        return "no call of the path: a rate, or calls of other runs"
    return "no call of the path: own code, or waiting for the disk"


def _places(places: Sequence[Place], width: int, style: Style) -> Iterator[str]:
    if not places:
        yield "No line cost much."
        return
    yield style("1", "What cost most")
    for number, place in enumerate(places, 1):
        share = f"{lasted(place.path_time)} on the path"
        if place.on_path > 1:
            share += f" in {place.on_path:,} calls"
        saved = f"{_would(place)} save {lasted(place.saving)}" if place.saving else "nothing to declare"
        yield from _place(number, place, share, saved, width, style)


def earlier(places: Sequence[Place], width: int, style: Style) -> Iterator[str]:
    """What would have let a call start earlier."""
    for number, place in enumerate(places, 1):
        yield from _place(
            number,
            place,
            "",
            f"{lasted(place.saving)} earlier{'' if place.calls else ', maybe'}",
            width,
            style,
        )


def _would(place: Place) -> str:
    return "would" if place.calls else "may"  # what code that becomes a call waits for, who knows


def _place(number: int, place: Place, share: str, saved: str, width: int, style: Style) -> Iterator[str]:
    title = f"{number}. {clean(place.name)}, {place.line}"
    space = " " * max(width - len(title) - len(share) - len(saved) - 6, 1)
    yield f"{style('1', title)}  {share}{space}{style('32' if place.saving else '2', saved)}"
    yield from textwrap.wrap(place.says, width, initial_indent="   ", subsequent_indent="   ")
    if place.remedy:
        yield from (
            style.cyan(line)
            for line in textwrap.wrap(place.remedy, width, initial_indent="   ", subsequent_indent="   ")
        )
        if place.change is not None:
            yield _quoted(place.change, width, style)


def _quoted(line: Line, width: int, style: Style) -> str:
    text = f"   {_near(line.file)}:{line.number}"
    if len(text) > width * 2 // 3:
        text = f"   {line}"
    return text + style.dim(f"  {shorten(clean(line.text), width - len(text) - 2)}" if line.text else "")


def _near(file: str) -> str:
    """A path as one would write it here."""
    here = os.path.relpath(file) if os.path.isabs(file) else file
    return file if here.startswith("..") else here
