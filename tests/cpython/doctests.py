"""Doctests as functions: the examples of one doctest, one after the other, are the body of a function.

What an example prints, returns or raises is shown to whoever calls the function.
"""

from __future__ import annotations

import ast
import doctest
import linecache
import warnings
from collections.abc import Iterator
from types import FunctionType, ModuleType

__all__ = ["functions"]


def functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """The name of each doctest of a module, and its function, which takes the function that is shown."""
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        function = _function(test, module)
        if function is not None:
            yield test.name.removeprefix(module.__name__ + "."), function


def _function(test: doctest.DocTest, module: ModuleType) -> FunctionType | None:
    body: list[str] = []
    for example in test.examples:
        lines = _lines(example)
        if lines and _compiles([*body, *lines]):
            body += lines
    if not body:
        return None
    filename = f"<doctest {test.name}>"
    text = _text(body)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = compile(text, filename, "exec")
    namespace: dict[str, object] = dict(vars(module), __name__=module.__name__)
    exec(code, namespace)
    made = namespace["examples"]
    assert isinstance(made, FunctionType)
    return made


def _lines(example: doctest.Example) -> list[str]:
    """The lines of a function that do what an example does; none where it is no Python, and is to say so."""
    source = example.source.rstrip()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
        lines = ["show(", *source.split("\n"), ")"] if "#" not in source else []
        lines = lines or [f"show({ast.unparse(tree.body[0].value)})"]
    else:
        lines = source.split("\n")
    if example.exc_msg is None:
        return lines
    indented = ["    " + line for line in lines]
    return ["try:", *indented, "except BaseException as raised:", "    show(raised)"]


def _text(body: list[str]) -> str:
    return "\n".join(["def examples(show):", *("    " + line for line in body)]) + "\n"


def _compiles(body: list[str]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(_text(body), "<doctest>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True
