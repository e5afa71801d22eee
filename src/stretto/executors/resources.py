"""What calls take of this machine: cores, memory and graphics processors, counted over the whole process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import StrettoError
from .extras import extra
from .needs import Needs, gigabytes

__all__ = ["Grant", "Machine", "machine"]


class Grant(NamedTuple):
    """What a call has been given; `gpus` are the names of those."""

    needs: Needs
    gpus: tuple[str, ...]


class _Waiter:
    def __init__(self, needs: Needs, loop: asyncio.AbstractEventLoop) -> None:
        self.needs = needs
        self.counted = _counted(needs)
        self.loop = loop
        self.there: asyncio.Future[None] = loop.create_future()
        self.grant: Grant | None = None


class Machine:
    """Hands out what this machine has, in the order in which it is asked for. Who has to wait for much holds
    up nobody who needs none of that; but what he needs is kept for him."""

    def __init__(self, cpus: float, memory: int, gpus: tuple[str, ...]) -> None:
        self.cpus, self.memory, self.gpus = cpus, memory, gpus
        self._free = _counted(Needs(cpus, len(gpus), memory))
        self._gpus = list(gpus)
        self._waiting: dict[_Waiter, None] = {}  # in their order
        self._lock = threading.Lock()

    async def take(self, needs: Needs, name: Callable[[], str]) -> Grant:
        """Wait until there is enough; `name` tells the name of who asks."""
        if needs.cpus > self.cpus or needs.gpus > len(self.gpus) or needs.memory > self.memory:
            raise StrettoError(
                f"{name()} asks for {needs}, and this machine has cpus={self.cpus:g}, "
                f"gpus={len(self.gpus)}, memory={gigabytes(self.memory)}. Ask for less, or run it on "
                "machines that have that much: on='ray'"
            )
        waiter = _Waiter(needs, asyncio.get_running_loop())
        with self._lock:
            self._waiting[waiter] = None
            self._serve()
        try:
            if waiter.grant is None:
                await waiter.there
        except BaseException:
            with self._lock:
                if waiter.grant is None:
                    del self._waiting[waiter]
                else:
                    self._return(waiter.grant)
                self._serve()
            raise
        assert waiter.grant is not None
        return waiter.grant

    def give(self, grant: Grant) -> None:
        """A call needs it no longer."""
        with self._lock:
            self._return(grant)
            self._serve()

    def _return(self, grant: Grant) -> None:
        free, needs = self._free, _counted(grant.needs)
        self._free = Needs(free.cpus + needs.cpus, free.gpus + needs.gpus, free.memory + needs.memory)
        self._gpus += grant.gpus
        self._gpus.sort(key=self.gpus.index)

    def _serve(self) -> None:
        kept = Needs(0, 0, 0)  # for those who wait already
        served: list[_Waiter] = []
        for waiter in self._waiting:
            free, needs = self._free, waiter.counted
            if kept.cpus >= free.cpus:
                break  # each needs some part of a core
            if _fits(needs, kept, free):
                gpus = int(needs.gpus)
                names = tuple(self._gpus[:gpus])
                del self._gpus[:gpus]
                self._free = Needs(free.cpus - needs.cpus, free.gpus - needs.gpus, free.memory - needs.memory)
                waiter.grant = Grant(waiter.needs, names)
                served.append(waiter)
            else:
                kept = Needs(kept.cpus + needs.cpus, kept.gpus + needs.gpus, kept.memory + needs.memory)
        for waiter in served:
            del self._waiting[waiter]
            with contextlib.suppress(RuntimeError):  # its loop is closed: nobody is there to be told
                waiter.loop.call_soon_threadsafe(_tell, waiter.there)


def _counted(needs: Needs) -> Needs:
    """With cores in millionths, of which sums are what they should be: of floats, what is given back can come
    to less than there was, and who needs all of it would wait for ever."""
    return needs._replace(cpus=max(1, round(needs.cpus * 1_000_000)))


def _fits(needs: Needs, kept: Needs, free: Needs) -> bool:
    return all(need == 0 or need + keep <= there for need, keep, there in zip(needs, kept, free, strict=True))


def _tell(there: asyncio.Future[None]) -> None:
    if not there.done():
        there.set_result(None)


_machine: list[Machine] = []


def _forked() -> None:
    _machine.clear()  # a child has calls of its own


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def machine() -> Machine:
    if not _machine:
        _machine.append(Machine(_cpus(), _memory(), _gpus()))
    return _machine[0]


def _cpus() -> int:
    return int(
        extra("loky", "process", "processes").cpu_count()
    )  # what the affinity and the container leave of them


def _memory() -> int:
    sizes: list[int] = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(Path(file).read_text()))
    return min(sizes, default=2**62)


def _gpus() -> tuple[str, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(name.strip() for name in visible.split(",") if name.strip() not in ("", "-1"))
    with contextlib.suppress(OSError):
        found = [name[6:] for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name)]
        return tuple(sorted(found, key=int))
    return ()
