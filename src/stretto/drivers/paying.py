"""Calls in blocks of budgets that no engine runs: in the reference run, in plain code, in code that runs as a
whole. Each is decided on when it is made; what is under way at the same time counts with what it has asked
for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..budgets.budget import ENTERED, Entered, clock
from ..budgets.claims import Claim

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["paid", "paid_on_loop"]


def paid(
    call: Call[..., Any], args: Any, kwargs: Mapping[str, Any], make: Callable[[Call[..., Any]], Any]
) -> Any:
    """Make a call that the budgets around it have to have room for, which `make` does."""
    with _Paid(call, args, kwargs) as paying:
        value = make(paying.claim.call)
    paying.claim.ended(value, None)
    _in_time(paying.entered)
    return value


async def paid_on_loop(
    call: Call[..., Any],
    args: Any,
    kwargs: Mapping[str, Any],
    make: Callable[[Call[..., Any]], Awaitable[Any]],
) -> Any:
    """As `paid`, from an event loop."""
    import asyncio

    with _Paid(call, args, kwargs) as paying:
        first = _first(paying.entered)
        if first is None:
            value = await make(paying.claim.call)
        else:
            assert first.until is not None
            limit = asyncio.timeout(max(first.until - clock(), 0))
            try:
                async with limit:
                    value = await make(paying.claim.call)
            except TimeoutError:
                if limit.expired():
                    raise first.budget.overdue() from None
                raise
    paying.claim.ended(value, None)
    return value


class _Paid:
    """Around the making of one call: what it raises is what its claim ends with.

    Attributes:
        entered: the budgets around it.
        claim: its part of them.
    """

    def __init__(self, call: Call[..., Any], args: Any, kwargs: Mapping[str, Any]) -> None:
        self.entered = ENTERED.get()
        _in_time(self.entered)
        self.claim = Claim([one.budget for one in self.entered], call, args, kwargs)
        error = self.claim.decided()
        if error is not None:
            raise error

    def __enter__(self) -> _Paid:
        self._token = ENTERED.set(())  # what the call's own code calls is its own affair
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        ENTERED.reset(self._token)
        if error is not None:
            self.claim.ended(None, error)


def _first(entered: tuple[Entered, ...]) -> Entered | None:
    """The one whose seconds are over first."""
    timed = [one for one in entered if one.until is not None]
    return min(timed, key=lambda one: one.until or 0.0) if timed else None


def _in_time(entered: tuple[Entered, ...]) -> None:
    first = _first(entered)
    if first is not None and first.until is not None and clock() >= first.until:
        raise first.budget.overdue()
