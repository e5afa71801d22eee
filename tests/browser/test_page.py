"""What the page of a run shows, in a real browser, against what its journal tells."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page

from stretto import call, flow
from stretto.cli import main
from stretto.cli.tree import History
from stretto.journal import Journal
from stretto.journal.codecs import encode
from stretto.journal.configured import shared
from stretto.journal.events import CallFinished, Event
from stretto.observe import RunExplanation, explain_run
from stretto.observe.paths import critical_path, ideal
from stretto.observe.timeline import Timeline
from stretto.testing import VirtualClock
from tests.browser.conftest import Opened, wait_for
from tests.unit.journals import done, ended, failed, fill, intended

#: All that the page knows of its calls, as `explain` would tell it.
FACTS = """() => {
  const {model} = stretto.page, {order, cause, sequential} = model.facts;
  const place = (at) => at < 0 ? null : model.places[at];
  const calls = {};
  for (const at of order) calls[model.places[at]] = [
    model.started[at], model.ended[at], model.words.waits[model.how[at]][0], place(cause[at]),
    [...model.needsOf(at)].map(place), model.failed[at] === 1, model.attempts[at],
    model.names[model.name[at]],
  ];
  return {
    calls, count: model.count, took: model.took, sequential, cost: model.cost, state: model.head.state,
    ideal: model.sites.length ? model.ideal.reduce((a, b) => Math.max(a, b), 0) : null,
    path: model.path.map(place), program: model.tree.calls.map(place),
  };
}"""


def facts_of(found: RunExplanation) -> dict[str, Any]:
    """The same of the journal's."""
    timeline = found.timeline
    calls = {
        call.place: [
            call.started, call.ended, call.kind, None if call.last is None else call.last.place,
            [need.place for need in call.needs], call.failed, call.attempts, call.name,
        ]
        for call in timeline.calls
    }  # fmt: skip
    return {
        "calls": calls, "count": len(calls), "took": found.took, "sequential": found.sequential,
        "ideal": found.ideal, "path": [step.call.place for step in found.path], "state": timeline.state.value,
    }  # fmt: skip


@call.reads("web")
async def search(topic: int) -> int:
    await asyncio.sleep(0.01 + topic % 7 / 100)
    return topic


@call.unordered(limit=3)
async def think(about: int) -> dict[str, Any]:
    await asyncio.sleep(0.02 + about % 5 / 100)
    return {"about": about, "cost": 0.01}


@call.commutes("log")
async def log(what: int) -> None:
    await asyncio.sleep(0.01)


@call.writes("mail:{to}")
async def send(to: str, body: str) -> None:
    await asyncio.sleep(0.05)
    if to == "nobody":
        raise LookupError(to)


@flow
def digest(times: int) -> str:
    total = 0
    for n in range(times):
        found = search(n)
        if found % 3 == 0:
            log(found)
        total += think(found)["about"]
    try:
        send("nobody", "")
    except LookupError:
        send("ann", str(total))
    return str(total)


def recorded(journal: Journal, folder: Path, times: int) -> str:
    def run() -> None:
        with VirtualClock():
            digest.using(journal=str(folder / "journal.db"))(times)

    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(run).result()
    shared(str(folder / "journal.db")).flush()
    [newest] = journal.runs(limit=1)
    return newest.id


@pytest.mark.parametrize("times", [3, 430])
def test_what_it_shows_is_what_is_recorded(
    journal: Journal, folder: Path, opened: Opened, times: int
) -> None:
    run = recorded(journal, folder, times)
    page = opened(f"#/run/{run}")
    wait_for(page, ended="true")
    shown = page.evaluate(FACTS)
    expected = facts_of(explain_run(run, journal=folder / "journal.db"))
    assert {name: shown[name] for name in expected} == expected
    order = [place for _, _, place, node in History(journal, run).walk() if node.state]
    assert shown["program"] == order
    assert shown["cost"] == pytest.approx(times * 0.01)
    summary = page.locator(".summary").inner_text()
    assert "succeeded" in summary and f"{expected['count']:,}" in summary
    # the file is the same page with the same in it
    assert main(["show", run, "--html", "run.html", "--journal", str(folder / "journal.db")]) == 0
    alone = opened((folder / "run.html").as_uri())
    wait_for(alone, ended="true")
    assert alone.evaluate(FACTS) == shown


