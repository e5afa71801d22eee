"""What is known to be free of effects, given plain arguments.

Everything here is looked up by identity, never by name alone: a user's own `sorted` is not the
builtin. The tables name functions by text and are read from `sys.modules` when such a module turns
up, so that importing this file loads nothing; a function of a module that nobody imported cannot be
asked about. What a name holds is checked to be the standard library's own before it counts, so that
a patched `json.dumps` is not taken for the real one.

"Free of effects" means: runs no unknown code, changes nothing that existed before, sees no clock,
no randomness, no environment. It holds for *plain* arguments (builtin types); an object of the
user's as a direct operand is for `guard` to judge.

Stated assumptions:

* `__eq__ __hash__ __lt__ __repr__ __str__ __format__` and the other special methods of user objects
  that sit *inside* builtin containers are taken to have no effects (sorting a list of user objects,
  printing a dict that holds some). Direct operands are checked. Where the standard library calls
  `__add__`, `__bool__` or `__iter__` of elements (`sum`, `any`, `dict`), `guard` checks them too.
* The flags and the precision of the decimal context, interned strings, the caches of `re` and of
  `functools` inside the standard library are not counted as things that can be seen.
"""

# Here everything is asked of values of any type, and `type(x)` of such a value is unknown to pyright.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from stretto.compiler.known_methods import LISTED, MUTATORS, OUTSIDE
from stretto.compiler.known_tables import (
    DRAWS,
    HIGHER_ORDER_NAMES,
    MODULES,
    MUTATES_FIRST,
    RESOURCES,
    SEEDED,
)
from stretto.errors import DeclarationError

if TYPE_CHECKING:
    from stretto.compiler.types import T

__all__ = [
    "HIGHER_ORDER",
    "MODULES",
    "MUTATORS",
    "assume_pure",
    "class_key",
    "declare_pure",
    "declared_result",
    "find",
    "in_assumed_package",
    "is_higher_order",
    "is_mutator",
    "is_pure",
    "is_pure_method",
    "mutates_first_argument",
    "recorded_resource",
    "refresh",
    "take_back",
]

_C = TypeVar("_C", bound=Callable[..., Any])

_STDLIB: Final = os.path.dirname(os.__file__) + os.sep

# A metaclass may answer for these, so it is not asked.
_MODULE: Final = type.__dict__["__module__"].__get__
_QUALNAME: Final = type.__dict__["__qualname__"].__get__
_MRO: Final = type.__dict__["__mro__"].__get__

_PATHS: Final = ("pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath")

# Identity -> the object; holding the object keeps its id from being given to another.
_pure: dict[int, object] = {}
_mutates_first: dict[int, object] = {}
_recorded: dict[int, tuple[object, str]] = {}
# A class of random generators -> it, and the methods that draw.
_draws: dict[int, tuple[object, frozenset[str]]] = {}
#: Callables that are free of effects only if the functions they are given are.
HIGHER_ORDER: dict[int, object] = {}

_assumed: dict[int, object] = {}
_results: dict[int, T | None] = {}
_assumed_packages: set[str] = set()

_loaded: set[str] = set()
_loaded_resources: set[str] = set()
_seen_modules = -1


def find(path: str) -> object | None:
    """The object at `module.name` if that module is loaded and the object is its own, else None."""
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = sys.modules.get(".".join(parts[:cut]))
        if module is None:
            continue
        found: object = module
        for part in parts[cut:]:
            found = getattr(found, part, None)
        return found if found is not None and _genuine(found) else None
    return None


def _genuine(thing: Any) -> bool:
    """Whether `thing` comes from the standard library, and not from somebody's patch of it."""
    if issubclass(type(thing), FunctionType):
        name = thing.__code__.co_filename
        inside = name.startswith(_STDLIB) and "site-packages" not in name
        return inside or name.startswith("<frozen ")
    if issubclass(type(thing), (BuiltinFunctionType, MethodType)):
        owner = thing.__self__
        if owner is None or issubclass(type(owner), ModuleType):
            return True
        return _genuine(owner if issubclass(type(owner), type) else type(owner))
    if not isinstance(thing, type):
        # functools.singledispatch and lru_cache wrappers: what they wrap decides.
        if type(thing).__module__ != "functools":
            return False
        inner = getattr(thing, "__wrapped__", None)
        return type(inner) is FunctionType and _genuine(inner)
    module = _MODULE(thing)
    return isinstance(module, str) and module.split(".")[0] in sys.stdlib_module_names


