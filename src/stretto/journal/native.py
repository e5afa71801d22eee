"""Calls made by code that runs as a whole: a lambda, a generator, a method that nobody has compiled.

The engine does not see them, so they are recorded where they are made. Such code runs in program order, one
piece at a time; so a call in it is known by where that code stands and by the how-manieth it is in there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any

from ..calls import Call, Done
from ..drivers.ambient import CURRENT, Current, Piece, Stopped, alone
from ..drivers.sources import not_recorded
from ..engine.places import path
from ..errors import InDoubt, JournalError, Orphaned
from .doubts import in_doubt, is_open
from .history import PastState

if TYPE_CHECKING:
    from ..engine.nodes import Node
    from ..observe.inside import Made
    from .begun import Begun
    from .recording import Recording

__all__ = ["Places", "Scope", "nameless"]

_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")
#: The names that a comprehension or a lambda has for itself.
_BOUND_WITHIN = re.compile(r"\bfor (.+?) in\b|\blambda (.*?):")


def nameless(node: Node) -> str:
    """Where a piece of code stands, without names of variables: what is known of a statement is its text."""
    if node.trace is None:
        return node.site
    within = " ".join(name for names in _BOUND_WITHIN.findall(node.site) for name in names)
    own = {*node.trace[0].scope.locals, *_NAME.findall(within)}
    return _NAME.sub(lambda found: "_" if found[0] in own else found[0], node.site)


class Places:
    """The places of the pieces of code in one run."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def of(self, node: Node) -> str:
        """Where the next piece stands, which is not known by a node alone."""
        place = path(node.place, nameless(node))
        count = self._counts[place] = self._counts.get(place, 0) + 1
        return place if count == 1 else f"{place}#{count}"


def _never() -> bool:
    return False


class Scope(Piece):
    """One piece of code that runs as a whole, in a run that is recorded."""

    records = True

    def __init__(
        self,
        recording: Recording,
        place: str,
        wanted: Callable[[], bool],
        stop: Callable[[BaseException], None],
    ) -> None:
        super().__init__(wanted, place)
        self.recording = recording
        self.end_run = stop

    def invoke(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], run: Callable[[], Any]
    ) -> Any:
        """Make a call, or answer it."""
        steps = self._steps(call, args, kwargs)
        try:
            step = next(steps)
            while True:
                try:
                    value = run() if step is None else _ended(step(), self)
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(value)
        except StopIteration as done:
            return done.value
        except (InDoubt, Orphaned, JournalError) as error:
            raise self._stopped(error) from None

    async def invoke_on_loop(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """The same from async code: calls that touch something one at a time."""
        if call.effects.free:
            return await self._made_on_loop(call, args, kwargs)
        async with self.turn():
            return await self._made_on_loop(call, args, kwargs)

    async def _made_on_loop(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        steps = self._steps(call, args, kwargs)
        try:
            step = next(steps)
            while True:
                try:
                    value = alone(call, args, kwargs) if step is None else step()
                    if inspect.isawaitable(value):
                        value = await value
                except BaseException as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(value)
        except StopIteration as done:
            return done.value
        except (InDoubt, Orphaned, JournalError) as error:
            raise self._stopped(error) from None

    def _stopped(self, error: BaseException) -> Stopped:
        self._wanted = _never
        self.end_run(error)
        return Stopped(str(error))

    def _steps(
        self, call: Call[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Generator[Callable[[], Any] | None, Any, Any]:
        """What making a call, or answering it, consists of: yields None where the call is to be made, and
        what else there is to run; is sent what came of it."""
        self.check()
        if call.streams:
            raise not_recorded(call)
        place = self.next_place(call)
        if self.telling is None:
            return (yield from self._answered(call, place, args, kwargs, None))
        made = self.telling.issued(call, place)
        try:
            value = yield from self._answered(call, place, args, kwargs, made)
        except BaseException as error:
            made.failed(error)
            raise
        made.ended(value)
        return value

    def _answered(
        self, call: Call[..., Any], place: str, args: tuple[Any, ...], kwargs: Mapping[str, Any],
        made: Made | None,
    ) -> Generator[Callable[[], Any] | None, Any, Any]:  # fmt: skip
        """As `_steps`; `made` is told where the call is made."""
        recording = self.recording
        begun, past = recording.met(call, place, args, kwargs)
        if past is not None and past.ended:
            value = recording.recorded(past, call)
            if past.state is PastState.RAISED:
                raise value
            return value
        if past is not None and past.state is PastState.INTENDED and not call.idempotent:
            check = call.check
            if check is None:
                raise in_doubt(recording.lease.run, call, place, args, kwargs)
            done = yield from self._asked(check, call, begun, args, kwargs)
            if done is not None:
                return done.result
        if call.changes:
            recording.check_orphans(begun)
            recording.streams.put_on_record()
            recording.journal.commit_here(recording.lease, [begun.intent()])
        token = CURRENT.set(Current(recording.lease.run, place, begun.key, begun.attempt))
        if made is not None:
            made.begins()
        try:
            value = yield None
        except Exception as error:
            if is_open(call, error):
                asked = call.check
                if asked is None:
                    why = str(error)
                    raise in_doubt(recording.lease.run, call, place, args, kwargs, why) from error
                done = yield from self._asked(asked, call, begun, args, kwargs)
                if done is not None:
                    return done.result
            recording.went_wrong(call.name, begun, error, call.secret)
            raise
        finally:
            CURRENT.reset(token)
        recording.came_back(call, begun, lambda: recording.encoded(call, begun, value))
        return value

    def _asked(
        self, check: Callable[..., Any], call: Call[..., Any], begun: Begun, args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Generator[Callable[[], Any] | None, Any, Done | None]:  # fmt: skip
        """Ask whether a call was made, of which nobody knows: what it has returned, or None if it was not.
        What its `check` raises is what the call has raised, from now on."""
        recording = self.recording
        try:
            answer = yield lambda: check(*args, **kwargs)
        except (InDoubt, JournalError):
            raise
        except Exception as error:
            recording.went_wrong(call.name, begun, error, call.secret)
            raise
        if answer is False:
            return None
        done = answer if isinstance(answer, Done) else Done()
        recording.came_back(call, begun, lambda: recording.encoded(call, begun, done.result))
        return done


def _ended(answer: Any, piece: Piece) -> Any:
    """What a function has returned; if that is a coroutine, what that returns."""
    if inspect.iscoroutine(answer):
        from ..drivers.background import background

        return background().run(answer, piece)
    return answer
