"""A run as one file, to be kept, sent, or taken into another journal.

The file is a zip archive of

- ``events.jsonl``: one event a line, as a JSON object of its fields, with ``event`` for its class. Bytes
  are ``{"base64": ...}``; a value that is stored apart is ``{"blob": <SHA-256 in hex>, "size": <bytes>}``.
- ``blobs/<SHA-256 in hex>``: each of those values.
- ``run.json``, last: ``format`` ("stretto run"), ``version`` (of this format: 3, since there are calls
  under way among the events), ``run``, ``events`` (how many), ``sha256`` (of events.jsonl), ``blobs``
  (how many).

Two exports of one run are equal, byte for byte. An import checks all of it before it writes anything.
"""

from __future__ import annotations

import base64
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias, cast, get_type_hints

from ..errors import TransferError
from .contract import Journal
from .events import (
    BlobRef,
    CallFinished,
    CallIntended,
    CallSettled,
    CallStarted,
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    StreamReceived,
    fields_of,
)

__all__ = ["export_run", "import_run"]

FORMAT, VERSION = "stretto run", 3

EVENTS, BLOBS, MANIFEST = "events.jsonl", "blobs/", "run.json"

_CLASSES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        RunStarted,
        RunResumed,
        CallIntended,
        CallStarted,
        CallFinished,
        StreamReceived,
        CallSettled,
        RunEnded,
    )
}
_HINTS = {cls: get_type_hints(cls) for cls in _CLASSES.values()}

Json: TypeAlias = "dict[str, Any]"


# -- out ----------------------------------------------------------------------------------------------


def export_run(journal: Journal, run: str, path: str | Path) -> int:
    """Write a run to a file, which is there whole or not at all. How many events it has."""
    path = Path(path)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            count = _write(journal, run, archive)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write(journal: Journal, run: str, archive: zipfile.ZipFile) -> int:
    digest = sha256()
    count = 0
    with archive.open(_entry(EVENTS), "w", force_zip64=True) as file:
        for _, event in journal.events(run):
            line = json.dumps(_to_json(event), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
    blobs = journal.blobs(run)
    for blob in blobs:
        archive.writestr(_entry(BLOBS + blob.hex()), journal.get_blob(blob))
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "run": run,
        "events": count,
        "sha256": digest.hexdigest(),
        "blobs": len(blobs),
    }
    archive.writestr(_entry(MANIFEST), json.dumps(manifest, indent=1, ensure_ascii=False))
    return count


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # with the same date always
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _to_json(event: Event) -> Json:
    found: Json = {"event": type(event).__name__}
    for name in fields_of(type(event)):
        value: Any = getattr(event, name)
        if isinstance(value, bytes):
            value = {"base64": base64.b64encode(value).decode()}
        elif isinstance(value, BlobRef):
            value = {"blob": value.digest.hex(), "size": value.size}
        found[name] = value
    return found


# -- in -----------------------------------------------------------------------------------------------


def import_run(journal: Journal, path: str | Path) -> str:
    """Take the run of a file into a journal; its identifier.

    Raises `TransferError` for a file that is no export, is damaged or is of a newer format, and
    `RunExists` if the journal has that run already. The journal is unchanged then.
    """
    source = _Export(Path(path))
    source.check()
    journal.restore(source.run, _Again(source.events), _Again(source.blobs))
    return source.run


class _Again:
    """What can be gone through again: each time from the beginning."""

    def __init__(self, begin: Any) -> None:
        self._begin = begin

    def __iter__(self) -> Iterator[Any]:
        return iter(self._begin())


class _Export:
    def __init__(self, path: Path) -> None:
        self._path = path
        manifest = self._manifest()
        if manifest.get("format") != FORMAT:
            raise self._wrong("it is no export of a run")
        version = manifest.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise TransferError(
                f"{path}: its format has version {version}, and this Stretto knows versions up to {VERSION}; "
                "import it with the Stretto that exported it, or a newer one"
            )
        self._said = manifest
        self.run = str(manifest.get("run"))

    def _manifest(self) -> Json:
        try:
            with zipfile.ZipFile(self._path) as archive:
                found: Any = json.loads(archive.read(MANIFEST))
        except OSError as error:
            raise TransferError(f"{self._path}: cannot be read: {error}") from None
        except _DAMAGE as error:
            raise self._wrong(f"it is no export of a run, or cut short ({error})") from None
        return cast("Json", found) if isinstance(found, dict) else {}

    def check(self) -> None:
        """Go through all of it once. Raises `TransferError`."""
        digest = sha256()
        count = 0
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(EVENTS) as file:
                for line in file:
                    digest.update(line)
                    count += 1
            blobs = sum(1 for _ in self.blobs())
        except (*_DAMAGE, OSError) as error:
            raise self._wrong(f"{type(error).__name__}: {error}") from None
        if (count, digest.hexdigest()) != (self._said.get("events"), self._said.get("sha256")):
            raise self._wrong(f"{EVENTS} is not what was exported")
        if blobs != self._said.get("blobs"):
            raise self._wrong(f"it should hold {self._said.get('blobs')} values apart, and holds {blobs}")
        for _ in self.events():
            pass

    def events(self) -> Iterator[Event]:
        with zipfile.ZipFile(self._path) as archive, archive.open(EVENTS) as file:
            for number, line in enumerate(file, 1):
                try:
                    yield _from_json(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise self._wrong(f"event {number} is none ({error!r})") from None

    def blobs(self) -> Iterator[tuple[bytes, bytes]]:
        with zipfile.ZipFile(self._path) as archive:
            for name in archive.namelist():
                if name.startswith(BLOBS):
                    data = archive.read(name)
                    if sha256(data).hexdigest() != name.removeprefix(BLOBS):
                        raise self._wrong(f"{name} is not what was exported")
                    yield sha256(data).digest(), data

    def _wrong(self, what: str) -> TransferError:
        return TransferError(f"{self._path}: {what}; export the run again")


_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError, RuntimeError)


def _from_json(found: Json) -> Event:
    cls = _CLASSES[found.pop("event")]
    values: Json = {}
    for name, hint in _HINTS[cls].items():
        if cls is CallFinished and name == "arguments" and name not in found:
            continue  # it is of a version before 3
        value = found.pop(name)
        if isinstance(value, dict):
            value = _from_object(cast("Json", value))
        elif isinstance(hint, type) and issubclass(hint, StrEnum):
            value = hint(value)
        if not isinstance(value, hint) or (isinstance(value, int) and not _fits(value)):
            raise TypeError(f"{name} is {value!r}")
        values[name] = value
    if found:
        raise TypeError(f"{', '.join(found)} is unknown")
    return cast("Event", cls(**values))


def _fits(number: int) -> bool:
    return not isinstance(number, bool) and -(2**63) <= number < 2**63


def _from_object(found: Json) -> bytes | BlobRef:
    if "blob" in found:
        return BlobRef(bytes.fromhex(found["blob"]), int(found["size"]))
    return base64.b64decode(found["base64"], validate=True)
