"""What type checkers make of `@flow`. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from typing import assert_type

from stretto import Flow, Run, call, explain, flow


@call.unordered
async def look(x: int) -> int:
    return x


@flow
def digest(topics: list[str], to: str, *, limit: int = 3) -> dict[str, int]:
    return {to: look(limit) + len(topics)}


@flow(secret=("to", "return"), name="sealed")
def sealed(to: str) -> str:
    return to


flow(secret=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


@flow
def nothing() -> None:
    look(1)


@flow
def of_flows(n: int) -> int:
    found = digest(["tides"], "ann", limit=n)
    assert_type(found, dict[str, int])
    return found["ann"]


def ways_to_run() -> None:
    assert_type(digest(["tides"], to="ann"), dict[str, int])
    assert_type(sealed("ann"), str)
    assert_type(digest.sequential(["tides"], "ann", limit=2), dict[str, int])
    run = digest.start(["tides"], to="ann")
    assert_type(run, Run[dict[str, int]])
    assert_type(run.result(), dict[str, int])
    assert_type(run.result(timeout=3), dict[str, int])
    assert_type(run.done(), bool)
    assert_type(run.progress().done, int)
    assert_type(run.progress().running, int)
    assert_type(run.progress().waiting, int)
    run.cancel()
    print(explain(digest))


@flow
def parts(n: int) -> Generator[int, str, float]:
    for i in range(n):
        said = yield look(i)
        assert_type(said, str)
    return 0.5


@flow(limit=100)
def items(n: int) -> Iterator[int]:
    for i in range(n):
        yield look(i)


class Talker:
    @flow
    def words(self, n: int) -> Iterator[str]:
        yield from ("a", "b")


def streamed() -> None:
    assert_type(parts(3), Generator[int, str, float])
    assert_type(parts.sequential(3), Generator[int, str, float])
    assert_type(parts.start(3).send("more"), int)
    assert_type([x for x in items(3)], list[int])
    assert_type([x for x in Talker().words(3)], list[str])
    assert_type([x for x in parts.using(journal=None)(3)], list[int])
    parts("3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def in_async_code() -> None:
    assert_type(await digest.aio(["tides"], to="ann"), dict[str, int])
    assert_type(parts.aio(3), AsyncGenerator[int, str])
    assert_type([x async for x in items.aio(3)], list[int])
    assert_type([x async for x in Talker().words.aio(3)], list[str])


def wrong() -> None:
    digest("tides")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    digest(["tides"], "ann", 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    digest(["tides"], to=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    digest.start(["tides"], too="ann")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    digest.sequential([1], "ann")  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


declared: Flow[[int], int] = of_flows


@flow
async def awaited(n: int) -> int:
    return await look.aio(n)


@flow(name="options")
async def awaited_too(n: int) -> int:
    return await awaited(n)


async def ways_to_run_async_flows() -> None:
    assert_type(await awaited(1), int)
    assert_type(await awaited_too(1), int)
    assert_type(await awaited.aio(1), int)
    assert_type(awaited.sequential(1), int)
    assert_type(awaited.start(1), Run[int])


class Agent:
    @flow
    async def act(self, n: int) -> int:
        return await awaited(n)


async def ways_to_run_methods() -> None:
    assert_type(await Agent().act(1), int)
    assert_type(await Agent().act.aio(1), int)
    assert_type(Agent().act.sequential(1), int)
    assert_type(Agent().act.start(1), Run[int])
