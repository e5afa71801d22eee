"""Arguments and their digests, large values in pieces, and codecs of users' own."""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.errors import CorruptValue, DeclarationError, NotDecodable, NotRecordable
from stretto.journal.codecs import (
    codec,
    decode,
    digest,
    encode,
    encode_call,
    join,
    references,
    split,
)  # fmt: skip
from stretto.journal.codecs.registry import forget
from stretto.journal.codecs.view import view
from tests.contract import samples
from tests.contract.samples import Both, Box, Frozen, Money, Node, Plain, Point, Slotted, same


def of(*args: Any, **kwargs: Any) -> bytes:
    made = digest(args, kwargs)
    assert made.exact, made.opaque
    return made.value


def test_digests_tell_apart_what_a_callee_can_tell_apart() -> None:
    values = [
        1, 1.0, True, "1", b"1", bytearray(b"1"), 0.0, -0.0, 0, False, None, "", [], (), {}, set(),
        frozenset(), [1], (1,), {1},
        [[1]], [1, 1], {"a": 1}, {"a": 1.0}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, Point(1, 2), (1, 2), [1,
        2], "a", ["a"],
        Slotted(1, 2), Box(1), Plain("a"), Frozen(1), Both(1), int, float, samples.Colour.RED,
        samples.Level.LOW,
        np.float32(1), np.float64(1), np.zeros(2), np.zeros((2, 1)), np.zeros((1, 2)), np.zeros(2, "f4"),
        [np.zeros(2)],
        len, sorted, functools.partial(len), functools.partial(len, 1), "x" * 1000, "x" * 1001,
        ["x" * 1000], b"x" * 1000,
        ["ab", "c"], ["a", "bc"], [["a"], "b"], [["a", "b"]], range(3), range(0, 3, 2), KeyError("a"),
        ValueError("a"),
        pa.table({"a": [1]}), pa.table({"b": [1]}), pa.table({"a": [1.0]}),
    ]  # fmt: skip
    digests = [of(value) for value in values]
    assert len(set(digests)) == len(values)
    assert {len(made) for made in digests} == {16}
    assert (
        of(1, 2) != of((1, 2)) != of([1, 2]) and of(a=1) != of(1) and of(a=1) != of(b=1) and of() != of(None)
    )


def test_equal_arguments_have_equal_digests() -> None:
    inner = [1, {"a": (2,)}]
    assert of(inner, inner) == of(inner, [1, {"a": (2,)}]) and of([inner] * 3) == of(
        [[1, {"a": (2,)}] for _ in range(3)]
    )
    plain = [1, {"a": 2}]
    assert of([plain, plain]) == of([plain, [1, {"a": 2}]])
    assert of((plain, plain)) == of((plain, [1, {"a": 2}]))
    assert of(a=1, b=2) == of(b=2, a=1)
    assert of({"x", "y", "z" * 600, 1, (2, 3)}) == of({1, (2, 3), "z" * 600, "y", "x"})
    assert of(Node("a", {Node("b"), Node("c")})) == of(Node("a", {Node("c"), Node("b")}))
    assert of(np.eye(3)) == of(np.asfortranarray(np.eye(3))) == of(np.eye(6)[:3, :3])
    assert of(pa.table({"a": [1, 2]})) == of(pa.table({"a": pa.chunked_array([[1], [2]])}))
    assert of(float("nan")) == of(float("nan")) and of("x" * 10_000) == of("".join(["x"] * 10_000))
    holes = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, two = np.frombuffer(b"\0" * 16, holes), np.frombuffer(b"\0" + b"\7" * 7 + b"\0" * 8, holes)
    assert of(one) == of(two)
    decoded = decode(encode(samples.examples()).data)
    for name, value in samples.examples().items():
        assert digest((value,)) == digest((decoded[name],)), name


def test_digests_of_values_that_hold_themselves() -> None:
    def ring(size: int) -> Node:
        nodes = [Node(str(n)) for n in range(size)]
        for node, following in zip(nodes, nodes[1:] + nodes[:1], strict=True):
            node.parent = following
        return nodes[0]

    assert of(ring(3)) == of(ring(3)) != of(ring(4))
    loop: list[Any] = [1]
    loop.append(loop)
    other: list[Any] = [1]
    other.append(other)
    assert of(loop) == of(other) != of([1, [1]])
    a, b = Node("a"), Node("b")
    a.neighbours.add(b)
    b.neighbours.add(a)
    assert not digest((a,)).exact and digest((a,)) == digest((a,))


def test_much_sharing_takes_no_time() -> None:
    value: Any = (1,)
    plain: Any = [1]
    for _ in range(200):
        value, plain = (value, value), [plain, plain]
    assert of(value) == of(value) and of(plain)
    assert of((value, plain)) == of((value, plain))


