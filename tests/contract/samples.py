"""Classes of a program whose values are recorded, and what it means that a value came back as it was."""

from __future__ import annotations

import datetime as dt
import enum
import struct
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, PrivateAttr

from stretto.journal.codecs import Redacted, Sealed, Unrecorded, digest

T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"
    ALSO_RED = 1


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"


class Right(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Bits(enum.IntFlag):
    A = 1
    B = 2


class Point(NamedTuple):
    x: int
    y: Any = None


@dataclass
class Plain:
    name: str
    parts: list[Any] = field(default_factory=list)
    kind: ClassVar[str] = "plain"


@dataclass(frozen=True)
class Frozen:
    number: int
    inner: Any = None


@dataclass(slots=True)
class Slotted:
    a: Any
    b: Any = 7


@dataclass(frozen=True, slots=True)
class Both:
    a: Any
    b: tuple[Any, ...] = ()


@dataclass
class Late:
    given: int
    worked_out: int = field(init=False)
    never_set: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.worked_out = self.given * 2

    @cached_property
    def slow(self) -> int:
        return self.given + 1


@dataclass
class Box(Generic[T]):
    content: T


@dataclass(eq=False)
class Node:
    name: str
    neighbours: set[Node] = field(default_factory=set)
    parent: Node | None = None


class Outer:
    @dataclass
    class Inner:
        x: int


class Address(BaseModel):
    street: str
    number: int = 1


class User(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str
    home: Address | None = None
    tags: set[str] = set()
    _token: str = PrivateAttr(default="t")


class Shut(BaseModel):
    model_config = ConfigDict(frozen=True)
    value: int


class Trouble(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class Refusal(ValueError): ...


class Money:
    """A class that only its own codec can take."""

    def __init__(self, amount: int, currency: str) -> None:
        self.amount, self.currency = amount, currency


class Unknown:
    """A class that nothing knows how to record."""


def examples() -> dict[str, Any]:
    """A value of every type that version 1 records. Stored bytes of them are read for ever."""
    late = Late(4)
    user = User(name="ann", home=Address(street="a"), nick="x")
    user._token = "changed"
    shared = [1]
    error = Trouble(code=7)
    error.add_note("a note")
    error.__cause__ = KeyError("k")
    return {
        "none": None, "true": True, "false": False, "ellipsis": ...,
        "ints": (0, 1, 63, 64, -1, -128, 128, 255, 256, 2**63, -(2**64), 10**50),
        "floats": (0.0, -0.0, 1.5, float("inf"), float("-inf"), float("nan"), 5e-324),
        "complex": complex(-0.0, 2), "str": "", "short": "tide", "long": "å" * 50, "longer": "x" * 2000,
        "surrogates": "\ud800\udc00 \udfff", "bytes": b"\0\xff", "bytearray": bytearray(b"ab"),
        "list": [1, "a", None, [2.5, {"k": True}]], "tuple": (1, (2, [3])), "dict": {"b": 1,
        "a": {"c": []}},
        "odd keys": {1: "a", (1, 2): "b", None: "c", b"k": "d", 1.5: "e", frozenset((1,)): "f"},
        "set": {1, 2, 3}, "frozenset": frozenset(("a",)), "range": range(1, 10, 3), "slice": slice(1,
        None, 2),
        "date": dt.date(2024, 2, 29), "time": dt.time(23, 59, 59, 999_999, dt.timezone.utc, fold=1),
        "datetime": dt.datetime(1, 1, 1), "fold": dt.datetime(2024, 10, 27, 2, 30, fold=1,
        tzinfo=zoneinfo.ZoneInfo("UTC")),
        "offset": dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=30), "odd")),
        "timedelta": dt.timedelta(-1, 5, 7), "decimals": (Decimal("1.10"), Decimal("-0"),
        Decimal("sNaN1"), Decimal("1E+99")),
        "fraction": Fraction(-3, 7), "uuid": UUID(int=5), "paths": (PurePosixPath("/a/b"),
        PureWindowsPath("c:/x")),
        "enums": (Colour.RED, Colour.GREEN, Level.HIGH, Mode.FAST),
        "flags": (Right.READ, Right.READ | Right.RUN, Right(0), Bits.A | Bits.B, Bits(8)),
        "namedtuple": Point(1, [2]), "dataclass": Plain("a", [1]), "frozen": Frozen(1, Frozen(2)),
        "slots": Slotted(1, [2]), "both": Both(1, (2,)), "late": late, "generic": Box([1]),
        "nested class": Outer.Inner(1), "class": Plain, "builtin class": int,
        "pydantic": user, "pydantic frozen": Shut(value=1),
        "pydantic unset": Address.model_construct(street="s"),
        "deque": deque([1, 2], 5), "ordered": OrderedDict(a=1), "counter": Counter("aab"),
        "defaultdict": defaultdict(list, {"a": [1]}), "namespace": SimpleNamespace(a=1, b=[2]),
        "array": np.arange(6, dtype="<i4").reshape(2, 3), "fortran": np.asfortranarray(np.eye(3)[:, :2]),
        "big endian": np.arange(3, dtype=">f8"), "times": np.array(["2024-01-01", "NaT"], "M8[D]"),
        "strings": np.array(["a", "bcd"]), "no rows": np.zeros((0, 3)), "zero d": np.array(1.5),
        "structured": np.array([(1, (2.0, 3.0)), (4, (5.0, 6.0))], np.dtype([("a", "i1"), ("b", "f8",
        (2,))], align=True)),
        "numpy scalars": (np.float32(1.5), np.int8(-1), np.bool_(True), np.datetime64("2024-01-01"),
        np.str_("é")),
        "table": pa.table({"a": [1, None], "b": ["x", "y"]}),
        "batch": pa.record_batch({"a": [[1], []]}),
        "exception": error, "group": ExceptionGroup("g", [ValueError(1), Refusal("no", 2)]),
        "os error": FileNotFoundError(2, "No such file", "a.txt"),
        "shared": [shared, shared, {"again": shared}], "redacted": Redacted(b"m" * 16),
        "sealed": Sealed(b"data", b"key", "ValueError"),
        "unrecorded": Unrecorded("a.B", "<B>"),
    }  # fmt: skip


