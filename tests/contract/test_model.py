"""A journal against a model of it: lists of events, and which lease is the good one.

Owners are processes that are known to be dead, so every run can be taken over at any time.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test

from stretto import errors
from stretto.journal import Journal, Lease, leases
from stretto.journal.events import Event, RunEnded, RunResumed, RunState

from .conftest import Store
from .records import Waiting, call_events, started

pid, start, system, host = leases.this_process().split("/")
DEAD = f"{2**30}/1/{system}/{host}"


class Run:
    def __init__(self, run: str, lease: Lease, events: list[Event]) -> None:
        self.id = run
        self.lease: Lease | None = lease
        self.events = events

    @property
    def state(self) -> RunState:
        for event in reversed(self.events):
            if isinstance(event, RunEnded):
                return event.state
            if isinstance(event, RunResumed):
                break
        return RunState.RUNNING

    @property
    def ended(self) -> int | None:
        ends = [event for event in self.events if isinstance(event, RunEnded)]
        return ends[-1].time if self.state is not RunState.RUNNING else None


class Machine(RuleBasedStateMachine):
    held: Bundle[tuple[Journal, Lease]] = Bundle("held")
    count = 0

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.journals = [store.open(interval=60.0), store.open()]
        for record in self.journals[0].runs():
            self.forget(record.id)
        self.runs: dict[str, Run] = {}

    def forget(self, run: str) -> None:
        lease = self.journals[0].acquire(run, owner=DEAD)
        waiting = Waiting()
        self.journals[0].commit(lease, [RunEnded(RunState.FAILED, None, None, -(2**63))], waiting)
        waiting.result()
        self.journals[0].release(lease)
        self.journals[0].prune(-(2**63) + 1)

    @rule(target=held, which=st.integers(0, 1))
    def starts(self, which: int) -> tuple[Journal, Lease]:
        Machine.count += 1
        event = started(f"run {Machine.count}", owner=DEAD)
        lease = self.journals[which].start(event)
        self.journals[which].flush()
        self.runs[event.run] = Run(event.run, lease, [event])
        return self.journals[which], lease

    @rule(held=held, events=st.lists(call_events, max_size=4), wait=st.booleans())
    def appends(self, held: tuple[Journal, Lease], events: list[Event], wait: bool) -> None:
        journal, lease = held
        run = self.runs.get(lease.run)
        good = run is not None and run.lease is lease
        try:
            if wait or not good:
                waiting = Waiting()
                journal.commit(lease, events, waiting)
                waiting.result()
            else:
                journal.append(lease, events)
        except (errors.LeaseLost, errors.JournalClosed):
            assert not good or not journal.usable
        else:
            assert good and run is not None
            run.events += events

    @rule(target=held, which=st.integers(0, 1), data=st.data())
    def is_taken_over(self, which: int, data: st.DataObject) -> tuple[Journal, Lease] | object:
        if not self.runs:
            return self.starts(which)
        run = self.runs[data.draw(st.sampled_from(list(self.runs)))]
        for journal in self.journals:
            journal.flush()
        lease = self.journals[which].acquire(run.id, owner=DEAD)
        run.lease = lease
        return self.journals[which], lease

    @rule(held=consumes(held))
    def is_released(self, held: tuple[Journal, Lease]) -> None:
        journal, lease = held
        run = self.runs.get(lease.run)
        try:
            journal.release(lease)
        except (errors.LeaseLost, errors.JournalClosed):
            assert not journal.usable or run is None or run.lease is not lease
        else:
            assert run is not None and run.lease is lease
            run.lease = None

    @rule(which=st.integers(0, 1))
    def is_closed_and_opened(self, which: int) -> None:
        self.journals[which].close()
        self.journals[which] = self.store.open(interval=60.0)

    @rule(before=st.integers(-10, 10) | st.integers(-(2**63), 2**63 - 1))
    def is_pruned(self, before: int) -> None:
        for journal in self.journals:
            journal.flush()
        gone = [
            run.id
            for run in self.runs.values()
            if run.lease is None and run.state.ended and run.ended is not None and run.ended < before
        ]
        assert self.journals[0].prune(before) == len(gone)
        for run in gone:
            del self.runs[run]

    @rule(which=st.integers(0, 1), after=st.integers(0, 6))
    def is_read(self, which: int, after: int) -> None:
        for journal in self.journals:
            journal.flush()
        journal = self.journals[which]
        assert {record.id: record.state for record in journal.runs()} == {
            run.id: run.state for run in self.runs.values()
        }
        for run in self.runs.values():
            assert [event for _, event in journal.events(run.id, after=after)] == run.events[after:]
            assert journal.run(run.id).events == len(run.events)

    def teardown(self) -> None:
        self.is_read(0, 0)
        for journal in self.journals:
            journal.close()


def test_against_a_model(store: Store) -> None:
    run_state_machine_as_test(
        lambda: Machine(store),
        settings=settings(
            max_examples=15,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
