"""Limits of calls in flows: on a virtual clock, but for what is shared by threads."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import stretto
from benchmarks.schedules import Graph, list_schedule
from stretto import call, errors, explain, flow
from stretto.declarations import project
from stretto.limits.process import limiter
from stretto.testing import VirtualClock


class World:
    """What the calls below do, and when they did it."""

    running: dict[str, int] = defaultdict(int)
    most: dict[str, int] = defaultdict(int)
    starts: dict[str, list[float]] = defaultdict(list)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    World.running, World.most, World.starts = defaultdict(int), defaultdict(int), defaultdict(list)
    yield


async def work(name: str, seconds: float = 1.0) -> None:
    World.starts[name].append(asyncio.get_running_loop().time())
    World.running[name] += 1
    World.most[name] = max(World.most[name], World.running[name])
    try:
        await asyncio.sleep(seconds)
    finally:
        World.running[name] -= 1


def never_more(name: str, count: int, seconds: float) -> None:
    times = World.starts[name]
    assert times == sorted(times)
    for i in range(count, len(times)):
        assert times[i] - times[i - count] >= seconds


# How many, and how fast


@call.unordered(rate="600/min")
async def brief(n: int) -> int:
    await work("brief", 0.1)
    return n


@flow
def many(n: int) -> int:
    return sum([brief(i) for i in range(n)])


def test_a_rate_is_kept_and_used() -> None:
    with VirtualClock() as clock:
        assert many(10_000) == sum(range(10_000))
        # the work divided by the limit is 1,000 s
        assert clock.now <= 1_000 * 1.03
    never_more("brief", 600, 60.0)


@call.unordered(limit=3)
async def few(n: int) -> int:
    await work("few")
    return n


@flow
def both() -> list[int]:
    return [few(i) for i in range(10)]


def test_a_limit_holds_over_all_runs() -> None:
    async def three() -> list[list[int]]:
        return list(await asyncio.gather(both.aio(), both.aio(), both.aio()))

    with VirtualClock() as clock:
        assert clock.run(three()) == [list(range(10))] * 3
        assert clock.now == pytest.approx(10)
    assert World.most["few"] == 3


@call.unordered(limit=2, per="account:{account}")
async def fetch(account: str, n: int) -> int:
    await work(account)
    return n


@call.unordered(limit=2, per="account:{who}")
async def post(who: str) -> str:
    await work(who)
    return who


def test_limits_by_key_and_shared_by_calls() -> None:
    @flow
    def visit() -> int:
        total = 0
        for i in range(6):
            total += fetch("ann", i) + fetch("bob", i)
            post("ann")
        return total

    with VirtualClock() as clock:
        assert visit() == 30
        assert clock.now == pytest.approx(6)  # twelve for ann, two at once
    assert dict(World.most) == {"ann": 2, "bob": 2}


@call.unordered(tokens="1000/min", tokens_of=lambda text, usage: len(text))
async def chat(text: str, usage: int) -> dict[str, Any]:
    await work("chat")
    return {"text": text, "usage": {"total_tokens": usage}}


def test_tokens_are_reserved_and_settled() -> None:
    @flow
    def talk(n: int, usage: int) -> list[str]:
        return [chat("x" * 100, usage)["text"] for _ in range(n)]

    with VirtualClock() as clock:
        talk(20, 100)
        assert 60 < clock.now < 63
    never_more("chat", 10, 60.0)
    World.starts.clear()
    with VirtualClock() as clock:
        talk(30, 10)  # they turn out to need a tenth
        assert clock.now < 5

    @flow
    def one_by_one() -> int:
        said = ""
        for _ in range(60):
            said = chat("x" * 100 + said[:1], 500)["text"]
        return len(said)

    with VirtualClock() as clock:
        one_by_one()  # they turn out to need five times as much: two a minute
        assert 20 * 60 < clock.now < 31 * 60


def test_retries_are_counted_too() -> None:
    tried: list[float] = []

    @call.unordered(rate="10/s", retries=3, retry_on=OSError)
    async def shaky(n: int) -> int:
        tried.append(asyncio.get_running_loop().time())
        if tried[-1] < 2:
            raise OSError(n)
        return n

    @flow
    def try_all() -> list[object]:
        found: list[object] = []
        for i in range(30):
            try:
                found.append(shaky(i))
            except OSError:
                found.append(None)
        return found

    with VirtualClock(seed=3):
        assert len(try_all()) == 30
    assert len(tried) > 40
    World.starts["tried"] = tried
    never_more("tried", 10, 1.0)


def test_what_is_called_outside_of_flows_is_counted() -> None:
    def natively() -> int:
        return sum(few(i) for i in range(4))

    async def side_by_side() -> None:
        await asyncio.gather(*(few.aio(i) for i in range(7)))

    with VirtualClock() as clock:
        assert natively() == 6
        assert clock.now == pytest.approx(4)
        clock.run(side_by_side())
        assert clock.now == pytest.approx(7)
    assert World.most["few"] == 3


# Nothing waits for ever


def test_calls_that_call_each_other() -> None:
    @call.unordered(limit=1)
    async def down(n: int) -> int:
        return 1 + await down.aio(n - 1) if n else 0

    @flow
    def dig() -> list[int]:
        return [down(i) for i in range(4)]

    @call.unordered(limit=1)
    def around(n: int) -> list[int]:
        return dig() + [n]

    @flow
    def outer() -> list[int]:
        return around(1) + around(2)

    with VirtualClock():
        assert outer() == [0, 1, 2, 3, 1, 0, 1, 2, 3, 2]
    assert outer() == [0, 1, 2, 3, 1, 0, 1, 2, 3, 2]


@call.unordered(limit=1, per="line")
async def numbers(n: int) -> AsyncIterator[int]:
    for i in range(n):
        await work("line", 0.1)
        yield i


@call.unordered(limit=1, per="line")
async def on_line(n: int) -> int:
    await work("line")
    return n


@pytest.mark.parametrize("relaxed", [True, False])
def test_a_stream_and_what_is_called_in_its_loop(relaxed: bool) -> None:
    @flow
    def follow() -> list[int]:
        found: list[int] = []
        for n in numbers(40):
            if on_line(n) % 2:
                for m in numbers(2):
                    found.append(on_line(m))
        return found

    def unknown() -> int:
        return sum(on_line(n) for n in numbers(3))

    with VirtualClock():
        assert follow() == [0, 1] * 20
        assert unknown() == 3
        assert follow.sequential() == [0, 1] * 20


def test_writes_wait_in_their_turn_and_others_do_not() -> None:
    made: list[str] = []

    @call.writes("log", limit=1, per="both")
    async def write(n: int) -> int:
        await work("write")
        made.append(f"write {n}")
        return n

    @call.unordered(limit=1, per="both")
    async def look(n: int) -> int:
        await work("write")
        made.append(f"look {n}")
        return n

    @flow
    def mixed() -> int:
        total = 0
        for i in range(5):
            total += look(i) + write(i)
        return total

    with VirtualClock() as clock:
        assert mixed() == 20
        assert clock.now == pytest.approx(10)
    assert [what for what in made if what.startswith("write")] == [f"write {n}" for n in range(5)]
    assert World.most["write"] == 1


@pytest.mark.parametrize("late", [False, True])
def test_a_run_that_ends_lets_others_in(late: bool) -> None:
    @flow
    def fails() -> int:
        few(0)
        stop(1)
        return sum([few(i) for i in range(50)])

    @call.unordered
    async def stop(n: int) -> None:
        await work("stop")
        raise LookupError(n)

    async def two() -> list[Any]:
        first = asyncio.ensure_future(fails.aio())
        if late:
            await asyncio.sleep(0.5)
        second = asyncio.ensure_future(both.aio())
        return list(await asyncio.gather(first, second, return_exceptions=True))

    with VirtualClock() as clock:
        error, found = clock.run(two())
        assert isinstance(error, LookupError) and found == list(range(10))
        assert clock.now < 8
        assert not any(b.active or b.contended for b in clock.limiter.buckets)


def test_a_run_that_is_cancelled_while_it_waits() -> None:
    async def cancelled() -> None:
        task = asyncio.ensure_future(both.aio())
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with VirtualClock() as clock:
        clock.run(cancelled())
        assert clock.now == pytest.approx(1.5)
        assert not any(b.active or b.contended for b in clock.limiter.buckets)


# Which one goes next


def test_the_longest_remaining_path_first() -> None:
    """Within 5% of the best list schedule, which knows how long each call takes."""

    @call.unordered(limit=8, per="machines")
    async def short(n: int, *before: int) -> int:
        await work("short", 1.0)
        return n

    @call.unordered(limit=8, per="machines")
    async def long(n: int, *before: int) -> int:
        await work("long", 5.0)
        return n

    @flow
    def walk(graph: Graph) -> list[int]:
        found: list[int] = []
        for i, (seconds, needs) in enumerate(zip(graph.takes, graph.needs, strict=True)):
            task = long if seconds > 1 else short
            found.append(task(i, *[found[b] for b in needs]))
        return found

    for seed in range(4):
        graph = Graph.random(seed, 500, chain=60 * (seed % 2))
        with VirtualClock() as clock:
            assert walk(graph) == list(range(500))
            assert clock.now <= 1.05 * list_schedule(graph, 8)


def test_a_small_run_beside_a_large_one_is_served() -> None:
    @flow
    def crowd() -> int:
        return sum([few(i) for i in range(300)])

    @flow
    def alone() -> int:
        return few(1) + few(2) + few(3)

    async def beside() -> float:
        large = asyncio.ensure_future(crowd.aio())
        await asyncio.sleep(10.5)
        began = asyncio.get_running_loop().time()
        assert await alone.aio() == 6
        took = asyncio.get_running_loop().time() - began
        large.cancel()
        await asyncio.wait([large])
        return took

    with VirtualClock() as clock:
        assert clock.run(beside()) < 4


# What a server can take


class Overloaded(Exception):
    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("429 Too Many Requests")
        self.status_code = 429
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}


class Server:
    """Takes so many at once, and refuses the others."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.running = self.refused = 0

    async def answer(self, n: int) -> int:
        if self.running >= self.at_once:
            self.refused += 1
            await asyncio.sleep(0.01)
            raise Overloaded(1.0)
        self.running += 1
        await asyncio.sleep(1)
        self.running -= 1
        return n


