"""Runs as traces and metrics of OpenTelemetry: what a collector is sent over HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import stretto
from stretto import call, flow
from stretto.observe import events
from stretto.observe.spans import Spans
from stretto.observe.telemetry import exporting
from stretto.testing import VirtualClock
from tests.unit.collecting import Collector, Told
from tests.waiting import PATIENCE

SECRET = "hunter2"


class World:
    failures = 0
    outside: Any = None


@call.reads("web")
async def search(topic: str) -> str:
    await asyncio.sleep(2)
    if topic == "bad":
        raise LookupError(SECRET)
    return topic


@call.unordered(limit=1)
async def summarise(text: str) -> str:
    await asyncio.sleep(3)
    return text


@call.unordered
async def chat(text: str) -> Any:
    await asyncio.sleep(1)
    usage = SimpleNamespace(input_tokens=70, output_tokens=3)
    return SimpleNamespace(model="small", usage=usage, cost=0.25)


@call.unordered
async def embed(text: str) -> Any:
    return SimpleNamespace(model="vectors", usage=SimpleNamespace(input_tokens=5))


@call.unordered(retries=1)
async def flaky(n: int) -> int:
    await asyncio.sleep(1)
    if World.failures:
        World.failures -= 1
        raise ConnectionError(SECRET)
    return n


@call.unordered
async def words(n: int) -> AsyncIterator[str]:
    for i in range(n):
        await asyncio.sleep(1)
        yield f"word{i}"


@call.writes("mail:{to}")
async def send(to: str, text: str) -> None:
    await asyncio.sleep(1)


def both(topic: str) -> str:
    notes = [summarise(search(topic)) for _ in range(2)]
    return notes[0]


@flow
def digest(topics: list[str], to: str) -> None:
    for topic in topics:
        send(to, both(topic))


@pytest.fixture(autouse=True)
def no_span_is_left() -> Iterator[None]:
    """What a test makes the current span is none of the next one's."""
    token = contexts.attach(contexts.get_current())
    yield
    contexts.detach(token)


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@contextmanager
def told_to(collector: Collector, clock: VirtualClock | None = None) -> Iterator[None]:
    """Runs in there are told to the collector, which has been sent all of it at the end."""
    spans, url = TracerProvider(shutdown_on_exit=False), collector.url
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/v1/metrics"))
    measured = MeterProvider([reader], shutdown_on_exit=False)
    World.outside = spans.get_tracer("a test")
    try:
        with clock or VirtualClock(validate=True), exporting(spans, measured):
            yield
    finally:
        spans.shutdown()
        measured.shutdown()


def seconds(span: Told, zero: Told) -> tuple[float, float]:
    return (span.began - zero.began) / 1e9, (span.ended - zero.began) / 1e9


def test_spans_nest_as_the_program_does(collector: Collector) -> None:
    with told_to(collector):
        digest(["tides", "basalt"], "ann")
    spans = collector.by_place()
    run = spans["run"]
    names = {span.id: place for place, span in spans.items()}
    assert {place: names.get(span.parent, "") for place, span in spans.items()} == {
        "run": "",
        **{f"for/{i}": "run" for i in range(2)},
        **{f"for/{i}/send": f"for/{i}" for i in range(2)},
        **{f"for/{i}/both": f"for/{i}" for i in range(2)},
        **{f"for/{i}/both/for/{j}": f"for/{i}/both" for i in range(2) for j in range(2)},
        **{
            f"for/{i}/both/for/{j}/{name}": f"for/{i}/both/for/{j}"
            for i in range(2) for j in range(2) for name in ("search", "summarise")
        },
    }  # fmt: skip
    assert {span.trace for span in spans.values()} == {run.trace}
    assert (spans["for/1"].name, spans["for/1"].attributes["stretto.turn"]) == ("for", 1)
    assert (spans["for/1/both"].name, spans["for/1/send"].name, run.name) == ("both", "send", "digest")