def random_calls(count: int) -> list[Event]:
    """Calls of a run that nobody has made: each has waited for one before it, or for none."""
    luck, calls = random.Random(1), list[CallFinished]()
    value = encode(None).data
    time = 2_000_000_000_000_000
    for n in range(count):
        before = calls[luck.randrange(max(0, n - 50), n)] if n else None
        started = time if before is None else before.ended + luck.randrange(100)
        wait = "start"
        if before is not None:
            kind = luck.choice(["data", "order", "limit", "effect", "control"])
            wait = kind if kind == "data" else f"{kind} {before.place}"
        site = luck.choice(["reads web", "unordered", "writes mail:{to}", "plain", "pure; limit 4"])
        needs = f"\n{before.place}" if before is not None else ""
        calls.append(
            CallFinished(
                f"for/{n}/work",
                "m:work",
                b"d",
                1,
                value,
                None,
                started - luck.randrange(50),
                started,
                started + luck.randrange(1, 5000),
                f"{wait}\nm.py:{luck.randrange(9)}\n{site}{needs}",
            )  # fmt: skip
        )
    calls.sort(key=lambda event: event.ended)
    return list(calls)


#: The same in little: for each call a line.
LINES = """() => {
  const {model} = stretto.page, {order, cause, sequential} = model.facts;
  const line = (at) => [model.places[at], model.started[at], model.ended[at],
    model.words.waits[model.how[at]][0], cause[at] < 0 ? "" : model.places[cause[at]]].join(" ");
  return [Array.from(order, line).join("\\n"), model.path.map((at) => model.places[at]), sequential,
    model.ideal.reduce((a, b) => Math.max(a, b), 0), model.took];
}"""


@pytest.mark.slow
def test_a_hundred_thousand_calls(journal: Journal, opened: Opened) -> None:
    fill(journal, "r", [*random_calls(100_000), ended()])
    page = opened("#/run/r")
    wait_for(page, calls=100_000, ended="true")
    timeline = Timeline(event for _, event in journal.events("r"))
    lines = [
        f"{call.place} {call.started} {call.ended} {call.kind} {call.last.place if call.last else ''}"
        for call in timeline.calls
    ]
    path = [step.call.place for step in critical_path(timeline)]
    sequential = sum(call.took for call in timeline.calls)
    shown = page.evaluate(LINES)
    assert shown == ["\n".join(lines), path, sequential, ideal(timeline), timeline.took]
    assert page.locator("*").count() < 1000  # only what can be seen is elements
    page.keyboard.press("n")
    page.keyboard.press("z")
    assert page.locator(".details h2").inner_text() == "work"


class TestLive:
    def test_a_run_is_shown_while_it_goes_on(self, journal: Journal, folder: Path, opened: Opened) -> None:
        page = opened()
        page.wait_for_selector(".empty")
        go = [threading.Event() for _ in range(3)]

        @call.reads("web")
        def step(n: int) -> int:
            assert go[n].wait(100)
            return n

        @call.writes("mail")
        def put(n: int) -> None:
            assert go[n].wait(100)

        @flow
        def steps() -> int:
            first = step(0)
            put(1)
            return first + step(2)

        run = steps.using(journal=str(folder / "journal.db")).start()
        page.click("text=steps")
        wait_for(page, calls=0, ended="false")
        assert "running" in page.locator(".summary .state").inner_text()
        go[0].set()
        wait_for(page, calls=1)
        page.wait_for_selector(".tree >> text=running")  # the write: that it was to begin is on record
        # the other is told of when it has been under way for a while
        page.wait_for_selector(".tree .row:has-text('step#2') >> text=running")
        under_way = [call.place for call in Timeline(event for _, event in journal.events(run.id)).running]
        assert sorted(page.evaluate("[...stretto.page.model.begun.keys()]")) == sorted(under_way)
        assert sorted(under_way) == ["put", "step#2"]
        go[2].set()
        go[1].set()
        assert run.result(100) == 2
        wait_for(page, calls=3, ended="true")
        page.wait_for_selector(".summary .state.succeeded")
        assert (
            page.evaluate(FACTS)["calls"]
            == facts_of(explain_run(run.id, journal=folder / "journal.db"))["calls"]
        )
        page.click("text=Runs")
        page.wait_for_selector("td >> text=succeeded")


HOSTILE = (
    "<img src=x onerror=\"window.harmed = 'img'\"></script><script>window.harmed = 'script'</script>\u2028"
    "`${window.harmed = 1}`"
)


