"""What a function changes at most: ``"changes self"`` and ``"changes nothing"`` in ``[effects]``."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stretto import call, flow
from stretto.compiler.functions import forget
from stretto.declarations import project, registry
from stretto.declarations.bounds import Bounds
from stretto.errors import DeclarationError, ReturnTypeError
from stretto.testing import VirtualClock, without

LIBRARY = '''
"""Code that does more than can be told from it."""
import queue

from calls import ask, fetch, note, tell

class Reader:
    """Reads a page; what it parses it with is not known."""

    def __init__(self, url, sink=None):
        self.url = url
        self.found = []
        self.parser = queue.SimpleQueue()

    def read(self):
        text = fetch(self.url)
        self.parser.put(text)          # nothing is known of this
        self.text = self.parser.get()
        if len(self.text) > 4:
            self.parser.put(1)
            self.long = True
        self.found.append(self.text)
        note(self.url)
        return self

    def shout(self):
        self.parser.put(self.url)
        self.url = ask(self.parser.get())
        return self.url

    def fails(self):
        self.parser.put(self.url)
        self.url = fetch(self.url)
        raise ValueError(self.parser.get())

    def words(self):
        yield ask(self.url)

def length(url):
    text = fetch(url)
    box = queue.SimpleQueue()
    box.put(text)
    text = box.get()
    note(text)
    return len(text)

def made(url):
    reader = Reader(url)
    reader.parser.put(fetch(url))
    vars(reader)["late"] = reader.parser.get()
    return reader

def odd(url):
    box = queue.SimpleQueue()
    box.put(fetch(url))
    return box.get()

class Parsed:
    """What is said of it is that to look at `size` is free; to look at `again` is not."""

    def __init__(self, text):
        self.size = len(text)
        self.seen = 0

    @property
    def again(self):
        self.seen += 1
        SEEN.append(self.size)
        return self.size + self.seen

    @classmethod
    def of(cls, text, least=1):
        return cls(text * least)

SEEN = []

def score(text, *, least=0):
    box = queue.SimpleQueue()          # nothing is known of this, and it has no effects
    box.put(len(text))
    return box.get() + least
'''

PROGRAMS = {
    "a loop of readers": """
def main(n):
    found = []
    for i in range(n):
        reader = Reader(f"u{i}")
        found.append(reader.read())
    return [(r.url, r.text, r.found, hasattr(r, "long")) for r in found]
""",
    "results that are compared": """
def main(n):
    total = 0
    for i in range(n):
        total += length(f"u{i}")
        tell(total)
    return total
""",
    "results that are added up": """
def main(n):
    total = 0
    for i in range(n):
        total += length(f"u{i}")
    return total
""",
    "objects that are made inside and changed by what is not known": """
def main(n):
    found = [made(f"u{i}") for i in range(n)]
    return [(r.late, ask(r.url)) for r in found]
""",
    "an object that is looked at behind the call": """
def main(n):
    reader = Reader("first")
    seen = []
    for i in range(n):
        reader.shout()
        seen.append(reader.url)
        seen.append(len(reader.found))
    reader.read()
    seen.append(reader.text)
    return seen, reader.found
""",
    "one object under two names": """
def main(n):
    a = b = Reader("first")
    a.shout()
    b.url += "!"
    b.read()
    a.found.append(ask(a.url))
    return a.found, b.url
""",
    "a failure inside": """
def main(n):
    seen = []
    for i in range(n):
        reader = Reader(f"u{i}")
        try:
            reader.fails()
        except ValueError as error:
            seen.append((str(error), reader.url))
    return seen
""",
    "the class says it, and what is made is changed by those who follow": """
def main(n):
    readers = [Reader(f"u{i}") for i in range(n)]
    for reader in readers:
        reader.url = ask(reader.url)
    for reader in readers:
        reader.read()
    return [(r.url, r.text, r.found) for r in readers]
""",
    "free of effects, with keywords": """
def main(n):
    found = []
    for i in range(n):
        text = fetch(f"u{i}")
        value = score(text, least=i)
        if value > 4:
            value = score(text)
        parsed = Parsed.of(text, 2)
        found.append((value + 1, parsed.size, ask(parsed.size)))
    return found
""",
    "a property of an object some of whose attributes are free": """
def main(n):
    parsed = Parsed.of("four")
    seen = []
    for i in range(n):
        if len(ask(i)) > 1:
            seen.append(parsed.again)
        seen.append((parsed.seen, parsed.size, len(SEEN)))
    SEEN.clear()
    return seen
""",
    "a result of another type": """
def main(n):
    return [odd(f"u{i}") for i in range(n)]
