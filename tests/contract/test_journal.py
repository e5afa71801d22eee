"""What every journal does, whatever it is kept in."""

from __future__ import annotations

import sqlite3
import threading
import time
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stretto import errors
from stretto.journal import BLOB_OVER, open_journal, recorder
from stretto.journal.events import BlobRef, Event, Recorded, RunResumed, RunStarted, RunState
from tests.waiting import until

from .conftest import Store
from .records import Waiting, call_events, commit, ended, finished, small, started, texts, times


def test_what_was_appended_is_read(store: Store) -> None:
    journal = store.open()
    events: list[Event] = [started(), finished(1), finished(2), ended()]
    lease = journal.start(events[0])
    journal.append(lease, events[1:3])
    commit(journal, lease, events[3:])
    assert list(journal.events("r")) == [Recorded(seq, event) for seq, event in enumerate(events, 1)]
    assert [seq for seq, _ in journal.events("r", after=2)] == [3, 4]
    assert list(journal.events("r", after=4)) == []
    assert [event for _, event in store.open().events("r")] == events


def test_a_run_is_on_disk_with_what_was_given_with_its_start_or_not_at_all(store: Store) -> None:
    moments: list[str] = []
    journal = store.open(interval=0.0, probe=moments.append)
    begun = started()
    journal.start(begun, with_events=[finished(1), finished(2)])
    journal.flush()
    assert [event for _, event in journal.events("r")] == [begun, finished(1), finished(2)]
    assert moments.count("within") == 1  # one transaction


def test_reading_sees_what_the_same_journal_appended(store: Store) -> None:
    journal = store.open(interval=60.0)
    lease = journal.start(started())
    journal.append(lease, [finished(1)])
    assert journal.backlog == 2
    assert len(list(journal.events("r"))) == 2
    assert journal.backlog == 0
    journal.append(lease, [finished(2)])
    assert journal.run("r").events == 3


def test_closing_writes_what_is_left(store: Store) -> None:
    journal = store.open(interval=60.0)
    lease = journal.start(started())
    journal.append(lease, [finished(1)])
    journal.close()
    journal.close()
    assert store.open().run("r").events == 2
    for use in (lambda: journal.append(lease, [finished(2)]), lambda: journal.run("r"), journal.flush):
        with pytest.raises(errors.JournalClosed):
            use()


def test_append_alone_reaches_the_disk(store: Store) -> None:
    journal = store.open()
    lease = journal.start(started())
    journal.append(lease, [finished(1)])
    other = store.open()
    until(lambda: sum(run.events for run in other.runs()) == 2)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
    database=None,
)
@given(
    first=st.builds(
        RunStarted, st.just(""), texts, texts, small, texts, times, st.none() | texts, st.none() | texts
    ),
    groups=st.lists(st.tuples(st.booleans(), st.lists(call_events, max_size=5)), max_size=6),
    after=st.integers(0, 10),
    data=st.data(),
)
def test_any_events_come_back_the_same(
    store: Store, first: RunStarted, groups: list[tuple[bool, list[Event]]], after: int, data: st.DataObject
) -> None:
    if not hasattr(store, "shared"):
        store.shared = store.open()
        store.count = 0
    journal = store.shared
    store.count += 1
    texts_of_row = {name: getattr(first, name).replace("\0", "") for name in ("flow", "source", "owner")}
    first = RunStarted(
        f"run {store.count} {data.draw(texts)}".replace("\0", ""), arguments=first.arguments, time=first.time,
        forked_from=first.forked_from and first.forked_from.replace("\0", ""),
        forked_before=first.forked_before, **texts_of_row,
    )  # fmt: skip
    lease = journal.start(first)
    events: list[Event] = [first]
    for urgent, group in groups:
        events += group
        if urgent:
            commit(journal, lease, group)
        else:
            journal.append(lease, group)
    assert [event for _, event in journal.events(first.run)] == events
    assert [seq for seq, _ in journal.events(first.run, after=after)] == list(
        range(after + 1, len(events) + 1)
    )
    record = journal.run(first.run)
    assert (record.flow, record.started, record.events) == (first.flow, first.time, len(events))
    journal.release(lease)


