"""Containers that are values: each change gives the next version, and every version stays as it was.

The newest version holds the real list, dict or set; an older one holds how to get back to it from the next
newer one (Baker, "Shallow binding makes functional arrays fast", 1991). So working with the newest costs what
a plain container costs, a version that nobody holds costs nothing, and reading an old one copies.

Elements may be slots. A slot whose result has come is replaced by it when it is next looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .slots import PENDING, Slot

__all__ = ["Dict", "List", "Set", "Versioned"]


#: So many elements put into the place of others are kept, to be looked at when somebody asks again.
_ENOUGH = 64


class Versioned:
    """One version. `data` is the real container of the newest version, else None."""

    __slots__ = ("clean", "data", "next", "told", "undo")
    kind: type = object

    def __init__(self, data: Any, clean: int = 0) -> None:
        self.data = data
        #: How many elements from the start are known to be results.
        self.clean = clean
        #: Of how many elements from the start the type is known, where somebody has asked (see
        #: `operands.argument_type`); that type; and what was put into the place of some of them since.
        self.told: tuple[int, Any, list[Any]] | None = None
        self.next: Versioned | None = None
        self.undo: Callable[[Any], None] | None = None

    def __repr__(self) -> str:
        return f"<{self.kind.__name__} version>"

    def root(self) -> Any:
        """The data of this version, made by copying where a newer version took it over."""
        if self.data is None:
            undos: list[Callable[[Any], None]] = []
            version: Versioned = self
            while version.data is None:
                assert version.undo is not None and version.next is not None
                undos.append(version.undo)
                version = version.next
            data = version.data.copy()
            clean = version.clean
            for undo in undos[::-1]:
                undo(data)
            self.data = data
            self.clean = min(clean, 0)
            self.next = self.undo = None
        return self.data

    def _succeed(self, successor: Versioned, undo: Callable[[Any], None]) -> Versioned:
        self.data = None
        self.next = successor
        self.undo = undo
        return successor

    def pending(self) -> list[Slot]:
        """The slots in it whose result has not come; results that came are put in their place."""
        raise NotImplementedError

    def elements(self) -> Iterator[Any]:
        """What iterating it gives, slots included."""
        raise NotImplementedError

    def borrow(self) -> Any:
        """The real container, to be looked at and let go; every element must have come."""
        return self.root()

    def copy(self) -> Any:
        """A container of its own with the same elements, all of which must have come."""
        return self.root().copy()

    def __len__(self) -> int:
        return len(self.root())


# Not functions in functions: these would hold themselves, in machine code, and what they undo for ever.
def _set_back(key: Any, old: Any, newer: Any) -> None:
    newer[key] = old


def _delete(key: Any, newer: Any) -> None:
    del newer[key]


def _cut(length: int, newer: list[Any]) -> None:
    """Take back what was added at the end; given its length, the undoing of it."""
    del newer[length:]


def _put_back(at: int, item: Any, newer: list[Any]) -> None:
    newer.insert(at, item)


class List(Versioned):
    __slots__ = ()
    kind = list

    def append(self, item: Any) -> List:
        data = self.root()
        length = len(data)
        data.append(item)
        clean = self.clean
        if clean == length and not isinstance(item, Slot):
            clean = length + 1
        successor = List(data, clean)
        successor.told = self.told
        self._succeed(successor, partial(_cut, length))
        if length >= 64 and length & (length - 1) == 0:
            successor.pending()  # now and then, let go of slots whose result has come
        return successor

    def extend(self, items: Any) -> List:
        data = self.root()
        length = len(data)
        data.extend(items)
        successor = List(data, self.clean)
        successor.told = self.told
        self._succeed(successor, partial(_cut, length))
        return successor

    def setitem(self, index: Any, item: Any) -> List:
        data = self.root()
        try:
            old = data[index]
        except (IndexError, TypeError):
            old = None  # the next line says what is wrong with it
        data[index] = item
        position = index if index >= 0 else len(data) + index
        successor = List(data, min(self.clean, position) if isinstance(item, Slot) else self.clean)
        told = self.told
        if told is not None:
            successor.told = told if len(told[2]) < _ENOUGH else (0, None, [])
            told[2].append(item)

        self._succeed(successor, partial(_set_back, index, old))
        return successor

    def pop(self, index: int) -> List:
        data = self.root()
        length = len(data)
        item = data.pop(index)
        at = index if index >= 0 else length + index
        successor = List(data, self.clean - 1 if at < self.clean else self.clean)
        self._succeed(successor, partial(_put_back, at, item))
        return successor

    def pending(self) -> list[Slot]:
        data = self.root()
        start = self.clean
        found: list[Slot] = []
        for index in range(start, len(data)):
            item = data[index]
            if isinstance(item, Slot):
                if item.value is PENDING:
                    found.append(item)
                    continue
                data[index] = item.value
            if not found:
                self.clean = index + 1
        return found

    def elements(self) -> Iterator[Any]:
        return iter(self.root()[:])


class Dict(Versioned):
    __slots__ = ()
    kind = dict

    def setitem(self, key: Any, item: Any) -> Dict:
        data = self.root()
        missing = key not in data
        old = None if missing else data[key]
        data[key] = item
        successor = Dict(data, 1 if self.clean and not isinstance(item, Slot) else 0)

        self._succeed(successor, partial(_delete, key) if missing else partial(_set_back, key, old))
        return successor

    def pending(self) -> list[Slot]:
        if self.clean and self.data is not None:
            return []
        data = self.root()
        found: list[Slot] = []
        for key, item in data.items():
            if isinstance(item, Slot):
                if item.value is PENDING:
                    found.append(item)
                else:
                    data[key] = item.value
        self.clean = 0 if found else 1
        return found

    def elements(self) -> Iterator[Any]:
        return iter(list(self.root()))


class Set(Versioned):
    """The data is the list of what was added, so that every copy goes through the same history (and
    iterates in the same order) as the set of the reference run."""

    __slots__ = ("index",)
    kind = set

    def __init__(self, data: Any, clean: int = 0) -> None:
        super().__init__(data, clean)
        self.index: set[Any] | None = None

    def add(self, item: Any) -> Set:
        data = self.root()
        length = len(data)
        index = self.index
        if index is None:
            index = set(data)
        index.add(item)
        data.append(item)
        successor = Set(data)
        successor.index, self.index = index, None

        self._succeed(successor, partial(_cut, length))
        return successor

    def pending(self) -> list[Slot]:
        return []  # an element has to be there to be hashed

    def borrow(self) -> Any:
        if self.index is None:
            self.index = set()
            for item in self.root():
                self.index.add(item)
        return self.index

    def copy(self) -> Any:
        made: set[Any] = set()
        for item in self.root():
            made.add(item)
        return made

    def elements(self) -> Iterator[Any]:
        return iter(list(self.borrow()))

    def __len__(self) -> int:
        return len(self.borrow())
