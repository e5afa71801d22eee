"""What resuming a run would do, found out without doing any of it.

The engine issues the flow as it is now, and every call that is recorded is answered. Nothing else is
started: a call that would have to run stays unanswered, and so does whatever depends on it. Code that is not
known to be without effects is not run either; what comes after it is out of sight (a `print` is passed over).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..configuration import value
from ..effects import Kind
from ..engine import streams
from ..engine.emitting import EmitNode
from ..engine.instructions import AWAIT, CANCEL, CLOSE, MORE, NATIVE, OPEN, START, TIMER
from ..engine.machine import Engine
from ..engine.nodes import ORDERED, QUEUED, RUNNING, CallNode, FunctionNode, Node
from ..engine.places import path
from ..engine.showing import ShowNode
from ..engine.streams import Source
from ..engine.timers import TimerNode
from ..flows import Flow
from .begun import call_name, commutes
from .codecs import digest
from .contract import Journal
from .events import RunState
from .history import TIMEOUT, History, Past, PastState
from .items import Items
from .readings import reading_of
from .resuming import ancestor_of, beginning
from .run_secrets import RunSecrets
from .sources import source_of
from .streams import Recalled

__all__ = ["Operation", "Preview", "preview"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A call at its place. `changes` says whether it changes the world."""

    place: str
    call: str
    changes: bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What resuming a run would do.

    Attributes:
        edited: whether the program has changed since the run was recorded.
        state: where the run stands.
        reused: calls that would be answered, in the order of their answers.
        to_run: calls that would be made, in program order.
        in_doubt: writes of which it is not known whether they happened.
        orphaned: recorded calls that the program as it is now does not make.
        not_reached: recorded calls that come after some of the above; whether they are reused will be seen
            when those have run.
        unknown: where code stands that is not run to find this out, as "file:line".
        stops_at: the new write before which the run would stop, as it has not made recorded ones again.
    """

    edited: bool
    state: RunState
    reused: list[Operation]
    to_run: list[Operation]
    in_doubt: list[Operation]
    orphaned: list[Operation]
    not_reached: list[Operation]
    unknown: list[str]
    stops_at: Operation | None


def preview(journal: Journal, run: str) -> Preview:
    """Find out what resuming a run would do. Raises `RunNotFound`."""
    state = journal.run(run).state
    history = History(journal, run)
    flow, args, kwargs = beginning(journal, history)
    replay = _Replay(journal, run, history, flow)
    replay.go(args, kwargs)
    met = {operation.place for operation in replay.to_run.values()}
    orphaned: list[Operation] = []
    not_reached: list[Operation] = []
    for past in history.left():
        found = orphaned if replay.engine.ended or past.place in met else not_reached
        found.append(Operation(past.place, past.call, past.intended))
    stops_at = None
    if any(past.intended and not commutes(past.call) for past in history.left()):
        stops_at = next((new for node, new in replay.to_run.items() if node in replay.new_writes), None)
    return Preview(
        history.edited, state, replay.reused, list(replay.to_run.values()), list(replay.in_doubt.values()),
        orphaned, not_reached, replay.unknown, stops_at,
    )  # fmt: skip


class _Replay:
    """A driver that answers, and starts nothing."""

    def __init__(self, journal: Journal, run: str, history: History, flow: Flow[..., Any]) -> None:
        self.journal = journal
        self.history = history
        self.ancestor = ancestor_of(journal, history, source_of(flow))
        self.secrets = RunSecrets(run)
        self.flow = flow
        self.engine = Engine(limit=flow.limit or value("in_flight"))
        self.engine.reader = self.read
        self.reused: list[Operation] = []
        self.to_run: dict[Node | Source, Operation] = {}
        #: The items of streams that are not taken yet.
        self.items: dict[Source, Iterator[Any]] = {}
        self.in_doubt: dict[Node, Operation] = {}
        self.unknown: list[str] = []
        #: Of which no intent is recorded.
        self.new_writes: set[Node] = set()
        #: Of flows in the flow that had run out of time.
        self.timers: list[TimerNode] = []

    def go(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        engine = self.engine
        engine.begin(self.flow.form, self.flow.fn, args, kwargs)
        while True:
            more = engine.pump()
            instructions = engine.take()
            for kind, node in instructions:
                if kind is START:
                    self.start(node)
                elif kind is NATIVE or kind is AWAIT:
                    self.native(node)
                elif kind is CANCEL:
                    engine.fail(node, asyncio.CancelledError())
                    self.to_run.pop(node, None)
                    self.in_doubt.pop(node, None)
                elif kind is OPEN or kind is MORE:
                    self.give(node, kind)
                elif kind is CLOSE:
                    self.to_run.pop(node, None)
                    self.items.pop(node, None)
                    streams.stopped(engine, node)
                elif kind is TIMER and self.history.ran_out(path(node.where, TIMEOUT)):
                    self.timers.append(node)
            if engine.ended:
                break
            if not (more or instructions or self.share() or self.look_ahead()):
                if not self.timers:
                    break
                self.timers.pop(0).fire(engine)
        for node in list(self.waiting()):
            if isinstance(node, CallNode):  # in its turn it will run
                self.answer(node, self.recorded(node, self.history.take))
        going_on = (*self.unfinished(), *self.items)
        self.to_run = {node: self.to_run[node] for node in going_on if node in self.to_run}

    def start(self, node: CallNode) -> None:
        if not self.holds(node):
            self.answer(node, self.recorded(node, self.history.take))

    def holds(self, node: CallNode | Source) -> bool:
        """Whether it is seen in its turn only on which side of the parting of a forked run a call stands."""
        ancestor = self.ancestor
        return ancestor is not None and ancestor.holds(self.history, node, *self.identity(node))

    def share(self) -> bool:
        """Go on with the first of the calls that another run has made as well, or did not share any more;
        whether there was one."""
        ancestor = self.ancestor
        if ancestor is None or not ancestor.held:
            return False
        calls = (n for n in self.unfinished() if isinstance(n, CallNode) and n in ancestor.held)
        node = next(calls, None) or next(iter(ancestor.held))
        del ancestor.held[node]
        past = ancestor.take(*self.identity(node))
        if isinstance(node, Source):
            self.open(node, past)
        else:
            self.answer(node, past)
        return True

    def answer(self, node: CallNode, past: Past | None) -> None:
        operation = self.operation(node)
        if past is not None and node.call.streams and past.gave_items:
            self.engine.complete(node, Recalled(None, past))
        elif past is None or past.state is PastState.TO_RETRY:
            self.to_run[node] = operation
            if past is None and operation.changes and self.foreseen(node) is None:
                self.new_writes.add(node)
        elif past.state is PastState.INTENDED:
            doubtful = not (node.call.idempotent or node.call.check is not None)
            (self.in_doubt if doubtful else self.to_run)[node] = operation
        elif self.secrets.failed_for_now(self.journal, node.call, past):
            self.to_run[node] = operation
        else:
            self.reused.append(Operation(past.place, past.call, operation.changes))
            value = self.secrets.value(self.journal, past, node.call)
            if past.state is PastState.RAISED:
                self.engine.fail(node, value)
            else:
                self.engine.complete(node, value)

    def give(self, source: Source, kind: str) -> None:
        """Give what is on record of a stream, as far as it is wanted."""
        if kind is not OPEN:
            next(self.items.get(source, iter(())), None)
            return
        opened = source.stream.opened
        if isinstance(opened, Recalled):
            self.open(source, opened.past)
        elif not self.holds(source):
            self.open(source, self.recorded(source, self.history.take))

    def open(self, source: Source, past: Past | None) -> None:
        """Begin to give what is on record of a stream."""
        self.items[source] = iter(())
        if past is None or not past.ended:
            place = path(source.place, source.site)
            self.to_run[source] = Operation(place, call_name(source.call.fn), False)
        else:
            self.reused.append(Operation(past.place, past.call, False))
            found, error = self.secrets.items(self.journal, past, source.call)
            self.items[source] = self.going_over(source, found, error)
        next(self.items[source], None)

    def going_over(self, source: Source, found: Items, error: BaseException | None) -> Iterator[None]:
        """Goes on at each step as far as is wanted."""
        for item in found.items:
            while not source.wants():
                yield
            streams.given(self.engine, source, item)
        if found.left:
            return
        streams.over(self.engine, source, error)
        del self.items[source]
        streams.stopped(self.engine, source)

    def recorded(
        self, node: CallNode | Source, look: Callable[[str, str, bytes], Past | None]
    ) -> Past | None:
        return look(*self.identity(node))

    def foreseen(self, node: CallNode) -> Past | None:
        """What is recorded of a call whose turn has not come; it stays there."""
        known = self.identity(node)
        past = self.history.find(*known)
        return self.ancestor.foreseen(*known) if past is None and self.ancestor is not None else past

    def identity(self, node: CallNode | Source) -> tuple[str, str, bytes]:
        """A call's place, its name, and what stands for its arguments in a journal."""
        place = path(node.place, node.site)
        plain = digest(tuple(node.args), node.kwargs).value
        there = self.history.recorded(place)
        if there is None and self.ancestor is not None:
            there = self.ancestor.history.recorded(place)
        return place, call_name(node.call.fn), self.secrets.digest(node.call, place, plain, there)

    def native(self, node: Node) -> None:
        if type(node) is EmitNode:  # as by a loop, which sends nothing
            self.engine.complete(node, node.answered(None, None)[0])
        elif _harmless(node):
            try:
                value = None if isinstance(node, ShowNode) else node.run()
            except Exception as error:
                self.engine.fail(node, error)
            else:
                self.engine.complete(node, value)
        else:
            form, line = node.trace[:2] if node.trace is not None else (self.flow.form, 0)
            self.unknown.append(f"{form.filename}:{line}")

    def read(self, place: Any, site: str, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """What was read is answered; what was not is read now, which changes nothing."""
        reading = reading_of(fn, args, kwargs)
        past = None
        if reading is not None:
            known = path(place, site), call_name(fn), digest(tuple(args), kwargs).value
            past = self.history.take(*known)
            if self.ancestor is not None:
                inherited = self.ancestor.take(*known)
                past = past or inherited
        if reading is None or past is None or not past.ended:
            return fn(*args, **kwargs)
        self.reused.append(Operation(past.place, past.call, False))
        value = self.secrets.value(self.journal, past, None)
        if past.state is PastState.RAISED:
            raise value
        return reading.again(value)

    def look_ahead(self) -> bool:
        """Answer recorded calls whose turn does not come, as something before them would have to run."""
        found = False
        for node in self.waiting():
            if not isinstance(node, CallNode):
                if node.resource != "random":  # what it draws of may not be what it will be
                    self.engine.start(node)
                    found = True
                continue
            past = self.foreseen(node)
            if past is None or not past.ended or self.secrets.failed_for_now(self.journal, node.call, past):
                continue
            if node.state == ORDERED and node.call.effects.kind is Kind.COMMUTES:
                self.engine.commuting -= 1
            node.state = RUNNING
            self.engine.running += 1
            self.start(node)
            found = True
        return found

    def waiting(self) -> Iterator[CallNode | FunctionNode]:
        """What waits for nothing but its turn, in program order; of other code, what can be passed over."""
        for node in self.unfinished():
            if node.state in (ORDERED, QUEUED) and (isinstance(node, CallNode) or _harmless(node)):
                yield node

    def unfinished(self) -> Iterator[Node]:
        """All operations that have not ended, in program order."""
        entry: Any = self.engine.end.following
        while entry is not self.engine.end:
            following = entry.following
            if isinstance(entry, Node):
                yield entry
            entry = following

    def operation(self, node: CallNode) -> Operation:
        return Operation(path(node.place, node.site), call_name(node.call.fn), node.call.changes)


def _harmless(node: Node) -> TypeGuard[FunctionNode]:
    """A read, or what shows something."""
    return isinstance(node, ShowNode) or (isinstance(node, FunctionNode) and node.resource is not None)
