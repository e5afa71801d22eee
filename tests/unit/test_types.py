"""Judging expressions before their values are there, and checking declared types."""

# Tables of one-line programs.
# ruff: noqa: E501, E741, F631

from __future__ import annotations

import ast
import builtins
import datetime
import json
import math
import pathlib
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Optional

import pytest

from stretto.compiler.checkers import Checker, checker_of
from stretto.compiler.types import ELLIPSIS, Json, Scalar, T, infer, of_annotation, of_value

S, I, F, B = T(str), T(int), T(float), T(bool)
LOCALS: Mapping[str, T | None] = {
    "s": S, "i": I, "f": F, "u": None, "xs": T(list, (S,)), "ys": T(list), "d": T(dict, (S, I)),
    "t": T(tuple, (I, S)), "ts": T(tuple, (I, ELLIPSIS)), "now": T(datetime.datetime), "z": T(set, (S,)),
}  # fmt: skip


class User:
    pass


GLOBALS: dict[str, Any] = {"json": json, "math": math, "time": time, "User": User, "LIMIT": 3}


def resolve(name: str) -> object:
    if name in GLOBALS:
        return GLOBALS[name]
    return vars(builtins)[name]


PURE: dict[str, tuple[bool, T | None]] = {
    "1": (False, I), "s": (False, S), "u": (False, None), "LIMIT + 1": (False, I), "nothing": (False, None),
    "s + 'a'": (False, S), "i * 2 + 1": (False, I), "i / 2": (False, F), "s * 3": (False, S), "-i": (False, I),
    "s % (i, s)": (False, S), "i ** 2": (False, None), "xs + ['a']": (True, T(list, (S,))), "not s": (False, B),
    "i < 3 <= i": (False, B), "s in xs": (True, B), "u is None": (False, B), "u is not s": (False, B),
    "isinstance(u, (str, int))": (False, B), "isinstance(u, User)": (True, B), "s and i": (False, T(Scalar, (I, S))), "s or 'x'": (False, S),
    "s if i else 'b'": (False, S), "u if i else s": (False, None), "(n := i) + n": (False, I),
    "f'{s:>{i}} {f!r}'": (False, S), "s[0]": (False, S), "s[1:]": (False, S), "xs[0]": (True, S),
    "xs[i:]": (True, T(list, (S,))), "d[s]": (True, I), "t[1]": (False, S), "ts[0] + 1": (False, I),
    "(u, s)": (False, T(tuple, (None, S))), "[u]": (False, T(list)), "[s, *xs]": (True, T(list, (S,))),
    "{s: u}": (False, T(dict)), "{s: i}": (False, T(dict, (S, I))), "{s, 'a'}": (False, T(set, (S,))),
    "[x.upper() for x in xs if x]": (True, T(list, (S,))), "{k: v + 1 for k, v in d.items()}":
    (True, T(dict, (S, I))), "sum(v for v in d.values())": (True, I), "lambda: u()": (False, None),
    "s.upper().strip()": (False, S), "s.split(',')": (False, T(list, (S,))), "s.startswith('a')": (False, B),
    "','.join(xs)": (True, S), "d.get(s, 0)": (True, I), "d.get(s)": (True, None), "d.get(s, u)": (True, None),
    "len(xs)": (True, I), "len(s)": (False, I), "str(i)": (False, S), "int(s)": (False, I), "sorted(xs)":
    (True, T(list, (S,))), "sorted(xs, key=len)": (True, T(list, (S,))), "max(i, 2)": (False, I),
    "sorted(xs, key=lambda x: x.lower())": (True, T(list, (S,))), "list(map(len, xs))": (True, T(list, (I,))),
    "any(x == s for x in xs)": (True, B), "math.sqrt(i)": (False, F), "math.pi": (False, F),
    "json.loads(s)": (True, T(Json)), "json.loads(s)['k'][0]": (True, T(Json)), "json.dumps(d)": (True, S), "now.isoformat()": (False, S),
    "[(i, a) for i, a in enumerate(xs)][0][0]": (True, I), "range(i)": (False, T(range)), "User()": (False, None),
    "'{} {}'.format(i, s)": (False, S), "id(u)": (False, I), "sum(ts)": (False, I), "ValueError(u)": (False, None),
    "z | {'a'}": (True, T(set, (S,))), "dict(zip(xs, xs))": (True, T(dict)), "round(f, 2)": (False, F),
}  # fmt: skip


@pytest.mark.parametrize("text", PURE)
def test_pure(text: str) -> None:
    verdict = infer(ast.parse(text, mode="eval").body, LOCALS, resolve)
    heap, kind = PURE[text]
    assert verdict.pure
    assert verdict.type == kind
    assert verdict.heap == heap


