"""Secrets: what is to be kept out of a journal.

A secret is stored as a `Redacted`: a keyed digest of it and nothing else. With the digest a later run can
tell that it was given the same secret again, so that what was recorded with it can be used. Without the key
the digest tells nothing, not even to one who tries every password of eight letters; hence the key is random,
one per journal, and must not be kept in the same place as what is handed on of the journal."""

from __future__ import annotations

import copy
import secrets as random
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, cast

from ...errors import DeclarationError
from .wire import class_of

__all__ = ["Redacted", "Secrets", "new_key", "redact"]


class Redacted:
    """A secret that is not told."""

    __slots__ = ("mark",)

    def __init__(self, mark: bytes = b"") -> None:
        #: A keyed digest of the secret, 16 bytes. Two secrets of one journal are equal if their marks are.
        self.mark = mark

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redacted) and self.mark == other.mark

    def __hash__(self) -> int:
        return hash(self.mark)


def new_key() -> bytes:
    """A key for a new journal: 32 random bytes."""
    return random.token_bytes(32)


class Secrets:
    """What is secret in a value, and the key under which it is marked."""

    __slots__ = ("key", "paths")

    def __init__(self, paths: Iterable[str], *, key: bytes) -> None:
        """
        Args:
            paths: names of arguments, or ways into them: ``"password"``, ``"config.token"``,
                ``"users.0.pin"``. key: 16 to 64 random bytes (`new_key`).

        Raises:
            DeclarationError: the key is too short or too long.
        """
        if not 16 <= len(key) <= 64:
            raise DeclarationError(
                f"the key for secrets has {len(key)} bytes; it takes 16 to 64 (see `new_key`)"
            )
        if isinstance(paths, str):
            raise DeclarationError(f"the paths of secrets are several: write [{paths!r}]")
        self.paths = tuple(tuple(path.split(".")) for path in paths)
        self.key = key

    def __repr__(self) -> str:
        return f"Secrets({['.'.join(path) for path in self.paths]})"

    def mark(self, secret: object) -> Redacted:
        """What is stored in place of a secret."""
        if isinstance(secret, Redacted):
            return secret
        from .digest import canonical

        return Redacted(blake2b(canonical(secret).value, key=self.key, digest_size=16).digest())


def redact(value: Any, secrets: Secrets) -> Any:
    """`value` with its secrets replaced by `Redacted`. The value itself is not changed; what leads to a
    secret is copied, the rest is shared. A path that leads nowhere is passed over."""
    for path in secrets.paths:
        value = _replace(value, path, secrets)
    return value


def _replace(value: Any, path: tuple[str, ...], secrets: Secrets) -> Any:
    if not path:
        return secrets.mark(value)
    step, *rest = path
    if isinstance(value, Mapping):
        mapping = cast("Mapping[Any, Any]", value)
        if step not in mapping:
            return mapping
        inner = _replace(mapping[step], tuple(rest), secrets)
        return {key: inner if key == step else thing for key, thing in mapping.items()}
    if isinstance(value, (list, tuple)):
        things: list[Any] = list(cast("list[Any]", value))
        kind = class_of(cast("Any", value))
        names = getattr(kind, "_fields", ())
        at = names.index(step) if step in names else int(step) if step.isdecimal() else len(things)
        if at < len(things):
            things[at] = _replace(things[at], tuple(rest), secrets)
        return things if kind is list else cast("Any", tuple).__new__(kind, things)
    if not hasattr(value, step):
        return value
    changed = copy.copy(value)
    object.__setattr__(changed, step, _replace(getattr(value, step), tuple(rest), secrets))
    return changed
