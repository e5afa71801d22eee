"""Runs the tests of one module in this process, one way, and tells how each has ended, a line of JSON each.

``python -m tests.cpython.child test_scope flow [PART OF A NAME [HOW MANY TO PASS OVER]]``; the ways:

- ``plain``: as CPython runs them;
- ``flow``: each method is a flow, and the functions that it calls run natively where they hold no call;
- ``walked``: the same, and each function of the module that can be compiled is walked by the engine, too.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import io
import json
import re
import signal
import sys
import unittest
import warnings
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from . import doctests

__all__ = ["WAYS", "main"]

WAYS = ("plain", "flow", "walked")

#: Seconds that one test may take.
PATIENCE = 240.0

_SEED = 7
#: How many operations may be in flight: the clock looks at all of them at each turn of the engine.
_LIMIT = 100


class TimeIsUp(KeyboardInterrupt):
    """A test took too long. A `KeyboardInterrupt`, so that neither tests nor event loops hold it up."""


def main(arguments: list[str]) -> int:
    name, way, *rest = arguments
    only = rest[0] if rest else ""
    behind = int(rest[1]) if len(rest) > 1 else 0
    out = sys.stdout
    sys.stdout = io.StringIO()  # tests print
    module = importlib.import_module(f"test.{name}")
    if way == "walked":
        _walk_everything(module)

    def tell(test: str, **how: Any) -> None:
        print(json.dumps({"test": test, **how}), file=out, flush=True)

    chosen = ((test, run) for test, run in _runs(module, way) if only in test)
    for number, (test, run) in enumerate(chosen):
        if number >= behind:
            tell(test, begun=True)
            gc.freeze()  # many tests collect garbage: it need not be looked for among all that is compiled
            tell(test, **run())
    return 0


def _runs(module: ModuleType, way: str) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Each test by its name, and what runs it and says how it has ended."""
    refused: dict[FunctionType, dict[str, Any]] = {}
    replaced: dict[FunctionType, Any] = {}
    for case in _cases(unittest.defaultTestLoader.loadTestsFromModule(module)):
        if type(case).__module__ != module.__name__:
            continue  # a doctest, or nothing of this module's
        test = f"{type(case).__qualname__}.{case._testMethodName}"
        if way != "plain":
            method = _innermost(type(case), case._testMethodName)
            if method not in refused and method not in replaced:
                try:
                    replaced[method] = flow = _flow(method)
                    _put(type(case), case._testMethodName, method, _standing_in(flow, method))
                except Exception as error:
                    refused[method] = _refusal(error)
            if method in refused:
                yield test, functools.partial(dict, refused[method])
                continue
        yield test, functools.partial(_run_case, case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(doctests.functions(module))
    for name, function in found:
        test = f"doctest {name}"
        run: Callable[..., Any] = function
        if way != "plain":
            try:
                run = _standing_in(_flow(function), function)
            except Exception as error:
                yield test, functools.partial(dict, _refusal(error))
                continue
        yield test, functools.partial(_run_doctest, run)


def _cases(suite: Any) -> Iterator[Any]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _cases(item)
        else:
            yield item


# Methods as flows.


def _flow(method: FunctionType) -> Any:
    """The method as a flow, compiled."""
    from stretto import flow

    made = flow(limit=_LIMIT)(method)
    made.form.body  # what is wrong with it shows now  # noqa: B018
    return made


def _refusal(error: Exception) -> dict[str, Any]:
    from stretto.errors import CompileError

    if isinstance(error, CompileError):
        return {"ended": "refused", "detail": error.construct or str(error)}
    return {"ended": "uncompiled", "detail": f"{type(error).__name__}: {error}"}


def _standing_in(flow: Any, method: FunctionType) -> Any:
    from stretto.testing import VirtualClock

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        with VirtualClock(seed=_SEED, validate=True):
            return flow(*args, **kwargs)

    return run


def _innermost(owner: type, name: str) -> FunctionType:
    """The function that was written, behind what decorates it."""
    found = getattr(owner, name)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    assert isinstance(found, FunctionType), found
    return found


def _put(owner: type, name: str, method: FunctionType, instead: Any) -> None:
    """Put something in the place of a method, inside what decorates it."""
    holder = next(cls for cls in owner.__mro__ if name in vars(cls))
    outer = vars(holder)[name]
    if outer is method:
        setattr(holder, name, instead)
        return
    while True:
        for cell in outer.__closure__ or ():
            if cell.cell_contents is method:
                cell.cell_contents = instead
                return
        outer = outer.__wrapped__


def _walk_everything(module: ModuleType) -> None:
    """Let the engine walk the functions of the module, also those in which no call is seen."""
    from stretto.compiler import functions

    may_call = functions.may_call

    def walked(form: Any) -> bool:
        return form.filename == module.__file__ or form.filename.startswith("<doctest ") or may_call(form)

    functions.may_call = walked


# Running one.


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    def ring(signum: int, frame: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _run_case(case: Any) -> dict[str, Any]:
    result = unittest.TestResult()
    try:
        with _patience():
            unittest.TestSuite([case]).run(result)
    except TimeIsUp:
        return {"ended": "hung"}
    for ended, found in (("failed", result.failures), ("failed", result.errors)):
        if found:
            return {"ended": ended, "detail": "\n".join(text for _, text in found)}
    if result.unexpectedSuccesses:
        return {"ended": "failed", "detail": "unexpected success"}
    if result.skipped:
        return {"ended": "skipped", "detail": result.skipped[0][1]}
    return {"ended": "passed"}


_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b", re.IGNORECASE)


def _run_doctest(function: Callable[..., Any]) -> dict[str, Any]:
    """How it ends is all that it has shown."""
    shown: list[str] = []

    def show(value: object) -> None:
        if isinstance(value, BaseException):
            shown.append(f"{type(value).__name__}: {value}")
        elif value is not None:
            shown.append(repr(value))

    printed = io.StringIO()
    try:
        with _patience(), contextlib.redirect_stdout(printed):
            function(show)
    except TimeIsUp:
        return {"ended": "hung"}
    except Exception as error:
        shown.append(f"raised {type(error).__name__}: {error}")
    text = "\n".join([*shown, printed.getvalue()])
    return {"ended": "passed", "detail": _ADDRESS.sub("0x", text)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
