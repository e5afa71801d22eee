"""The tables of what is free of effects."""

# Tables of one-line programs.
# ruff: noqa: E501, E741, F631

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime
import enum
import functools
import hashlib
import heapq
import itertools
import json
import math
import os
import pathlib
import random
import re
import secrets
import subprocess
import sys
import time
import types
import uuid
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import pytest

from stretto.compiler import known, known_objects
from stretto.compiler.known import assume_pure, is_mutator, is_pure, recorded_resource
from stretto.compiler.known_objects import attribute_is_plain, construction_is_pure, is_inert
from stretto.errors import DeclarationError


@dataclasses.dataclass
class Point:
    x: int
    tags: list[str] = dataclasses.field(default_factory=list)

    @property
    def double(self) -> int:
        return self.x * 2

    def method(self) -> int:
        return 1


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int


@dataclasses.dataclass
class Checked:
    x: int

    def __post_init__(self) -> None:
        print("made")


@dataclasses.dataclass
class Made:
    x: Any = dataclasses.field(default_factory=lambda: print("made"))


class Pair(NamedTuple):
    a: int
    b: int


class Colour(enum.Enum):
    RED = 1


class Open(enum.Enum):
    A = 1

    @classmethod
    def _missing_(cls, value: object) -> Any:
        print(value)


class Plain:
    shared = 3


class OwnInit:
    def __init__(self) -> None:
        print("made")


class OwnNew:
    def __new__(cls) -> Any:
        print("made")
        return super().__new__(cls)


class Dies:
    def __del__(self) -> None:
        print("gone")


class Error(Exception):
    pass


class LoudError(Exception):
    def __init__(self) -> None:
        print("made")


class Meta(type):
    def __call__(cls, *args: Any) -> Any:
        print("made")


class Built(metaclass=Meta):
    pass


class Abstract(ABC):
    @abstractmethod
    def f(self) -> None: ...


class Asked:
    def __getattr__(self, name: str) -> Any:
        print(name)


class AskedAll:
    x = 1

    def __getattribute__(self, name: str) -> Any:
        print(name)


class Slots:
    __slots__ = ("x",)

    def __init__(self) -> None:
        self.x = 1


class Descriptor:
    def __get__(self, obj: Any, owner: Any) -> int:
        return 1


class Described:
    at = Descriptor()

    @functools.cached_property
    def once(self) -> int:
        return 1


@pytest.mark.parametrize(
    "thing",
    [
        len, sorted, str, int, dict, math.sqrt, json.dumps, re.sub, itertools.chain, functools.partial,
        "x".upper, [].index, {}.get, str.lower, dict.fromkeys, int.from_bytes, str.maketrans, copy.deepcopy,
        datetime.datetime, datetime.date.fromisoformat, datetime.datetime(2020, 1, 1).isoformat, os.path.join,
        pathlib.Path, pathlib.Path("x").with_suffix, re.compile("x").sub, uuid.UUID, uuid.uuid5, hashlib.sha256,
        hashlib.sha256().hexdigest, collections.Counter, collections.deque, types.SimpleNamespace, Point, Frozen,
        Pair, Colour, Plain, Error, ValueError, Abstract, collections.Counter().most_common,
    ],
)  # fmt: skip
def test_pure(thing: Any) -> None:
    assert is_pure(thing)


@pytest.mark.parametrize(
    "thing",
    [
        print, open, input, exec, eval, locals, super, setattr, vars, [].append, {}.update, set().add, time.time,
        time.sleep, random.random, os.getcwd, os.listdir, pathlib.Path("x").exists, pathlib.Path.cwd, uuid.uuid4,
        datetime.datetime.now, datetime.date.today, heapq.heappush, hashlib.sha256().update, os.path.exists,
        subprocess.run, OwnInit, OwnNew, LoudError, Checked, Made, Open, Built, Dies, lambda: 1, 3,
        collections.deque().append, functools.lru_cache, iter([1]).__next__, object.__setattr__, itertools.tee,
    ],
)  # fmt: skip
def test_not_pure(thing: Any) -> None:
    assert not is_pure(thing)


def test_a_patched_function_is_not_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def dedent(text: str) -> str:
        print(text)
        return text

    assert not is_pure(dedent)
    import textwrap

    monkeypatch.setattr(textwrap, "dedent", dedent)
    monkeypatch.setattr(known, "_loaded", set())
    monkeypatch.setattr(known, "_seen_modules", -1)
    assert not is_pure(dedent)
    assert is_pure(textwrap.indent)


@pytest.mark.parametrize(
    ("thing", "resource"),
    [
        (time.time, "clock"), (time.monotonic, "clock"), (time.perf_counter, "clock"), (time.time_ns, "clock"),
        (time.localtime, "clock"), (datetime.datetime.now, "clock"), (datetime.datetime.utcnow, "clock"),
        (datetime.date.today, "clock"), (random.random, "random"), (random.choice, "random"),
        (secrets.token_hex, "random"), (os.urandom, "random"), (os.getenv, "env"), (os.environ.get, "env"),
        (os.environ.__getitem__, "env"), (os.getcwd, "env"), (uuid.uuid1, "uuid"), (uuid.uuid4, "uuid"),
        (len, None), (print, None), (time.sleep, None), (random.Random(1).random, "random"), ({}.get, None),
        (random.shuffle, "random"), (uuid.uuid5, None), (os.environ.__setitem__, None), (3, None),
    ],
)  # fmt: skip
def test_recorded_resource(thing: Any, resource: str | None) -> None:
    assert recorded_resource(thing) == resource
    assert resource is None or not is_pure(thing)


