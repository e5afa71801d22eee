"""The commands, and what each does."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stretto.errors import StrettoError

from .arguments import Signature
from .around import around_runs
from .execute import BAD_USAGE, OK, default_journal, execute, failed, usage_error, user_stdout
from .load import UsageError, did_you_mean, load_flow
from .options import Given, without_password
from .script import is_script, load_to_look

if TYPE_CHECKING:
    from stretto import Flow

__all__ = ["run_command"]

#: The options of `run` that take a value.
_VALUES = {
    "--journal": "a URL or a file",
    "--events": "a file",
    "--budget": "what the run may use, such as 'usd=0.50, seconds=30'",
}

_ABOUT_JOURNALS = (
    "resume",
    "fork",
    "ls",
    "show",
    "why",
    "blame",
    "diff",
    "top",
    "settle",
    "prune",
    "export",
    "import",
)

HELP = """\
usage: stretto run [--sequential | --suggest] [--json] [--journal URL | --no-journal] [--events FILE]
                   [--budget BUDGET] [--otel] FILE.py:FLOW [ARGUMENTS ...]
       stretto run [--sequential | --suggest] [--journal URL | --no-journal] [--events FILE]
                   [--budget BUDGET] [--otel] SCRIPT.py [ARGUMENTS ...]
       stretto explain [--json] FILE.py:FLOW | RUN
       stretto explain [--json | --suggest] SCRIPT.py
       stretto mcp [--http PORT] [--journal URL | --no-journal] FILE.py[:FLOW]
       stretto resume | fork | ls | show | why | blame | diff | top | settle | prune | export | import ...
       stretto ui [--journal URL] [--port N]
       stretto config [--json]
       stretto --version

Run a plain sequential Python function with its calls overlapped.

  run            run a flow; its arguments in its own order, or by name: --name value
                 (stretto run FILE.py:FLOW --help tells which there are);
                 or a whole file that defines no flow, as python SCRIPT.py would run it
  explain        say which calls overlap, which cannot, and the line that would free them; of a run that
                 is recorded, where its time went; --suggest proposes lines for [effects]
  mcp            serve the flows of a file as the tools of a MCP server (stretto mcp --help)

  resume         take up a run that was interrupted: what it has done is not done again
  fork           start a new run that shares what another one has done, up to one call
  ls             list the runs of a journal, the newest first
  show           show a run and its calls, in program order
  why            say why a call of a run started when it did, and what would have let it start earlier
  blame          say where the failure of a run began, and what led to it
  diff           say where two runs part; exit code 0 if they do not, 1 if they do
  top            show what all runs of a journal are doing
  settle         say whether a write that is in doubt happened
  prune          delete old runs
  export         write a run to a file
  import         take such a file into a journal
                 (stretto ls --help and so on tell the options)

  ui             look at runs in the browser, while they go on and afterwards (stretto ui --help)

  config         show what is configured, and which file or variable says so

  --suggest      behind the run, what ran as a whole, in order, so that what follows waited; and the lines in
                 [effects] that would free it
  --sequential   one call at a time, in plain Python: what the overlapped run must equal
  --journal      where runs are recorded: a file, or postgresql://...; .stretto/journal.db if nothing else
                 is configured; --no-journal for nowhere
  --events FILE  write what happens, as it happens, to a file: an event a line, as JSON (docs/events.md)
  --budget BUDGET
                 what the run may use at most: "usd=0.50, tokens=200_000, seconds=30", or one of these
                 (docs/budgets.md)
  --otel         send traces and metrics to OpenTelemetry, as OTEL_... variables say (docs/telemetry.md)
  --json         progress, result and errors as JSON, one object a line, on stdout

