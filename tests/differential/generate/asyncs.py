"""A sequential program as somebody would have written it with asyncio.

The flow and some of the helpers become ``async def``; where an async word or helper is called, it is awaited.
Some helpers stay plain: there an async word gives its value.
"""

from __future__ import annotations

import ast
import dataclasses
import zlib
from typing import Any

from ..harness import Program
from ..vocabulary import vocabulary

__all__ = ["asynchronous"]


def _async_words() -> frozenset[str]:
    from stretto import call

    return frozenset(name for name, word in vocabulary(call).items() if getattr(word, "awaited", False))


WORDS = _async_words()
#: Methods of the program's own that may be async.
METHODS = frozenset({"step", "at"})
#: Words that are gone over with ``async for``.
STREAMS = frozenset({"chunks", "words_of", "rows", "feed", "dial"})


def asynchronous(program: Program) -> Program | None:
    """The async variant of a program; None where it has none (an async word in a lambda or a generator)."""
    try:
        tree = ast.parse(program.source)
    except SyntaxError:
        return None
    functions = {s.name: s for s in tree.body if isinstance(s, ast.FunctionDef)}
    called = {n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}
    passed = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n not in called}
    chosen = {"main"} | {
        name
        for name in functions
        if name not in passed and zlib.crc32(f"{name}{program.source}".encode()) % 4
    }
    awaited = WORDS | (chosen - {"main"})
    if zlib.crc32(program.source.encode()) % 2:
        awaited |= METHODS
    try:
        for s in tree.body:
            if isinstance(s, ast.ClassDef):
                s.body = [
                    _turned(m, awaited) if _is_method(m, awaited) else _plain(m, awaited) for m in s.body
                ]
            elif isinstance(s, ast.FunctionDef) and s.name not in chosen:
                _plain(s, awaited)
        for name in chosen:
            function = functions[name]
            turned = _turned(function, awaited)
            if name == "main":
                # not in helpers: which of two tasks that make tasks goes on first is asyncio's affair
                turned.body = [_Gathers().visit(s) for s in _Tasks().block(turned.body)]
            tree.body[tree.body.index(function)] = turned
        _Guards().guard(tree)
    except _Cannot:
        return None
    return dataclasses.replace(program, source=ast.unparse(ast.fix_missing_locations(tree)) + "\n")


class _Cannot(Exception):
    pass


def _turned(function: Any, awaited: frozenset[str]) -> Any:
    """A function as an async one."""
    made = ast.AsyncFunctionDef(**{f: getattr(function, f) for f in function._fields})
    made.body = [_Awaits(awaited).visit(s) for s in function.body]
    return ast.copy_location(made, function)


def _is_method(s: ast.stmt, awaited: frozenset[str]) -> bool:
    return isinstance(s, ast.FunctionDef) and s.name in METHODS & awaited


def _plain(s: Any, awaited: frozenset[str]) -> Any:
    """A function, or a part of a class, that stays as it is: it cannot call async methods."""
    if any(isinstance(n, ast.Attribute) and n.attr in METHODS & awaited for n in ast.walk(s)):
        raise _Cannot
    return s


def _streams(node: ast.expr) -> bool:
    """Whether it is a call of a stream, awaited where it has to be."""
    call = node.value if isinstance(node, ast.Await) else node
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in STREAMS


class _Gathers(ast.NodeTransformer):
    """Gathers what a comprehension awaits one by one."""

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        call = node.elt.value if isinstance(node.elt, ast.Await) else None
        if not isinstance(call, ast.Call) or any(
            isinstance(n, ast.Await) for part in (call, *node.generators[1:]) for n in ast.walk(part)
        ):
            return node
        if any(isinstance(n, ast.Await) for test in node.generators[0].ifs for n in ast.walk(test)):
            return node
        lazily = len(ast.unparse(node)) % 2 and not any(g.is_async for g in node.generators)
        kind = ast.GeneratorExp if lazily else ast.ListComp
        made = kind(call, node.generators)
        func = ast.Attribute(ast.Name("asyncio", ast.Load()), "gather", ast.Load())
        options = [ast.keyword("return_exceptions", ast.Constant(True))] if len(ast.unparse(node)) % 3 else []
        gathered = ast.Call(func, [ast.Starred(made, ast.Load())], options)
        return ast.copy_location(ast.Await(gathered), node)