@pytest.mark.parametrize("said", [True, False])
def test_a_server_that_refuses_is_asked_for_less(said: bool) -> None:
    server = Server(20)
    options: dict[str, Any] = {"limit": "adaptive"} if said else {}

    @call.unordered(retries=30, **options)
    async def ask(n: int) -> int:
        return await server.answer(n)

    @flow
    def all_of_them() -> list[int]:
        return [ask(i) for i in range(1000)]

    with VirtualClock(seed=1) as clock:
        assert all_of_them() == list(range(1000))
        assert clock.now < 2.5 * 1000 / 20
    # where nothing was said, all are sent at first
    assert server.refused < 100 + (0 if said else 1000)


def test_retry_after_is_honoured() -> None:
    asked: list[float] = []

    @call.unordered(retries=1)
    async def once() -> str:
        asked.append(asyncio.get_running_loop().time())
        if len(asked) == 1:
            raise Overloaded(42.0)
        return "there"

    @flow
    def twice() -> str:
        return once()

    with VirtualClock():
        assert twice() == "there"
    assert asked[1] - asked[0] >= 42


# The table


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)

    def write(text: str, file: str = "stretto.toml") -> None:
        (tmp_path / file).write_text(text)
        project.load(tmp_path, catalogue=False)

    yield write
    monkeypatch.undo()
    project.load(Path.cwd(), catalogue=False)


