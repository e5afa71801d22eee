"""Values to look at: what `decode` cannot give for want of a class comes as a stand-in that shows itself.

Whoever looks at a journal has not imported the program that wrote it, and should not have to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import CorruptValue, NotDecodable, RecordedError
from . import wire
from .classes import Shape, shape_for
from .decoder import Decoder
from .frame import Frame
from .objects import MISSING
from .redaction import Sealed, Untold

__all__ = ["Pickled", "StandIn", "kind_and_message", "view"]


class StandIn(dict[str, Any]):
    """An object whose class is not here: its fields, shown as the object would be."""

    def __init__(self, name: str, fields: Iterable[tuple[str, Any]], said: str = "") -> None:
        super().__init__(fields)
        self.name = name
        self.said = said

    def __repr__(self) -> str:
        return self.said or f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.items())})"

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)  # it may have been a key

    def __eq__(self, other: object) -> bool:
        return self is other


class Pickled(Untold):
    """A value that was pickled: to read it runs code, so nobody does who only looks."""

    def __init__(self, kind: str, size: int) -> None:
        self.kind = kind
        self.size = size

    def __repr__(self) -> str:
        return f"<pickled {self.kind}, {self.size:,} bytes>"


def view(data: bytes) -> Any:
    """The value of these bytes, for people to see. Imports nothing and runs no code that they choose.

    Raises:
        CorruptValue: these bytes are no value.
        NotDecodable: the value needs a library that is not here.
    """
    if len(data) < 2 or data[0] != wire.VERSION:
        raise CorruptValue("these bytes are no recorded value, or one of a later version of the format")
    viewer = _Viewer(data, 1, False, ())
    try:
        value = viewer.run()
    except (IndexError, UnicodeDecodeError) as error:
        raise CorruptValue(f"a recorded value is cut off or damaged: {error}") from None
    if viewer.at != len(data):
        raise CorruptValue("a recorded value is followed by something else")
    return value


def kind_and_message(error: BaseException | Sealed) -> tuple[str, str]:
    """The name of the class of a recorded exception, and what it says."""
    if isinstance(error, Sealed):
        return error.kind, ""
    if isinstance(error, RecordedError):  # its class is not here
        return error.qualname, ", ".join(map(str, error.args))
    return type(error).__qualname__, str(error)


class _Viewer(Decoder):
    def define(self, definition: Decoder) -> tuple[Shape, tuple[str, ...]]:
        try:
            return super().define(definition)
        except NotDecodable:
            kind = definition.data[0]
            again = Decoder(definition.data, 1, False, ())
            module, qualname = again.text(), again.text()
            fields = tuple(again.text() for _ in range(again.things()))
            # A kind of which nothing is made before its parts are there, and that is numbered as its own is.
            stand_in = wire.NAMEDTUPLE if kind in wire.SHARED_KINDS else kind
            shape = shape_for(stand_in, module, qualname, fields)
            self.classes.append((shape, fields))
            return shape, fields

    def build(self, frame: Frame) -> Any:
        shape = frame.shape
        if shape is not None and shape.cls is object and shape.kind != wire.REGISTERED:
            return _stand_in(shape, frame)
        try:
            return super().build(frame)
        except NotDecodable:
            if shape is None:
                raise
            return _stand_in(shape, frame)

    def unpickle(self, kind: str, raw: bytes) -> Any:
        return Pickled(kind, len(raw))


def _stand_in(shape: Shape, frame: Frame) -> StandIn:
    name = shape.qualname.rpartition(".")[2]
    parts: list[Any] = frame.parts
    if shape.kind == wire.REGISTERED:  # here the codec's name stands for the module, and its version follows
        return StandIn(shape.module, [("value", part) for part in parts])
    if shape.kind == wire.CLASS:
        return StandIn(name, [], f"<class {shape.module}.{shape.qualname}>")
    if shape.kind in (wire.ENUM, wire.FLAG):
        [part] = parts
        return StandIn(
            name, [("member", part)], f"{name}.{part}" if type(part) is str else f"{name}({part!r})"
        )
    return StandIn(name, [pair for pair in zip(frame.fields, parts, strict=False) if pair[1] is not MISSING])
