"""What is known of plain functions before they run: what is called pure must be, and is of the type that is
named; what changes anything must not be called pure."""

from __future__ import annotations

import asyncio
import collections
import json
import math
import re
from collections.abc import Callable
from types import FunctionType, SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto import call, flow
from stretto.compiler.types import ELLIPSIS, Json, T, of_annotation, of_value
from stretto.compiler.verdicts import function_verdict

S, INT, F = T(str), T(int), T(float)
WORDS = T(list, (S,))
LIMIT = 3
TOLD = 0
SEEN: list[str] = []
BOX = SimpleNamespace(value=1)


class Loud:
    """Has an effect wherever its operators are used."""

    def __add__(self, other: Any) -> Any:
        SEEN.append("added")
        return self


class Told(Exception):
    def __init__(self, *args: Any) -> None:
        SEEN.append("raised")


def kinds_of(annotation: object) -> tuple[T | None, ...]:
    parts = annotation if isinstance(annotation, tuple) else (annotation,)
    return tuple(of_annotation(part) for part in cast("tuple[object, ...]", parts))


def judged(fn: Callable[..., Any], *kinds: T | None) -> Any:
    assert isinstance(fn, FunctionType)
    return function_verdict(fn, kinds)


def is_of(value: Any, kind: T | None) -> bool:
    """Whether a value is of exactly this type, with all that it holds."""
    if kind is None:
        return True
    if kind.cls is Json:
        return type(value) in (dict, list, str, int, float, bool, type(None))
    if type(value) is not kind.cls:
        return False
    args = [a for a in kind.args if a != ELLIPSIS]
    if kind.cls is dict and args:
        return all(is_of(k, args[0]) and is_of(v, args[1]) for k, v in value.items())
    if kind.cls is tuple and args and ELLIPSIS not in kind.args:
        return len(value) == len(args) and all(map(is_of, value, args))
    return not args or kind.cls not in (list, set, frozenset, tuple) or all(is_of(v, args[0]) for v in value)


# -- pure ---------------------------------------------------------------------------------------------------


def clean(text):
    text = text.strip().lower()
    return " ".join(part for part in text.split() if part)


def count_words(text):
    counts = {}
    for word in text.split():
        counts[word] = counts.get(word, 0) + 1
    return counts


def find_years(text):
    return re.findall(r"\d+", text)


def mask(text):
    return re.sub(r"\w", "*", text)


def parse(text):
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return data


def field(text):
    data = json.loads(text)
    return data["a"][0]


def longest(words):
    return sorted(words, key=lambda word: (-len(word), word))[:2]


def total(numbers):
    found = 0
    for number in numbers:
        if number < 0:
            continue
        found += number * 2
    return found


def root(number):
    while number > 10:
        number = number / 2
    return math.sqrt(abs(number))


def nested(text):
    return len(count_words(clean(text)))


def early(text):
    if not text:
        return 0
    if text.startswith("a"):
        return 1
    return len(text)


def checked(number):
    if number < 0:
        raise ValueError(f"too small: {number}")
    return number + 1


def pairs(words):
    found = []
    for place, word in enumerate(words):
        found.append((place, word.upper()))
    return found


def firsts(words):
    found = set()
    for word in words:
        found.add(word[:1])
    return found


def number_of(text, default=0):
    try:
        return int(text)
    except ValueError:
        return default


def limited(text):
    return text[:LIMIT]


def reraised(text):
    try:
        return int(text)
    except ValueError as e:
        raise KeyError(text) from e


def until(words, stop):
    found = []
    for word in words:
        if word == stop:
            break
        found += [word]
    else:
        found.append("end")
    return found


halved = lambda number: number // 2  # noqa: E731

