"""A run as a trace: a span for each call that is made, one for each turn of a loop and each function around
calls, and one for the run.

Spans nest as the program does. A turn or a function has a span whenever a call in it starts, however many
there will be: how many is not known before the first has come back, and what a trace looks like must not hang
on what came back first. Links say what a call waited for.

What is kept of a run is what goes on in it, and where its last calls are in the trace, for links to them.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry import context as contexts
from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from . import events
from .events import Event
from .genai import span_attributes, span_name

__all__ = ["Spans"]

#: So many calls of a run that have ended can be linked to.
_LINKABLE = 10_000
#: So many links and needs of one call are told.
_MOST = 32


@dataclass(slots=True)
class _Around:
    """A turn of a loop, or a function of the user's, with calls in it.

    Attributes:
        place: where it stands.
        span: that of it, once a call in it has started.
        going: how many of its calls have been issued and have not ended.
        left: the program has gone on behind it.
        until: when the last of its calls has ended.
    """

    place: str
    span: Span | None = None
    going: int = 0
    left: bool = False
    until: int = 0
    #: The turns and functions in it that are still open.
    within: dict[str, _Around] = field(default_factory=dict[str, "_Around"])


@dataclass(slots=True)
class _Going:
    """A call that has been issued and has not ended."""

    issued: events.Issued
    span: Span | None = None
    attempts: int = 0
    #: What is to be told of it once there is a span.
    waits: list[events.Waiting] = field(default_factory=list[events.Waiting])


@dataclass(slots=True)
class _Trace:
    """What goes on in one run."""

    run: str
    span: Span
    #: The context in which the flow was called, with the span of the run.
    context: contexts.Context
    calls: dict[str, _Going] = field(default_factory=dict[str, _Going])
    around: dict[str, _Around] = field(default_factory=dict[str, _Around])
    #: The turns and functions around what has retired last, and such as were only in what never was.
    retiring: tuple[str, ...] = ()
    forgotten: set[str] = field(default_factory=set[str])
    linkable: OrderedDict[str, SpanContext] = field(default_factory=OrderedDict[str, SpanContext])


class Spans:
    """A handler for `stretto.observe.listening`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._traces: dict[str, _Trace] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, events.RunBegan):
            self._began(event)
            return
        trace = self._traces.get(event.run)
        if trace is not None:
            _HANDLERS[type(event)](self, trace, event)

    def inside(self, run: str, place: str) -> None:
        """In the context of a call, before it is made: its span is the current one there."""
        trace = self._traces.get(run)
        call = None if trace is None else trace.calls.get(place)
        if call is not None and call.span is not None:
            contexts.attach(set_span_in_context(call.span))

    # -- the run ---------------------------------------------------------------------------------------

    def _began(self, event: events.RunBegan) -> None:
        span = self._tracer.start_span(
            _short(event.flow), start_time=event.time * 1000,
            attributes={"stretto.run": event.run, **_code(event.flow)},
        )  # fmt: skip
        context = set_span_in_context(span)
        contexts.attach(context)  # this is the run's own context: what its calls do nests below it
        self._traces[event.run] = _Trace(event.run, span, context)

    def _ended(self, trace: _Trace, event: events.RunEnded) -> None:
        del self._traces[event.run]
        for call in trace.calls.values():
            if call.span is not None:
                call.span.set_attribute("stretto.outcome", "left")
                call.span.end(event.time * 1000)
        for around in reversed(trace.around.values()):
            if around.span is not None:
                around.span.end(event.time * 1000 if around.going else around.until * 1000)
        trace.span.set_attribute("stretto.run.state", event.state)
        if event.state in ("failed", "in doubt"):
            trace.span.set_attribute("error.type", event.error)
            trace.span.set_status(Status(StatusCode.ERROR))
        trace.span.end(event.time * 1000)

    # -- a call ----------------------------------------------------------------------------------------

    def _issued(self, trace: _Trace, event: events.Issued) -> None:
        trace.calls[event.place] = _Going(event)
        outer: _Around | None = None
        for place in _around(event.place):
            around = trace.around.get(place)
            if around is None:
                around = trace.around[place] = _Around(place)
                if outer is not None:
                    outer.within[place] = around
            around.going += 1
            outer = around

    def _waits(self, trace: _Trace, event: events.Waiting) -> None:
        call = trace.calls.get(event.place)
        if call is None:
            return
        if call.span is None:
            call.waits.append(event)
        else:
            _tell_wait(call.span, event)

    def _started(self, trace: _Trace, event: events.Started) -> None:
        call = trace.calls.get(event.place)
        if call is None:
            return
        call.attempts = event.attempt
        if call.span is not None:
            call.span.add_event(
                "stretto.attempt", {"stretto.attempt": event.attempt}, timestamp=event.time * 1000
            )
            return
        waited: dict[str, AttributeValue] = {
            "stretto.wait.way": event.waited,
            "stretto.wait.duration": (event.time - call.issued.time) / 1e6,
        }
        if event.last:
            waited["stretto.wait.last"] = event.last
        if event.needs:
            waited["stretto.needs"] = event.needs[:_MOST]
        self._make(trace, call, event.time, waited, _links(trace, event))

    def _make(
        self, trace: _Trace, call: _Going, time: int, more: dict[str, AttributeValue], links: Sequence[Link]
    ) -> Span:
        issued = call.issued
        call.span = span = self._tracer.start_span(
            _short(issued.call), self._parent(trace, issued.place, time), start_time=time * 1000, links=links,
            attributes={
                "stretto.run": issued.run, "stretto.place": issued.place, "stretto.effects": issued.effects,
                **_code(issued.call), "code.file.path": issued.file, "code.line.number": issued.line, **more,
            },
        )  # fmt: skip
        for wait in call.waits:
            _tell_wait(span, wait)
        call.waits.clear()
        return span

    def _parent(self, trace: _Trace, place: str, time: int) -> contexts.Context:
        """The innermost span around a place; those that are not there yet begin now."""
        context = trace.context
        for outer in _around(place):
            around = trace.around.get(outer)
            if around is None:
                continue
            if around.span is None:
                name, number = _label(outer)
                turn: dict[str, AttributeValue] = {} if number is None else {"stretto.turn": number}
                around.span = self._tracer.start_span(
                    name, context, start_time=time * 1000,
                    attributes={"stretto.run": trace.run, "stretto.place": outer, **turn},
                )  # fmt: skip
            context = set_span_in_context(around.span, trace.context)
        return context

    def _first(self, trace: _Trace, event: events.FirstItem) -> None:
        call = trace.calls.get(event.place)
        if call is not None and call.span is not None:
            call.span.add_event("stretto.first_item", timestamp=event.time * 1000)

    def _attempted(self, trace: _Trace, event: events.Attempted) -> None:
        call = trace.calls.get(event.place)
        if call is not None and call.span is not None:
            told: dict[str, AttributeValue] = {"stretto.attempt": event.attempt, "error.type": event.error}
            call.span.add_event("stretto.attempt.failed", told, timestamp=event.time * 1000)

    def _finished(self, trace: _Trace, event: events.Finished) -> None:
        call = trace.calls.get(event.place)
        if call is None:
            return
        span = self._of(trace, call, event.time)
        if event.recorded:
            span.set_attribute("stretto.recorded", True)
        else:
            span.set_attributes(span_attributes(event, call.issued.call))
            name = span_name(event, call.issued.call)
            if name:
                span.update_name(name)
        self._over(trace, event.place, call, event.time, "finished")

    def _failed(self, trace: _Trace, event: events.Failed) -> None:
        call = trace.calls.get(event.place)
        if call is None:
            return
        span = self._of(trace, call, event.time)
        span.set_attribute("error.type", event.error)
        span.set_status(Status(StatusCode.ERROR))
        if event.recorded:
            span.set_attribute("stretto.recorded", True)
        self._over(trace, event.place, call, event.time, "failed")

    def _of(self, trace: _Trace, call: _Going, time: int) -> Span:
        """The span of a call, a moment long if it has not been made: its result was recorded."""
        return call.span or self._make(trace, call, time, {}, ())

    def _cancelled(self, trace: _Trace, event: events.Cancelled) -> None:
        call = trace.calls.get(event.place)
        if call is None:
            return
        if call.span is None:  # it has taken no time
            self._tell_gone(trace, event, "stretto.cancelled")
        self._over(trace, event.place, call, event.time, "cancelled")
        self._gone(trace, event.place)

    def _discarded(self, trace: _Trace, event: events.Discarded) -> None:
        self._tell_gone(trace, event, "stretto.discarded")  # its own span is on its way
        self._gone(trace, event.place)

    def _over(self, trace: _Trace, place: str, call: _Going, time: int, outcome: str) -> None:
        del trace.calls[place]
        span = call.span
        if span is not None:
            span.set_attribute("stretto.outcome", outcome)
            span.set_attribute("stretto.attempts", call.attempts)
            span.end(time * 1000)
            trace.linkable[place] = span.get_span_context()
            if len(trace.linkable) > _LINKABLE:
                trace.linkable.popitem(last=False)
        for outer in reversed(_around(place)):
            around = trace.around.get(outer)
            if around is not None:
                around.going -= 1
                around.until = max(around.until, time)
                self._close_if_over(trace, around)

    # -- what is around calls --------------------------------------------------------------------------

    def _tell_gone(self, trace: _Trace, event: events.Cancelled | events.Discarded, name: str) -> None:
        """Of a call without an open span, at what is around it."""
        span = trace.span
        for outer in _around(event.place):
            around = trace.around.get(outer)
            if around is not None and around.span is not None:
                span = around.span
        told: dict[str, AttributeValue] = {"stretto.place": event.place}
        context = trace.linkable.get(event.place)
        if context is not None:
            told["stretto.span_id"] = f"{context.span_id:016x}"
        span.add_event(name, told, timestamp=event.time * 1000)

    def _gone(self, trace: _Trace, place: str) -> None:
        """What is around something that never was may never have been, either."""
        trace.forgotten.update(outer for outer in _around(place) if outer in trace.around)

    def _retired(self, trace: _Trace, event: events.Retired) -> None:
        """Calls retire in program order: what is not around this one, and was around the last, is left."""
        now = _around(event.place)
        if now == trace.retiring and not trace.forgotten:
            return
        before, trace.retiring = trace.retiring, now
        left = {*before, *trace.forgotten}.difference(now)
        trace.forgotten.clear()
        for place in sorted(left, key=len, reverse=True):
            around = trace.around.get(place)
            if around is not None:
                around.left = True
                self._close_if_over(trace, around)

    def _close_if_over(self, trace: _Trace, around: _Around) -> None:
        if around.left and not around.going:
            for place in _around(around.place)[-1:]:  # the innermost around it
                if (outer := trace.around.get(place)) is not None:
                    outer.within.pop(around.place, None)
            self._close(trace, around)

    def _close(self, trace: _Trace, around: _Around) -> None:
        """What is in it cannot be left open: should the program come there again, that is another time."""
        for inner in around.within.values():
            self._close(trace, inner)
        del trace.around[around.place]
        if around.span is not None:
            around.span.end(around.until * 1000)


