"""Large results of calls. To encode one, or to read and decode it, takes many milliseconds: that is done in a
thread, since the event loop has other calls, and other runs, to go on with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from itertools import islice
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from ..drivers.aio import threads
from ..engine.nodes import RUNNING
from ..errors import JournalError, NotRecordable
from .events import BlobRef, now

if TYPE_CHECKING:
    from ..drivers.aio import AsyncioDriver
    from ..engine.nodes import CallNode
    from .begun import Begun, Unnamed
    from .history import Past
    from .recording import Recording

__all__ = ["Large"]

#: What has more bytes, or more elements, is large; each is about a millisecond's work.
_BYTES, _ELEMENTS = 128 * 1024, 1000
#: So many elements of a container, or fields of an object, are looked at.
_LOOKED_AT = 50
_SMALL = frozenset({int, float, bool, NoneType})


class Large:
    """The large results of one run."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def answer(self, driver: AsyncioDriver, node: CallNode, past: Past) -> bool:
        """Answer a call with what is recorded, if that is large: whether it is."""
        if not isinstance(past.value, BlobRef):
            return False

        def read(future: Future[Any]) -> None:
            try:
                value = future.result()
            except JournalError as error:
                self._recording.stop(driver, node, error)
            else:
                self._recording.answer(driver, node, past, value)
            driver.kick()

        self._elsewhere(driver, partial(self._recording.recorded, past, node.call), read)
        return True

    def record(self, driver: AsyncioDriver, node: CallNode, begun: Begun | Unnamed, value: Any) -> bool:
        """Record a result before the program is given it, if it is large: whether it is."""
        if not _is_large(value):
            return False
        recording, begun, ended = self._recording, begun.named(), now()

        def encoded(future: Future[bytes]) -> None:
            if node.state == RUNNING:
                try:
                    recording.came_back(node.call, begun, future.result, ended)
                except NotRecordable as problem:
                    driver.engine.fail(node, problem)
                    driver.kick()
                    return
            driver.engine.complete(node, value)
            driver.kick()

        self._elsewhere(driver, partial(recording.encoded, node.call, begun, value), encoded)
        return True

    @staticmethod
    def _elsewhere(
        driver: AsyncioDriver, work: Callable[[], Any], done: Callable[[Future[Any]], None]
    ) -> None:
        threads().submit(work).add_done_callback(driver.from_outside(done))


def _is_large(value: Any, *, deep: bool = True) -> bool:
    """Whether a value is, as far as can be told at a glance."""
    kind = cast("type[Any]", type(value))
    parts: Iterable[Any]
    if kind in _SMALL:
        return False
    if kind in (str, bytes, bytearray):
        return len(value) > _BYTES
    if kind in (list, tuple, set, frozenset, dict):
        if len(value) > _ELEMENTS:
            return True
        parts = value.values() if kind is dict else value
    elif str(kind.__module__).partition(".")[0] in ("numpy", "pyarrow"):
        return int(getattr(value, "nbytes", 0)) > _BYTES
    else:
        parts = getattr(value, "__dict__", {}).values()
    return deep and any(_is_large(part, deep=False) for part in islice(parts, _LOOKED_AT))
