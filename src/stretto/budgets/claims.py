"""What one call asks for of budgets, and what it has used."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

from ..errors import BudgetExceeded, DeclarationError, UnknownPrice
from ..limits.rules import tokens_of
from ..limits.tokens import MOST_SAID, part, used
from ..routes import Route
from .accounts import LOCK, NOTHING, Account, Amount, as_usd, nano

if TYPE_CHECKING:
    from ..calls import Call
    from .budget import Budget

__all__ = ["Claim"]


class Claim:
    """One call's part of the budgets whose blocks it is in.

    Attributes:
        call: what is to be called; once that is decided, of a route what has only the ways that fit.
        asked: what it may use at most.
    """

    def __init__(
        self, budgets: Sequence[Budget], call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]
    ) -> None:
        self.budgets = budgets
        self.accounts = list(dict.fromkeys(budget.account for budget in budgets))
        self.call = call
        self._money = any(budget.account.usd is not None for budget in budgets)
        tokens = any(budget.account.tokens is not None for budget in budgets)

        def asked(one: Call[..., Any]) -> Amount:
            return _asked(one, args, kwargs, money=self._money, tokens=tokens)

        #: Of a route, what each of its ways may use: one may fail late, when it has cost something, and then
        #: comes the next.
        self._ways: dict[str, Amount] = {}
        if isinstance(call, Route):
            self._ways = {way.name: asked(way.call) for way in call.may_be_taken(args, kwargs)}
        self.asked = (
            functools.reduce(Amount.plus, self._ways.values(), NOTHING) if self._ways else asked(call)
        )
        #: What it is counted with: what it has asked for, then what it has used; None while it is not.
        self._counted: Amount | None = None
        self._committed = self._ended = False

    def ahead(self) -> bool:
        """Whether it may start before it is its turn."""
        with LOCK:
            if not all(account.fits_ahead(self.asked) for account in self.accounts):
                return False
            for account in self.accounts:
                account.ahead = account.ahead.plus(self.asked)
        self._counted = self.asked
        return True

    def decided(self) -> BudgetExceeded | None:
        """It is its turn: what it fails with, if it does not fit."""
        with LOCK:
            while len(self._ways) > 1 and (short := self._short(Account.foresees)) is not None:
                self._leave_out_the_dearest(short)
            if (short := self._short(Account.fits)) is not None:
                return self._exceeded(short)
            now = self.asked if self._counted is None else self._counted
            for account in self.accounts:
                if self._counted is not None:
                    account.ahead = account.ahead.minus(self._counted)
                account.committed = account.committed.plus(now)
                account.foreseen = account.foreseen.plus(now.at_most(self.asked))
                account.calls += now != NOTHING
        self._counted = now
        self._committed = True
        return None

    def _short(self, fits: Callable[[Account, Amount], bool]) -> Budget | None:
        """The first budget in which it does not fit."""
        return next((budget for budget in self.budgets if not fits(budget.account, self.asked)), None)

    def _leave_out_the_dearest(self, short: Budget) -> None:
        """It fits only in its cheaper ways. (Of one that was started ahead that cannot be.)"""
        account = short.account
        left = account.left(account.foreseen)
        why = f"with it, the call {_needs(account, self.asked, left)} of {short!r}"
        money = account.usd is not None and self.asked.usd > left.usd
        dearest = max(self._ways, key=lambda name: self._ways[name][0 if money else 1])
        self.asked = self.asked.minus(self._ways.pop(dearest))
        route: Any = self.call
        self.call = route.without(dearest, why)

    def ended(self, value: Any, error: BaseException | None) -> None:
        """The call has returned or raised."""
        if self._ended:
            return
        self._ended = True
        before, now = self._counted, self._used(value, error)
        if before is None or before == now:
            return
        with LOCK:
            for account in self.accounts:
                if self._committed:
                    account.committed = account.committed.minus(before).plus(now)
                    most = self.asked
                    account.foreseen = account.foreseen.minus(before.at_most(most)).plus(now.at_most(most))
                else:
                    account.ahead = account.ahead.minus(before).plus(now)
        self._counted = now

    def forgotten(self, *, sent: bool) -> None:
        """The call is not wanted any more; `sent` if it has been started."""
        self._ended = True
        counted, self._counted = self._counted, None
        if counted is None:
            return
        with LOCK:
            for account in self.accounts:
                if self._committed:
                    if not sent:
                        account.committed = account.committed.minus(counted)
                        account.foreseen = account.foreseen.minus(counted.at_most(self.asked))
                    continue
                account.ahead = account.ahead.minus(counted)
                if sent:
                    account.wasted = account.wasted.plus(counted)

    def _used(self, value: Any, error: BaseException | None) -> Amount:
        if error is None and self.call.streams:
            return self.asked  # its items come later
        if error is not None:
            # what has run out of time may well have been done; what was refused was not
            return self.asked if isinstance(error, TimeoutError) else NOTHING
        tokens = used(value)
        money = self._cost(value)
        return Amount(
            self.asked.usd if money is None else money,
            self.asked.tokens if tokens is None else int(tokens),
        )

    def _cost(self, value: Any) -> int | None:
        if not self._money:
            return 0
        told = part(value, "cost")
        dollars = _dollars(told)
        if dollars is not None:
            return nano(dollars)
        if self.call.usd is not None:
            return None
        model = part(value, "model")
        usage = part(value, "usage")
        if isinstance(model, str) and usage is not None:
            from ..llm.prices import cost  # late: with the package genai-prices

            found = cost(model, _Used.read(usage), _provider(self.call))
            return None if found is None else nano(found)
        return None

    def _exceeded(self, budget: Budget) -> BudgetExceeded:
        account = budget.account
        needs = _needs(account, self.asked, account.left(account.committed))
        return BudgetExceeded(
            f"{self.call.name} {needs} of {budget!r}. Raise the budget, or catch this where less will do"
        )


def _needs(account: Account, asked: Amount, left: Amount) -> str:
    needs: list[str] = []
    if account.usd is not None and asked.usd > left.usd:
        needs.append(f"up to ${as_usd(asked.usd):.6g}, and ${as_usd(left.usd):.6g} is left")
    if account.tokens is not None and asked.tokens > left.tokens:
        needs.append(f"up to {asked.tokens} tokens, and {left.tokens} are left")
    return f"needs {'; and '.join(needs)}"


def _dollars(said: object) -> float | None:
    """What somebody says as a number of dollars; None if it is none from 0 on."""
    if isinstance(said, bool) or not isinstance(said, SupportsFloat):
        return None
    try:
        dollars = float(said)
    except OverflowError:  # an integer that no float comes near
        return None
    return dollars if dollars >= 0 else None


def _asked(
    call: Call[..., Any], args: Any, kwargs: Mapping[str, Any], *, money: bool, tokens: bool
) -> Amount:
    if isinstance(call, Route):
        ways = [way.call for way in call.may_be_taken(args, kwargs)]
        asked = [_asked(way, args, kwargs, money=money, tokens=tokens) for way in ways]
        return functools.reduce(Amount.plus, asked, NOTHING)
    model = _model(call, args, kwargs)
    count = 0
    if tokens and (model is not None or call.tokens_of is not None or call.limits.tokens is not None):
        count = round(tokens_of(call, args, kwargs))
    if not money:
        return Amount(0, count)
    if call.usd is not None:
        found: object = call.usd(*args, **kwargs) if callable(call.usd) else call.usd
        dollars = _dollars(found)
        if dollars is None:
            raise DeclarationError(f"{call.name}: usd= gave {found!r}; expected US dollars: 0, or more")
        return Amount(nano(dollars), count)
    if model is None:
        return Amount(0, count)
    return Amount(_priced(call, model, args, kwargs), count)


def _model(call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]) -> str | None:
    """The language model that a call asks, as its arguments tell it."""
    try:
        model = call.resources(tuple(args), kwargs).get("model")
    except (TypeError, ValueError):
        model = kwargs.get("model")
    return model if isinstance(model, str) else None


def _priced(call: Call[..., Any], model: str, args: Any, kwargs: Mapping[str, Any]) -> int:
    """The most that asking a model costs."""
    from ..llm.prices import at_most  # late: with the package genai-prices

    try:
        named: Mapping[str, Any] = call.resources(tuple(args), kwargs)
    except (TypeError, ValueError):
        named = kwargs
    output = next(
        (n for key in MOST_SAID if isinstance(n := named.get(key), int) and n > 0),
        None,
    )  # fmt: skip
    if output is None:
        raise UnknownPrice(
            f"{call.name} asks the model {model!r} without saying max_tokens, so nobody knows what it costs "
            "at most. Say max_tokens, or usd= beside the call: a number, or a function of the same arguments"
        )
    tokens = round(tokens_of(call, args, kwargs))
    found = at_most(model, max(tokens - output, 1), output, _provider(call))
    if found is None:
        raise UnknownPrice(
            f"{call.name} asks the model {model!r}, whose price nobody knows. Say usd= beside the call: a "
            "number, or a function of the same arguments (usd=0 for a model of your own)"
        )
    return nano(found)


class _Used(NamedTuple):
    """Tokens, as the clients of language models tell them."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @classmethod
    def read(cls, usage: Any) -> _Used:
        said: list[int] = []
        for names in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
            numbers = [n for name in names if isinstance(n := part(usage, name), int)]
            said.append(numbers[0] if numbers else 0)
        return cls(*said)


def _provider(call: Call[..., Any]) -> str | None:
    """Who serves the models that a client's own function asks."""
    package = (getattr(call.fn, "__module__", None) or "").partition(".")[0]
    return package if package in ("openai", "anthropic") else None
