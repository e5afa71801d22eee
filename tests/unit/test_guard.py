"""Guarded code does what plain code does, or stops before the first effect."""

# Tables of one-line programs.
# ruff: noqa: E501, E741, F631

from __future__ import annotations

import ast
import copy
import dataclasses
import enum
import importlib
import math
import os
import random
import textwrap
import traceback
from collections import defaultdict
from types import CellType, FunctionType
from typing import Any, NamedTuple

import pytest

from stretto.compiler.guard import NeedsOrder, call_guarded, compile_guarded
from stretto.compiler.guard_state import LONG

EFFECTS: list[str] = []


class Loud:
    """Every special method leaves a trace."""

    def __init__(self) -> None:
        self.field = 1

    def _note(self, name: str, answer: Any) -> Any:
        EFFECTS.append(name)
        return answer

    def __add__(self, other: Any) -> Any:
        return self._note("add", self)

    __radd__ = __iadd__ = __mul__ = __rmul__ = __mod__ = __add__

    def __bool__(self) -> bool:
        return bool(self._note("bool", True))

    def __len__(self) -> int:
        return int(self._note("len", 1))

    def __iter__(self) -> Any:
        return iter(self._note("iter", [1]))

    def __format__(self, spec: str) -> str:
        return str(self._note("format", "x"))

    def __str__(self) -> str:
        return str(self._note("str", "x"))

    __repr__ = __str__

    def __getitem__(self, key: Any) -> Any:
        return self._note("getitem", 1)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._note("setitem", 1)

    def __contains__(self, key: Any) -> bool:
        return bool(self._note("contains", True))

    def __eq__(self, other: Any) -> bool:
        return bool(self._note("eq", True))

    def __lt__(self, other: Any) -> bool:
        return bool(self._note("lt", True))

    def __hash__(self) -> int:
        return int(self._note("hash", 1))

    def __index__(self) -> int:
        return int(self._note("index", 0))

    def __neg__(self) -> Any:
        return self._note("neg", self)

    def __enter__(self) -> Any:
        return self._note("enter", self)

    def __exit__(self, *_: object) -> None:
        self._note("exit", None)

    def __call__(self) -> Any:
        return self._note("call", 1)

    def method(self) -> Any:
        EFFECTS.append("method")

    @property
    def prop(self) -> Any:
        return self._note("prop", 1)


class Lazy:
    def __getattr__(self, name: str) -> Any:
        EFFECTS.append("getattr")
        return 1


class Descriptor:
    def __get__(self, obj: Any, owner: Any) -> Any:
        EFFECTS.append("get")
        return 1

    def __set__(self, obj: Any, value: Any) -> None:
        EFFECTS.append("set")


class Described:
    at = Descriptor()


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = dataclasses.field(default_factory=list)

    def total(self) -> int:
        return self.x + self.y

    @property
    def double(self) -> int:
        return self.x * 2

    def move(self, by: int) -> None:
        self.x += by


class Pair(NamedTuple):
    a: int
    b: str


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Failure(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"failed with {code}")
        self.code = code


class Base:
    def __init__(self, n: int) -> None:
        self.n = n


class Derived(Base):
    def __init__(self, n: int) -> None:
        super().__init__(n + 1)
        self.twice = n * 2


GLOBAL: list[int] = []


def helper(n: int) -> int:
    out = []
    for k in range(n):
        out.append(k)
    return sum(out)


def loud_helper(n: int) -> int:
    EFFECTS.append("helper")
    return n


def generator(n: int) -> Any:
    for k in range(n):
        yield k * 2


def recursive(n: int) -> int:
    return 0 if n == 0 else 1 + recursive(n - 1)


def compiled(source: str, **names: Any) -> tuple[FunctionType, FunctionType]:
    """The plain function and the guarded one."""
    text = textwrap.dedent(source)
    tree = ast.parse(text)
    space: dict[str, Any] = {**globals(), **names}
    exec(compile(tree, "<user>", "exec", 0, True), space)
    definition = ast.parse(text).body[0]
    assert isinstance(definition, ast.FunctionDef)
    plain = space[definition.name]
    return plain, compile_guarded(definition, "<user>", space)


