"""``stretto diff RUN1 RUN2``: where two runs part."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stretto.journal.events import CallFinished, CallSettled, Event
from stretto.journal.history import without_gc
from stretto.observe.differ import ARGUMENTS, CALL, ENDED, ERROR, ONLY, RESULT, Difference, Differences

from .execute import OK
from .options import Given
from .output import Style
from .runs import as_fields, find_run, opened, state_of
from .tree import fetch
from .values import Values, clean, given_to, shorten

if TYPE_CHECKING:
    from stretto.journal import Journal, RunRecord

__all__ = ["DIFFERENT", "TROUBLE", "diff_runs"]

#: As those of diff are: with what a command ends that has found differences, and one that could not look.
DIFFERENT, TROUBLE = 1, 2

#: So many differences are told to people, and so many to programs with what the journal has of them.
_SHOWN, _DECODED = 10, 1000

#: How two operations differ, in words.
_HOW = {
    CALL: "another function is called", ARGUMENTS: "other arguments", RESULT: "another result",
    ERROR: "it failed, or failed otherwise", ENDED: "it ended in one of them only", ONLY: "in one only",
}  # fmt: skip


def diff_runs(given: Given) -> int:
    with opened(given) as journal, without_gc():
        told = _Told(journal, [find_run(journal, name) for name in given.places])
        if given.json:
            print(json.dumps(told.as_json(), ensure_ascii=False, indent=2))
        else:
            width = min(shutil.get_terminal_size((100, 24)).columns, 120)
            for line in told.as_text(width, Style(sys.stdout)):
                print(line.rstrip())
    return OK if told.differences.equal else DIFFERENT


class _Told:
    def __init__(self, journal: Journal, records: list[RunRecord]) -> None:
        self.journal = journal
        self.records = records
        self.values = Values(journal)
        self.differences = Differences(
            lambda number: journal.events(records[number].id), lambda _, digest: journal.get_blob(digest)
        )

    def events(self, differences: list[Difference]) -> tuple[dict[int, Event], dict[int, Event]]:
        """What the two runs have recorded of those."""
        first, second = (
            fetch(
                self.journal, record.id,
                {number for each in differences for number in each.numbers[side] if number},
            )
            for side, record in enumerate(self.records)
        )  # fmt: skip
        return first, second

    # -- for programs --------------------------------------------------------------------------------

    def as_json(self) -> dict[str, Any]:
        found = self.differences
        shown = found.found[:_DECODED]
        events = self.events(shown)
        return {
            "runs": [as_fields(record) for record in self.records],
            "equal": found.equal,
            "same": {"flow": found.flow, "arguments": found.arguments, "outcome": found.outcome},
            "operations": found.counts(),
            "parted": self.parted(),
            "differences": [self.fields(each, events) for each in shown],
            "differences_left_out": len(found.found) - len(shown),
        }

    def parted(self) -> dict[str, str] | None:
        """Where one of the two was forked from the other."""
        for side, (record, other) in enumerate((self.records, self.records[::-1])):
            started = self.differences.sides[side].started
            if record.forked_from == other.id and started is not None and started.forked_before is not None:
                return {"run": record.id, "forked_from": other.id, "before": started.forked_before}
        return None

    def fields(self, each: Difference, events: tuple[dict[int, Event], dict[int, Event]]) -> dict[str, Any]:
        file, line = each.line
        runs: list[dict[str, Any] | None] = []
        for numbers, known in zip(each.numbers, events, strict=True):
            begun, ended = (known.get(number) for number in numbers)
            told: dict[str, Any] = {}
            given = given_to(begun, ended)
            if given is not None:
                told |= self.values.json("arguments", given)
            if isinstance(ended, CallFinished):
                for name, value in (("result", ended.result), ("error", ended.error)):
                    if value is not None:
                        told |= self.values.json(name, value)
            elif isinstance(ended, CallSettled) and ended.value is not None:
                told |= self.values.json("result", ended.value)
            if isinstance(ended, (CallFinished, CallSettled)):
                told |= {"call": ended.call, "arguments_digest": ended.digest.hex()}
            runs.append(told if any(numbers) else None)
        return {
            "place": each.place,
            "how": each.how,
            "call": each.call,
            "file": file,
            "line": line,
            "runs": runs,
        }

    # -- for people ----------------------------------------------------------------------------------

    def as_text(self, width: int, style: Style) -> Iterator[str]:
        found = self.differences
        for number, record in enumerate(self.records, 1):
            calls = f"{record.calls:,} call{'s' * (record.calls != 1)}"
            about = f"{clean(record.flow)}, {state_of(record)}, {calls}"
            yield f"{number}  {style('1', clean(record.id))}  {about}"
        parted = self.parted()
        if parted is not None:
            yield style.dim(f"   {clean(parted['run'])} was forked before {clean(parted['before'])}")
        yield ""
        if found.equal:
            yield f"No difference in {found.same:,} operations, nor in what came of it all."
            return
        if not found.flow:
            yield "They are runs of different flows."
        if not found.arguments:
            yield "They were started with other arguments:"
            for side, name in zip(found.sides, "12", strict=True):
                assert side.started is not None
                yield f"  {name}  {shorten(self.values.arguments(side.started.arguments), width - 5)}"
        if found.found:
            yield from self.first(width, style)
        counts = found.counts()
        yield (
            f"{counts['same']:,} operations are the same in both, {counts['different']:,} differ, "
            f"{counts['only_first']:,} are in 1 only, {counts['only_second']:,} in 2 only."
        )
        yield from self.ends(width)

    def first(self, width: int, style: Style) -> Iterator[str]:
        """Where they part, and some of what differs behind that."""
        found = self.differences.found
        first, *others = found[:_SHOWN]
        yield f"They part at {style('1', _named(first))}  {style.dim(clean(first.place))}: {_said(first)}"
        for number, known, numbers in zip("12", self.events([first]), first.numbers, strict=True):
            yield f"  {number}  {shorten(self.one(known, numbers), width - 5)}"
        yield ""
        if others:
            yield style("1", "And behind that")
            for each in others:
                yield shorten(f"  {_named(each)}  {clean(each.place)}: {_said(each)}", width)
            if len(found) > _SHOWN:
                yield style.dim(f"  and {len(found) - _SHOWN:,} more")
            yield ""

    def one(self, known: dict[int, Event], numbers: tuple[int, int]) -> str:
        """What one run has recorded of an operation."""
        begun, ended = (known.get(number) for number in numbers)
        if begun is None and ended is None:
            return "-"
        given = given_to(begun, ended)
        arguments = "" if given is None else self.values.arguments(given)
        if isinstance(ended, CallFinished):
            value = ended.result if ended.error is None else ended.error
            digest = "" if arguments else f"arguments {ended.digest.hex()[:8]}"
        elif isinstance(ended, CallSettled):
            value, digest = ended.value, ""
        else:
            return f"{arguments} has begun, and no end of it is recorded".strip()
        result = "" if value is None else self.values.text(value)
        return f"{arguments or digest} → {result}"

    def ends(self, width: int) -> Iterator[str]:
        """What came of it all."""
        if self.differences.outcome:
            yield "What came of it all is the same."
            return
        yield "What came of it all:"
        for number, side, record in zip("12", self.differences.sides, self.records, strict=True):
            value = None
            if side.ended is not None:
                value = side.ended.error if side.ended.result is None else side.ended.result
            text = "" if value is None else f": {self.values.text(value)}"
            yield f"  {number}  {shorten(state_of(record) + text, width - 5)}"


def _named(each: Difference) -> str:
    name = each.call.rpartition(":")[2].rpartition(".")[2]
    file, line = each.line
    return clean(f"{name} {os.path.basename(file)}:{line}" if file else name)


def _said(each: Difference) -> str:
    if each.how == ONLY:
        return f"made in {each.only} only"
    return _HOW[each.how]
