"""One run from the command line: its progress, and each of its ends."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Self, TextIO

from stretto.errors import InternalError, StrettoError

from .live import has_rich
from .load import UsageError
from .output import Style, as_json, short_traceback, shown, user_frames
from .progress import Counts, LineProgress, progress_for, watch

if TYPE_CHECKING:
    from stretto import Flow
    from stretto.observe.doing import Doing

__all__ = [
    "BAD_USAGE",
    "FAILED",
    "INTERRUPTED",
    "OK",
    "carry_out",
    "execute",
    "failed",
    "usage_error",
    "user_stdout",
]

OK, FAILED, BAD_USAGE, INTERRUPTED = 0, 1, 2, 130


def execute(
    flow: Flow[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    sequential: bool,
    as_lines: bool,
    again: str,
    resuming: Callable[..., str],
) -> int:
    """Run the flow, tell how far it is, print how it ended; gives the exit code.

    `again` is the command that does the same once more; `resuming("resume", run)` gives the one that goes on.
    """
    alone = functools.partial(flow.sequential, *args, **kwargs)
    if sequential:
        if flow.yields:
            stdout = sys.stdout
            return carry_out(
                None, lambda: _print_each(alone(), stdout, as_lines), as_lines=as_lines, again=again,
                resuming=resuming,
            )  # fmt: skip
        return carry_out(None, alone, as_lines=as_lines, again=again, resuming=resuming)
    if flow.yields:
        from stretto.items import made

        begin: Callable[[], Any] = functools.partial(made, flow, args, kwargs)
    else:
        begin = functools.partial(flow.start, *args, **kwargs)
    return carry_out(begin, as_lines=as_lines, again=again, resuming=resuming)


def _print_each_of(run: Any, stdout: TextIO, as_lines: bool) -> Any:
    """Print what the flow of a run yields; after Ctrl-C the run can be resumed."""
    values = iter(run)
    try:
        return _print_each(values, stdout, as_lines)
    except KeyboardInterrupt as error:
        with contextlib.suppress(RuntimeError):  # it is over already
            values.throw(error)
        raise


def _print_each(values: Generator[Any, Any, Any], stdout: TextIO, as_lines: bool) -> Any:
    """Print each value as it comes; gives what the flow returns."""
    while True:
        try:
            value = next(values)
        except StopIteration as stop:
            return stop.value
        text = as_json(value)
        if as_lines:
            _emit(stdout, "item", **({"repr": repr(value)} if text is None else {"item": json.loads(text)}))
        else:
            print(value if isinstance(value, str) else text or repr(value), file=stdout, flush=True)


def default_journal() -> str:
    """Where the command line records runs if nobody says where: what is configured, else a file here."""
    from stretto.configuration import DEFAULT, choice

    found = choice()
    return str(DEFAULT) if found.url is None and found.silent else found.url or ""


def carry_out(
    begin: Callable[[], Any] | None,
    alone: Callable[[], Any] | None = None,
    *,
    as_lines: bool,
    again: str,
    resuming: Callable[..., str],
) -> int:
    """See a run to its end, as `execute` does: `begin` starts it and gives a handle, or `alone` does all."""
    with _Terminated() as stop:
        return _carried_out(begin, alone, stop, as_lines=as_lines, again=again, resuming=resuming)


class _Terminated:
    """Within it SIGTERM, by which services and containers are stopped, does what Ctrl-C does.

    Attributes:
        code: the exit code of a run that was stopped.
    """

    def __init__(self) -> None:
        self.code = INTERRUPTED
        self._process = os.getpid()
        # somebody who listens to it has a say of his own
        ours = threading.current_thread() is threading.main_thread()
        self._listens = ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def __enter__(self) -> Self:
        if self._listens:
            signal.signal(signal.SIGTERM, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        if self._listens and signal.getsignal(signal.SIGTERM) == self._stop:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if os.getpid() != self._process:  # one that a call has forked
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.code = 128 + number
        raise KeyboardInterrupt


def _carried_out(
    begin: Callable[[], Any] | None, alone: Callable[[], Any] | None, stop: _Terminated, *, as_lines: bool,
    again: str, resuming: Callable[..., str],
) -> int:  # fmt: skip
    stdout, started = sys.stdout, time.monotonic()
    run: Any = None
    doing = None if as_lines or begin is None else _watched(sys.stderr)
    try:
        with user_stdout(as_lines), _listening(doing):
            if begin is None:
                assert alone is not None
                result = alone()
            else:
                run = begin()
                if as_lines:
                    _emit(stdout, "started", flow=run.flow.name, run=str(run.id))
                if run.flow.yields:
                    result = _print_each_of(run, stdout, as_lines)
                elif as_lines:
                    result = watch(run, LineProgress(lambda counts, _: _emit_progress(stdout, counts)))
                else:
                    result = watch(run, progress_for(sys.stderr, Style(sys.stderr), doing))
    except KeyboardInterrupt:
        return _interrupted(run, stop, again, resuming, as_lines=as_lines)
    except SystemExit:
        raise
    except BaseException as error:
        if run is None and begin is not None and isinstance(error, StrettoError):
            error.with_traceback(None)  # no line of the user's has run: it says itself what is wrong
        return failed(error, as_lines=as_lines)
    if as_lines:
        _emit_result(stdout, result, time.monotonic() - started)
    elif result is not None:
        print(shown(result))
    return OK


def _watched(stream: TextIO) -> Doing | None:
    """What is going to be known of the run, where that can be shown."""
    if not stream.isatty() or not has_rich():
        return None
    from stretto.observe.doing import Doing

    return Doing()


def _listening(doing: Doing | None) -> contextlib.AbstractContextManager[Any]:
    if doing is None:
        return contextlib.nullcontext()
    from stretto.observe import listening

    return listening(doing)


def user_stdout(as_lines: bool) -> contextlib.AbstractContextManager[Any]:
    """Where JSON lines go to stdout, what the user's code prints must not come between them."""
    return contextlib.redirect_stdout(sys.stderr) if as_lines else contextlib.nullcontext()