PURE: dict[str, tuple[Callable[..., Any], tuple[T | None, ...], T | None]] = {
    "string cleaning": (clean, (S,), S),
    "counting into a dict": (count_words, (S,), T(dict, (S, INT))),
    "regex": (find_years, (S,), WORDS),
    "substitution": (mask, (S,), S),
    "json or nothing": (parse, (S,), None),
    "json inside": (field, (S,), T(Json)),
    "sorting": (longest, (WORDS,), WORDS),
    "numeric loop": (total, (T(list, (INT,)),), INT),
    "while": (root, (F,), F),
    "nested helpers": (nested, (S,), INT),
    "early returns": (early, (S,), INT),
    "raising": (checked, (INT,), INT),
    "list of tuples": (pairs, (WORDS,), T(list, (T(tuple, (INT, S)),))),
    "set": (firsts, (WORDS,), T(set, (S,))),
    "default": (number_of, (S,), INT),
    "global constant": (limited, (S,), S),
    "raise from": (reraised, (S,), INT),
    "break and else": (until, (WORDS, S), WORDS),
    "lambda": (halved, (INT,), INT),
}


@pytest.mark.parametrize("name", PURE)
def test_pure(name: str) -> None:
    fn, kinds, result = PURE[name]
    found = judged(fn, *kinds)
    assert found.pure
    assert found.type == result


@pytest.mark.parametrize("name", PURE)
def test_nothing_is_claimed_of_unknown_arguments(name: str) -> None:
    fn, kinds, _ = PURE[name]
    assert not judged(fn, *(None for _ in kinds)).pure


def values_of(kind: T | None) -> st.SearchStrategy[Any]:
    assert kind is not None
    if kind == WORDS:
        return st.lists(st.text(max_size=5), max_size=5)
    if kind == T(list, (INT,)):
        return st.lists(st.integers(-5, 50), max_size=5)
    numbers = st.floats(-1e6, 1e6) if kind == F else st.integers(-50, 50)
    texts = st.one_of(st.text(max_size=12), st.sampled_from(["12", "a b a", '{"a": [1, "x"]}', "[1]"]))
    return texts if kind == S else numbers


@given(data=st.data())
@pytest.mark.parametrize("name", PURE)
def test_the_type_is_the_one_that_comes(name: str, data: st.DataObject) -> None:
    fn, kinds, _ = PURE[name]
    args = [data.draw(values_of(kind)) for kind in kinds]
    try:
        value = fn(*args)
    except Exception:
        return
    assert is_of(value, judged(fn, *kinds).type)


def test_the_type_of_a_default_is_that_of_this_function() -> None:
    def make(start: Any) -> Callable[..., Any]:
        def add(number, start=start):
            return start + number

        return add

    assert judged(make(1), INT).type == INT
    assert judged(make(1.5), INT).type == F
    assert not judged(make(Loud()), INT).pure


def test_what_looks_at_what_others_change_says_so() -> None:
    assert not judged(early, S).heap
    for fn, kind in ((seen_already, S), (limited, S), (first_two, WORDS), (longest, WORDS), (boxed, INT)):
        found = judged(fn, kind)
        assert found.pure and found.heap


def seen_already(text):
    return text in SEEN


def first_two(words):
    first, second = words
    return first


def boxed(number):
    return number if BOX is None else -number


# -- not pure -----------------------------------------------------------------------------------------------


def fills(words):
    words.append("x")
    return words


def grows(words):
    words += ["x"]
    return words


def grows_json(data):
    data += data
    return 1


def sets_item(words):
    words[0] = "x"


def shows(text):
    print(text)
    return text


def remembers(text):
    SEEN.append(text)
    return text


def rebinds(text):
    global TOLD
    TOLD = len(text)
    return text


def stores(text):
    BOX.value = text
    return text


def unknown(text):
    return SimpleNamespace.mystery(text)  # type: ignore[attr-defined]


def undefined(text):
    return nowhere(text)  # type: ignore[name-defined] # noqa: F821


def other_name(text):
    found = []
    alias = found
    alias.append(text)
    return found


def inside(text, words):
    box = [words]
    box[0].append(text)
    return box


def chosen(words):
    mine = []
    other = mine or words
    other.append("x")
    return mine


def kept_longest(words):
    mine = []
    best = max(mine, words)
    mine.append("x")
    return best


