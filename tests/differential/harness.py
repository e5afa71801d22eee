"""Runs one program as reference and overlapped, and says where the two differ.

The reference is plain CPython with decorators that do nothing; Stretto has no part in it. Every run has a
namespace, arguments and a `World` of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import io
import linecache
import logging
import marshal
import random
import re
import signal
import sys
import threading
import time
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from stretto.declarations import project, registry
from stretto.declarations.table import Entry, effects_of
from stretto.drivers.reference import whole
from stretto.effects import Resource
from stretto.engine.printed import STAND_INS
from stretto.errors import UnsupportedConstruct

from .canonical import canonical_all
from .loaded import GENERATED, loaded
from .vocabulary import Agent, Bar, Box, Reference, vocabulary
from .world import World, digest, entered

__all__ = [
    "Difference",
    "Difficult",
    "Outcome",
    "Program",
    "compare",
    "differences",
    "differences_from",
    "measure",
    "overlapped",
    "reference",
    "report",
    "sequential",
]

#: Seconds of the processor's time that the reference run may take; a program that takes longer is no use.
PATIENCE = 0.5
#: Seconds after which another run counts as hanging.
HANGS = 60.0

MODULE = "generated_program"

_COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


class Difficult(Exception):
    """The program cannot serve: it is no Python, or its reference run does not end."""


class TimeIsUp(KeyboardInterrupt):
    """A run took too long. A `KeyboardInterrupt`, so that the event loop lets it through."""


@dataclass(frozen=True)
class Program:
    """Source text with a flow ``main``, an expression for its arguments, and the world it meets.

    Where there is a function ``consume``, it is what calls the flow: it is given ``main`` and the arguments.
    """

    source: str
    arguments: str = "()"
    salt: int = 0
    rate: int = 0

    def __str__(self) -> str:
        lines = self.source.rstrip().splitlines()
        numbered = "\n".join(f"{number:3}  {line}" for number, line in enumerate(lines, 1))
        return f"{numbered}\n     main(*{self.arguments})    # salt={self.salt}, rate={self.rate}"


@dataclass
class Outcome:
    """All that can be seen of one run."""

    ended: str  # "returned", "raised", "rejected" or "hung"
    result: str = ""
    state: dict[str, str] = field(default_factory=dict)
    error: str = ""
    chain: list[str] = field(default_factory=list)
    frames: list[tuple[str, int]] = field(default_factory=list)
    writes: dict[str, list[str]] = field(default_factory=dict)
    commutes: dict[str, list[str]] = field(default_factory=dict)
    marks: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    running: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    calls: int = 0
    time: float = 0.0
    crash: str = ""


@dataclass(frozen=True)
class Difference:
    """One thing that one run did otherwise than the reference."""

    run: str
    what: str
    expected: object
    got: object

    def __str__(self) -> str:
        return f"[{self.run}] {self.what}\n    expected: {self.expected}\n    got:      {self.got}"


def reference(program: Program) -> Outcome:
    """The reference run."""
    world = World(salt=program.salt, rate=program.rate)
    return _run(program, world, Reference.call, Reference.flow, contextlib.nullcontext(), _patience)


def overlapped(program: Program, seed: int) -> Outcome:
    """Stretto's run; the seed decides how long calls take and what finishes first."""
    from stretto import call, flow
    from stretto.testing import VirtualClock

    world = World(salt=program.salt, rate=program.rate, seed=seed)
    return _run(program, world, call, flow, VirtualClock(seed=seed, validate=True), _alarm)


def limited(program: Program, seed: int) -> Outcome:
    """As `overlapped`, where few calls may run at once: some share one place, some are slowed down."""
    from stretto import Call, call
    from stretto.limits.rules import Limits

    draw = random.Random(f"limits of {seed}")
    kinds = [Limits(limit=1), Limits(limit=2), Limits.read({"limit": 1, "rate": "5/s"})]
    with contextlib.ExitStack() as stack:
        for word in _words(call).values():
            if isinstance(word, Call) and draw.random() < 0.8:
                shared = Resource.parse("one") if draw.random() < 0.5 else None
                said = {"limits": kinds[0] if shared else draw.choice(kinds), "per": shared, "gated": True}
                stack.enter_context(mock.patch.multiple(word, **said))
        return overlapped(program, seed)


