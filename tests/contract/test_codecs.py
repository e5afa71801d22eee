"""Values come back from a journal as they were: types, values, and what is one object in several places."""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
import subprocess
import sys
import zoneinfo
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.errors import NotDecodable, NotRecordable, RecordedError
from stretto.journal.codecs import Unrecorded, decode, encode, join, split
from tests.contract import samples
from tests.contract.samples import Both, Colour, Frozen, Late, Node, Plain, Point, Right, Same, Slotted, same

STORED = Path(__file__).parent / "stored"
EXAMPLES = samples.examples()


def back(value: Any) -> Any:
    return decode(encode(value).data)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_type_comes_back(name: str) -> None:
    value = EXAMPLES[name]
    again = back(value)
    assert same(value, again), again
    assert same([value, value], back([value, value]))
    assert encode(again).data == encode(value).data


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.binary(max_size=100),
    st.text(st.characters(), max_size=80), st.text(st.characters(categories=["Cs", "Lu"]), max_size=4),
    st.dates(), st.times(), st.datetimes(timezones=st.none() | st.just(dt.timezone.utc),
    allow_imaginary=False),
    st.timedeltas(), st.decimals(), st.fractions(), st.uuids(), st.sampled_from([*Colour, *Right, int,
    Plain, ...]),
    st.builds(range, st.integers(), st.integers(), st.integers(1)),
    st.builds(PurePosixPath, st.text(st.characters(blacklist_characters="\0"), max_size=9)),
)  # fmt: skip
HASHABLE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.binary(max_size=3), st.uuids()
    ),
    lambda inner: (
        st.tuples(inner, inner) | st.frozensets(inner, max_size=3) | st.builds(Frozen, st.integers(), inner)
    ),
    max_leaves=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=30,
)
VALUES = st.recursive(
    SCALARS | JSON,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.lists(inner, max_size=3).map(deque),
        st.builds(Point, st.integers(), inner),
        st.builds(Slotted, inner, inner),
        st.builds(Both, inner),
        st.builds(Frozen, st.integers(), inner),
        st.builds(Plain, st.text(max_size=5), st.lists(inner, max_size=2)),
        st.lists(inner, max_size=2).map(lambda args: ValueError(*args)),
        inner.map(lambda thing: [thing, thing, (thing,)]),
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(VALUES)
def test_any_value_comes_back(value: Any) -> None:
    encoded = encode(value)
    assert same(value, decode(encoded.data))
    parts = split(encoded, 20)
    assert join(parts.data, parts.blobs.__getitem__) == encoded.data


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_plain_trees_come_back(value: Any) -> None:
    assert same(value, back(value))
    assert same(Slotted(value, 1), back(Slotted(value, 1)))


DTYPES = [
    "?",
    "i1",
    ">i2",
    "<u4",
    "f2",
    "<f8",
    ">c16",
    "g",
    "S3",
    "<U2",
    "M8[us]",
    "m8[s]",
    "V5",
    "i4,f8",
    "(2,3)f4",
]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(DTYPES), st.lists(st.integers(0, 4), max_size=4), st.randoms(use_true_random=False))
def test_arrays_come_back(dtype: str, shape: list[int], random: Any) -> None:
    base = np.zeros(shape, dtype)
    raw = bytearray(random.getrandbits(8) & 1 for _ in range(base.nbytes))
    if raw and dtype not in ("g", "<U2", "?"):
        base = np.frombuffer(raw, base.dtype).reshape(base.shape)
    for array in (base, base.T, base[..., ::2] if base.ndim else base):
        again = back(array)
        assert same(array, again)
        assert array.size == 0 or same(array.flat[0], back(array.flat[0]))


def test_small_values_are_small() -> None:
    for value, size in [(None, 2), (True, 2), (7, 2), (1000, 5), ("", 2), ("tide", 6), ([], 5), (1.5, 10)]:
        assert len(encode(value)) <= size, value
    assert len(encode([Plain("x")] * 100)) < 350
    assert len(encode([Slotted(n, "x") for n in range(60)])) < 60 * 12


