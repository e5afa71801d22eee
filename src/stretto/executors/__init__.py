"""Where a call runs that says so: in a process of its own, on other machines, or in a thread.

To the drivers such a call is an async one: what they call is made here, waits for the call's end, and stops
the call where it is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..amounts import is_amount
from ..errors import DeclarationError
from .needs import Needs, bytes_of

if TYPE_CHECKING:
    from ..calls import Call

__all__ = ["EXECUTORS", "option_ok", "place"]

EXECUTORS = ("thread", "process", "ray")


def option_ok(name: str, value: object) -> bool:
    """Whether one of the options that are about where a call runs says something that can be."""
    if value is None:
        return True
    if name == "on":
        return value in EXECUTORS
    if name == "memory":
        return bytes_of(value) is not None
    return is_amount(value) and value > 0


def place(call: Call[..., Any], options: Mapping[str, Any], where: str) -> Callable[..., Any] | None:
    """What makes a call where it says; None if that is where it would run anyway."""
    on = options.get("on")
    taken = [name for name in ("cpus", "gpus", "memory") if options.get(name) is not None]
    if taken and on not in ("process", "ray"):
        raise DeclarationError(
            f"{where}: {call.name} says {taken[0]}=, which is counted for calls in processes. "
            "Add on='process' or on='ray', or leave it out"
        )
    if on is None:
        return None
    if call.streams:
        raise DeclarationError(
            f"{where}: {call.name} gives a stream, and on={on!r} is for calls that return a value. "
            "Leave on= out, or return a list"
        )
    needs = Needs.read(options)
    if on == "process" and needs.gpus != int(needs.gpus):
        raise DeclarationError(
            f"{where}: {call.name} says gpus={needs.gpus:g}, and a process is given whole ones. "
            "Say gpus=1; parts of one are counted with on='ray'"
        )
    if on == "thread":
        return _threaded(call) if call.awaited else None

    async def make(*args: Any, **kwargs: Any) -> Any:
        from .running import run  # late, as it brings asyncio with it

        return await run(call, needs, args, kwargs)

    return make


def _threaded(call: Call[..., Any]) -> Callable[..., Any]:
    async def make(*args: Any, **kwargs: Any) -> Any:
        from .threads import run  # late, as above

        return await run(call, args, kwargs)

    return make