def costing(run: Callable[[], Outcome]) -> Outcome:
    """A run in which calls cost something: what they ask for and what they use is told by their names."""
    from stretto import Call, call
    from stretto.budgets.accounts import DOLLAR
    from stretto.budgets.claims import Claim

    def cost(claim: Claim, value: object) -> int:
        return int(digest(claim.call.name, repr(value)), 16) % 4 * DOLLAR

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(Claim, "_cost", cost))
        for name, word in _words(call).items():
            if isinstance(word, Call) and not word.streams:
                stack.enter_context(mock.patch.object(word, "usd", int(digest(name), 16) % 5))
        return run()


def sequential(program: Program, seed: int = 0) -> Outcome:
    """Stretto's own reference run, which has to be the same as ours."""
    from stretto import call, flow
    from stretto.testing import VirtualClock

    world = World(salt=program.salt, rate=program.rate, seed=seed)
    return _run(program, world, call, flow, VirtualClock(seed=seed), _alarm, method="sequential")


def differences(program: Program, seeds: Sequence[int] = (1, 2, 3)) -> list[Difference]:
    """Where Stretto's runs differ from the reference; `Difficult` if there is no reference."""
    expected = measure(program)
    found = list(compare(expected, sequential(program), "f.sequential"))
    return found or differences_from(expected, program, seeds)


def differences_from(expected: Outcome, program: Program, seeds: Sequence[int]) -> list[Difference]:
    """Where overlapped runs differ from what is expected."""
    for seed in seeds:
        found = list(compare(expected, overlapped(program, seed), f"seed {seed}"))
        if found:
            return found
    return []


def measure(program: Program) -> Outcome:
    """A reference run that others can be compared with; else `Difficult`."""
    expected = reference(program)
    if expected.ended == "hung":
        raise Difficult("the reference run does not end")
    if expected.error.startswith("RecursionError"):
        raise Difficult("how deep is too deep depends on frames that are not the program's")
    return expected


def report(program: Program, found: Sequence[Difference]) -> str:
    text = "\n".join(str(difference) for difference in found)
    return f"the overlapped run differs from the reference run\n\n{program}\n\n{text}\n"


def compare(expected: Outcome, got: Outcome, run: str) -> Iterator[Difference]:
    """The differences of one run, the most telling first."""
    if got.ended in ("rejected", "hung"):
        yield Difference(run, got.ended, expected.ended, got.crash)
        return
    if got.running:
        yield Difference(run, "running after the end", [], got.running)
    if got.violations:
        yield Difference(run, "forbidden overlap", [], got.violations)
    if expected.writes != got.writes:
        yield from _per_key(run, "writes to", expected.writes, got.writes)
    if expected.commutes != got.commutes:
        yield from _per_key(run, "commuting writes to", expected.commutes, got.commutes)
    if expected.marks != got.marks and expected.writes == got.writes:
        yield Difference(run, "order of conflicting writes", expected.writes, got.writes)
    if expected.ended != got.ended:
        where = got.crash and "\n" + got.crash
        yield Difference(run, "end", _end(expected), _end(got) + where)
    elif expected.error != got.error:
        yield Difference(run, "exception", expected.error, got.error + "\n" + got.crash)
    elif expected.frames != got.frames:
        same = _outside_comprehensions(expected.frames) == _outside_comprehensions(got.frames)
        what = "frames of comprehensions" if same else "traceback"
        yield Difference(run, what, expected.frames, got.frames)
    elif expected.chain != got.chain:
        yield Difference(run, "chain of exceptions", expected.chain, got.chain)
    if expected.ended == got.ended and expected.result != got.result:
        yield Difference(run, "result", expected.result, got.result)
    if expected.state != got.state:
        yield from _per_key(run, "state of", expected.state, got.state)
    if expected.ignored != got.ignored:
        yield Difference(run, "ignored exceptions", expected.ignored, got.ignored)
    if missing := expected.answered - got.answered:
        extra = got.answered - expected.answered
        yield Difference(run, "answers of reads", sorted(missing), f"not among them; instead {sorted(extra)}")


# CPython 3.11 words a traceback with `ast.parse`. Where the collector finds a task whose failure nobody has
# asked for while something else is parsed, that would break there ("recursion depth mismatch").
logging.getLogger("asyncio").disabled = True


