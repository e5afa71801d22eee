"""How long runs take on a clock of their own, against the longest chain of calls that need each other."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from stretto import call, flow
from stretto.compiler.types import T, of_value
from stretto.compiler.verdicts import function_verdict
from stretto.testing import VirtualClock

COMMON = {"that", "with"}


@call.unordered
async def chat(prompt: str, words: list[str] | None = None) -> str:
    await asyncio.sleep(1)
    return json.dumps({"terms": words}) if words else f"{prompt.split('.')[0]}."


@call.reads("file:{path}")
def read_text(path: str) -> str:
    if path == "locked":
        raise PermissionError(path)
    return f"{path} has words. More of them."


def words_of(text: str) -> list[str]:
    words = [word.removesuffix("s") for word in re.findall(r"[a-z]{4,}", text.lower())]
    return [word for word in words if word not in COMMON and word + "s" not in COMMON]


def frequent(text: str) -> list[str]:
    return [word for word, _ in Counter(words_of(text)).most_common(2)]


def first_sentence(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return re.split(r"(?<=[.!?])\s", lines[0], maxsplit=1)[0] if lines else ""


def terms_of(text: str) -> list[str]:
    answer = chat(text, frequent(text))
    try:
        return list(json.loads(answer)["terms"])
    except (ValueError, KeyError, TypeError):
        return []


def summary_of(text: str) -> str:
    summary = first_sentence(chat(text))
    if len(words_of(summary)) > 100:
        summary = first_sentence(chat(f"{text} Again."))
    return summary


@flow
def by_file(paths: list[str]) -> tuple[dict[str, str], dict[str, list[str]], list[str]]:
    summaries: dict[str, str] = {}
    terms: dict[str, list[str]] = {}
    skipped: list[str] = []
    for path in paths:
        try:
            text = read_text(path)
        except PermissionError:
            skipped.append(f"- {Path(path).name}: locked")
            continue
        if len(text.split()) < 2:
            skipped.append(f"- {Path(path).name}: short")
            continue
        text = text[:3000]
        summaries[path] = summary_of(text)
        terms[path] = terms_of(text)
    return summaries, terms, skipped


def test_turns_behind_a_try_that_may_continue_overlap() -> None:
    paths = ["alpha", "locked", "beta", "gamma", "delta"]
    with VirtualClock() as clock:
        found = by_file(paths)
        assert clock.now == 1.0
        assert found == by_file.sequential(paths)


def _truth(a: str, b: str) -> list[str]:
    return [x for x in [a, b] if x and not x.isdigit()]


def _either(a: str, b: str) -> str:
    return "yes" if a and b == "x" else "no"


def _split_flags(text: str) -> list[str]:
    return [part.strip() for part in re.findall("(a)(b) # (c)", text, re.VERBOSE)]


def _split_groups(text: str) -> list[str]:
    return [part.strip() for part in re.split("(a)|b", text)]


def _add_in_place(counts: Counter[str], more: Counter[str]) -> Counter[str]:
    counts += more
    return counts


def _adds_to_anothers(text: str) -> int:
    counts = Counter(text)
    return len(_add_in_place(counts, Counter(text)))


class Quiet:
    def __bool__(self) -> bool:
        raise AssertionError("asked")


@pytest.mark.parametrize("helper", [words_of, frequent, first_sentence, _truth, _either])
def test_plain_helpers_that_are_judged_by_types(helper: object) -> None:
    given = (T(str),) * helper.__code__.co_argcount  # type: ignore[attr-defined]
    assert function_verdict(helper, given).pure  # type: ignore[arg-type]


@pytest.mark.parametrize("helper", [_split_flags, _split_groups, _adds_to_anothers])
def test_nothing_is_claimed_that_is_not_certain(helper: object) -> None:
    assert not function_verdict(helper, (T(str),)).pure  # type: ignore[arg-type]


def test_the_truth_of_an_unknown_object_is_not_asked() -> None:
    assert of_value(Quiet()) is None
    assert not function_verdict(_either, (None, T(str))).pure
    assert not function_verdict(_truth, (None, T(str))).pure


def _path(thing: str) -> str:
    return f"{Path(thing).name}"


def test_a_path_asks_what_it_is_made_of() -> None:
    assert function_verdict(_path, (T(str),)).pure
    assert not function_verdict(_path, (None,)).pure


@flow
def routed(texts: list[str]) -> list[str]:
    out = []
    for text in texts:
        match chat(text).removesuffix("."), len(text):
            case "short", _:
                out.append(chat("a"))
            case first, length if length > 4 and chat(first):
                out.append(chat(first))
            case _:
                out.append("none")
    return out


def test_turns_with_a_match_overlap() -> None:
    texts = ["short", "longer", "long", "longest", "short"]
    with VirtualClock() as clock:
        found = routed(texts)
        assert clock.now == 3.0
        assert found == routed.sequential(texts)


total = 0


@flow
def counted(texts: tuple[str, ...]) -> tuple[int, int]:
    global total
    total = words = 0

    def note(text: str) -> None:
        nonlocal words
        words += len(chat(text).split())

    for text in texts:
        total += len(chat(text))
        note(text)
    return total, words


def test_a_name_of_others_is_bound_in_order_and_calls_overlap() -> None:
    texts = ("short", "longer", "long", "longest", "short")
    with VirtualClock() as clock:
        found = counted(texts)
        assert clock.now == 1.0
        assert found == counted.sequential(texts)


client: Callable[..., str] = chat
last = ""


def remembered(text: str) -> str:
    global last
    last = client(text)
    return last


@flow
def wrapped_anew(texts: tuple[str, ...]) -> tuple[list[list[str]], str]:
    global client
    out: list[list[str]] = []
    for text in texts:
        client = partial(chat, words=[text])
        found = [remembered(text), remembered(text + "!")]
        out.append(found)
        found = sorted(found, key=lambda one: (len(found), one))
    client = chat
    return out, last


def test_what_a_global_will_be_bound_to_is_used_at_once() -> None:
    texts = ("short", "longer", "long")
    with VirtualClock() as clock:
        found = wrapped_anew(texts)
        assert clock.now == 1.0
        assert found == wrapped_anew.sequential(texts)


@flow
def graded(texts: tuple[str, ...]) -> list[tuple[int, int, float]]:
    out: list[tuple[int, int, float]] = []
    for text in texts:
        scores: list[int] = []
        for attempt in range(20):
            found = re.search(r"(\w+)", chat(text * attempt), re.IGNORECASE)
            if found:
                scores.append(len(found.group(1)))
        best = max(scores) if scores else 0
        counts = [0] * (best + 1)
        for score in scores:
            counts[score] += 1
        order = sorted(range(len(counts)), key=lambda size: counts[size], reverse=True)
        out.append((best, order[0], sum(scores) / 3))
    return out


def test_what_is_in_lists_of_results_is_known() -> None:
    texts = ("short", "longer", "long")
    with VirtualClock() as clock:
        found = graded(texts)
        assert clock.now == 1.0
        assert found == graded.sequential(texts)


class Writer:
    def __init__(self, name: str) -> None:
        self.name = chat(name)
        self.__suffix = "!"

    def step(self, text: str) -> str:
        return chat(chat(text)) + self.__suffix

    @classmethod
    def of(cls, name: str) -> str:
        return cls(name).name


class Careful(Writer):
    def step(self, text: str) -> str:
        return super().step(text) + chat("checked")

    def __call__(self, text: str) -> str:
        return self.step(text)

    @flow
    def each(self, texts: tuple[str, ...]) -> list[str]:
        return [self.step(text) for text in texts]

    @classmethod
    @flow
    def named(cls, texts: tuple[str, ...]) -> list[str]:
        return [cls.of(text) for text in texts]


def test_calls_in_methods_overlap() -> None:
    texts = ("short", "longer", "long", "longest", "short")
    writer = Careful("me")
    with VirtualClock() as clock:
        found = writer.each(texts)
        assert clock.now == 2.0
        assert found == writer.each.sequential(texts)
        assert Careful.named(texts) == Careful.named.sequential(texts)


@flow
def passed_on(texts: list[str]) -> list[str]:
    found: list[str] = []
    for text in reversed(texts):
        found.append(chat(text))
    more: list[str] = []
    for at, text in enumerate(itertools.islice(itertools.chain(texts, reversed(found)), 15)):
        more.append(chat(f"{at}{text}"))
    return found + more


def test_turns_over_what_only_passes_items_on_overlap() -> None:
    texts = [f"{n}" for n in range(10)]
    with VirtualClock() as clock:
        found = passed_on(texts)
        assert clock.now == 2.0
        assert found == passed_on.sequential(texts)


@flow
def backwards(numbers: list[int]) -> list[str]:
    slow = [chat(f"{n}.") for n in numbers]
    first = chat("once.")
    return [chat(text + first) for text in reversed(slow)] + [
        chat(f"{n}") for n in itertools.islice(numbers, 3)
    ]


def test_results_to_come_are_passed_on_one_by_one() -> None:
    with VirtualClock() as clock:
        found = backwards([1, 2, 3, 4])
        assert clock.now == 2.0
        assert found == backwards.sequential([1, 2, 3, 4])


class Judge:
    def asked(self, n: int) -> str:
        return chat(f"n{n}.")

    def short(self, text: str) -> str:
        return text[:1].upper()


def test_methods_without_calls_are_looked_into() -> None:
    @flow
    def judged(n: int) -> list[str]:
        judge = Judge()
        return [judge.short(judge.asked(i)) for i in range(n)]

    with VirtualClock() as clock:
        assert judged(10) == ["N"] * 10
        assert clock.now == pytest.approx(1)


def test_a_flow_of_a_class_is_bound_like_a_function() -> None:
    assert repr(Careful.named).startswith("<flow Careful.named of")
    with VirtualClock():
        assert Careful.each(Careful("me"), ("a",)) == ["a.!checked."]


class Scores:
    def __init__(self) -> None:
        self.scores = {"N": 1.0}

    def asked(self, n: int) -> str:
        return chat(f"N{n}.")

    def score(self, text: str) -> float:
        return self.scores.get(text[:1], 0.0)


def test_methods_that_look_at_their_object_only() -> None:
    @flow
    def scored(n: int) -> list[float]:
        scores = Scores()
        return [scores.score(scores.asked(i)) for i in range(n)]

    with VirtualClock() as clock:
        assert scored(10) == [1.0] * 10
        assert clock.now == pytest.approx(1)
