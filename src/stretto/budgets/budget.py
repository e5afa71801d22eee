"""``with budget(...)``: bounds what is called in the block."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Self, SupportsFloat

from ..compiler.known import assume_pure
from ..errors import BudgetExceeded, DeclarationError
from ..marks import PURSE_MAKERS, PURSES
from .accounts import DOLLAR, MOST, Account, Spent, account_of, nano

if TYPE_CHECKING:
    from ..calls import Call
    from .claims import Claim

__all__ = ["ENTERED", "Budget", "Entered", "budget", "clock"]


class Entered(NamedTuple):
    """A budget whose block something is in.

    Attributes:
        budget: the budget.
        until: when its seconds are over; None for never.
        over: they are (where an engine sees to it).
    """

    budget: Budget
    until: float | None
    over: bool = False


#: The blocks of budgets that code is in which no engine runs, the innermost last.
ENTERED: ContextVar[tuple[Entered, ...]] = ContextVar("stretto_budgets", default=())


class Budget:
    """What the calls in its blocks may use, all together.

    Blocks may be nested: a call needs to fit in all that it is in. A budget may have several blocks, one
    after the other or at the same time, which share it.

    Args:
        usd: US dollars. What a call costs is known from its option ``usd=``, or for calls with an argument
            `model` from the price list of the package genai-prices; other calls cost nothing.
        tokens: tokens of language models, as ``tokens=`` of calls counts them.
        seconds: how long a block may take. Then its oldest unfinished call fails.
        per: a name. All budgets of that name in this process are one.

    Raises:
        DeclarationError: for amounts that are none.
        BudgetExceeded: in the block, at the place of the first call that does not fit any more.
        UnknownPrice: in the block, at the place of a call of which nobody knows what it costs.
    """

    __slots__ = ("account", "per", "said_by", "seconds")

    def __init__(
        self, *, usd: SupportsFloat | None = None, tokens: int | None = None,
        seconds: float | None = None, per: str | None = None,
    ) -> None:  # fmt: skip
        if usd is None and tokens is None and seconds is None:
            raise DeclarationError("a budget bounds something: budget(usd=0.50, tokens=200_000, seconds=30)")
        _check("usd", usd, SupportsFloat, "US dollars")
        _check("tokens", tokens, int, "a whole number")
        _check("seconds", seconds, (int, float), "seconds")
        if per is not None and not (isinstance(per, str) and per):
            raise DeclarationError(f"budget(per=...) is a name such as 'customer:ann'; found {per!r}")
        self.seconds = seconds
        self.per = per
        #: Of the budget that each run has, who says so.
        self.said_by = ""
        money = None if usd is None else nano(usd)
        self.account: Account = account_of(per, money, tokens)

    def __repr__(self) -> str:
        return f"budget({self}){f' of the run ({self.said_by})' if self.said_by else ''}"

    def __str__(self) -> str:
        said = {"usd": self.account.usd, "tokens": self.account.tokens, "seconds": self.seconds}
        parts = [
            f"{name}={value / DOLLAR if name == 'usd' else value:g}"
            for name, value in said.items()
            if value is not None
        ]
        return ", ".join([*parts, *([f"per={self.per!r}"] if self.per else [])])

    @property
    def spent(self) -> Spent:
        """What has been spent so far, reserved amounts of calls under way included."""
        return self.account.spent()

    def __enter__(self) -> Self:
        # not in a flow, whose blocks the engine knows
        until = None if self.seconds is None else clock() + self.seconds
        ENTERED.set((*ENTERED.get(), Entered(self, until)))
        return self

    def __exit__(self, *exc: object) -> None:
        entered = ENTERED.get()
        for at in reversed(range(len(entered))):
            if entered[at].budget is self:
                ENTERED.set((*entered[:at], *entered[at + 1 :]))
                return

    @staticmethod
    def claim(
        entered: tuple[Entered, ...], call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]
    ) -> Claim:
        """What a call asks for of the budgets whose blocks it is in. Raises `UnknownPrice`."""
        from .claims import Claim  # late: few programs have budgets

        return Claim([one.budget for one in entered], call, args, kwargs)

    def overdue(self) -> BudgetExceeded:
        """What is raised when its seconds are over."""
        return BudgetExceeded(f"the {self.seconds:g} s of {self!r} are over")


PURSES.add(Budget)


def budget(
    *, usd: SupportsFloat | None = None, tokens: int | None = None, seconds: float | None = None,
    per: str | None = None,
) -> Budget:  # fmt: skip
    """What the calls in a block may use: ``with budget(usd=0.50):``. See `Budget`."""
    return Budget(usd=usd, tokens=tokens, seconds=seconds, per=per)


# To make one looks at nothing; to look at one, at what has been spent of it.
assume_pure(budget)
PURSE_MAKERS[budget] = Budget


def clock() -> float:
    """The time, in seconds; the virtual clock's where one is in force."""
    from ..drivers.ambient import CLOCK  # late: that imports this

    there = CLOCK.get()
    return time.monotonic() if there is None else there.micros / 1e6


def _check(name: str, value: Any, kinds: Any, what: str) -> None:
    if value is None:
        return
    number: Any = value
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < number <= MOST:
        raise DeclarationError(f"budget({name}=...) is {what}, more than 0; found {value!r}")
