"""`stretto diff RUN1 RUN2`: where two runs part."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stretto import call, flow, fork
from stretto.configuration import DEFAULT
from stretto.journal import Journal
from stretto.journal.configured import shared
from stretto.journal.events import CallSettled, Decision, Event, RunResumed, RunState, now
from stretto.observe.differ import Differences, Side
from tests.unit.journals import data, done, ended, failed, fill, intended, stretto

pytestmark = pytest.mark.usefixtures("folder")


@call.unordered
async def ask(question: str) -> str:
    await asyncio.sleep(0)
    return question.upper()


@call.writes("box", secret=["code"])
def put(text: str, code: str = "") -> str:
    return text


@call.unordered(secret=["return"])
def token(n: int) -> str:
    return "s3cret"


@flow
def asking(questions: list[str]) -> str:
    answers = [ask(question) for question in questions]
    put("; ".join(answers), token(1))
    return answers[-1]


def recorded(*questions: str) -> str:
    Path(DEFAULT).parent.mkdir(exist_ok=True)
    asking.using(journal=str(DEFAULT))([*questions])
    [newest] = shared(str(DEFAULT)).runs(limit=1)
    return newest.id


def differ(capsys: pytest.CaptureFixture[str], one: str, two: str, code: int) -> tuple[str, Any]:
    assert stretto(f"diff {one} {two}") == code
    text = capsys.readouterr().out
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 120
    assert stretto(f"diff {one} {two} --json") == code
    return text, json.loads(capsys.readouterr().out)


def test_the_same(capsys: pytest.CaptureFixture[str], secretive: None) -> None:
    """Secrets are encrypted, so they have other bytes each time; they are no difference, and told nowhere."""
    one, two = recorded("a", "b"), recorded("a", "b")
    text, found = differ(capsys, one, two, 0)
    assert "No difference in 4 operations" in text and found["equal"]
    assert found["operations"] == {"same": 4, "different": 0, "only_first": 0, "only_second": 0}


def test_the_first_in_program_order(capsys: pytest.CaptureFixture[str], secretive: None) -> None:
    text, found = differ(capsys, recorded("a", "b", "c"), recorded("a", "x", "c", "d"), 1)
    assert [each["place"] for each in found["differences"]] == ["for/1/ask", "for/3/ask", "put"]
    assert [each["how"] for each in found["differences"]] == ["arguments", "only", "arguments"]
    first, only, last = found["differences"]
    assert [run["result"] for run in first["runs"]] == ["B", "X"] and only["runs"][0] is None
    assert [run["arguments"]["args"][0] for run in last["runs"]] == ["A; B; C", "A; X; C; D"]
    assert found["operations"] == {"same": 3, "different": 2, "only_first": 0, "only_second": 1}
    assert "s3cret" not in text + json.dumps(found)
    at = text.index("They part at ask test_cli_differ.py:")
    assert (
        text.index("They were started with other arguments")
        < at
        < text.index("→ 'B'")
        < text.index("put test_cli")
    )


def test_a_fork(capsys: pytest.CaptureFixture[str], secretive: None) -> None:
    run = recorded("a", "b")
    forked = fork(run, before="for/1/ask", journal=str(DEFAULT), set={"for/1/ask": "other"})
    forked.result()
    text, found = differ(capsys, run, forked.id, 1)
    assert found["parted"] == {"run": forked.id, "forked_from": run, "before": "for/1/ask"}
    assert "forked before for/1/ask" in text
    assert (found["differences"][0]["place"], found["differences"][0]["how"]) == ("for/1/ask", "result")


def test_trouble(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "r", [done("a")])
    assert stretto("diff r nothing") == 2
    assert "there is no run 'nothing'" in capsys.readouterr().err
    assert stretto("diff r nothing --json") == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
    assert stretto("diff r") == 2 and stretto("diff r r --journal none.db") == 2


@pytest.mark.parametrize(
    "one, two, how",
    [
        ([done("a", 1)], [done("a", 2)], ["result"]),
        ([failed("a", ValueError("x"))], [done("a", 2)], ["error"]),
        ([failed("a", ValueError("x"))], [failed("a", ValueError("x"))], []),
        ([failed("a", ValueError("x")), done("a", 2, attempt=2)], [done("a", 2)], []),
        ([intended("a"), done("a")], [intended("a")], ["ended"]),
        ([intended("a")], [intended("a")], []),
        ([], [intended("a")], ["only"]),
        ([done("a", "x" * 100_000)], [done("a", "x" * 100_000)], []),
        ([done("a", "x" * 100_000)], [done("a", "x" * 100_001)], ["result"]),
        (
            [intended("a"), CallSettled("a", "m:a", b"", Decision.DONE, data(3), "ann", now())],
            [intended("a"), done("a", 3)], [],
        ),
        # an edited program came to it again: the last time counts
        ([done("a", 1), RunResumed("me", "edited", now()), done("a", 2)], [done("a", 1)], ["result"]),
        ([done("a", 1), RunResumed("me", "edited", now()), done("a", 2)], [done("a", 2)], []),
    ],
)  # fmt: skip
def test_how(
    journal: Journal,
    capsys: pytest.CaptureFixture[str],
    one: Sequence[Event],
    two: Sequence[Event],
    how: list[str],
) -> None:
    fill(journal, "one", [*one, ended()])
    fill(journal, "two", [*two, ended()])
    for first, second in (("one", "two"), ("two", "one")):
        _, found = differ(capsys, first, second, 1 if how else 0)
        assert [each["how"] for each in found["differences"]] == how


def test_only_what_differs_is_kept(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(journal, "one", [done(f"for/{n}/a", n) for n in range(300)])
    fill(journal, "two", [done(f"for/{n}/a", n) for n in range(299)])
    kept: list[int] = []
    take = Side.take

    def counted(side: Side, number: int, event: Event) -> str:
        kept.append(len(side.known))
        return take(side, number, event)

    monkeypatch.setattr(Side, "take", counted)
    found = Differences(
        lambda side: journal.events(("one", "two")[side]), lambda _, mark: journal.get_blob(mark)
    )
    assert found.same == 299 and [each.place for each in found.found] == ["for/299/a"] and max(kept) <= 2


def test_a_run_that_goes_on(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    fill(journal, "one", [done("a"), intended("b")], release=False)
    fill(journal, "two", [done("a"), intended("b"), done("b"), ended(RunState.SUCCEEDED, 1)])
    text, _ = differ(capsys, "one", "two", 1)
    assert "1  running" in text and "2  succeeded: 1" in text and "ended in one of them only" in text
