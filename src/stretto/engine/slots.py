"""Slots: results still to come. They live in names, never inside the user's own objects."""

from __future__ import annotations

from typing import Any, Protocol

from ..marks import Mark

__all__ = ["PENDING", "UNBOUND", "Advanced", "Gen", "Output", "Slot", "Waiter"]


#: The value of a slot whose result has not come.
PENDING: Any = Mark("<pending>")
#: The value of a name that is not bound.
UNBOUND: Any = Mark("<unbound>")


class Waiter(Protocol):
    """What can wait for a slot or a token: it is told once, when that is there."""

    def wake(self, engine: Any) -> None: ...


class Slot:
    """A result still to come.

    Attributes:
        value: the result, or `PENDING`.
        type: what is known of its type before it comes.
        waiters: who is told when it comes; one is not put into a list, as most slots have just one.
        open: it may turn out to be a container that is a value, or no binding at all.
    """

    __slots__ = ("open", "type", "value", "waiters", "why")

    #: What let it come, where that is recorded (see `stretto.engine.causes`).
    why: Any

    #: What it calls, and with what, where it stands for a coroutine.
    coroutine: tuple[Any, list[Any], dict[str, Any]] | None = None

    def __init__(self, type: Any = None, open: bool = False) -> None:
        self.value: Any = PENDING
        self.type = type
        self.waiters: Waiter | list[Waiter] | None = None
        self.open = open

    def __repr__(self) -> str:
        return f"<slot {self.value!r}>"

    def wait(self, waiter: Waiter) -> None:
        waiters = self.waiters
        if waiters is None:
            self.waiters = waiter
        elif isinstance(waiters, list):
            waiters.append(waiter)
        else:
            self.waiters = [waiters, waiter]


class Output(Slot):
    """What a name is bound to after a region that has been left behind."""

    __slots__ = ("name", "source", "unsure")

    def __init__(self, name: str = "", type: Any = None, unsure: bool = False, open: bool = True) -> None:
        self.value = PENDING
        self.type = type
        self.waiters = None
        self.open = open
        self.source: Slot | None = None
        self.name = name
        #: Whether the name may turn out not to be bound.
        self.unsure = unsure

    def wake(self, engine: Any) -> None:
        """The slot that this one stands for has its result."""
        assert self.source is not None
        source, self.source = self.source, None
        engine.resolve(self, source.value)


class Advanced(Output):
    """What a name is bound to that holds a generator, after a region that may go on with it."""

    __slots__ = ()


class Gen:
    """What lives in a name that holds a generator (see `stretto.engine.generators`): one of the function
    `form`, given parameters of the types `kinds`; `blocks` are its part of a stack. It `closes` something
    if code of the user's may run when it is closed."""

    __slots__ = ("blocks", "closes", "form", "kinds")

    blocks: list[Any]
    closes: bool
    form: Any
    kinds: tuple[Any, ...]
