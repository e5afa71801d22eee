"""Flows that yield, as their callers meet them: laziness, overlap, `aio`, `start`, errors, the end of the
process. (That they do what the generator does, `tests/differential` shows.)"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto import call, errors, explain, flow
from stretto.cli import main as cli
from stretto.drivers.ambient import SCOPE, SEQUENTIAL
from stretto.streams import BEGUN
from stretto.testing import VirtualClock
from tests.waiting import PATIENCE, until

written: list[Any] = []


@pytest.fixture(autouse=True)
def _clean() -> None:
    written.clear()


@call.unordered
async def ask(x: int) -> int:
    await asyncio.sleep(1)
    return x * 10


@call.unordered
async def quick(x: int) -> int:
    await asyncio.sleep(0.001)
    return x * 10


@call.writes("w")
async def put(x: object) -> None:
    written.append(x)


@call.writes("w")
def put_in_thread(x: object) -> None:
    written.append(x)


@flow
def asked(n: int) -> Iterator[int]:
    for i in range(n):
        yield ask(i)


@flow
def parts(n: int) -> Generator[int, str | None, str]:
    put("begun")
    try:
        for i in range(n):
            said = yield quick(i)
            put((i, said))
    finally:
        put_in_thread("finally")
    return "done"


def test_all_overlap_and_the_first_leaves_at_once() -> None:
    with VirtualClock() as clock:
        values = asked(100)
        assert next(values) == 0
        assert clock.now == pytest.approx(1)
        assert list(values) == [10 * i for i in range(1, 100)]
        assert clock.now == pytest.approx(1)


def test_what_is_yielded_from_overlaps_too() -> None:
    def part(n: int) -> Iterator[int]:
        for i in range(n):
            yield ask(i)

    @flow
    def main() -> Iterator[int]:
        yield from part(10)
        yield from asked(10)
        yield from [ask(i) for i in range(10)]

    with VirtualClock() as clock:
        assert list(main()) == [10 * i for i in range(10)] * 3
        assert clock.now == pytest.approx(1)


def test_the_limit_says_how_far_it_runs_ahead() -> None:
    begun: list[int] = []

    @call.unordered
    async def counted(x: int) -> int:
        begun.append(x)
        return x

    @flow(limit=10)
    def main() -> Iterator[int]:
        for i in range(1000):
            yield counted(i)

    with VirtualClock():
        values = main()
        for _ in range(3):
            next(values)
        assert len(begun) < 20
        assert len(list(values)) == 997


def test_nothing_runs_before_the_first() -> None:
    with VirtualClock():
        values = parts(2)
        assert written == []
        assert next(values) == 0
        assert written == ["begun"]
        assert values.send("hi") == 10
        assert written == ["begun", (0, "hi")]
        with pytest.raises(StopIteration) as end:
            next(values)
        assert end.value.value == "done"


def test_the_same_on_the_real_clock() -> None:
    values = parts(3)
    assert next(values) == 0
    assert SCOPE.get() is None and BEGUN.get() is None
    values.close()
    assert written == ["begun", "finally"]
    written.clear()
    assert list(parts(2)) == [0, 10]
    assert written == ["begun", (0, None), (1, None), "finally"]
    written.clear()
    values = parts(3)
    next(values)
    with pytest.raises(KeyError) as caught:
        values.throw(KeyError("thrown"))
    assert caught.value.__context__ is None
    assert written == ["begun", "finally"]
    assert list(values) == []


def test_dropped_it_is_closed() -> None:
    values = parts(3)
    next(values)
    del values
    gc.collect()
    assert written == ["begun", "finally"]


def test_start_begins_at_once() -> None:
    values = parts.start(2)
    until(lambda: written)
    assert written == ["begun"]
    assert list(values) == [0, 10]
    dropped = asked.start(3)
    dropped.close()
    with pytest.raises(StopIteration):
        next(dropped)


def test_sequential_is_plain_only_while_it_runs() -> None:
    seen: list[bool] = []

    @flow
    def main() -> Iterator[int]:
        seen.append(SEQUENTIAL.get())
        yield quick(1)
        seen.append(SEQUENTIAL.get())

    values = main.sequential()
    for _ in values:
        seen.append(SEQUENTIAL.get())
    assert seen == [True, False, True]


def test_in_async_code() -> None:
    async def all_of_it() -> list[int]:
        return [x async for x in parts.aio(2)]

    assert asyncio.run(all_of_it()) == [0, 10]
    assert written == ["begun", (0, None), (1, None), "finally"]

    async def left() -> None:
        values = parts.aio(3)
        assert await anext(values) == 0
        assert await values.asend("hi") == 10
        await values.aclose()
        assert [x async for x in values] == []

    written.clear()
    asyncio.run(left())
    assert written == ["begun", (0, "hi"), "finally"]

    async def thrown() -> None:
        values = parts.aio(3)
        await anext(values)
        await values.athrow(KeyError("thrown"))

    written.clear()
    with pytest.raises(KeyError):
        asyncio.run(thrown())
    assert written == ["begun", "finally"]


def test_gone_over_in_a_flow_that_awaits() -> None:
    @flow
    async def main(n: int) -> list[int]:
        out = [x for x in parts(n)]
        async for x in parts.aio(n):
            out.append(await quick(x))  # type: ignore[misc]
            put_in_thread(("main", x))
        return out

    async def plain(n: int) -> list[int]:
        return [x async for x in parts.aio(n)]

    def on_a_clock(n: int) -> list[int]:
        with VirtualClock() as clock:
            assert clock.run(plain(n)) == [0, 10]
            written.clear()
            return clock.run(main(n))  # type: ignore[no-any-return]

    def on_asyncio(n: int) -> list[int]:
        return asyncio.run(main(n))

    found = []
    for way in (main.sequential, on_asyncio, on_a_clock):
        written.clear()
        assert way(2) == [0, 10, 0, 100]
        found.append(list(written))
    assert found[0] == found[1] == found[2]


def test_its_task_is_cancelled() -> None:
    async def main() -> None:
        async def over() -> None:
            async for _ in asked.aio(3):
                pass

        task = asyncio.create_task(over())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_two_at_a_time_and_from_another_thread() -> None:
    values, others = parts(3), parts(3)
    assert [next(values), next(others), next(values), next(others)] == [0, 0, 10, 10]
    rest: list[int] = []
    thread = threading.Thread(target=lambda: rest.extend(values))
    thread.start()
    thread.join()
    others.close()
    assert rest == [20]


def test_a_call_that_fails_names_the_line() -> None:
    @call.unordered
    async def fails() -> int:
        raise ValueError("no")

    @flow
    def main() -> Iterator[int]:
        yield quick(1)
        yield fails()

    values = main()
    assert next(values) == 10
    with pytest.raises(ValueError, match="no") as caught:
        next(values)
    frames = [entry.name for entry in caught.traceback]
    assert "main" in frames and "fails" in frames


def test_arguments_that_do_not_fit() -> None:
    wrong: Any = asked
    for way in (wrong, wrong.sequential, wrong.start, wrong.aio):
        with pytest.raises(errors.FlowArgumentError, match=__file__):
            way()


def test_a_timeout_is_refused() -> None:
    def main() -> Iterator[int]:
        yield 1

    with pytest.raises(errors.DeclarationError, match="cannot have a timeout") as caught:
        flow(timeout=3)(main)
    assert __file__ in str(caught.value)


def test_a_method() -> None:
    class Agent:
        def __init__(self) -> None:
            self.seen: list[int] = []

        @flow
        def answers(self, n: int) -> Iterator[int]:
            for i in range(n):
                self.seen.append(i)
                yield quick(i)

    agent = Agent()
    assert list(agent.answers(2)) == [0, 10]
    assert list(agent.answers.sequential(1)) == [0]
    assert list(agent.answers.start(1)) == [0]
    assert list(agent.answers.using(journal=None)(1)) == [0]

    async def main() -> list[int]:
        return [x async for x in agent.answers.aio(2)]

    assert asyncio.run(main()) == [0, 10]
    assert agent.seen == [0, 1, 0, 0, 0, 0, 1]


def test_explained() -> None:
    report = str(explain(asked))
    assert "yield" in report and "ask" in report


FILE = '''
from stretto import call, flow

@call.unordered
async def ask(x: int) -> int:
    return x * 10

@flow
def parts(n: int):
    """Some parts."""
    for i in range(n):
        yield {"part": ask(i)}
    yield "text"
    if n > 2:
        raise ValueError("too many")
    return "end"

if __name__ == "__main__":
    values = parts(3)
    print(next(values))
'''


def test_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "streamed.py").write_text(FILE)
    assert cli(["run", "--no-journal", "streamed.py:parts", "2"]) == 0
    assert capsys.readouterr().out == '{"part": 0}\n{"part": 10}\ntext\nend\n'
    assert cli(["run", "--json", "streamed.py:parts", "1"]) == 0
    started, first, second, last = capsys.readouterr().out.splitlines()
    assert '"started"' in started
    assert first == '{"event": "item", "item": {"part": 0}}'
    assert second == '{"event": "item", "item": "text"}'
    assert '"result": "end"' in last
    assert cli(["run", "--sequential", "streamed.py:parts", "3"]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "text"
    assert "too many" in told.err
    assert cli(["run", "--journal", "runs.db", "streamed.py:parts", "2"]) == 0
    assert capsys.readouterr().out == '{"part": 0}\n{"part": 10}\ntext\nend\n'


def test_the_process_ends_in_the_midst(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    text = FILE.replace("    for i in range(n):", "    try:\n      for i in range(n):").replace(
        '    yield "text"', '    finally:\n      print("finally", ask(4))\n    yield "text"'
    )
    script.write_text(text)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "{'part': 0}\nfinally 40\n"
    assert done.returncode == 0
    assert done.stderr == ""
