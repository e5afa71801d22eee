"""The names of a module that functions bind again, as attributes of an object.

``global total; total += 1`` is, for all that can be seen, a look at an attribute of the module and the
setting of it. So such names take the way of the user's objects (see `stretto.engine.attributes`): they are
bound in their turn, a younger look is given what they will be bound to, and nothing else has to wait.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Namespace", "is_kept"]


class Namespace:
    """An object whose attributes are the names of a module."""

    __slots__ = ("__dict__",)

    def __init__(self, names: dict[str, Any]) -> None:
        self.__dict__ = names


def is_kept(name: str) -> bool:
    """Whether a name can be looked at as an attribute: the special ones mean something else there."""
    return not (name.startswith("__") and name.endswith("__"))
