"""Pages as programs: the Python blocks of a Markdown page, run in order in one namespace.

What a page may hold:

- ```` ```python ````: executed. The blocks of a page share one namespace.
- ``# -> text`` at the end of a statement, or on lines of its own below it: what the statement
  prints, or, when it prints nothing, the ``repr`` of its value. ``...`` stands for anything.
- ``<!-- docs: skip REASON -->`` above a block: not executed, only compiled.
- ``<!-- docs: file NAME -->`` above a block: also saved as NAME, where shell blocks run.
- ```` ```sh ````: see `shell`.

A page is written out as a Python file in which every line that is not code is blank, so line
numbers in tracebacks are the page's own, and ``inspect.getsource`` works.

Run as a script, this prints the code of a page: ``python tests/docs/pages.py docs/from_scratch.md``.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
import traceback
import types
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARROW = re.compile(r"#\s->\s?(.*)$")
EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")
FENCE = re.compile(r"^(\s*)```(\w*)\s*$")
#: What stands for a run, and which of the newest that is.
_RUNS = {"RUN": 0, "RUN2": 0, "RUN1": 1}
NOTE = re.compile(r"^\s*<!-- docs: (skip|file) (.+?) -->\s*$")


@dataclass
class Block:
    """A fenced block: its language, its text, the page's line on which the text begins."""

    language: str
    text: str
    line: int
    notes: dict[str, str] = field(default_factory=dict[str, str])


class PageError(AssertionError):
    """A block that failed, with the page and the line."""


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    notes: dict[str, str] = {}
    lines = page.read_text().splitlines()
    at = 0
    while at < len(lines):
        if note := NOTE.match(lines[at]):
            notes[note[1]] = note[2]
        elif fence := FENCE.match(lines[at]):
            end = next((n for n in range(at + 1, len(lines)) if lines[n].strip() == "```"), None)
            if end is None:
                raise PageError(f"{page}:{at + 1}: this block is never closed")
            text = textwrap.dedent("\n".join(lines[at + 1 : end])) + "\n"
            found.append(Block(fence[2], text, at + 2, notes))
            notes = {}
            at = end
        elif lines[at].strip():
            notes = {}
        at += 1
    return found


def python_of(page: Path) -> list[Block]:
    return [block for block in blocks_of(page) if block.language == "python"]


def run_page(page: Path, folder: Path) -> dict[str, object]:
    """Run the page's blocks, shell blocks too; `PageError` names the first that fails."""
    blocks = blocks_of(page)
    name = "page_" + re.sub(r"\W", "_", page.stem)
    source = folder / f"{name}.py"
    lines: list[str] = []
    for block in blocks:
        if block.language == "python" and "skip" not in block.notes:
            lines += [""] * (block.line - 1 - len(lines)) + block.text.splitlines()
    source.write_text("\n".join(lines) + "\n")
    module = types.ModuleType(name)
    module.__file__ = str(source)
    sys.modules[name] = module
    try:
        for block in blocks:
            if "file" in block.notes:
                (folder / block.notes["file"]).write_text(block.text)
            if block.language == "python":
                run_block(page, block, source, vars(module))
            elif block.language == "sh":
                shell(page, block, folder)
    finally:
        del sys.modules[name]
    return vars(module)


