"""Answers of declared classes, items of arrays, loops over wrappers: what overlaps, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar

import numpy as np
import pytest
import tqdm

from stretto import call, flow
from stretto.compiler.types import Either, Scalar, T, of_annotation
from stretto.compiler.types_fields import broken, field, item, keeps_promise, loose
from stretto.compiler.types_results import element
from stretto.declarations import project, registry
from stretto.errors import DeclarationError, ReturnTypeError
from stretto.testing import VirtualClock

_NONE = T(type(None))


@dataclasses.dataclass
class Message:
    content: Optional[str]
    role: Literal["user", "model"] = "model"


@dataclasses.dataclass
class Answer:
    messages: list[Message]
    best: Message | None = None
    usage: dict[str, int] = dataclasses.field(default_factory=dict)
    lost: NoSuchName = 1  # type: ignore[name-defined]  # noqa: F821


K = TypeVar("K")


@dataclasses.dataclass
class Page(Generic[K]):
    first: K
    rest: list[K]


class Pair(NamedTuple):
    left: int
    right: str


class Row(TypedDict):
    name: str
    size: int


class Loud(Message):
    @property
    def content(self) -> str:  # type: ignore[override]
        raise AssertionError("looked at")

    @content.setter
    def content(self, value: object) -> None:
        pass


def answers(given: Any) -> Any:
    @call.unordered
    async def ask(text: str) -> Answer:
        await asyncio.sleep(1)
        return given(text)

    return ask


def told(text: str) -> Answer:
    return Answer([Message(f" {text} ")], None, {"total": 3})


def took(a_flow: Any, *args: Any) -> tuple[Any, float]:
    with VirtualClock(seed=1) as clock:
        return a_flow(*args), clock.now


def test_types_of_fields() -> None:
    answer = of_annotation(Answer, fields=True)
    assert answer is not None and not answer.firm and loose(answer) is None
    messages = field(answer, "messages")[1]
    assert messages is not None and messages.cls is list
    assert field(messages, "append") == (False, None)
    message = messages.args[0]
    assert message is not None
    assert field(message, "content") == (True, T(Scalar, (_NONE, T(str))))
    assert field(message, "role") == (True, T(str))
    best = field(answer, "best")[1]
    assert best == T(Either, (message, _NONE))
    assert best is not None and field(best, "role") == (True, T(str))
    assert field(answer, "lost") == (False, None)  # it cannot be worked out
    assert field(answer, "nothing") == (False, None)
    pair = of_annotation(Pair, fields=True)
    assert pair is not None and item(pair, 1) == (True, T(str))
    row = of_annotation(Row, fields=True)
    assert row is not None and row.cls is dict and item(row, "size") == (True, T(int))
    assert of_annotation(Answer) is None
    assert of_annotation(list[Answer]) == T(list, (None,))


def test_types_of_fields_that_hang_on_what_a_class_is_said_of() -> None:
    kind, other = of_annotation(Page[Message], fields=True), of_annotation(Page[str], fields=True)
    assert kind is not None and other is not None
    message = field(kind, "first")[1]
    assert message == of_annotation(Message, fields=True)
    assert message is not None and field(message, "role") == (True, T(str))
    assert field(other, "first") == (True, T(str))
    assert field(of_annotation(Page, fields=True) or other, "first") == (True, None)
    assert field(kind, "rest") == (True, T(list, (None,)))
    assert of_annotation(Page[Message]) is None and element(kind) is None

    assert not broken(Page(Message("x"), []), kind) and not broken(Page("x", []), other)
    assert not broken(Page(None, []), kind)  # nothing can be done with it that has effects
    assert "first is annotated Message, and is list" in broken(Page([], []), kind)
    assert "first is annotated str, and is Message" in broken(Page(Message("x"), []), other)
    assert not keeps_promise(Page, "first", Message("x"), None)
    assert keeps_promise(Page, "nothing", Message("x"), None)


def test_what_breaks_a_promise() -> None:
    kind = of_annotation(Answer, fields=True)
    assert kind is not None
    for name in ("messages", "best", "usage"):
        found = field(kind, name)[1]
        inner = found.args[0] if found is not None and found.cls is list else found
        if inner is not None and name != "usage":
            field(inner, "content")
    assert not broken(told("x"), kind)
    assert not broken(Answer(None, 1, {"total": None}), kind)  # type: ignore[arg-type, dict-item]
    assert "messages[0] is annotated Message, and is dict" in broken(Answer([{}]), kind)  # type: ignore[list-item]
    assert "content runs code of Loud" in broken(Answer([Loud("x")]), kind)
    assert ".usage is annotated dict, and is list" in broken(Answer([], None, []), kind)  # type: ignore[arg-type]
    assert "content is annotated None | str, and is list" in broken(Answer([Message([])]), kind)  # type: ignore[arg-type]


@flow
def summed(ask: Any, texts: list[str]) -> list[str]:
    out: list[str] = []
    for text in texts:
        answer = ask(text)
        if answer.best:
            out.append("best")
        found = answer.messages[0].content.strip().upper()
        out.append(ask(found).messages[0].content)
    return out


def test_what_is_made_of_fields_overlaps() -> None:
    result, seconds = took(summed, answers(told), list("abcd"))
    assert result == [" A ", " B ", " C ", " D "]
    assert seconds < 2.1


def test_a_field_that_runs_code_is_an_error_where_it_was_used() -> None:
    with pytest.raises(ReturnTypeError, match=r"test_fields.py:\d+: .*content runs code of Loud") as caught:
        took(summed, answers(lambda text: Answer([Loud(text)])), ["a"])
    assert "declared to return Answer" in str(caught.value)


@dataclasses.dataclass
class Other:
    size: int
    name: str


def test_a_field_that_nothing_looks_at_may_be_anything() -> None:
    @call.unordered
    async def other(text: str) -> Other:
        return Other(len(text), object())  # type: ignore[arg-type]

    @flow
    def unused(text: str) -> int:
        return other(text).size + 1

    assert took(unused, "abc")[0] == 4


class Link:
    value: int
    after: "Optional[Link]"
    before: "Link | int"

    def __init__(self, value: int, after: Link | None) -> None:
        self.value = value
        self.after = after
        self.before = self


def test_objects_that_lead_to_themselves() -> None:
    @call.unordered
    async def links(count: int) -> Link:
        first: Link | None = None
        for n in range(count):
            first = Link(n, first)
        assert first is not None
        return first

    @flow
    def second(count: int) -> int:
        first = links(count)
        return first.after.value + first.before.value  # type: ignore[union-attr]

    assert took(second, 5000)[0] == 4998 + 4999


def test_a_field_that_is_not_there() -> None:
    class Empty:
        size: int

    @call.unordered
    async def empty() -> Empty:
        return Empty()

    @flow
    def looked() -> int:
        return empty().size + 1

    with pytest.raises(AttributeError, match="size"):
        took(looked)


def test_secret_results_are_not_told() -> None:
    @call.unordered(secret=True)
    async def ask(text: str) -> Answer:
        return Answer([Message([text])])  # type: ignore[arg-type]

    with pytest.raises(ReturnTypeError) as caught:
        took(summed, ask, ["xyzzy"])
    assert "xyzzy" not in str(caught.value)


def test_items_of_an_array_are_set_side_by_side() -> None:
    @call.unordered
    async def score(text: str) -> float:
        await asyncio.sleep(1)
        return float(len(text))

    @flow
    def filled(scores: Any, seen: list[int]) -> float:
        for i in range(3):
            for j in range(2):
                scores[i, j] = score("x" * (i + j))
                seen.append(i)
                scores[i, j] += score("y")
        return float(scores.sum())

    result, seconds = took(filled, np.zeros((3, 2)), [])
    assert result == 15.0
    assert seconds < 1.1


class Bar:
    def __init__(self, things: Any, log: list[Any]) -> None:
        self.things = things
        self.log = log

    def __iter__(self) -> Iterator[Any]:
        self.log.append("begins")
        for thing in self.things:
            yield thing
            self.log.append(thing)


class Skips(Bar):
    def __iter__(self) -> Iterator[Any]:
        yield from list(self.things)[1:]


@pytest.fixture
def declared(tmp_path: Path) -> Iterator[Any]:
    def declare(text: str, *, catalogue: bool = False) -> None:
        (tmp_path / "stretto.toml").write_text("[effects]\n" + text)
        project.load(tmp_path, catalogue=catalogue)
        registry.check()

    yield declare
    registry.forget()
    project._loaded = False


@call.unordered
async def slow(n: int) -> int:
    await asyncio.sleep(1)
    return n


def test_a_wrapper_goes_along(declared: Any) -> None:
    declared(f'"{__name__}.Bar" = {{ effect = "writes bar", here = true, iterates = "things" }}')

    @flow
    def gone(log: list[Any]) -> list[int]:
        return [slow(n) for n in Bar(range(4), log)]

    log: list[Any] = []
    result, seconds = took(gone, log)
    assert result == [0, 1, 2, 3] and seconds < 1.1
    assert log == ["begins", 0, 1, 2, 3]


def test_a_wrapper_that_gives_something_else(declared: Any) -> None:
    declared(f'"{__name__}.Skips" = {{ effect = "writes bar", here = true, iterates = "things" }}')

    @flow
    def gone(log: list[Any]) -> list[int]:
        return [slow(n) for n in Skips(range(4), log)]

    with pytest.raises(
        DeclarationError, match="stretto.toml:2: .*said to give the items .*'things', and gave 1"
    ):
        took(gone, [])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('effect = "writes bar", here = true, iterates = "stuff"', "one of things, log; found 'stuff'"),
        ('effect = "writes bar", iterates = "things"', "only what runs `here` may have `iterates`"),
        ('effect = "writes bar", here = true, iterates = 1', "`iterates` the name"),
        ('effect = "pure", fixed_self = true', "a call of its own may have fixed_self"),
    ],
)
def test_what_is_wrong(said: str, message: str, declared: Any) -> None:
    with pytest.raises(DeclarationError, match=message):
        declared(f'"{__name__}.Bar" = {{ {said} }}')


def test_a_progress_bar(declared: Any) -> None:
    declared("", catalogue=True)

    @flow
    def shown(xs: list[int]) -> list[int]:
        out: list[int] = []
        for i, x in enumerate(tqdm.tqdm(xs, disable=True)):
            out.append(slow(x) + i)
        for x in tqdm.tqdm([1, 2], desc="more"):
            out.append(slow(x))
        return out

    with contextlib.redirect_stderr(sys.__stderr__):  # else it may be looked at, and comes in order with all
        result, seconds = took(shown, [5, 6, 7])
    assert result == [5, 7, 9, 1, 2] and seconds < 1.1


class Model:
    @call.unordered
    async def create(self, *, prompt: str) -> Answer:
        await asyncio.sleep(1)
        return told(prompt)


MODEL = Model()


def replied(prompt: str) -> str | None:
    return MODEL.create(prompt=prompt).messages[0].content


def test_what_scripts_are_mostly_like(declared: Any) -> None:
    """A client of the module, a progress bar, texts that are looked into, a table that is filled."""
    declared("", catalogue=True)

    @flow
    def gone(prompts: list[str]) -> dict[str, Any]:
        scores = np.zeros(len(prompts))
        found: dict[str, Any] = {}
        for i, prompt in enumerate(tqdm.tqdm(prompts)):
            text = replied(prompt).strip().lower()  # type: ignore[union-attr]
            scores[i] = len(text)
            if "b" in text:
                print("found", text)
            found[prompt] = {"text": text, "at": i}
        found["mean"] = float(scores.mean())
        return found

    with contextlib.redirect_stderr(sys.__stderr__), contextlib.redirect_stdout(sys.__stdout__):
        result, seconds = took(gone, ["a", "bb", "ccc", "bbb"])
        assert result == gone.sequential(["a", "bb", "ccc", "bbb"])
    assert result["mean"] == 2.25 and seconds < 1.1


class Client:
    def __init__(self) -> None:
        self.log: list[int] = []
        self.key = "a"

    def fetch(self, n: int) -> str:
        return f"{self.key}{n}"


def test_a_client_that_the_program_does_not_change(declared: Any) -> None:
    """Its own attributes may be set: in order with everything."""
    declared(f'"{__name__}.Client.fetch" = {{ effect = "unordered", fixed_self = true }}\n')

    @flow
    def used(client: Client, log: list[str]) -> list[str]:
        for n in range(3):
            log.append(client.fetch(n))
            client.key = log[-1]
        return log

    assert took(used, Client(), [])[0] == used.sequential(Client(), []) == ["a0", "a01", "a012"]