class _Tasks:
    """Makes tasks of some of what is awaited, to be awaited later, and task groups of some comprehensions."""

    def __init__(self) -> None:
        self.made = 0

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        late: list[ast.stmt] = []
        for s in body:
            before = out[:0]
            if not isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                before = self.statement(s)
            ends = isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise))
            out += [*late, *before, s] if ends else [*before, s, *late]
            late = []
            if not ends:
                late = self.later(out)
        return [*out, *late]

    def statement(self, s: ast.stmt) -> list[ast.stmt]:
        """Go through a statement; what has to stand before it."""
        for field in ("body", "orelse", "finalbody"):
            inner = getattr(s, field, None)
            if inner and not isinstance(s, ast.TryStar):
                setattr(s, field, self.block(inner))
        for handler in getattr(s, "handlers", ()) if isinstance(s, ast.Try) else ():
            handler.body = self.block(handler.body)
        if not isinstance(s, ast.Assign) or not isinstance(s.value, ast.ListComp):
            return []
        comp = s.value
        call = comp.elt.value if isinstance(comp.elt, ast.Await) else None
        rest = (call, *comp.generators)
        if not isinstance(call, ast.Call) or any(isinstance(n, ast.Await) for p in rest for n in ast.walk(p)):
            return []
        if any(g.is_async for g in comp.generators):
            return []
        which = zlib.crc32(ast.unparse(comp).encode()) % 5
        if which > 2:
            return []
        self.made += 1
        group, tasks = f"group_{self.made}", f"tasks_{self.made}"
        if which == 0:
            made = ast.unparse(ast.ListComp(_call(f"{group}.create_task", call), comp.generators))
            s.value = _expression(f"[t.result() for t in {tasks}]")
            return ast.parse(f"async with asyncio.TaskGroup() as {group}:\n    {tasks} = {made}").body
        made = ast.unparse(ast.ListComp(_call("asyncio.create_task", call), comp.generators))
        s.value = _expression(
            f"[await t for t in {tasks}]" if which == 1 else f"await asyncio.gather(*{tasks})"
        )
        return ast.parse(f"{tasks} = {made}").body

    def later(self, out: list[ast.stmt]) -> list[ast.stmt]:
        """Make a task of what the last statement awaits; what awaits that."""
        s = out[-1]
        if not isinstance(s, ast.Assign) or not isinstance(s.value, ast.Await):
            return []
        call = s.value.value
        if not isinstance(call, ast.Call) or zlib.crc32(ast.unparse(s).encode()) % 3:
            return []
        if not isinstance(call.func, ast.Name) or call.func.id in STREAMS:
            return []
        self.made += 1
        s.value.value = ast.Name(f"task_{self.made}", ast.Load())
        made = ast.Assign([ast.Name(f"task_{self.made}", ast.Store())], _call("asyncio.create_task", call))
        out[-1] = ast.copy_location(made, s)
        return [s]


