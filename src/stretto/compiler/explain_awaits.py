"""What `explain` says of ``await``: of calls and helpers what it says of them elsewhere, of the rest that it
is awaited in order."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from dataclasses import replace
from types import FunctionType
from typing import Any

from ..calls import BoundCall, Call
from ..flows import Flow
from . import ir
from .coroutines import awaited_target, gives_coroutine
from .explain_model import Info
from .explain_objects import Objects
from .explain_words import DECLARE
from .functions import helper
from .task_words import MAKERS

__all__ = ["Awaits"]


class Awaits(Objects):
    """The part of a walk that knows ``await``."""

    @abstractmethod
    def do_apply(self, i: ir.Apply) -> None:
        """Any call."""

    @abstractmethod
    def do_update(self, i: ir.Update) -> None:
        """A value gets its next version."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        #: The calls whose coroutines have been made, by what is known of these.
        self.made: dict[Info, ir.Apply] = {}
        #: Whether a group of tasks has been made, and not been entered.
        self.grouped = False

    def called(self, i: ir.Apply) -> Any:
        """What is called, if the source says it; else None."""
        if not isinstance(i.callee, ir.Load):
            return None
        try:
            return awaited_target(self.form.resolve_dotted(i.callee.name))
        except KeyError:
            return None

    def do_awaited(self, i: ir.Awaited) -> None:
        callee = self.called(i)
        if i.text == "__anext__":
            says = "each item is asked for in order, when everything before it is done"
            fix = "go over a call that gives a stream: an async generator, declared `@call.unordered` or so"
            self.ordered(i, "async for", says, fix)
        elif i.text == "__aenter__" and self.grouped:
            self.grouped = False
            self.known(i)
        elif isinstance(i.callee, str) and self.info(i.callee).gate:
            if i.text == "__aenter__":
                says = "as many blocks are under way as it lets in; else it holds nothing up"
                self.note("plain", i.lineno, "with", says, "plain", self.words.call(i))
        elif i.text in ("__aenter__", "__aexit__"):
            self.do_apply(i)
        elif callee is None:
            self.unsure(i, self.words.call(i), tuple(self.info(a) for _, a in i.args))
        elif isinstance(callee, (Call, BoundCall, Flow)) or self.is_helper(callee):
            if gives_coroutine(callee):
                self.do_apply(i)
            else:
                self.block(i.apart)
        else:
            says = "awaited in order, when everything before it is done"
            self.ordered(i, i.text, says, DECLARE)

    def is_helper(self, callee: Any) -> bool:
        return isinstance(callee, FunctionType) and helper(callee) is not None

    def known(self, i: ir.Apply) -> None:
        """Of what it gives no more is to be said."""
        if i.target is not None:
            self.names[i.target] = Info(None, False, (f"the type of what {i.text} gives is not known", ""))

    def task(self, i: ir.Made) -> bool:
        """Whether a task is made there, or a group of some."""
        if self.called(i) is asyncio.TaskGroup:
            says = "a group of tasks: what follows its block starts on what it needs of them"
            self.grouped = True
        elif i.text.rpartition(".")[2] in MAKERS and i.args:
            says = "a task: calls in it overlap with what follows; it begins where its maker next waits"
        else:
            return False
        self.note("plain", i.lineno, i.text, says, "plain", self.words.call(i))
        made = self.made.get(self.info(i.args[0][1])) if i.args else None
        if made is not None:
            self.do_apply(replace(made, lineno=i.lineno, target=None))
        self.known(i)
        return True

    def do_made(self, i: ir.Made) -> None:
        if self.task(i):
            return
        if not gives_coroutine(self.called(i)):
            self.do_apply(i)
            return
        text = self.words.call(i)
        says = "a coroutine: the call is where it is awaited"
        self.note("plain", i.lineno, i.text, says, "plain", text, shown=False)
        if i.target is not None:
            self.words.texts[i.target] = text
            info = self.names[i.target] = Info()
            self.made[info] = i

    def do_await(self, i: ir.Await) -> None:
        held = self.info(i.callee)
        made = self.made.get(held)
        if made is not None:
            self.do_apply(replace(made, lineno=i.lineno, target=i.target))
            return
        self.unsure(i, self.words.operand(i.callee), (held,))

    def unsure(self, i: ir.Apply, awaited: str, needs: tuple[Info, ...]) -> None:
        """Only the run will tell what is awaited."""
        text = f"await {awaited}"
        says = "calls, and functions of yours with calls in them, overlap; anything else is awaited in order"
        self.note("checked", i.lineno, i.text or "await", says, "plain", text)
        if i.target is not None:
            self.words.texts[i.target] = text
            origin = (f"the type of what `{text}` gives is not known", "")
            self.names[i.target] = Info(None, True, origin, needs, text)

    def ordered(self, i: ir.Apply, name: str, says: str, remedy: str) -> None:
        """Something is awaited that nobody knows."""
        text = self.words.call(i)
        origin = (f"the type of what {i.text} returns is not known", "")
        inputs = tuple(self.info(a) for _, a in i.args)
        result = Info(None, True, origin, inputs, text, blamed=i)
        self.note(
            "unknown", i.lineno, name, says, "ordered", text, suspect=True, remedy=remedy,
            ordered_by=["everything before it"], result=result, inputs=inputs,
        )  # fmt: skip
        if i.target is not None:
            self.words.texts[i.target] = text
            self.names[i.target] = result

    def do_task(self, i: ir.Task) -> None:
        self.block(i.body)

    def do_tryexcept(self, i: ir.TryExcept) -> None:
        first = i.handlers[0] if i.handlers else None
        if isinstance(first, ir.Match) and isinstance(first.type, ir.Const):
            self.block(i.body)  # of our own making: around what is gathered, or an item of an ``async for``
        else:
            super().do_tryexcept(i)

    def do_collect(self, i: ir.Collect) -> None:
        self.do_update(i)

    def do_never(self, i: ir.Never) -> None:
        self.names[i.target] = Info()
