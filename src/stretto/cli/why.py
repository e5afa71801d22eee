"""``stretto explain RUN``: where the time of a run went."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stretto.engine.causes import CERTAIN, CONTROL, DATA, EFFECT, LIMIT, ORDER, ROOM, SOFT, START
from stretto.journal.history import without_gc
from stretto.observe import RunExplanation
from stretto.observe.places import Line
from stretto.observe.timeline import INSIDE

from .execute import OK
from .options import Given
from .output import Style
from .runs import find_run, opened, state_of
from .times import lasted
from .values import clean, shorten

if TYPE_CHECKING:
    from stretto.observe.paths import Step
    from stretto.observe.places import Place

__all__ = ["WHY", "explain_recorded", "report"]

#: A critical path of more calls than this is shown without its short ones.
_SHOWN = 12

#: What calls wait for, by how they do.
WHY = {
    START: "",
    DATA: "its result",
    CONTROL: "what its result decides",
    EFFECT: "what it may change",
    ORDER: "its turn",
    CERTAIN: "what may still fail",
    LIMIT: "a free place",
    ROOM: "room in the flow",
    INSIDE: "code run as a whole",
}


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
        yield from textwrap.wrap(
            "What calls waited for is not recorded: the run is of an older version of Stretto. So there is "
            "no critical path to tell.", width,
        )  # fmt: skip
        return
    yield ""
    yield from _path(found, width, style)
    yield ""
    yield from _places(found.places, width, style)


def _path(found: RunExplanation, width: int, style: Style) -> Iterator[str]:
    path = found.path
    yield style("1", "Critical path") + style.dim(": each call waited for something of the one above")
    shown = _longest(path)
    small = max(found.took // 100, 1_000)
    names = {index: _named(path[index]) for index in shown}
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
            yield style.dim(f"  {'':>8}  {lasted(step.gap):>8}  {_gap(found, step)}")
        why = clean(WHY[call.kind])
        if call.unseen:
            why = f"{why}: {clean(call.unseen.rpartition('/')[2])}"
        why = shorten(why, max(width - room - 24, 8))
        text = f"  {lasted(call.started):>8}  {lasted(call.took):>8}  {shorten(names[index], room):<{room}}  "
        yield text + (style("33", why) if call.kind in SOFT or call.kind == INSIDE else style.dim(why))
    if skipped:
        yield _left_out(skipped, style)
    tail = found.took - path[-1].call.ended
    if tail > small:
        yield style.dim(f"  {'':>8}  {lasted(tail):>8}  until the end of the flow")


def _longest(path: Sequence[Step]) -> list[int]:
    """The steps that are shown: the first, the last and the longest."""
    if len(path) <= _SHOWN:
        return list(range(len(path)))
    by_length = sorted(range(len(path)), key=lambda index: -(path[index].call.took + path[index].gap))
    return sorted({0, len(path) - 1, *by_length[: _SHOWN - 2]})


def _named(step: Step) -> str:
    file, line = step.call.line
    where = f" {os.path.basename(file)}:{line}" if file else ""
    return clean(f"{step.call.short}{where}")


def _left_out(steps: Sequence[Step], style: Style) -> str:
    time = sum(step.call.took + step.gap for step in steps)
    return style.dim(f"  {'':>8}  {lasted(time):>8}  {len(steps):,} more call{'s' * (len(steps) != 1)}")


def _gap(found: RunExplanation, step: Step) -> str:
    start, end = step.call.started - step.gap, step.call.started
    if any(start <= time <= end for time in found.timeline.resumed):
        return "interrupted, and what was under way lost"
    wait = step.call.wait
    if wait is not None and wait.own is not None:
        return f"{clean(wait.last.rpartition('/')[2])} {Line(wait.own.file, wait.own.line)} (own code)"
    if wait is not None and wait.kind == LIMIT:
        return "no call of the path: a rate, or calls of other runs"
    return "no call of the path: own code, or waiting for the disk"


def _places(places: Sequence[Place], width: int, style: Style) -> Iterator[str]:
    if not places:
        yield "No line cost much."
        return
    yield style("1", "What cost most")
    for number, place in enumerate(places, 1):
        title = f"{number}. {clean(place.name)}, {place.line}"
        share = f"{lasted(place.path_time)} on the path"
        if place.on_path > 1:
            share += f" in {place.on_path:,} calls"
        would = (
            "would save" if place.calls else "may save"
        )  # what code that becomes a call waits for, who knows
        saved = f"{would} {lasted(place.saving)}" if place.saving else "nothing to declare"
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