Exit codes: 0 done, 1 the flow raised, 2 wrong usage, 130 interrupted."""


def run_command(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; see `HELP` for the exit codes."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except StrettoError as error:  # what is wrong with what is configured, say
        return failed(error.with_traceback(None), as_lines="--json" in words)
    except BrokenPipeError:  # `stretto run ... | head`: the reader has seen enough
        with contextlib.suppress(OSError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _dispatch(words: list[str]) -> int:
    if not words:
        print(HELP, file=sys.stderr)
        return BAD_USAGE
    command, *rest = words
    if command in ("-h", "--help", "help"):
        print(HELP)
        return OK
    if command == "--version":
        from stretto import __version__
        from stretto.engine import as_machine_code

        print(f"stretto {__version__}{' (engine as machine code)' if as_machine_code() else ''}")
        return OK
    if command in _ABOUT_JOURNALS or (command == "explain" and _names_run(rest)):
        from .journals import journal_command

        return journal_command(command, rest)
    if command == "config":
        from .config import show_config

        return show_config(rest)
    if command == "mcp":
        from .mcp import serve

        return serve(rest)
    if command == "ui":
        from .ui import serve_ui

        return serve_ui(rest)
    commands: dict[str, Callable[[_Options], int]] = {"run": _run, "explain": _explain}
    if command not in commands:
        guess = did_you_mean(command, (*commands, *_ABOUT_JOURNALS, "config", "mcp", "ui"), "stretto ")
        if Path(command.partition(":")[0]).is_file():
            guess = f"; did you mean stretto run {command}?"
        guess = guess if "did you mean" in guess else "; `stretto --help` lists them"
        return usage_error(UsageError(f"there is no command {command!r}{guess}"), None)
    try:
        options = _Options.of(command, rest)
    except UsageError as error:
        return usage_error(error, f"usage: stretto {command} FILE.py:FLOW ...", as_lines="--json" in rest)
    return commands[command](options)


def _names_run(words: Sequence[str]) -> bool:
    """Whether `explain` is asked about a run that was recorded: anything else names a file."""
    if "--journal" in words:
        return True
    target = next((word for word in words if not word.startswith("-")), "")
    return bool(target) and ":" not in target and not target.endswith(".py") and not Path(target).is_file()


class _Options:
    """What stands on the command line: our own options, the flow, and the flow's arguments."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.target = ""
        self.words: list[str] = []
        self.flags: set[str] = set()
        self.again = ""  #: the command that runs this again
        #: What the options that take a value were given.
        self.values: dict[str, str] = {}

    @classmethod
    def of(cls, command: str, words: list[str]) -> _Options:
        options = cls(command)
        options.again = without_password(shlex.join(["stretto", command, *words]))
        words = list(words)
        while words and words[0].startswith("-"):
            if not options._take(words, options._known):
                guess = did_you_mean(words[0], options._known)
                raise UsageError(f"there is no option {words[0]} before the flow{guess}")
        if words:
            options.target, *options.words = words
        elif "--help" not in options.flags:
            raise UsageError("say which flow, as FILE.py:FLOW")
        return options

    def take_flags(self, parameters: Sequence[str] = ()) -> None:
        """Our options may stand behind the flow too, except where the flow has one of that name.

        Raises `UsageError`."""
        known = self._known - {f"--{name}" for name in parameters}
        end = self.words.index("--") if "--" in self.words else len(self.words)
        words, theirs = self.words[:end], list[str]()
        while words:
            if not self._take(words, known):
                theirs.append(words.pop(0))
        self.words = theirs + self.words[end:]

    @property
    def _known(self) -> set[str]:
        known = {"--json", "--help", "-h"}
        if self.command == "explain":
            return known | {"--suggest"}
        run = {"--sequential", "--journal", "--no-journal", "--suggest", "--events", "--budget", "--otel"}
        return known | run if self.command == "run" else known

    def _take(self, words: list[str], known: set[str]) -> bool:
        """Take the first of these words, with its value if it has one, if it is one of those options."""
        word = words[0]
        name, equals, value = word.partition("=")
        if name in _VALUES and name in known:
            del words[0]
            value = value if equals or not words else words.pop(0)
            if not value:
                raise UsageError(f"{name} needs {_VALUES[name]}")
            self.values[name] = value
            return True
        if word in known:
            del words[0]
            self.flags.add("--help" if word == "-h" else word)
            return True
        return False

    @property
    def journal(self) -> str:
        """Where the run is recorded, if that was said."""
        return self.values.get("--journal", "")

    @property
    def given(self) -> Given:
        """What a command about the run needs to be told to find it."""
        return Given(values={"--journal": self.journal} if self.journal else {})

    @property
    def json(self) -> bool:
        return "--json" in self.flags


