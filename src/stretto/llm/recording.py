"""Recorded answers in the place of a server, so that tests give the same each time, and need no network.

A recording is a JSON file to be kept beside the tests: which requests were made, and how each was answered.
Requests are told apart by what is sent, without keys and addresses. One that is made several times has
several answers, given in the order in which they were asked for.
"""

from __future__ import annotations

import difflib
import json
import os
import threading
from collections.abc import AsyncGenerator
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from .clients import Way
from .errors import ModelError, NotRecorded, Unavailable

__all__ = ["Replay", "replay", "way_of"]

_VERSION = 1
_lock = threading.Lock()
#: The recordings in force, the innermost last. They hold for the whole process: the calls of a flow run on
#: loops and threads of their own.
_in_force: list[Replay] = []


class Replay:
    """A recording in force, as a context manager.

    Attributes:
        path: its file.
        asked: how many requests were answered from it.
        recorded: how many were made anew, and added to it.
    """

    def __init__(self, path: str | os.PathLike[str], record: bool | Literal["all"] = False) -> None:
        self.path = Path(path)
        self.asked = 0
        self.recorded = 0
        self._record = record
        self._entries: dict[str, dict[str, Any]] = {}
        self._given: dict[str, int] = {}
        self._changed = False

    def __enter__(self) -> Replay:
        self._entries, self._given, self._changed = {}, {}, False
        self.asked = self.recorded = 0
        if self.path.exists() and self._record != "all":
            self._entries = _read(self.path)
        elif not self._record:
            raise NotRecorded(
                f"there is no recording {self.path}. To make it, run this once with record=True and a server"
            )
        with _lock:
            _in_force.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _lock:
            _in_force.remove(self)
        if self._changed:
            self._write()

    def _write(self) -> None:
        entries = [self._entries[key] for key in sorted(self._entries)]
        text = json.dumps({"version": _VERSION, "requests": entries}, indent=1, ensure_ascii=False)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(self.path)

    def turn(self, path: str, body: dict[str, Any]) -> tuple[str, int, Any]:
        """Whose turn it is: the key of a request, how often it was made before, and its recorded answer."""
        key = _key(path, body)
        with _lock:
            at = self._given.get(key, 0)
            self._given[key] = at + 1
            entry = self._entries.get(key)
            answers: list[Any] = [] if entry is None else entry["answers"]
            found = answers[at] if at < len(answers) else None
            if found is not None:
                self.asked += 1
                return key, at, found
        if not self._record:
            raise NotRecorded(self._missing(path, body, at))
        return key, at, None

    def keep(self, key: str, at: int, path: str, body: dict[str, Any], answer: dict[str, Any]) -> None:
        """Add an answer, as it is now: who asked may change what was sent, and what came back."""
        body, answer = json.loads(json.dumps([body, answer]))
        with _lock:
            entry = self._entries.setdefault(key, {"digest": key, "path": path, "body": body, "answers": []})
            answers = entry["answers"]
            answers.extend([None] * (at + 1 - len(answers)))
            answers[at] = answer
            self.recorded += 1
            self._changed = True

    def _missing(self, path: str, body: dict[str, Any], at: int) -> str:
        """What is said of a request that is not recorded."""
        if at:
            told = f"{self.path} has {at} answer(s) to this request, and it is made once more:\n"
            return f"{told}{_short(body)}\nTo add one, run this with record=True and a server."
        told = f"{self.path} has no answer to this request to {path}:\n{_short(body)}\n"
        others = [entry for entry in self._entries.values() if entry["path"] == path]
        lines = _pretty(body)
        best, most = None, 0.0
        for entry in others:
            ratio = difflib.SequenceMatcher(None, _pretty(entry["body"]), lines, autojunk=False).ratio()
            if ratio > most:
                best, most = entry, ratio
        if best is not None:
            changed = difflib.unified_diff(
                _pretty(best["body"]), lines, "recorded", "asked now", n=1, lineterm=""
            )
            told += "The most similar one that is recorded differs in this:\n"
            told += "\n".join(line[:200] for line in list(changed)[:40]) + "\n"
        return told + "To add it, run this with record=True and a server."


class _Recorded:
    """The way that goes through a recording."""

    def __init__(self, replay: Replay, beyond: Way) -> None:
        self._replay = replay
        self._beyond = beyond

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        key, at, found = self._replay.turn(path, body)
        if found is None:
            try:
                raw = await self._beyond.post(path, body)
            except ModelError as error:
                self._failed(key, at, path, body, error)
                raise
            self._replay.keep(key, at, path, body, {"json": raw})
            return raw
        if "error" in found:
            raise _again(found["error"])
        answer: dict[str, Any] = json.loads(json.dumps(found["json"]))  # nobody changes what is recorded
        return answer

    async def events(self, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        key, at, found = self._replay.turn(path, body)
        if found is None:
            events: list[dict[str, Any]] = []
            source = self._beyond.events(path, body)
            try:
                async for event in source:
                    events.append(event)
                    yield event
            except ModelError as error:
                self._failed(key, at, path, body, error)
                raise
            finally:
                await source.aclose()
            self._replay.keep(key, at, path, body, {"events": events})
            return
        if "error" in found:
            raise _again(found["error"])
        for event in json.loads(json.dumps(found["events"])):
            yield event

    def _failed(self, key: str, at: int, path: str, body: dict[str, Any], error: ModelError) -> None:
        """What is passing is not recorded, as nobody wants it back; the request is made again."""
        if isinstance(error, Unavailable):
            with _lock:
                self._replay._given[key] -= 1
            return
        said = {"message": str(error), "status": error.status_code, "body": error.body}
        self._replay.keep(key, at, path, body, {"error": said})


def way_of(beyond: Way) -> Way:
    """The way to a server: through the recording that is in force, if one is."""
    with _lock:
        return _Recorded(_in_force[-1], beyond) if _in_force else beyond


def replay(path: str | os.PathLike[str], *, record: bool | Literal["all"] = False) -> Replay:
    """Answer every request from a recording, in a ``with``.

    Args:
        path: the file.
        record: False: a request that is not recorded fails with `NotRecorded`, and nothing goes out. True:
            it goes to the server, and the answer is added. "all": everything is asked anew.
    """
    return Replay(path, record)


def _again(said: dict[str, Any]) -> ModelError:
    return ModelError(said["message"], status_code=said["status"], body=said["body"])


def _key(path: str, body: dict[str, Any]) -> str:
    text = json.dumps([path, body], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _pretty(body: dict[str, Any]) -> list[str]:
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def _short(body: dict[str, Any]) -> str:
    lines = _pretty(body)
    shown = lines if len(lines) <= 30 else [*lines[:15], " ...", *lines[-14:]]
    return "\n".join(line[:200] for line in shown)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["version"] != _VERSION:
            raise NotRecorded(f"{path} is a recording of version {found['version']}; this is {_VERSION}")
        return {entry["digest"]: entry for entry in found["requests"]}
    except (ValueError, KeyError, TypeError) as error:
        raise NotRecorded(f"{path} is no recording: {type(error).__name__}: {error}") from None
