"""Journals for the tests of the command line, filled by hand."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from stretto.cli import main
from stretto.journal import Journal
from stretto.journal.codecs import encode, encode_call
from stretto.journal.events import (
    CallFinished,
    CallIntended,
    Event,
    RunEnded,
    RunStarted,
    RunState,
    now,
)
from stretto.journal.leases import this_process

HOUR = 3_600_000_000
DAY = 24 * HOUR


def stretto(command: str) -> int:
    return main(shlex.split(command))


def data(value: object) -> bytes:
    return encode(value).data


def done(place: str, result: object = "ok", *, attempt: int = 1, waited_for: str = "") -> CallFinished:
    return CallFinished(
        place, f"m:{name_of(place)}", b"d", attempt, data(result), None, 0, 2_000, 302_000, waited_for
    )


def failed(place: str, error: BaseException) -> CallFinished:
    return CallFinished(place, f"m:{name_of(place)}", b"d", 1, None, data(error), 0, 0, 5_000)


def intended(place: str, *args: object, **kwargs: object) -> CallIntended:
    arguments, digest = encode_call(args, kwargs)
    return CallIntended(place, f"m:{name_of(place)}", digest.value, arguments.data, "key", 1, now())


def name_of(place: str) -> str:
    return re.split(r"[#:]", place.rpartition("/")[2])[0]


def ended(
    state: RunState = RunState.SUCCEEDED, result: object = None, *, time: int | None = None
) -> RunEnded:
    value = data(result) if state is RunState.SUCCEEDED else None
    return RunEnded(state, value, None, now() if time is None else time)


def fill(
    journal: Journal,
    run: str,
    events: Sequence[Event] = (),
    *,
    flow: str = "report:digest",
    age: int = 0,
    owner: str | None = None,
    release: bool = True,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
) -> None:
    arguments = encode_call(args, kwargs or {})[0].data
    lease = journal.start(RunStarted(run, flow, "source", arguments, owner or this_process(), now() - age))
    journal.append(lease, events)
    journal.flush()
    if release:
        journal.release(lease)


def dead() -> str:
    """An owner of this machine that is gone."""
    _, _, rest = this_process().partition("/")
    return f"999999999/{rest}"


def listed(capsys: pytest.CaptureFixture[str], options: str = "") -> list[Any]:
    assert stretto(f"ls --json {options}") == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, list)
    return found


def shown(capsys: pytest.CaptureFixture[str], run: str, options: str = "") -> dict[str, Any]:
    assert stretto(f"show {run} --json {options}") == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def places(capsys: pytest.CaptureFixture[str], run: str) -> list[str]:
    return [call["place"] for call in shown(capsys, run)["calls"]]


def copied(journal: Journal, run: str, name: str, change: Callable[[Event], Event]) -> None:
    """A run once more under another name, with its events changed, as by one who can write to the file."""
    events = [change(event) for _, event in journal.events(run)]
    assert isinstance(events[0], RunStarted)
    journal.restore(name, [replace(events[0], run=name), *events[1:]], [])
