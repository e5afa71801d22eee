"""``--events FILE``: what happens in a run, as JSON lines, while it happens."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Generator
from typing import IO, TYPE_CHECKING

from .load import UsageError

if TYPE_CHECKING:
    from stretto.observe.events import Event

__all__ = ["writing_events"]


@contextlib.contextmanager
def writing_events(path: str | None) -> Generator[None]:
    """Inside the ``with``, the events of runs that begin are written to a file; to none if it is None.

    Raises `UsageError` where the file cannot be opened.
    """
    if path is None:
        yield
        return
    from stretto.observe import listening

    try:
        # each line is there at once; closed at the end, or when it is full
        file = open(path, "w", encoding="utf-8", buffering=1)  # noqa: SIM115
    except OSError as error:
        raise UsageError(f"--events {path}: {error.strerror or error}") from None
    lines = _Lines(path, file)
    with listening(lines):
        try:
            yield
        finally:
            lines.close()


class _Lines:
    def __init__(self, path: str, file: IO[str]) -> None:
        self._path = path
        self._file: IO[str] | None = file

    def __call__(self, event: Event) -> None:
        from stretto.observe.events import as_json

        if self._file is None:
            return
        try:
            self._file.write(json.dumps(as_json(event), ensure_ascii=False) + "\n")
        except OSError as error:  # the run goes on without them
            print(
                f"--events {self._path}: {error.strerror or error}; no more events are written",
                file=sys.stderr,
            )
            self.close()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be written has been told
                file.close()