def _outside_comprehensions(frames: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The frames that every version of Python has: some inline comprehensions."""
    return [(name, line) for name, line in frames if name not in _COMPREHENSIONS]


def _per_key(run: str, what: str, expected: dict[str, Any], got: dict[str, Any]) -> Iterator[Difference]:
    for key in sorted(expected.keys() | got.keys()):
        if expected.get(key) != got.get(key):
            yield Difference(run, f"{what} {key}", expected.get(key), got.get(key))


def _end(outcome: Outcome) -> str:
    return f"{outcome.ended} {outcome.error or outcome.result}"


# One run.


def _run(
    program: Program,
    world: World,
    call: Any,
    flow: Any,
    clock: Any,
    limit: Callable[[str], contextlib.AbstractContextManager[None]],
    method: str | None = None,
) -> Outcome:
    with _quiet():
        filename, code = _compiled(program.source)
    words = {**_words(call), "call": call, "flow": flow}
    if method is None and call is not Reference.call:
        kept = loaded(MODULE, program.source, code, words)
        module, load = kept.module, kept.load
    else:
        # CPython 3.11 names the line before the right one where a line has become a part of a
        # superinstruction; so what is the measure runs code that has not run before
        module = types.ModuleType(MODULE)
        module.__dict__.update(words)
        load = functools.partial(exec, marshal.loads(marshal.dumps(code)), module.__dict__)
    namespace = module.__dict__
    outcome = Outcome("returned")
    roots: dict[str, object] = {}
    sys.modules[MODULE] = module
    try:
        with entered(world), _printing(world, program.source), limit(filename), _quiet():
            try:
                load()
            except Exception as error:
                if call is Reference.call:
                    raise Difficult(f"the module does not load: {error!r}") from error
                return Outcome("rejected", crash=_story(error))
            try:
                arguments = eval(program.arguments, dict(namespace))
            except Exception as error:
                raise Difficult(f"the arguments cannot be made: {error!r}") from error
            main = namespace.get("main")
            if main is None:
                raise Difficult("there is no main")
            with clock, _ignoring(outcome.ignored):
                try:
                    entry = getattr(main, method) if method else main
                    consume = namespace.get("consume")
                    result = consume(entry, *arguments) if consume else entry(*arguments)
                    # what a reference run gives may be one as well: that is its result
                    if inspect.iscoroutine(result) and (consume or method is None):
                        result = asyncio.run(whole(result)) if call is Reference.call else clock.run(result)
                    roots["result"] = result
                except UnsupportedConstruct as error:
                    return Outcome("rejected", crash=_story(error))
                except Exception as error:
                    outcome.ended = "raised"
                    _describe(outcome, error, filename, roots)
                outcome.running = [str(operation) for operation in world.active]
                world.closed = True
                outcome.time = getattr(clock, "now", 0.0)
            roots.update((f"argument {number}", value) for number, value in enumerate(arguments))
            roots.update(_globals(namespace, words))
            texts = canonical_all(roots)
    except TimeIsUp:
        running = list(map(str, world.active))
        return Outcome("hung", crash=f"did not end in time; running: {running}")
    finally:
        sys.modules.pop(MODULE, None)
    outcome.result = texts.pop("result", "")
    if outcome.ended == "raised":
        outcome.error += texts.pop("error arguments")
        outcome.chain = [name + texts.pop(f"chain {number}") for number, name in enumerate(outcome.chain)]
    outcome.state = texts
    outcome.writes, outcome.commutes, outcome.marks = world.writes(), world.commutes(), world.marks()
    outcome.answered, outcome.violations, outcome.calls = world.answered, world.violations, world.calls
    return outcome


@functools.lru_cache(maxsize=64)
def _compiled(source: str) -> tuple[str, types.CodeType]:
    filename = f"{GENERATED}{digest(source)}>"
    try:
        code = compile(source, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Difficult(f"no Python: {error}") from error
    for old in [name for name in linecache.cache if name.startswith(GENERATED)][:-512]:
        del linecache.cache[old]
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return filename, code


@functools.cache
def _words(call: Any) -> dict[str, Any]:
    if call is not Reference.call:
        project.load_once()
        name = f"{Bar.__module__}.{Bar.__qualname__}"
        effect = effects_of("writes bar", "here")
        registry.declare([Entry(name, effect, "here", here=True, iterates="things")])
    return vocabulary(call)


def _describe(outcome: Outcome, error: BaseException, filename: str, roots: dict[str, object]) -> None:
    outcome.error = type(error).__name__
    roots["error arguments"] = error.args
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == filename:
            outcome.frames.append((code.co_name, trace.tb_lineno))
        trace = trace.tb_next
    met = {id(error)}
    queue: list[tuple[str, BaseException]] = [("", error)]
    while queue:
        path, at = queue.pop(0)
        if at.__suppress_context__:
            outcome.chain.append(f"{path} suppresses its context ")
            roots[f"chain {len(outcome.chain) - 1}"] = ()
        for word, link in (("cause", at.__cause__), ("context", at.__context__)):
            if link is not None:
                outcome.chain.append(f"{path} {word} {type(link).__name__}")
                roots[f"chain {len(outcome.chain) - 1}"] = link.args
                if id(link) not in met:
                    met.add(id(link))
                    queue.append((f"{path} {word}", link))
    outcome.crash = _story(error)


def _story(error: BaseException) -> str:
    """The last frames of a traceback, for the report only."""
    lines: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"      {code.co_filename}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return "\n".join([*lines[-6:], f"      {type(error).__name__}: {error}"])


def _globals(namespace: dict[str, Any], given: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name, value in list(namespace.items()):
        if name in given or name.startswith("__"):
            continue
        if isinstance(value, (int, str, list, dict, set, Box, Agent)):
            yield f"global {name}", value
            continue
        raw = getattr(value, "__wrapped__", value)
        if isinstance(raw, types.FunctionType) and raw.__defaults__:
            yield f"defaults of {name}", raw.__defaults__


#: Where an object happens to lie.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class _Printed(io.TextIOBase):
    """A standard stream as a part of the world: a line printed is unknown code."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._line = ""

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._print(_ADDRESS.sub("", line))
        return len(text)

    def _print(self, line: str) -> None:
        self._world.unknown("print", line)


class _Stream(_Printed):
    """The same, where the engine takes it for the process's own stream: a line printed is a write there."""

    def _print(self, line: str) -> None:
        operation = self._world.enter("print", "write", (self._name,), (line,))
        self._world.active.remove(operation)


STAND_INS.add((_Stream.__module__, _Stream.__qualname__))


def _printing(world: World, source: str) -> contextlib.ExitStack:
    """Both kinds of streams, in worlds by turns."""
    made = _Stream if world.salt % 2 else _Printed
    stack = contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(made(world, "stdout")))
    if "stderr" in source:
        stack.enter_context(contextlib.redirect_stderr(made(world, "stderr")))
    return stack


