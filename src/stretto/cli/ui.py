"""``stretto ui``: the runs of a journal in the browser."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import os
import secrets
import socket
import sys
from collections.abc import Generator, Sequence

from stretto.errors import StrettoError

from .execute import OK, failed, usage_error
from .load import UsageError
from .options import Given, Usage
from .runs import journal_url, opened

__all__ = ["serve_ui"]

_HOST, _PORT = "127.0.0.1", 4747

USAGE = Usage(
    "ui",
    (),
    {"--journal": "URL", "--host": "ADDRESS", "--port": "N"},
    ("--token", "--open"),
    """\
Look at the runs of a journal in the browser, while they go on and afterwards.

  --journal URL     the journal: a file, or sqlite:/// or postgresql:// (default: what is configured,
                    else .stretto/journal.db)
  --host ADDRESS    where to listen (default: 127.0.0.1, which only this machine can reach). Anywhere else the
                    page asks for a token, which is in the address that is printed
  --port N          (default: 4747, or any if that is taken)
  --token           ask for the token on this machine also, if other people use it
  --open            open the browser""",
)


def serve_ui(words: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    try:
        given = USAGE.parse(words)
        if "--help" in given.flags:
            print(f"{USAGE.line()}\n\n{USAGE.says}")
            return OK
        return _serve(given)
    except UsageError as error:
        return usage_error(error, USAGE.line())
    except StrettoError as error:
        return failed(error.with_traceback(None), as_lines=False)
    except KeyboardInterrupt:
        return OK


def _serve(given: Given) -> int:
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            return usage_error(
                UsageError(f"this needs the package {package}: pip install 'stretto[ui]'"), None
            )
    import uvicorn

    from stretto.server.app import make_app
    from stretto.server.guard import is_loopback

    host = given.values.get("--host", _HOST)
    token = secrets.token_urlsafe(24) if "--token" in given.flags or not is_loopback(host) else None
    url, _ = journal_url(given)
    with opened(given) as journal, _listening(host, given.number("--port")) as listening:
        port = listening.getsockname()[1]
        app = make_app(
            journal, _absolute(url), host=host, port=port, token=token, closing=lambda: server.should_exit
        )
        everywhere = host in ("0.0.0.0", "::")
        name = socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
        address = f"http://{name}:{port}/"
        address += f"?token={token}" if token else ""
        print(f"{journal.where} at {address}\nCtrl-C stops it.", file=sys.stderr, flush=True)
        if "--open" in given.flags:
            import webbrowser

            webbrowser.open(address)
        gc.set_threshold(100_000)  # many events at once hold no garbage
        config = uvicorn.Config(
            app, log_level="error", access_log=False, timeout_graceful_shutdown=5, lifespan="off",
            server_header=False, date_header=False,
        )  # fmt: skip
        server = uvicorn.Server(config)
        server.run(sockets=[listening])
    return OK


def _absolute(url: str) -> str:
    """The journal's name for a process that begins elsewhere."""
    return url if "://" in url else os.path.abspath(url)


@contextlib.contextmanager
def _listening(host: str, port: int | None) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix"
        )  # else: taken ones, too
        try:
            try:
                listening.bind((host, _PORT if port is None else port))
            except OSError:
                if port is not None:
                    raise
                listening.bind((host, 0))
        except (OSError, OverflowError) as error:
            said = error.strerror if isinstance(error, OSError) else "a port is a number up to 65535"
            raise UsageError(f"nobody can listen at {host}:{port or _PORT}: {said}") from None
        listening.listen(128)  # who comes before the server has begun waits for it
        yield listening