def test_sharing() -> None:
    inner: list[Any] = [1]
    for value in (
        [inner, inner],
        (inner, {"a": inner}),
        {"a": [inner], "b": (inner,)},
        [Plain("a", inner), inner],
    ):
        assert Same().same(value, back(value))
    one, two = back([inner, [1]])
    assert one == two and one is not two
    array = np.zeros(3)
    a, b, c = back([array, array, np.zeros(3)])
    assert a is b and a is not c
    buffer = bytearray(b"x")
    a, b = back([buffer, buffer])
    assert a is b
    error = ValueError(inner)
    a, b = back([error, {"e": error}]), inner
    assert a[0] is a[1]["e"]
    text = "x" * 5000
    assert len(encode((text, (text, {text})))) < 5100


def test_an_alias_into_a_plain_tree_is_kept() -> None:
    tree = {"a": [{"b": [1, 2]}]}
    value = (tree, tree["a"][0], [tree["a"]])
    first, second, third = back(value)
    assert first["a"][0] is second and third[0] is first["a"]


def test_cycles() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert (again := back(loop))[0] is again
    table: dict[str, Any] = {}
    table["self"] = [table]
    assert (again := back(table))["self"][0] is again
    pair: tuple[Any, ...] = ([],)
    pair[0].append(pair)
    assert (again := back(pair))[0][0] is again
    plain = Plain("a")
    plain.parts.append({"up": plain})
    assert (again := back(plain)).parts[0]["up"] is again
    frozen = Frozen(1, [])
    frozen.inner.append(frozen)
    assert (again := back(frozen)).inner[0] is again
    point = Point(1, {})
    point.y["point"] = point
    assert (again := back(point)).y["point"] is again
    slotted = Slotted(None)
    slotted.a = (slotted,)
    assert (again := back(slotted)).a[0] is again
    error = ValueError()
    error.args = ([error],)
    error.__context__ = KeyError(error)
    assert (again := back(error)).args[0][0] is again and again.__context__.args[0] is again
    parent, child = Node("p"), Node("c")
    parent.neighbours.add(child)
    child.neighbours.add(parent)
    child.parent = parent
    again = back(parent)
    (other,) = again.neighbours
    assert other.neighbours == {again} and other.parent is again and again in other.neighbours


def test_a_key_that_leads_back_to_its_dict_is_hashed_when_it_is_whole() -> None:
    table: dict[Any, Any] = {}
    key = Both(1, (3,))
    holder = Frozen(5, table)

    @dataclass(frozen=True)
    class Local: ...

    table[key] = [holder]
    assert hash(key) == hash(list(back(table))[0])
    node = HashedByName("n", {})
    node.links[node] = 1
    again = back(node)
    assert again.links[again] == 1


@dataclass(eq=False)
class HashedByName:
    name: str
    links: dict[Any, Any]

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HashedByName) and self.name == other.name


def test_a_cycle_that_cannot_be_put_together_is_refused() -> None:
    value: Any = deque()
    value.append(value)
    with pytest.raises(NotRecordable, match="deque"):
        encode(value)
    node = HashedByName("n", {})
    node.links["x"] = frozenset((node,))
    with pytest.raises(NotRecordable, match="hashed by value") as caught:
        encode([node])
    assert caught.value.path == "result[0].links['x']"
    free = Node("n")
    free.neighbours = frozenset((free,))  # type: ignore[assignment]
    assert (again := back(free)) in again.neighbours


@pytest.mark.parametrize("depth", [70, 1_500, 20_000])
def test_depth(depth: int) -> None:
    value: Any = "end"
    for n in range(depth):
        value = (
            [{"k": value}, (value,), Slotted(value), [value]][n % 4]
            if depth < 100
            else [(value,), [value]][n % 2]
        )
    again = back(value)
    for _ in range(depth):
        assert type(value) is type(again)
        value, again = next(iter(value), None), next(iter(again), None) if depth > 100 else None
        if depth < 100:
            break
    chain: Any = None
    for n in range(depth):
        chain = Slotted(n, chain)
    again = back(chain)
    for _ in range(depth):
        assert chain.a == again.a
        chain, again = chain.b, again.b


def test_a_key_that_is_too_deep_is_refused_when_it_is_written() -> None:
    key: Any = ()
    for _ in range(1_500):
        key = (key,)
    with pytest.raises(NotRecordable, match="nested deeper"):
        encode({key: 1})