def outcome(fn: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    args = copy.deepcopy(args)
    try:
        return ("returned", fn(*args), args)
    except Exception as exc:
        lines = [
            (entry.name, entry.lineno)
            for entry in traceback.extract_tb(exc.__traceback__)
            if entry.filename == "<user>"
        ]
        return ("raised", type(exc), str(exc), lines, args)


def same(source: str, *args: Any, **names: Any) -> Any:
    plain, guarded = compiled(source, **names)
    expected = outcome(plain, args)
    found = outcome(guarded, args)
    assert repr(found) == repr(expected)
    return expected[1]


def stops(source: str, *args: Any, **names: Any) -> NeedsOrder:
    _, guarded = compiled(source, **names)
    EFFECTS.clear()
    before = len(GLOBAL)
    with pytest.raises(NeedsOrder) as caught:
        guarded(*args)
    assert EFFECTS == []
    assert len(GLOBAL) == before
    return caught.value


# ------------------------------------------------------------------ the same as plain code

SAME = {
    "arithmetic": "def f(a, b):\n return a + b * 2 - -a // 3 % 5 ** 2 | 1 ^ 6 & 3 << 2 >> 1",
    "compare": "def f(a, b):\n return a < b <= 5, a == b, a != b, a is b, a in [a], a not in (b,)",
    "boolean": "def f(a, b):\n return a and b or not a, (a if b else -b), not (a or b)",
    "strings": "def f(a, b):\n return f'{a:>{b}} {a!r} {b=}', '%s-%d' % (a, b), 'x{}y'.format(a)",
    "displays": "def f(a, b):\n return [a, *range(b)], {a, b}, {a: b, **{'k': 1}}, (a, *'xy')",
    "comprehensions": (
        "def f(a, b):\n xs = [k * a for k in range(b) if k % 2]\n"
        " return xs, {k for k in xs}, {k: v for k, v in enumerate(xs)},"
        " [i + j for i, (j, _) in zip(xs, [(1, 2)] * 3)]"
    ),
    "generators": (
        "def f(a, b):\n g = (k + a for k in range(b))\n first = next(g)\n"
        " return first, list(g), sum(k for k in range(b)), any(k > 1 for k in range(b)),"
        " ','.join(str(k) for k in range(b)), list(g)"
    ),
    "nested_generators": (
        "def f(a, b):\n return [*((i, j) for i in range(a) for j in range(b) if i < j)],"
        " dict((k, v) for k, v in zip('ab', [1, 2])), max((k for k in range(b)), default=0)"
    ),
    "lambda": "def f(a, b):\n g = lambda x, y=b: x * y + a\n return g(2), sorted([3, 1], key=lambda v: -v)",
    "closures": (
        "def f(a, b):\n n = 0\n def inc(by=1):\n  nonlocal n\n  n += by\n  return n\n"
        " inc()\n inc(b)\n return n, inc(a)"
    ),
    "map": "def f(a, b):\n return list(map(lambda x: x + a, range(b))), [*filter(None, [0, 1, a])], list(map(str, [a, b]))",
    "unpacking": (
        "def f(a, b):\n x, (y, *z) = a, (b, 1, 2)\n p = q = [x]\n z.append(3)\n p.append(4)\n"
        " xs = [1, 2]\n xs[0], xs[1] = xs[1], xs[0]\n for i, (j, k) in [(1, (2, 3))]:\n  x += i + j + k\n"
        " return x, y, z, q, xs"
    ),
    "items": (
        "def f(a, b):\n xs = [a, b, 3]\n xs[0] += 5\n xs[1:] = [9, 9]\n del xs[-1]\n d = {}\n"
        " d['k'] = xs\n d['k'] += [1]\n d.setdefault('z', []).append(a)\n del d['z']\n"
        " return xs, d, xs[::-1], 'text'[1:3], d.get('q', 5), d.pop('k')"
    ),
    "defaultdict": "def f(a, b):\n d = defaultdict(list)\n d['x'].append(a)\n d['x'].append(b)\n return dict(d), d",
    "loops": (
        "def f(a, b):\n n = 0\n while n < 10:\n  n += 1\n  if n == a: continue\n  if n > b + 4: break\n"
        " else:\n  n = -1\n for k in range(3):\n  pass\n else:\n  n += 100\n return n, k"
    ),
    "try": (
        "def f(a, b):\n out = []\n try:\n  out.append(a // (b - b))\n except ZeroDivisionError as e:\n"
        "  out.append(str(e))\n else:\n  out.append('no')\n finally:\n  out.append('f')\n"
        " try:\n  [][a]\n except (KeyError, LookupError):\n  out.append('l')\n return out"
    ),
    "bare_except": "def f(a, b):\n try:\n  return {}[a]\n except:\n  return 'caught'",
    "finally_return": "def f(a, b):\n for k in range(3):\n  try:\n   1 // 0\n  finally:\n   return k",
    "raise": "def f(a, b):\n raise ValueError(a, b) from KeyError('k')",
    "raise_user": "def f(a, b):\n try:\n  raise Failure(a)\n except Failure as e:\n  return e.code, str(e)",
    "assert": "def f(a, b):\n assert a == 99, f'a is {a}'",
    "dataclass": (
        "def f(a, b):\n p = Point(a, y=b)\n p.x += 1\n p.tags.append('t')\n p.move(2)\n"
        " return p, p.total(), p.double, p == Point(a), Point(1) == Point(1), [p.x for p in [p]]"
    ),
    "namedtuple": "def f(a, b):\n p = Pair(a, 'b')\n x, y = p\n return p, p.a, p[1], x, p._replace(a=5), list(p), len(p)",
    "enum": "def f(a, b):\n return Colour.RED, Colour(2).name, Colour['RED'].value, [c for c in Colour], Colour.RED == Colour.BLUE, {Colour.RED: 1}[Colour.RED]",
    "classes": "def f(a, b):\n d = Derived(a)\n d.extra = b\n return d.n, d.twice, d.extra, isinstance(d, Base), hasattr(d, 'zz'), getattr(d, 'zz', 7)",
    "helpers": "def f(a, b):\n return helper(a) + helper(b), [k for k in generator(b)], list(generator(3)), sum(generator(4))",
    "modules": "def f(a, b):\n import math\n from math import floor as g\n return math.sqrt(a), math.pi, g(2.5)",
    "walrus": "def f(a, b):\n if (n := a + b) > 2 and (m := n * 2):\n  return n, m\n return [y := a, y + 1]",
    "call_forms": "def f(a, b):\n g = lambda *x, k=0, **z: (x, k, z)\n return g(*[a, b], k=1, **{'q': 2}), dict(a=1, **{'b': 2}), max(*[a, b])",
    "global_read": "def f(a, b):\n return len(GLOBAL) + a, GLOBAL[:1]",
    "match": (
        "def f(a, b):\n match (a, [b, 2], {'k': 1}):\n  case (0, *_):\n   return 'zero'\n"
        "  case (int(x), [y, 2], {'k': z}) if x:\n   return x, y, z\n  case _:\n   return 'other'"
    ),
    "suppress": "def f(a, b):\n from contextlib import suppress\n with suppress(KeyError):\n  {}[a]\n return 'after'",
    "delete": "def f(a, b):\n del a\n return a",
    "unbound": "def f(a, b):\n if b > 100:\n  z = 1\n return z",
    "name_error": "def f(a, b):\n return nothing_of_the_kind",
    "attribute_error": "def f(a, b):\n return a.nope(1 / 0)",
    "not_iterable": "def f(a, b):\n for x in a: pass",
    "unpack_error": "def f(a, b):\n x, y = [1, 2, 3]",
    "call_error": "def f(a, b):\n return a(b)",
    "arguments_error": "def f(a, b):\n return helper(1, 2)",
    "lambda_error": "def f(a, b):\n g = lambda x: x\n return g()",
    "type_error": "def f(a, b):\n return (a\n  + 'x')",
    "chain_error": "def f(a, b):\n return (' x '\n  .strip()\n  .split(a)\n  .join(b))",
    "tuple_item": "def f(a, b):\n t = (1, [2])\n t[0] = 1",
    "iterators": (
        "def f(a, b):\n it = iter([1, 2, 3])\n x = next(it)\n z = zip([1, 2], 'ab')\n y = next(z)\n"
        " return x, list(it), y, list(z), list(enumerate('ab', 5)), list(reversed([1, 2])), next(iter([]), 9)"
    ),
    "itertools": (
        "def f(a, b):\n import itertools as t\n"
        " return [(k, list(g)) for k, g in t.groupby('aabc', key=lambda c: c.upper())],"
        " list(t.chain([1], [2])), list(t.accumulate([1, 2, 3])), list(t.islice(t.count(), 3)),"
        " list(t.takewhile(lambda v: v < 2, [1, 2, 1])), list(t.product('ab', [1]))"
    ),
    "copying": "def f(a, b):\n import copy\n xs = copy.deepcopy(GLOBAL)\n xs.append(1)\n ys = list(xs)\n ys.append(2)\n return xs, ys",
    "library": (
        "def f(a, b):\n import json, re, textwrap\n d = json.loads('{\"k\": [1]}')\n d['z'] = 1\n"
        " return d, json.dumps(d), re.sub('a', lambda m: m.group().upper(), 'banana'),"
        " re.compile('n').split('banana'), textwrap.dedent('  x')"
    ),
    "partial": "def f(a, b):\n import functools, operator\n return functools.partial(max, a)(b), functools.reduce(lambda x, y: x * y, [1, 2, 3]), sorted([(2, 1), (1, 2)], key=operator.itemgetter(1))",
    "string_methods": "def f(a, b):\n return 'a,b'.split(','), ' x '.strip().upper(), 'abc'.replace('b', str(a)), ''.join(['x', 'y'])",
    "sets": "def f(a, b):\n s = {1, 2}\n s.add(a)\n s |= {b}\n s -= {1}\n return s, s & {a}, s.union([7]), {1} < s",
    "counter": "def f(a, b):\n from collections import Counter, deque\n c = Counter('abca')\n c['z'] += 2\n d = deque([1], maxlen=2)\n d.append(2)\n d.appendleft(0)\n return c.most_common(1), c, d",
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_does_the_same_as_plain_code(name: str) -> None:
    import contextlib
    import functools
    import itertools
    import json
    import re

    assert contextlib and functools and itertools and json and re
    same(SAME[name], 3, 2)


def test_functions_that_leave_are_plain_ones() -> None:
    plain, guarded = compiled(
        """
        def f(log, n):
            def inner(x):
                log.append(x)
                return x + n
            return inner, lambda: log.append("l"), (log.append(k) for k in [1, 2]), map(log.append, [3])
        """
    )
    log: list[Any] = []
    inner, lam, gen, mapped = guarded(log, 5)
    assert log == []
    assert inner(1) == 6 and lam() is None and next(gen) is None and next(mapped) is None
    assert log == [1, "l", 1, 3]
    assert inner.__qualname__ == "f.<locals>.inner"
    assert inner.__code__.co_code == plain(log, 5)[0].__code__.co_code


def test_a_generator_goes_on_where_guarded_code_left_it() -> None:
    _, guarded = compiled("def f(xs):\n g = (x * 2 for x in xs)\n first = next(g)\n return first, g\n")
    first, rest = guarded([1, 2, 3])
    assert (first, list(rest)) == (2, [4, 6])


def test_closure_cells_are_read() -> None:
    tree = ast.parse("def f():\n return outer + 1").body[0]
    assert isinstance(tree, ast.FunctionDef)
    cell = CellType(4)
    guarded = compile_guarded(tree, "<user>", {}, {"outer": cell})
    assert guarded() == 5
    cell.cell_contents = 6
    assert guarded() == 7


def test_own_objects_may_be_changed() -> None:
    _, guarded = compiled("def f(xs):\n xs.append(1)\n return len(xs)")
    mine: list[int] = []
    assert call_guarded(guarded, (mine,), {}, own=[mine]) == 1
    with pytest.raises(NeedsOrder):
        call_guarded(guarded, (mine,))
    assert mine == [1]


def test_call_guarded_calls_functions() -> None:
    assert call_guarded(helper, (4,), {}) == 6
    assert call_guarded(len, ([1],), {}) == 1
    assert call_guarded(Point, (), {"x": 1}) == Point(1)
    assert call_guarded(lambda x: x + 1, (1,)) == 2
    with pytest.raises(NeedsOrder):
        call_guarded(print, ("x",))
    with pytest.raises(NeedsOrder):
        call_guarded(Loud(), ())


# ------------------------------------------------------------------ stops before the effect

STOPS = {
    "add": "u + 1", "radd": "1 + u", "list_times": "[1] * u", "percent": "'%s' % u", "neg": "-u",
    "truth": "1 if u else 2", "not": "not u", "and": "u and 1", "or": "0 or u or 1", "len": "len(u)",
    "iter": "[x for x in u]", "list": "list(u)", "star": "[*u]", "star_call": "max(*u)",
    "format": "f'{u}'", "format_method": "'{}'.format(u)", "str": "str(u)", "repr": "repr(u)",
    "eq": "u == 1", "req": "1 == u", "lt": "u < 1", "chain": "0 < 1 < u", "contains": "1 in u",
    "member": "u in [1]", "hash": "{u}", "key": "{u: 1}", "index": "[1][u]", "slice": "[1][u:]",
    "getitem": "u[0]", "call": "u()", "method": "u.method()", "property": "u.prop",
    "getattr": "lazy.thing", "hasattr": "hasattr(lazy, 'x')", "getattr_call": "getattr(u, 'prop')",
    "descriptor": "described.at", "sum": "sum([u])", "any": "any([u])", "all": "all((0 or u,))",
    "sorted_key": "sorted([1], key=lambda v: u + v)", "map": "list(map(lambda v: u(), [1]))",
    "map_len": "list(map(len, [u]))", "filter": "list(filter(None, [u]))", "max": "max(u, u)",
    "generator": "list(u() for _ in [1])", "join": "''.join(u)", "dict": "dict(u)",
    "dict_get": "{}.get(u)", "list_index": "[1].index(u)", "range": "range(u)", "int": "int(u)",
    "print": "print('x')", "open": "open('/nonexistent')", "exec": "exec('1')", "input": "input()",
    "loud_helper": "loud_helper(1)", "argument_append": "xs.append(1)", "sort": "xs.sort()",
    "global_append": "GLOBAL.append(1)", "heappush": "heapq.heappush(xs, 1)", "chain_from":
    "list(itertools.chain.from_iterable([u]))", "repeat_str": "'ab'.center(u)", "sum_start":
    "sum([], u)", "zip": "list(zip([1], u))", "enumerate": "list(enumerate(u))", "partial":
    "functools.partial(loud_helper, 1)()", "reduce": "functools.reduce(lambda a, b: loud_helper(a), [1, 2])",
    "advance": "next(it)", "advance_list": "list(it)", "advance_in": "1 in it", "class_call": "Loud().field + Loud()",
    "attrgetter": "operator.attrgetter('prop')(u)", "path": "pathlib.Path('x').exists()",
    "clock": "time.time()", "random": "random.random()", "sub": "re.sub('a', lambda m: loud_helper('x'), 'a')",
    "starmap": "list(itertools.starmap(max, [u]))", "format_deep": "'{0[0].prop}'.format([u])",
}  # fmt: skip


@pytest.mark.parametrize("name", STOPS)
def test_stops_before_an_expression_with_an_effect(name: str) -> None:
    import functools
    import heapq
    import itertools
    import operator
    import pathlib
    import random
    import re
    import time

    xs = [3, 1, 2]
    numbers = iter([1, 2])
    names = {
        "functools": functools, "heapq": heapq, "itertools": itertools, "operator": operator,
        "pathlib": pathlib, "random": random, "re": re, "time": time, "it": numbers,
        "described": Described(), "lazy": Lazy(),
    }  # fmt: skip
    error = stops(f"def f(u, xs):\n first = 1\n return {STOPS[name]}", Loud(), xs, **names)
    assert (error.lineno, error.filename) == (3, "<user>")
    assert error.reason
    assert xs == [3, 1, 2] and next(numbers) == 1


STATEMENTS = {
    "if": "if u: pass", "while": "while u: break", "for": "for x in u: pass", "unpack": "a, *b = u",
    "assert": "assert u", "with": "with u: pass", "setitem": "xs[0] = 1",
    "delitem": "del xs[0]", "augmented": "xs += [1]", "augmented_user": "u += 1", "setattr": "u.field = 2",
    "delattr": "del u.field", "augmented_attr": "u.field += 1", "set_descriptor": "d = described\n d.at = 1",
    "global": "global GLOBAL\n GLOBAL = []", "import": "import this", "class": "class A: pass",
    "setitem_user": "u[0] = 1", "slice": "xs[:] = []", "match": "match u:\n  case 1: pass",
    "generator_function": "g = generator(2)\n for x in g: pass\n g2 = xs.append(1)",
    "finally": "try:\n  xs.append(1)\n finally:\n  GLOBAL.append(2)",
    "finally_return": "try:\n  xs.append(1)\n finally:\n  return 5",
    "bare_except": "try:\n  xs.append(1)\n except:\n  return 1",
    "base_exception": "try:\n  xs.append(1)\n except BaseException:\n  return 1",
    "suppress": "with contextlib.suppress(BaseException):\n  xs.append(1)",
    "default": "def g(x=u + 1): pass", "decorator": "@loud_helper\n def g(): pass",
    "alias": "ys = xs\n ys.append(1)", "inner": "zs = [xs]\n zs[0].append(1)",
    "outer_list": "n = list(xs)\n n.append(1)\n xs.append(2)", "lambda": "g = lambda: xs.append(1)\n g()",
    "nested": "def g():\n  xs.append(1)\n g()", "nested_iter": "for a, (b, c) in [(1, u)]: pass",
    "comp_unpack": "[a for a, b in [u]]", "star_map": "dict(**u)", "default_factory":
    "d = defaultdict(lambda: loud_helper(1))\n d[1]",
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_stops_before_a_statement_with_an_effect(name: str) -> None:
    import contextlib

    xs = [3, 1, 2]
    u = Loud()
    source = f"def f(u, xs):\n {STATEMENTS[name]}\n"
    stops(source, u, xs, described=Described(), contextlib=contextlib)
    assert xs == [3, 1, 2] and u.field == 1


def test_an_outer_variable_is_not_bound() -> None:
    n = 0

    def count() -> int:
        nonlocal n
        n += 1
        return n

    with pytest.raises(NeedsOrder):
        call_guarded(count)
    assert n == 0


def test_deep_recursion_is_not_believed() -> None:
    assert call_guarded(recursive, (50,)) == 50
    with pytest.raises(NeedsOrder):
        call_guarded(recursive, (900,))
    _, guarded = compiled("def f(n):\n try:\n  return recursive(n)\n except Exception:\n  return -1")
    with pytest.raises(NeedsOrder):
        guarded(900)


def test_an_iterator_with_state_of_its_own_is_not_advanced_behind_its_back() -> None:
    stops("def f(u, xs):\n g = (i + j for i in xs for j in xs)\n next(g)\n return g", 1, [1, 2])
    stops("def f(u, xs):\n g = generator(3)\n for x in g: break\n return g", 1, [1])
    stops("def f(u, xs):\n p = []\n p.append(generator(3))\n return next(p[0]), p", 1, [1])


def test_a_patched_class_is_seen() -> None:
    class Quiet:
        pass

    _, guarded = compiled("def f(a):\n return a == 1")
    assert guarded(Quiet()) is False
    Quiet.__eq__ = lambda self, other: EFFECTS.append("eq") or True  # type: ignore[method-assign, assignment, func-returns-value]
    EFFECTS.clear()
    with pytest.raises(NeedsOrder):
        guarded(Quiet())
    assert EFFECTS == []


def test_needs_order_names_the_line() -> None:
    error = stops("def f(u, xs):\n a = 1\n b = (a +\n   xs.append(2))\n return b", 1, [1])
    assert (error.lineno, error.filename) == (4, "<user>")


# ------------------------------------------------------------------ everything, on everything loud


class Watched:
    """Even looking at an attribute leaves a trace."""

    x = 1

    def __getattribute__(self, name: str) -> Any:
        EFFECTS.append(name)
        return object.__getattribute__(self, name)

    def __call__(self) -> None:
        EFFECTS.append("call")


class WatchedMeta(type):
    def __getattribute__(cls, name: str) -> Any:
        EFFECTS.append(name)
        return type.__getattribute__(cls, name)

    def __instancecheck__(cls, thing: object) -> bool:
        EFFECTS.append("instancecheck")
        return True


class WatchedClass(metaclass=WatchedMeta):
    def method(self) -> int:
        return 1


class LoudText(str):
    def upper(self) -> str:
        EFFECTS.append("upper")
        return "x"

    def __str__(self) -> str:
        EFFECTS.append("str")
        return "x"

    __format__ = __add__ = __mod__ = __str__  # type: ignore[assignment]


class LoudList(list[int]):
    def __iter__(self) -> Any:
        EFFECTS.append("iter")
        return iter(())

    def __len__(self) -> int:
        EFFECTS.append("len")
        return 0

    def append(self, item: Any) -> None:
        EFFECTS.append("append")


class LoudDict(dict[Any, Any]):
    def __missing__(self, key: Any) -> Any:
        EFFECTS.append("missing")

    def keys(self) -> Any:
        EFFECTS.append("keys")
        return []


class Odd:
    def __bytes__(self) -> bytes:
        EFFECTS.append("bytes")
        return b""

    def __fspath__(self) -> str:
        EFFECTS.append("fspath")
        return ""

    def __deepcopy__(self, memo: Any) -> Any:
        EFFECTS.append("deepcopy")

    __copy__ = __deepcopy__ = __reduce_ex__ = __deepcopy__  # type: ignore[assignment]

    def __next__(self) -> Any:
        EFFECTS.append("next")
        raise StopIteration

    def __iter__(self) -> Any:
        return self

    def __del__(self) -> None:
        pass


FORMS = """
Q.x|Q.method()|Q.upper()|Q()|Q + 1|1 + Q|Q == 1|1 == Q|Q < 1|0 < Q < 2|[*Q]|len(Q)|isinstance(Q, int)
isinstance(1, Q)|str(Q)|f'{Q}'|f'{Q!r:>9}'|{Q}|{Q: 1}|Q in [1]|1 in Q|Q[0]|Q['zz']|[1][Q]|{1: 2}[Q]|not Q|-Q
hasattr(Q, 'zz')|getattr(Q, 'x')|list(map(Q, [1]))|list(map(len, [Q]))|sorted([1], key=Q)|max(Q)|max(Q, 1)
sum([Q])|sum(Q)|sum([], Q)|any([Q])|all(Q)|dict(Q)|dict(**Q)|max(*Q)|copy.copy(Q)|copy.deepcopy(Q)|json.dumps(Q)
re.sub('a', Q, 'a')|functools.partial(Q)()|functools.reduce(Q, [1, 2])|operator.itemgetter(0)(Q)
operator.attrgetter('prop')(Q)|callable(Q)|repr(Q)|bytes(Q)|bytearray(Q)|bytes([Q])|int(Q)|math.floor(Q)
math.sqrt(Q)|round(Q)|range(Q)|'a' * Q|[1] * Q|'%s' % Q|'%d' % Q|'a'.center(Q)|''.join([Q])|''.join(Q)|Q.__class__
datetime.date(Q, 1, 1)|datetime.timedelta(Q)|Q.__dict__|collections.Counter(Q)|collections.deque(Q)|[Q] + Q
list(itertools.chain([1], Q))|list(itertools.chain.from_iterable([Q]))|itertools.count(Q)|dataclasses.fields(Q)
dataclasses.asdict(Q)|dataclasses.replace(Q)|print(Q)|bisect.bisect([1], Q)|textwrap.indent('a', 'b', Q)
pathlib.PurePath(Q)|pathlib.PurePath('a') / Q|decimal.Decimal(Q)|fractions.Fraction(Q)|fractions.Fraction(1) == Q
decimal.Decimal(1) < Q|enumerate(Q)|zip(Q)|next(Q)|iter(Q)|reversed(Q)|chr(Q)|abs(Q)|divmod(Q, 2)|pow(2, Q)
hash(Q)|format(Q)|bool(Q)|list(filter(Q, [1]))|{1}.union(Q)|[1].index(Q)|[1, 2].index(1, Q)|'a'.replace('a', 'b', Q)
'{}'.format(Q)|'{0.x}'.format(Q)|'{0[0].x}'.format([Q])|'a'.translate(Q)|[].append(Q)|[3].extend(Q)|{}.update(Q)
(lambda a: a + 1)(Q)|(Q and 1)|(1 if Q else 2)|[x for x in Q]|[a for a, b in [Q]]|sum(x for x in Q)|[1][Q:]
'%(a)s' % Q|{**Q}|set([Q])|heapq.nlargest(Q, [1])|uuid.UUID(Q)|contextlib.suppress(Q)|Q.__add__(1)|type(Q).method(Q)
""".strip().replace("\n", "|").split("|")  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_nothing_loud_is_touched(form: str) -> None:
    names = (
        "bisect collections contextlib copy datetime dataclasses decimal fractions functools heapq itertools "
        "json math operator pathlib re textwrap types uuid"
    )
    modules = {name: importlib.import_module(name) for name in names.split()}
    things = [
        Loud(), Watched(), WatchedClass, object.__new__(WatchedClass), LoudText("ab"), LoudList([1]), LoudDict(a=1),
        Odd(), Lazy(), Described(), defaultdict(lambda: EFFECTS.append("factory")), (EFFECTS.append("gen") for _ in [1]),
    ]  # fmt: skip
    _, guarded = compiled(f"def f(Q):\n return {form}", **modules)
    for thing in things:
        EFFECTS.clear()
        try:
            guarded(thing)
        except (Exception, NeedsOrder):
            pass
        assert EFFECTS == [], type(thing)


@pytest.mark.parametrize(
    "form",
    [
        "sum([], xs)", "json.loads('{}', object_hook=lambda d: xs)", "max([xs])", "next(iter([xs]))", "[xs][0]",
        "functools.reduce(lambda a, b: a, [xs, xs])", "copy.copy([xs])[0]", "sorted([xs])[0]", "{}.get(1, xs)",
        "{}.setdefault(1, xs)", "[xs].pop()", "getattr(1, 'zz', xs)", "(xs or 1)", "types.SimpleNamespace(a=xs).a",
        "(lambda *a: a[0])(xs)", "(lambda **k: k['a'])(a=xs)", "next(zip([xs]))[0]", "min(xs, xs)", "Point(1, 2, xs).tags",
        "dict.fromkeys([1], xs)[1]", "list(map(lambda x: x, [xs]))[0]", "(lambda x=xs: x)()", "(xs if 1 else 2)", "[xs][:][0]",
    ],
)  # fmt: skip
def test_what_was_given_is_not_taken_for_new(form: str) -> None:
    import functools
    import json
    import types

    xs = [1]
    stops(f"def f(u, xs):\n {form}.append(9)", 1, xs, functools=functools, json=json, types=types)
    assert xs == [1]


# ------------------------------------------------------------------ generated programs


LEAVES = ("a", "b", "s", "xs", "d", "n", "0", "1", "2", "-1", "'x'", "''", "None", "[]", "(1, 2)", "t")
EXPRESSIONS = (
    "({x} + {y})", "({x} * {y})", "({x} - {y})", "({x} % {y})", "({x} // {y})",
    "({x} < {y})", "({x} == {y})", "({x} <= {y} < 3)", "({x} in {y})", "({x} and {y})",
    "({x} or {y})", "(not {x})", "({x} if {y} else {x})", "{x}[{y}]", "{x}[{y}:]", "[{x}, {y}]",
    "({x}, {y})", "{{{x}: {y}}}", "{{{x}, {y}}}", "len({x})", "str({x})", "f'{{{x}!r}}'",
    "[q for q in {x}]", "[q + {y} for q in {x} if q]", "sorted({x})", "list({x})", "sum({x})",
    "tuple({x})", "max({x}, {y})", "{x}.upper()", "{x}.split({y})", "{x}.get({y})",
    "isinstance({x}, int)", "(lambda q: q + {y})({x})", "list(map(lambda q: (q, {y}), {x}))",
    "sum(q for q in {x})", "[*{x}, {y}]", "dict(zip({x}, {y}))", "any(q == {y} for q in {x})",
    "list(enumerate({x}))", "h({x}, {y})", "{x}.index({y})", "bool({x})", "(w := {x})",
    "sorted({x}, key=lambda q: str(q))", "{x}.keys()", "min({x})", "-{x}", "next(iter({x}))",
    "list(reversed({x}))", "list(gen({x}))", "[i for p, i in enumerate({x})]", "g2({x})",
)  # fmt: skip


def expression(choose: random.Random, depth: int = 3) -> str:
    if depth == 0 or choose.randint(0, 3) == 0:
        return choose.choice(LEAVES)
    x, y = expression(choose, depth - 1), expression(choose, depth - 1)
    return choose.choice(EXPRESSIONS).format(x=x, y=y)


LINES = (
    "a = {e}", "b = {e}", "n = {e}", "t = {e}", "xs = [{e}]", "a += {e}", "xs += {e}", "xs.append({e})",
    "d = {{}}", "d[{e}] = {e2}", "xs[{e2}] = {e}", "a, b = {e}", "a, *b = {e}", "del xs[{e2}]",
    "n = {e}; a = n", "xs = list(xs)", "d.setdefault({e2}, []).append({e})", "xs[0], a = {e}, {e2}",
    "xs.extend({e})", "f1 = lambda q=({e}): (q, a)", "a = f1()", "assert {e}", "return {e}", "b = a = {e}",
    "raise ValueError({e})", "d.update({e})", "s += {e2}", "xs.sort()", "xs.pop()", "a = t.x; t.x = {e}",
    "t = P({e}, {e2})", "t.ys.append({e})", "a = t == P(1)", "it = iter({e})", "a = next(it)", "b = list(it)",
    "it = (q for q in {e})",
)  # fmt: skip


HEADS = ("if {e}:", "for n in {e}:", "for a, b in {e}:", "try:", "tryf:", "def inner(a):", "for _ in xs:")


def statements(choose: random.Random, depth: int = 2, indent: int = 1) -> list[str]:
    pad = " " * indent
    out: list[str] = []
    for _ in range(choose.randint(1, 4)):
        e = expression(choose)
        e2 = expression(choose, 1)
        if depth and choose.random() < 0.5:
            body = statements(choose, depth - 1, indent + 1)
            head = choose.choice(HEADS)
            if head in ("try:", "tryf:"):
                out += [pad + "try:", *body]
                if head == "try:":
                    handler = choose.choice(["except Exception as x:", "except:", "except TypeError:"])
                    out += [pad + handler, pad + " a = 'caught'"]
                else:
                    out += [pad + "finally:", pad + " b = 'last'"]
            elif head == "def inner(a):":
                out += [pad + "def inner(a, b=1):", *body, pad + f"a = inner({e2})"]
            else:
                out += [pad + head.format(e=e), *body]
        else:
            out.append(pad + choose.choice(LINES).format(e=e, e2=e2))
    return out


@dataclasses.dataclass
class P:
    x: Any
    y: Any = 0
    ys: list[Any] = dataclasses.field(default_factory=list)


def h(a: Any, b: Any) -> Any:
    out = [a]
    out.append(b)
    return out[0] if a else out


def gen(xs: Any) -> Any:
    for x in xs:
        yield x
        yield (x, 1)


def g2(xs: Any) -> Any:
    seen = {}
    for i, x in enumerate(xs):
        seen[i] = f"{x}"
    return {k: v for k, v in seen.items()}


RESULTS = {"same": 0, "stopped": 0}


#: Another number of them is other programs: ``STRETTO_FUZZ=20000 pytest tests/unit/test_guard.py -k generated``.
PROGRAMS = int(os.environ.get("STRETTO_FUZZ", "1200"))
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_generated_programs(part: int) -> None:
    for number in range(part, PROGRAMS, PARTS):
        choose = random.Random(f"{PROGRAMS} {number}")
        source = "\n".join(
            [
                "def f(a, xs, s, t):",
                " b = n = 1; d = {'x': 1, 2: 'y'}",
                *statements(choose),
                " return a, b, n, s, xs, d, repr(t)",
            ]
        )
        check(source, choose.randint(-3, 4), [choose.randint(0, 3) for _ in range(choose.randint(0, 4))])


def check(source: str, a: int, xs: list[int]) -> None:
    try:
        plain, guarded = compiled(source)
    except SyntaxError:
        return
    args = (a, xs, "text", (1, "2", [3]))
    try:
        found = outcome(guarded, args)
        stopped = False
    except NeedsOrder:
        stopped = True
    given_args = copy.deepcopy(args)
    try:
        guarded(*given_args)
    except NeedsOrder:
        assert given_args == args  # nothing was changed
    except BaseException:
        pass
    RESULTS["stopped" if stopped else "same"] += 1
    if not stopped:
        expected = outcome(plain, args)
        assert _stable(found) == _stable(expected), source


def _stable(result: tuple[Any, ...]) -> str:
    import re

    return re.sub(r"0x[0-9a-f]+", "0x", repr(result))


def test_most_generated_programs_run_through() -> None:
    if sum(RESULTS.values()) > 100:
        assert RESULTS["same"] > RESULTS["stopped"]


_ = math


def test_what_goes_on_for_long_is_left_to_native_code() -> None:
    stopped = stops("def f(n):\n t = 0\n while t < n:\n  t += 1\n return t", LONG + 1)
    assert "more than 20,000 times" in stopped.reason
    assert same("def f(n):\n t = 0\n for x in range(n):\n  t += x\n return t", LONG - 1)
