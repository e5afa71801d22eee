"""What has been spent of a budget, and what is reserved.

Two sums are kept. *Committed* is what belongs to the calls that the program has come to: of those that have
ended what they have used, of the others what they have asked for. Whether a call fits is decided by that
alone, when it is the oldest operation, so the decision is that of the program run line by line. *Ahead* is
the same of calls that were started before it was their turn: another one is started ahead only if it fits
even if all of these use what they have asked for. So the budget is exceeded by no more than such calls.

Amounts are whole numbers, money in billionths of a dollar: their sums do not depend on the order.
"""

from __future__ import annotations

import threading
from typing import Final, NamedTuple, SupportsFloat

from ..errors import DeclarationError

__all__ = ["DOLLAR", "LOCK", "MOST", "NOTHING", "Account", "Amount", "Spent", "account_of", "as_usd", "nano"]

#: More than this is no amount of money, of tokens or of seconds.
MOST: Final = 10**12
#: One dollar.
DOLLAR: Final = 10**9
#: Of all accounts: a call asks several at once.
LOCK: Final = threading.Lock()


class Amount(NamedTuple):
    """Money, in billionths of a US dollar, and tokens."""

    usd: int
    tokens: int

    def plus(self, other: Amount) -> Amount:
        return Amount(self.usd + other.usd, self.tokens + other.tokens)

    def minus(self, other: Amount) -> Amount:
        return Amount(self.usd - other.usd, self.tokens - other.tokens)

    def at_most(self, other: Amount) -> Amount:
        return Amount(min(self.usd, other.usd), min(self.tokens, other.tokens))


NOTHING: Final = Amount(0, 0)


class Spent(NamedTuple):
    """What has been spent of a budget.

    Attributes:
        usd: US dollars.
        tokens: tokens of language models.
        calls: how many calls were let start that cost money or tokens.
        wasted: dollars of these for calls that were started ahead, and then turned out not to be wanted.
    """

    usd: float
    tokens: int
    calls: int
    wasted: float


class Account:
    """What there is to spend, and what has been spent of it. Whoever asks holds `LOCK`.

    Attributes:
        usd: billionths of a dollar that may be spent, or None for any number.
        tokens: tokens that may be spent, or None for any number.
        committed, ahead: see above.
        foreseen: as committed, but no call counts with more than it has asked for.
        wasted: of calls that were started ahead, and turned out not to be wanted.
        calls: how many are committed that cost money or tokens.
    """

    def __init__(self, usd: int | None, tokens: int | None) -> None:
        self.usd = usd
        self.tokens = tokens
        self.committed = self.foreseen = self.ahead = self.wasted = NOTHING
        self.calls = 0

    def fits(self, asked: Amount) -> bool:
        """Whether there is room for a call whose turn it is."""
        return self._room(self.committed, asked)

    def foresees(self, asked: Amount) -> bool:
        """Whether there would be room for it if nothing had cost more than it was said to. What was let start
        ahead, it foresees."""
        return self._room(self.foreseen, asked)

    def fits_ahead(self, asked: Amount) -> bool:
        """Whether there is room for a call before it is its turn."""
        return self._room(self.committed.plus(self.ahead).plus(self.wasted), asked)

    def left(self, held: Amount) -> Amount:
        """What is left beside that; of what there is any number of, 0."""
        return Amount(
            0 if self.usd is None else max(self.usd - held.usd, 0),
            0 if self.tokens is None else max(self.tokens - held.tokens, 0),
        )

    def spent(self) -> Spent:
        with LOCK:
            usd, tokens = self.committed.plus(self.wasted)
            return Spent(as_usd(usd), tokens, self.calls, as_usd(self.wasted.usd))

    def _room(self, held: Amount, asked: Amount) -> bool:
        usd = self.usd is None or not asked.usd or held.usd + asked.usd <= self.usd
        return usd and (self.tokens is None or not asked.tokens or held.tokens + asked.tokens <= self.tokens)


def nano(usd: SupportsFloat) -> int:
    """So many dollars as an amount."""
    return round(min(float(usd), MOST) * DOLLAR)  # what is beyond all budgets need not be told apart


def as_usd(amount: int) -> float:
    """An amount in dollars."""
    return amount / DOLLAR


#: The accounts that go by a name. What was spent is not forgotten between two blocks.
_shared: dict[str, Account] = {}


def account_of(key: str | None, usd: int | None, tokens: int | None) -> Account:
    """An account of its own, or the one that all budgets of a name share."""
    if key is None:
        return Account(usd, tokens)
    with LOCK:
        found = _shared.get(key)
        if found is None:
            found = _shared[key] = Account(usd, tokens)
        elif (found.usd, found.tokens) != (usd, tokens):
            raise DeclarationError(
                f"the budget per={key!r} has {_said(usd, tokens)} here and "
                f"{_said(found.usd, found.tokens)} elsewhere. What is counted together has one budget: say "
                "the same, or name another key"
            )
        return found


def _said(usd: int | None, tokens: int | None) -> str:
    parts = [] if usd is None else [f"usd={as_usd(usd):g}"]
    if tokens is not None:
        parts.append(f"tokens={tokens}")
    return ", ".join(parts) or "no limit of money or tokens"
