"""Names of the top level: of the module, and of the top level alone."""

from __future__ import annotations

import collections
import dataclasses
import pickle
from typing import NamedTuple, get_type_hints

Pair = collections.namedtuple("Pair", "left right")
Alias = dict[str, int]
limit: int = 3
counter = 0
log = []


@dataclasses.dataclass
class Point:
    x: int
    y: int = limit

    def moved(self, by):
        return Point(self.x + by, self.y + counter)


class Named(NamedTuple):
    n: int


def count():
    global counter
    counter += 1
    log.append(counter)
    return counter


def hinted(a: Alias) -> Point: ...


print(get_type_hints(hinted), __annotations__)
for value in range(limit):
    count()
    total = value + counter
print(counter, total, value, log)
squares = [x * x for x in range(4)]
print(squares, sum(x for x in squares), {k: v for k, v in zip("ab", squares)})
lazy = (x + limit for x in squares)
limit = 10
print(list(lazy))
print(pickle.loads(pickle.dumps([Pair(1, 2), Point(1), Named(3)])))
print(Point(1).moved(2))
key = 2
by = lambda item: item % key
key = 3
print(sorted(range(6), key=by))
first, *rest = squares
(a := 5)
print(first, rest, a)
del a
try:
    print(a)
except NameError as error:
    print(type(error).__name__, error, error.name)
try:
    error
except NameError as again:
    print(again)
for letter in "":
    never = letter
try:
    print(never)
except NameError as missing:
    print(type(missing).__name__, missing)
if len(squares) > 100:
    unset = 1
print("unset" in globals(), "squares" in dir())