@call.reads("site:{host}")
async def page(host: str, path: int) -> str:
    await work(host)
    await work("all", 0)
    return host


@flow
def crawl() -> int:
    return len([page(host, i) for i in range(8) for host in ("a", "b", "c")])


def test_limits_of_resources(table: Any) -> None:
    with VirtualClock() as clock:
        crawl()
        assert clock.now == pytest.approx(1)
    World.most.clear()
    table('[limits]\n"site:{host}" = { limit = 2 }\nsite = { limit = 5, rate = "600/min" }\n')
    with VirtualClock() as clock:
        crawl()
        assert 5 <= clock.now <= 6
        assert World.most["a"] == World.most["b"] == 2
    table('[tool.stretto.limits]\n"site:b" = { limit = 1 }\n', "pyproject.toml")
    (Path.cwd() / "stretto.toml").unlink()
    project.load(Path.cwd(), catalogue=False)
    World.most.clear()
    with VirtualClock() as clock:
        crawl()
        assert clock.now == pytest.approx(8)
        assert World.most["b"] == 1 and World.most["a"] == 8


def test_explain_tells_them(table: Any) -> None:
    table('[limits]\n"site:{host}" = { limit = 2 }\n')

    @call.reads("site:{host}", rate="3/s", per="all")
    async def look(host: str) -> str: ...

    @call.reads("disk")
    async def other() -> str: ...

    @flow
    def both(host: str) -> tuple[str, str]:
        return look(host), other()

    text = str(explain(both))
    assert "ready, within rate=3/s per all; limit=2 for site:{host} (" in text
    assert "stretto.toml:2)\n" in text and "+ other  reads disk; starts when its inputs are ready\n" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site = 3", "limits: site: found 3; expected a table such as"),
        ("site = { limits = 3 }", "no limit 'limits'; did you mean 'limit'? There are: limit, rate, tokens"),
        ("site = { limit = 0 }", 'limit is a positive integer or "adaptive"; found 0'),
        ('site = { rate = "fast" }', "a rate is a number and a time"),
        ('"site:x{host}" = { limit = 1 }', "a field stands for one whole part"),
        ('"site:{" = { limit = 1 }', "is not a valid template"),
    ],
)
def test_a_wrong_table(table: Any, text: str, said: str) -> None:
    with pytest.raises(errors.DeclarationError) as told:
        table(f"[limits]\n{text}\n")
    assert said in str(told.value) and "stretto.toml:2: limits: site" in str(told.value)