def refresh() -> bool:
    """Take in the tables of modules that have been loaded since the last time; True if any were."""
    global _seen_modules
    if len(sys.modules) == _seen_modules:
        return False
    _seen_modules = len(sys.modules)
    grown = False
    for module, names in MODULES.items():
        if module in _loaded or module not in sys.modules:
            continue
        _loaded.add(module)
        grown = True
        for name in names.split():
            _enter(_pure, f"{module}.{name}")
        for name in HIGHER_ORDER_NAMES.get(module, "").split():
            _enter(HIGHER_ORDER, f"{module}.{name}")
        for name in MUTATES_FIRST.get(module, "").split():
            _enter(_mutates_first, f"{module}.{name}")
    for module, entries in RESOURCES.items():
        if module in _loaded_resources or module not in sys.modules:
            continue
        _loaded_resources.add(module)
        for name, resource in entries.items():
            thing = find(f"{module}.{name}")
            if thing is not None:
                _recorded[id(thing)] = (thing, resource)
    for module, names in SEEDED.items():
        if module not in _loaded_resources and module in sys.modules:
            _loaded_resources.add(module)
            for name in names.split():
                _enter_draws(module, name)
            for path in DRAWS:
                if path.startswith(f"{module}."):
                    thing = getattr(sys.modules[module], path.rpartition(".")[2])
                    _draws[id(thing)] = (thing, DRAWS[path])
    return grown


def _enter(table: dict[int, object], path: str) -> None:
    thing = find(path)
    if thing is not None:
        table[id(thing)] = thing


def _enter_draws(module: str, name: str) -> None:
    thing = getattr(sys.modules[module], name, None)
    if thing is not None and (module == "numpy.random" or _genuine(thing)):
        _recorded[id(thing)] = (thing, "random")


def is_pure(obj: Any) -> bool:
    """Whether calling `obj` with plain arguments is known to be free of effects.

    `obj` is a function, a builtin, a class (then: constructing it) or a bound builtin method.
    Functions in `HIGHER_ORDER` are pure only if the functions that they are given are pure.
    """
    key = id(obj)
    if key in _pure or key in _assumed:
        return True
    if refresh() and key in _pure:
        return True
    if issubclass(type(obj), type):
        if _assumed_packages and in_assumed_package(obj):
            return True
        from stretto.compiler.known_objects import construction_is_pure

        return construction_is_pure(obj)
    kind = type(obj)
    if issubclass(type(obj), BuiltinFunctionType):  # or its subclass for methods of newer C types
        owner = obj.__self__
        if owner is None or issubclass(type(owner), ModuleType):
            return bool(_assumed_packages) and in_assumed_package(obj)
        name = obj.__name__
        if issubclass(type(owner), type):
            return is_pure_method(owner, name) and is_pure(owner)
        return is_pure_method(type(owner), name)
    if kind is MethodDescriptorType or kind is WrapperDescriptorType:
        return is_pure_method(obj.__objclass__, obj.__name__)
    if kind is MethodType:
        function = obj.__func__
        owner = obj.__self__
        if issubclass(type(owner), type):
            # A class method of the standard library, such as `Fraction.from_float`.
            cls = owner
            listed = is_pure(cls) and _genuine(cls) and is_pure_method(cls, function.__name__)
        else:
            cls = type(owner)
            listed = _genuine(cls) and is_pure_method(cls, function.__name__)
        return listed or is_pure(function)
    return bool(_assumed_packages) and in_assumed_package(obj)


def is_higher_order(obj: object) -> bool:
    """Whether `obj` calls functions that it is given (`sorted`, `map`, `functools.reduce`)."""
    if not _loaded:
        refresh()
    return id(obj) in HIGHER_ORDER


def mutates_first_argument(obj: object) -> bool:
    """Whether `obj` is a known function that only changes its first argument (`heapq.heappush`)."""
    refresh()
    return id(obj) in _mutates_first


_class_keys: dict[int, tuple[type, str]] = {}


def class_key(cls: type) -> str:
    """The class as the tables name it: `builtins.list`, `datetime.datetime`."""
    key = _class_keys.get(id(cls))
    if key is not None and key[0] is cls:
        return key[1]
    # Not by `cls.__module__`: a metaclass may answer that.
    module, name = _MODULE(cls), _QUALNAME(cls)
    if module == "pathlib._local":  # where 3.13 keeps them
        module = "pathlib"
    text = f"{module}.{name}"
    if len(_class_keys) < 4096:
        _class_keys[id(cls)] = (cls, text)
    return text


def is_mutator(cls: type, name: str) -> bool:
    """Whether the method `name` of instances of `cls` may change the instance itself."""
    for base in _MRO(cls):
        names = MUTATORS.get(class_key(base))
        if names is not None and name in names:
            return True
    return False


# Special methods that are plain reads; the others are reached through operators.
_READ_DUNDERS: Final = frozenset(
    "__len__ __getitem__ __contains__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __str__ "
    "__repr__ __format__ __add__ __sub__ __mul__ __truediv__ __floordiv__ __mod__ __or__ __and__ "
    "__xor__ __neg__ __pos__ __abs__ __int__ __float__ __bool__ __index__".split()
)


def is_pure_method(cls: type, name: str) -> bool:
    """Whether the method `name` of plain instances of exactly `cls` is free of effects."""
    from stretto.compiler.known_objects import is_plain_class

    key = class_key(cls)
    listed = LISTED.get(key)
    if listed is not None:
        return name in listed or name in _READ_DUNDERS
    if not is_plain_class(cls):
        if key in MUTATORS and _genuine(cls):
            # A stream or an array: reading what it holds is free, its other methods move it.
            return name in ("getvalue", "tolist", "tobytes", "count", "index")
        return key == "itertools.chain" and name == "from_iterable"
    if name.startswith("__"):
        return name in _READ_DUNDERS
    if name.startswith("_"):
        return False
    return hasattr(cls, name) and not is_mutator(cls, name) and name not in OUTSIDE.get(key, ())