def run_block(page: Path, block: Block, source: Path, names: dict[str, object]) -> None:
    padded = "\n" * (block.line - 1) + block.text
    try:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile(padded, str(source), "exec", ast.PyCF_ONLY_AST | flags, dont_inherit=True)
    except SyntaxError as error:
        raise PageError(f"{page}:{error.lineno}: {error.msg}") from None
    if "skip" in block.notes:
        return
    assert isinstance(tree, ast.Module)
    lines = padded.splitlines()
    for statement, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        last = (following.lineno - 1) if following else len(lines)
        if following and isinstance(following, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            last = min([last, *(d.lineno - 1 for d in following.decorator_list)])
        expected = [m[1] for line in lines[statement.lineno - 1 : last] if (m := ARROW.search(line))]
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                value = execute(statement, str(source), names, flags)
        except BaseException as error:
            frames = reversed(traceback.extract_tb(error.__traceback__))
            at = next((f.lineno for f in frames if f.filename == str(source)), statement.lineno)
            raise PageError(f"{page}:{at}: {type(error).__name__}: {error}") from error
        if expected:
            got = out.getvalue().rstrip("\n") or repr(value)
            want = "\n".join(expected)
            if not same(want, got):
                raise PageError(f"{page}:{statement.lineno}: the page says\n{want}\nbut it is\n{got}")


def execute(statement: ast.stmt, filename: str, names: dict[str, object], flags: int) -> object:
    """Run one statement; its value if it is an expression or a plain assignment."""
    shown: ast.expr | None = None
    if isinstance(statement, ast.Expr):
        shown = statement.value
    else:
        run = compile(ast.Module([statement], []), filename, "exec", flags, dont_inherit=True)
        finish(run, names)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            return names[statement.targets[0].id]
        return None
    return finish(compile(ast.Expression(shown), filename, "eval", flags, dont_inherit=True), names)


def finish(code: types.CodeType, names: dict[str, object]) -> object:
    value = eval(code, names)
    if code.co_flags & inspect.CO_COROUTINE:

        async def waited() -> object:
            return await value  # pyright: ignore[reportGeneralTypeIssues]

        return asyncio.run(waited())
    return value


def same(want: str, got: str) -> bool:
    def tidy(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"

    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(tidy(want), tidy(got), options)


def shell(page: Path, block: Block, folder: Path) -> None:
    """Check a shell block: make targets must exist, `stretto`, `python` and `rm` lines are run.

    RUN stands for the newest run of the folder's journal, as RUN2 does, and RUN1 for the one before.
    ``# exit code N`` behind a command is what it ends with, if not with 0, and ``# -> text`` below it what it
    prints, errors included.
    """
    lines = block.text.splitlines()
    for offset, line in enumerate(lines):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        where = f"{page}:{block.line + offset}"
        if words[0] == "make":
            for target in words[1:]:
                if "=" not in target and target not in make_targets():
                    raise PageError(f"{where}: the Makefile has no target {target!r}")
        elif words[0] == "rm":
            for name in words[1:]:
                (folder / name).unlink()
        elif words[0] in ("stretto", "python") and "skip" not in block.notes:
            code = int(ending[1]) if (ending := EXIT_CODE.search(line)) else 0
            if any(word in _RUNS for word in words):
                newest = json.loads(command(["stretto", "ls", "--json", "--limit", "2"], folder).stdout)
                words = [newest[_RUNS[word]]["id"] if word in _RUNS else word for word in words]
            done = command(words, folder)
            if done.returncode not in (code, 128 - code if code > 128 else code):
                raise PageError(f"{where}: {line}\n{done.stdout}exit code {done.returncode}")
            below = itertools.takewhile(lambda text: text.startswith("# ->"), lines[offset + 1 :])
            want = "\n".join(text.removeprefix("# ->").removeprefix(" ") for text in below)
            if want and not same(want, done.stdout):
                raise PageError(f"{where}: the page says\n{want}\nbut it is\n{done.stdout}")


def command(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a `stretto` or `python` command, in the repository where it names something there."""
    program = [sys.executable, *(["-m", "stretto"] if words[0] == "stretto" else []), *words[1:]]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        program,
        cwd=ROOT if any((ROOT / word).exists() for word in words[1:]) else folder,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def make_targets() -> set[str]:
    makefile = ROOT / "Makefile"
    if not makefile.exists():
        return set()
    return set(re.findall(r"^([A-Za-z][\w-]*):", makefile.read_text(), re.M))


def code_of(page: Path) -> str:
    """The page's code as one file."""
    parts = [block.text.strip("\n") for block in python_of(page) if "skip" not in block.notes]
    head = f'"""The code of {page.name}, in order. Made from that page: edit the page, not this file."""'
    return f"# ruff: noqa\n# fmt: off\n{head}\n\n" + "\n\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(code_of(Path(sys.argv[1])), end="")
