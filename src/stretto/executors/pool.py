"""The processes that calls run in. Each has one call at a time, and can be killed without harm to others."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import math
import os
import queue
import select
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, cast

from .extras import extra
from .outcomes import Opened, Outcome, opened
from .resources import Grant, machine
from .wires import receive, send
from .worker import BEGUN, Request, serve

__all__ = ["Died", "Worker", "put_back", "worker_for"]

#: Seconds after which a process that nobody needs is let go of.
_IDLE = 300.0
#: Seconds until it is looked whether one is idle for so long, and whether one is gone whose wire somebody
#: else holds open.
_LOOK_IDLE, _LOOK = 30.0, 1.0
#: Seconds that one is given to end.
_PATIENCE = 5.0
#: How many threads libraries for arrays may use, where nobody has said.
_THREADS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip


class Died(NamedTuple):
    """A process is gone. Args: exitcode: as `multiprocessing` tells it. begun: whether the call had begun."""

    exitcode: int | None
    begun: bool


class Kind(NamedTuple):
    """What is settled when a process starts: which graphics processors it sees, and how many threads."""

    gpus: tuple[str, ...]
    threads: int


class Worker:
    """One process, and the thread here that talks to it."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.idle_since = 0.0
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._path: tuple[str, ...] | None = None
        here, there = _context().Pipe(duplex=True)
        self._wire: Connection = here
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(here.fileno(), select.POLLIN)
        self._process: Any = _context().Process(
            target=serve,
            args=(there, os.getpid()),
            name="stretto-worker",
            daemon=True,
            env=_environment(kind),
        )
        try:
            self._process.start()
        finally:
            there.close()
        self.pid: int = self._process.pid
        #: Whether it listens, and has a group of its own.
        self._ready = False
        self._killed = threading.Lock()
        self._ended = False
        threading.Thread(target=self._talk, name="stretto-worker", daemon=True).start()

    def call(
        self, request: Callable[[], Request], begins: Callable[[], None], name: Callable[[], str]
    ) -> Future[Opened | Died]:
        """Have it make a call; `begins` is called when it does. Both from another thread, which also puts
        together and takes apart what is sent."""
        done: Future[Opened | Died] = Future()

        def work() -> None:
            try:
                made = self._made(request(), begins)
                done.set_result(made if isinstance(made, Died) else opened(made, name))
            except BaseException as error:  # nothing has been sent
                done.set_result(Opened(None, error))

        self._jobs.put(work)
        return done

    def kill(self) -> None:
        """End it at once, with all processes that it has started. From any thread."""
        with self._killed:
            if self._ended:
                return  # its number may be that of another one by now
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.name != "posix":
                    self._process.terminate()
                elif self._ready:
                    os.killpg(self.pid, signal.SIGKILL)
                else:
                    os.kill(self.pid, signal.SIGKILL)

    def release(self) -> None:
        """Have it end: nobody needs it any more."""
        self._jobs.put(None)

    # -- in the thread that talks to it ------------------------------------------------------------------

    def _talk(self) -> None:
        while (work := self._jobs.get()) is not None:
            work()
            del work  # nothing of a call is held when it is over
        self._wire.close()
        self._process.join(_PATIENCE)
        self._gone()

    def _made(self, request: Request, begins: Callable[[], None]) -> Outcome | Died:
        begun = False
        path = None if request.path == self._path else request.path
        try:
            if not self._ready:
                self._wait()
                receive(self._wire)  # it listens
                self._ready = True
            send(self._wire, request.arguments, (request.function, request.current, path))
            self._path = request.path
            del request
            self._wait()
            label, parcel = receive(self._wire)
            if label == BEGUN:
                begun = True
                begins()
                self._wait()
                label, parcel = receive(self._wire)
            return Outcome(parcel, label)
        except (EOFError, OSError):
            return Died(self._gone(), begun)

    def _wait(self) -> None:
        """Until it says something, or is gone."""
        while not self._says_something():
            if self._process.exitcode is not None and not self._wire.poll():
                raise EOFError  # and somebody else holds its end of the wire

    def _says_something(self) -> object:
        return self._wire.poll(_LOOK) if self._poll is None else self._poll.poll(_LOOK * 1000)

    def _gone(self) -> int | None:
        """See to it that it is gone, with all that it has started."""
        self.kill()
        self._process.join(_PATIENCE)
        with self._killed:
            self._ended = True
        _pool().forget(self)
        self._jobs.put(None)  # this thread has nothing more to say
        return cast("int | None", self._process.exitcode)