# ------------------------------------------------------------------ what a user may add


@overload
def assume_pure(thing: _C, /) -> _C: ...
@overload
def assume_pure(*things: str | Callable[..., Any] | ModuleType) -> Any: ...
def assume_pure(*things: Any) -> Any:
    """Say that functions have no effects, so that fragments may call them at any time.

    A text or a module stands for everything that is defined in that package; a function for
    itself; a class for making its instances and for the methods of those. Usable as a decorator.

        assume_pure("numpy", math_helpers, my_module.score)

        @assume_pure
        def score(text: str) -> float: ...

    Raises:
        DeclarationError: nothing was given, or something that is none of these.
    """
    if not things:
        raise DeclarationError(
            "assume_pure() was given nothing; name what has no effects, as in "
            'assume_pure("numpy") or assume_pure(my_function)'
        )
    for thing in things:
        if issubclass(type(thing), str):
            _assume_package(thing)
        elif issubclass(type(thing), ModuleType):
            _assumed_packages.add(thing.__name__)
        elif issubclass(type(thing), type):
            _assumed[id(thing)] = thing
            members: dict[str, Any] = dict(vars(thing))
            for member in members.values():
                inner = getattr(member, "__func__", member)
                if isinstance(inner, FunctionType):
                    _assumed[id(inner)] = inner
        elif callable(thing):
            inner = getattr(thing, "__func__", thing)  # a bound method stands for its function
            _assumed[id(inner)] = inner
        else:
            raise DeclarationError(
                f"assume_pure() takes a package name, a module, a function or a class, and was "
                f"given {thing!r}, a {type(thing).__name__}; write "
                f'assume_pure("package") or assume_pure(my_function)'
            )
    if len(things) == 1 and callable(things[0]):
        return things[0]
    return None


def declare_pure(thing: object, result: T | None) -> None:
    """As `assume_pure` of one function or class; `result` is the type of what it gives, if that is known."""
    _assumed[id(thing)] = thing
    _results[id(thing)] = result


def declared_result(thing: object) -> T | None:
    """The type of what a function gives that was declared free of effects."""
    return _results.get(id(thing))


def take_back(thing: object) -> None:
    """What was declared of a function does not hold any more."""
    _assumed.pop(id(thing), None)
    _results.pop(id(thing), None)


def _assume_package(name: str) -> None:
    from importlib.util import find_spec

    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise DeclarationError(
            f"assume_pure({name!r}): this is not the name of a package; write "
            f'assume_pure("package") or assume_pure("package.module")'
        )
    root = name.split(".")[0]
    try:
        known = root in sys.modules or find_spec(root) is not None
    except (ImportError, ValueError):
        known = False
    if not known:
        raise DeclarationError(
            f"assume_pure({name!r}): there is no package {root!r} to import here; install it, or "
            f"give the function itself: assume_pure(my_function)"
        )
    _assumed_packages.add(name)


def in_assumed_package(obj: object) -> bool:
    """Whether `obj` is defined in a package that the user declared free of effects."""
    if id(obj) in _assumed:
        return True
    if not _assumed_packages:
        return False
    if issubclass(type(obj), type):
        module = _MODULE(obj)
    elif type(obj) in (FunctionType, BuiltinFunctionType):
        module = obj.__module__
    else:
        # Not asked itself: it may answer with code. A ufunc's class is in the package, too.
        module = _MODULE(type(obj))
    if type(module) is not str:
        return False
    return any(module == name or module.startswith(name + ".") for name in _assumed_packages)


# ------------------------------------------------------------------ what is recorded


def recorded_resource(obj: Any) -> str | None:
    """The resource that calling `obj` reads: "clock", "random", "env" or "uuid"; else None.

    Such a call answers differently each time, so a run records it. One that draws a random number, or seeds a
    generator, changes the generator, and is in order with every effect.
    """
    refresh()
    entry = _recorded.get(id(obj))
    if entry is not None:
        return entry[1]
    kind = type(obj)
    if issubclass(type(obj), BuiltinFunctionType):  # or its subclass for methods of newer C types
        owner = obj.__self__
        if issubclass(type(owner), type):
            name = obj.__name__
            if _genuine(owner) and name in OUTSIDE.get(class_key(owner), ()):
                return "clock" if class_key(owner).startswith("datetime.") else None
            return None
    elif kind is MethodType:
        owner = obj.__self__
        name = getattr(obj.__func__, "__name__", "")
        if owner is os.environ or owner is getattr(os, "environb", None):
            reads = ("get", "__getitem__", "__contains__", "keys", "values", "items", "copy")
            return "env" if name in reads else None
        if issubclass(type(owner), type):
            here = name in ("cwd", "home") and class_key(owner) in _PATHS
            return "env" if here and _genuine(owner) else None
    else:
        return None
    drawing = _draws.get(id(type(owner)))
    return "random" if drawing is not None and obj.__name__ in drawing[1] else None
