"""What a program reads of clocks, of the environment and of random generators: what is recorded of it, and
how a run that is taken up is given the same.

Mostly that is the answer. A random number changes its generator, too, so it is drawn again before what is
recorded is given: what the program has seeded goes on as it did. Where an answer would not do, something else
is recorded:

- which elements were picked of a sequence, and in which order one was shuffled: they are the program's own
  objects, and must be the same ones again;
- a seed for a generator that is given none, in place of one from the operating system: what is drawn of it
  comes out the same, also by code that nobody records;
- of NumPy's generators the state before a draw, which takes less room than what is drawn;
- of environment variables with the name of a secret nothing: they are read again.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, ItemsView, KeysView, Mapping, Sequence, ValuesView
from typing import Any, Protocol, cast

from ..compiler.known import recorded_resource

__all__ = ["Reading", "reading_of"]

#: What picks elements of a sequence -> the parameter that this is.
_PICKS = {"choice": "seq", "sample": "population", "choices": "population"}
_SEED_BITS = 256
_WHOLE: dict[str, Callable[[Any], Any]] = {
    "keys": KeysView,
    "values": ValuesView,
    "items": ItemsView,
    "copy": dict[Any, Any],
}
#: What the value of an environment variable is not for others to read by.
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL", re.IGNORECASE)


class Reading(Protocol):
    """One thing that is read."""

    def first(self) -> tuple[Any, Any]:
        """Read it: what the program is given, and what is to be recorded."""
        ...

    def again(self, record: Any) -> Any:
        """What the program was given, of what was recorded."""
        ...


def reading_of(fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Reading | None:
    """How a call of one of the functions that `recorded_resource` knows is recorded; None if nothing has to
    be: it comes to the same, or is none of a journal's business."""
    name, owner = getattr(fn, "__name__", ""), getattr(fn, "__self__", None)
    if recorded_resource(fn) != "random":
        if owner is os.environ or owner is getattr(os, "environb", None) or name in ("getenv", "getenvb"):
            if owner is not None and name in _WHOLE:
                return _Environment(_WHOLE[name], owner)
            if _is_secret(args[0] if args else kwargs.get("key")):
                return None
        return _Answer(fn, args, kwargs)
    if isinstance(fn, type) or name in ("seed", "default_rng"):
        return _Seed(fn, args, kwargs) if _is_given_no_seed(args, kwargs) else None
    if (type(owner).__module__).partition(".")[0] == "numpy":
        return _State(fn, args, kwargs)
    if name in _PICKS or name == "shuffle":
        given = args[0] if args else kwargs.get(_PICKS.get(name, "x"))
        if not _sized(given, name):
            pass  # it will say so itself
        elif name == "shuffle":
            return _Shuffle(fn, given)
        else:
            return _Pick(fn, args, kwargs, given, name)
    return _Answer(fn, args, kwargs, draws=True)


class _Answer:
    def __init__(
        self, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any], *, draws: bool = False
    ) -> None:
        self.fn, self.args, self.kwargs, self.draws = fn, args, kwargs, draws

    def first(self) -> tuple[Any, Any]:
        found = self.fn(*self.args, **self.kwargs)
        return found, found

    def again(self, record: Any) -> Any:
        if self.draws:
            self.fn(*self.args, **self.kwargs)
        return record


class _Environment:
    """All of the environment."""

    def __init__(self, kind: Callable[[Any], Any], environment: Mapping[Any, Any]) -> None:
        self.kind, self.environment = kind, environment

    def first(self) -> tuple[Any, Any]:
        told = {name: value for name, value in self.environment.items() if not _is_secret(name)}
        return self.kind(self.environment), told

    def again(self, record: Any) -> Any:
        untold = {name: value for name, value in self.environment.items() if _is_secret(name)}
        return self.kind({**record, **untold})


class _Pick:
    """Picks elements of a sequence, by number."""

    def __init__(
        self, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any], given: Any, name: str
    ) -> None:
        self.fn, self.given, self.several = fn, given, name != "choice"
        numbers = range(len(given))
        self.args = (numbers, *args[1:]) if args else ()
        self.kwargs = kwargs if args else {**kwargs, _PICKS[name]: numbers}

    def first(self) -> tuple[Any, Any]:
        picked = self.fn(*self.args, **self.kwargs)
        return self._elements(picked), picked

    def again(self, record: Any) -> Any:
        self.fn(*self.args, **self.kwargs)
        return self._elements(record)

    def _elements(self, picked: Any) -> Any:
        given = self.given
        return [given[number] for number in picked] if self.several else given[picked]


class _Shuffle:
    def __init__(self, fn: Any, given: Any) -> None:
        self.fn, self.given = fn, given

    def first(self) -> tuple[Any, Any]:
        order = list(range(len(self.given)))
        self.fn(order)
        self._put(order)
        return None, order

    def again(self, record: Any) -> Any:
        self.fn(list(range(len(self.given))))
        self._put(record)

    def _put(self, order: list[int]) -> None:
        """Bring the elements into that order, by the same exchanges as the function of the library."""
        given = self.given
        now = list(range(len(order)))
        at = now.copy()
        for i in reversed(range(1, len(order))):
            j, other = at[order[i]], now[i]
            given[i], given[j] = given[j], given[i]
            now[j], at[other] = other, j


class _Seed:
    """Makes a generator, or seeds one, with no seed given."""

    def __init__(self, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.fn = fn
        self.kwargs = {name: value for name, value in kwargs.items() if value is not None}

    def first(self) -> tuple[Any, Any]:
        seed: Any = secrets.randbits(_SEED_BITS)
        if _module(self.fn) != "random":  # the older ones of NumPy's take words
            seed = [seed >> bits & 0xFFFFFFFF for bits in range(0, _SEED_BITS, 32)]
        return self.again(seed), seed

    def again(self, record: Any) -> Any:
        return self.fn(record, **self.kwargs)


class _State:
    """Draws of one of NumPy's generators."""

    def __init__(self, fn: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        self.fn, self.args, self.kwargs = fn, args, kwargs
        self.generator = fn.__self__

    def first(self) -> tuple[Any, Any]:
        generator = self.generator
        old = not hasattr(generator, "bit_generator")  # the older ones keep something beside it
        state = generator.get_state(legacy=False) if old else generator.bit_generator.state
        return self.fn(*self.args, **self.kwargs), state

    def again(self, record: Any) -> Any:
        if hasattr(self.generator, "bit_generator"):
            self.generator.bit_generator.state = record
        else:
            self.generator.set_state(record)
        return self.fn(*self.args, **self.kwargs)


def _is_secret(name: Any) -> bool:
    return _SECRET.search(os.fsdecode(name) if isinstance(name, (str, bytes)) else "") is not None


def _is_given_no_seed(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    named = (kwargs.get(name) for name in ("a", "x", "seed", "entropy"))
    return all(value is None for value in (*args[:1], *named))


def _module(fn: Any) -> str:
    owner = getattr(fn, "__self__", None)
    return str(fn.__module__ if isinstance(fn, type) or owner is None else type(owner).__module__)


def _sized(given: Any, name: str) -> bool:
    """Whether something has elements that can be picked, or put in another order."""
    kind = cast("type[Any]", type(given))
    if name == "shuffle":
        return hasattr(kind, "__setitem__") and hasattr(kind, "__len__")
    if name == "choice":
        return hasattr(kind, "__getitem__") and hasattr(kind, "__len__") and len(given) > 0
    return issubclass(kind, Sequence) and len(given) > 0
