"""A program with secrets, what stops it, and what looks for them in its journal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import stretto
from stretto import Flow, call, flow
from stretto.journal.codecs import digest, encode
from stretto.journal.configured import shared
from stretto.journal.frames import values_of
from tests.waiting import PATIENCE, until

#: What must not be found. All digits, as text and as a number: a low-entropy secret is one, too.
PIN = 8_214_367
SECRET = "hunter2-correct-horse"
TOKEN = "tok-5f1e6ab0c4"

made: list[str] = []


class World:
    """What stops the calls below."""

    hold = False
    edited = False
    other = 0


@call.reads("vault", secret=True)
async def login(user: str, password: str) -> dict[str, str]:
    made.append("login")
    return {"user": user, "token": TOKEN * 10}


@call.writes("account", secret=["token", "pin"])
async def transfer(to: str, token: str, *, pin: int) -> str:
    made.append("transfer")
    return f"sent to {to}"


@call.writes("account", secret="return")
def issue(name: str) -> str:
    made.append("issue")
    return f"{TOKEN} for {name}"


@call.writes("account", secret="pin")
async def refuse(pin: int) -> None:
    made.append("refuse")
    raise PermissionError(f"wrong pin {pin}", SECRET)


async def meet(what: str) -> str:
    """A place at which runs are stopped."""
    made.append(f"wait {what}")
    while World.hold:
        await asyncio.sleep(0.001)
    return what


@call.unordered
async def wait(what: str) -> str:
    return await meet(what)


@flow(secret=["password", "pins"])
def pays(to: str, password: str, *pins: int) -> str:
    session = login("ann", password)
    said = transfer(to, session["token"], pin=pins[0])
    key = issue("ann")
    wait(f"{said} {len(key)}")
    return f"{said}, {len(session['token'])}"


def stopped(program: Flow[Any, Any], *args: object) -> str:
    """Run until it waits, and stop there; the run's identifier."""
    World.hold = True
    made.clear()
    run = program.start(*args)
    until(lambda: any(m.startswith("wait") for m in made), lambda: made)
    run.interrupt()
    World.hold = False
    made.clear()
    shared(program.journal or "").flush()
    return run.id


def resumed(program: Flow[Any, Any], run: str) -> Any:
    return stretto.resume(run, journal=program.journal).result(PATIENCE)


def all_bytes(journal: str) -> bytes:
    """Everything that the journal holds: its files as they are, the WAL included, and, since batches are
    deflated, what is in the events and the values that are kept apart."""
    opened = shared(journal)
    opened.flush()
    files = [Path(journal), Path(journal + "-wal"), Path(journal + "-shm")]
    assert files[1].stat().st_size
    found = [file.read_bytes() for file in files]
    for record in opened.runs():
        found += [repr(event).encode() for _, event in opened.events(record.id)]
        found += [opened.get_blob(name) for name in opened.blobs(record.id)]
        for _, event in opened.events(record.id):
            found += [value for _, value in values_of(event) if isinstance(value, bytes)]
    return b"\n".join(found)


def forms(secret: str | int) -> list[bytes]:
    """What a secret may look like: as text, as a recorded number, and as a digest that can be guessed at."""
    plain = [encode(secret).data[1:], str(secret).encode()]
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((secret,), {}),
        (("ann", secret), {}),
        (("bob", TOKEN * 10), {"pin": secret}),
    ]
    return [*plain, *(digest(args, kwargs).value for args, kwargs in calls)]
