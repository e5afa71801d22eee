"""What is known of tasks in a region that is left behind: which steps make them, and which run them.

What a task may write is counted where it is made. So running the tasks of the region itself adds nothing;
that it may run those that were made before it is said by a mark among its paths (`RUNS_TASKS`).
"""

from __future__ import annotations

import asyncio
from types import MethodType
from typing import Any, Final

from ..drivers.tasks import Group, Task

__all__ = ["CANCELS", "COMPLETES", "ENTERS", "GROUP", "LOOKS", "MAKES", "RUNS", "tasks_role"]

#: What a call has to do with tasks.
GROUP, ENTERS, MAKES, COMPLETES = "group", "enters", "makes", "completes"
RUNS, LOOKS, CANCELS = "runs", "looks", "cancels"

_ROLES: Final[dict[Any, str]] = {
    asyncio.TaskGroup: GROUP,
    asyncio.create_task: MAKES,
    asyncio.ensure_future: MAKES,
    asyncio.as_completed: COMPLETES,
    Group.create_task: MAKES,
    Group.__aenter__: ENTERS,
    Group.__aexit__: RUNS,
    Task.result: LOOKS,
    Task.exception: LOOKS,
    Task.done: LOOKS,
    Task.cancelled: LOOKS,
    Task.cancel: CANCELS,
}


def tasks_role(callee: Any) -> str:
    """What a function, method or class has to do with tasks; empty if nothing."""
    if type(callee) is MethodType:
        if type(callee.__self__) not in (Group, Task):
            return ""
        callee = callee.__func__
    try:
        return _ROLES.get(callee, "")
    except TypeError:
        return ""