IMPURE = [
    "u + 1", "1 + u", "-u", "not u", "u and 1", "1 if u else 2", "u == 1", "s in u", "u in xs", "u[0]", "xs[u]",
    "u.x", "u.m()", "u()", "f'{u}'", "str(u)", "len(u)", "{u}", "{u: 1}", "[*u]", "[x for x in u]",
    "print(s)", "open(s)", "time.time()", "xs.append(s)", "d.pop(s)", "d.update(d)", "z.add(s)",
    "sum(ys)", "any(ys)", "[x + 1 for x in ys]", "sorted(xs, key=u)", "sorted(xs, key=lambda x: u)()",
    "map(print, xs)", "list(map(lambda x: x + u, xs))", "max(u, 1)", "s.join(u)", "nothing()", "d.get(u)",
    "'{0.x}'.format(u)", "'{0[0].x}'.format(ys)", "next(iter(xs))", "(it := zip(xs, xs)) and list(it)",
    "type('X', (), {})", "eval(s)", "xs.sort()", "now.now()", "d.setdefault(s, 1)",
    "getattr(u, s)", "ys[0].x", "json.loads(s)[u]", "[k for k, v in ys]", "dict(ys)", "xs.index(u)",
    "f'{s:{u}}'", "s[u:]", "sorted(u)", "0 < u", "math.sqrt(u)", "dict(**u)", "max(xs, key=lambda x: x.foo())",
    "super()", "globals()", "locals()", "list(u)", "(yield)",
]  # fmt: skip


@pytest.mark.parametrize("text", IMPURE)
def test_not_pure(text: str) -> None:
    assert not infer(ast.parse(text, mode="eval").body, LOCALS, resolve).pure


def test_deep_expressions_are_quick() -> None:
    text = "(" * 60 + "i" + ",)" * 60
    assert infer(ast.parse(text, mode="eval").body, LOCALS, resolve).pure
    assert infer(ast.parse("- " * 60 + "i", mode="eval").body, LOCALS, resolve).pure


def test_of_annotation() -> None:
    assert of_annotation(str) == S
    assert of_annotation(None) == T(type(None))
    assert of_annotation(list[str]) == T(list, (S,))
    assert of_annotation(dict[str, list[int]]) == T(dict, (S, T(list, (I,))))
    assert of_annotation(tuple[int, str]) == T(tuple, (I, S))
    assert of_annotation(tuple[int, ...]) == T(tuple, (I, ELLIPSIS))
    assert of_annotation(list[User]) == T(list, (None,))
    assert of_annotation(Annotated[int, "x"]) == I
    assert of_annotation(pathlib.Path) == T(type(pathlib.Path()))
    assert of_annotation(Optional[int]) == T(Scalar, (T(type(None)), I))
    assert of_annotation(Literal["a", 1]) == T(Scalar, (I, S))
    for unknown in (Any, User, list[int] | None, "str", Mapping[str, int]):
        assert of_annotation(unknown) is None


def test_of_value() -> None:
    assert of_value("x") == S
    assert of_value(True) == B
    assert of_value([1]) == T(list)
    assert of_value(User()) is None
    assert of_value(type("Text", (str,), {})()) is None


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (str, ["x"], [1, None]),
        (None, [None], [0]),
        (float, [1.0, 1], ["x"]),
        (list[int], [[], [1]], [["x"], (1,), [None]]),
        (dict[str, list[int]], [{}, {"a": [1]}], [{"a": ["x"]}, {1: []}]),
        (tuple[int, str], [(1, "x")], [(1,), (1, 2)]),
        (tuple[int, ...], [(), (1, 2)], [("x",)]),
        (Optional[int], [1, None], ["x"]),
        (int | list[str], [1, ["x"]], [[1], "x"]),
        (Literal["a", 1], ["a", 1], ["b", True]),
        (User, [User()], [1]),
        (set[int], [{1}], [{"x"}]),
        (Mapping[str, int], [{}], [1]),
    ],
)
def test_checker(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    checker = Checker(annotation)
    assert not checker.always
    for value in good:
        assert checker.ok(value)
    for value in bad:
        assert not checker.ok(value)


def test_checker_of_functions() -> None:
    def declared() -> list[int]:
        return []

    def unknown() -> NoSuchName:  # type: ignore[name-defined]  # noqa: F821
        return None

    async def later() -> str:
        return ""

    def bare():  # type: ignore[no-untyped-def]
        return 1

    def anything() -> Any:
        return 1

    assert (checker_of(declared, False).text, checker_of(declared, False).type) == (
        "list[int]",
        T(list, (I,)),
    )
    assert checker_of(later, True).type == S
    assert checker_of(declared, True).always  # it returns an awaitable, which the annotation names
    for fn in (unknown, bare, anything):
        checker = checker_of(fn, False)
        assert checker.always and checker.ok(object()) and checker.type is None
