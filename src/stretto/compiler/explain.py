"""What a flow does and what orders it, line by line, before it runs."""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import DeclarationError
from .explain_model import Operation, Section, Trip
from .explain_overlap import outline, steps
from .explain_walk import walk

__all__ = ["Explanation", "Line", "explain"]

#: What stands before a line, from the freest to the strictest.
MARKS = {"plain": ".", "overlaps": "+", "ordered": "=", "stops": "!"}
_LEGEND = "+ may overlap   = in order   ! stops the overlap   . plain code"


@dataclass(slots=True)
class Line:
    """A line of source, with the operations that begin on it.

    Attributes:
        file, number, text: where it is, and what it says.
        function: the function that it is in.
        depth: 0 in the flow itself, 1 in a helper that it calls, and so on.
        operations: in program order.
    """

    file: str
    number: int
    text: str
    function: str
    depth: int
    indent: int
    operations: list[Operation] = field(default_factory=list[Operation])

    @property
    def mark(self) -> str:
        ranks = list(MARKS)
        found = [o.mark for o in self.operations]
        return MARKS[max(found, key=ranks.index)] if found else " "

    def as_json(self) -> dict[str, Any]:
        return {
            "file": self.file, "line": self.number, "text": self.text, "function": self.function,
            "depth": self.depth, "operations": [o.as_json() for o in self.operations],
        }  # fmt: skip


class Explanation:
    """What `explain` found out: print it, or take it apart.

    Attributes:
        lines: the lines of the flow; those of a helper follow the line that calls it.
        calls: the declared calls that were found.
        stops: the operations at which the overlap stops.
        steps: the same in the order in which they can run, with what each waits for.
    """

    def __init__(self, flow: Any, section: Section, trip: Trip, everything: bool) -> None:
        self.flow = flow
        self.everything = everything
        self.lines: list[Line] = list(_lines(section, 0, 0, {}))
        shown = [o for line in self.lines for o in line.operations]
        self.calls = [o for o in shown if o.kind == "call"]
        #: What is called of which nothing is known before it runs.
        self.checked = list(dict.fromkeys(o.name for o in shown if o.kind == "checked" != o.name))
        self.stops: list[Operation] = []
        self.steps = steps(trip.operations, trip.earlier)
        seen: set[Any] = set()
        for operation in trip.operations:
            key = (operation.file, operation.line, operation.text)
            if operation.stops_overlap and key not in seen:
                seen.add(key)
                self.stops.append(operation)

    def __repr__(self) -> str:
        return f"<explanation of {self.flow.name}: {self.summary()[0]}>"

    def as_json(self) -> dict[str, Any]:
        """The same as data that JSON can hold."""
        code = self.flow.fn.__code__
        return {
            "flow": self.flow.name,
            "file": code.co_filename,
            "calls": len(self.calls),
            "may_overlap": sum(o.overlaps for o in self.calls),
            "steps": [item.as_json() for item in self.steps],
            "lines": [line.as_json() for line in self.lines],
            "stops": [{"file": o.file, "line": o.line, **o.as_json()} for o in self.stops],
        }

    def summary(self) -> list[str]:
        """The end of the report."""
        calls, free = len(self.calls), sum(o.overlaps for o in self.calls)
        ordered = calls - free
        if not calls:
            text = "No declared call: there is nothing to overlap."
        elif not ordered:
            text = f"{_number(calls, 'call')}: {'it' if calls == 1 else 'all'} may overlap."
        else:
            text = f"{_number(calls, 'call')}: {free} may overlap, {ordered} in order."
        if not self.stops and self.checked:
            names = self.checked[:3] + ["..."] * (len(self.checked) > 3)
            return [
                f"{text} Nothing is known of {', '.join(names)}: in order from the first effect.",
                "  `stretto run --suggest` runs it, and tells which code that was, and what frees it.",
            ]
        if not self.stops:
            return [f"{text} Nothing unknown stops the overlap."]
        places: dict[tuple[Any, ...], list[Operation]] = {}
        for stop in self.stops:
            anywhere = stop.remedy.startswith(("annotate", "say", "`", "assume_pure"))
            key = (stop.file, 0 if anywhere else stop.line, stop.remedy or stop.says)
            places.setdefault(key, []).append(stop)
        found = [f"{text} {_number(len(places), 'place')} where the overlap stops:"]
        for key, stops in places.items():
            lines = dict.fromkeys(str(s.line) for s in stops)
            texts = list(dict.fromkeys(s.text for s in stops))
            shown = "; ".join([*texts[:2], *["..."][: len(texts) > 2]])
            found.append(f"  {os.path.basename(stops[0].file)}:{', '.join(lines)}  {shown}")
            found.append(f"      {key[-1]}")
        return found

    def __str__(self) -> str:
        code = self.flow.fn.__code__
        width = max([4, *(len(str(line.number)) for line in self.lines)])
        shown = [(line, [o for o in line.operations if self.everything or o.shown]) for line in self.lines]
        names = [len(o.name) for _, ops in shown for o in ops]
        column = min(max([0, *names]), 18)
        out = [f"{self.flow.name}, {os.path.basename(code.co_filename)}:{code.co_firstlineno}", _LEGEND, ""]
        for line, operations in shown:
            pad = " " * line.indent
            out.append(f"{line.number:>{width}} {line.mark} {pad}{line.text}".rstrip())
            inside = pad + " " * (len(line.text) - len(line.text.lstrip()) + 2)
            gutter = " " * (width + 3) + inside
            for o in operations:
                out.append(f"{gutter}{MARKS[o.mark]} {o.name:<{column}}  {o.says}")
                if o.remedy and o.stops_overlap:
                    out.append(f"{gutter}  {'':<{column}}  to free it: {o.remedy}")
        return "\n".join([*out, "", *outline(self.steps), *self.summary()])


def _lines(section: Section, depth: int, indent: int, seen: dict[Any, int]) -> Iterator[Line]:
    """The lines of a function, and below each call those of what it calls."""
    form = section.form
    source = linecache.getlines(form.filename)
    margin = 0
    for number in section.numbers:
        text = source[number - 1].rstrip() if number <= len(source) else ""
        if number == section.numbers[0]:
            margin = len(text) - len(text.lstrip())
        operations = section.lines.get(number, [])
        line = Line(form.filename, number, text[margin:], form.qualname, depth, indent, operations)
        if not operations and (not text.strip() or text.lstrip().startswith("#")):
            continue
        yield line
        for operation in operations:
            inner = operation.inner
            if inner is None:
                continue
            key = (inner.form, inner.outline())
            if key in seen:
                operation.says += f"; as under line {seen[key]}"
                continue
            seen[key] = number
            yield from _lines(inner, depth + 1, indent + len(text[margin:]) - len(text.lstrip()) + 4, seen)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def explain(flow: Any, *, everything: bool = False) -> Explanation:
    """Say, line by line, what a flow does and what orders it. Nothing is run.

    Args:
        flow: what `@flow` made.
        everything: show what is known to be free of effects, too.

    The result is printed with `print`; `as_json()` gives it as data.
    """
    from ..flows import Flow

    if not isinstance(flow, Flow):
        raise DeclarationError(f"explain takes a flow, a function under @flow; found {flow!r}")
    section, trip = walk(flow.form, flow.fn)
    return Explanation(flow, section, trip, everything)