def test_mutators() -> None:
    for cls, name in [
        (list, "append"), (list, "sort"), (dict, "update"), (dict, "setdefault"), (set, "add"),
        (bytearray, "extend"), (collections.deque, "popleft"), (collections.OrderedDict, "move_to_end"),
        (collections.Counter, "subtract"), (type("Mine", (list,), {}), "append"),
    ]:  # fmt: skip
        assert is_mutator(cls, name)
    for cls, name in [(list, "index"), (dict, "get"), (str, "upper"), (tuple, "count"), (set, "union")]:
        assert not is_mutator(cls, name)


@pytest.mark.parametrize("cls", [list, dict, set, bytearray, collections.deque, collections.Counter])
def test_every_method_that_is_not_a_mutator_changes_nothing(cls: Any) -> None:
    for name in dir(cls):
        if name.startswith("_") or not is_pure(getattr(cls([1, 2] if cls is not dict else {1: 2}), name)):
            continue
        box = cls([1, 2] if cls is not dict else {1: 2})
        before = copy.copy(box)
        for args in ((), (1,), (0, 1), ([1],)):
            try:
                getattr(box, name)(*args)
            except Exception:
                pass
            assert box == before, name


def test_attributes() -> None:
    point = Point(1)
    assert attribute_is_plain(point, "x")
    assert attribute_is_plain(point, "method")
    assert not attribute_is_plain(point, "double")
    assert not attribute_is_plain(point, "nope")
    assert attribute_is_plain(Slots(), "x")
    assert attribute_is_plain(Frozen(1), "x")
    assert attribute_is_plain(Pair(1, 2), "a")
    assert attribute_is_plain(Plain(), "shared")
    assert attribute_is_plain(Colour.RED, "value")
    assert attribute_is_plain(Colour, "RED")
    assert attribute_is_plain(math, "pi")
    assert attribute_is_plain("x", "upper")
    assert not attribute_is_plain(Asked(), "x")
    assert not attribute_is_plain(AskedAll(), "x")
    described = Described()
    assert not attribute_is_plain(described, "at")
    assert not attribute_is_plain(described, "once")
    assert described.once == 1
    assert attribute_is_plain(described, "once")


def test_inert() -> None:
    class Adds:
        def __add__(self, other: Any) -> Any:
            return self

    for cls in (Point, Frozen, Pair, Colour, Error, Plain, OwnInit, str):
        assert is_inert(cls)
    for cls in (Adds, Asked, AskedAll, type("Sub", (Adds,), {})):
        assert not is_inert(cls)
    assert construction_is_pure(Point)


def test_assume_pure() -> None:
    def mine() -> None: ...

    class Helper:
        def method(self) -> None: ...

    assert not is_pure(mine)
    assert assume_pure(mine) is mine
    assert is_pure(mine)
    assert assume_pure(Helper) is Helper
    assert is_pure(Helper) and is_pure(Helper.method)
    try:
        assume_pure("sqlite3")
        import sqlite3

        assert is_pure(sqlite3.adapters) or known.in_assumed_package(sqlite3.Row)
    finally:
        known._assumed_packages.clear()
        known._assumed.clear()


@pytest.mark.parametrize("thing", ["no such thing!", "surely_not_installed_anywhere", 3, None, ""])
def test_assume_pure_of_nonsense(thing: Any) -> None:
    with pytest.raises(DeclarationError, match=r"assume_pure\("):
        assume_pure(thing)
    with pytest.raises(DeclarationError):
        assume_pure()


def test_the_tables_name_things_that_exist() -> None:
    import bisect  # noqa: E401
    import bz2
    import calendar
    import colorsys
    import difflib
    import fnmatch
    import gzip
    import html
    import ipaddress
    import keyword
    import lzma
    import operator
    import pprint
    import shlex
    import statistics
    import string
    import struct
    import textwrap  # noqa: E401
    import unicodedata
    import zlib

    assert all((bisect, calendar, difflib, fnmatch, html, operator, shlex, statistics, string, struct))
    assert all((textwrap, unicodedata, zlib, bz2, lzma, gzip, ipaddress, pprint, colorsys, keyword))
    newer = {"itertools.batched", "math.fma", "math.sumprod", "math.cbrt", "math.exp2"}
    for module, names in known.MODULES.items():
        for name in names.split():
            if module in sys.modules and f"{module}.{name}" not in newer:
                assert known.find(f"{module}.{name}") is not None, f"{module}.{name}"


def test_importing_the_tables_is_cheap() -> None:
    code = "import sys; import stretto.compiler.known_objects, stretto.compiler.types; print('json' in sys.modules, 'decimal' in sys.modules)"
    root = pathlib.Path(known.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.stdout.split() == ["False", "False"], done.stderr


assert known_objects
