"""The same for every executor: values, exceptions, timeouts, cancellation, limits, journals."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import traceback
from pathlib import Path
from typing import Any

import numpy
import pytest

import stretto
from stretto import call, errors, flow
from stretto.testing import VirtualClock
from tests.executors import work
from tests.executors.work import elsewhere
from tests.waiting import until


def stopped(file: str) -> bool:
    """Whether nobody writes to a file any more."""
    size = _size(file)
    time.sleep(0.1)
    return _size(file) == size


def _size(file: str) -> int:
    return Path(file).stat().st_size if Path(file).exists() else 0


def test_values(on: str) -> None:
    add, later = elsewhere(work.add, on), elsewhere(work.add_later, on)

    @flow
    def sums(n: int) -> list[int]:
        return [add(i) + later(i, b=3) for i in range(n)]

    assert sums(4) == sums.sequential(4) == [5, 7, 9, 11]
    assert add(1, b=1) == 2  # outside of a flow, too


def test_from_async_code(on: str) -> None:
    async def sums() -> list[int]:
        return [await elsewhere(work.add, on).aio(1), await elsewhere(work.add_later, on)(2)]

    assert asyncio.run(sums()) == [3, 4]


@pytest.mark.parametrize("fail", [work.fail, work.fail_later])
def test_exceptions(on: str, fail: Any) -> None:
    failing = elsewhere(fail, on)

    @flow
    def caught(kind: str) -> BaseException:
        try:
            failing(kind)
        except BaseException as error:
            return error
        raise AssertionError

    odd = caught("odd")
    assert type(odd) is work.Odd and odd.args == ("odd 7",) and (odd.code, odd.hint) == (7, "a hint")
    error = caught("cause")
    assert type(error) is KeyError and error.args == ("k",)
    assert type(error.__cause__) is ValueError and error.__suppress_context__
    assert error.__context__ is error.__cause__
    text = "".join(traceback.format_exception(error))
    assert (
        "return int(text)" in text and 'raise KeyError("k") from error' in text
    )  # where it was, line by line
    assert caught("noted").__notes__ == ["a note"]
    group: Any = caught("group")
    assert type(group) is ExceptionGroup and group.message == "two"
    assert [type(e) for e in group.exceptions] == [ValueError, work.Odd] and group.exceptions[1].code == 8
    assert type(caught("exit")) is SystemExit


def test_what_cannot_come_back(apart: str) -> None:
    with pytest.raises(errors.NotSendable, match=r"work\.py:\d+: lock has returned a lock"):
        elsewhere(work.lock, apart)()
    with pytest.raises(errors.NotSendable, match=r"fail has raised .*Unpicklable: it holds a lock") as info:
        elsewhere(work.fail, apart)("lock")
    assert "raise Unpicklable" in "".join(traceback.format_exception(info.value))
    with pytest.raises(errors.NotSendable, match="add is given an argument b, a lock,"):
        elsewhere(work.add, apart)(1, work.lock())


def test_large_arrays(on: str) -> None:
    given = numpy.arange(300_000)
    if on == "ray":  # what lies in its store cannot be written to
        result = elsewhere(numpy.multiply, on)(given, 2)
    else:
        result = elsewhere(work.double, on)(given if on == "process" else given.copy())
    assert (result == numpy.arange(300_000) * 2).all()
    assert given[-1] == 299_999
    result[0] = 1  # and it can be changed, like any result


@pytest.mark.parametrize("beat", [work.beat, work.beat_later])
def test_a_late_call_is_killed(apart: str, beat: Any, file: str) -> None:
    late = elsewhere(beat, apart, timeout=0.5)
    with pytest.raises(TimeoutError, match=r"beat\w* took longer than its timeout of 0.5 s"):
        late(file)
    assert stopped(file)


def test_starting_is_no_part_of_the_timeout(on: str) -> None:
    assert elsewhere(work.add, on, timeout=30)(1) == 3


def test_squashed_work_is_killed(apart: str, file: str) -> None:
    beat = elsewhere(work.beat, apart)

    @call.unordered
    def first() -> None:
        until(lambda: Path(file).exists())
        raise ValueError("first")

    @flow
    def failing() -> int:
        first()
        return beat(file)

    with pytest.raises(ValueError, match="first"):
        failing()
    assert stopped(file)


def test_a_dead_process_harms_its_own_call_alone(apart: str) -> None:
    die, add = elsewhere(work.die, apart), elsewhere(work.add, apart)

    @flow
    def deaths() -> list[Any]:
        sums = [add(1)]
        try:
            die()
        except errors.WorkerDied as error:
            sums.append(str(error))
        return [*sums, add(2)]

    before, said, after = deaths()
    assert (before, after) == (3, 4)
    assert "work.py:" in said and ": die: " in said and "retries=" in said


def test_retries_make_a_dead_call_again(apart: str, file: str) -> None:
    assert elsewhere(work.die, apart, retries=1)(once=file) == "alive"


def test_limits(on: str, tmp_path: Path) -> None:
    alone = elsewhere(work.alone, on, limit=1)

    @flow
    def most(folder: str) -> int:
        return max([alone(folder) for _ in range(4)])

    assert most(str(tmp_path)) == 1


key = add = fail = call(work.key)


@call.writes("desk", idempotent=True)
def stop(file: str) -> None:
    if not Path(file).exists():
        raise KeyboardInterrupt


@flow
def kept(file: str) -> list[Any]:
    found: list[Any] = [key(), key(), add(40)]
    try:
        fail("noted")
    except ValueError as error:
        found.append(str(error))
    stop(file)
    return found


def test_journals(on: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded like any call: its key, its failure, and what it keeps secret not."""
    here = globals()
    monkeypatch.setitem(here, "key", call.writes("desk", on=on)(work.key))
    monkeypatch.setitem(here, "add", elsewhere(work.add, on, secret="a"))
    monkeypatch.setitem(here, "fail", elsewhere(work.fail, on))
    journal = str(tmp_path / "runs.db")
    run = kept.using(journal=journal).start(file)
    with pytest.raises(KeyboardInterrupt):
        run.result()
    Path(file).touch()
    for name in ("key", "add", "fail"):  # they are answered from the journal, and not made again
        monkeypatch.setattr(here[name], "make", None)
    first, second, total, said = stretto.resume(run.id, journal=journal).result()
    assert first != second and len(first) > 10
    assert (total, said) == (42, "v")


