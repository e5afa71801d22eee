"""What can be counted and measured of runs, as metrics of OpenTelemetry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.metrics import Meter

from . import events
from .events import Event
from .genai import DURATIONS, TOKENS, is_model, metric_attributes

__all__ = ["Meters"]

#: The bounds of buckets for our own seconds: calls and runs may take a day.
_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)


@dataclass(slots=True)
class _Call:
    """A call that has been issued and has not ended.

    Attributes:
        since: when its first attempt began; None before.
        runs: whether it is under way, and does not wait for its next attempt.
    """

    name: str
    issued: int
    since: int | None = None
    runs: bool = False


@dataclass(slots=True)
class _Run:
    flow: str
    began: int
    calls: dict[str, _Call] = field(default_factory=dict[str, _Call])


class Meters:
    """A handler for `stretto.observe.listening`."""

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, says: str, bounds: tuple[float, ...] = _SECONDS) -> Any:
            return meter.create_histogram(
                name, unit="s", description=says, explicit_bucket_boundaries_advisory=bounds
            )

        self._runs: dict[str, _Run] = {}
        self._duration = seconds("stretto.call.duration", "How long calls take, all attempts together.")
        self._wait = seconds(
            "stretto.call.wait", "How long calls that have been issued wait until they start."
        )
        self._run_duration = seconds("stretto.run.duration", "How long runs take.")
        self._model = seconds("gen_ai.client.operation.duration", "GenAI operation duration.", DURATIONS)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage", unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=TOKENS,
        )  # fmt: skip
        self._running = meter.create_up_down_counter(
            "stretto.calls.running", unit="{call}", description="Calls that are under way."
        )
        self._cost = meter.create_counter(
            "stretto.cost", unit="{USD}", description="What calls have cost, in US dollars."
        )

    def __call__(self, event: Event) -> None:
        if isinstance(event, events.RunBegan):
            self._runs[event.run] = _Run(event.flow, event.time)
            return
        run = self._runs.get(event.run)
        if run is None:
            return
        if isinstance(event, events.Issued):
            run.calls[event.place] = _Call(event.call, event.time)
        elif isinstance(event, events.RunEnded):
            self._run_ended(run, event)
        else:
            call = run.calls.get(event.place)
            if call is not None:
                self._told(run, call, event)

    def _told(self, run: _Run, call: _Call, event: Event) -> None:
        if isinstance(event, events.Started):
            if call.since is None:
                call.since = event.time
                told = {"stretto.call": call.name, "stretto.wait.way": event.waited}
                self._wait.record((event.time - call.issued) / 1e6, told)
            self._runs_now(call, True)
        elif isinstance(event, events.Attempted):
            self._runs_now(call, False)
        elif isinstance(event, events.Finished):
            self._over(run, call, event, "finished")
            if not event.recorded:
                self._finished(call, event)
        elif isinstance(event, events.Failed):
            self._over(run, call, event, "failed", {"error.type": event.error})
        elif isinstance(event, events.Cancelled):
            self._over(run, call, event, "cancelled")

    def _runs_now(self, call: _Call, runs: bool) -> None:
        if call.runs is not runs:
            call.runs = runs
            self._running.add(1 if runs else -1, {"stretto.call": call.name})

    def _over(
        self, run: _Run, call: _Call, event: events.Finished | events.Failed | events.Cancelled,
        outcome: str, more: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        del run.calls[event.place]
        self._runs_now(call, False)
        if call.since is not None:
            told = {"stretto.call": call.name, "stretto.outcome": outcome, **(more or {})}
            self._duration.record((event.time - call.since) / 1e6, told)

    def _finished(self, call: _Call, event: events.Finished) -> None:
        """What a call of a model says of itself; what was recorded has been counted when it was made."""
        if event.usd is not None and event.usd > 0:
            self._cost.add(event.usd, {"stretto.call": call.name})
        if not is_model(event):
            return
        told = metric_attributes(event, call.name)
        if call.since is not None:
            self._model.record((event.time - call.since) / 1e6, told)
        for kind, count in (("input", event.input_tokens), ("output", event.output_tokens)):
            if count is not None:
                self._tokens.record(count, {**told, "gen_ai.token.type": kind})

    def _run_ended(self, run: _Run, event: events.RunEnded) -> None:
        del self._runs[event.run]
        for call in run.calls.values():
            self._runs_now(call, False)
        told = {"stretto.flow": run.flow, "stretto.run.state": event.state}
        if event.error:
            told["error.type"] = event.error
        self._run_duration.record((event.time - run.began) / 1e6, told)