def generates(text):
    yield text


async def awaited(text):
    return text


def recursive(number):
    return 1 if number < 1 else number * recursive(number - 1)


def managed(text):
    with BOX:  # type: ignore[attr-defined]
        return text


def imports(text):
    import this  # noqa: F401

    return text


def nested_function(text):
    def inner() -> Any:
        return text

    return inner()


def calls_argument(text, fn=print):
    return fn(text)


def variadic(*texts):
    return texts


def raises_told(text):
    raise Told


def raises_told_with(text):
    raise Told(text)


def raises_argument(text, error=None):
    raise error


def iterates_argument(things):
    return [x for x in things]


def nested_impure(text):
    return shows(text).upper()


def consumes(text):
    chars = iter(text)
    return next(chars)


def clock(text):
    import_time = __import__("time")
    return import_time.time()


def deletes(words):
    del words[0]
    return 1


def walks_away(words, loud=None):
    value = loud
    for word in words:
        if word:
            break
    else:
        value = 1
    return value + 1


def goes_on(words, loud=None):
    value = 1
    found = 1
    for word in words:
        found = value + 1
        value = loud
        if word:
            continue
        value = 1
    return found


def at_last(text, loud=None):
    value = 1
    try:
        int(text)
    except ValueError:
        value = loud
        int(text)
        value = 1
    finally:
        value + 1
    return 1


def after_test(words, loud=None):
    value = 1
    while (value := loud) is not None:
        value = 1
    return value + 1


def in_chain(number, loud=None):
    value = loud
    0 < number < (value := 1)
    return value + 1


IMPURE: dict[Callable[..., Any], tuple[T | None, ...]] = {
    fills: (WORDS,), grows: (WORDS,), grows_json: (T(Json),), sets_item: (WORDS,), shows: (S,),
    remembers: (S,), rebinds: (S,), stores: (S,), unknown: (S,), undefined: (S,), other_name: (S,),
    inside: (S, WORDS), chosen: (WORDS,), kept_longest: (WORDS,), generates: (S,), awaited: (S,),
    recursive: (INT,), managed: (S,), imports: (S,), nested_function: (S,), calls_argument: (S,),
    variadic: (S,), raises_told: (S,), raises_told_with: (S,), raises_argument: (S,),
    iterates_argument: (None,), nested_impure: (S,), consumes: (S,), clock: (S,), deletes: (WORDS,),
    walks_away: (WORDS, None), goes_on: (WORDS, None), at_last: (S, None), after_test: (WORDS, None),
    in_chain: (INT, None), clean: (), early: (S, S), collections.namedtuple: (S, S),
}  # fmt: skip


@pytest.mark.parametrize("fn", IMPURE, ids=lambda fn: fn.__name__)
def test_impure(fn: Callable[..., Any]) -> None:
    assert not judged(fn, *IMPURE[fn]).pure


def test_a_closure_over_data_claims_no_type() -> None:
    def closing(thing: Any) -> Callable[..., Any]:
        def joined(number):
            return thing + number

        def held(number):
            return thing

        return joined if thing == 1 else held

    assert not judged(closing(1), INT).pure
    found = judged(closing(2), INT)
    assert found.pure and found.heap and found.type is None


@given(st.one_of(st.text(max_size=3), st.integers(), st.floats(allow_nan=False), st.lists(st.integers())))
def test_what_is_known_of_a_value_is_its_type(value: Any) -> None:
    assert is_of(value, of_value(value))


@call.unordered
async def slow(number: int) -> int:
    await asyncio.sleep(0)
    return number


@flow
def taken_apart(numbers: list[int]) -> tuple[Any, ...]:
    numbers[0] = slow(7)
    first, second = numbers
    return first, second, head(numbers)


def head(numbers):
    first, _ = numbers
    return first


def test_what_is_taken_apart_was_changed_before() -> None:
    assert taken_apart([1, 2]) == taken_apart.sequential([1, 2]) == (7, 2, 7)
