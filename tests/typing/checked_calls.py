"""What type checkers make of `@call`. Checked by mypy and pyright, never run.

A line that must be an error carries the ignore comments of both; an ignore that nothing needs is an
error itself (see `test_typing.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from stretto import Call, call, flow, route, way


@call
def plain(a: int, b: str = "") -> float:
    return a


@call
async def plain_async(a: int) -> list[str]:
    return [str(a)]


@call.reads("web")
async def search(query: str, *, most: int = 10) -> list[str]:
    return [query] * most


@call.reads("web").writes("cache:{key}")
def remember(key: str) -> bytes:
    return key.encode()


@call.unordered
async def summarise(text: str) -> str:
    return text


@call.pure
def double(x: int) -> int:
    return 2 * x


@call.commutes("counter", limit=3)
async def count(n: int) -> None: ...


@call(timeout=3.0)
async def slow(x: int) -> dict[str, int]:
    return {"x": x}


@call.unordered(timeout=3.0, name="chat")
async def chat(messages: list[str]) -> str:
    return messages[0]


@call.reads("vault", secret="password")
async def login(user: str, password: str) -> str:
    return user


@call(secret=["token", "return"], pickle=True)
def session(token: str) -> object:
    return token


@call.unordered(secret=True)
def hidden(x: int) -> int:
    return x


@call.unordered(buffer=4)
async def tokens(prompt: str) -> AsyncIterator[str]:
    yield prompt


@call.reads("db")
def rows(query: str) -> Iterator[int]:
    yield len(query)


class Lines:
    async def connect(self, prompt: str) -> AsyncIterator[str]:
        return tokens_of(prompt)


async def tokens_of(prompt: str) -> AsyncIterator[str]:
    yield prompt


dialled = call.unordered(Lines().connect)


@flow
def streamed(prompt: str) -> int:
    for token in tokens(prompt):
        assert_type(token, str)
    assert_type("".join(tokens(prompt)), str)
    for token in dialled(prompt):
        assert_type(token, str)
    return sum(row for row in rows(prompt))


call(secret=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
call(pickle="yes")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


@call.unordered(breaker="5/30s")
async def counted(text: str) -> int:
    return len(text)


@call.unordered
async def brief(text: str, most: int) -> str:
    return text[:most]


def is_long(text: str) -> bool:
    return len(text) > 3


routed = route(summarise, way(counted, when=is_long), name="routed")
route(summarise, brief)  # pyright: ignore[reportArgumentType]
route(len)  # type: ignore[call-overload]  # pyright: ignore


@flow
def through(text: str) -> str | int:
    assert_type(routed(text), str | int)
    assert_type(route(summarise)(text), str)
    routed(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return routed(text)


class Client:
    def get(self, url: str, tries: int = 1) -> bytes:
        return url.encode() * tries

    async def fetch(self, url: str) -> str:
        return url


client = Client()
get = call.reads("web")(client.get)
fetch = call.reads("web")(client.fetch)


@flow
def inside(n: int) -> str:
    assert_type(plain(n), float)
    assert_type(plain_async(n), list[str])
    assert_type(search("tides", most=3), list[str])
    assert_type(remember("k"), bytes)
    assert_type(summarise("text"), str)
    assert_type(double(n), int)
    assert_type(slow(n), dict[str, int])
    assert_type(chat(["hello"]), str)
    assert_type(get("url", tries=2), bytes)
    assert_type(fetch("url"), str)
    assert_type(login("ann", password="p"), str)
    assert_type(session("t"), object)
    assert_type(hidden(n), int)
    count(n)
    for hit in search("tides"):
        assert_type(hit, str)
    return summarise(search("tides")[0]).upper()


def wrong(n: int) -> None:
    plain("n")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    plain(n, c=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    plain()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    search("tides", 3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    get(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    double(2).nothing  # type: ignore[attr-defined]  # pyright: ignore


async def outside() -> None:
    assert_type(await summarise.aio("text"), str)
    assert_type(await double.aio(2), int)


declared: Call[[str], str] = summarise