def test_spans_tell_what_calls_waited_for(collector: Collector) -> None:
    with told_to(collector):
        digest(["tides"], "ann")
    spans = collector.by_place()
    run = spans["run"]
    names = {span.id: place for place, span in spans.items()}
    first = spans["for/0/both/for/0/summarise"]
    assert seconds(first, run) == (2, 5)
    assert [(names[link.id], link.attributes["stretto.wait.way"]) for link in first.links] == [
        ("for/0/both/for/0/search", "data")
    ]
    second = spans["for/0/both/for/1/summarise"]  # its turn under the limit, with the search an older need
    assert seconds(second, run) == (5, 8)
    assert [names[link.id] for link in second.links] == [
        "for/0/both/for/0/summarise", "for/0/both/for/1/search",
    ]  # fmt: skip
    assert [(e.attributes["stretto.wait.way"], (e.began - run.began) / 1e9) for e in second.events] == [
        ("data", 0), ("limit", 2),
    ]  # fmt: skip
    # what is around calls lasts from its first to its last
    assert seconds(spans["for/0/both"], run) == (0, 8)
    assert seconds(spans["for/0"], run) == (0, seconds(spans["for/0/send"], run)[1])


def test_what_a_span_says(collector: Collector) -> None:
    with told_to(collector):
        digest(["tides"], "ann")
    spans = collector.by_place()
    told = spans["for/0/send"].attributes
    line = digest.fn.__code__.co_firstlineno + 3
    assert told.pop("stretto.run") == spans["run"].attributes["stretto.run"]
    assert told.pop("code.file.path").endswith("test_telemetry.py")
    assert told == {
        "stretto.place": "for/0/send", "stretto.effects": "writes mail:{to}", "stretto.outcome": "finished",
        "code.function.name": f"{__name__}.send", "code.line.number": line, "stretto.attempts": 1,
        "stretto.wait.way": "order", "stretto.wait.duration": 8.0,
        "stretto.wait.last": told["stretto.wait.last"], "stretto.needs": told["stretto.needs"],
    }  # fmt: skip
    assert told["stretto.needs"][0].startswith("for/0/both/for/")
    assert spans["run"].attributes["stretto.run.state"] == "succeeded"


def test_language_models(collector: Collector) -> None:
    @flow
    def asking() -> None:
        embed("a")
        chat("a")

    with told_to(collector):
        asking()
    spans = collector.by_place()
    assert (spans["chat"].name, spans["embed"].name) == ("chat small", "embeddings vectors")
    told = spans["chat"].attributes
    assert {name: value for name, value in told.items() if name.startswith(("gen_ai.", "stretto.cost"))} == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "_OTHER", "gen_ai.response.model": "small",
        "gen_ai.usage.input_tokens": 70, "gen_ai.usage.output_tokens": 3, "stretto.cost.usd": 0.25,
    }  # fmt: skip
    tokens = collector.measured("gen_ai.client.token.usage")
    by = ("gen_ai.response.model", "gen_ai.token.type")
    assert {(*(p.attributes[name] for name in by), p.value) for p in tokens} == {
        ("small", "input", (1, 70)), ("small", "output", (1, 3)), ("vectors", "input", (1, 5)),
    }  # fmt: skip
    assert tokens[0].bounds == [4**n for n in range(14)]
    durations = collector.measured("gen_ai.client.operation.duration")
    assert {(p.attributes["gen_ai.operation.name"], p.value) for p in durations} == {
        ("chat", (1, 1)), ("embeddings", (1, 0)),
    }  # fmt: skip
    assert durations[0].bounds == [round(0.01 * 2**n, 2) for n in range(14)]
    [cost] = collector.measured("stretto.cost")
    assert (cost.name, cost.value) == ("{USD}", 0.25)


def test_attempts_streams_and_metrics(collector: Collector) -> None:
    World.failures = 1

    @flow
    def trying() -> int:
        return flaky(1) + sum(len(word) for word in words(2))

    with told_to(collector):
        assert trying() == 11
    spans = collector.by_place()
    tried = spans["flaky"]
    assert (tried.attributes["stretto.attempts"], tried.error) == (2, False)
    assert [event.name for event in tried.events] == ["stretto.attempt.failed", "stretto.attempt"]
    assert tried.events[0].attributes == {"stretto.attempt": 1, "error.type": "ConnectionError"}
    streamed = spans["words"]
    assert seconds(streamed, spans["run"])[1] == 2
    assert [(event.name, event.began - streamed.began) for event in streamed.events] == [
        ("stretto.first_item", 10**9)
    ]
    counts = {
        p.attributes["stretto.call"].rpartition(":")[2]: p.value
        for p in collector.measured("stretto.call.duration")
    }
    assert (counts["words"], counts["flaky"][0]) == ((1, 2), 1)
    assert {p.value for p in collector.measured("stretto.calls.running")} == {0}
    assert sum(p.value[0] for p in collector.measured("stretto.call.wait")) == 2
    [run] = collector.measured("stretto.run.duration")
    assert run.attributes["stretto.run.state"] == "succeeded"