@contextlib.contextmanager
def _ignoring(found: list[str]) -> Iterator[None]:
    """Note what is raised where nobody can be told, as by a generator that dies."""

    def note(told: sys.UnraisableHookArgs) -> None:
        # A coroutine that never began runs no code as it dies: only the warning of it can have failed, as it
        # does where the collector happens to strike in code without built-ins, such as a namedtuple's.
        dead = told.object
        if not (inspect.iscoroutine(dead) and inspect.getcoroutinestate(dead) == inspect.CORO_CREATED):
            found.append(repr(told.exc_value))

    before, sys.unraisablehook = sys.unraisablehook, note
    try:
        yield
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Generated programs hold much that the parser warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _patience(filename: str) -> Iterator[None]:
    """Ends a reference run that does not end by itself, and only ever between two lines of the program.

    Many do not end, so how they are stopped must leave nothing behind: an exception from a signal handler
    can strike inside the callback of a weak reference, or half-way through the end of a ``with`` around the
    run, and the next program would meet a broken process.
    """
    end = time.thread_time() + PATIENCE

    def enter(frame: types.FrameType, event: str, arg: object) -> Any:
        return at_line if frame.f_code.co_filename == filename else None

    def at_line(frame: types.FrameType, event: str, arg: object) -> Any:
        nonlocal over
        if event == "line" and time.thread_time() > end:
            over = True
            raise TimeIsUp
        return at_line

    over = False
    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)
    if over:
        raise TimeIsUp  # once more: a ``finally`` of the program may have failed, and so got rid of it


@contextlib.contextmanager
def _alarm(filename: str) -> Iterator[None]:
    """Ends a run of Stretto's that hangs, wherever it is: that is a failure, and what comes after is lost."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(signum: int, frame: object) -> None:
        raise TimeIsUp

    before: Callable[..., Any] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANGS, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
