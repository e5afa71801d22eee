"""From ``FILE.py:flow`` to the flow."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from stretto import Flow

__all__ = ["UsageError", "import_file", "load_flow", "load_flows", "not_a_file"]


class UsageError(Exception):
    """The command line asks for something that is not there; the message says what is."""


def load_flow(target: str) -> Flow[..., Any]:
    """The flow that ``FILE.py:flow`` names; the name may be left out where a file has one flow.

    What the user's file raises while it is imported is raised as it is.
    """
    file, name = _split(target)
    module = _module(file)
    flows = _flows_of(module)
    if name is None:
        if len(flows) == 1:
            return next(iter(flows.values()))
        raise UsageError(f"say which flow of {file} to run: {file}:NAME. {_listed(file, flows)}")
    if name in flows:
        return flows[name]
    if hasattr(module, name):
        found = getattr(module, name)
        kind = "a call" if type(found).__name__ == "Call" else f"a {type(found).__name__}"
        raise UsageError(f"{name} in {file} is not a flow but {kind}. {_listed(file, flows)}")
    raise UsageError(f"{file} has no {name!r}{did_you_mean(name, flows)} {_listed(file, flows)}")


def load_flows(target: str) -> dict[str, Flow[..., Any]]:
    """The flows of a file by name, or the one flow that ``FILE.py:flow`` names."""
    file, name = _split(target)
    if name is None:
        return _flows_of(_module(file))
    return {name: load_flow(target)}


def _module(file: str) -> ModuleType:
    path = Path(file)
    if not path.is_file():
        raise UsageError(not_a_file(path))
    return import_file(path.resolve())


def did_you_mean(word: str, known: Any, prefix: str = "") -> str:
    """``; did you mean 'x'?``, or a full stop."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else "."


def _split(target: str) -> tuple[str, str | None]:
    file, colon, name = target.rpartition(":")
    if colon and name.isidentifier():  # `C:\flows.py` has a colon of another kind
        return file, name
    return target.rstrip(":"), None


def not_a_file(path: Path) -> str:
    """Why there is nothing to run there, and what may have been meant."""
    folder = path.parent
    if path.is_dir():
        return f"{path} is a folder; expected FILE.py or FILE.py:flow"
    if not folder.is_dir():
        return f"there is no file {path} (there is no folder {folder})."
    siblings = [file.name for file in folder.glob("*.py")]
    if path.suffix == "" and f"{path.name}.py" in siblings:
        return f"there is no file {path}; did you mean {path}.py?"
    return f"there is no file {path}" + did_you_mean(path.name, siblings, f"{folder}/" if folder.name else "")


def import_file(path: Path) -> ModuleType:
    """Import a file as Python would if it were imported by name, relative imports included."""
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    if len(parts) > 1:
        return importlib.import_module(".".join(parts))
    name = path.stem
    if name in sys.modules or name in sys.stdlib_module_names:  # a user's json.py is not json
        name = f"{name}_"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path.name} is not a Python file; expected FILE.py:flow")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _flows_of(module: ModuleType) -> dict[str, Flow[..., Any]]:
    """The flows that a module has, its own before those that it imports."""
    from stretto import Flow

    found = vars(module).items()
    flows = {name: cast("Flow[..., Any]", value) for name, value in found if isinstance(value, Flow)}
    own = {name: f for name, f in flows.items() if getattr(f.fn, "__module__", None) == module.__name__}
    return own or flows


def _listed(file: str, flows: dict[str, Flow[..., Any]]) -> str:
    if not flows:
        return f"{file} has no flows: mark a function with @stretto.flow."
    return f"Flows in {file}: {', '.join(sorted(flows))}."
