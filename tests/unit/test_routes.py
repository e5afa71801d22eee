"""Routes: one call that is made in the cheapest way that works."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto import Done, budget, call, errors, flow, route, way
from stretto.cli import main
from stretto.declarations import project
from stretto.errors import CircuitOpen, DeclarationError, RoutesExhausted
from stretto.journal.configured import shared
from stretto.testing import VirtualClock


class Down(Exception):
    """The server does not answer."""


class Busy(Exception):
    """It asks to be left alone."""

    status_code = 429
    headers = {"retry-after": "40"}


class Servers:
    """Each fails where it is told to, by an exception; notes what it was asked."""

    failing: dict[str, Exception] = {}
    asked: list[tuple[str, Any]] = []


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    Servers.failing, Servers.asked = {}, []
    yield
    project.rules.load(None, {})


async def ask(server: str, what: Any, seconds: float = 1.0) -> str:
    Servers.asked.append((server, what))
    await asyncio.sleep(seconds)
    error = Servers.failing.get(server) or Servers.failing.get(f"{server} {what}")
    if error is not None:
        raise type(error)(*error.args)
    return f"{server}: {what}"


@call.unordered
async def fast(text: str) -> str:
    return await ask("fast", text)


@call.unordered(breaker="2/60s")
async def strong(text: str) -> str:
    return await ask("strong", text, 2.0)


@call.reads("disk")
def local(text: str) -> str:
    Servers.asked.append(("local", text))
    if "local" in Servers.failing:
        raise Servers.failing["local"]
    return f"local: {text}"


summarise = route(fast, strong, local, name="summarise")
by_cost = route(
    way(strong, cost=0.02),
    way(fast, cost=lambda text: 0.001 * len(text)),
    way(local, cost=0, when=lambda text: len(text) < 4),
)


@flow
def digest(texts: list[str]) -> list[str]:
    return [summarise(text) for text in texts]


def both(program: Any, *args: Any) -> Any:
    """The outcome of a flow, which is that of its reference run; each on a clock of its own."""
    outcomes: list[Any] = []
    for run in (program, program.sequential):
        Servers.asked.clear()
        with VirtualClock(validate=True) as clock:
            try:
                found = run(*args)
                outcomes.append(clock.run(found) if inspect.iscoroutine(found) else found)
            except Exception as error:
                outcomes.append((type(error), getattr(error, "tried", str(error))))
    assert outcomes[0] == outcomes[1]
    return outcomes[0]


def test_the_first_one_that_works_is_taken() -> None:
    texts = ["a", "b", "c"]
    assert both(digest, texts) == ["fast: a", "fast: b", "fast: c"]
    Servers.failing = {"fast": Down("no route to host")}
    assert both(digest, texts) == ["strong: a", "strong: b", "strong: c"]
    Servers.failing["strong"] = Down()
    assert both(digest, texts) == ["local: a", "local: b", "local: c"]
    with VirtualClock() as clock:
        digest(texts)
        assert clock.now == pytest.approx(3)  # side by side
    assert summarise.last is not None and summarise.last.way == "local"
    assert [name for name, _ in summarise.last.tried] == ["fast", "strong"]
    assert "Down: no route to host" in summarise.last.tried[0][1]


def test_exhaustion_lists_what_was_tried() -> None:
    Servers.failing = {"fast": Down("no route to host"), "strong": Down(), "local": KeyError("model")}
    kind, tried = both(digest, ["a"])
    assert kind is RoutesExhausted
    assert tried == (
        ("fast", "failed after 1 s with Down: no route to host"),
        ("strong", "failed after 2 s with Down"),
        ("local", "failed after 0 s with KeyError: 'model'"),
    )
    with VirtualClock():
        with pytest.raises(RoutesExhausted) as caught:
            digest(["a"])
    assert str(caught.value).splitlines()[0] == "summarise: none of its ways has worked:"
    assert f"  fast ({__file__}:" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


def test_the_cheapest_one_whose_predicate_holds() -> None:
    with VirtualClock():
        assert by_cost("abc") == "local: abc"
        assert by_cost("abcd") == "fast: abcd"
        assert by_cost("abcd" * 6) == "strong: " + "abcd" * 6
        assert by_cost.most(("abcd" * 6,), {}) == pytest.approx(0.044)
        Servers.failing = {"fast": Down(), "strong": Down()}
        with pytest.raises(RoutesExhausted) as caught:
            by_cost("abcd")
    assert caught.value.tried[0] == ("local", "not taken: its when= says no")


def test_those_that_fail_often_come_last_but_are_tried() -> None:
    Servers.failing = {"fast": Down()}
    with VirtualClock() as clock:
        for number in range(3):
            summarise(str(number))
        Servers.asked.clear()
        assert summarise("x") == "strong: x"
        assert Servers.asked == [("strong", "x")]
        Servers.failing = {"strong": Down(), "local": Down()}
        assert summarise("y") == "fast: y"
        assert [server for server, _ in Servers.asked[1:]] == ["strong", "local", "fast"]
        assert summarise("z") == "fast: z"  # it is well again
        Servers.failing = {"fast": Down()}
        for number in range(3):
            summarise(str(number))
        Servers.failing = {}
        clock.run(asyncio.sleep(31))
        assert summarise("z") == "fast: z"


def test_open_circuits_and_refusals_are_passed_over() -> None:
    Servers.failing = {"strong": Down()}
    routed = route(strong, fast, name="routed")
    with VirtualClock() as clock:
        for number in range(2):
            assert routed(str(number)).startswith("fast")
        Servers.asked.clear()
        Servers.failing["fast"] = Busy()
        with pytest.raises(RoutesExhausted) as caught:
            routed("x")
        assert Servers.asked == [("fast", "x")]
        assert caught.value.tried[0][1].startswith("not taken: strong is not called: 2 in a row have failed")
        Servers.asked.clear()
        with pytest.raises(
            RoutesExhausted, match="its server asks to be left alone for another 40 s"
        ) as caught:
            routed("y")
        assert Servers.asked == [] and caught.value.retry_after == pytest.approx(40)
        Servers.failing = {}
        clock.run(asyncio.sleep(40))
        assert routed("z") == "fast: z"
        clock.run(asyncio.sleep(30))
        assert routed("z") == "strong: z"


def test_retries_of_a_way_and_of_the_whole() -> None:
    @call.unordered(retries=2)
    async def patient(text: str) -> str:
        return await ask("patient", text)

    routed = route(patient, fast, name="routed", retries=1)

    @flow
    def one() -> str:
        return routed("x")

    Servers.failing = {"patient": Down()}
    assert both(one) == "fast: x"
    assert [server for server, _ in Servers.asked] == ["patient"] * 3 + ["fast"]
    Servers.failing = {"patient": Busy()}  # it does not wait for that while there is another way
    assert both(one) == "fast: x"
    assert [server for server, _ in Servers.asked] == ["patient", "fast"]
    with VirtualClock() as clock:
        Servers.failing = {"patient": Busy(), "fast": Busy()}
        clock.loop.call_later(10, Servers.failing.clear)
        assert one() == "patient: x"
        assert clock.now > 40
    with VirtualClock() as clock:  # of two, the one that may work sooner counts, also if it asks for nothing
        doubled = route(strong, fast, name="doubled", retries=1)
        Servers.failing = {"strong": Down()}
        assert [doubled("a"), doubled("b")] == ["fast: a", "fast: b"]  # strong is left alone from here
        Servers.failing["fast"] = Down()
        began = clock.now
        clock.loop.call_later(1.001, Servers.failing.pop, "fast")
        assert doubled("c") == "fast: c"
        assert clock.now < began + 30


def test_what_does_not_reroute() -> None:
    picky = route(fast, strong, name="picky", reroute_on=(ConnectionError, Down))

    @flow
    def one(text: str) -> str:
        return picky(text)

    Servers.failing = {"fast x": ValueError("x is no text")}
    assert both(one, "x") == (ValueError, "x is no text")
    Servers.failing = {"fast x": Down(), "strong x": ValueError("nor here")}
    with VirtualClock(), pytest.raises(ValueError) as caught:
        one("x")
    assert caught.value.__notes__ == ["picky: raised by strong, after fast: failed after 1 s with Down"]
    assert picky.last is not None and picky.last.way is None
    assert picky.last.tried[1] == ("strong", "failed after 2 s with ValueError: nor here")


@call.writes("store:{key}", idempotent=True)
async def put(key: str) -> str:
    return await ask("put", key)


@call.writes("store:{key}", idempotent=True, breaker="2/60s")
async def put_elsewhere(key: str) -> str:
    return await ask("elsewhere", key)


kept = route(put_elsewhere, put, name="kept")


@flow
def keep(keys: list[str]) -> list[str]:
    told: list[str] = []
    for key in keys:
        try:
            told.append(kept(key))
        except RoutesExhausted as error:
            told.append(str(error.tried))
    return told


def test_writes_in_order_and_health() -> None:
    Servers.failing = {f"elsewhere {n}": Down() for n in (1, 2, 4)} | {f"put {n}": Down() for n in (2, 3, 4)}
    keys = [str(n) for n in range(6)]
    found = both(keep, keys)
    assert found[:2] == ["elsewhere: 0", "put: 1"] and found[5] == "put: 5"
    assert "put_elsewhere is not called" in found[3]
    asked = Servers.asked[:]
    with VirtualClock():
        keep(keys)
    assert Servers.asked[len(asked) :] == asked  # the same writes, in the same order


def test_a_write_that_was_made_is_not_made_in_another_way() -> None:
    made: list[str] = []
    lost = [True]

    @call.writes("mail", check=lambda to: Done("sent before") if to in made else False)
    async def send(to: str) -> str:
        made.append(to) if to == "ann" else None
        raise Down

    @call.writes("mail", check=lambda to: False)
    async def send_again(to: str) -> str:
        return f"sent to {to}"

    routed = route(send, send_again, name="mail")
    assert not routed.idempotent and lost

    @flow
    def post() -> list[str]:
        return [routed("ann"), routed("bob")]

    assert both(post) == ["sent before", "sent to bob"]


@call.reads("x")
def stop() -> None:
    if stops[0]:
        raise KeyboardInterrupt


stops = [True]


@flow
def kept_and_stopped() -> list[str]:
    told = [kept("1"), summarise("text")]
    stop()
    return told


def test_it_is_one_operation_in_the_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.db"
    Servers.failing = {"elsewhere": Down(), "fast": Down()}
    with VirtualClock(), pytest.raises(KeyboardInterrupt):
        kept_and_stopped.using(journal=journal)()
    shared(str(journal)).flush()
    stops[0] = False
    Servers.asked.clear()
    [record] = shared(str(journal)).runs()
    with VirtualClock():
        found: Any = stretto.resume(record.id, journal=journal).result(60)
    assert found == ["put: 1", "strong: text"]
    assert Servers.asked == []
    shared(str(journal)).close()
    for as_json in ([], ["--json"]):
        assert main(["show", record.id, "--journal", str(journal), *as_json]) == 0
    text, _, told = capsys.readouterr().out.partition("\n{")
    assert re.search(r"kept +done .* by put\n", text) and re.search(r"summarise +done .* by strong\n", text)
    ways = {one["place"]: one.get("way") for one in json.loads("{" + told)["calls"]}
    assert ways == {"kept": "put", "summarise": "strong", "stop": None}


def test_async_flows_and_routes_of_routes() -> None:
    outer = route(summarise, local, name="outer")

    @flow
    async def several() -> list[str]:
        return list(await asyncio.gather(outer("a"), summarise("b"), by_cost("c")))

    Servers.failing = {"fast": Down()}
    assert both(several) == ["strong: a", "strong: b", "local: c"]
    assert str(outer.effects) == "reads disk"
    sync = route(local, way(local, name="twin"), name="sync")

    @flow
    async def plain() -> str:
        return sync("a")

    assert both(plain) == "local: a"


def test_a_budget_is_asked_for_all_that_may_be_made_and_fits() -> None:
    @call.unordered(usd=0.01)
    async def cheap(text: str) -> str:
        return await ask("cheap", text)

    @call.unordered(usd=lambda text: 0.1 * len(text))
    async def dear(text: str) -> str:
        return await ask("dear", text)

    routed = route(cheap, way(dear, when=lambda text: len(text) > 1), name="routed")

    @flow
    def spend(text: str) -> str:
        with budget(usd=0.25):
            return routed(text)

    assert both(spend, "a") == "cheap: a"
    assert both(spend, "ab") == "cheap: ab"
    assert both(spend, "abc") == "cheap: abc"
    assert routed.last is not None and routed.last.way == routed.ways[0].name
    assert "with it, the call needs up to $0.31, and $0.25 is left" in routed.last.tried[0][1]

    @flow
    def hard(text: str) -> str:
        with budget(usd=0.25):
            return spent_on(text)

    @call.unordered(usd=0.01)
    async def fails(text: str) -> str:
        raise ValueError("too hard")

    spent_on = route(fails, dear, name="spent_on")
    assert both(hard, "ab") == "dear: ab"
    kind, tried = both(hard, "abc")
    assert kind is errors.RoutesExhausted and {name for name, _ in tried} == {w.name for w in spent_on.ways}


def test_limits_count_each_way_once(tmp_path: Path) -> None:
    (tmp_path / "stretto.toml").write_text('[limits]\ndisk = { rate = "2/min" }\n')
    project.load(tmp_path, catalogue=False)
    only = route(local, name="only")

    @flow
    def many() -> list[str]:
        return [only(str(n)) for n in range(4)]

    with VirtualClock() as clock:
        many()
        assert 60 < clock.now < 62


def test_what_is_wrong_is_said() -> None:
    @call.unordered
    async def other(text: str, most: int) -> str:
        return text

    @call.writes("a", idempotent=True)
    async def to_a(text: str) -> None: ...

    @call.writes("b", idempotent=True)
    async def to_b(text: str) -> None: ...

    @call.writes("a")
    async def once(text: str) -> None: ...

    @call.unordered
    async def lines(text: str) -> Iterator[str]:
        raise NotImplementedError

    for ways, said in (
        ((), "needs at least one way"),
        ((fast, lambda text: text), "a route is made of calls"),
        ((fast, other), rf"the parameter 'most', which one of them lacks, of fast \({__file__}:\d+\) is not"),
        (
            (fast, to_a),
            rf"to_a \({__file__}:\d+\) is declared writes a, and fast \({__file__}:\d+\) unordered",
        ),
        ((to_a, to_b), "declared writes a|declared writes b"),
        ((to_a, once), r"once \(.*\) changes the world, and may have done so where it fails"),
        ((fast, fast), "have the same name"),
        ((fast, lines), "gives a stream"),
        ((way(fast, cost=1), strong), "says what it costs, and strong .* does not"),
    ):
        with pytest.raises(DeclarationError, match=said):
            route(*ways)  # type: ignore[call-overload]
    with pytest.raises(DeclarationError, match="there is no option 'retry' for a route"):
        route(fast, retry=1)  # type: ignore[call-overload]
    with pytest.raises(DeclarationError, match="cost= of fast is a number from 0"):
        way(fast, cost=-1)
    with pytest.raises(DeclarationError, match="cost= of fast is a number from 0"):
        way(fast, cost=10**400)
    for name in (3, ""):
        with pytest.raises(DeclarationError, match="name= of a way is a string; found"):
            way(fast, name=name)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="takes 'n', which is not one of the arguments"):
        route(way(fast, when=lambda n: True))
    broken = route(way(fast, cost=lambda text: 1 / 0), way(strong, cost=1), name="broken")
    with (
        VirtualClock(),
        pytest.raises(DeclarationError, match=r"broken: cost= of fast .* raised ZeroDivision"),
    ):
        broken("a")
    nowhere = route(way(fast, cost=lambda text: float("nan")), way(strong, cost=1), name="nowhere")
    with VirtualClock(), pytest.raises(DeclarationError, match="a number from 0; found nan"):
        nowhere("a")
    assert issubclass(CircuitOpen, errors.StrettoError)


def test_secrets_of_its_ways_are_secrets_of_the_route() -> None:
    @call.unordered(secret="text")
    async def vault(text: str) -> str:
        raise Down(text)

    routed = route(vault, fast, name="routed")
    assert routed.secret is not None and routed.secret.covers("text")
    Servers.failing = {"fast": Down("hidden")}
    with VirtualClock(), pytest.raises(RoutesExhausted) as caught:
        routed("hidden")
    assert "hidden" not in str(caught.value)