class TestHostile:
    def test_nothing_that_is_recorded_runs(self, journal: Journal, folder: Path, opened: Opened) -> None:
        name = HOSTILE.replace("/", "|")
        events = [
            intended(f"{name}/send", HOSTILE, x=HOSTILE), done(f"{name}/send", HOSTILE),
            failed("fail", ValueError(HOSTILE)),
            done("list", {HOSTILE: [HOSTILE]}, waited_for=f"order {name}\n{name}:1\n{name}"),
            ended(result=HOSTILE),
        ]  # fmt: skip
        fill(journal, "r1", events, flow=f"m:{name}", args=(HOSTILE,))
        fill(journal, "r2", events, flow=f"m:{name}", args=(HOSTILE,))
        main(["show", "r1", "--html", "run.html", "--journal", str(folder / "journal.db")])
        for where in ("", "#/run/r1", "#/compare/r1/r2", (folder / "run.html").as_uri()):
            page = opened(where)
            page.wait_for_selector(f"text={name[:20]}", state="attached")
            if "run" in where:
                for place in ("fail", "list", f"{name}/send"):
                    page.evaluate("place => stretto.page.choose(place)", place)
                    page.wait_for_selector(".details pre")
                    assert "window.harmed" in page.locator(".details pre").last.inner_text()
                page.hover(".timeline", position={"x": 300, "y": 100})
            assert page.evaluate("window.harmed === undefined && !document.querySelector('img, main script')")

    def test_the_file_asks_nobody(self, journal: Journal, folder: Path, opened: Opened) -> None:
        fill(journal, "r", [done("a"), ended()])
        main(["show", "r", "--html", "run.html", "--journal", str(folder / "journal.db")])
        page = opened((folder / "run.html").as_uri())
        wait_for(page, ended="true")
        assert page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)") == []


def serious(page: Page) -> list[str]:
    page.evaluate(f"() => {{ {Path(AXE_FILE_PATH).read_text()} }}")
    found = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{it['id']}: {it['nodes'][0]['html']}" for it in found if it["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(journal: Journal, folder: Path, opened: Opened, scheme: str) -> None:
    fill(journal, "doubt", [intended("send", "ann"), failed("b", ValueError("no"))])
    run = recorded(journal, folder, 3)
    page = opened("", color_scheme=scheme, bypass_csp=True)
    page.wait_for_selector("td >> text=digest")
    assert serious(page) == []
    page.goto(f"{page.url.partition('#')[0]}#/run/{run}")
    wait_for(page, ended="true")
    page.keyboard.press("n")
    page.wait_for_selector(".details pre")
    assert serious(page) == []
    page.keyboard.press("?")
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.goto(f"{page.url.partition('#')[0]}#/run/doubt")
    page.wait_for_selector(".doubts")
    assert serious(page) == []
    page.goto(f"{page.url.partition('#')[0]}#/compare/{run}/doubt")
    page.wait_for_selector(".differences table")
    assert serious(page) == []


def test_keys(journal: Journal, folder: Path, opened: Opened) -> None:
    run = recorded(journal, folder, 6)
    found = explain_run(run, journal=folder / "journal.db")
    page = opened(f"#/run/{run}")
    wait_for(page, ended="true")

    def chosen() -> str:
        return str(page.evaluate("stretto.page.place"))

    program = page.evaluate(FACTS)["program"]
    for key, place in (
        ("j", program[0]),
        ("j", program[1]),
        ("k", program[0]),
        ("Escape", ""),
        ("n", found.path[0].call.place),
        ("n", found.path[1].call.place),
        ("e", "send"),
    ):
        page.keyboard.press(key)
        assert chosen() == place
    page.keyboard.press("/")
    page.keyboard.type("think")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert chosen().endswith("/think")
    page.keyboard.press("g")
    page.keyboard.press("g")
    page.keyboard.press("g")
    assert page.evaluate("stretto.page.timeline.tracks.map((track) => track.took)") == [
        found.took,
        found.sequential,
        found.ideal,
    ]
    page.focus(".tree")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".tree [aria-selected=true]").get_attribute("aria-expanded") == "false"
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_two_runs(journal: Journal, folder: Path, opened: Opened) -> None:
    one, two = recorded(journal, folder, 2), recorded(journal, folder, 4)
    page = opened()
    for run in (one, two):
        page.check(f"#pick-{run}")
    page.click("text=Compare two")
    wait_for(page, calls=f"{journal.run(one).calls} {journal.run(two).calls}")
    table = page.locator(".differences").inner_text()
    assert "for/3/think" in table and "Every call of A was made in B also." in table
    assert page.evaluate("stretto.page.timeline.tracks.map((track) => track.model.head.id)") == [one, two]
