"""From entries to what they are about.

A name without ``*`` is looked up as a program would write it: the module is imported already, or is not asked
about; then one attribute after the other. A name with ``*``, which stands for any number of parts, is matched
against the name under which each function and method of the loaded modules was *defined*: its module, and its
qualified name in there. What is found is told by identity: a function is meant by whatever name it is called.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

import builtins
import fnmatch
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType, ModuleType
from typing import Any, Final

from ..calls import Call, is_coroutine_function
from ..compiler import known, types
from ..compiler.checkers import Checker
from ..compiler.known_objects import keep_fixed, let_change
from ..compiler.types import Json, T
from ..effects import Effects, Kind
from ..errors import DeclarationError, ReturnTypeError
from ..main_module import main_name
from .bounds import Bounds
from .table import Entry

__all__ = [
    "DeclaredCall", "bounds_of", "call_of", "check", "checker_of", "declare", "defines", "entries_under",
    "forget", "is_free_name", "is_operation_name",
]  # fmt: skip

_FUNCTIONS: Final = (FunctionType, BuiltinFunctionType, MethodDescriptorType)
_MRO: Final = type.__dict__["__mro__"].__get__
#: The tools of servers are no functions of a module: those who make calls of them ask for these entries.
_TOOLS: Final = "stretto.tools."


class DeclaredCall(Call[..., Any]):
    """A function of somebody else's, with what an entry says of it."""

    here: bool
    made_again: bool
    changes_receiver: bool
    fixed_receiver: bool
    shows: bool
    iterates: tuple[str, int] | None
    wrapper: type[types.Wrapper]

    def __init__(self, fn: Any, effects: Effects, entry: Entry) -> None:
        try:
            super().__init__(fn, effects, entry.options)
        except DeclarationError as error:
            raise DeclarationError(f"{entry.where}: {error}") from None
        self.entry = entry
        self.streams = False  # what it gives is what the program sees, also if that can be gone over
        self.here = entry.here
        self.changes_receiver = entry.changes_self
        self.fixed_receiver = entry.fixed_self
        self.shows = entry.shows
        # the user has said nothing, and is not told that something is to be said
        self.made_again = not entry.sure and not self.changes
        self.unless = entry.unless
        self.iterates = None
        if entry.iterates:
            # of a class, what an instance is initialised with
            made = isinstance(fn, type)
            named = list(inspect.signature(fn.__init__ if made else fn).parameters)[made:]
            if entry.iterates in named:
                self.iterates = (entry.iterates, named.index(entry.iterates))
                self.wrapper = type("wrapper", (types.Wrapper,), {"call": self})
            elif entry.sure:  # else it is another version's
                raise DeclarationError(
                    f"{entry.where}: `iterates` is the name of an argument: one of {', '.join(named)}; "
                    f"found {entry.iterates!r}"
                )
        # what others write in their annotations is not meant to be held against them
        self.checker = Checker(*_annotation(entry)) if entry.returns else Checker()

    def run_here(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, and check what it gives."""
        value = self.fn(*args, **kwargs)
        if not self.checker.ok(value):
            raise ReturnTypeError(
                f"{self.entry.where}: it is said to return {self.checker.text}, and returned "
                f"{type(value).__name__}: {value!r:.80}. Correct `returns`, or leave it out"
            )
        return value

    def holds(self, names: Iterable[str | None]) -> bool:
        """Whether what is declared holds for a call with these keyword arguments; None stands for ``**``."""
        return not self.unless or self.unless.isdisjoint(names)


#: Functions that are calls, by identity; the function is held, so that its id is not given to another.
_calls: dict[int, tuple[object, DeclaredCall | None]] = {}
#: What functions and classes change at most, by identity.
_bounds: dict[int, tuple[object, Bounds]] = {}
#: The last parts of the names of methods: those that are calls, and those that are free of effects.
_operations: set[str] = set()
_free: set[str] = set()
_pure: list[object] = []
#: What was said of a thing, by identity, and of an attribute of a class.
_said: dict[Any, Entry] = {}
_entries: list[Entry] = []
_found: set[Entry] = set()
_scanned: set[str] = set()
#: The names that the script defines which this process runs.
_defined: frozenset[str] = frozenset()
#: Tables about libraries that have not been loaded yet, by the name under which those are imported.
_catalogue: dict[str, Callable[[], Iterable[Entry]]] = {}
_seen_modules = -1


def declare(entries: Iterable[Entry]) -> None:
    """Take these entries in; of two about the same thing the later one counts."""
    global _seen_modules
    _entries.extend(entries)
    _scanned.clear()
    _seen_modules = -1


def declare_later(module: str, entries: Callable[[], Iterable[Entry]]) -> None:
    """Take entries in when that module is loaded."""
    global _seen_modules
    _catalogue[module] = entries
    _seen_modules = -1


def defines(names: frozenset[str]) -> None:
    """The script that this process is going to run gives something these names."""
    global _defined
    _defined = names


def forget() -> None:
    """Forget all that was declared."""
    global _seen_modules
    defines(frozenset())
    for held in (_calls, _bounds, _operations, _free, _entries, _found, _scanned, _said, _catalogue):
        held.clear()
    for thing in _pure:
        known.take_back(thing)
    _pure.clear()
    types.take_back_attributes()
    let_change()
    _seen_modules = -1


def call_of(callee: Any) -> DeclaredCall | None:
    """The declared call that a function, a class or a bound method stands for."""
    if not _entries and not _catalogue:
        return None
    if len(sys.modules) != _seen_modules:
        _refresh()
    found = _calls.get(id(callee))
    if found is not None:
        return found[1]
    kind = type(callee)
    if kind is MethodType:
        found = _calls.get(id(callee.__func__))
    elif issubclass(kind, BuiltinFunctionType) and not isinstance(
        callee.__self__, (ModuleType, type, type(None))
    ):
        for base in _MRO(type(callee.__self__)):
            held = vars(base).get(callee.__name__)
            if held is not None:
                found = _calls.get(id(held))
                break
    return None if found is None else found[1]


def bounds_of(callee: Any) -> Bounds | None:
    """What a function, a class or a bound method changes at most, where that is declared."""
    if not _entries and not _catalogue:
        return None
    if len(sys.modules) != _seen_modules:
        _refresh()
    if not _bounds:
        return None
    found = _bounds.get(id(callee.__func__ if type(callee) is MethodType else callee))
    if found is None and receiver(callee):
        bases = _MRO(type(callee.__self__))
        held = next((vars(b)[callee.__name__] for b in bases if callee.__name__ in vars(b)), None)
        found = _bounds.get(id(held))
    return None if found is None else found[1]


def receiver(callee: Any) -> tuple[Any, ...]:
    """What goes in front of the arguments of a declared method that was looked up on an instance."""
    if type(callee) is MethodType:
        return (callee.__self__,)
    if issubclass(type(callee), BuiltinFunctionType) and not isinstance(
        callee.__self__, (ModuleType, type, type(None))
    ):
        return (callee.__self__,)
    return ()


def is_operation_name(name: str) -> bool:
    """Whether a method of that name may be a declared call."""
    if len(sys.modules) != _seen_modules and (_entries or _catalogue):
        _refresh()
    return name in _operations


def is_free_name(name: str) -> bool:
    """Whether methods of that name have been declared free of effects, and none to be a call."""
    return name in _free and name not in _operations


def entries_under(prefix: str) -> list[Entry]:
    """What is said of names that begin so."""
    return [entry for entry in _entries if entry.name.startswith(prefix)]


def checker_of(entry: Entry) -> Checker:
    """The check of what an entry says is returned."""
    return Checker(*_annotation(entry))


def check() -> None:
    """`DeclarationError` about the first entry that is about nothing that there is."""
    _refresh()
    for entry in _entries:
        if not entry.sure or entry in _found or entry.name.startswith(_TOOLS):
            continue
        root, *rest = entry.name.split(".")
        if root == "__main__":
            raise DeclarationError(
                f"{entry.where}: what a script defines goes by the name of its file: "
                f"{'.'.join((main_name(), *rest))}"
            )
        if rest and rest[0] in _defined and _is_main(root) and not hasattr(sys.modules["__main__"], rest[0]):
            continue  # the script has not come to it yet
        if root in sys.modules or root == "*" or _is_main(root):
            module = next((m for m in _modules(entry.name) if m not in sys.modules and _exists(m)), None)
            if module is not None and module != root:
                continue  # a part of a package that the program has not loaded (yet)
            raise DeclarationError(
                f"{entry.where}: {root} is loaded, and has nothing of that name. Give the name that it is "
                "imported by or, with `*`, the one that it was defined under"
            )
        if not _exists(root) and not hasattr(builtins, root):
            raise DeclarationError(f"{entry.where}: there is no package {root!r} to import here")


def _modules(name: str) -> list[str]:
    parts = name.split("*")[0].rstrip(".").split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


def _exists(module: str) -> bool:
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _is_main(root: str) -> bool:
    """Whether that is how the module is called that the program begins with, and no other one."""
    return root not in sys.modules and root == main_name()


def _refresh() -> None:
    """Look in the modules that have been loaded since."""
    global _seen_modules
    _seen_modules = len(sys.modules)
    for library in [m for m in _catalogue if m in sys.modules]:
        _entries.extend(_catalogue.pop(library)())
        _scanned.clear()
    for entry in _entries:
        if "*" not in entry.name:
            _look_up(entry)
    patterns = [(entry, re.compile(fnmatch.translate(entry.name))) for entry in _entries if "*" in entry.name]
    if not patterns:
        return
    roots = {entry.name.split(".")[0] for entry, _ in patterns}
    for name, module in list(sys.modules.items()):
        if name in _scanned or not isinstance(module, ModuleType):
            continue
        if name == "__main__":
            if not _defined.isdisjoint(vars(module)) and main_name() in roots:
                _scan(module, patterns)  # again each time: it is not at its end yet
            continue
        if name.split(".")[0] in roots or any("*" in root for root in roots):
            _scanned.add(name)
            _scan(module, patterns)


def _look_up(entry: Entry) -> None:
    parts = entry.name.split(".")
    if parts[0] == "__main__":
        return  # to be told under the name of its file
    if _is_main(parts[0]):
        parts[0] = "__main__"
    for cut in range(len(parts), 0, -1):
        module = sys.modules.get(".".join(parts[:cut]))
        if module is not None:
            rest = parts[cut:]
            break
    else:
        module, rest = builtins, parts
    if not rest or (module is builtins and len(parts) > 2):
        return
    owner: Any = module
    for part in rest[:-1]:
        owner = getattr(owner, part, None)
    if owner is not None:
        _enter(entry, owner, rest[-1])


def _scan(module: ModuleType, patterns: list[tuple[Entry, re.Pattern[str]]]) -> None:
    called = main_name() if module.__name__ == "__main__" else module.__name__
    for name, thing in list(vars(module).items()):
        if getattr(thing, "__module__", None) != module.__name__:
            continue
        if isinstance(thing, type):
            for inner, member in list(vars(thing).items()):
                full = f"{called}.{thing.__qualname__}.{inner}"
                if isinstance(getattr(member, "__func__", member), _FUNCTIONS):
                    for entry, pattern in patterns:
                        if pattern.match(full):
                            _enter(entry, thing, inner)
        elif isinstance(thing, _FUNCTIONS):
            for entry, pattern in patterns:
                if pattern.match(f"{called}.{thing.__qualname__}"):
                    _enter(entry, module, name)


def _enter(entry: Entry, owner: Any, name: str) -> None:
    """An entry is about the attribute `name` of this module or class."""
    thing: Any = None
    if isinstance(owner, type):
        for base in _MRO(owner):
            if name in vars(base):
                thing = vars(base)[name]
                break
        thing = getattr(thing, "__func__", thing)
    else:
        thing = getattr(owner, name, None)
        if thing is None:
            return
    if isinstance(thing, Call):
        return  # its own declaration counts
    what = (owner, name) if isinstance(owner, type) else id(thing)
    before = _said.get(what)
    if before is not None and (before is entry or before.rank > entry.rank):
        _found.add(entry)
        return
    if entry.bounds is not None:
        if inspect.isgeneratorfunction(thing) or inspect.isasyncgenfunction(thing):
            raise DeclarationError(
                f"{entry.where}: {thing.__qualname__} is a generator, which changes what it changes when it "
                "is gone over: say it of the function that does so"
            )
        if isinstance(thing, (*_FUNCTIONS, type)):
            _found.add(entry)
            _said[what] = entry
            _calls.pop(id(thing), None)
            known.take_back(thing)
            if not is_coroutine_function(thing):
                checker = Checker(*_annotation(entry)) if entry.returns else None
                _bounds[id(thing)] = (thing, replace(entry.bounds, checker=checker))
        return
    _bounds.pop(id(thing), None)
    effects = entry.effect
    pure = effects is not None and effects.kind is Kind.PURE
    callable_ = isinstance(thing, (*_FUNCTIONS, type)) or (callable(thing) and not isinstance(owner, type))
    if isinstance(owner, type) and pure:
        _found.add(entry)
        _said[what] = entry
        types.declare_attribute(owner, name, _type(entry))
        _free.add(name)
        if callable_:
            _declare_pure(entry, thing)
        return
    if not callable_:
        return
    _found.add(entry)
    _said[what] = entry
    if pure:
        _declare_pure(entry, thing)
        return
    if (
        is_coroutine_function(thing)
        or inspect.isgeneratorfunction(thing)
        or inspect.isasyncgenfunction(thing)
    ):
        return  # calling it does nothing yet: awaiting it does, or going over what it gives
    known.take_back(thing)
    call = None if effects is None else DeclaredCall(thing, effects, entry)
    _calls[id(thing)] = (thing, call)
    if call is not None and isinstance(owner, type):
        _operations.add(name)
        types.declare_method(owner, name, call)
        if call.fixed_receiver:
            keep_fixed(owner)


def _declare_pure(entry: Entry, thing: Any) -> None:
    _pure.append(thing)
    _calls.pop(id(thing), None)
    known.declare_pure(thing, _type(entry))


# -- types ---------------------------------------------------------------------------------------------------


def _annotation(entry: Entry) -> tuple[Any, str]:
    text = entry.returns
    if text == "json":
        return Any, text
    try:
        found = eval(text, {"__builtins__": {}}, _Names(vars(builtins)))
    except Exception as error:
        raise DeclarationError(f"{entry.where}: `returns` is no type: {text!r} ({error})") from None
    if isinstance(found, type):
        types.tell_apart(found)
    return found, text


class _Names(dict[str, Any]):
    """The names that a type may be made of: builtins, and modules that are loaded."""

    def __init__(self, builtin: Mapping[str, Any]) -> None:
        super().__init__(builtin)

    def __missing__(self, name: str) -> Any:
        return sys.modules[name]


def _type(entry: Entry) -> T | None:
    if not entry.returns:
        return None
    if entry.returns == "json":
        return T(Json)
    annotation, _ = _annotation(entry)
    return types.of_annotation(annotation)
