"""Disks, locks and files that fail: a clear error or a wait, never a loss that nobody hears of."""

from __future__ import annotations

import itertools
import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stretto import errors
from stretto.journal import open_journal
from stretto.journal.events import Recorded
from stretto.journal.sqlite import SqliteDatabase
from tests.waiting import PATIENCE

from .conftest import Store
from .processes import ROOT, child
from .records import Waiting, commit, ended, finished, started


def filled(store: Store, *, events: int = 3000) -> list[Recorded]:
    """A journal with a long run in it, closed."""
    journal = store.open()
    lease = journal.start(started())
    for start in range(0, events, 100):
        noise = random.Random(start)
        commit(journal, lease, [finished(n, noise.randbytes(20)) for n in range(start, start + 100)])
    commit(journal, lease, [ended()])
    journal.release(lease)
    found = list(journal.events("r"))
    journal.close()
    return found


def test_disk_full(sqlite: Store) -> None:
    journal = sqlite.open(max_pages=60)
    lease = journal.start(started(), ttl=0.05)
    noise = random.Random(1)
    durable = []
    for number in itertools.count():
        try:
            commit(journal, lease, [finished(number, noise.randbytes(5000))])
        except errors.JournalFull as error:
            assert str(sqlite.path) in str(error)
            break
        durable.append(number)
    waiting = Waiting()
    for use in (
        lambda: journal.append(lease, [finished(0)]),
        lambda: journal.commit_here(lease, [finished(0)]),
        lambda: journal.commit(lease, [], waiting),
        lambda: journal.commit_at_once(lease, [finished(0)]),
        lambda: journal.start(started("other")),
        lambda: journal.acquire("r"),
        journal.flush,
    ):
        with pytest.raises(errors.JournalFull):
            use()
    assert not waiting.calls
    assert not journal.usable
    assert not lease.good
    assert journal.run("r").events == 1 + len(durable)  # what is there can be read
    journal.close()
    again = sqlite.open()
    assert [event.digest for _, event in again.events("r", after=1)] == [b"digest %d" % n for n in durable]
    commit(again, again.acquire("r", owner="someone", wait=60), [ended()])


def test_everyone_who_waits_hears_of_a_failure(sqlite: Store) -> None:
    go = threading.Event()
    journal = sqlite.open(max_pages=40, probe=lambda moment: go.wait(PATIENCE) and None)
    lease, other = journal.start(started()), journal.start(started("other"))
    waiting = [Waiting() for _ in range(4)]
    journal.commit(lease, [finished(0, random.Random(1).randbytes(300_000))], waiting[0])
    journal.commit(other, [finished(0)], waiting[1])
    journal.commit(lease, [finished(1)], waiting[2])
    journal.commit(other, [], waiting[3])
    go.set()
    for one in waiting:
        with pytest.raises(errors.JournalFull):
            one.result()
    assert not lease.good and not other.good
    journal.close()  # it was told already


