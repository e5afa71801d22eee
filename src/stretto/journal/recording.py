"""Recording a run while it goes on, and answering it from what was recorded before.

It stands between the engine and a driver. A call without effects is started at once, and recorded when it has
come back, some milliseconds later. A call that changes the world is started when its intent is on disk; and
since a journal writes in the order in which it was told, so is everything that it depends on. A call that was
recorded at the same place with the same arguments is not run again: it is answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from ..calls import Call, Done, where
from ..drivers.ambient import Current
from ..drivers.sources import not_recorded
from ..engine.nodes import RUNNING, CallNode
from ..engine.places import path
from ..engine.streams import Source, hold
from ..engine.timers import clocks
from ..errors import JournalError, NotRecordable, Orphaned, RecordedError
from ..secrecy import Secrecy
from .begun import Begun, Unnamed, arguments_of, call_name, commutes, key_of, never_changes, small_arguments
from .codecs import digest, encode
from .contract import Journal
from .doubts import in_doubt, is_open, orphaned, unreadable
from .events import CallFinished, CallSettled, Decision, now
from .forking import Ancestor
from .history import NO_ARGUMENTS, TIMEOUT, History, Past, PastState
from .large import Large
from .leases import Lease
from .native import Places, Scope
from .readings import reading_of
from .run_secrets import RunSecrets
from .streams import Recalled, StreamRecords
from .under_way import UnderWay
from .unread import Unread

if TYPE_CHECKING:
    from ..drivers.aio import AsyncioDriver
    from ..engine.emitting import EmitNode
    from ..engine.nodes import Node
    from ..engine.timers import TimerNode

__all__ = ["Recording"]

#: Seconds for which a result may wait before the journal is told of it.
_SOON = 0.001


class Recording:
    """The journal's side of one run.

    Attributes:
        answered: how many calls were answered from the journal.
        releasing: done once the run, which has ended or stopped, may be taken up by others (see `ending`).
    """

    def __init__(
        self, journal: Journal, lease: Lease, history: History | None = None, ancestor: Ancestor | None = None
    ) -> None:
        self.journal = journal
        self.lease = lease
        self.history = history
        self.ancestor = ancestor
        self.answered = 0
        self.releasing: Future[None] | None = None
        self.secrets = RunSecrets(lease.run)
        self.streams = StreamRecords(self)
        #: The calls of the engine's that are under way.
        self.begun: dict[CallNode, Begun | Unnamed] = {}
        self.under_way = UnderWay(self)
        self._unread = Unread(self)
        self._large = Large(self)
        #: Calls that the run did not come to, since the flow they are in ran out of time.
        self._withheld: set[CallNode | Source] = set()
        #: Results that the journal is told of a little later, so that what comes next need not wait for that.
        #: They are of types whose values never change.
        self._late: deque[tuple[Begun | Unnamed, Any, int]] = deque()
        #: How often code that runs as a whole has been met at a place.
        self._pieces = Places()

    # -- what every call goes through -----------------------------------------------------------------

    def met(
        self, call: Call[..., Any], place: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Begun, Past | None]:
        """A call that the run has come to, and what is recorded of it. Raises `SecretKeyError`."""
        name = call_name(call.fn)
        arguments, plain = (arguments_of if call.changes else small_arguments)(call, args, kwargs)
        mark = self.mark(call, place, plain)
        past = self._past(place, name, mark)
        if past is None:
            if self.ancestor is not None:
                place = self.ancestor.place_of(place, name, mark)
            key = key_of(self.lease.run, place, mark) if call.changes else ""
            return Begun(place, name, mark, 1, key, arguments), None
        key = past.intent.key if past.intent is not None else ""
        begun = Begun(past.place, name, mark, past.attempt + 1, key, arguments)
        begun.known = past.intent is not None
        return begun, past

    def mark(self, call: Call[..., Any], place: str, plain: bytes) -> bytes:
        """What stands in the journal for the digest of the arguments of a call. Raises `SecretKeyError`."""
        there = self.history.stands(place) if self.history is not None else None
        if there is None and self.ancestor is not None:
            there = self.ancestor.history.recorded(place)
        return self.secrets.digest(call, place, plain, there)

    def _past(self, place: str, call: str, mark: bytes) -> Past | None:
        past = self.history.take(place, call, mark) if self.history is not None else None
        if self.ancestor is not None:
            inherited = self.ancestor.take(place, call, mark)
            if inherited is not None and past is None:  # from now on it is this run's
                self.journal.append(self.lease, inherited.events)
                return inherited
        return past

    def recorded(self, past: Past, call: Call[..., Any] | None = None) -> Any:
        """The result or the exception of a call that is not made again; of a reading without `call`.

        Raises `JournalError` where it cannot be read here: the call is not made again then, either.
        """
        value = self.secrets.value(self.journal, past, call)
        if call is not None and past.state is PastState.RAISED and isinstance(value, RecordedError):
            raise unreadable(self.lease.run, call, value)  # no handler would know it
        self.answered += 1
        return value

    def check_orphans(self, begun: Begun) -> None:
        """Before a write that is not recorded: `Orphaned` if the program has passed over one that is."""
        if self.history is not None and self.history.writes and not begun.known:
            if any(not commutes(past.call) for past in self.history.left() if past.intended):
                raise orphaned(self.lease.run, self.history, begun)

    def encoded(self, call: Call[..., Any], begun: Begun, value: Any) -> bytes:
        """A result, as it is recorded. Raises `NotRecordable`. From any thread."""
        return self.secrets.result(call, begun.call, begun.digest, value)

    def came_back(
        self, call: Call[..., Any], begun: Begun, encoded: Callable[[], bytes], ended: int | None = None
    ) -> None:
        """Record a result. Raises `NotRecordable`, which is then recorded as what the call ended with; but a
        call that may be made again is left out."""
        try:
            data = encoded()
        except NotRecordable as error:
            if call.made_again:
                return
            named = NotRecordable(
                error.path,
                f"{where(call.fn)}: {call.name}: its result cannot be recorded",
                f"return plain data, declare pickle=True, or run without a journal ({error})",
            )
            self._finished(begun, None, encode(named).data, ended)
            raise named from None
        self._finished(begun, data, None, ended)

    def went_wrong(
        self, name: str, begun: Begun, error: BaseException, secrecy: Secrecy | None = None
    ) -> None:
        """Record an exception."""
        data = self.secrets.exception(secrecy, begun.call, begun.digest, error, name)
        self._finished(begun, None, data)

    def _finished(
        self, begun: Begun, result: bytes | None, error: bytes | None, ended: int | None = None
    ) -> None:
        self.journal.append(self.lease, [begun.finished(result, error, now() if ended is None else ended)])

    # -- calls that the engine makes ------------------------------------------------------------------

    def begin(self, driver: AsyncioDriver, node: CallNode | Source) -> None:
        """The engine wants a call started, or the source of a stream."""
        history = self.history
        if history is None and self.ancestor is None and type(node) is CallNode and Unnamed.suits(node):
            if node.call.gated is False:
                self._begin_unnamed(driver, node)
            else:
                driver.gate.admit(node, self._begin_unnamed)
            return
        place = path(node.place, node.site)
        if history is not None:
            try:
                if not self._unread.known(history, node, place):
                    self._unread.wait(driver, history, node, place)
                    return
                mark = self.mark(node.call, place, digest(tuple(node.args), node.kwargs).value)
            except JournalError as error:
                self.stop(driver, node, error)
                return
            name = call_name(node.call.fn)
            if self.ancestor is not None and self.ancestor.holds(history, node, place, name, mark):
                driver.engine.set_aside(node)
                if isinstance(node, Source):
                    hold(driver.engine, node)
                return
        self.go_on(driver, node, place)

    def _begin_unnamed(self, driver: AsyncioDriver, node: CallNode) -> None:
        self.begun[node] = Unnamed(node, self.lease.run)
        if not self.under_way.watching:
            self.under_way.watch(driver)
        driver.begin(node)

    def go_on(self, driver: AsyncioDriver, node: CallNode | Source, place: str) -> None:
        """Make a call, or answer it: what is recorded of it has been read."""
        call = node.call
        if call.streams and call.changes and not isinstance(node, Source):
            driver.engine.fail(node, not_recorded(call))
            return
        try:
            begun, past = self.met(call, place, tuple(node.args), node.kwargs)
            if isinstance(node, Source):
                self.streams.begin(driver, node, begun, past)
                return
            if past is not None and call.streams and past.gave_items:
                driver.engine.complete(node, Recalled(begun, past))
                return
            if past is not None and past.ended and not self.secrets.failed_for_now(self.journal, call, past):
                if not self._large.answer(driver, node, past):
                    self.answer(driver, node, past, self.recorded(past, call))
                return
        except JournalError as error:
            self.stop(driver, node, error)
            return
        if (past is None or not past.ended) and self.comes_too_late(node):
            self.withhold(driver, node)
            return
        if call.gated is False:
            self._make(begun, past, driver, node)
        else:
            driver.gate.admit(node, partial(self._make, begun, past))

    def _make(self, begun: Begun, past: Past | None, driver: AsyncioDriver, node: CallNode) -> None:
        """Make a call that is not recorded, or not to its end."""
        call = node.call
        self.begun[node] = begun
        begun.started = now()
        begun.waited = call, node.trace, node.why
        driver.retries.began_with(node, begun.attempt)
        if not self.under_way.watching:
            self.under_way.watch(driver)
        if not call.changes:
            driver.begin(node)
        elif past is not None and past.state is not PastState.TO_RETRY and not call.idempotent:
            self._doubt(driver, node, begun)
        else:
            self.intend(driver, node)

    def answer(self, driver: AsyncioDriver, node: CallNode, past: Past, value: Any) -> None:
        """Have a call end as it has ended before."""
        if past.state is PastState.RAISED:
            driver.engine.fail(node, value)
        else:
            driver.engine.complete(node, value)

    def withhold(self, driver: AsyncioDriver, node: CallNode | Source) -> None:
        """Nothing of a call is made, nor of what is left of a stream, since the run did not come to it."""
        self._withheld.add(node)
        driver.engine.set_aside(node)

    def share(self, driver: AsyncioDriver) -> bool:
        """Go on with the calls of a forked run that had to wait for their turn; whether any could."""
        ancestor = self.ancestor
        if ancestor is None:
            return False
        engine = driver.engine
        if not ancestor.shared:
            let_go = [node for node in ancestor.held if node.state == RUNNING]
            for node in let_go:
                del ancestor.held[node]
                engine.start_again(node)
            return bool(let_go)
        return self.goes_on(driver, engine.end.following)

    def goes_on(self, driver: AsyncioDriver, node: CallNode | Source) -> bool:
        """Go on with a call of a forked run whose turn has come, or a stream that its loop waits for; whether
        it was held up."""
        place = None if self.ancestor is None else self.ancestor.held.pop(node, None)
        if place is None:
            return False
        driver.engine.take_back(node)
        self.go_on(driver, node, place)
        return True

    def forgets(self, driver: AsyncioDriver, node: CallNode | Source) -> bool:
        """A call is no longer wanted: whether it was one that waited here."""
        if self._unread.forget(node):
            return True
        if node in self._withheld:
            self._withheld.remove(node)
        elif self.ancestor is None or self.ancestor.held.pop(node, None) is None:
            return False
        driver.engine.take_back(node)
        return True

    def intend(self, driver: AsyncioDriver, node: CallNode) -> None:
        """Start a call that changes the world once it is on disk that it was about to start."""
        try:
            self.check_orphans(self._known(node))
        except Orphaned as error:
            self.stop(driver, node, error)
            return
        if node.call.gated and (shut := driver.gate.turned_away(node)) is not None:
            driver.failed(node, shut)  # nothing was intended
            return
        self.catch_up()
        self.streams.put_on_record()
        intent = [self._known(node).intent()]
        if driver.waits_for_one:
            try:
                if self.journal.commit_at_once(self.lease, intent):
                    driver.begin_unless_dead(node)
                    return
            except JournalError as error:
                self.stop(driver, node, error)
                return
        durable = driver.from_outside(partial(self._durable, driver, node))
        self.journal.commit(self.lease, intent, durable)

    def hand_over(self, driver: AsyncioDriver, node: EmitNode, leave: Callable[[], None]) -> None:
        """Let a value leave the flow once all that it may hang on is on disk: whoever has it may act."""

        def durable(error: JournalError | None) -> None:
            if error is None:
                leave()
            else:
                self.stop(driver, node, error)
                driver.kick()

        self.catch_up()
        self.streams.put_on_record()
        self.journal.commit(self.lease, [], driver.from_outside(durable))

    def _known(self, node: CallNode) -> Begun:
        return self.begun[node].named()

    def current(self, node: CallNode) -> Current | Callable[[], Current]:
        """What a call may know of itself, or what tells it."""
        begun = self.begun[node]
        if type(begun) is Unnamed:
            return begun.current
        begun = begun.named()
        return Current(self.lease.run, begun.place, begun.key, begun.attempt)

    def went_by(self, node: CallNode, way: str) -> None:
        """A call of a route has been made in that way."""
        begun = self.begun.get(node)
        if begun is not None:
            begun.named().way = way

    def unwanted(self, node: CallNode) -> None:
        """A call is no longer wanted, and has not been started: what was intended is not in doubt."""
        begun = self.begun.pop(node, None)
        if type(begun) is Begun and begun.key:
            by = "the run, which had no use for it any more"
            event = CallSettled(begun.place, begun.call, begun.digest, Decision.RETRY, None, by, now())
            self.journal.append(self.lease, [event])

    def returned(self, driver: AsyncioDriver, node: CallNode, value: Any) -> bool:
        """A call has returned: record that. Whether the engine is told here how it has ended: the value is
        large, or cannot be recorded."""
        begun = self.begun.pop(node, None)
        if begun is None or node.call.streams:  # its items will be recorded
            return False
        if self._large.record(driver, node, begun, value):
            return True
        if never_changes(value) and node.call.secret is None:
            if not self._late:
                driver.loop.call_later(_SOON, driver.safely, self.catch_up)
            self._late.append((begun, value, now()))
            return False
        try:
            begun = begun.named()
            self.came_back(node.call, begun, partial(self.encoded, node.call, begun, value))
        except NotRecordable as error:
            driver.engine.fail(node, error)
            return True
        return False

    def gone(self, node: CallNode) -> None:
        """A call has ended that nobody wants any more: nothing is made of how."""
        self.begun.pop(node, None)

    def catch_up(self) -> None:
        """Tell the journal of the results that it has not been told of. On the loop."""
        events: list[CallFinished] = []
        while self._late:
            begun, value, ended = self._late.popleft()
            events.append(begun.named().finished(encode(value).data, None, ended))
        if events:
            self.journal.append(self.lease, events)

    def attempted(self, node: CallNode, error: BaseException) -> None:
        """A call has failed, and is to be made again."""
        begun = self._known(node)
        self.went_wrong(node.call.name, begun, error, node.call.secret)
        self.begun[node] = begun.again()

    def raised(self, node: CallNode, error: BaseException) -> None:
        """A call has failed. One that was cancelled has not: it runs again if it is still wanted."""
        begun = self.begun.pop(node, None)
        if begun is not None and not isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
            self.went_wrong(node.call.name, begun.named(), error, node.call.secret)

    def _durable(self, driver: AsyncioDriver, node: CallNode, error: JournalError | None) -> None:
        if error is not None:
            self.stop(driver, node, error)
            driver.kick()
        else:
            driver.begin_unless_dead(node)

    def _doubt(self, driver: AsyncioDriver, node: CallNode, begun: Begun) -> None:
        """A write that was about to start when the process ended: did it happen?"""
        check = node.call.check
        if check is None:
            self.stop(
                driver, node, in_doubt(self.lease.run, node.call, begun.place, tuple(node.args), node.kwargs)
            )
            return

        def told(answer: Any, error: BaseException | None) -> None:
            if error is not None:
                self.raised(node, error)
                driver.engine.fail(node, error)
            elif answer is False:
                self.intend(driver, node)
            else:
                driver.returned(node, answer.result if isinstance(answer, Done) else None)
            driver.kick()

        driver.ask(node, check, told)

    def leaves_open(self, driver: AsyncioDriver, node: CallNode, error: BaseException) -> bool:
        """Whether a call has failed so that nobody knows whether it has happened: its ``check=`` is asked
        then, or else the run stops there, in doubt, and what was intended stays open."""
        if not is_open(node.call, error) or node not in self.begun:
            return False
        check = node.call.check
        if check is None:
            begun = self._known(node)
            stopped = in_doubt(
                self.lease.run, node.call, begun.place, tuple(node.args), node.kwargs, str(error)
            )
            stopped.__cause__ = error
            self.stop(driver, node, stopped)
            return True

        def told(answer: Any, trouble: BaseException | None) -> None:
            if trouble is not None or answer is False:
                found = error if trouble is None else trouble
                self.raised(node, found)
                driver.engine.fail(node, found)
            else:
                driver.returned(node, answer.result if isinstance(answer, Done) else None)
            driver.kick()

        driver.ask(node, check, told)
        return True

    def stop(self, driver: AsyncioDriver, node: CallNode | EmitNode | Source, error: BaseException) -> None:
        """End the run at a call that is not made, or a value that does not leave."""
        if not isinstance(node, Source):
            if isinstance(node, CallNode):
                self.begun.pop(node, None)
            driver.engine.fail(node, asyncio.CancelledError())
        driver.engine.cancel(error)

    # -- what other code does -------------------------------------------------------------------------

    def scope(self, node: Node, stop: Callable[[BaseException], None]) -> Scope:
        """For the calls in a piece of code that runs as a whole; `stop` ends the run."""
        self.catch_up()
        return Scope(self, self._pieces.of(node), lambda: node.state == RUNNING, stop)

    def read(
        self, place: Any, site: str, fn: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]
    ) -> Any:
        """A clock, a random number, the environment: a run that is resumed is given the same again."""
        reading = reading_of(fn, args, kwargs)
        if reading is None:
            return fn(*args, **kwargs)
        at, name = path(place, site), call_name(fn)
        mark = digest(tuple(args), kwargs).value
        past = self._past(at, name, mark)
        if past is not None and past.ended:
            record = self.recorded(past)
            if past.state is PastState.RAISED:
                raise record
            return reading.again(record)
        begun = Begun(at, name, mark, 1, "", b"")
        try:
            value, record = reading.first()
        except Exception as error:
            self.went_wrong(name, begun, error)
            raise
        self._finished(begun, encode(record, name=f"the result of {name}").data, None)
        return value

    # -- flows in the flow that have a timeout --------------------------------------------------------

    def has_run_out(self, node: TimerNode) -> None:
        """Record that a flow has run out of time: a run that is taken up must take the same way."""
        self.catch_up()
        begun = Begun(path(node.where, TIMEOUT), TIMEOUT, NO_ARGUMENTS, 1, "", b"")
        self._finished(begun, None, encode(node.error).data)

    def ran_out(self, node: TimerNode) -> bool:
        """Whether a flow had run out of time before the run was taken up."""
        return self._past(path(node.where, TIMEOUT), TIMEOUT, NO_ARGUMENTS) is not None

    def has_answered(self, running: int) -> bool:
        """Whether all that goes on, so many operations, is what nothing is recorded of."""
        held = len(self._unread) + (0 if self.ancestor is None else len(self.ancestor.held))
        going_on = len(self.begun) + len(self._withheld) + self.streams.going_on
        return held == 0 and running == going_on

    def comes_too_late(self, node: CallNode | Source) -> bool:
        """Whether a call that is not recorded is in a flow that had run out of time."""
        history = self.history
        if history is None or not history.timeouts:
            return False
        return any(path(clock.where, TIMEOUT) in history.timeouts for clock in clocks(node))