def usage_error(error: UsageError, usage: str | None, *, as_lines: bool = False) -> int:
    if as_lines:
        _emit(sys.stdout, "error", kind="usage", message=str(error), exit_code=BAD_USAGE)
    else:
        print(f"{Style(sys.stderr).red('error:')} {error}", file=sys.stderr)
        if usage:
            print(usage, file=sys.stderr)
    return BAD_USAGE


def failed(error: BaseException, *, as_lines: bool, code: int = FAILED) -> int:
    """What the user's code raised, with the user's frames only."""
    if as_lines:
        frames = user_frames(traceback.extract_tb(error.__traceback__))
        _emit(
            sys.stdout,
            "error",
            kind="raised",
            type=type(error).__qualname__,
            message=str(error),
            traceback=[{"file": f.filename, "line": f.lineno, "function": f.name} for f in frames],
            exit_code=code,
        )
        return code
    if isinstance(error, InternalError):  # the one failure that Stretto's own frames explain
        traceback.print_exception(error)
    elif isinstance(error, StrettoError) and not user_frames(traceback.extract_tb(error.__traceback__)):
        print(f"{Style(sys.stderr).red('error:')} {error}", file=sys.stderr)
    else:
        sys.stderr.write(short_traceback(error))
    return code


def _interrupted(
    run: Any, stop: _Terminated, again: str, resuming: Callable[..., str], *, as_lines: bool
) -> int:
    """Ctrl-C: stop what runs, wait until it has stopped, and say so. A second Ctrl-C waits no longer."""
    clean = True
    if run is not None:
        if not as_lines:
            print("cancelling: waiting for the running calls to stop ...", file=sys.stderr)
        try:
            run.interrupt()
        except KeyboardInterrupt:
            clean = False
        except StrettoError:  # the run's own `Cancelled`
            pass
    if as_lines:
        going_on = {"resume": run.id} if run is not None and run.recording is not None else {}
        _emit(
            sys.stdout, "error", kind="cancelled", clean=clean, again=again, **going_on, exit_code=stop.code
        )
        return stop.code
    if run is None:
        print("stopped.", file=sys.stderr)
    elif clean:
        print("cancelled cleanly: none of its calls is running any more.", file=sys.stderr)
        if run.recording is not None:
            print(f"To go on from there:\n\n    {resuming('resume', run.id)}\n", file=sys.stderr)
    else:
        print("left at once: calls may still be running.", file=sys.stderr)
    print(f"To run it again, from the beginning:\n\n    {again}\n", file=sys.stderr)
    return stop.code


def _emit(stream: TextIO, event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}, ensure_ascii=False), file=stream, flush=True)


def _emit_progress(stream: TextIO, counts: Counts) -> None:
    _emit(stream, "progress", done=counts.done, running=counts.running, waiting=counts.waiting)


def _emit_result(stream: TextIO, result: Any, seconds: float) -> None:
    text = as_json(result)
    value = {"repr": repr(result)} if text is None else {"result": json.loads(text)}
    _emit(stream, "result", **value, seconds=round(seconds, 3), exit_code=OK)