def test_a_loss_that_nobody_was_told_is_told_when_closing(sqlite: Store) -> None:
    journal = sqlite.open(max_pages=40, interval=60.0)
    lease = journal.start(started())
    journal.append(lease, [finished(0, random.Random(1).randbytes(300_000))])
    assert journal.runs() == []  # reading does not hide it
    with pytest.raises(errors.JournalFull):
        journal.close()


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    program = f"""
import resource, sys
from stretto.journal import open_journal
from tests.contract.records import commit, finished, started
from stretto import errors
journal = open_journal({str(tmp_path / "j.db")!r})
lease = journal.start(started())
commit(journal, lease, [])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
for number in range(10_000):
    try:
        commit(journal, lease, [finished(number, bytes(1000))])
    except errors.JournalError as error:
        print(number)
        break
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    durable = int(done.stdout)
    journal = open_journal(tmp_path / "j.db")
    assert journal.run("r").events >= 1 + durable
    assert len(list(journal.events("r"))) == journal.run("r").events
    journal.close()


def test_locked_by_another_process(sqlite: Store) -> None:
    sqlite.open().close()
    journal = sqlite.open(patience=0.05)
    lease = journal.start(started())
    commit(journal, lease, [])
    with child("lock", str(sqlite.path), "immediate") as other:
        assert other.hear() == "locked"
        with pytest.raises(errors.JournalLocked, match="another process"):
            commit(journal, lease, [finished(1)])
        with pytest.raises(errors.JournalLocked):
            journal.append(lease, [finished(2)])
    assert len(list(sqlite.open().events("r"))) == 1


def test_a_lock_that_is_let_go_is_waited_for(sqlite: Store) -> None:
    journal = sqlite.open(patience=60)
    lease = journal.start(started())
    commit(journal, lease, [])
    waiting = Waiting()
    with child("lock", str(sqlite.path), "immediate") as other:
        assert other.hear() == "locked"
        journal.commit(lease, [finished(1)], waiting)
        assert other.process.stdin is not None
        other.process.stdin.close()
        waiting.result()
    assert journal.run("r").events == 2


def test_locked_when_it_is_opened(sqlite: Store) -> None:
    with child("lock", str(sqlite.path), "exclusive") as other:
        assert other.hear() == "locked"
        with pytest.raises(errors.JournalLocked):
            sqlite.open(patience=0.05)


def test_a_truncated_file(sqlite: Store) -> None:
    found = filled(sqlite)
    whole = sqlite.path.read_bytes()
    for part in (0.99, 0.5, 0.1, 0.001):
        sqlite.path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(errors.JournalCorrupt, match=str(sqlite.path)):
            list(sqlite.open().events("r"))
    sqlite.path.write_bytes(whole)
    assert list(sqlite.open().events("r")) == found


def test_damaged_pages(sqlite: Store) -> None:
    found = filled(sqlite)
    whole = sqlite.path.read_bytes()
    noise = random.Random(5)
    detected = 0
    for count in range(80):
        damaged = bytearray(whole)
        at = noise.randrange(len(whole))
        size = 1 if count % 2 else 4096
        damaged[at : at + size] = noise.randbytes(min(size, len(whole) - at))
        sqlite.path.write_bytes(damaged)
        try:
            journal = sqlite.open()
            read = list(journal.events("r"))
            journal.close()
        except errors.JournalError:
            detected += 1
        else:
            assert read == found
    assert detected > 40


def test_a_batch_that_lies_elsewhere_is_damage(store: Store) -> None:
    filled(store, events=300)
    store.sql("update stretto_batch set key = key + 1 where key = (select max(key) from stretto_batch)")
    with pytest.raises(errors.JournalCorrupt, match="from number .* on are damaged"):
        list(store.open().events("r"))
    store.sql("delete from stretto_batch where key = (select max(key) from stretto_batch)")
    with pytest.raises(errors.JournalCorrupt, match="is missing"):
        list(store.open().events("r"))


def test_a_damaged_blob(store: Store) -> None:
    journal = store.open()
    commit(journal, journal.start(started()), [finished(1, bytes(100_000))])
    [digest] = journal.blobs("r")
    assert journal.get_blob(digest) == bytes(100_000)
    store.sql("update stretto_blob set size = size + 1")
    with pytest.raises(errors.JournalCorrupt, match=digest.hex()):
        journal.get_blob(digest)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + bytes(200)])
def test_files_that_are_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(errors.JournalCorrupt, match="file"):
        open_journal(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content


def test_somebody_elses_database(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "file.db")
    connection.execute("create table other (x)")
    connection.close()
    with pytest.raises(errors.JournalCorrupt, match="no journal of Stretto's"):
        open_journal(tmp_path / "file.db")


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    with pytest.raises(errors.JournalUnavailable):
        open_journal(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(errors.JournalUnavailable):
        open_journal(tmp_path / "file" / "journal.db")


def test_a_journal_of_a_newer_version(store: Store) -> None:
    store.open().close()
    if store.is_sqlite:
        store.sql("pragma user_version = 99")
    else:
        store.sql("insert into stretto_schema values (99)")
    with pytest.raises(errors.JournalVersion, match="99.*up to 3"):
        store.open()


def test_first_opened_by_many_at_once(store: Store) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            store.open()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert store.open().runs() == []


def test_a_commit_survives_loss_of_power(sqlite: Store) -> None:
    database = SqliteDatabase(sqlite.path)
    assert database.query("pragma synchronous")[0][0] == 2
    assert database.query("pragma journal_mode")[0][0] == "wal"
    database.close()


def test_a_forked_process_has_to_open_it_again(sqlite: Store) -> None:
    program = f"""
import os
from stretto import errors
from stretto.journal import open_journal
from tests.contract.records import finished, started
journal = open_journal({str(sqlite.path)!r})
lease = journal.start(started())
if not (child := os.fork()):
    try:
        journal.append(lease, [finished(1)])
    except errors.JournalClosed:
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
journal.append(lease, [finished(2)])  # and is not closed: the program's end writes it
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, check=True)
    assert [event for _, event in sqlite.open().events("r", after=1)] == [finished(2)]
