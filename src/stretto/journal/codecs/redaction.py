"""What stands in a journal for a secret."""

from __future__ import annotations

__all__ = ["Redacted", "Sealed", "Untold"]


class Untold:
    """What is there, and is not told: for people and in JSON it is its `repr`."""

    __slots__ = ()


class Redacted(Untold):
    """A secret that was left out."""

    __slots__ = ("mark",)

    def __init__(self, mark: bytes = b"") -> None:
        #: A keyed digest of the secret, where one is kept. (A call keeps one of all its arguments instead.)
        self.mark = mark

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redacted) and self.mark == other.mark

    def __hash__(self) -> int:
        return hash(self.mark)


class Sealed(Untold):
    """A secret that was encrypted: an encoded value that only who has the key can read."""

    __slots__ = ("data", "key", "kind")

    def __init__(self, data: bytes, key: bytes, kind: str = "") -> None:
        #: A nonce of 12 bytes and what AES-GCM made of the value, its tag included.
        self.data = data
        #: Which key it takes: a fingerprint.
        self.key = key
        #: The class of an exception, by its qualified name; empty for other values.
        self.kind = kind

    def __repr__(self) -> str:
        return f"{self.kind}: <secret>" if self.kind else "<secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and (self.data, self.key) == (other.data, other.key)

    def __hash__(self) -> int:
        return hash(self.data)
