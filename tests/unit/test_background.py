"""The loops that Stretto makes for itself."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys

import pytest

from stretto.drivers import background

if sys.platform != "linux":
    pytest.skip("they are the system's own elsewhere", allow_module_level=True)


@pytest.mark.parametrize(
    "most", [0, 1024]
)  # with none, a file descriptor is always one too many for `select`
def test_a_wait_ends_with_what_there_is_to_read_or_with_its_time(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_FD_SETSIZE", most)
    reads, writes = os.pipe()
    with background.Punctual() as selector:
        selector.register(reads, selectors.EVENT_READ)
        for timeout in (-1, 0, 0.0003, 0.002):
            assert selector.select(timeout) == []
        os.write(writes, b"x")
        for wait in (None, 0, 0.5, 60):
            [(key, events)] = selector.select(wait)
            assert (key.fd, events) == (reads, selectors.EVENT_READ)
    os.close(reads)
    os.close(writes)


def test_a_loop_that_the_program_has_chosen_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Chosen(asyncio.SelectorEventLoop):
        pass

    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setattr(asyncio, "new_event_loop", Chosen)
    loop = background.new_loop()
    assert type(loop) is Chosen
    loop.close()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = background.new_loop()
    assert loop.run_until_complete(asyncio.sleep(0.0005, "there")) == "there"
    loop.close()