#: It can be seen whether two of these are one.
_SHARED = (list, dict, set, bytearray, deque, SimpleNamespace, BaseException, BaseModel, np.ndarray)


class Same:
    """Whether two values are of the same types, equal, and shared in the same places."""

    def __init__(self) -> None:
        self.pairs: dict[int, int] = {}
        self.keep: list[Any] = []

    def same(self, a: Any, b: Any) -> bool:
        if type(a) is not type(b):
            return False
        kind = type(a)
        if kind in (type(None), bool, int, str, bytes, type(...), type) or isinstance(a, enum.Enum):
            return a is b if isinstance(a, (enum.Enum, type)) else a == b
        if kind is float:
            return struct.pack("<d", a) == struct.pack("<d", b)
        if id(a) in self.pairs:
            return self.pairs[id(a)] == id(b)
        if isinstance(a, _SHARED) or hasattr(kind, "__dataclass_fields__"):
            self.pairs[id(a)] = id(b)
            self.keep += (a, b)  # no identity may be given twice
        if isinstance(a, dict):
            whole = (
                len(a) == len(b)
                and all(map(self.same, [*a], [*b]))
                and all(map(self.same, a.values(), b.values()))
            )
            return whole and getattr(a, "default_factory", None) is getattr(b, "default_factory", None)
        if isinstance(a, (list, tuple, deque)):
            return (
                len(a) == len(b)
                and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0)
                and all(map(self.same, a, b))
            )
        if isinstance(a, (set, frozenset)):
            return len(a) == len(b) and all(map(self.same, sorted(a, key=_order), sorted(b, key=_order)))
        if isinstance(a, np.ndarray):
            flags = ["writeable"]
            if a.flags.contiguous or a.flags.f_contiguous:  # a view with gaps comes back without
                flags += ["c_contiguous", "f_contiguous"]
            return (
                (a.dtype, a.shape, repr(a)) == (b.dtype, b.shape, repr(b))
                and (a.dtype.names is not None or a.tobytes() == b.tobytes())
                and a.dtype.isalignedstruct == b.dtype.isalignedstruct
                and all(getattr(a.flags, flag) == getattr(b.flags, flag) for flag in flags)
            )
        if isinstance(a, np.generic):
            return a.dtype == b.dtype and repr(a) == repr(b)
        if isinstance(a, (pa.Table, pa.RecordBatch)):
            return a.equals(b, check_metadata=True)
        if isinstance(a, BaseException):
            ends = (
                "args",
                "__dict__",
                "__cause__",
                "__context__",
                "__suppress_context__",
                "errno",
                "filename",
                "exceptions",
            )
            return all(self.same(getattr(a, n, None), getattr(b, n, None)) for n in ends)
        if isinstance(a, dt.datetime | dt.time):
            return a == b and a.fold == b.fold and self.same(a.tzinfo, b.tzinfo) and repr(a) == repr(b)
        if isinstance(a, (complex, Decimal)):
            return repr(a) == repr(b)
        if isinstance(a, BaseModel):
            state, other = a.__getstate__(), b.__getstate__()
            return all(self.same(state[name], other[name]) for name in state)
        if hasattr(a, "__dict__"):
            mine, theirs = dict(a.__dict__), dict(b.__dict__)
            for lazy in [name for name in mine if name not in theirs and hasattr(kind, name)]:
                del mine[lazy]  # a cached property
            return self.same(mine, theirs)
        if hasattr(kind, "__slots__") and hasattr(kind, "__dataclass_fields__"):
            return all(self.same(getattr(a, n, None), getattr(b, n, None)) for n in kind.__dataclass_fields__)
        return bool(a == b) and repr(a) == repr(b)


def _order(thing: Any) -> tuple[str, str]:
    return type(thing).__name__, digest((thing,)).value.hex()


def same(a: Any, b: Any) -> bool:
    """Whether `b` is `a` as it was."""
    return Same().same(a, b)