@flow
def killed(file: str) -> Any:
    try:
        return fail(once=file)
    except errors.WorkerDied:
        return "caught"


def test_a_write_whose_process_died_is_in_doubt(
    apart: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it can be settled; else it is an exception like any other."""
    monkeypatch.setitem(globals(), "fail", call.writes("desk", on=apart)(work.die))
    assert killed(file) == "caught"
    Path(file).unlink()
    journal = str(tmp_path / "runs.db")
    run = killed.using(journal=journal).start(file)
    with pytest.raises(errors.InDoubt, match="nothing tells whether it happened"):
        run.result()
    Path(file).unlink()
    monkeypatch.setitem(globals(), "fail", call.writes("desk", on=apart, idempotent=True)(work.die))
    assert stretto.resume(run.id, journal=journal).result() == "caught"


def test_under_a_virtual_clock_nothing_leaves_this_process(on: str) -> None:
    process, later = elsewhere(work.process, on), elsewhere(work.add_later, on)

    @flow
    def found() -> tuple[int, int]:
        return process(), later(1)

    with VirtualClock(seed=3, validate=True):
        assert found() == (os.getpid(), 3)
        assert process() == os.getpid()


def test_crashes_tell_the_signal() -> None:
    die = elsewhere(work.die, "process")
    with pytest.raises(errors.WorkerDied, match="died of SIGSEGV.*C code"):
        die(signal.SIGSEGV)
    with pytest.raises(errors.WorkerDied, match=r"killed \(SIGKILL\)"):
        die(signal.SIGKILL)
    with pytest.raises(errors.WorkerDied, match="exit code 3"):
        elsewhere(work.leave, "process")()


def test_async_calls_in_a_thread_of_their_own(file: str) -> None:
    late = elsewhere(work.beat_later, "thread", timeout=0.2)
    with pytest.raises(TimeoutError):
        late(file)
    assert stopped(file)


def test_a_hedged_call_leaves_one_answer() -> None:
    add = elsewhere(work.add, "process", hedge=0.9)

    @flow
    def sums() -> int:
        return sum([add(i) for i in range(20)])

    assert sums() == sum(range(20)) + 40
