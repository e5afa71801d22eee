"""Why a call started when it did: what it waited for, what that waited for, and so on from the beginning;
and what would have let it start earlier."""

from __future__ import annotations

from typing import Any

from ..engine.causes import SOFT
from .explained import seconds, told, told_place
from .paths import Model, Step, path_to
from .places import Place, costliest
from .timeline import Call, Timeline

__all__ = ["Why"]

#: So many remedies are told, and so many lines looked at closely: each is the run once more, in the head.
_REMEDIES, _TRIED = 3, 4

#: What starts sooner by less than this is not worth a word, in microseconds.
_SOONER = 1000


class Why:
    """Why one call of a run started when it did. Times are in microseconds.

    Attributes:
        call: the call.
        path: the calls of which each waited for the one before it, the call itself last; it alone where that
            is not recorded.
        remedies: what would have let it start earlier: `saving` says by how much.
        under_way: whether it has not ended.
    """

    def __init__(self, timeline: Timeline, call: Call) -> None:
        self.timeline = timeline
        self.call = call
        self.under_way = call in timeline.running
        if self.under_way:
            timeline.link(call)
        self.recorded = call.site is not None
        caused = self.recorded or (timeline.caused and not self.under_way)
        self.path = path_to(call) if caused and not call.shared else [Step(call, 0)]
        self.remedies: list[Place] = []
        if call.started > _SOONER and any(step.call.kind in SOFT or step.call.unseen for step in self.path):
            self.remedies = self._remedies()

    @property
    def waited(self) -> int:
        """How long it could have run, and waited even so."""
        return self.call.started - self.call.ready

    def _remedies(self) -> list[Place]:
        call = self.call
        model = Model(self.timeline, until=call)

        def would(freed: Any, waits: Any) -> int:
            return model.started(call, freed, waits)

        found = costliest(model, self.path, call.started, _TRIED, would, _TRIED)
        return [place for place in found if place.saving >= _SOONER][:_REMEDIES]

    def as_json(self) -> dict[str, Any]:
        """The same as data that JSON can hold; times in seconds."""
        call = self.call
        return {
            "call": {
                **told(call), "ready": seconds(call.ready), "waited_seconds": seconds(self.waited),
                "effects": call.effects or None, "under_way": self.under_way,
                "taken_over": call.shared, "recorded": self.recorded,
            },
            "needs": [told(need) for need in sorted(call.needs, key=lambda need: -need.ended)],
            "chain": [{**told(step.call), "gap_seconds": seconds(step.gap)} for step in self.path],
            "earlier": [_sooner(place) for place in self.remedies],
        }  # fmt: skip


def _sooner(place: Place) -> dict[str, Any]:
    fields = told_place(place)
    for name in ("on_path", "path_seconds", "would_save_seconds"):
        del fields[name]
    return {**fields, "would_start_earlier_seconds": seconds(place.saving)}
