"""A process that is killed at any moment leaves a prefix of what it appended, with all that it was told."""

from __future__ import annotations

import pytest

from stretto.journal.events import RunStarted

from .children import EVENTS
from .conftest import Store
from .processes import child
from .records import commit, finished

pytestmark = pytest.mark.slow

KILLS = 26


def test_killed_at_every_moment(store: Store) -> None:
    store.open().close()
    with child("crashes", store.url, "0", str(KILLS)) as crashes:
        reports = [crashes.hear() for _ in range(KILLS)]
    journal = store.open()
    for run, durable in reports:
        if not durable and run not in {record.id for record in journal.runs()}:
            continue
        start, *events = [event for _, event in journal.events(run)]
        assert isinstance(start, RunStarted)
        assert events == [finished(number) for number in range(1, len(events) + 1)]
        assert durable <= 1 + len(events) <= EVENTS
        # The owner is known to be dead: nobody has to wait for the lease.
        lease = journal.acquire(run)
        commit(journal, lease, [finished(0)])
        assert journal.run(run).events == len(events) + 2
    assert len({durable for _, durable in reports}) > 5


@pytest.mark.parametrize("racers", [3])
def test_of_those_who_want_a_dead_owners_run_one_gets_it(store: Store, racers: int) -> None:
    store.open().close()
    with child("crashes", store.url, "20", "8") as crashes:
        runs = [run for run, durable in (crashes.hear() for _ in range(8)) if durable]
    assert len(runs) > 3
    lengths = {record.id: record.events for record in store.open().runs()}
    with child("race", store.url) as a, child("race", store.url) as b, child("race", store.url) as c:
        everyone = [a, b, c][:racers]
        for racer in everyone:
            assert racer.hear() == "ready"
        for run in runs:
            for racer in everyone:
                racer.tell(run)
        answers = [[racer.hear() for _ in runs] for racer in everyone]
    for run, *won in zip(runs, *answers, strict=True):
        assert sum(won) == 1
        assert store.open().run(run).events == lengths[run] + 1
