"""`explain`: what is said of each line, and whether it is true on the clock."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

import pytest

from stretto import assume_pure, call, errors, explain, flow
from stretto.testing import VirtualClock


@call.reads("web")
async def search(topic: str) -> list[str]:
    await asyncio.sleep(1)
    return [f"{topic} {n}" for n in range(3)]


@call.reads("web")
async def fetch(url):  # no declared return type
    await asyncio.sleep(1)
    return f"page {url}"


@call.unordered
async def chat(text: str) -> str:
    await asyncio.sleep(1)
    return f"<{text}>"


@call.writes("mail:{to}")
async def send(to: str, body: str) -> None:
    await asyncio.sleep(1)


@call.reads("mail")
async def inbox(n: int) -> int:
    await asyncio.sleep(1)
    return n


@call
async def shell(command: str) -> str:
    await asyncio.sleep(1)
    return command


def of(report: Any, kind: str) -> list[Any]:
    return [o for line in report.lines for o in line.operations if o.kind == kind]


def seconds(function: Any, *args: Any) -> float:
    with VirtualClock() as clock:
        function(*args)
        return round(clock.now, 3)


def stops(function: Any) -> list[str]:
    return [stop.text for stop in explain(function).stops]


# -- calls ----------------------------------------------------------------------------------------------


@flow
def digest(topics: list[str], to: str) -> str:
    """Its first line is not shown."""
    notes = []
    for topic in topics:
        hits = search(topic)
        if len(hits) >= 3:
            notes.append(chat(", ".join(hits)))
    report = chat(" ".join(notes))
    send(to, report)
    return report


def test_a_free_flow() -> None:
    report = explain(digest)
    assert report.stops == []
    assert [o.name for o in report.calls] == ["search", "chat", "chat", "send"]
    assert [o.overlaps for o in report.calls] == [True, True, True, False]
    text = str(report)
    assert "reads web; starts when its inputs are ready" in text
    assert "writes mail:{to}; starts when everything before it is done" in text
    assert "waits for search(topic); what follows goes on" in text
    assert "4 calls: 3 may overlap, 1 in order. Nothing unknown stops the overlap." in text
    assert "Its first line" not in text
    assert seconds(digest, ["a"] * 5, "ann") == 4


def test_each_source_line_is_there_once() -> None:
    report = explain(digest)
    numbers = [line.number for line in report.lines]
    assert numbers == sorted(set(numbers))
    assert [line.mark for line in report.lines][-3:] == ["+", "=", " "]


def test_lines_stand_with_their_line_numbers() -> None:
    text = str(explain(digest)).splitlines()
    code = digest.fn.__code__
    assert text[0] == f"digest, test_explain.py:{code.co_firstlineno}"
    assert any(
        line.lstrip().startswith(f"{code.co_firstlineno + 5} +") and "search(topic)" in line for line in text
    )


@flow
def mails(to: str, n: int) -> int:
    send(to, "hello")
    return inbox(n)


def test_a_read_names_the_writes_it_waits_for() -> None:
    read = explain(mails).calls[1]
    assert read.ordered_by == [f"send (line {mails.fn.__code__.co_firstlineno + 2})"]
    assert "after earlier writes: send" in read.says


@flow
def bare(xs: list[str]) -> list[str]:
    out = []
    for x in xs:
        out.append(shell(x))
        search(x)
    return out


def test_a_bare_call_stops_the_overlap() -> None:
    (stop,) = explain(bare).stops
    assert stop.name == "shell"
    assert "say what shell touches (test_explain.py:" in stop.remedy


@flow
def bare_alone(x: str) -> str:
    return shell(x)


def test_a_bare_call_alone_stops_nothing() -> None:
    assert stops(bare_alone) == []


# -- types ----------------------------------------------------------------------------------------------


@flow
def untyped(xs: list[str]) -> list[str]:
    out = []
    for x in xs:
        out.append(chat(fetch(x) + "!"))
    return out


@flow
def untyped_loop(xs: list[str]) -> list[str]:
    out = []
    for x in xs:
        for part in fetch(x):
            out.append(search(part))
    return out


@flow
def untyped_sum(xs: list[str]) -> int:
    total = 0
    for x in xs:
        total += len(fetch(x))
    return total


@pytest.mark.parametrize("function", [untyped, untyped_loop, untyped_sum], ids=lambda f: f.name)
def test_an_undeclared_return_type(function: Any) -> None:
    (stop,) = explain(function).stops
    assert "what fetch returns has no declared type" in stop.says
    assert stop.remedy.startswith("annotate what fetch returns (test_explain.py:")
    assert seconds(function, ["a", "b", "c"]) > 2


def test_the_annotation_frees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @call.reads("web")
    async def typed(url: str) -> str:
        await asyncio.sleep(1)
        return f"page {url}"

    monkeypatch.setitem(globals(), "fetch", typed)

    @flow
    def freed(xs: list[str]) -> list[str]:
        out = []
        for x in xs:
            out.append(chat(fetch(x) + "!"))
        return out

    assert stops(freed) == []
    assert seconds(freed, ["a", "b", "c"]) == 2


def test_one_remedy_for_several_lines_is_told_once() -> None:
    @flow
    def twice(xs: list[str]) -> list[str]:
        out = []
        for x in xs:
            page = fetch(x)
            out.append(page + "!")
            out.append(page + "?")
        return out

    summary = explain(twice).summary()
    assert summary[0].endswith("1 place where the overlap stops:")
    assert len(summary) == 3


# -- unknown code -------------------------------------------------------------------------------------------


def shorten(text):
    return text[:3]


def shorten_typed(text: str) -> str:
    return text[:3]


@flow
def helped(xs: list[str]) -> list[str]:
    out = []
    for x in xs:
        out.append(shorten(fetch(search(x)[0])))
    return out


@flow
def helped_typed(xs: list[str]) -> list[str]:
    out = []
    for x in xs:
        out.append(shorten_typed(fetch(search(x)[0])))
    return out


@flow
def helped_known(xs: list[str]) -> list[str]:
    out = []
    for x in xs:
        out.append(shorten(chat(search(x)[0])))
    return out


def test_unknown_code_on_a_result() -> None:
    (stop,) = explain(helped).stops
    assert stop.name == "shorten"
    assert stop.remedy.startswith("`assume_pure(shorten)` if it has no effects")
    (stop,) = explain(helped_typed).stops
    assert stop.remedy.startswith("`@call.pure` above `def shorten_typed` (test_explain.py:")


def test_the_line_frees_it() -> None:
    def short(text):
        return text[:3]

    assume_pure(short)

    @flow
    def freed(xs: list[str]) -> list[str]:
        out = []
        for x in xs:
            out.append(short(fetch(search(x)[0])))
        return out

    assert stops(freed) == []
    assert seconds(freed, ["a", "b", "c"]) == 2
    assert seconds(helped, ["a", "b", "c"]) > 2


def test_a_helper_whose_source_says_that_it_has_no_effects_stops_nothing() -> None:
    assert stops(helped_known) == []
    assert "no effects, judged by its source" in str(explain(helped_known, everything=True))
    assert seconds(helped_known, ["a", "b", "c"]) == 2


@call.reads("web")
async def page(x: str):  # type: ignore[no-untyped-def]
    await asyncio.sleep(1)
    return x


@flow
def telling(xs: list[str]) -> None:
    for x in xs:
        print(x, search(x), file=None)
        sys.stderr.write(x)


@flow
def telling_of_anything(xs: list[str]) -> None:
    for x in xs:
        print(page(x))


@flow
def telling_a_file(xs: list[str], file: Any) -> None:
    for x in xs:
        print(x, file=file)
        search(x)


def test_print_stops_only_what_its_texts_are_not_known_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert stops(telling) == []
    assert [(o.says.split(";")[0], o.mark) for o in of(explain(telling), "shown")] == [
        ("writes stdout", "ordered"), ("writes stderr", "ordered"),
    ]  # fmt: skip
    assert seconds(telling, ["a", "b"]) == 1
    (stop,) = explain(telling_of_anything).stops
    assert (
        "What sees effects waits until page(x) is known" in of(explain(telling_of_anything), "shown")[0].says
    )
    assert stop.remedy.startswith("annotate what page returns")
    assert seconds(telling_of_anything, ["a", "b"]) == 2
    (stop,) = explain(telling_a_file).stops
    assert stop.text == "print(x, file=file)" and 'call.writes("...")(print)' in stop.remedy


@flow
def told_after(xs: list[str]) -> None:
    for x in xs:
        search(x)
    time.sleep(0)


@flow
def told_before(x: str) -> list[str]:
    time.sleep(0)
    return search(x)


@pytest.mark.parametrize("function", [told_after, told_before], ids=lambda f: f.name)
def test_unknown_code_that_nothing_waits_for_is_no_stop(function: Any) -> None:
    report = explain(function)
    assert report.stops == []
    assert [o.mark for o in of(report, "unknown")] == ["ordered"]


@flow
def at_once(xs: list) -> list[str]:  # of what, is not said
    out = []
    for x in xs:
        out.append(search(shorten(x))[0])
    return out


def test_unknown_code_on_what_is_there_runs_at_once() -> None:
    report = explain(at_once)
    assert report.stops == []
    assert seconds(at_once, ["a", "b"]) == 1


SEEN: dict[str, int] = {}


@flow
def keeping(xs: list[str]) -> None:
    for x in xs:
        SEEN[x] = len(search(x))


def test_a_change_that_others_see() -> None:
    (stop,) = explain(keeping).stops
    assert stop.kind == "change"
    assert "`SEEN`" in stop.says
    assert seconds(keeping, ["a", "b"]) == 2


@flow
def aliased(xs: list[str]) -> list[Any]:
    found: list[Any] = []
    other = found
    for x in xs:
        found.append(search(x))
    return other


def test_a_shared_list_is_changed_in_order() -> None:
    report = explain(aliased)
    (change,) = of(report, "change")
    assert change.name == "found"
    assert "`other = found`" in change.says
    assert not of(report, "value")


def test_a_list_that_is_a_value() -> None:
    (value,) = of(explain(digest), "value")
    assert (value.name, value.says.split()[1]) == ("notes", "list")


@flow
def celled(xs: list[str]) -> Any:
    hits = search(xs[0])
    best = hits[0]

    def shown() -> str:
        return best

    search(shown())
    best = "none"
    return shown


def test_a_variable_that_a_nested_function_sees() -> None:
    found = of(explain(celled), "variable")
    assert {o.name for o in found} == {"best"}
    assert "in order" in found[0].says


# -- regions ----------------------------------------------------------------------------------------------


@flow
def first_hit(xs: list[str]) -> str:
    for x in xs:
        if len(search(x)) > 2:
            return x
    return ""


@flow
def skipping(xs: list[str]) -> int:
    n = 0
    for x in xs:
        if len(search(x)) < 2:
            continue
        chat(x)
    return n


def test_a_branch_that_may_leave() -> None:
    (branch,) = of(explain(first_hit), "branch")
    assert branch.says == "waits for search(x); it may return, so what follows waits too"
    assert branch.mark == "ordered"
    (loop,) = of(explain(first_hit), "loop")
    assert "each turn begins when search(x) of the turn before" in loop.says
    (branch,) = of(explain(skipping), "branch")
    assert "the next turn goes on" in branch.says


@flow
def guarded(x: str) -> list[str]:
    try:
        hits = search(x)
    except LookupError:
        hits = []
    chat(x)
    return hits


def test_a_try() -> None:
    (region,) = of(explain(guarded), "try")
    assert region.says.startswith("ends when all calls in it have; what follows goes on")


# -- helpers ----------------------------------------------------------------------------------------------


def both(a: str, b: str) -> int:
    return len(search(a)) + len(search(b))


def down(n: int) -> int:
    if n == 0:
        return 0
    return inbox(n) + down(n - 1)


@flow
def outer(a: str, b: str, n: int) -> int:
    first = both(a, b)
    second = both(b, a)
    return first + second + down(n)


def test_helpers_are_shown_below_the_call() -> None:
    report = explain(outer)
    inside = [line for line in report.lines if line.function == "both"]
    assert [line.depth for line in inside] == [1, 1]
    assert "as under line" in str(report)
    assert str(report).count("def both") == 1
    assert "it calls itself: shown once" in str(report)
    assert report.stops == []


@flow
def nesting(a: str) -> int:
    return mails(a, 1)


def test_a_nested_flow() -> None:
    report = explain(nesting)
    assert of(report, "helper")[0].says.startswith("a flow")
    assert [o.name for o in report.calls] == ["send", "inbox"]


@flow
def timed(x: str) -> float:
    begun = time.time()
    search(x)
    return time.time() - begun


def test_recorded_reads() -> None:
    report = explain(timed)
    assert [o.resources for o in of(report, "recorded")] == [("clock",)] * 2
    assert "reads the clock" in str(report)


# -- the report itself ------------------------------------------------------------------------------------


def test_json() -> None:
    data = json.loads(json.dumps(explain(untyped).as_json()))
    assert data["flow"] == "untyped"
    assert (data["calls"], data["may_overlap"]) == (2, 2)
    operations = [o for line in data["lines"] for o in line["operations"]]
    fields = {"kind", "name", "text", "says", "effects", "resources", "ordered_by", "stops_overlap", "remedy"}
    assert all(set(o) == fields for o in operations)
    assert next(o for o in operations if o["name"] == "fetch")["resources"] == ["web"]
    (stop,) = data["stops"]
    assert stop["line"] in {line["line"] for line in data["lines"]}
    assert stop["remedy"]


def test_everything_shows_plain_code_too() -> None:
    row = r'\. plain +", "\.join'
    assert not re.search(row, str(explain(digest)))
    assert re.search(row, str(explain(digest, everything=True)))


def test_only_flows() -> None:
    with pytest.raises(errors.DeclarationError, match="takes a flow"):
        explain(shorten)


@flow
def without_calls(x: int) -> int:
    return x + 1


def test_no_call_at_all() -> None:
    assert "No declared call" in str(explain(without_calls))


@flow
def odd(xs: list[str], *rest: str, **more: str) -> Any:
    a, *b = xs
    pairs = {k: search(v) for k, v in zip(xs, rest)}
    ranks = sorted(xs, key=lambda x: len(search(x)))
    texts = [f"{t!r:>10}" for t in (chat(y) for y in b) if t]
    total = sum(len(h) for h in pairs.values())
    while total > 0 and search(a):
        total -= 1
        with open(a) as handle:
            handle.read()
    for i, (k, v) in enumerate(pairs.items()):
        if not v:
            break
        assert chat(k), k
    else:
        raise ValueError(ranks)
    try:
        return more.get(a) or {**pairs, "t": texts}, i
    finally:
        del total


def test_odd_flows_are_explained() -> None:
    for everything in (False, True):
        assert str(explain(odd, everything=everything))
    json.dumps(explain(odd).as_json())


class TestSteps:
    """What can run together, before a run."""

    def told(self, fn: Any) -> list[tuple[int, str, str, str, list[str]]]:
        return [
            (item.step, item.operation.name, item.turns, item.why, [other.name for other in item.after])
            for item in explain(fn).steps
        ]

    def test_chains_in_a_loop(self) -> None:
        @flow
        def digest(topics: list[str]) -> str:
            notes = []
            for topic in topics:
                hits = search(topic)
                notes.append(chat(", ".join(hits)))
            return chat(", ".join(notes))

        assert self.told(digest) == [
            (1, "search", "together", "", []),
            (2, "chat", "together", "result", ["search"]),
            (3, "chat", "", "result", ["chat"]),
        ]

    def test_writes_stand_alone(self) -> None:
        @flow
        def writes(text: str) -> None:
            chat(text)
            send("ann", text)
            send("bob", text)
            search(text)

        assert self.told(writes) == [
            (1, "chat", "", "", []),
            (1, "search", "", "", []),
            (2, "send", "", "order", ["chat"]),
            (3, "send", "", "order", ["send"]),
        ]

    def test_turns_that_need_the_turn_before(self) -> None:
        @flow
        def chain(text: str, times: int) -> str:
            for _ in range(times):
                text = chat(text)
            return text

        [(step, name, turns, _, _)] = self.told(chain)
        assert (step, name, turns) == (1, "chat", "one by one")

    def test_what_a_decision_leads_to(self) -> None:
        @flow
        def decides(text: str) -> str:
            first = chat(text)
            if len(first) > 3:
                first = chat(first)
            search("beside")
            return chat(first)

        assert self.told(decides) == [
            (1, "chat", "", "", []),
            (1, "search", "", "", []),
            (2, "chat", "", "result", ["chat"]),
            (3, "chat", "", "result", ["chat"]),
        ]

    def test_for_people(self) -> None:
        @flow
        def both(text: str) -> None:
            chat(text)
            send("ann", text)

        text = str(explain(both))
        assert "What can run together" in text
        assert re.search(r"   1  chat :\d+", text) and re.search(
            r"   2  send :\d+  all before: chat :\d+", text
        )
        assert [step["step"] for step in explain(both).as_json()["steps"]] == [1, 2]
