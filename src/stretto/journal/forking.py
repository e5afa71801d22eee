"""Runs that share their beginning with another one.

A forked run is answered from the run that it was forked from up to one call, the one before which they part.
Which calls come before that one is told by the engine alone, and only when their turn has come: so as long
as the parting has not been met, a call that the other run has made waits until it is the oldest unfinished
operation. It is then answered, which takes no time; and what it was answered with is written to the
forked run's own journal, which from then on does without the other run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ForkMissed
from .history import History, Past

if TYPE_CHECKING:
    from ..engine.nodes import CallNode
    from ..engine.streams import Source

__all__ = ["Ancestor"]


class Ancestor:
    """The run that a forked one shares its beginning with.

    Attributes:
        history: what that run has done, and this one has not met.
        before: the place of the first call that is not shared.
        held: calls that wait for their turn, with their places.
        shared: whether the parting has not been met.
    """

    def __init__(self, history: History, before: str) -> None:
        self.history = history
        self.before = before
        self.held: dict[CallNode | Source, str] = {}
        self.shared = True
        self._placed = False

    def take(self, place: str, call: str, digest: bytes) -> Past | None:
        """What the other run has recorded of a call that is the oldest operation; None after the parting."""
        if self.shared and self._parts(place, call, digest):
            self.shared = False
        return self.history.take(place, call, digest) if self.shared else None

    def foreseen(self, place: str, call: str, digest: bytes) -> Past | None:
        """What `take` will tell of a call whose turn has not come, as far as that is known by now."""
        if not self.shared or self._parts(place, call, digest):
            return None
        return self.history.find(place, call, digest)

    def _parts(self, place: str, call: str, digest: bytes) -> bool:
        """Whether this is the call before which the two part, which an edit may have moved."""
        past = self.history.find(place, call, digest)
        return (place if past is None else past.place) == self.before

    def place_of(self, place: str, call: str, digest: bytes) -> str:
        """The place to record a call at: of that before which the two part, the one that is known."""
        if self._placed or not self._parts(place, call, digest):
            return place
        self._placed = True
        return self.before

    def holds(
        self, own: History | None, node: CallNode | Source, place: str, call: str, digest: bytes
    ) -> bool:
        """Whether a call has to wait until it is certain on which side of the parting it stands."""
        if not self.shared:
            return False
        if not self._parts(place, call, digest):
            if own is not None and own.find(place, call, digest) is not None:
                return False
            if self.history.find(place, call, digest) is None:
                return False
        self.held[node] = place
        return True

    def problem(self, run: str) -> ForkMissed | None:
        """What is wrong with a run that has ended before the two parted."""
        if not self.shared:
            return None
        return ForkMissed(
            f"the run {run} was forked before {self.before}, and has ended without coming to it: the "
            "program, or a value that was set, has led it elsewhere"
        )
