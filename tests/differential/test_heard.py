"""A run that is listened to is the same run, and what is told of it makes sense, whatever the program is."""

from __future__ import annotations

import contextvars
import itertools
from collections import Counter

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from stretto.observe import listening
from stretto.observe.events import (
    Event,
    Failed,
    Finished,
    Issued,
    RunBegan,
    RunEnded,
    Started,
    as_json,
    from_json,
)
from stretto.observe.spans import Spans

from .fuzz import program
from .generate import PROFILES
from .harness import Difficult, Outcome, Program, compare, overlapped, reference, report

#: What may be told of a call after what, from its being issued on.
AFTER = {
    "": {"issued"},
    "issued": {"waiting", "started", "finished", "failed", "cancelled"},
    "waiting": {"waiting", "started", "finished", "failed", "cancelled"},
    "started": {"finished", "failed", "cancelled", "first_item", "attempted"},
    "finished": {"retired", "discarded"},
    "failed": {"retired", "discarded"},
    "cancelled": set[str](),
    "retired": set[str](),
    "discarded": set[str](),
}
#: What is told of a stream for the loop that takes its items.
OF_LOOPS = {"started", "first_item", "finished", "failed"}


def heard(test: Program, seed: int) -> tuple[Outcome, list[list[Event]]]:
    """The outcome, and what was told of each run."""
    runs: dict[str, list[Event]] = {}
    with listening(lambda event: runs.setdefault(event.run, []).append(event)):
        outcome = overlapped(test, seed)
    return outcome, list(runs.values())


def problems(events: list[Event]) -> list[str]:
    """What cannot be so in what was told of one run."""
    found: list[str] = []
    if not isinstance(events[0], RunBegan) or not isinstance(events[-1], RunEnded):
        found.append("it does not begin and end with the run's own events")
    if any(a.time > b.time for a, b in itertools.pairwise(events)):
        found.append("times go backwards")
    calls: dict[str, list[str]] = {}
    streams: set[str] = set()
    for event in events[1:-1]:
        assert not isinstance(event, (RunBegan, RunEnded))
        calls.setdefault(event.place, []).append(event.kind)
        if isinstance(event, Issued) and event.stream:
            streams.add(event.place)
    for place, kinds in calls.items():
        if place in streams:
            of_call = [kind for kind in kinds if kind not in OF_LOOPS and kind != "waiting"]
            if of_call[0] != "issued" or of_call[1] not in ("retired", "discarded", "cancelled"):
                found.append(f"{place}, a stream: {kinds}")
            continue
        for before, after in itertools.pairwise(["", *kinds]):
            if after not in AFTER[before]:
                found.append(f"{place}: {after} after {before or 'nothing'}, in {kinds}")
        if kinds[-1] not in ("retired", "discarded", "cancelled"):
            found.append(f"{place}: nothing tells what became of it: {kinds}")
    return found


def unlikely(told: list[Event]) -> list[str]:
    """What cannot be so in the trace of one run (see `stretto.observe.spans`)."""
    memory, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    listener = Spans(provider.get_tracer("a test"))
    contextvars.copy_context().run(lambda: [listener(event) for event in told])  # it sets the current span
    found: list[str] = []
    spans = {span.context.span_id: span for span in memory.get_finished_spans()}
    for span in spans.values():
        place = span.attributes.get("stretto.place", "")
        above = spans.get(span.parent.span_id) if span.parent else None
        if above is None:
            if place:
                found.append(f"{place}: there is no span above it")
        elif not above.start_time <= span.start_time <= span.end_time <= above.end_time:
            found.append(f"{place} is not inside of {above.attributes.get('stretto.place', 'the run')}")
        elif not place.startswith(above.attributes.get("stretto.place", "")):
            found.append(f"{place} is below {above.attributes['stretto.place']}")
    made = Counter(
        span.attributes.get("stretto.place")
        for span in spans.values()
        if "stretto.effects" in span.attributes
    )
    ended = Counter(
        e.place for e in told if isinstance(e, (Started, Finished, Failed)) and getattr(e, "attempt", 1) == 1
    )
    if set(made) != set(ended) or max(made.values(), default=1) > 1:
        found.append(f"spans of {sorted(made)}, and calls at {sorted(ended)}")
    return found


def retired(runs: list[list[Event]]) -> list[list[str]]:
    return [[event.place for event in events if event.kind == "retired"] for events in runs]


@pytest.mark.parametrize("theme", PROFILES)
def test_generated_programs(theme: str) -> None:
    for number in range(6):
        test = program(f"{theme}-heard-{number}")
        try:
            expected = reference(test)
            (first, told), (second, told_again) = heard(test, 1), heard(test, 2)
        except Difficult:
            continue
        differing = [*compare(expected, first, "seed 1"), *compare(expected, second, "seed 2")]
        assert not differing, report(test, differing)
        wrong = [line for events in (*told, *told_again) for line in (*problems(events), *unlikely(events))]
        assert not wrong, f"{test.source}\n" + "\n".join(wrong)
        # program order does not depend on what comes back first
        assert retired(told) == retired(told_again), test.source
        for event in told[0] if told else ():
            assert from_json(as_json(event)) == event


#: Calls are started in the turn in which they are squashed: the driver comes to them later.
CANCELLED_AS_THEY_START = """\
class K0:
    def __init__(self, x):
        self.n = calc(y=0, x=0)
@flow
def main(n, xs, ys):
    vv = reply(guess([3, 0, 2]))
    a = record(vv.parts)
    t = vv.best.tag or 'none' if vv.best else t[:a]
    vv = reply(a)
"""


def test_nothing_is_told_of_calls_that_are_cancelled_as_they_start() -> None:
    test = Program(CANCELLED_AS_THEY_START, "(5, (same := []), [5, 5],)", 697, 0)
    _, told = heard(test, 1)
    assert "cancelled" in [event.kind for event in told[0]]
    assert problems(told[0]) == []


#: What a lambda has as a default is worked out as a whole, in its turn.
MADE_BY_OTHER_CODE = """\
@flow
def main(n, xs, ys):
    first = calc(1, n)
    second = (lambda z, i=[record(n), record(0)]: put(len(i), {4}))(first)
    return [first, second, calc(2, n)]
"""


def test_calls_that_are_made_by_other_code() -> None:
    test = Program(MADE_BY_OTHER_CODE, "(5, [1], [2])", 3, 0)
    (first, told), (_, again) = heard(test, 1), heard(test, 2)
    assert [*compare(reference(test), first, "seed 1")] == []
    inside = [event.place for event in told[0] if isinstance(event, Started) and event.waited == "inside"]
    assert [place.rpartition(".")[2] for place in inside] == ["record:1", "record:2"]
    assert [*problems(told[0]), *unlikely(told[0])] == []
    order = retired(told)
    assert order == retired(again)
    assert order[0][:3] == ["calc", *inside] and order[0][-1] == "calc#2"
