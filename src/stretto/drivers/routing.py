"""Making a call in one of several ways, and in the next one where that fails (see `stretto.routes`)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..calls import Done
from ..errors import CircuitOpen, DeclarationError, RoutesExhausted
from ..limits.health import Health
from ..limits.limiter import Limiter
from ..limits.rules import buckets_of
from ..routes import Taken
from .ambient import WAY, invoke_on_loop
from .gate import limiter_here
from .retries import asked_for

if TYPE_CHECKING:
    from ..calls import Call
    from ..routes import Route, Way

__all__ = ["taken"]


async def taken(route: Route[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result of the cheapest way that works."""
    limits = limiter_here()
    attempt = _Attempt(route, limits, args, kwargs)
    by: str | None = None
    try:
        value = await attempt.made()
        by = attempt.way
    except Exception as error:
        if attempt.way is not None:
            if attempt.tried:
                told = "; ".join(f"{name}: {why}" for name, why in attempt.tried)
                error.add_note(f"{route.name}: raised by {attempt.way}, after {told}")
            attempt.failed(attempt.way, error)
        raise
    finally:
        route.whole.last = Taken(by, attempt.tried)
    tell = WAY.get()
    if tell is not None:
        tell(by or "")
    return value


class _Attempt:
    """One call of a route.

    Attributes:
        tried: the ways that gave no result, and why.
        way: the one that did, or is being tried; None if none is.
    """

    def __init__(
        self, route: Route[..., Any], limits: Limiter, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self.route = route
        self.limits = limits
        self.args, self.kwargs = args, kwargs
        self.tried: list[tuple[str, str]] = []
        self.way: str | None = None
        self._began = 0.0
        #: Of each way that may be taken and gave no result, the seconds until it may work.
        self._again: list[float] = []

    async def made(self) -> Any:
        left = self._in_order()
        failure: BaseException | None = None
        while left:
            way = left.pop(0)
            health = self._health(way.call)
            why = self._why_not(way, health)
            if why is not None:
                self.tried.append((way.name, why))
                continue
            self.way = way.name
            self._began = self.limits.clock()
            try:
                # its retries do not wait for a server that asks to be left alone while there is another one
                return await self._make(way.call, health, waits=not left)
            except DeclarationError:
                raise
            except self.route.reroute_on as error:
                failure = error
                self.failed(way.name, error)
                if self._why_not(way, health) is None:  # it may be tried again at once
                    self._again.append(asked_for(error))
                answer = await self._was_made(way.call, error)
                if answer is not False:
                    return answer.result if isinstance(answer, Done) else None
        self.way = None
        try:
            raise self._exhausted() from failure
        finally:
            del failure  # its traceback leads back here

    def failed(self, way: str, error: BaseException) -> None:
        """Note how one has failed."""
        self.tried.append((way, self._how(error, self.limits.clock() - self._began)))

    async def _make(self, call: Call[..., Any], health: Health, waits: bool) -> Any:
        health.begins(self)
        try:
            value = await invoke_on_loop(call, self.args, self.kwargs, waits)
        except BaseException as error:
            health.ends(self, call, error, self.limits.clock())
            raise
        health.ends(self, call, None, self.limits.clock())
        return value

    def _in_order(self) -> list[Way[..., Any]]:
        """Those that may be taken: the ones that are well first, the cheapest of these first."""
        route, args, kwargs = self.route, self.args, self.kwargs
        found: list[tuple[bool, float, int, Way[..., Any]]] = []
        for number, way in enumerate(route.ways):
            if way.name in route.left_out:
                self.tried.append((way.name, f"not taken: {route.left_out[way.name]}"))
                continue
            if not route.may_take(way, args, kwargs):
                self.tried.append((way.name, "not taken: its when= says no"))
                continue
            well = self._health(way.call).well(self.limits.clock())
            found.append((not well, route.cost_of(way, args, kwargs), number, way))
        return [way for *_, way in sorted(found, key=lambda one: one[:3])]

    def _health(self, call: Call[..., Any]) -> Health:
        per = call.per
        key = "" if per is None else per.fill(call.resources(self.args, self.kwargs) if per.fields else {})
        return self.limits.health(call, key)

    def _why_not(self, way: Way[..., Any], health: Health) -> str | None:
        """Why a way cannot be taken now."""
        now, rests = self.limits.clock(), health.rests(self.limits.clock())
        for bucket in buckets_of(self.limits, way.call, self.args, self.kwargs):
            shut = None if bucket.breaker is None else bucket.breaker.shut(now)
            if shut is not None:
                self._again.append(shut.retry_after or 0.0)
                return f"not taken: {shut.error(way.call.name)}"
            if bucket.adaptive is not None:
                rests = max(rests, bucket.adaptive.paused - now)
        if rests <= 0:
            return None
        self._again.append(rests)
        return f"not taken: its server asks to be left alone for another {rests:.3g} s"

    def _how(self, error: BaseException, seconds: float) -> str:
        """How a way has failed, for people."""
        if isinstance(error, CircuitOpen):
            return f"not taken: {error}"
        said = "" if self.route.secret is not None else str(error)[:200]
        return f"failed after {seconds:.3g} s with {type(error).__name__}{f': {said}' if said else ''}"

    async def _was_made(self, call: Call[..., Any], error: BaseException) -> Any:
        """Before another way is taken: False if a write that has failed was not made, else what it gave."""
        if call.idempotent or not call.changes or call.check is None or isinstance(error, CircuitOpen):
            return False
        answer = call.check(*self.args, **self.kwargs)
        return await answer if inspect.isawaitable(answer) else answer

    def _exhausted(self) -> RoutesExhausted:
        places = {way.name: str(way) for way in self.route.ways}
        lines = "".join(f"\n  {places[name]}: {why}" for name, why in self.tried)
        return RoutesExhausted(
            f"{self.route.name}: none of its ways has worked:{lines}",
            route=self.route.name, tried=tuple(self.tried), retry_after=min(self._again, default=0.0),
        )  # fmt: skip