def test_objects_are_made_without_running_their_code() -> None:
    @dataclass
    class Local:
        x: int

    late = Late(2)
    late.worked_out = 99
    assert back(late).worked_out == 99
    assert late.slow == 3 and "slow" not in back(late).__dict__
    with pytest.raises(NotRecordable, match="local to a function"):
        encode(Local(1))


def test_exceptions() -> None:
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise samples.Trouble(code=3) from inner
    except samples.Trouble as caught:
        caught.add_note("seen at noon")
        error = back(caught)
    assert type(error) is samples.Trouble and error.code == 3 and str(error) == "code 3"
    assert error.__notes__ == ["seen at noon"] and error.__traceback__ is None
    assert type(error.__cause__) is KeyError and error.__cause__.args == ("inner",)
    assert error.__context__ is error.__cause__ and error.__suppress_context__
    for builtin in [
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), SystemExit(3), StopIteration(5),
        KeyboardInterrupt(),
        SyntaxError("bad", ("f.py", 1, 2, "x = ", 1, 3)), ImportError("no", name="m", path="p"),
        OSError(5, "io", "a", None, "b"), TimeoutError(), json.JSONDecodeError("bad", "{", 1),
        BaseExceptionGroup("g", [KeyboardInterrupt(), ExceptionGroup("h", [OSError(1, "x")])]),
    ]:  # fmt: skip
        again = back(builtin)
        assert same(builtin, again) and str(again) == str(builtin) and repr(again) == repr(builtin)
    assert back(SystemExit(3)).code == 3 and back(StopIteration(5)).value == 5


def test_what_hangs_on_an_exception_does_not_keep_it_from_being_recorded() -> None:
    error = ValueError("bad", samples.Unknown())
    error.response = open  # type: ignore[attr-defined]
    error.inner = KeyError([samples.Unknown()])  # type: ignore[attr-defined]
    again = back(error)
    assert again.args[0] == "bad" and isinstance(again.args[1], Unrecorded)
    assert again.args[1].kind == "tests.contract.samples.Unknown"
    assert isinstance(again.response, Unrecorded) and isinstance(again.inner.args[0], Unrecorded)


def test_an_exception_of_a_class_that_is_gone() -> None:
    @dataclass
    class Gone(Exception):
        code: int

    again = back(Gone(4))
    assert type(again) is RecordedError and again.qualname.endswith("<locals>.Gone") and again.code == 4  # type: ignore[attr-defined]
    assert "Gone" in str(again)
    twice = back(again)
    assert (type(twice), twice.qualname, twice.args) == (RecordedError, again.qualname, again.args)


