"""What can run together with what, and what cannot and why, in steps.

An operation stands in the first step before which everything that it waits for can have ended. A step is a
way of reading, no barrier: an operation starts as soon as what it waits for itself is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..effects import Kind
from .explain_model import Info, Operation, Span, cover

__all__ = ["Item", "outline", "steps"]


@dataclass(slots=True, eq=False)
class Item:
    """An operation, and what it waits for.

    Attributes:
        step: counts from 1.
        turns: of the innermost loop around it: "together", "one by one", or empty where there is none.
        loop: the line of that loop.
        after: the operations that it waits for, the nearest ones.
        why: how it waits for them: "result", "write", "order" or empty.
    """

    operation: Operation
    step: int = 1
    turns: str = ""
    loop: int = 0
    after: list[Item] = field(default_factory=list["Item"])
    why: str = ""

    @property
    def name(self) -> str:
        return self.operation.name if self.operation.call is not None else self.operation.text

    def as_json(self) -> dict[str, Any]:
        o = self.operation
        return {
            "step": self.step, "name": o.name, "text": o.text, "file": o.file, "line": o.line,
            "turns": self.turns or None, "loop": self.loop or None, "why": self.why or None,
            "after": [{"name": i.name, "line": i.operation.line} for i in self.after],
        }  # fmt: skip


def steps(operations: list[Operation], earlier: list[Operation]) -> list[Item]:
    """The calls of a flow, and what else stops the overlap, with the step of each.

    Args:
        operations: all that was found, in program order.
        earlier: what was found in the turn before, of every loop.
    """
    items = [Item(o) for o in operations if o.call is not None or o.stops_overlap]
    makers: dict[int, Item] = {id(i.operation.result): i for i in items if i.operation.result is not None}
    same = {_identity(i.operation): i for i in items}
    for o in earlier:
        item = same.get(_identity(o))
        if item is not None and o.result is not None:
            makers.setdefault(id(o.result), item)
    chained: set[Item] = set()
    last: Item | None = None  # what everything after it waits for
    for at, item in enumerate(items):
        o = item.operation
        needs = list(dict.fromkeys(_makers_of(o, makers)))
        before = set(items[:at])
        if any(need is item or need not in before for need in needs):
            chained.add(item)
        needs = [need for need in needs if need in before]
        writes = [] if _in_order(o) else [i for i in items[:at] if _holds_back(i.operation, o)]
        if _in_order(o) and at:
            latest = max(i.step for i in items[:at])
            item.after, item.why = [i for i in items[:at] if i.step == latest], "order"
            item.step = latest + 1
        else:
            _wait(item, needs, "result")
            _wait(item, writes, "write")
        if last is not None and last.step >= item.step:
            item.after, item.why, item.step = [last], "order", last.step + 1
        if o.call is None and (last is None or item.step >= last.step):
            last = item
    for item in items:
        _loop(item, items, chained)
    return sorted(items, key=lambda item: item.step)


def _identity(o: Operation) -> tuple[str, int, str, str]:
    return (o.file, o.line, o.name, o.text)


def _in_order(o: Operation) -> bool:
    return not o.overlaps


def _wait(item: Item, others: list[Item], why: str) -> None:
    latest = max((i.step for i in others), default=0)
    if latest >= item.step:
        item.after, item.why, item.step = [i for i in others if i.step == latest], why, latest + 1


def _makers_of(o: Operation, makers: dict[int, Item]) -> Iterator[Item]:
    """The operations without whose results this one cannot be made."""
    stack: list[Info] = list(o.inputs)
    seen: set[int] = set()
    while stack:
        info = stack.pop()
        if id(info) in seen:
            continue
        seen.add(id(info))
        maker = makers.get(id(info))
        if maker is not None:
            yield maker
        else:
            stack += (*info.needs, *info.within)


def _holds_back(writer: Operation, reader: Operation) -> bool:
    """Whether one may write what the other reads."""
    if reader.call is None or not reader.call.effects.reads:
        return False
    if writer.call is None:
        return True
    effects = writer.call.effects
    if effects.kind is Kind.PLAIN:
        return True
    written = (*effects.writes, *effects.commutes)
    return any(cover(w.root, r.root) for w in written for r in reader.call.effects.reads)


def _loop(item: Item, items: list[Item], chained: set[Item]) -> None:
    """Say how the turns of the innermost loop around an operation go."""
    loops = item.operation.loops
    if not loops:
        return
    loop = loops[-1]
    item.loop = loop.line
    inside = [i for i in items if loop in i.operation.loops]
    held = any(
        _in_order(i.operation) and (i is item or _holds_back(i.operation, item.operation)) for i in inside
    )
    stopped = any(i.operation.call is None for i in inside)
    item.turns = "one by one" if held or stopped or item in chained or _decides(loop) else "together"


def _decides(loop: Span) -> bool:
    """Whether a turn begins only when the one before has decided that it does."""
    return bool(loop.deciders)


_WHY = {"result": "result of", "write": "write by", "order": "all before:"}


def outline(items: list[Item]) -> list[str]:
    """The steps for people to read; none where there is nothing that could overlap."""
    if len(items) < 2:
        return []
    names = [_call(item) for item in items]
    room = min(max(map(len, names)), 36)
    out = ["What can run together (each starts as soon as what it waits for is there):"]
    step = 0
    for item, name in zip(items, names, strict=True):
        number = f"{item.step}" if item.step != step else ""
        step = item.step
        out.append(f"{number:>4}  {_short(name, room):<{room}}  {_says(item)}".rstrip())
    return [*out, ""]


def _call(item: Item) -> str:
    return f"{item.name} :{item.operation.line}"


def _short(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _says(item: Item) -> str:
    parts: list[str] = []
    if item.turns == "together":
        parts.append(f"all turns of line {item.loop}")
    elif item.turns:
        parts.append(f"turn by turn of line {item.loop}")
    names = list(dict.fromkeys(_call(other) for other in item.after))
    if names:
        shown = ", ".join(names[:2]) + (", ..." if len(names) > 2 else "")
        parts.append(f"{_WHY[item.why]} {shown}")
    elif not item.operation.overlaps:
        parts.append("in order")
    return "; ".join(parts)