class _Guards:
    """Puts statements into blocks of semaphores and locks, where nothing in them could wait for these."""

    #: By the name of the module that each has; and what it is asked.
    KINDS = (
        ("SEM", "asyncio.Semaphore(2)", "SEM._value"),
        ("LOCK", "asyncio.Lock()", "LOCK.locked()"),
        ("BOUNDED", "asyncio.BoundedSemaphore(1)", "BOUNDED.locked()"),
    )

    def __init__(self) -> None:
        self.made = False

    def guard(self, tree: ast.Module) -> None:
        for function in ast.walk(tree):
            if isinstance(function, ast.AsyncFunctionDef):
                self.block(function.body, frozenset())
        if self.made:
            kinds = (f"{name} = {kind}" for name, kind, _ in self.KINDS)
            tree.body[:0] = ast.parse("\n".join(kinds)).body

    def block(self, body: list[ast.stmt], inside: frozenset[str]) -> None:
        for at, s in enumerate(body):
            which = zlib.crc32(ast.unparse(s).encode())
            name, _, asked = self.KINDS[which % 3]
            within = inside
            if which % 5 < 2 and name not in inside and _guardable(s):
                within = inside | {name}
                more = [] if which % 7 else ast.parse(f"await tell({asked})").body
                guarded = ast.AsyncWith([ast.withitem(ast.Name(name, ast.Load()))], [*more, s])
                body[at] = ast.copy_location(guarded, s)
                self.made = True
            if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.TryStar)):
                continue
            for field in ("body", "orelse", "finalbody"):
                self.block(getattr(s, field, None) or [], within)


def _guardable(s: ast.stmt) -> bool:
    """Whether all that a statement awaits are words, and some are."""
    if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Global, ast.Nonlocal)):
        return False
    found = [n for n in ast.walk(s) if isinstance(n, (ast.Await, ast.AsyncWith, ast.AsyncFor, ast.TryStar))]
    calls = [n.value for n in found if isinstance(n, ast.Await)]
    return (
        bool(found)
        and len(calls) == len(found)
        and all(
            isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.func.id in WORDS for c in calls
        )
    )


def _call(function: str, argument: ast.expr) -> ast.Call:
    return ast.Call(_expression(function), [argument], [])


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class _Awaits(ast.NodeTransformer):
    """Awaits what is async, in one function."""

    def __init__(self, awaited: frozenset[str]) -> None:
        self.awaited = awaited

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self.awaited:
            raise _Cannot  # given to something as a function
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr in METHODS & self.awaited:
            raise _Cannot  # as above
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr in METHODS & self.awaited:
            func.value = self.visit(func.value)
        elif not (isinstance(func, ast.Name) and func.id in self.awaited):
            return self.generic_visit(node)
        node.args = [self.visit(a) for a in node.args]
        node.keywords = [self.visit(k) for k in node.keywords]
        return ast.copy_location(ast.Await(node), node)

    def visit_For(self, node: ast.For) -> ast.AST:
        made = self.generic_visit(node)
        assert isinstance(made, ast.For)
        if not _streams(made.iter):
            return made
        return ast.copy_location(ast.AsyncFor(**{f: getattr(made, f) for f in made._fields}), made)

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        made = self.generic_visit(node)
        assert isinstance(made, ast.comprehension)
        made.is_async = int(_streams(made.iter))
        return made

    def _inner(self, node: ast.AST) -> ast.AST:
        if any(isinstance(n, ast.Name) and n.id in self.awaited for n in ast.walk(node)):
            raise _Cannot
        return _plain(node, self.awaited)

    visit_Lambda = _inner

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        if not any(isinstance(n, ast.Name) and n.id in self.awaited for n in ast.walk(node)):
            return _plain(node, self.awaited)
        # one that awaits is an async generator
        return self.visit(ast.copy_location(ast.ListComp(node.elt, node.generators), node))

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        parts = list(ast.walk(node))[1:]
        if any(isinstance(n, (ast.Lambda, ast.GeneratorExp)) for n in parts):
            return self._inner(node)  # what is inside may see its variables: refused
        return self.generic_visit(node)

    visit_SetComp = visit_DictComp = visit_ListComp

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        _plain(node, self.awaited)
        helpers = self.awaited - WORDS
        if any(isinstance(n, ast.Name) and n.id in helpers for n in ast.walk(node)):
            raise _Cannot
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        return node  # plain: an async word gives its value there
