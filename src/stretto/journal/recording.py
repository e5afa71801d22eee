"""Recording a run while it goes on, and answering it from what was recorded before.

It stands between the engine and a driver. A call without effects is started at once, and recorded when it has
come back, some milliseconds later. A call that changes the world is started when its intent is on disk; and
since a journal writes in the order in which it was told, so is everything that it depends on. A call that was
recorded at the same place with the same arguments is not run again: it is answered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ..calls import Call, Done, where
from ..drivers.aio import threads
from ..drivers.ambient import Current
from ..engine.machine import Outcome
from ..engine.places import path
from ..errors import InDoubt, JournalError, NotRecordable, Orphaned
from .codecs import digest, encode, encode_call
from .contract import Journal
from .events import CallFinished, CallIntended, CallSettled, Decision, RunEnded, RunState, now
from .history import History, Past, PastState
from .leases import Lease

if TYPE_CHECKING:
    from ..drivers.aio import AsyncioDriver
    from ..engine.nodes import CallNode

__all__ = ["Recording"]

#: Runs of this process that have ended, and whose leases are being given back.
releasing: dict[str, Future[None]] = {}


class _Begun:
    """A call that is under way."""

    __slots__ = ("arguments", "attempt", "call", "digest", "key", "place", "started")

    def __init__(self, place: str, call: str, digest: bytes, attempt: int, key: str) -> None:
        self.place = place
        self.call = call
        self.digest = digest
        self.attempt = attempt
        self.key = key
        self.started = now()
        self.arguments = b""


class Recording:
    """The journal's side of one run.

    Attributes:
        answered: how many calls were answered from the journal.
    """

    def __init__(self, journal: Journal, lease: Lease, history: History | None = None) -> None:
        self.journal = journal
        self.lease = lease
        self.history = history
        self.answered = 0
        self._begun: dict[CallNode, _Begun] = {}

    # -- calls ----------------------------------------------------------------------------------------

    def begin(self, driver: AsyncioDriver, node: CallNode) -> None:
        """The engine wants a call started."""
        call = node.call
        place = path(node.place, node.site)
        name = call_name(call.fn)
        quiet = not call.changes
        try:
            if quiet:
                arguments, mark = b"", digest(tuple(node.args), node.kwargs).value
            else:
                encoded, found = encode_call(tuple(node.args), node.kwargs)
                arguments, mark = encoded.data, found.value
        except NotRecordable as error:
            driver.engine.fail(node, _named(call, error, "give it plain data"))
            return
        past = self.history.take(place) if self.history is not None else None
        if past is not None and (past.digest != mark or past.call != name):
            if past.intended:
                self._stop(driver, node, orphaned(self.lease.run, [(place, past)]))
                return
            past = None
        if past is not None and past.state in (PastState.RETURNED, PastState.RAISED):
            if not self._to_be_made_again(node, past):
                self._answer(driver, node, past)
                return
        attempt = 1 if past is None else past.attempt + 1
        key = "" if quiet else _key(self.lease.run, place, mark)
        begun = self._begun[node] = _Begun(place, name, mark, attempt, key)
        begun.arguments = arguments
        driver.retries.began_with(node, attempt)
        if quiet:
            driver.begin(node)
        elif past is not None and past.state is PastState.INTENDED and not call.idempotent:
            self._doubt(driver, node, begun, past, arguments)
        else:
            self._intend(driver, node, begun, arguments)

    def current(self, node: CallNode) -> Current:
        """What a call may know of itself."""
        begun = self._begun[node]
        return Current(self.lease.run, begun.place, begun.key, begun.attempt)

    def unwanted(self, node: CallNode) -> None:
        """A call is no longer wanted, and has not been started: what was intended is not in doubt."""
        begun = self._begun.pop(node, None)
        if begun is not None and begun.key:
            by = "the run, which had no use for it any more"
            event = CallSettled(begun.place, begun.call, begun.digest, Decision.RETRY, None, by, now())
            self.journal.append(self.lease, [event])

    def returned(self, node: CallNode, value: Any) -> BaseException | None:
        """A call has returned: record that. What is wrong with the value, if it cannot be recorded."""
        begun = self._begun.pop(node, None)
        if begun is None:
            return None
        try:
            data = encode(value, name=f"the result of {node.call.name}").data
        except NotRecordable as error:
            named = _named(node.call, error, "return plain data")
            self._finished(begun, None, encode(named).data)
            return named
        self._finished(begun, data, None)
        return None

    def attempted(self, node: CallNode, error: BaseException) -> None:
        """A call has failed, and is to be made again."""
        begun = self._begun[node]
        self._finished(begun, None, encode(error, name=f"the exception of {node.call.name}").data)
        again = self._begun[node] = _Begun(
            begun.place, begun.call, begun.digest, begun.attempt + 1, begun.key
        )
        again.arguments = begun.arguments

    def intend_again(self, driver: AsyncioDriver, node: CallNode) -> None:
        begun = self._begun[node]
        self._intend(driver, node, begun, begun.arguments)

    def raised(self, node: CallNode, error: BaseException) -> None:
        """A call has failed. One that was cancelled has not: it runs again if it is still wanted."""
        begun = self._begun.pop(node, None)
        if begun is not None and not isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
            self._finished(begun, None, encode(error, name=f"the exception of {node.call.name}").data)

    def _finished(self, begun: _Begun, result: bytes | None, error: bytes | None) -> None:
        event = CallFinished(
            begun.place, begun.call, begun.digest, begun.attempt, result, error,
            begun.started, begun.started, now(),
        )  # fmt: skip
        self.journal.append(self.lease, [event])

    def _answer(self, driver: AsyncioDriver, node: CallNode, past: Past) -> None:
        assert self.history is not None
        self.answered += 1
        value = self.history.value(past)
        if past.state is PastState.RAISED:
            driver.engine.fail(node, value)
        else:
            driver.engine.complete(node, value)

    def _to_be_made_again(self, node: CallNode, past: Past) -> bool:
        """Whether the run was stopped between two attempts."""
        if past.state is not PastState.RAISED or past.attempt > node.call.retries:
            return False
        assert self.history is not None
        return isinstance(self.history.value(past), node.call.retry_on)

    def _intend(self, driver: AsyncioDriver, node: CallNode, begun: _Begun, arguments: bytes) -> None:
        """Start a call that changes the world once it is on disk that it was about to start."""
        if self.history is not None and self.history.writes:
            self._stop(driver, node, orphaned(self.lease.run, self.history.left()))
            return
        event = CallIntended(
            begun.place, begun.call, begun.digest, arguments, begun.key, begun.attempt, begun.started
        )
        loop = driver.loop

        def durable(error: JournalError | None) -> None:
            loop.call_soon_threadsafe(self._durable, driver, node, error)

        self.journal.commit(self.lease, [event], durable)

    def _durable(self, driver: AsyncioDriver, node: CallNode, error: JournalError | None) -> None:
        if error is not None:
            self._stop(driver, node, error)
            driver.kick()
        else:
            driver.begin_unless_dead(node)

    def _doubt(
        self, driver: AsyncioDriver, node: CallNode, begun: _Begun, past: Past, arguments: bytes
    ) -> None:
        """A write that was about to start when the process ended: did it happen?"""
        check = node.call.check
        if check is None:
            self._stop(driver, node, in_doubt(self.lease.run, node.call, begun.place, node.args, node.kwargs))
            return

        def told(answer: Any, error: BaseException | None) -> None:
            if error is not None:
                driver.engine.fail(node, error)
            elif answer is False:
                begun.attempt = past.attempt + 1
                self._intend(driver, node, begun, arguments)
                return
            else:
                value = answer.result if isinstance(answer, Done) else None
                problem = self.returned(node, value)
                if problem is not None:
                    driver.engine.fail(node, problem)
                else:
                    driver.engine.complete(node, value)
            driver.kick()

        driver.ask(node, check, told)

    def _stop(self, driver: AsyncioDriver, node: CallNode, error: BaseException) -> None:
        """End the run at a call that is not made."""
        self._begun.pop(node, None)
        driver.engine.fail(node, asyncio.CancelledError())
        driver.engine.cancel(error)

    # -- other reads ----------------------------------------------------------------------------------

    def read(
        self, place: Any, site: str, fn: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]
    ) -> Any:
        """A clock, a random number, the environment: what was read is read again when the run is resumed."""
        at, name = path(place, site), call_name(fn)
        mark = digest(tuple(args), kwargs).value
        past = self.history.take(at) if self.history is not None else None
        if past is not None and past.digest == mark and past.call == name:
            assert self.history is not None
            self.answered += 1
            value = self.history.value(past)
            if past.state is PastState.RAISED:
                raise value
            return value
        begun = _Begun(at, name, mark, 1, "")
        try:
            value = fn(*args, **kwargs)
        except Exception as error:
            self._finished(begun, None, encode(error, name=f"the exception of {name}").data)
            raise
        self._finished(begun, encode(value, name=f"the result of {name}").data, None)
        return value

    # -- the end --------------------------------------------------------------------------------------

    def settled(self, outcome: Outcome) -> Outcome:
        """The run has ended: record how, and let go of it. Gives its outcome, which may be another one."""
        error = self._ended(outcome.value, outcome.error)
        run = self.lease.run
        ending = releasing[run] = threads().submit(self._release)
        ending.add_done_callback(lambda _: releasing.pop(run, None))
        return outcome if error is outcome.error else Outcome(None, error)

    def _release(self) -> None:
        try:
            self.journal.release(self.lease)
        except JournalError:
            pass  # the lease is lost, or the journal broken, which the run has been told

    def _ended(self, value: Any, error: BaseException | None) -> BaseException | None:
        if error is None and self.history is not None and self.history.writes:
            error = orphaned(self.lease.run, self.history.left())
        result = problem = None
        state = RunState.SUCCEEDED
        if error is None:
            try:
                result = encode(value, name="the result of the flow").data
            except NotRecordable as found:
                error = found
        if error is not None:
            state = _state(error)
            problem = encode(error, name="the exception of the flow").data
        if not isinstance(error, (KeyboardInterrupt, asyncio.CancelledError, JournalError)):
            self.journal.append(self.lease, [RunEnded(state, result, problem, now())])
        return error


def _state(error: BaseException) -> RunState:
    from ..errors import Cancelled

    if isinstance(error, InDoubt):
        return RunState.IN_DOUBT
    return RunState.CANCELLED if isinstance(error, Cancelled) else RunState.FAILED


def call_name(fn: Any) -> str:
    """How a journal names a function."""
    owner: Any = getattr(fn, "__self__", None)
    module = getattr(fn, "__module__", None) or owner.__class__.__module__
    return f"{module}:{getattr(fn, '__qualname__', None) or type(fn).__qualname__}"


def _key(run: str, place: str, mark: bytes) -> str:
    """The same for every attempt of a call, and for no other call."""
    return hashlib.blake2b(f"{run}\n{place}\n".encode() + mark, digest_size=16).hexdigest()


def _named(call: Call[..., Any], error: NotRecordable, advice: str) -> NotRecordable:
    return NotRecordable(
        error.path, f"{where(call.fn)}: {call.name}: it cannot be recorded", f"{advice} ({error})"
    )


def in_doubt(
    run: str, call: Call[..., Any], place: str, args: list[Any], kwargs: Mapping[str, Any]
) -> InDoubt:
    given = ", ".join([*(repr(a) for a in args), *(f"{k}={v!r}" for k, v in kwargs.items())])
    return InDoubt(
        f"{where(call.fn)}: the run {run} stopped when {call.name}({given:.200}) at {place} was about to "
        "start or running, and nothing tells whether it happened. Find out, and say so:\n"
        f"    stretto settle {run} {place} --done VALUE    it happened, and VALUE (JSON) is its result\n"
        f"    stretto settle {run} {place} --retry         it did not happen, or may happen twice\n"
        "then resume the run. Declare idempotent=True or check= for the call, and this is settled by itself"
    )


def orphaned(run: str, left: list[tuple[str, Past]]) -> Orphaned:
    calls = "\n".join(f"    {place} ({past.call})" for place, past in left[:20])
    return Orphaned(
        f"the program has changed since the run {run} was recorded: these calls changed the world then, and "
        f"it does not make them now, or with other arguments:\n{calls}\n"
        "Put back what makes them, or start a new run"
    )
