"""Calls that are made again after a failure, with pauses that grow.

The pause before attempt n + 1 is drawn from 0 to ``min(30, 0.1 * 2**n)`` seconds: exponential backoff with
full jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). To the engine it is one
call.
"""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from ..calls import Call, Done
from ..errors import CircuitOpen, RoutesExhausted
from ..limits.overload import refusal

if TYPE_CHECKING:
    from ..engine.nodes import CallNode
    from .aio import AsyncioDriver

__all__ = ["Retries", "asked_for", "pause", "rest", "wait_and_ask"]

BASE, LONGEST = 0.1, 30.0
#: After so many attempts the pauses are the longest: floats end where powers of their number do not.
_GROWS = 10

#: Not the random numbers of the program, which may have been seeded to come out as they do.
_draw = random.Random()


def pause(attempt: int, draw: random.Random) -> float:
    """Seconds to wait after that many failed attempts."""
    return draw.uniform(0, min(LONGEST, BASE * 2 ** min(attempt, _GROWS)))


async def rest(attempt: int, least: float = 0.0) -> None:
    """Wait until a call that has failed so often is made again, so many seconds `least`."""
    await asyncio.sleep(max(pause(attempt, _draw), least))


async def wait_and_ask(
    call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], attempt: int, error: BaseException
) -> Done | Literal[False]:
    """Between two attempts of a call that is made outside of the engine: False if it is to be made again,
    else what is known of the attempt before, which has failed with `error`."""
    await rest(attempt, asked_for(error))
    if call.idempotent or not call.changes or call.check is None:
        return False
    answer = call.check(*args, **kwargs)
    if inspect.isawaitable(answer):
        answer = await answer
    if answer is False:
        return False
    return answer if isinstance(answer, Done) else Done()


class Retries:
    """The calls of one run that have failed and are to be made again."""

    def __init__(self, driver: AsyncioDriver) -> None:
        self.driver = driver
        self._attempts: dict[CallNode, int] = {}
        self._waiting: dict[CallNode, asyncio.TimerHandle] = {}

    def began_with(self, node: CallNode, attempt: int) -> None:
        """A run that was resumed goes on counting."""
        if node.call.retries:
            self._attempts[node] = attempt

    def again(self, node: CallNode, error: BaseException) -> bool:
        """Whether a call that has failed is going to be made again."""
        call, attempt = node.call, self._attempts.pop(node, 1)
        if attempt > call.retries or not isinstance(error, call.retry_on):
            return False
        recording = self.driver.recording
        if recording is not None:
            recording.attempted(node, error)
        self._attempts[node] = attempt + 1
        if self.driver.engine.observing:
            self.driver.engine.attempted(node, error)
        delay = max(pause(attempt, _draw), asked_for(error))
        self.driver.gate.gives_way(node)
        self._waiting[node] = self.driver.loop.call_later(delay, self.driver.safely, self._make, node)
        return True

    def stop(self, node: CallNode) -> bool:
        """The engine wants a call cancelled: True if it was between two attempts."""
        waiting = self._waiting.pop(node, None)
        if waiting is None:
            return False
        waiting.cancel()
        self._attempts.pop(node, None)
        self.driver.failed(node, asyncio.CancelledError())
        self.driver.kick()
        return True

    def forget(self, node: CallNode) -> None:
        """A call is not made again."""
        self._attempts.pop(node, None)

    def _make(self, node: CallNode) -> None:
        del self._waiting[node]
        driver, call = self.driver, node.call
        if call.idempotent or not call.changes:
            self._start(node)
            return

        def told(answer: Any, error: BaseException | None) -> None:
            if error is not None:
                self._attempts.pop(node, None)
                if driver.recording is not None:
                    driver.recording.raised(node, error)
                driver.engine.fail(node, error)
            elif answer is False:
                self._start(node)
            else:
                driver.returned(node, answer.result if isinstance(answer, Done) else None)
            driver.kick()

        assert call.check is not None  # its declaration has seen to that
        driver.ask(node, call.check, told)

    def _start(self, node: CallNode) -> None:
        self.driver.gate.admit(node, _begin)
        self.driver.kick()


def _begin(driver: AsyncioDriver, node: CallNode) -> None:
    if driver.recording is not None and node.call.changes:
        driver.recording.intend(driver, node)
    else:
        driver.begin(node)


def asked_for(error: BaseException) -> float:
    """Seconds for which the server that raised this asks to be left alone."""
    if isinstance(error, (CircuitOpen, RoutesExhausted)):
        return error.retry_after
    found = refusal(error)
    return 0.0 if found is None else found.retry_after or 0.0