def test_large_values_are_stored_once_by_content(store: Store) -> None:
    journal = store.open()
    large = bytes(range(256)) * (BLOB_OVER // 256 + 1)
    limit = b"x" * BLOB_OVER
    for run in ("a", "b"):
        lease = journal.start(started(run))
        commit(journal, lease, [finished(1, large), finished(2, limit), finished(3, large)])
        results = [event.result for _, event in journal.events(run, after=1)]
        ref = BlobRef(sha256(large).digest(), len(large))
        assert results == [ref, limit, ref]
        journal.release(lease)
    assert journal.get_blob(ref.digest) == large
    with pytest.raises(errors.JournalCorrupt, match="missing"):
        journal.get_blob(b"\0" * 32)


def test_blobs_of_ones_own(store: Store) -> None:
    journal = store.open()
    lease = journal.start(started())
    digest = sha256(b"data").digest()
    journal.put_blob(lease, digest, b"data")
    journal.put_blob(lease, digest, b"data")
    assert journal.get_blob(digest) == b"data"
    assert store.open().get_blob(digest) == b"data"
    journal.put_blob(lease, digest, b"other data")
    with pytest.raises(errors.JournalError, match="SHA-256"):
        commit(journal, lease, [])
    assert journal.get_blob(digest) == b"data"


def test_runs_are_listed_newest_first(store: Store) -> None:
    journal = store.open()
    for number in range(6):
        lease = journal.start(started(f"r{number}", flow=f"m:f{number % 2}", time=1000 + number))
        if number >= 4:
            journal.append(lease, [ended(RunState.FAILED)])

    def listed(**conditions: object) -> list[str]:
        return [record.id for record in journal.runs(**conditions)]

    assert listed() == ["r5", "r4", "r3", "r2", "r1", "r0"]
    assert listed(limit=2) == ["r5", "r4"]
    assert listed(flow="m:f1") == ["r5", "r3", "r1"]
    assert listed(state=RunState.FAILED) == ["r5", "r4"]
    assert listed(state=RunState.RUNNING, flow="m:f0", limit=1) == ["r2"]
    assert listed(since=1002, until=1004) == ["r3", "r2"]
    assert listed(flow="nothing") == []
    assert journal.run("r5") == journal.runs(limit=1)[0]
    with pytest.raises(errors.RunNotFound, match="'nothing'"):
        journal.run("nothing")
    with pytest.raises(errors.RunNotFound):
        list(journal.events("nothing"))


def test_the_state_is_that_of_the_last_event_that_tells(store: Store) -> None:
    journal = store.open()
    lease = journal.start(started())
    assert journal.run("r").state is RunState.RUNNING
    commit(journal, lease, [finished(1), ended(RunState.IN_DOUBT, time=5)])
    assert (journal.run("r").state, journal.run("r").ended, journal.run("r").calls) == (
        RunState.IN_DOUBT,
        5,
        1,
    )
    commit(journal, lease, [ended(RunState.FAILED), RunResumed("someone", "source", 6)])
    assert (journal.run("r").state, journal.run("r").ended) == (RunState.RUNNING, None)


def test_an_identifier_is_taken_once(store: Store) -> None:
    journal = store.open()
    commit(journal, journal.start(started()), [])
    again = journal.start(started())
    others = journal.start(started("other"))
    with pytest.raises(errors.RunExists, match="'r'"):
        commit(journal, again, [finished(1)])
    with pytest.raises(errors.RunExists):
        journal.append(again, [finished(1)])
    commit(journal, others, [finished(1)])
    assert (journal.run("r").events, journal.run("other").events) == (1, 2)


def test_what_is_no_event_ends_its_own_run_only(store: Store) -> None:
    journal = store.open()
    lease, other = journal.start(started()), journal.start(started("other"))
    journal.append(lease, ["no event"])
    with pytest.raises(errors.JournalError, match="cannot be written"):
        commit(journal, lease, [])
    commit(journal, other, [finished(1)])
    with pytest.raises(ValueError):
        journal.start(started("a\0b"))


def test_many_threads_append(store: Store) -> None:
    journal = store.open()
    leases = [journal.start(started(f"r{number}")) for number in range(3)]
    shared = leases[0]

    def work(number: int) -> None:
        lease = leases[number]
        for count in range(200):
            journal.append(lease, [finished(count, b"own")])
            journal.append(shared, [finished(count, b"by %d" % number)])
            if count % 50 == 0:
                commit(journal, lease, [])
            if count % 60 == 0:
                journal.commit_here(shared, [])

    threads = [threading.Thread(target=work, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (1, 2):
        own = [event for _, event in journal.events(f"r{number}", after=1)]
        assert own == [finished(count, b"own") for count in range(200)]
    everything = [event for _, event in journal.events("r0", after=1)]
    assert len(everything) == 800
    for number in range(3):
        mine = [event for event in everything if event.result == b"by %d" % number]
        assert mine == [finished(count, b"by %d" % number) for count in range(200)]


def test_done_is_called_in_order_once_it_is_durable(store: Store) -> None:
    journal, other = store.open(), store.open()
    lease = journal.start(started())
    order: list[tuple[int, int]] = []
    last = Waiting()
    for number in range(50):

        def done(error: errors.JournalError | None, number: int = number) -> None:
            assert error is None
            order.append((number, other.run("r").events))

        journal.append(lease, [finished(number)])
        journal.commit(lease, [finished(number)], done)
    journal.commit(lease, [], last)
    last.result()
    assert [number for number, _ in order] == list(range(50))
    assert all(seen >= 1 + 2 * (number + 1) for number, seen in order)


def test_a_commit_in_ones_own_thread(store: Store) -> None:
    journal, other = store.open(interval=60.0), store.open()
    lease, neighbour = journal.start(started()), journal.start(started("neighbour"))
    journal.append(lease, [finished(1)])
    waiting = Waiting()
    journal.commit_here(lease, [finished(2)])
    assert [event for _, event in other.events("r", after=1)] == [finished(1), finished(2)]
    assert other.run("neighbour").events == 1
    journal.commit(neighbour, [finished(1)], waiting)
    journal.commit_here(lease, [finished(3)])
    waiting.result()
    again = journal.start(started())
    with pytest.raises(errors.RunExists):
        journal.commit_here(again, [])
    with pytest.raises(errors.RunExists):
        journal.commit_here(again, [])
    journal.close()
    with pytest.raises(errors.JournalClosed):
        journal.commit_here(lease, [finished(4)])
    assert other.run("r").events == 4


def test_a_commit_that_waits_for_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_NO_TIME", 60.0)
    journal, other = store.open(interval=60.0), store.open()
    lease = journal.start(started())
    assert not journal.commit_at_once(lease, [finished(1)])  # nobody knows how long it takes
    journal.flush()
    journal.append(lease, [finished(1)])
    assert journal.commit_at_once(lease, [finished(2)]) == store.is_sqlite
    if store.is_sqlite:
        assert [event for _, event in other.events("r", after=1)] == [finished(1), finished(2)]
        assert journal.backlog == 0
    journal.append(lease, [finished(n) for n in range(100)])
    assert not journal.commit_at_once(lease, [finished(3)])  # there is much before it
    assert [event for _, event in journal.events("r")][-1] == finished(99)
    again = journal.start(started())
    if store.is_sqlite:
        with pytest.raises(errors.RunExists):
            journal.commit_at_once(again, [])
    journal.close()
    if store.is_sqlite:
        with pytest.raises(errors.JournalClosed):
            journal.commit_at_once(lease, [finished(4)])


def test_a_slow_disk_is_not_waited_for(sqlite: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_NO_TIME", 0.5)
    slow = [0.0]
    journal = sqlite.open(probe=lambda moment: time.sleep(slow[0]) if moment == "after" else None)
    lease = journal.start(started())
    journal.flush()
    slow[0] = 0.6
    assert journal.commit_at_once(lease, [finished(1)])
    slow[0] = 0.0
    assert not journal.commit_at_once(lease, [finished(2)])  # as far as can be told
    commit(journal, lease, [finished(2)])
    assert journal.commit_at_once(lease, [finished(3)])
    assert [event for _, event in journal.events("r", after=1)] == [finished(1), finished(2), finished(3)]


def test_while_others_write_nothing_is_committed_at_once(
    sqlite: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "_NO_TIME", 60.0)
    journal = sqlite.open(interval=60.0)
    lease = journal.start(started())
    journal.flush()
    waiting = Waiting()
    holder = sqlite3.connect(sqlite.path, isolation_level=None)
    holder.execute("begin immediate")
    journal.append(lease, [finished(1)])
    assert not journal.commit_at_once(lease, [finished(2)])
    assert journal.backlog == 1
    journal.commit(lease, [finished(3)], waiting)
    holder.execute("rollback")
    waiting.result()
    assert [event for _, event in journal.events("r", after=1)] == [finished(1), finished(3)]
    assert journal.commit_at_once(lease, [finished(4)])
    holder.close()


def test_long_runs_are_read_piece_by_piece(store: Store) -> None:
    journal = store.open(interval=60.0)
    lease = journal.start(started())
    for start in range(0, 30_000, 3000):
        journal.append(lease, [finished(number) for number in range(start, start + 3000)])
    reading = journal.events("r", after=20_000)
    assert [seq for seq, _ in islice(reading, 3)] == [20_001, 20_002, 20_003]
    # Between two pieces others may write.
    commit(journal, lease, [ended()])
    assert sum(1 for _ in reading) == 10_001 - 3 + 1
    assert [seq for seq, _ in journal.events("r")] == list(range(1, 30_003))


def test_prune_forgets_what_has_its_outcome(store: Store) -> None:
    journal = store.open()
    shared, own = b"s" * (BLOB_OVER + 1), b"o" * (BLOB_OVER + 1)
    states = {
        "old": RunState.SUCCEEDED,
        "doubt": RunState.IN_DOUBT,
        "leased": RunState.FAILED,
        "new": RunState.FAILED,
    }
    for run, state in states.items():
        lease = journal.start(started(run))
        journal.append(lease, [finished(1, shared), ended(state, time=2000 if run == "new" else 1000)])
        if run == "old":
            journal.append(lease, [finished(2, own)])
        if run != "leased":
            journal.release(lease)
    running = journal.start(started("running", time=1))
    journal.release(running)
    assert journal.prune(1500) == 1
    assert {record.id for record in journal.runs()} == {"doubt", "leased", "new", "running"}
    assert journal.get_blob(sha256(shared).digest()) == shared
    with pytest.raises(errors.JournalCorrupt):
        journal.get_blob(sha256(own).digest())
    with pytest.raises(errors.RunNotFound):
        list(journal.events("old"))
    assert len(list(journal.events("new"))) == 3
    assert journal.prune(1500) == 0
    journal.start(started("old"))
    assert len(list(journal.events("old"))) == 1


def test_a_run_that_is_deleted_while_it_is_read(store: Store) -> None:
    journal = store.open()
    lease = journal.start(started())
    for start in range(0, 20_000, 1000):
        commit(journal, lease, [finished(number) for number in range(start, start + 1000)])
    commit(journal, lease, [ended(time=1)])
    journal.release(lease)
    reading = journal.events("r")
    next(reading)
    assert store.open().prune(2) == 1
    with pytest.raises(errors.RunNotFound):
        list(reading)


@pytest.mark.parametrize(
    "url", ["mysql://host/db", "sqlite://relative.db", "sqlite:///", "", "sqlite:///a.db?mode=ro"]
)
def test_urls_that_name_no_journal(url: str) -> None:
    with pytest.raises(errors.JournalUrlError, match="sqlite:///relative"):
        open_journal(url)


def test_urls_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in (
        "bare.db",
        "sqlite:///sub/relative.db",
        f"sqlite:///{tmp_path}/absolute.db",
        tmp_path / "path.db",
    ):
        open_journal(url).close()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")}
    assert found == {"bare.db", "sub/relative.db", "absolute.db", "path.db"}
