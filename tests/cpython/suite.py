"""Which of CPython's tests are run, and where they are."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["MODULES", "NoTests", "provide"]

#: All that test the language itself.
MODULES = tuple(
    """
    test_grammar test_exceptions test_generators test_scope test_with test_patma test_listcomps test_dictcomps
    test_setcomps test_genexps test_unpack test_unpack_ex test_augassign test_contextlib test_raise
    test_named_expressions test_extcall test_keywordonlyarg test_decorators test_class test_iter test_fstring
    test_compare test_super test_yield_from
    """.split()
)

_MISSING = """\
CPython's own tests (the package `test`) are not part of this Python {version} ({executable}), {why}.
What to do, one of these:
  - use a Python that has them (those built from source, of pyenv and of the installers do):
        make PYTHON=/path/to/python
  - on Debian and Ubuntu: apt-get install libpython{version}-testsuite
"""


class NoTests(Exception):
    """The interpreter comes without its tests, and they could not be had."""


def provide(scratch: Path | None = None) -> list[str]:
    """What has to be put at the front of ``sys.path`` so that ``test.test_grammar`` is this interpreter's.

    Debian has them in a package of its own: it is fetched, and unpacked into `scratch`, not installed.
    """
    if _there():
        return []
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"libpython{version}-testsuite"

    def missing(why: str) -> NoTests:
        return NoTests(_MISSING.format(version=version, executable=sys.executable, why=why))

    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise missing("and this is no Debian, from which they could be fetched")
    scratch = scratch or Path(tempfile.gettempdir()) / f"stretto-{name}"
    unpacked = scratch / "usr" / "lib" / f"python{version}"
    if not (unpacked / "test" / "test_grammar.py").exists():
        scratch.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                ["apt-get", "download", "-q", name],
                cwd=scratch, check=True, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            package = max(scratch.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
            subprocess.run(["dpkg-deb", "-x", str(package), str(scratch)], check=True, timeout=300)
        except (subprocess.SubprocessError, ValueError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip()
            raise missing(f"and `apt-get download {name}` failed:\n    {said}\n") from None
    return [str(unpacked)]


def _there() -> bool:
    try:
        return importlib.util.find_spec("test.test_grammar") is not None
    except ImportError:
        return False
