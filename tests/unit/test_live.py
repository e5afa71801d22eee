"""What `stretto run` shows on a terminal while a run goes on."""

from __future__ import annotations

import io

from rich.console import Console

from stretto.cli.live import picture
from stretto.observe import events
from stretto.observe.doing import Doing


def shown(doing: Doing, now: int, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    with console.capture() as captured:
        console.print(picture(doing, now, width))
    return [line.rstrip() for line in captured.get().splitlines()]


def issued(place: str, call: str) -> events.Issued:
    return events.Issued("r", 0, place, f"module:{call}", "digest.py", 1, "unordered")


def test_what_is_going_on() -> None:
    doing = Doing()
    for event in (
        events.RunBegan("r", 1_000_000, "module:digest"),
        issued("for/0/ask", "ask"),
        issued("for/1/ask", "ask"),
        issued("send", "Mail.send"),
        issued("hostile\x1b[31m", "ask"),
        events.Waiting("r", 0, "send", "data"),
        events.Waiting("r", 0, "for/1/ask", "limit"),
        events.Started("r", 1_500_000, "for/0/ask", 1, "start"),
        events.Started("r", 1_500_000, "hostile\x1b[31m", 1, "start"),
        events.Attempted("r", 1_600_000, "for/0/ask", 1, "ConnectionError"),
    ):
        doing(event)
    assert shown(doing, 3_500_000) == [
        "digest  2.5 s  0 done · 2 running · 2 waiting",
        "  waiting: 1 for results · 1 for limits",
        "  ask  for/0/ask     2.0 s  attempt 1 failed: ConnectionError",
        "  ask  hostile\ufffd[31m  2.0 s",
    ]
    doing(events.Started("r", 2_000_000, "for/0/ask", 2, "start"))
    doing(events.Finished("r", 3_000_000, "hostile\x1b[31m", False, "small", 1000, 34, 0.25))
    doing(events.Failed("r", 3_000_000, "for/1/ask", "ValueError"))
    doing(events.Cancelled("r", 3_000_000, "send"))
    assert shown(doing, 3_500_000, width=100) == [
        "digest  2.5 s  2 done · 1 running · 0 waiting · 1 failed · 1,034 tokens · $0.2500",
        "  ask  for/0/ask  1.5 s  attempt 2",
    ]
    doing(events.RunBegan("r", 4_000_000, "module:digest"))
    assert shown(doing, 4_000_000) == ["digest  0 µs  0 done · 0 running · 0 waiting"]


def test_more_than_there_is_room_for() -> None:
    doing = Doing("module:digest", 0)
    for i in range(1000):
        doing(issued(f"for/{i}/{'ask' * 30}", "ask"))
        doing(events.Started("r", 0, f"for/{i}/{'ask' * 30}", 1, "start"))
    lines = shown(doing, 1_000_000, width=40)
    assert len(lines) == 10 and lines[-1] == "  and 992 more"
    assert max(map(len, lines)) <= 40