def test_a_run_that_fails(collector: Collector) -> None:
    @flow
    def failing() -> None:
        flaky(1)
        for topic in ("bad", "worse"):
            summarise(search(topic))
        words(3)
        chat("too late")

    with told_to(collector):
        pytest.raises(LookupError, failing)
    spans = collector.by_place()
    failed = spans["for/0/search"]
    assert (failed.error, failed.says, failed.attributes["error.type"]) == (True, "", "LookupError")
    assert (spans["run"].error, spans["run"].attributes["error.type"]) == (True, "LookupError")
    assert spans["run"].attributes["stretto.run.state"] == "failed"
    assert "for/0/summarise" not in spans  # it was never made
    gone = [(e.name, e.attributes["stretto.place"]) for span in spans.values() for e in span.events]
    assert ("stretto.cancelled", "for/0/summarise") in gone
    assert ("stretto.discarded", "chat") in gone
    assert not any(SECRET.encode() in body for _, _, body in collector.sent)


def test_a_run_that_is_cancelled(collector: Collector) -> None:
    with told_to(collector):

        @call.unordered
        async def cancelling() -> None:
            await asyncio.sleep(1)
            run.stop(stretto.errors.Cancelled("enough"))

        @flow
        def going() -> None:
            cancelling()
            search("slow")

        run = going.start()
        pytest.raises(stretto.errors.Cancelled, run.result, PATIENCE)
    spans = collector.by_place()
    stopped = spans["search"]
    assert (stopped.attributes["stretto.outcome"], stopped.error) == ("cancelled", False)
    assert (spans["run"].attributes["stretto.run.state"], spans["run"].error) == ("cancelled", False)


@flow
def asking_and_sending() -> None:
    chat("a")
    send("ann", "b")


def test_what_was_recorded_is_not_counted_again(collector: Collector, tmp_path: Path) -> None:

    journal = f"{tmp_path}/journal.db"
    with VirtualClock():
        run = asking_and_sending.using(journal=journal).start()
        run.result(PATIENCE)
    with told_to(collector):
        stretto.fork(run.id, before="send", journal=journal).result(PATIENCE)
    spans = collector.by_place()
    assert spans["chat"].attributes["stretto.recorded"] is True
    assert spans["chat"].began == spans["chat"].ended
    assert collector.measured("stretto.cost") == collector.measured("gen_ai.client.token.usage") == []


@call.unordered
async def instrumented() -> None:
    with World.outside.start_as_current_span("GET"):
        pass


@call.unordered
def instrumented_in_a_thread() -> None:
    with World.outside.start_as_current_span("GET"):
        pass


@call.unordered(retries=1)
async def instrumented_items() -> AsyncIterator[int]:
    with World.outside.start_as_current_span("GET"):
        yield 1


@flow
def requesting() -> None:
    instrumented()
    instrumented_in_a_thread()
    for _ in instrumented_items():
        pass


def test_the_span_of_a_call_is_the_current_one_in_it(collector: Collector, tmp_path: Path) -> None:
    spans = TracerProvider(shutdown_on_exit=False)
    spans.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
    World.outside = spans.get_tracer("a test")
    with exporting(spans), World.outside.start_as_current_span("request"):
        requesting()
        requesting.using(journal=f"{tmp_path}/journal.db")()
        asyncio.run(requesting.aio())
        assert trace.get_current_span().name == "request"  # type: ignore[attr-defined]
    found = collector.spans()
    names = {span.id: span.name for span in found}
    above = sorted(names[span.parent] for span in found if span.name == "GET")
    assert above == sorted(["instrumented", "instrumented_in_a_thread", "instrumented_items"] * 3)
    assert {names[span.parent] for span in found if span.name == "requesting"} == {"request"}


PROGRAM = """\
import asyncio
from stretto import call, flow

@call.unordered
async def ask(n: int) -> int:
    return n

@flow
def asking(n: int) -> int:
    return sum([ask(i) for i in range(n)])
"""


