"""Who may write to a run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from stretto import errors
from stretto.journal import Journal, Lease, leases
from stretto.journal.events import RunResumed

from .conftest import Store
from .records import commit, finished, started

ELSEWHERE = "17/123/another-boot/another-host"


class Clock:
    """Stands in for the module `time` in `leases`."""

    CLOCK_BOOTTIME = 7

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def clock_gettime(self, clock: int) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(leases, "time", clock)
    yield clock


def freeze(journal: Journal) -> None:
    """The owner's process is stopped: it renews nothing."""
    journal._recorder.holding._held.clear()


def renew(journal: Journal, lease: Lease) -> None:
    journal.renew(lease)
    journal.flush()
    journal.flush()  # between the two the writer has done what was due


def test_a_released_run_is_free(store: Store) -> None:
    a, b = store.open(), store.open()
    lease = a.start(started(owner=ELSEWHERE))
    a.append(lease, [finished(1)])
    a.release(lease)
    assert a.run("r").owner is None
    assert not lease.good
    with pytest.raises(errors.LeaseLost, match="released"):
        a.append(lease, [finished(2)])
    with pytest.raises(errors.LeaseLost):
        a.release(lease)
    again = b.acquire("r", owner="b")
    assert (again.token, b.run("r").owner) == (2, "b")
    commit(b, again, [RunResumed("b", "source", 1), finished(2)])
    assert [seq for seq, _ in a.events("r")] == [1, 2, 3, 4]


def test_a_living_owner_keeps_its_run(store: Store) -> None:
    a, b = store.open(), store.open()
    a.start(started(owner=leases.this_process()))
    a.flush()
    with pytest.raises(errors.LeaseHeld, match=f"process {os.getpid()} .* is running it") as caught:
        b.acquire("r")
    assert caught.value.retry_after > 0
    with pytest.raises(errors.RunNotFound):
        b.acquire("nothing")


def test_a_silent_owner_is_watched_for_its_time_to_live(store: Store, clock: Clock) -> None:
    a, b = store.open(), store.open()
    lease = a.start(started(owner=ELSEWHERE), ttl=10)
    a.flush()
    for passed in (0, 9, 1.5):  # 10.5 s after the first look, where 11 are needed
        clock.now += passed
        with pytest.raises(errors.LeaseHeld, match="process 17 on another-host has it, and may be"):
            b.acquire("r")
    renew(a, lease)
    clock.now += 10.5
    with pytest.raises(errors.LeaseHeld):
        b.acquire("r")  # a sign of life was seen: watching begins anew
    freeze(a)
    clock.now += 11.5
    assert b.acquire("r").token == 2


def test_a_stale_owner_writes_nothing(store: Store, clock: Clock) -> None:
    a, b = store.open(), store.open()
    lease = a.start(started(owner=ELSEWHERE), ttl=10)
    other = a.start(started("other", owner=ELSEWHERE))
    commit(a, lease, [finished(1)])
    freeze(a)
    assert lease.good
    with pytest.raises(errors.LeaseHeld):
        b.acquire("r")
    clock.now += 10.5
    assert not lease.good  # before anyone else may have it
    clock.now += 1
    taken = b.acquire("r", owner="b")
    a.append(other, [finished(1)])
    with pytest.raises(errors.LeaseLost, match="b took it over"):
        commit(a, lease, [finished(2)])
    with pytest.raises(errors.LeaseLost):
        a.append(lease, [finished(3)])
    with pytest.raises(errors.LeaseLost):
        a.release(lease)
    commit(b, taken, [finished(4)])
    assert [event for _, event in b.events("r", after=1)] == [finished(1), finished(4)]
    assert a.run("other").events == 2  # that one run was lost does not touch the others


def test_appends_that_race_with_a_takeover_are_in_the_new_owners_count(store: Store, clock: Clock) -> None:
    a, b = store.open(interval=60.0), store.open()
    lease = a.start(started(owner=ELSEWHERE), ttl=10)
    a.flush()
    freeze(a)
    with pytest.raises(errors.LeaseHeld):
        b.acquire("r")
    clock.now += 12
    commit(a, lease, [finished(1)])  # late, but nobody has taken over yet
    taken = b.acquire("r")
    commit(b, taken, [finished(2)])
    assert [event for _, event in b.events("r", after=1)] == [finished(1), finished(2)]


def test_a_renewal_finds_out_that_the_run_was_taken(store: Store, clock: Clock) -> None:
    a, b = store.open(), store.open()
    lease = a.start(started(owner=ELSEWHERE), ttl=10)
    a.flush()
    held = set(a._recorder.holding._held)
    freeze(a)
    with pytest.raises(errors.LeaseHeld):
        b.acquire("r")
    clock.now += 12
    b.acquire("r")
    a._recorder.holding._held |= held
    renew(a, lease)
    assert isinstance(lease.failure, errors.LeaseLost)


def test_waiting_for_a_lease(store: Store) -> None:
    a, b = store.open(), store.open()
    a.start(started(owner=ELSEWHERE), ttl=0.05)
    a.flush()
    freeze(a)
    assert b.acquire("r", wait=60).token == 2
    with pytest.raises(ValueError):
        b.acquire("r", ttl=0)


def test_a_clock_that_steps_changes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = store.open(), store.open()
    a.start(started(owner=ELSEWHERE))
    commit(a, a.start(started("second", time=2000)), [])
    for step in (-1e9, 1e9):
        monkeypatch.setattr(time, "time", lambda step=step: 1.7e9 + step)
        monkeypatch.setattr(time, "time_ns", lambda step=step: int((1.7e9 + step) * 1e9))
        with pytest.raises(errors.LeaseHeld):
            b.acquire("r")
    lease = a.start(started("third", time=1000))
    commit(a, lease, [finished(2), finished(1)])  # with times that go backwards
    assert [event for _, event in b.events("third", after=1)] == [finished(2), finished(1)]


def test_which_processes_live() -> None:
    assert leases.alive(leases.this_process()) is True
    command = "from stretto.journal import leases; print(leases.this_process(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert leases.alive(owner) is True
        process.kill()
        process.wait()
        assert leases.alive(owner) is False
    pid, start, system, host = leases.this_process().split("/")
    assert leases.alive(f"{pid}/{int(start or 0) + 1}/{system}/{host}") is not True  # another of that number
    for unknown in (ELSEWHERE, "someone", "", f"{pid}/{start}/{system}x/{host}"):
        assert leases.alive(unknown) is None
        assert leases.describe(unknown) in ("process 17 on another-host", unknown, f"process {pid} on {host}")
