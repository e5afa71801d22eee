"""Processes that are killed (SIGKILL) at every moment of a run, and runs that are then taken up."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stretto.journal import open_journal
from stretto.journal.events import CallFinished, CallIntended, RunState
from stretto.journal.history import value_of
from tests.contract.conftest import postgres_store
from tests.crash.nursery import Nursery
from tests.crash.programs import FLOWS

#: The moments of a flow are shared out, so that several processes can test at once.
SHARES = 4


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery("tests.crash.programs", tmp_path_factory.mktemp("nursery") / "printed") as made:
        yield made


def run(nursery: Nursery, flow: str, url: str, folder: Path, when: int = 0) -> int:
    """Run or resume in a process of its own. How many moments there were; 0 if it was killed."""
    code, printed = nursery.run(flow, url, folder, when)
    if code == -9:
        assert when, "nobody asked for that"
        return 0
    assert code == 0, f"killed at {when} of {flow}\n{printed}"
    found = re.search(r"(\d+)\s*$", printed)
    return int(found[1]) if found else -1


def world(folder: Path) -> dict[str, object]:
    """What the flow has written, the keys of the calls apart; lines of calls that commute in any order."""
    found: dict[str, object] = {}
    for path in folder.iterdir():
        if path.suffix.startswith(".db"):
            continue
        lines = path.read_text().splitlines()
        assert len(set(lines)) == len(lines), f"twice in {path.name}: {lines}"
        keys = [line.split(" ")[1] for line in lines if " " in line and not path.name.startswith("log")]
        assert len(set(keys)) == len(keys)
        texts = [line.split(" ")[0] for line in lines]
        found[path.name] = sorted(texts) if path.name == "t" else texts
    return found


def check_events(url: str) -> object:
    """One run, ended well, with no call recorded twice; its result."""
    journal = open_journal(url)
    try:
        (record,) = journal.runs()
        assert record.state is RunState.SUCCEEDED
        finished: list[str] = []
        intended: dict[str, set[str]] = {}
        result: object = None
        for _, event in journal.events(record.id):
            if isinstance(event, CallFinished):
                finished.append(event.place)
            elif isinstance(event, CallIntended):
                intended.setdefault(event.place, set()).add(event.key)
            elif hasattr(event, "result"):
                assert event.result is not None
                result = value_of(journal, event.result)
        assert len(set(finished)) == len(finished), "a call was recorded twice: it ran twice"
        assert all(len(keys) == 1 for keys in intended.values()), "a call had two keys"
        assert set(intended) <= set(finished)
        return result
    finally:
        journal.close()


def compare(flow: str, folder: Path, expected: dict[str, object], result: object, wanted: object) -> None:
    found = world(folder)
    if flow != "reads":
        assert (found, result) == (expected, wanted)
        return
    # what it read is new in every run, and the same all through one run
    assert isinstance(result, list)
    numbers = [f"{i}:{x}" for i, x in enumerate(result[3:])]
    assert found["a"] == [*numbers, str(result[0]), str(result[1])]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("flow", FLOWS)
def test_on_postgres(
    nursery: Nursery, flow: str, share: int, folder: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("server")
    plain = folder / "plain"
    plain.mkdir()
    first = postgres_store(server)
    moments = run(nursery, flow, first.url, plain)
    expected, wanted = world(plain), check_events(first.url)
    for when in range(1 + share, moments + 1, SHARES):
        killed = folder / f"killed-{when}"
        killed.mkdir()
        store = postgres_store(server)
        if run(nursery, flow, store.url, killed, when) == 0:
            run(nursery, flow, store.url, killed)
            compare(flow, killed, expected, check_events(store.url), wanted)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("flow", FLOWS)
def test_every_moment(nursery: Nursery, flow: str, share: int, folder: Path) -> None:
    plain = folder / "plain"
    plain.mkdir()
    moments = run(nursery, flow, str(plain / "journal.db"), plain)
    assert moments > 15
    expected, wanted = world(plain), check_events(str(plain / "journal.db"))
    choices = random.Random(f"{flow}{share}")
    for when in range(1 + share, moments + 1, SHARES):
        killed = folder / f"killed-{when}"
        killed.mkdir()
        url = str(killed / "journal.db")
        if run(nursery, flow, url, killed, when):
            continue  # how many transactions there are depends on timing
        if choices.random() < 0.3:  # and killed again while it is taken up
            run(nursery, flow, url, killed, choices.randrange(1, moments))
        run(nursery, flow, url, killed)
        compare(flow, killed, expected, check_events(url), wanted)