""",
}

EFFECTS = """
[effects]
"readers.Reader.__init__" = "changes self"
"readers.Reader.read" = "changes self, self.found; reads web; writes log"
"readers.Reader.shout" = "changes self"
"readers.Reader.fails" = "changes self; reads web"
"readers.length" = { effect = "changes nothing; reads web; writes log", returns = "int" }
"readers.made" = "changes nothing; reads web"
"readers.odd" = { effect = "changes nothing", returns = "str" }
"readers.score" = { effect = "pure", returns = "int" }
"readers.Parsed.of" = { effect = "pure", returns = "readers.Parsed" }
"readers.Parsed.size" = { effect = "pure", returns = "int" }
"""
LOG: list[str] = []
_numbers = itertools.count()


@call.reads("web")
async def fetch(url: str) -> str:
    await asyncio.sleep(1 + len(url) % 3)
    return url * 2


@call.unordered
async def ask(x: object) -> str:
    await asyncio.sleep(2)
    return f"a{x}"


@call.writes("log")
async def note(x: object) -> None:
    await asyncio.sleep(0.1)
    LOG.append(f"note {x}")


@call.writes("mail")
async def tell(x: object) -> None:
    await asyncio.sleep(0.1)
    LOG.append(f"tell {x}")


@pytest.fixture
def readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "readers.py").write_text(LIBRARY)
    monkeypatch.setitem(sys.modules, "calls", sys.modules[__name__])
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("readers")
    del sys.modules["readers"]
    registry.forget()
    project._loaded = False


def declare(at: Path, text: str = EFFECTS) -> None:
    (at / "stretto.toml").write_text(text)
    forget()  # what was compiled before anything was declared
    project.load(at, catalogue=False)
    registry.check()


def program(at: Path, source: str) -> Any:
    name = f"bounded_{next(_numbers)}"
    (at / f"{name}.py").write_text(f"from calls import *\nfrom readers import *\n{source}")
    importlib.invalidate_caches()
    return flow(importlib.import_module(name).main)


def outcome(run: Any) -> tuple[Any, list[str], float]:
    LOG.clear()
    with VirtualClock(seed=3) as clock:
        try:
            found = run(4)
        except Exception as error:
            found = type(error), str(error)
        return found, list(LOG), clock.now


@pytest.mark.parametrize("title", PROGRAMS)
def test_as_the_reference(readers: Any, tmp_path: Path, title: str) -> None:
    if title == "a result of another type":
        declare(tmp_path, EFFECTS.replace('returns = "str"', 'returns = "str | None"'))
    else:
        declare(tmp_path)
    main = program(tmp_path, PROGRAMS[title])
    expected, log, alone = outcome(main.sequential)
    for off in ((), ("objects",), ("helpers",), ("values",), ("purity",)):
        with without(*off):
            found, written, took = outcome(program(tmp_path, PROGRAMS[title]))
        assert (found, written) == (expected, log), off
        assert took <= alone * 1.001, off


def test_what_follows_goes_on(readers: Any, tmp_path: Path) -> None:
    source = PROGRAMS["results that are added up"]
    _, _, before = outcome(program(tmp_path, source))
    declare(tmp_path)
    _, _, alone = outcome(program(tmp_path, source).sequential)
    _, _, after = outcome(program(tmp_path, source))
    assert before > 0.9 * alone  # each turn waits for the one before
    assert after < 0.5 * alone


def test_what_is_free_of_effects_holds_up_nothing(readers: Any, tmp_path: Path) -> None:
    declare(tmp_path)
    main = program(tmp_path, PROGRAMS["free of effects, with keywords"])
    assert outcome(main)[2] < 0.4 * outcome(main.sequential)[2]


def test_what_it_returns_is_checked(readers: Any, tmp_path: Path) -> None:
    declare(tmp_path, EFFECTS.replace('returns = "str"', 'returns = "int"'))
    main = program(tmp_path, PROGRAMS["a result of another type"])
    with VirtualClock(), pytest.raises(ReturnTypeError, match="odd is said to return int, and returned str"):
        main(2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"changes everything"', "does not say what is changed at most"),
        ('"changes self, other"', "does not say what is changed at most"),
        ('"changes nothing, self"', "does not say what is changed at most"),
        ('"changes self; touches log"', "does not say what is changed at most"),
        ('"changes self; writes"', "does not say what is changed at most"),
        ('{ effect = "changes self", retries = 2 }', "it has no 'retries', only 'returns'"),
    ],
)
def test_what_is_wrong(readers: Any, tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DeclarationError, match=says) as raised:
        declare(tmp_path, f'[effects]\n"readers.length" = {text}\n')
    assert "stretto.toml:2: readers.length" in str(raised.value)


def test_a_generator_is_none(readers: Any, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="words is a generator"):
        declare(tmp_path, '[effects]\n"readers.Reader.words" = "changes self"\n')


def test_it_is_taken_back(readers: Any, tmp_path: Path) -> None:
    lines = '"readers.length" = "changes nothing; writes log:{url}"\n"readers.made" = "ordered"\n'
    declare(tmp_path, f"[effects]\n{lines}")
    found = registry.bounds_of(readers.length)
    assert found == Bounds(False, (), frozenset({"log"}))
    assert registry.bounds_of(readers.made) is None
    assert registry.call_of(readers.length) is None
