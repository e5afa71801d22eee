"""Helpers for streams of text: what they make of a stream is a stream, too.

Each takes any iterable of pieces of text. Given the stream of a call, it gives a stream of the same call: a
loop in a flow goes on with each line as soon as the pieces that it is made of have come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .streams import Stage, Stream, ending, through

__all__ = ["Transform", "splitlines"]


class Transform:
    """A function from a stream of text to a stream of text, free of effects."""

    def __init__(self, name: str, stage: Callable[[], Stage]) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = __name__
        self._stage = stage

    def __repr__(self) -> str:
        return f"<stretto.text.{self.__name__}>"

    def __call__(self, pieces: Iterable[str], /) -> Iterator[str]:
        if isinstance(pieces, Stream):
            return pieces.through(self._stage)
        return self._over(pieces)

    def _over(self, pieces: Iterable[str]) -> Iterator[str]:
        stages = [self._stage()]
        for piece in pieces:
            yield from through(stages, piece)
        yield from ending(stages)


class _Lines:
    """Lines without their ends, of pieces that end anywhere."""

    def __init__(self) -> None:
        #: What has come of a line whose end has not.
        self._begun: list[str] = []

    def item(self, item: str) -> list[str]:
        if not isinstance(item, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"splitlines takes pieces of text; found {type(item).__name__}: {item!r:.80}")
        held = self._begun
        if not item:
            return []
        if held and held[-1].endswith("\r"):
            item = held.pop() + item
        if "\n" not in item and len(item.splitlines()) == 1 and item[-1] not in _ENDS:
            held.append(item)  # the commonest: no end in it
            return []
        lines = "".join([*held, item]).splitlines(keepends=True)
        held.clear()
        # "\r" at the very end may be half of "\r\n"
        if lines[-1][-1] not in _ENDS or lines[-1].endswith("\r"):
            held.append(lines.pop())
        return [line.splitlines()[0] for line in lines]

    def end(self) -> list[str]:
        rest, self._begun = "".join(self._begun), []
        return rest.splitlines()


#: What ends a line for `str.splitlines`.
_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

#: The lines of a stream of text, without their ends, as `str.splitlines` gives those of one text; the last
#: one when the stream has ended, if it has no end of its own.
splitlines = Transform("splitlines", _Lines)
