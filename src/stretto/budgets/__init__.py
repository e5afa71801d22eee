"""Budgets: how much money, how many tokens and how much time the calls in a block may use.

``with budget(usd=0.50):`` bounds what is called in the block. What a call may use at most is reserved before
it starts, and corrected by what it has used (`claims`, `accounts`); a call that no longer fits raises
`BudgetExceeded` at its place in program order, which the engine sees to (`stretto.engine.reservations`).
"""

from __future__ import annotations

from .budget import Budget, budget

__all__ = ["Budget", "budget"]