def stretto_run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "asking.py").write_text(PROGRAM)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-m", "stretto", "run", "--no-journal", *words, "asking.py:asking", "1100"],
        cwd=folder, env={**clean, **variables}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_stretto_run(collector: Collector, tmp_path: Path) -> None:
    done = stretto_run(
        tmp_path, "--otel", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_SERVICE_NAME="digests",
        OTEL_EXPORTER_OTLP_HEADERS="key=value", OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )  # fmt: skip
    assert (done.stdout, "--otel" in done.stderr, done.returncode) == ("604450\n", False, 0)
    spans = collector.spans()
    assert len(spans) == 2201  # none is lost, though they come faster than they are sent
    assert collector.services() == {"digests"}
    assert collector.sent[0][1]["key"] == "value"
    assert {p.value[0] for p in collector.measured("stretto.call.duration")} == {1100}


def test_a_dead_collector_is_told_of_once(tmp_path: Path) -> None:
    with socket.socket() as nobody:  # bound, and does not listen
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        done = stretto_run(tmp_path, "--otel", OTEL_EXPORTER_OTLP_ENDPOINT=url)
    assert (done.stdout, done.returncode) == ("604450\n", 0)
    [line] = (line for line in done.stderr.splitlines() if "otel" in line or "telemetry" in line)
    assert line.startswith("--otel: telemetry cannot be sent; the run is not touched by that: ")


def test_what_the_environment_says_wrongly(tmp_path: Path) -> None:
    done = stretto_run(tmp_path, "--otel", OTEL_TRACES_EXPORTER="jeager")
    assert done.returncode == 1
    assert "OTEL_TRACES_EXPORTER: there is no exporter 'jeager' here" in done.stderr


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "stretto.observe.spans", None)
    with pytest.raises(ImportError, match=r"pip install 'stretto\[otel\]'"):
        with exporting():
            pass


def test_on_the_command_line_without_the_extra(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry.py").write_text("raise ImportError('not here')")
    done = stretto_run(tmp_path, "--otel", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: OpenTelemetry needs ")


class Dropping(SpanExporter):
    """Takes spans, and forgets them."""

    count = 0

    def export(self, spans: Any) -> SpanExportResult:
        self.count += len(spans)
        return SpanExportResult.SUCCESS


def test_of_many_calls_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for the one before; some are never made."""
    monkeypatch.setattr("stretto.observe.spans._LINKABLE", 100)
    provider, dropping = TracerProvider(shutdown_on_exit=False), Dropping()
    provider.add_span_processor(SimpleSpanProcessor(dropping))
    spans = Spans(provider.get_tracer("a test"))
    spans(events.RunBegan("r", 0, "m:f"))
    [going] = spans._traces.values()
    for i in range(2_000):
        before, place, other = f"while/{i - 1}/ask", f"while/{i}/ask", f"while/{i}/helper/ask"
        for one in (place, other):
            spans(events.Issued("r", i, one, "m:ask", "m.py", 1, "unordered"))
        spans(events.Waiting("r", i, place, "data", (before,)))
        spans(events.Started("r", i, place, 1, "data", before, (before,)))
        spans(events.Cancelled("r", i, other))
        spans(events.Finished("r", i, place))
        spans(events.Retired("r", i, place))
        assert max(len(going.calls), len(going.around), len(going.linkable)) <= 100
    spans(events.RunEnded("r", 2_000, "succeeded"))
    assert dropping.count == 4_001
    assert not spans._traces


def test_the_program_comes_to_a_function_again() -> None:
    """What was in it when it was left is not gone on with."""
    memory, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    spans = Spans(provider.get_tracer("a test"))
    spans(events.RunBegan("r", 0, "m:f"))
    for time, place in ((1, "helper/for/0/ask"), (2, "helper/ask"), (3, "send"), (4, "helper/for/0/ask")):
        spans(events.Issued("r", time, place, "m:ask", "m.py", 1, "unordered"))
        spans(events.Started("r", time, place, 1, "start"))
        spans(events.Finished("r", time, place))
        if place != "helper/for/0/ask":
            spans(events.Retired("r", time, place))
    spans(events.RunEnded("r", 5, "succeeded"))
    found = memory.get_finished_spans()
    assert [span.name for span in found if span.name == "for"] == ["for", "for"]
    ends = {span.context.span_id: span.end_time for span in found if span.context is not None}
    for span in found:
        if span.name != "f":  # the run's, which is below what was the current one here
            assert span.parent is not None
            assert (span.end_time or 0) <= (ends[span.parent.span_id] or 0)
