"""Built-in codecs: for each class of the standard library what it is made of, and how it is made again.

The numbers are part of the format: one is given once and never again. Those of NumPy and Arrow are found when
the first such value is met; `optional` has them.
"""

from __future__ import annotations

import datetime as dt
import struct
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import SimpleNamespace
from typing import Any, NamedTuple, cast
from uuid import UUID

from ...errors import CorruptValue, NotDecodable
from .exceptions import Unrecorded
from .objects import Unfit
from .redaction import Redacted, Sealed

__all__ = ["Extension", "by_number", "extension_of"]


class Extension(NamedTuple):
    """How values of one class are recorded."""

    #: Stands in the journal for the class.
    number: int
    cls: type[Any]
    #: What a value is made of; raises `Unfit` where it has more to it.
    items: Callable[[Any], list[Any]]
    #: The value again. What it raises is taken as a sign of damage.
    build: Callable[..., Any]
    #: Whether it matters that one thing met twice stays one thing.
    shared: bool = False
    #: An empty value that may be referred to before it is filled; `build` then gets it first.
    make: Callable[[], Any] | None = None
    #: What a value is made of for a digest, where that is to depend on less than `items` does.
    canonical: Callable[[Any], list[Any]] | None = None


_DATETIME = struct.Struct("<HBBBBBIB")
_TIME = struct.Struct("<BBBIB")
_COMPLEX = struct.Struct("<dd")
_FACTORIES: dict[Any, str] = {
    kind: kind.__name__
    for kind in (list, dict, set, int, float, str, tuple, bool, bytes, bytearray, frozenset, complex)
}
_FACTORIES_BY_NAME: dict[str, Any] = {name: kind for kind, name in _FACTORIES.items()}
_PATHS: tuple[type[Any], ...] = (PurePosixPath, PureWindowsPath, PosixPath, WindowsPath)


def _parts(*names: str) -> Callable[[Any], list[Any]]:
    """What takes a value apart into these attributes."""

    def items(value: Any) -> list[Any]:
        return [getattr(value, name) for name in names]

    return items


def _made(cls: Any) -> Callable[[], Any]:
    """What makes an empty value. (``Counter[Any]()`` would leave a trace on it.)"""
    return cast("Callable[[], Any]", cls)


def _complex_items(value: complex) -> list[Any]:
    return [_COMPLEX.pack(value.real, value.imag)]


def _complex(raw: bytes) -> complex:
    return complex(*_COMPLEX.unpack(raw))


def _date_items(value: dt.date) -> list[Any]:
    return [value.toordinal()]


def _datetime_items(value: dt.datetime) -> list[Any]:
    v = value
    raw = _DATETIME.pack(v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold)
    return [raw] if v.tzinfo is None else [raw, v.tzinfo]


def _datetime(raw: bytes, zone: dt.tzinfo | None = None) -> dt.datetime:
    year, month, day, hour, minute, second, microsecond, fold = _DATETIME.unpack(raw)
    return dt.datetime(year, month, day, hour, minute, second, microsecond, zone, fold=fold)


def _time_items(value: dt.time) -> list[Any]:
    raw = _TIME.pack(value.hour, value.minute, value.second, value.microsecond, value.fold)
    return [raw] if value.tzinfo is None else [raw, value.tzinfo]


def _time(raw: bytes, zone: dt.tzinfo | None = None) -> dt.time:
    hour, minute, second, microsecond, fold = _TIME.unpack(raw)
    return dt.time(hour, minute, second, microsecond, zone, fold=fold)


def _timezone_items(zone: dt.timezone) -> list[Any]:
    initial = cast(
        "Any", zone
    ).__getinitargs__()  # what pickle asks: the offset, and the name if it was given one
    return [initial[0].days, initial[0].seconds, initial[0].microseconds, *initial[1:]]


def _timezone(days: int, seconds: int, microseconds: int, *name: str) -> dt.timezone:
    return dt.timezone(dt.timedelta(days, seconds, microseconds), *name)


def _zone_items(zone: zoneinfo.ZoneInfo) -> list[Any]:
    if zone.key is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise Unfit("it was read from a file and has no key")
    return [zone.key]


