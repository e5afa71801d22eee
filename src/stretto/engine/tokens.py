"""Resources as hidden names: a token stands for "every write to this, up to here, has been made".

A point of issue keeps the tokens of writes that are still to come, by resource path. A read takes the tokens
that concern it as operands. Where a region that may write has been left behind, its token settles when the
region has ended and what it wrote has been written, so no later read can come too early; and reads of
anything else need not wait.
"""

from __future__ import annotations

from typing import Any

from .slots import Waiter

__all__ = [
    "CHANGES",
    "EVERYTHING",
    "HEAP",
    "MAKES_TASKS",
    "NAMES",
    "RUNS_TASKS",
    "Token",
    "Tokens",
    "covers",
    "name_path",
]

#: The path that covers every other.
EVERYTHING = ""
#: The path of the user's mutable objects.
HEAP = "\0heap"
#: Below it, the changes that say themselves what they change (see `memory`).
CHANGES = "\0heap:changes"
#: Below it, too: the names of functions around that a function binds.
NAMES = "\0heap:names"
#: No paths: that a region may make tasks, and that it runs those that were made before it (see `tasks`).
MAKES_TASKS, RUNS_TASKS = "\0makes tasks", "\0runs tasks"
#: So many entries under one root are kept apart when tokens are copied; more are taken together.
_FINE = 32


class Token:
    """Settles when `missing` things have happened."""

    __slots__ = ("missing", "waiters")

    def __init__(self, missing: int = 1) -> None:
        self.missing = missing
        self.waiters: list[Waiter] = []

    @property
    def settled(self) -> bool:
        return self.missing == 0

    def wake(self, engine: Any) -> None:
        """One of the things it waits for has happened."""
        self.missing -= 1
        if self.missing == 0:
            waiters, self.waiters = self.waiters, []
            engine.released(waiters)

    def after(self, other: Token) -> None:
        """Wait for another token as well."""
        if not other.settled:
            self.missing += 1
            other.waiters.append(self)


def name_path(name: str) -> str:
    """The path of the names of functions around that are called so."""
    return f"{NAMES}:{name}"


def covers(a: str, b: str) -> bool:
    """Whether one of two paths covers the other."""
    return not a or not b or a == b or a.startswith(b + ":") or b.startswith(a + ":")


def _prefixes(path: str) -> list[str]:
    """The paths that cover this one, the widest first: of ``a:b`` they are ``""``, ``a`` and ``a:b``."""
    if path == EVERYTHING:
        return [EVERYTHING]
    parts = path.split(":")
    return [EVERYTHING, *(":".join(parts[: i + 1]) for i in range(len(parts)))]


class Tokens:
    """The unsettled tokens that a point of issue has to respect.

    `at[p]` is the last write to exactly p, `under[p]` the last to p or anything below it.
    """

    __slots__ = ("at", "many", "under")

    def __init__(self) -> None:
        self.at: dict[str, Token] = {}
        self.under: dict[str, Token] = {}
        #: With so many entries, what has settled is looked for and forgotten.
        self.many = 64

    def __bool__(self) -> bool:
        return bool(self.under)

    def before_read(self, path: str) -> list[Token]:
        """The tokens that a read of this path waits for."""
        if not self.under:
            return []
        self._sweep()
        found: list[Token] = []
        for prefix in _prefixes(path)[:-1]:
            token = self.at.get(prefix)
            if token is not None and not token.settled:
                found.append(token)
        token = self.under.get(path)
        if token is not None and not token.settled and token not in found:
            found.append(token)
        return found

    def unknown(self) -> list[Token]:
        """The tokens of code that may change any object."""
        found: list[Token] = []
        for path in (EVERYTHING, HEAP):
            token = self.at.get(path)
            if token is not None and token.missing:
                found.append(token)
        return found

    def change(self, token: Token) -> None:
        """Note a change of an object to come, which stands in the memory as well."""
        if CHANGES not in self.at:
            self.write(CHANGES, token, certain=True)
        else:
            under = self.under
            self.at[CHANGES] = under[CHANGES] = under[HEAP] = under[EVERYTHING] = token

    def all_may_change(self) -> bool:
        """Whether there is a write to come that may be one of anything."""
        token = self.at.get(EVERYTHING)
        return token is not None and not token.settled

    def may_change_all(self, path: str) -> bool:
        """Whether there is a write to come of a path as a whole, and not only of something below it."""
        for prefix in _prefixes(path):
            token = self.at.get(prefix)
            if token is not None and not token.settled:
                return True
        return False

    def write(self, path: str, token: Token, *, certain: bool) -> None:
        """Note a write to come. A `certain` write runs as the oldest operation, so that everything before
        it is done once it is; another one (it may turn out not to write) does not imply that."""
        prefixes = _prefixes(path)
        self._put(self.at, path, token, certain)
        for prefix in prefixes:
            self._put(self.under, prefix, token, certain)
        if certain and path == EVERYTHING:
            self.at = {EVERYTHING: token}
            self.under = {EVERYTHING: token}

    @staticmethod
    def _put(where: dict[str, Token], path: str, token: Token, certain: bool) -> None:
        old = where.get(path)
        if certain or old is None or old.settled:
            where[path] = token
            return
        both = Token(0)
        both.after(old)
        both.after(token)
        where[path] = both

    def _sweep(self) -> None:
        """Forget what has settled, now and then, so that nothing grows without end."""
        everything = self.under.get(EVERYTHING)
        if everything is not None and everything.settled:
            # the last write of all is done; with uncertain ones chained in, so is every other
            self.at.clear()
            self.under.clear()
        elif len(self.under) > self.many:
            self.at = {p: t for p, t in self.at.items() if not t.settled}
            self.under = {p: t for p, t in self.under.items() if not t.settled}
            self.many = max(64, 2 * len(self.under))

    def copy(self) -> Tokens:
        """The same tokens for a region that goes its own way."""
        other = Tokens()
        if self.under:
            self._sweep()
            other.at = {p: t for p, t in self.at.items() if not t.settled}
            other.under = {p: t for p, t in self.under.items() if not t.settled}
            if len(other.under) > _FINE:
                everything = other.under[EVERYTHING]
                other.at = {EVERYTHING: everything}
                other.under = {EVERYTHING: everything}
        return other