@pytest.mark.parametrize(
    "value, path, what",
    [
        (samples.Unknown(), "result", "tests.contract.samples.Unknown"),
        ({"items": [0, {"client": samples.Unknown()}]}, "result['items'][1]['client']", "Unknown"),
        (Plain("a", [0, Slotted(1, samples.Unknown())]), "result.parts[1].b", "Unknown"),
        ([Point(1, (len,))], "result[0].y[0]", "builtin_function_or_method"),
        (samples.User(name="a", client=samples.Unknown()), "result.client", "Unknown"),
        ({"n": np.array([object()], object)}, "result['n']", "holds objects"),
        ([iter([])], "result[0]", "list_iterator"),
        ([type("Nowhere", (str,), {})], "result[0]", f"the class {__name__}.Nowhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_named(value: Any, path: str, what: str) -> None:
    with pytest.raises(NotRecordable) as caught:
        encode(value)
    assert caught.value.path == path
    assert what in str(caught.value)
    for advice in ("plain data", "codec", "pickle=True"):
        assert advice in str(caught.value)


def test_subclasses_of_plain_types_are_not_taken_for_them() -> None:
    class Text(str): ...

    class Number(int): ...

    class Many(list): ...

    for value in (Text("a"), Number(1), Many(), {"a": Text("b")}, {Text("k"): 1}):
        with pytest.raises(NotRecordable):
            encode(value)
    assert type(back([samples.Level.LOW])[0]) is samples.Level
    assert type(back({samples.Mode.FAST: 1}).popitem()[0]) is samples.Mode


def test_a_class_whose_module_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere_for_codecs.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Thing:\n    x: int\n"
        "class Boom(Exception): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import elsewhere_for_codecs as elsewhere  # type: ignore[import-not-found]

    thing, boom = encode(elsewhere.Thing(1)).data, encode(elsewhere.Boom("x")).data
    monkeypatch.delitem(sys.modules, "elsewhere_for_codecs")
    with pytest.raises(NotDecodable, match="import elsewhere_for_codecs first"):
        decode(thing)
    assert type(decode(boom)) is RecordedError
    assert "elsewhere_for_codecs" not in sys.modules
    assert decode(thing, modules=["elsewhere_for_codecs"]).x == 1
    assert type(decode(boom)).__name__ == "Boom"
    monkeypatch.delitem(sys.modules, "elsewhere_for_codecs")


def test_a_class_that_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    data, user, point = (
        encode(value).data for value in (Plain("a", [1]), samples.Shut(value=1), Point(1, 2))
    )

    def become(name: str, cls: type) -> None:
        cls.__module__, cls.__qualname__ = samples.__name__, name
        monkeypatch.setattr(samples, name, cls)

    @dataclass
    class More:
        name: str
        parts: list[Any]
        extra: str = "new"

    become("Plain", More)
    assert decode(data) == More("a", [1], "new")

    @dataclass
    class Fewer:
        name: str

    become("Plain", Fewer)
    with pytest.raises(NotDecodable, match="'parts' is gone"):
        decode(data)

    @dataclass
    class Stricter:
        name: str
        parts: list[Any]
        needed: int

    become("Plain", Stricter)
    with pytest.raises(NotDecodable, match="'needed' is new and has no default"):
        decode(data)
    become("Plain", enum.Enum("Plain", "A"))
    with pytest.raises(NotDecodable, match="another kind"):
        decode(data)
    monkeypatch.delattr(samples, "Shut")
    with pytest.raises(NotDecodable, match="no such class"):
        decode(user)
    colour = encode(Colour.GREEN).data
    become("Colour", enum.Enum("Colour", "RED"))
    with pytest.raises(NotDecodable, match="no such member"):
        decode(colour)
    assert decode(point) == Point(1, 2)


def test_a_script_and_a_module_are_the_same_program(tmp_path: Path) -> None:
    """What a script recorded as `__main__` is found where the script is imported,
    and the other way round."""
    script = tmp_path / "my_flow.py"
    script.write_text(
        "import sys\nfrom dataclasses import dataclass\n"
        "from stretto.journal.codecs import decode, digest, encode\n"
        "@dataclass\nclass Note:\n    x: int\n"
        "if __name__ == '__main__':\n"
        "    print(encode(Note(1)).data.hex(), digest((Note(1),)).value.hex())\n"
        "    if sys.argv[1:]: assert type(decode(bytes.fromhex(sys.argv[1]))) is Note\n"
    )
    told = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.split()
    other = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import my_flow; from my_flow import *\n"
        f"assert type(decode(bytes.fromhex({told[0]!r}))) is Note\n"
        f"print(encode(Note(1)).data.hex(), digest((Note(1),)).value.hex())"
    )
    again = subprocess.run(
        [sys.executable, "-c", other], capture_output=True, text=True, check=True
    ).stdout.split()
    assert again == told
    subprocess.run([sys.executable, script, told[0]], check=True, capture_output=True)


def test_time_zones() -> None:
    zone = zoneinfo.ZoneInfo("UTC")
    moment = dt.datetime(2024, 1, 1, tzinfo=zone)
    assert back(moment).tzinfo is zone
    data = encode(moment).data.replace(b"UTC", b"XXX")
    with pytest.raises(NotDecodable, match="tzdata"):
        decode(data)


def test_special_numbers() -> None:
    nan = back({"x": math.nan})["x"]
    assert nan != nan
    assert back({"x": 10**5000}) == {"x": 10**5000}
    assert back([Decimal("NaN")])[0].is_nan()
    assert back(Fraction(10**100, 3)) == Fraction(10**100, 3)
    assert back(UUID(int=1)) == UUID(int=1)


def test_stored_values_are_read_for_ever() -> None:
    """Written once by version 1 of the format. If this fails, the code is wrong, not the file."""
    stored = json.loads((STORED / "values_v1.json").read_text())
    expected = samples.examples()
    assert stored.keys() <= expected.keys()
    for name, text in stored.items():
        assert same(expected[name], decode(bytes.fromhex(text))), name