def _zone(key: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(key)
    except (zoneinfo.ZoneInfoNotFoundError, OSError):
        raise NotDecodable(
            f"the time zone {key!r} was recorded, and is not known on this machine: install `tzdata`"
        ) from None


def _decimal_items(value: Decimal) -> list[Any]:
    return [str(value)]


def _uuid(raw: bytes) -> UUID:
    return UUID(bytes=raw)


def _fraction(top: int, bottom: int) -> Fraction:
    if bottom < 1 or type(top) is not int:
        raise CorruptValue("a fraction's denominator is positive")
    made: Any = Fraction(
        0
    )  # `Fraction(top, bottom)` would look for a common divisor, which can take for ever
    made._numerator = top
    made._denominator = bottom
    return cast("Fraction", made)


def _path(number: int, path: str) -> Any:
    try:
        return _PATHS[number](path)
    except NotImplementedError:
        raise NotDecodable(
            f"a path of another system was recorded: {path!r}; record pure paths instead"
        ) from None


def _bare(value: Any) -> None:
    if getattr(value, "__dict__", None):
        raise Unfit("it has attributes of its own")


def _flat(mapping: Any) -> list[Any]:
    _bare(mapping)
    return [thing for pair in mapping.items() for thing in pair]


def _pairs(mapping: Any, *flat: Any) -> Any:
    for at in range(0, len(flat), 2):
        mapping[flat[at]] = flat[at + 1]
    return mapping


def _default_items(value: defaultdict[Any, Any]) -> list[Any]:
    factory = value.default_factory
    if factory is not None and factory not in _FACTORIES:
        raise Unfit(f"its default_factory {factory!r} is none of {', '.join(_FACTORIES_BY_NAME)}")
    return [None if factory is None else _FACTORIES[factory], *_flat(value)]


def _default(made: defaultdict[Any, Any], factory: str | None, *flat: Any) -> defaultdict[Any, Any]:
    made.default_factory = None if factory is None else _FACTORIES_BY_NAME[factory]
    return cast("defaultdict[Any, Any]", _pairs(made, *flat))


def _namespace_items(value: SimpleNamespace) -> list[Any]:
    return _flat(value.__dict__)


def _namespace(made: SimpleNamespace, *flat: Any) -> SimpleNamespace:
    _pairs(made.__dict__, *flat)
    return made


def _deque_items(value: deque[Any]) -> list[Any]:
    _bare(value)
    return [value.maxlen, *value]


def _deque(longest: int | None, *things: Any) -> deque[Any]:
    return deque(things, longest)


def _redacted(mark: bytes) -> Redacted:
    if type(mark) is not bytes:
        raise CorruptValue("the mark of a secret is bytes")
    return Redacted(mark)


def _sealed(data: bytes, key: bytes, kind: str) -> Sealed:
    if type(data) is not bytes or type(key) is not bytes or type(kind) is not str:
        raise CorruptValue("a sealed secret is bytes, the fingerprint of its key, and the name of a class")
    return Sealed(data, key, kind)


def _unrecorded(kind: str, said: str) -> Unrecorded:
    return Unrecorded(str(kind), str(said))


def _path_items(value: Any) -> list[Any]:
    return [_PATHS.index(type(value)), str(value)]


_ALL = [
    Extension(1, complex, _complex_items, _complex),
    Extension(2, range, _parts("start", "stop", "step"), range),
    Extension(3, slice, _parts("start", "stop", "step"), slice),
    Extension(4, dt.date, _date_items, dt.date.fromordinal),
    Extension(5, dt.time, _time_items, _time),
    Extension(6, dt.datetime, _datetime_items, _datetime),
    Extension(7, dt.timedelta, _parts("days", "seconds", "microseconds"), dt.timedelta),
    Extension(8, dt.timezone, _timezone_items, _timezone),
    Extension(9, zoneinfo.ZoneInfo, _zone_items, _zone),
    Extension(10, Decimal, _decimal_items, Decimal),
    Extension(11, Fraction, _parts("numerator", "denominator"), _fraction),
    Extension(12, UUID, _parts("bytes"), _uuid),
    *(Extension(13, kind, _path_items, _path) for kind in _PATHS),
    Extension(14, deque, _deque_items, _deque, shared=True),
    Extension(15, OrderedDict, _flat, _pairs, True, _made(OrderedDict)),
    Extension(16, Counter, _flat, _pairs, True, _made(Counter)),
    Extension(17, defaultdict, _default_items, _default, True, _made(defaultdict)),
    Extension(18, SimpleNamespace, _namespace_items, _namespace, True, _made(SimpleNamespace)),
    Extension(19, Redacted, _parts("mark"), _redacted),
    Extension(20, Unrecorded, _parts("kind", "said"), _unrecorded),
    Extension(21, Sealed, _parts("data", "key", "kind"), _sealed),
]
by_class: dict[type[Any], Extension] = {extension.cls: extension for extension in _ALL}
by_number: dict[int, Extension] = {extension.number: extension for extension in _ALL}


def extension_of(cls: type[Any]) -> Extension | None:
    """The built-in codec for values of a class itself, if there is one."""
    found = by_class.get(cls)
    if found is None:
        module = cls.__module__
        if isinstance(module, str) and module.startswith(("numpy", "pyarrow")):
            from . import optional

            for extension in optional.load(module.partition(".")[0]):
                by_class.setdefault(extension.cls, extension)
            found = by_class.get(cls) or optional.generic(cls)
            if found is not None:
                by_class[cls] = found
    return found


def extension_numbered(number: int) -> Extension:
    """The built-in codec of that number, importing the library that it is for.

    Raises:
        CorruptValue: there is none.
        NotDecodable: the library is not installed.
    """
    found = by_number.get(number)
    if found is None:
        from . import optional

        found = by_number[number] = optional.numbered(number)
    return found
