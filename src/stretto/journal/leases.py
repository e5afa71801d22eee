"""The right to write to a run, and who has it.

**The promise.** At no time can two leases of one run write to it, and nobody is let in while an owner that
has not frozen still believes in its lease.

**Tokens.** Each run has a token, a number. Taking the lease makes it larger, in one statement that asks
for the token that was seen before, so of two takers one succeeds. Every transaction that appends events
first asks, with the run's row locked, whether the token is still that of the lease, and appends nothing
if it is not. The order of transactions decides, not a clock: a stale owner can come back at any time and will
find `LeaseLost`. As a write starts only after its intent was committed, a stale owner starts no write.

**When may a run be taken over?** Three cases, none of which compares clock readings of two machines or
trusts a clock that may step:

1. The lease was released.
2. The owner is known to be dead: it ran on this machine since its last boot and in this process
   namespace, and there is no process of that number and start time now. A killed run can so be resumed
   at once.
3. The owner gave no sign of life for its whole time to live. Owners leave the sign by counting up a number
   (`beat`). The taker watches it: that it did not change is measured by the taker's own monotonic clock,
   from the first time that it saw it, plus a tenth for clocks that do not run equally fast. The wall clock
   does not come into it, nor the database's, so nothing happens when they step, in either direction.

The owner, for its part, believes in its lease until a time to live has passed since it *began* the last
renewal that succeeded, by a monotonic clock that goes on while the machine sleeps where there is one. The
taker's wait began after that renewal was visible, so it ends later. What remains is a process that is
stopped between looking at its lease and acting on it; what it appends is then refused by the token.
"""

from __future__ import annotations

import os
import sys
import time
from functools import lru_cache
from pathlib import Path

from ..errors import JournalError

__all__ = ["TTL", "Lease", "Sighting", "alive", "describe", "this_process"]

#: Seconds without a renewal after which a lease may be taken over, unless said otherwise.
TTL = 15.0

#: Renewals per time to live, so that two may fail before the third is needed.
RENEWALS = 3

#: How much longer than an owner's time to live others wait.
DRIFT = 1.1


def owner_clock() -> float:
    """Seconds by a clock that never steps, and on Linux goes on while the machine sleeps."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Lease:
    """The right of one owner to write to one run, as long as it is `good`. Made by a journal only.

    Attributes:
        run: the run's identifier.
        owner: who has the right.
        ttl: seconds without a renewal after which others may take it.
        token: the run's token under this lease; 0 until a new run is written for the first time.
        failure: what ended the lease, or None.
    """

    __slots__ = (
        "beaten",
        "calls",
        "deadline",
        "failure",
        "last",
        "nonce",
        "number",
        "owner",
        "run",
        "token",
        "ttl",
    )

    def __init__(self, run: str, owner: str, ttl: float) -> None:
        if not ttl > 0:
            raise ValueError(f"a lease's time to live is in seconds and above 0, not {ttl!r}")
        self.run = run
        self.owner = owner
        self.ttl = ttl
        self.token = 0
        self.failure: JournalError | None = None
        # For the journal only. The nonce tells a transaction whose answer was lost from someone else's.
        self.nonce = os.urandom(8).hex()
        self.number = 0
        self.last = 0
        self.calls = 0
        self.beaten = owner_clock()
        self.deadline = self.beaten + ttl

    @property
    def good(self) -> bool:
        """Whether the owner may go on: nothing failed, and nobody can have taken over yet."""
        return self.failure is None and owner_clock() < self.deadline

    def renewed(self, began: float) -> None:
        self.beaten = began
        self.deadline = began + self.ttl

    def due(self) -> float:
        """When the next renewal is to begin, by `owner_clock`."""
        return self.beaten + self.ttl / RENEWALS

    def __repr__(self) -> str:
        return f"<Lease of {self.run} for {describe(self.owner)}, token {self.token}>"


class Sighting:
    """The sign of life of an owner, as it was first seen, and when."""

    __slots__ = ("beat", "since", "token")

    def __init__(self, token: int, beat: int) -> None:
        self.token = token
        self.beat = beat
        self.since = time.monotonic()

    def remaining(self, ttl: float) -> float:
        """Seconds for which the sign must stay the same before the run may be taken over."""
        return self.since + ttl * DRIFT - time.monotonic()


# -- processes ----------------------------------------------------------------------------------------


def this_process() -> str:
    """This process, named so that others can find out whether it is alive: "pid/start/system/host"."""
    return _named(os.getpid())


@lru_cache(maxsize=4)
def _named(pid: int) -> str:
    return f"{pid}/{_started(pid) or ''}/{_system()}/{_host()}"


def _host() -> str:
    if sys.platform == "win32":
        import platform

        return platform.node()
    return os.uname().nodename


@lru_cache(maxsize=1)
def _system() -> str:
    """Tells apart whatever may have processes of equal number: boots of machines, and containers."""
    if sys.platform == "linux":
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
        except OSError:
            pass
    import uuid  # which takes a while to import

    return f"{uuid.getnode():x}"


def _started(pid: int) -> str | None:
    """When a process started, in ticks since boot; None where the system does not tell or it is gone."""
    if sys.platform != "linux":
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses, and may hold anything.
    after = stat.rpartition(")")[2].split()
    return None if after[0] in "ZX" else after[19]


def alive(owner: str) -> bool | None:
    """Whether the process that `this_process` named so lives; None if that cannot be told from here."""
    parts = owner.split("/")
    if len(parts) != 4 or not parts[0].isdigit() or parts[2] != _system() or parts[3] != _host():
        return None
    pid, start = int(parts[0]), parts[1]
    if sys.platform == "win32":
        return None  # there `os.kill` with signal 0 would end it
    if start:
        return _started(pid) == start
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return None  # it may be another process of that number


def describe(owner: str) -> str:
    """An owner, for people."""
    parts = owner.split("/")
    if len(parts) != 4 or not parts[0].isdigit():
        return owner
    return f"process {parts[0]} on {parts[3]}"
