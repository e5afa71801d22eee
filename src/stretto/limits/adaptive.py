"""How many calls a server can take at once, found by trying, where nobody has said it.

The number doubles with each round of calls while they take no longer than they do at best (slow start:
Jacobson, "Congestion Avoidance and Control", 1988), then grows by one a round; when a call is refused it
is halved, once for all calls that were under way by then (additive increase, multiplicative decrease:
Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989). It
stays where it is while calls take much longer than at best, or fewer run than may.
"""

from __future__ import annotations

from .overload import Refusal

__all__ = ["Adaptive"]

#: So many run at once at first, and at the least.
FIRST, LEAST = 8.0, 1.0
#: So much longer than at best a call may take before it is a sign that too many run.
_SLOW = 2.0
#: The weight of one call in what calls take now, and by how much the best is forgotten with each.
_NEWEST, _FORGETTING = 0.1, 1.001
#: Seconds without a start after a refusal that does not say how long to wait.
_PAUSE = 0.5
#: Seconds for which a number is worth knowing that nobody asks for: a server may have got others to serve.
_OLD = 600.0


class Adaptive:
    """The number of calls that one server can take at once.

    Attributes:
        limit: how many may run at once.
        paused: until when none may start.
    """

    def __init__(self, first: float = FIRST) -> None:
        self.limit = max(first, LEAST)
        self.paused = float("-inf")
        self._starting = True
        self._best = float("inf")
        self._recent = 0.0
        self._cut = float("-inf")
        self._used = float("-inf")

    @property
    def most(self) -> int:
        return int(self.limit)

    def ended(self, began: float, now: float, active: int, well: bool, refused: Refusal | None) -> None:
        """A call has ended: so many ran by then, itself included."""
        self._used = now
        if refused is not None:
            self.pause(now, refused)
            self.refused(began, now, active)
        elif well:
            self.returned(now - began, active)

    def unused(self, now: float) -> bool:
        """Whether what was found is so old that it may be forgotten."""
        return now > max(self.paused, self._used + _OLD)

    def returned(self, seconds: float, active: int) -> None:
        """A call has ended, as it should; so many ran by then."""
        self._best = min(seconds, self._best * _FORGETTING)
        self._recent = seconds if not self._recent else self._recent + _NEWEST * (seconds - self._recent)
        if self._recent > _SLOW * self._best:
            self._starting = False
        elif active >= self.most:
            self.limit += 1.0 if self._starting else 1.0 / self.limit

    def pause(self, now: float, refused: Refusal) -> None:
        """The server asks to be left alone for a while."""
        after = refused.retry_after
        self.paused = max(self.paused, now + (_PAUSE if after is None else after))

    def refused(self, began: float, now: float, active: int) -> None:
        """The server has refused a call that began then."""
        if began <= self._cut:
            return  # it was under way when the number was halved already
        self._cut = now
        self._starting = False
        self.limit = max(min(self.limit, active) / 2, LEAST)
