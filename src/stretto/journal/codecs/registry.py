"""Codecs of users' own: how a class that Stretto does not know becomes plain data, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ...errors import DeclarationError, NotDecodable

__all__ = ["Codec", "codec", "forget"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Codec:
    """How objects of one class are recorded."""

    cls: type[Any]
    #: What stands in the journal in place of the class: it may move or be renamed, the name stays.
    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    version: int
    #: How states that earlier versions wrote are read.
    older: Mapping[int, Callable[[Any], Any]] = field(default_factory=dict[int, Callable[[Any], Any]])

    def decoder(self, version: int) -> Callable[[Any], Any]:
        """What reads a state of that version.

        Raises:
            NotDecodable: it is none that this codec can read.
        """
        if version == self.version:
            return self.decode
        if version in self.older:
            return self.older[version]
        raise NotDecodable(
            f"a {self.name!r} was recorded by version {version} of its codec, and the one here is version "
            f"{self.version}: give it `older={{{version}: ...}}` to read it"
        )


by_class: dict[type[Any], Codec] = {}
by_name: dict[str, Codec] = {}
#: What `classes` found out about classes; to be found out anew when a class gets a codec or loses it.
shapes: dict[type[Any], Any] = {}


def codec(
    cls: type[T],
    *,
    name: str,
    encode: Callable[[T], Any],
    decode: Callable[[Any], T],
    version: int = 1,
    older: Mapping[int, Callable[[Any], T]] | None = None,
) -> None:
    """Say how objects of `cls` itself (not of its subclasses) are recorded.

    ```python
    codec(Money, name="shop.Money", encode=lambda m: [m.amount, m.currency], decode=lambda s: Money(*s))
    ```

    Args:
        name: what stands in the journal; it must stay the same as long as old journals are to be read.
        encode: gives anything that can itself be recorded; equal objects should give equal states, since
            arguments are matched by them.
        decode: gives the object back.
        version: raise it when the state changes.
        older: what reads the states of earlier versions.

    Raises:
        DeclarationError: the name or the class has a codec already.
    """
    if version < 1:
        raise DeclarationError(f"codec {name!r}: versions count from 1, not {version}")
    if name in by_name:
        raise DeclarationError(f"codec {name!r} is declared twice: for {by_name[name].cls} and for {cls}")
    if cls in by_class:
        raise DeclarationError(f"{cls} has a codec already: {by_class[cls].name!r}")
    shapes.pop(cls, None)
    by_class[cls] = by_name[name] = Codec(cls, name, encode, decode, version, dict(older or {}))


def forget(name: str) -> None:
    """Take a codec back, for tests."""
    cls = by_name.pop(name).cls
    shapes.pop(cls, None)
    del by_class[cls]


def named(name: str) -> Codec:
    """The codec of that name.

    Raises:
        NotDecodable: there is none.
    """
    try:
        return by_name[name]
    except KeyError:
        raise NotDecodable(
            f"a value was recorded by the codec {name!r}, which is not declared here: import the module "
            "that declares it"
        ) from None