def _load(options: _Options) -> Flow[..., Any] | int:
    """The flow, or the exit code when there is none."""
    as_lines = options.json or "--json" in options.words
    usage = f"usage: stretto {options.command} FILE.py:FLOW ..."
    try:
        with user_stdout(as_lines):
            return load_flow(options.target)
    except UsageError as error:
        return usage_error(error, usage, as_lines=as_lines)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        return failed(error, as_lines=as_lines)


def _explain(options: _Options) -> int:
    options.take_flags()
    if "--help" in options.flags:
        print(HELP)
        return OK
    if options.words:
        error = UsageError(f"explain takes the flow alone; found {options.words[0]!r}")
        return usage_error(error, "usage: stretto explain [--json] FILE.py:FLOW", as_lines=options.json)
    flow: Any = load_to_look(options.target) if is_script(options.target) else _load(options)
    if isinstance(flow, int):
        return flow
    from stretto import explain

    try:
        report = explain(flow)
    except StrettoError as error:
        return failed(error, as_lines=options.json)
    if "--suggest" in options.flags:
        from stretto.declarations.suggest import suggestions

        print("\n".join(suggestions(report)))
        return OK
    print(json.dumps(report.as_json(), indent=2) if options.json else report)
    return OK


def _run(options: _Options) -> int:
    if "--suggest" not in options.flags:
        return _run_it(options)
    from stretto.declarations.suggest import of_walls
    from stretto.observe.walls import watching

    with watching() as walls:
        try:
            return _run_it(options)
        finally:
            sys.stdout.flush()
            print("\n".join(of_walls(walls)), file=sys.stderr)


def _run_it(options: _Options) -> int:
    if not options.target:
        print(HELP)
        return OK
    if is_script(options.target) and not options.json:
        return _run_script(options)
    flow = _load(options)
    if isinstance(flow, int):
        return flow
    signature = Signature.of(flow.fn)
    usage = signature.usage(f"stretto run {options.target}")
    try:
        options.take_flags(tuple(signature.parameters))
        if "--help" in options.flags:
            print("\n\n".join(part for part in (usage, flow.fn.__doc__, signature.table()) if part))
            return OK
        args, kwargs = signature.parse(options.words)
    except UsageError as error:
        return usage_error(error, f"{usage}\n{signature.table()}", as_lines=options.json)
    if options.flags & {"--sequential", "--no-journal"}:
        flow = flow.using(journal=None)
    else:
        flow = flow.using(journal=options.journal or default_journal())
    try:
        with around_runs(options.values, otel="--otel" in options.flags):
            return _execute(options, flow, args, kwargs)
    except UsageError as error:
        return usage_error(error, None, as_lines=options.json)


def _execute(options: _Options, flow: Flow[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    return execute(
        flow, args, kwargs, sequential="--sequential" in options.flags, as_lines=options.json,
        again=options.again, resuming=options.given.again,
    )  # fmt: skip


def _run_script(options: _Options) -> int:
    """All that stands behind the file is the script's own."""
    from .script import run_script

    journal = None if "--no-journal" in options.flags else options.journal or default_journal()
    try:
        with around_runs(options.values, otel="--otel" in options.flags):
            return run_script(
                options.target, options.words, sequential="--sequential" in options.flags, journal=journal,
                again=options.again, resuming=options.given.again,
            )  # fmt: skip
    except UsageError as error:
        return usage_error(error, "usage: stretto run FILE.py [ARGUMENTS ...]")
