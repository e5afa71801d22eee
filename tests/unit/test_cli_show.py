"""`stretto show`: a run's calls in program order, and what each came to."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stretto.cli import tree
from stretto.cli.times import ago, lasted, since
from stretto.cli.values import clean, shorten
from stretto.configuration import DEFAULT
from stretto.errors import CorruptValue
from stretto.journal import Journal
from stretto.journal.codecs import encode
from stretto.journal.codecs.view import view
from stretto.journal.configured import shared
from stretto.journal.events import CallSettled, Decision, RunResumed, RunStarted, RunState, now
from stretto.journal.leases import this_process
from tests.unit.journals import (
    DAY,
    HOUR,
    data,
    dead,
    done,
    ended,
    failed,
    fill,
    intended,
    listed,
    places,
    shown,
    stretto,
)

pytestmark = pytest.mark.usefixtures("folder")


class TestOrder:
    def test_turns_and_repetitions_by_number_else_by_first_event(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        came = [
            "for/10/search", "for/2/search", "first", "for/9/b", "for/9/a", "helper#10/while/1/ask",
            "helper#2/while/0/ask", "for/0/search", "last", "helper/ask", "for#2/0/x", "helper#2",
        ]  # fmt: skip
        fill(journal, "r", [done(place) for place in came])
        assert places(capsys, "r") == [
            "for/0/search", "for/2/search", "for/9/b", "for/9/a", "for/10/search", "first",
            "helper/ask", "helper#2", "helper#2/while/0/ask", "last", "helper#10/while/1/ask", "for#2/0/x",
        ]  # fmt: skip

    def test_of_a_real_run(
        self, journal: Journal, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """Calls that come back in the other order than the program has them in."""
        (tmp_path / "backwards.py").write_text(
            "import asyncio\nfrom stretto import call, flow\n\n"
            "@call.reads('web')\nasync def fetch(n: int) -> int:\n"
            "    await asyncio.sleep(0.03 * (12 - n))\n    return n\n\n"
            "@flow\ndef fetches(n: int) -> int:\n    return sum([fetch(i) for i in range(n)])\n"
        )
        assert stretto(f"run {tmp_path}/backwards.py:fetches 12") == 0
        shared(str(DEFAULT)).flush()
        capsys.readouterr()
        [run] = listed(capsys)
        assert places(capsys, run["id"]) == [f"for/{n}/fetch" for n in range(12)]

    def test_odd_places(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        odd = ["", "/", "a//b", "a", ":1", "#2", "x:" + "9" * 30, "x:-1", "x:²", "e\x1b[31m"]
        fill(journal, "r", [done(place) for place in odd])
        assert sorted(places(capsys, "r")) == sorted(odd)
        assert stretto("show r") == 0
        assert "\x1b" not in capsys.readouterr().out

    def test_what_holds_one_thing_shares_its_line(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(journal, "r", [done("for/0/a"), done("for/1/a"), done("for/1/b"), done("for/1/b/c/d")])
        assert stretto("show r") == 0
        _, calls = capsys.readouterr().out.split("\n\n")
        assert [line.split("  done")[0].rstrip() for line in calls.splitlines()] == [
            "for/0/a",
            "for/1",
            "  a",
            "  b",
            "    c/d",
        ]

    def test_only_the_events_that_are_shown_are_kept(
        self, journal: Journal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tree, "_NEAR", 3)
        fill(journal, "r", [done(f"for/{n}/a", n) for n in reversed(range(50))])
        found = shown(capsys, "r")["calls"]
        assert [call["result"] for call in found] == list(range(50))
        assert tree.fetch(journal, "r", {1, 2, 9, 1000}).keys() == {1, 2, 9}


class TestLong:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tree, "MANY", 30)
        monkeypatch.setattr(tree, "_BEGINNING", 10)

    def test_only_the_beginning_is_read(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        calls = [intended("write"), *(done(f"for/{n}/a") for n in range(50)), done("write")]
        fill(journal, "r", [*calls, ended(result="all")])
        assert stretto("show r") == 0
        out = capsys.readouterr().out
        assert "result    'all'" in out and "calls     51\n" in out
        assert "for/7/a" in out and "for/8/a" not in out
        assert "write    not read" in out  # and not: in doubt
        assert "... and 42 more calls" in out and "Only the first 10 of 54 events were read" in out
        assert stretto("show r --limit 1000") == 0
        out = capsys.readouterr().out
        assert "for/49/a" in out and "more calls" not in out and "not read" not in out
        assert len(places(capsys, "r")) == 51

    def test_doubts_are_looked_for_everywhere(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        calls = [done(f"for/{n}/a") for n in range(250)]
        fill(journal, "r", [*calls, intended("write"), ended(RunState.IN_DOUBT)])
        assert stretto("show r") == 0
        out = capsys.readouterr().out
        assert "... and 51 more calls" in out
        assert "Also in doubt, and not shown above: 1\nwrite\n" in out
        assert "stretto settle r write --retry" in out


class TestCalls:
    def test_what_each_came_to(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        calls = [
            done("search", ["tides"], attempt=2, waited_for="a free slot of api"),
            failed("boom", ValueError("no\nwords")),
            intended("send", "ann", subject="Hi"),
            done("send", 7),
            ended(RunState.FAILED),
        ]
        fill(journal, "r", calls, args=(["a"],), kwargs={"limit": 3})
        assert stretto("show r") == 0
        out = capsys.readouterr().out
        assert "arguments (['a'], limit=3)\n" in out
        head, calls_said = out.split("\n\n")
        search, boom, send = calls_said.splitlines()
        assert search.endswith("→ ['tides']  attempt 2  waited 2 ms for a free slot of api")
        assert "done" in search and "300 ms" in search
        assert "failed" in boom and boom.endswith("→ ValueError: no words")
        assert send.endswith("('ann', subject='Hi') → 7")
        found = shown(capsys, "r")
        assert found["arguments"] == {"args": [["a"]], "kwargs": {"limit": 3}}
        search, boom, send = found["calls"]
        assert (search["state"], search["seconds"], search["result"]) == ("done", 0.3, ["tides"])
        assert search["waited_for"] == "a free slot of api" and search["attempt"] == 2
        assert boom["error"] == {"type": "ValueError", "message": "no\nwords"}
        assert send["arguments"] == {"args": ["ann"], "kwargs": {"subject": "Hi"}} and send["key"] == "key"

    def test_a_doubt_comes_with_its_commands(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(journal, "r", [intended("send#2", 1), ended(RunState.IN_DOUBT)])
        assert stretto("show r") == 0
        out = capsys.readouterr().out
        assert "calls     1, 1 in doubt" in out
        assert "stretto settle r 'send#2' --done VALUE\n" in out
        assert "stretto settle r 'send#2' --retry\n" in out
        [call] = shown(capsys, "r", "--journal .stretto/journal.db")["calls"]
        assert call["state"] == "in doubt"
        assert call["settle"]["retry"] == ("stretto settle r 'send#2' --retry --journal .stretto/journal.db")

    def test_a_write_that_runs_is_not_in_doubt(
        self, journal: Journal, capsys: pytest.CaptureFixture[str]
    ) -> None:
        fill(journal, "alive", [intended("send")], release=False)
        fill(journal, "dead", [intended("send")], owner=dead(), release=False)
        fill(journal, "over", [intended("send"), ended(RunState.CANCELLED)])
        for run, state, commands in (
            ("alive", "running", False),
            ("dead", "in doubt", True),
            ("over", "in doubt", False),  # nothing is left to resume
        ):
            [call] = shown(capsys, run)["calls"]
            assert (call["state"], "settle" in call) == (state, commands)
            assert stretto(f"show {run}") == 0
            out = capsys.readouterr().out
            assert state in out and ("stretto settle" in out) is commands
            assert ("which is gone" in out) is (run == "dead")

    def test_settled(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        def said(place: str, decision: Decision, value: bytes | None) -> CallSettled:
            return CallSettled(place, f"m:{place}", b"d", decision, value, "ann", now())

        calls = [
            intended("a"), intended("b"), intended("c"),
            said("a", Decision.DONE, data("yes")), said("b", Decision.RETRY, None),
            said("c", Decision.RETRY, None), done("c", "again"),
        ]  # fmt: skip
        fill(journal, "r", calls)
        a, b, c = shown(capsys, "r")["calls"]
        assert (a["state"], a["result"], a["settled"]["by"]) == ("settled", "yes", "ann")
        assert (b["state"], b["settled"]["decision"]) == ("settled", "retry")
        assert (c["state"], c["result"]) == ("done", "again")
        assert stretto("show r") == 0
        out = capsys.readouterr().out
        assert "() → 'yes'  done, said ann" in out and "()  to be run again, said ann" in out

    def test_large_values(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "r", [done("a", "x" * 100_000), done("b", "y" * 1_000_000)])
        assert stretto("show r") == 0
        out = capsys.readouterr().out
        assert "'xxx" in out and "xx…" in out and "→ <1.0 MB>" in out
        assert max(map(len, out.splitlines())) <= 120
        assert [len(call["result"]) for call in shown(capsys, "r")["calls"]] == [100_000, 1_000_000]

    def test_no_calls(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "r", [RunResumed(this_process(), "source", now()), ended(result={"n": 1})])
        found = shown(capsys, "r")
        assert (found["calls"], found["result"], found["resumed"]) == ([], {"n": 1}, 1)
        assert stretto("show r") == 0
        assert "resumed   once at 20" in capsys.readouterr().out

    def test_forked(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = data(((), {}))
        started = RunStarted("f", "m:f", "s", arguments, this_process(), now(), "r", "send#2")
        journal.release(journal.start(started))
        assert stretto("show f") == 0
        assert "forked    from r before send#2" in capsys.readouterr().out


class TestWhichRun:
    def test_by_its_beginning(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        for run in ("abc1", "abd2", "ab"):
            fill(journal, run)
        assert shown(capsys, "abc")["id"] == "abc1"
        assert shown(capsys, "ab")["id"] == "ab"
        assert stretto("show a") == 1
        err = capsys.readouterr().err
        assert "3 runs begin with 'a'" in err and "  abd2  report:digest, started 20" in err
        assert stretto("show acb1") == 1
        assert "there is no run 'acb1'; did you mean abc1?" in capsys.readouterr().err


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 1.0


class Pair(NamedTuple):
    a: int
    b: int


class Colour(Enum):
    RED = 1


class Broken(Exception):
    pass


class TestValues:
    @pytest.fixture
    def elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], Any]:
        """A value as it looks where this module is not loaded."""
        from stretto.journal.codecs import classes

        def seen(value: object) -> Any:
            recorded = encode(value).data
            with monkeypatch.context() as patch:
                patch.setattr(classes, "_definitions", {})
                patch.setattr("stretto.journal.codecs.decoder.known_definition", lambda definition: None)
                patch.delitem(sys.modules, __name__)
                return view(recorded)

        return seen

    @pytest.mark.parametrize(
        "value, says, plain",
        [
            (Point(1), "Point(x=1, y=1.0)", {"x": 1, "y": 1.0}),
            ({"p": [Point(1)], "q": 2}, "{'p': [Point(x=1, y=1.0)], 'q': 2}", None),
            (Pair(1, 2), "Pair(a=1, b=2)", {"a": 1, "b": 2}),
            (Colour.RED, "Colour.RED", {"member": "RED"}),
            ({Point(2)}, "{Point(x=2, y=1.0)}", None),
            (Point, f"<class {__name__}.Point>", {}),
        ],
    )
    def test_stand_ins(
        self, elsewhere: Callable[[object], Any], value: object, says: str, plain: object
    ) -> None:
        found = elsewhere(value)
        assert repr(found) == says
        if plain is not None:
            assert json.loads(json.dumps(found)) == plain

    def test_shared_parts(self, elsewhere: Callable[[object], Any]) -> None:
        point = Point(1)
        found = elsewhere([point, Colour.RED, point, (point,)])
        assert repr(found) == "[Point(x=1, y=1.0), Colour.RED, Point(x=1, y=1.0), (Point(x=1, y=1.0),)]"
        assert found[0] is found[2]

    def test_exceptions(self, elsewhere: Callable[[object], Any]) -> None:
        assert str(elsewhere(Broken("so"))) == f"{__name__}.Broken: so"

    def test_damaged(self) -> None:
        recorded = encode([1, (2, 3)]).data
        assert view(recorded) == [1, (2, 3)]
        for bad in (b"", b"\x01", b"\x09\x01", recorded[:-1], recorded + b"x"):
            with pytest.raises(CorruptValue):
                view(bad)

    def test_unreadable_is_said(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        call = done("a")._replace(result=b"\xff\xff\xff")
        fill(journal, "r", [call])
        assert stretto("show r") == 0
        assert "→ <cannot be read: these bytes are no recorded value" in capsys.readouterr().out
        assert "result_unreadable" in shown(capsys, "r")["calls"][0]

    def test_no_json(self, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
        fill(journal, "r", [done("a", {1j: 2})])
        assert shown(capsys, "r")["calls"][0]["result_repr"] == "{1j: 2}"

    def test_texts(self) -> None:
        assert clean("a\x1b[31m\tb\n c") == "a\ufffd[31m b c"
        assert shorten("abcdefghij", 8) == "abcdefg…" and shorten("abc", 1) == "abc"


def test_times() -> None:
    current = 1_800_000_000_000_000
    assert since("--since", "2h", current) == current - 2 * HOUR
    assert since("--since", "1970-01-02T00:00:00Z", current) == DAY
    assert ago(current - 90_000_000, current) == "1 min ago"
    assert ago(current + HOUR, current).startswith("2027-01-")  # a clock that was set back
    assert ago(current - 8 * DAY, current).startswith("2027-01-")
    assert [lasted(n) for n in (-5, 999, 1500, 999_600, 59_960_000, 90 * 60_000_000, 3 * DAY)] == [
        "0 µs", "999 µs", "2 ms", "1.0 s", "1 min 0 s", "1 h 30 min", "3 d 0 h",
    ]  # fmt: skip
