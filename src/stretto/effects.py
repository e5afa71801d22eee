"""What a call may touch, and when two of them conflict.

A resource is a path of names joined by ``:``. A path covers itself and everything below it:
``"mail"`` covers ``"mail:ann"``. Two accesses conflict when one path covers the other.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .errors import DeclarationError

__all__ = ["Effects", "Kind", "Resource"]

_FORMATTER = string.Formatter()

#: Types whose text is the same wherever and whenever it is made, so that a name can be built of it.
_NAMEABLE = (str, int, float, bool, bytes, type(None))


class Kind(Enum):
    """How freely a call may move; the order is from the strictest to the freest."""

    PLAIN = "plain"
    WRITES = "writes"
    COMMUTES = "commutes"
    READS = "reads"
    UNORDERED = "unordered"
    PURE = "pure"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource name, perhaps with places to fill from a call's arguments (``"mail:{to}"``)."""

    template: str
    fields: tuple[str, ...]
    #: What of the path is known before the arguments are: ``"mail"`` of ``"mail:{to}"``.
    root: str

    @classmethod
    def parse(cls, template: str) -> Resource:
        """Read a template; `DeclarationError` if it is not one."""
        if not isinstance(template, str) or not template.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeclarationError(
                f"a resource is a non-empty string such as 'mail' or 'mail:{{to}}'; found {template!r}"
            )
        fields: list[str] = []
        try:
            for _, field, _, _ in _FORMATTER.parse(template):
                if field is not None:
                    fields.append(field.split(".")[0].split("[")[0])
        except ValueError as error:
            raise DeclarationError(
                f"the resource {template!r} is not a valid template ({error}); write fields as '{{name}}'"
            ) from None
        if "" in fields:
            raise DeclarationError(
                f"the resource {template!r} has an empty field; name the argument, as in 'mail:{{to}}'"
            )
        known: list[str] = []
        for part in template.split(":"):
            if "{" in part:
                break
            known.append(part)
        return cls(template, tuple(fields), ":".join(known))

    def fill(self, arguments: Mapping[str, Any]) -> str:
        """The path for these arguments."""
        if not self.fields:
            return self.template
        for name in self.fields:
            value = arguments[name]
            if self.template.find("{" + name + "}") >= 0 and not isinstance(value, _NAMEABLE):
                raise DeclarationError(
                    f"the resource {self.template!r} needs {name!r} to be text or a number; "
                    f"found {type(value).__name__}. Name one of its parts, as in '{{{name}.id}}'"
                )
        return self.template.format_map(arguments)


@dataclass(frozen=True, slots=True)
class Effects:
    """The declared effects of a call."""

    kind: Kind
    reads: tuple[Resource, ...] = ()
    writes: tuple[Resource, ...] = ()
    commutes: tuple[Resource, ...] = ()

    @property
    def free(self) -> bool:
        """Whether the call touches nothing that anyone can see."""
        return self.kind is Kind.UNORDERED or self.kind is Kind.PURE

    @property
    def fields(self) -> frozenset[str]:
        """The arguments that the resource names are built of."""
        return frozenset(
            field for group in (self.reads, self.writes, self.commutes) for r in group for field in r.fields
        )

    def __str__(self) -> str:
        if self.kind is Kind.PLAIN:
            return "ordered with every other effect"
        if self.free:
            return str(self.kind.value)
        parts: list[str] = []
        for word, group in (("reads", self.reads), ("commutes", self.commutes), ("writes", self.writes)):
            if group:
                parts.append(f"{word} {', '.join(r.template for r in group)}")
        return "; ".join(parts)