_HANDLERS: dict[type[Any], Any] = {
    events.Issued: Spans._issued,
    events.Waiting: Spans._waits,
    events.Started: Spans._started,
    events.FirstItem: Spans._first,
    events.Attempted: Spans._attempted,
    events.Finished: Spans._finished,
    events.Failed: Spans._failed,
    events.Cancelled: Spans._cancelled,
    events.Discarded: Spans._discarded,
    events.Retired: Spans._retired,
    events.RunEnded: Spans._ended,
}


@functools.lru_cache(maxsize=4096)
def _around(place: str) -> tuple[str, ...]:
    """The places of the turns and functions around a call, the outermost first: of ``helper/for/3/search``
    these are ``helper`` and ``helper/for/3``."""
    parts = place.split("/")
    return tuple(
        "/".join(parts[: count + 1])
        for count in range(len(parts) - 1)
        if not parts[count + 1].isdecimal()  # a loop is no more than its turns
    )


def _label(place: str) -> tuple[str, int | None]:
    """What a turn or a function is called, the same for all turns; and which turn it is."""
    *before, last = place.split("/")
    if last.isdecimal():
        return before[-1].partition("#")[0] if before else "for", int(last)
    return last.partition("#")[0], None


def _links(trace: _Trace, event: events.Started) -> list[Link]:
    """To the calls that it waited for."""
    found: list[Link] = []
    for place in dict.fromkeys((event.last, *event.needs[:_MOST])):
        context = trace.linkable.get(place)
        if context is not None:
            told: dict[str, AttributeValue] = {"stretto.place": place}
            if place == event.last:
                told["stretto.wait.way"] = event.waited
            found.append(Link(context, told))
    return found


def _tell_wait(span: Span, event: events.Waiting) -> None:
    told: dict[str, AttributeValue] = {"stretto.wait.way": event.way}
    if event.on:
        told["stretto.wait.on"] = event.on[:_MOST]
    span.add_event("stretto.waiting", told, timestamp=event.time * 1000)


def _short(name: str) -> str:
    """Of "module:Class.function", the function."""
    return name.rpartition(":")[2].rpartition(".")[2] or name


def _code(name: str) -> dict[str, AttributeValue]:
    return {"code.function.name": name.replace(":", ".")}