@functools.cache
def _context() -> Any:
    return extra("loky.backend.context", "process", "processes").get_context("loky")


def _environment(kind: Kind) -> dict[str, str]:
    said = {name: str(kind.threads) for name in _THREADS if name not in os.environ}
    return {**said, "CUDA_VISIBLE_DEVICES": ",".join(kind.gpus)} if kind.gpus else said


class _Pool:
    """The processes there are: those that wait for a call, and all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._wanted: queue.SimpleQueue[tuple[Kind, Future[Worker]]] = queue.SimpleQueue()
        self._started = False
        self._over = False

    def idle(self, kind: Kind) -> Worker | None:
        """One that waits for a call, the last one first."""
        with self._lock:
            for at in reversed(range(len(self._idle))):
                if self._idle[at].kind == kind:
                    return self._idle.pop(at)
        return None

    def start(self, kind: Kind) -> Future[Worker]:
        made: Future[Worker] = Future()
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._keep, name="stretto-workers", daemon=True).start()
        self._wanted.put((kind, made))
        return made

    def put_back(self, worker: Worker) -> None:
        """Its call is over, and it is well."""
        worker.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(worker)
            spare = self._idle.pop(0) if len(self._idle) > machine().cpus else None
        if spare is not None:
            spare.release()

    def forget(self, worker: Worker) -> None:
        with self._lock:
            self._all.discard(worker)
            if worker in self._idle:
                self._idle.remove(worker)

    def _keep(self) -> None:
        """One thread starts them all, and lives as long as this process: where the kernel ends them with
        their parent, it is this thread that it takes for the parent."""
        while True:
            try:
                kind, made = self._wanted.get(timeout=_LOOK_IDLE)
            except queue.Empty:
                self._let_go()
                continue
            try:
                worker = self._make(kind)
            except BaseException as error:
                made.set_exception(error)
            else:
                made.set_result(worker)
                del worker

    def _make(self, kind: Kind) -> Worker:
        _context()
        if os.name == "posix":
            extra("loky.backend.resource_tracker", "process", "processes").ensure_running()
            # Until it has a session of its own, Ctrl-C in the terminal would reach it as well
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        worker = Worker(kind)
        with self._lock:
            over = self._over
            self._all.add(worker)
        if over:
            worker.kill()
        return worker

    def _let_go(self) -> None:
        long_ago = time.monotonic() - _IDLE
        with self._lock:
            old = [worker for worker in self._idle if worker.idle_since < long_ago]
            self._idle = [worker for worker in self._idle if worker.idle_since >= long_ago]
        for worker in old:
            worker.release()

    def close(self) -> None:
        """This process ends."""
        with self._lock:
            self._over = True
            found = list(self._all)
        for worker in found:
            worker.kill()


_pools: list[_Pool] = []
_lock = threading.Lock()


def _forked() -> None:
    global _lock
    _lock = threading.Lock()
    _pools.clear()  # those are the parent's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _pool() -> _Pool:
    with _lock:
        if not _pools:
            _pools.append(_Pool())
        return _pools[0]


@atexit.register
def _close() -> None:
    for pool in _pools:
        pool.close()


async def worker_for(grant: Grant) -> Worker:
    """A process with what a call was given."""
    kind = Kind(grant.gpus, max(1, math.ceil(grant.needs.cpus)))
    pool = _pool()
    found = pool.idle(kind)
    if found is not None:
        return found
    starting = pool.start(kind)
    try:
        return await asyncio.shield(asyncio.wrap_future(starting))
    except asyncio.CancelledError:
        starting.add_done_callback(_not_wanted)
        raise


def _not_wanted(starting: Future[Worker]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        put_back(starting.result())


def put_back(worker: Worker) -> None:
    """The call of a process is over, and it is well."""
    _pool().put_back(worker)
