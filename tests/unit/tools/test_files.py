"""Files and commands as calls: names are never too narrow, and what they do is what line by line does."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from stretto import call, errors, flow
from stretto.engine.tokens import covers
from stretto.tools import files, shell


def cover(a: Path | str, b: Path | str) -> bool:
    return covers(f"file:{files.name_of(a)}", f"file:{files.name_of(b)}")


def test_paths_that_may_be_one_file_have_names_that_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "in/a:b", "in/c%3Ad"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "round").symlink_to("round")
    assert cover("a", tmp_path / "in" / ".." / "a") and cover("./a", "a") and cover("a", tmp_path)
    assert cover("link/new", "in/new") and cover("link/../a", "a") and cover("/", "a")
    assert not cover("a", "b") and not cover("a", "in") and not cover("in/x", "in/y") and not cover("a", "ab")
    assert not cover("in/a:b", "in/a") and not cover("in/c%3Ad", "in/c:d")
    assert cover("round", "a") and cover("/proc/self/cwd/a", "a") and cover("round/x", "b")
    os.link("a", "same")
    assert cover("same", "a") and cover("same", "b")  # which other name it has is not known
    assert files.name_to_remove("link") == files.name_to_remove("in") == files.name_of("/")


@flow
def perform(steps: list[tuple[str, str, str]]) -> list[Any]:
    told: list[Any] = []
    for what, path, other in steps:
        if what == "read":
            told.append(files.read(path) if files.exists(path) else path)
        elif what == "list":
            told.append(files.list(path))
        elif what == "write":
            files.write(path, other)
        elif what == "append":
            files.append(path, other)
        elif what == "delete":
            files.delete(path)
        elif what == "remove":
            files.remove(path)
        elif what == "link":
            os.symlink(path, other)
        else:
            files.move(path, other)
    return told


def tree(folder: Path) -> dict[str, Any]:
    return {
        str(p.relative_to(folder)): os.readlink(p) if p.is_symlink() else p.is_dir() or p.read_text()
        for p in sorted(folder.rglob("*"))
    }


def outcome(run: Any, folder: Path, steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    (folder / "d" / "e").mkdir(parents=True)
    for name in ("x", "d/y", "d/e/z"):
        (folder / name).write_text(name)
    (folder / "l").symlink_to("d")
    monkeypatch.chdir(folder)
    try:
        told = run(steps)
    except OSError as error:
        told = type(error), error.args
    return told, tree(folder)


@pytest.mark.parametrize("seed", range(40))
def test_any_steps_do_what_they_do_line_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    words = ("read", "read", "read", "list", "write", "write", "append", "delete", "move", "remove", "link")
    paths = ("x", "d/y", "d/e/z", "l/y", "l/../x", "n", "m", "d/n", "n/y")
    steps: list[tuple[str, str, str]] = []
    for i in range(draw.randint(3, 9)):
        what = draw.choice(words)
        other = draw.choice(("m", "n", "d/n")) if what in ("move", "link") else f"{i};"
        steps.append((what, draw.choice(("d", "d/e", "l", ".") if what == "list" else paths), other))
    same(steps, tmp_path, monkeypatch, random.Random(seed))


@pytest.mark.parametrize(
    "steps",
    [
        [
            ("write", "m", "1"),
            ("link", "x", "n"),
            ("write", "n", "new"),
            ("list", "d", ""),
            ("read", "x", ""),
        ],
        [
            ("write", "d/y", "1"),
            ("move", "d", "m"),
            ("write", "m/y", "2"),
            ("read", "m/y", ""),
            ("list", "m", ""),
        ],
        [("remove", "d", ""), ("write", "l", "a file at the end of a link"), ("read", "d", "")],
        [
            ("delete", "l", ""),
            ("write", "l", "no link"),
            ("read", "l", ""),
            ("list", "d", ""),
            ("list", ".", ""),
        ],
    ],
)
def test_links_that_are_made_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, str, str]]
) -> None:
    same(steps, tmp_path, monkeypatch, random.Random(0))


def same(
    steps: list[tuple[str, str, str]], folder: Path, monkeypatch: pytest.MonkeyPatch, slow: random.Random
) -> None:
    expected = outcome(perform.sequential, folder / "a", steps, monkeypatch)

    def slowly(*args: Any, **kwargs: Any) -> Any:
        changes = len(args) > 1 and args[1] != "rb"  # so that what should wait for a change comes before it
        time.sleep(slow.choice((0, 0.001, 0.003)) + 0.01 * changes)
        return open(*args, **kwargs)

    monkeypatch.setattr(files, "open", slowly, raising=False)
    assert outcome(perform, folder / "b", steps, monkeypatch) == expected


@call
def make_link(path: str, link: str) -> None:
    os.symlink(path, link)


@flow
def through_a_link(path: str) -> str:
    files.write("m", "1")
    make_link(path, "n")
    files.write("n", "new")
    return files.read(path)


def test_a_path_that_is_going_to_lead_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the second write is issued, there is no link yet."""
    monkeypatch.chdir(tmp_path)
    Path("x").write_text("old")

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.01 * (len(args) > 1))
        return open(*args, **kwargs)

    monkeypatch.setattr(files, "open", slowly, raising=False)
    assert through_a_link("x") == "new"


def test_a_command(tmp_path: Path) -> None:
    done = shell.run("cat; echo $WHO >&2", input="in", env={"WHO": "me"}, cwd=tmp_path)
    assert done == shell.Finished("in", "me\n", 0)
    with pytest.raises(errors.ToolError) as caught:
        shell.run(["sh", "-c", "echo broken >&2; exit 3"])
    assert caught.value.status == 3 and "sh -c 'echo broken >&2; exit 3'\nbroken" in str(caught.value)
    assert shell.run("exit 4", check=False).status == 4
    with pytest.raises(errors.ToolServerError, match="cannot be started: no-such-command"):
        shell.run(["no-such-command"])
    with pytest.raises(errors.ToolServerError, match="it has no words"):
        shell.run([])
    with pytest.raises(UnicodeEncodeError):
        shell.run(["touch", str(tmp_path / "begun")], input="\ud800")
    assert not (tmp_path / "begun").exists()


def test_a_command_whose_daemon_holds_its_output_ends_in_time(tmp_path: Path) -> None:
    short = shell.writes("x", timeout=0.5)
    with pytest.raises(TimeoutError):
        short("setsid sh -c 'echo $$ > daemon; exec sleep 300' & sleep 300", cwd=tmp_path)
    pid = int((tmp_path / "daemon").read_text())
    os.kill(pid, signal.SIGKILL)  # it is still there: what it holds was not waited for


def test_what_a_command_touches_is_said() -> None:
    assert str(shell.run.effects) == "ordered with every other effect"
    assert str(shell.reads("repo").effects) == "reads repo"
    assert str(shell.writes("build:{cwd}").effects) == "writes build:{cwd}"


waits = shell.reads("nothing")
brief = shell.unordered


def test_commands_that_read_overlap_and_are_killed_in_time(tmp_path: Path) -> None:
    meeting = (
        f"touch {tmp_path}/$0; while [ ! -e {tmp_path}/a ] || [ ! -e {tmp_path}/b ]; do sleep 0.01; done"
    )

    @flow
    def meet() -> list[int]:
        return [waits(["sh", "-c", meeting, name]).status for name in ("a", "b")]

    assert meet() == [0, 0]
    short = shell.writes("x", timeout=0.2)
    with pytest.raises(TimeoutError):
        short(f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