# What is wrong


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"limit": 0}, 'a positive integer; "adaptive"'),
        ({"limit": "many"}, 'a positive integer; "adaptive"'),
        ({"rate": "600"}, "as in '600/min' or '5/s'; found '600'"),
        ({"tokens": 90_000}, "as in '90_000/min'; found 90000"),
        ({"per": "openai"}, "is counted per='openai', and has no limit"),
        (
            {"per": "openai:{model}", "limit": 2},
            "ask is named after 'model', which is not one of its arguments",
        ),
    ],
)
def test_a_wrong_declaration(options: Any, said: str) -> None:
    with pytest.raises(errors.DeclarationError) as told:

        @call.unordered(**options)
        def ask(n: int) -> int:
            return n

    assert said in str(told.value)


def test_what_is_counted_together_has_one_limit() -> None:
    with pytest.raises(errors.DeclarationError, match=r"with limit=3, and post \(.*\) does so with limit=2"):

        @call.unordered(limit=3, per="account:{account}")
        def other(account: str) -> str:
            return account


def test_an_estimate_that_fails_fails_its_call() -> None:
    @call.unordered(tokens="10/min", tokens_of=lambda n: 1 // n)
    async def ask(n: int) -> int:
        return n

    @flow
    def one(n: int) -> object:
        try:
            return ask(n)
        except ZeroDivisionError as error:
            return error

    with VirtualClock():
        assert one(1) == 1
        assert isinstance(one(0), ZeroDivisionError)


# In real time


def test_runs_in_threads_share(tmp_path: Path) -> None:
    @call.unordered(limit=2)
    def slow(n: int) -> int:
        with lock:
            World.running["slow"] += 1
            World.most["slow"] = max(World.most["slow"], World.running["slow"])
        time.sleep(0.01)
        with lock:
            World.running["slow"] -= 1
        return n

    @flow
    def several() -> int:
        return sum([slow(i) for i in range(15)])

    def on_a_loop() -> None:
        found.append(asyncio.run(several.aio()))

    def journalled() -> None:
        found.append(several.using(journal=tmp_path / "journal.db")())

    lock = threading.Lock()
    found: list[int] = []
    targets = [
        on_a_loop,
        on_a_loop,
        journalled,
        lambda: found.append(several()),
        lambda: found.append(slow(105)),
    ]
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found.count(105) == 5 and World.most["slow"] == 2
    assert not any(b.active or b.contended for b in limiter().buckets)


class Stop:
    last = True


made: list[object] = []


@call.unordered(rate="5/min")
async def asked(n: int) -> int:
    made.append(n)
    return n


@call.unordered
async def last(n: int) -> int:
    made.append("last")
    if Stop.last:
        await asyncio.sleep(1000)
    return n


@flow
def recorded() -> int:
    total = sum([asked(i) for i in range(5)])
    return last(total) + 1


def test_what_is_recorded_waits_for_no_place(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    run = recorded.using(journal=journal).start()
    deadline = time.monotonic() + 60
    while "last" not in made and time.monotonic() < deadline:
        time.sleep(0.001)
    run.interrupt()
    assert made == [0, 1, 2, 3, 4, "last"]
    Stop.last = False
    # the rate lets no more through for a minute
    assert stretto.resume(run.id, journal=journal).result(30) == 11
    assert made == [0, 1, 2, 3, 4, "last", "last"]


# Forked processes


@call.unordered(limit=1)
def slow_one(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@flow
def one_by_one(n: int) -> float:
    return sum([slow_one(0.001) for _ in range(n)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_waits_for_no_place_of_its_parent() -> None:
    one_by_one(3)
    thread = threading.Thread(target=slow_one, args=(1.0,))
    thread.start()
    while not any(bucket.active for bucket in limiter().buckets):
        time.sleep(0.001)
    child = os.fork()
    if not child:
        os._exit(0 if one_by_one(3) > 0 and slow_one(0.0) == 0 else 1)
    until = time.monotonic() + 30
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < until:
        time.sleep(0.01)
    if ended == (0, 0):
        os.kill(child, signal.SIGKILL)
    assert ended == (child, 0)
    thread.join()


# Estimates


@pytest.mark.parametrize("estimate", [float("nan"), float("inf"), -1, 10**400])
def test_an_estimate_that_is_no_number_of_tokens_fails_its_call(estimate: float) -> None:
    @call.unordered(tokens="100/min", tokens_of=lambda n: estimate)
    async def said(n: int) -> int:
        return n

    @flow
    def ask() -> int:
        return said(1)

    with VirtualClock(), pytest.raises(errors.DeclarationError, match="tokens_of= gave"):
        ask()


# Threads and loops


@call.unordered(limit=100)
def inside(n: int) -> int:
    time.sleep(0.001)
    return n


@call.unordered(limit=100)
def around(n: int) -> int:
    time.sleep(0.05)
    return inside(n)


def test_calls_outside_of_flows_that_call_each_other_do_not_wait_for_threads() -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda n=n: found.append(around(n))) for n in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == list(range(60))


CLOSED = """
import asyncio
from stretto import call, flow

@call.unordered(rate="2/0.2s")
async def paced(n: int) -> int:
    return n

@flow
def pace(n: int) -> int:
    return sum([paced(i) for i in range(n)])

@call.unordered(limit=2)
async def crowded(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return 1

@flow
def crowd(n: int, seconds: float) -> int:
    return sum([crowded(seconds) for _ in range(n)])

async def leave(works):
    left.extend(asyncio.ensure_future(work) for work in works())
    await asyncio.sleep(0.05)

left = []
for works in (
    lambda: [pace.aio(10)], lambda: [paced(n) for n in range(10)],
    lambda: [crowd.aio(10, 60.0)], lambda: [crowded(60.0) for _ in range(10)],
):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave(works))
    loop.close()
    assert pace(6) == 15 and crowd(3, 0.0) == 3
    print("went on", flush=True)
"""


def test_a_loop_that_is_closed_while_calls_wait_and_run(tmp_path: Path) -> None:
    script = tmp_path / "closed.py"
    script.write_text(CLOSED)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout.count("went on") == 4, done.stderr


@call.unordered(rate="2/0.2s")
async def paced(n: int) -> int:
    return n


@flow
def pace(n: int) -> int:
    return sum([paced(i) for i in range(n)])


def test_a_loop_that_is_busy_while_others_wait() -> None:
    found: list[int] = []

    async def busy() -> None:
        waiting = asyncio.create_task(pace.aio(10))
        await asyncio.sleep(0.05)
        thread = threading.Thread(target=lambda: found.append(pace(2)))
        thread.start()
        thread.join(60)  # nothing on this loop goes on meanwhile
        assert found == [1] and not waiting.done()

    asyncio.run(busy())