def test_a_digest_never_fails() -> None:
    class Nasty:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

        def __repr__(self) -> str:
            raise RuntimeError

        def __hash__(self) -> int:
            raise RuntimeError

    class Service:
        def method(self) -> None: ...

    @dataclass
    class Broken:
        x: int

    broken = Broken(1)
    for thing in (
        Nasty(), Service(), Service().method, lambda: 1, (n for n in ()), object(), sys.stdin, sys,
        broken, Broken, iter([]), [Service()], {"a": (Service(),)}, {Service()},
        functools.partial(lambda: 1, 2),
        np.array([Service()], object), type("Text", (str,), {})("a"), memoryview(b"a"), Both(Service()),
        ValueError(Service()), Money(1, "a"),
    ):  # fmt: skip
        made = digest((thing,), {"a": thing})
        assert not made.exact and len(made.value) == 16 and made.opaque[0]
    assert digest((Service(),)) == digest((Service(),)) != digest((Nasty(),))
    assert digest((Service(), 1)) != digest((Service(), 2))
    assert "Service" in digest((Service().method,)).opaque[0]
    assert digest((of,)).exact and digest((len, os.path.join, Plain)).exact
    deep: Any = None
    for _ in range(5_000):
        deep = [(deep,)]
    assert of(deep) == of(deep)


PROGRAM = """
import sys
from stretto.journal.codecs import digest, encode
from tests.contract.samples import *
import functools
value = [{"a", "b", "c", (1, "d"), None}, frozenset("xyz"), {"k": {"l", "m"}}, examples(), len,
         functools.partial(sorted, key=len), Node("a", {Node("b"), Node("c")}), User(name="x", tags={"s",
         "t"})]
print(digest((value,), {"z": {1, "2"}, "a": 3}).value.hex(), encode(examples()["pydantic"]).data.hex())
"""


def test_digests_do_not_depend_on_the_process() -> None:
    told = set()
    for seed in ("0", "1", "random"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        told.add(run.stdout)
    assert len(told) == 1


ARGUMENT = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=100), st.binary(max_size=10),
    st.recursive(st.text(max_size=4), lambda part: st.lists(part) | st.dictionaries(st.text(), part)),
    st.builds(Slotted, st.integers()), st.lists(st.integers(), max_size=3).map(tuple), st.just("x" * 2000),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(ARGUMENT, max_size=4), st.dictionaries(st.text(max_size=4), ARGUMENT, max_size=4))
def test_a_call_is_its_encoding_and_its_digest(args: list[Any], kwargs: dict[str, Any]) -> None:
    encoded, made = encode_call(tuple(args), kwargs)
    assert made == digest(tuple(args), kwargs)
    assert same((tuple(args), kwargs), decode(encoded.data))


def test_sharing_among_arguments() -> None:
    inner = [1]
    (a, b), kwargs = decode(encode_call((inner, inner), {"c": {"d": inner}})[0].data)
    assert a is b is kwargs["c"]["d"]
    with pytest.raises(NotRecordable) as caught:
        encode_call((1, samples.Unknown()), {})
    assert caught.value.path == "args[1]"
    with pytest.raises(NotRecordable) as caught:
        encode_call((1,), {"client": [samples.Unknown()]})
    assert caught.value.path == "kwargs['client'][0]"


# Large values


def test_large_leaves_are_kept_once() -> None:
    document, image = "å" * 40_000, os.urandom(70_000)
    array = np.arange(20_000.0)
    messages = [{"role": "user", "content": document}, {"role": "user", "content": "short"}]
    first = split(encode({"doc": document, "n": 1, "image": image, "array": array}))
    second = split(encode(Slotted([document], messages)))
    assert len(first.data) < 500 and len(first.blobs) == 3 and set(references(first.data)) == set(first.blobs)
    assert len(second.data) < 700 and second.blobs.keys() <= first.blobs.keys()
    blobs = {**first.blobs, **second.blobs}
    again = decode(join(first.data, blobs.__getitem__))
    assert again["doc"] == document and again["image"] == image and (again["array"] == array).all()
    assert decode(join(second.data, blobs.__getitem__)) == Slotted([document], messages)


def test_many_small_parts_become_a_blob_too() -> None:
    for value in (
        [(n, str(n)) for n in range(20_000)],
        {"a": "x" * 70_000, "b": [(n,) for n in range(50_000)]},
        list(range(50_000)),
    ):
        parts = split(encode(value))
        assert len(parts.data) < 64 * 1024 and parts.blobs
        assert decode(join(parts.data, parts.blobs.__getitem__)) == value
        with pytest.raises(CorruptValue, match="join"):
            decode(parts.data)


def test_small_values_are_not_split() -> None:
    encoded = encode({"a": "x" * 10_000})
    parts = split(encoded)
    assert parts.data is encoded.data and not parts.blobs and references(parts.data) == []
    assert join(parts.data, lambda name: b"") == encoded.data


def test_a_blob_that_is_not_what_it_was() -> None:
    parts = split(encode("x" * 70_000))
    with pytest.raises(CorruptValue, match="damaged"):
        join(parts.data, lambda name: b"y" * 70_000)


