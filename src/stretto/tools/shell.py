"""Commands as calls.

What a command touches only its user knows. `run` is ordered with everything; `reads` and `writes` give the
same call with something said::

    log = shell.reads("repo")
    log(["git", "log", "--oneline"], cwd=repo).stdout
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..calls import Call, call
from ..errors import ToolError, ToolServerError

__all__ = ["Finished", "commutes", "reads", "run", "unordered", "writes"]

#: So much of what a command wrote to its stderr is quoted when it has failed.
_QUOTED = 2000
#: Seconds between two looks whether a command that was killed is gone.
_OFTEN = 0.005


@dataclass
class Finished:
    """What a command has left: its output, as text, and its exit status."""

    stdout: str
    stderr: str
    status: int


async def _run(
    command: str | Sequence[str],
    *,
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    input: str = "",
    check: bool = True,
) -> Finished:
    """Run a command to its end: a list of words, or a text for the shell.

    Args:
        command: the words, or the text.
        cwd: the folder that it runs in.
        env: environment variables, besides those that this process has.
        input: what it reads from its stdin.
        check: whether an exit status other than 0 is a `ToolError`.

    A command that is cancelled, by a timeout say, is killed, with what it has started, but for what has
    begun a session of its own.
    """
    words = ["/bin/sh", "-c", command] if isinstance(command, str) else [str(word) for word in command]
    shown = command if isinstance(command, str) else shlex.join(words)
    given = input.encode()  # before anything has begun: it may be no Unicode
    if not words:
        raise ToolServerError("the command cannot be started: it has no words")
    try:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=cwd, env=None if env is None else {**os.environ, **env},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise ToolServerError(f"the command cannot be started: {shown}: {error}") from None
    try:
        out, errors = await process.communicate(given)
    except BaseException:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        transport: asyncio.SubprocessTransport = cast("Any", process)._transport
        try:
            # to close before asyncio knows that it has died would take its exit status away from asyncio
            while transport.get_returncode() is None:  # noqa: ASYNC110  nothing tells it before the pipes end
                await asyncio.sleep(_OFTEN)
        finally:
            # a daemon in a session of its own may still hold the pipes, and `wait` would wait for their end
            transport.close()
        await process.wait()
        raise
    status = process.returncode
    assert status is not None
    done = Finished(out.decode(errors="replace"), errors.decode(errors="replace"), status)
    if check and status != 0:
        said = done.stderr.strip()[-_QUOTED:] or done.stdout.strip()[-_QUOTED:] or "it has written nothing"
        raise ToolError(
            f"the command has failed with status {status}: {shown}\n{said}",
            tool=shown, server="shell", text=done.stderr, status=status,
        )  # fmt: skip
    return done


run: Call[..., Finished] = call(name="shell.run")(_run)
#: The same, where a command is known to touch nothing that changes.
unordered: Call[..., Finished] = call.unordered(name="shell.run")(_run)


def reads(*resources: str, **options: Any) -> Call[..., Finished]:
    """`run` as a call that sees these resources and changes nothing; with the options of `call`."""
    made: Call[..., Finished] = call.reads(*resources, **{"name": "shell.run", **options})(_run)
    return made


def writes(*resources: str, **options: Any) -> Call[..., Finished]:
    """`run` as a call that changes these resources."""
    made: Call[..., Finished] = call.writes(*resources, **{"name": "shell.run", **options})(_run)
    return made


def commutes(*resources: str, **options: Any) -> Call[..., Finished]:
    """`run` as a call that changes these resources, in whatever order among such calls."""
    made: Call[..., Finished] = call.commutes(*resources, **{"name": "shell.run", **options})(_run)
    return made
