"""The table ``[effects]``: what it may say, what it is about, and what is wrong with it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto import call, flow
from stretto.compiler import known
from stretto.compiler.types import T, of_value
from stretto.declarations import project, registry
from stretto.effects import Kind
from stretto.errors import DeclarationError
from stretto.testing import VirtualClock

LIBRARY = """
class Answer:
    def __init__(self, text):
        self.raw = text

    def words(self):
        return self.raw.split()

    @property
    def text(self):
        return self.raw


class Client:
    def create(self, key, *, stream=False):
        return Answer(key)

    def get(self, key):
        return Answer(key)


class Slow(Client):
    def get(self, key):
        return Answer(key)


def fetch(url, timeout=1):
    return Answer(url)


def save(key, value):
    return None


def clean(text):
    return text.strip()


async def later(url):
    return url
"""


@pytest.fixture(autouse=True)
def nothing_declared() -> Iterator[None]:
    yield
    registry.forget()
    project._loaded = False


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "shelf.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    import shelf

    yield shelf
    del sys.modules["shelf"]


def declare(tmp_path: Path, text: str, *, name: str = "stretto.toml", catalogue: bool = False) -> None:
    (tmp_path / name).write_text(textwrap.dedent(text))
    project.load(tmp_path, catalogue=catalogue)
    registry.check()


def test_functions_by_name(library: Any, tmp_path: Path) -> None:
    declare(
        tmp_path,
        """
        [effects]
        "shelf.fetch" = { effect = "reads web", retries = 2, returns = "shelf.Answer" }
        "shelf.save" = "reads index; writes store:{key}, log"
        shelf.Client.create = "unordered"
        """,
    )
    fetch = registry.call_of(library.fetch)
    assert fetch is not None
    assert (str(fetch.effects), fetch.retries) == ("reads web", 2)
    assert fetch.checker.type is T(library.Answer)
    save = registry.call_of(library.save)
    assert str(getattr(save, "effects", "")) == "reads index; writes store:{key}, log"
    client = library.Client()
    create = registry.call_of(client.create)
    assert create is registry.call_of(library.Client.create)
    assert create is not None
    assert registry.receiver(client.create) == (client,)
    assert registry.call_of(library.clean) is None
    assert registry.call_of(client.get) is None
    assert registry.call_of(library.later) is None


def test_patterns_are_about_definitions(library: Any, tmp_path: Path) -> None:
    declare(
        tmp_path,
        """
        [effects]
        "shelf.*.get" = "reads shelf"
        "shelf.*" = "unordered"
        "shelf.Slow.get" = "ordered"
        """,
    )
    assert str(getattr(registry.call_of(library.Client().get), "effects", "")) == "unordered"
    assert registry.call_of(library.Slow().get) is None
    assert registry.call_of(library.fetch) is not None


def test_pure(library: Any, tmp_path: Path) -> None:
    declare(
        tmp_path,
        """
        [tool.stretto.effects]
        "shelf.clean" = { effect = "pure", returns = "str" }
        "shelf.Answer.words" = { effect = "pure", returns = "list[str]" }
        "shelf.Answer.text" = { effect = "pure", returns = "str" }
        """,
        name="pyproject.toml",
    )
    assert known.is_pure(library.clean)
    assert known.declared_result(library.clean) is T(str)
    assert registry.call_of(library.clean) is None
    answer = of_value(library.Answer("a b"))
    assert answer is T(library.Answer)
    from stretto.compiler.types import infer

    def judged(text: str) -> Any:
        import ast

        return infer(ast.parse(text, mode="eval").body, {"a": answer}, vars(library).__getitem__)

    assert judged("a.text").type is T(str)
    assert judged("a.words()").type is T(list, (T(str),))
    assert judged("a.words()[0].upper()").pure
    assert not judged("a.raw.x").pure
    registry.forget()
    assert not known.is_pure(library.clean)
    assert of_value(library.Answer("a")) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"shelf.fetch" = "read web"', "stretto.toml:2: shelf.fetch: 'read web' is no effect; expected"),
        ('"shelf.fetch" = "reads"', "'reads' is no effect"),
        ('"shelf.fetch" = "reads web:{place}"', "stretto.toml:2: shelf.fetch: .*named after 'place'"),
        ('"shelf.fetch" = "reads web:{"', "not a valid template"),
        ('"shelf.fetch" = 3', "found 3; expected an effect such as"),
        ('"shelf..fetch" = "pure"', "this is no dotted name"),
        ('"shelf.fetch" = { effect = "reads web", retry = 1 }', "there is no option 'retry'"),
        ('"shelf.fetch" = { effect = "reads web", retries = -1 }', "the option retries="),
        ('"shelf.fetch" = { effect = "reads web", here = true }', "only what writes runs `here`"),
        (
            '"shelf.save" = { effect = "writes s", retries = 1 }',
            "stretto.toml:2: shelf.save: .*changes the world",
        ),
        (
            '"shelf.fetsh" = "reads web"',
            "stretto.toml:2: shelf.fetsh: shelf is loaded, and has nothing of that name",
        ),
        ('"shelf.*.fetsh" = "reads web"', "shelf is loaded, and has nothing of that name"),
        ('"shelff.fetch" = "reads web"', "there is no package 'shelff'"),
        ('"shelf.fetch" = { effect = "reads web", returns = "lisst" }', "`returns` is no type: 'lisst'"),
        ("catalogue = 1", "effects.catalogue is true or false"),
    ],
)
def test_what_is_wrong(text: str, message: str, library: Any, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=message):
        declare(tmp_path, f"[effects]\n{text}\n")


def test_what_is_not_loaded_is_not_asked_about(tmp_path: Path) -> None:
    declare(tmp_path, '[effects]\n"wave.open" = "reads sound"\n')
    assert "wave" not in sys.modules or registry.call_of(sys.modules["wave"].open) is not None


def test_own_declarations_count(library: Any, tmp_path: Path) -> None:
    from stretto import call

    library.fetch = call.reads("own")(library.fetch)
    (tmp_path / "stretto.toml").write_text('[effects]\n"shelf.fetch" = "unordered"\n')
    project.load(tmp_path, catalogue=False)
    assert registry.call_of(library.fetch) is None


def test_the_catalogue_can_be_overridden(tmp_path: Path) -> None:
    declare(tmp_path, "[effects]\n", catalogue=True)
    assert str(getattr(registry.call_of(print), "effects", "")) == "writes stdout"
    declare(tmp_path, '[effects]\nprint = "ordered"\n', catalogue=True)
    assert registry.call_of(print) is None
    declare(tmp_path, "[effects]\ncatalogue = false\n", catalogue=True)
    assert registry.call_of(print) is None
    declare(tmp_path, "[effects]\ncatalogue = true\n", catalogue=False)
    assert registry.call_of(print) is not None


def test_every_entry_of_the_catalogue_is_read() -> None:
    files = sorted(project.CATALOGUE.glob("*.toml"))
    assert files
    for file in files:
        entries = list(project.catalogue_entries(file))
        assert entries
        assert all(e.name.split(".")[0] == file.stem or file.stem == "builtins" for e in entries), file


@pytest.mark.parametrize("file", sorted(project.CATALOGUE.glob("*.toml")), ids=lambda f: f.stem)
def test_the_catalogue_is_about_what_there_is(file: Path) -> None:
    """Against the libraries as they are installed here."""
    if file.stem != "builtins":
        pytest.importorskip(file.stem)
    registry.forget()
    entries = list(project.catalogue_entries(file))
    for entry in entries:
        if entry.name.startswith("tqdm.auto"):  # not a part of its package before it is imported
            importlib.import_module("tqdm.auto")
    registry.declare(entries)
    assert registry.call_of(len) is None  # looks everything up
    for entry in entries:
        parts = entry.name.split(".")
        assert entry in registry._found, entry.where
        owner = importlib.import_module(file.stem)
        for part in parts[1:-1]:
            owner = getattr(owner, part)
        if isinstance(owner, type) and entry.effect is not None and entry.effect.kind is Kind.PURE:
            assert has(owner, parts[-1]), entry.where
            continue
        thing = getattr(owner, parts[-1])
        if entry.bounds is not None:
            assert registry.bounds_of(thing) == entry.bounds, entry.where
            continue
        if entry.effect is not None and entry.effect.kind is Kind.PURE:
            assert known.is_pure(thing), entry.where
            continue
        call = registry.call_of(thing)
        assert call is not None, entry.where
        assert not call.is_async
        assert bool(entry.iterates) == bool(call.iterates), entry.where
        for name in (*entry.unless, *call.effects.fields):
            assert named(thing, name), f"{entry.where} has no argument {name}"


def has(cls: type, name: str) -> bool:
    """Whether instances of a class have an attribute, as far as the class shows."""
    fields: Any = {}
    for base in cls.__mro__:
        fields |= base.__dict__.get("__annotations__", {})
    return hasattr(cls, name) or name in fields or name in cls.__init__.__code__.co_names


def named(fn: Any, name: str) -> bool:
    try:
        parameters = inspect.signature(fn).parameters
    except ValueError:  # it is written in C, and does not tell
        return True
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


class Agent:
    def __init__(self) -> None:
        self.log = logging.getLogger("agents")
        self.found: list[int] = []

    def ask(self, n: int) -> int:
        return slowly(n)

    def run(self, count: int) -> None:
        for n in range(count):
            found = self.ask(n)
            self.log.warning("found %s", found)
            self.log.debug(f"that is {found}")
            self.found.append(found)


@call.unordered
async def slowly(n: int) -> int:
    await asyncio.sleep(3 - n)
    return n


def test_what_is_logged_comes_in_order_and_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    declare(tmp_path, "[effects]\n", catalogue=True)

    @flow
    def main(count: int) -> list[int]:
        agent = Agent()
        agent.run(count)
        return agent.found

    with VirtualClock() as clock:
        assert main(3) == [0, 1, 2]
        assert clock.now == pytest.approx(3)
    assert caplog.messages == ["found 0", "found 1", "found 2"]