# Codecs of users' own


@pytest.fixture
def money() -> Iterator[None]:
    codec(
        Money, name="shop.Money", encode=lambda m: [m.amount, m.currency], decode=lambda state: Money(*state)
    )
    yield
    forget("shop.Money")


def test_a_codec_of_ones_own(money: None) -> None:
    value = Money(5, "eur")
    first, second, other = decode(encode([value, value, Slotted(Money(6, "usd"))]).data)
    assert first is second and (first.amount, first.currency) == (5, "eur") and other.a.amount == 6
    assert of(Money(5, "eur")) == of(value) != of(Money(6, "eur"))
    assert len(encode([Money(n, "eur") for n in range(60)])) < 60 * 16


def test_names_and_classes_have_one_codec(money: None) -> None:
    with pytest.raises(DeclarationError, match="declared twice"):
        codec(Point, name="shop.Money", encode=list, decode=Point._make)
    with pytest.raises(DeclarationError, match="already"):
        codec(Money, name="other", encode=str, decode=lambda state: Money(0, state))


def test_versions_of_a_codec(money: None) -> None:
    old = encode(Money(5, "eur")).data
    forget("shop.Money")
    with pytest.raises(NotDecodable, match=r"'shop\.Money', which is not declared"):
        decode(old)
    codec(Money, name="shop.Money", encode=vars, decode=lambda state: Money(**state), version=2)
    with pytest.raises(NotDecodable, match="version 1 of its codec"):
        decode(old)
    assert decode(encode(Money(7, "eur")).data).amount == 7
    forget("shop.Money")
    codec(
        Money, name="shop.Money", encode=vars, decode=lambda state: Money(**state), version=2,
        older={1: lambda state: Money(*state)},
    )  # fmt: skip
    assert decode(old).currency == "eur"


def test_a_codec_that_fails() -> None:
    codec(Money, name="shop.Money", encode=lambda m: 1 / 0, decode=lambda state: Money(0, ""))
    try:
        with pytest.raises(NotRecordable, match="ZeroDivisionError") as caught:
            encode({"price": Money(1, "eur")})
        assert caught.value.path == "result['price']"
        assert not digest((Money(1, "eur"),)).exact
    finally:
        forget("shop.Money")


def test_pickle_is_by_choice() -> None:
    value = {"m": samples.Unknown(), "n": [1]}
    with pytest.raises(NotRecordable):
        encode(value)
    data = encode(value, pickle=True).data
    with pytest.raises(NotDecodable, match="pickle=True"):
        decode(data)
    again = decode(data, pickle=True)
    assert type(again["m"]) is samples.Unknown and again["n"] == [1]
    shared = samples.Unknown()
    one, two = decode(encode([shared, shared], pickle=True).data, pickle=True)
    assert one is two
    with pytest.raises(NotRecordable, match="cannot be pickled either"):
        encode(lambda: 1, pickle=True)


went_off: list[str] = []


def go_off() -> None:
    went_off.append("bang")


class Bomb:
    """Something that no codec takes, and that tells when it is unpickled."""

    def __init__(self) -> None:
        self.held = object

    def __reduce__(self) -> Any:
        return go_off, ()


def test_to_look_at_what_was_pickled_runs_nothing() -> None:
    value = [Bomb(), Bomb()]
    seen = view(encode(value, pickle=True).data)
    size = len(pickle.dumps(value[0], 5))
    assert repr(seen) == str([f"<pickled {Bomb.__module__}.Bomb, {size} bytes>"] * 2).replace("'", "")
    assert went_off == []
    decode(encode(value, pickle=True).data, pickle=True)
    assert went_off == ["bang", "bang"]


def test_optional_libraries_are_not_imported() -> None:
    program = (
        "import sys; from stretto.journal.codecs import *; import stretto\n"
        "decode(encode([{1}, (2, 'a'), ValueError(), sys.version_info[0]]).data); digest(([1],))\n"
        "assert not {'numpy', 'pyarrow', 'pydantic', 'asyncio'} & set(sys.modules), set(sys.modules)\n"
        "a = decode(bytes.fromhex(sys.argv[1])); assert a.sum() == 3 and 'numpy' in sys.modules\n"
    )
    data = encode(np.arange(3)).data.hex()
    subprocess.run([sys.executable, "-c", program, data], check=True)
    late = "import sys, stretto; sys.exit('stretto.journal.codecs' in sys.modules)"
    subprocess.run([sys.executable, "-c", late], check=True)
    without = (
        "import sys; sys.modules['numpy'] = None\nfrom stretto.journal.codecs import decode\n"
        "from stretto.errors import NotDecodable\n"
        "try: decode(bytes.fromhex(sys.argv[1]))\n"
        "except NotDecodable as error: assert 'not installed' in str(error)\n"
        "else: raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", without, data], check=True)
