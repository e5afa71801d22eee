"""Syntax trees are gone through, copied and given places as the standard library does it."""

from __future__ import annotations

import ast
import copy
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto.compiler.walking import child_nodes, copied, placed, walk

#: All that there is in the grammar, as far as this version has it.
GRAMMAR = '''
import a.b as c, d
from . import (e as f)
@g
async def h(i, /, j: int = 1, *k, l=2, **m) -> n:
    """Text."""
    global o
    async with p as (q, *r), s:
        await t[u:v:w, ...]
    async for x in y:
        yield
    else:
        return lambda z, *a, b=c: (d := z)
class A(B, metaclass=C):
    x: int
    (y): int = 1
    del x, a.b, c[d]
    def e(self):
        nonlocal_ = [i for i in j if k], {l for l in m}, {n: o for n, o in p}, (q async for q in r)
        try:
            raise A from B
        except (C, D) as e:
            pass
        finally:
            while not f or g and h:
                continue
            else:
                break
        try:
            yield from z
        except* E:
            assert i, f"{j!r:>{k}} {l=}"
    def f():
        x = 1
        def g():
            nonlocal x
            x += -1 ** ~2 if x is not y else x < z <= 3 in [*a, {**b, 1: 2}]
match a:
    case {"b": c, **d} | [e, *f] | G(h, i=j) | (k as l) | None | 1 | _ if m:
        pass
for n, o in p(*q, **r):
    pass
'''
COMPILER = Path(stretto.__file__).parent / "compiler"
SOURCES = [
    pytest.param(GRAMMAR, id="grammar"),
    *(pytest.param(path.read_text(), id=path.name) for path in sorted(COMPILER.glob("g*.py"))),
]


def is_context(node: ast.AST) -> bool:
    return isinstance(node, ast.expr_context)


@pytest.mark.parametrize("source", SOURCES)
def test_nodes_are_those_of_ast(source: str) -> None:
    tree = ast.parse(source)
    assert walk(tree) == [node for node in ast.walk(tree) if not is_context(node)]
    for node in walk(tree):
        assert child_nodes(node) == [child for child in ast.iter_child_nodes(node) if not is_context(child)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_copy_shares_no_node(source: str) -> None:
    tree = ast.parse(source)
    made = copied(tree)
    assert ast.dump(made, include_attributes=True) == ast.dump(tree, include_attributes=True)
    assert not {*map(id, walk(made))} & {*map(id, walk(tree))}


def test_what_is_known_of_a_node_is_known_of_its_copy() -> None:
    node: Any = ast.parse("f(x)").body[0]
    node.stretto_frame, node.stretto_children = "<listcomp>", [node.value]
    made: Any = copied(node)
    assert made.stretto_frame == "<listcomp>"
    assert not hasattr(made, "stretto_children")


@pytest.mark.parametrize("source", SOURCES)
def test_places_are_those_of_ast(source: str) -> None:
    tree = ast.parse(source)
    for number, node in enumerate(walk(tree)):
        for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
            if number % 3 == 0 and hasattr(node, name):
                delattr(node, name)
    other = copy.deepcopy(tree)
    assert placed(tree) is tree
    assert ast.dump(tree, include_attributes=True) == ast.dump(
        ast.fix_missing_locations(other), include_attributes=True
    )
