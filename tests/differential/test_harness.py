"""The harness sees what it is there to see: runs that are wrong in one planted way are told apart."""

from __future__ import annotations

import gc

import pytest

from . import loaded
from .canonical import canonical
from .harness import Difference, Outcome, Program, compare, overlapped, reference
from .reduce import reduce
from .world import World

RIGHT = """\
G = [1]

@flow
def main(xs):
    a = get(1)
    put(1, a)
    bump(2)
    bump(2, 5)
    tell(xs)
    ys = [xs, xs]
    if xs == [7]:
        raise ValueError('x') from KeyError('y')
    return ys, a
"""


def kinds(wrong: str, arguments: str = "([2],)", right: str = RIGHT) -> set[str]:
    expected = reference(Program(right, arguments))
    kept = [bytes(1) for _ in range(999)]  # so that what is made is made elsewhere
    got = reference(Program(wrong, arguments))
    del kept
    return {difference.what for difference in compare(expected, got, "planted")}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("return ys, a", "return [xs, list(xs)], a", "result"),
        ("return ys, a", "G.append(1); return ys, a", "state of global G"),
        ("return ys, a", "xs.append(1); return ys, a", "result"),
        ("def main(xs):", "def main(xs, *, n=0):\n    xs.append(1); xs = xs[:-1]", "state of argument 0"),
        ("return ys, a", "put(2, a); return ys, a", "writes to r:2"),
        ("put(1, a)", "put(1, a + 1)", "writes to r:1"),
        ("    bump(2, 5)\n", "", "commuting writes to r:2"),
        ("    bump(2)\n", "    bump(2)\n    get(2)\n", None),
        ("    bump(2)\n    bump(2, 5)\n", "    bump(2, 5)\n    bump(2)\n", None),
        ("    a = get(1)\n    put(1, a)\n", "    a = 0; put(1, a)\n    a = get(1)\n", "answers of reads"),
        ("    bump(2)\n", "    tell(1)\n", "writes to q"),
        ("    bump(2)\n    bump(2, 5)\n    tell(xs)\n", "    tell(xs)\n    bump(2)\n    bump(2, 5)\n", None),
        ("    tell(xs)\n", "    tell(xs); print('x')\n", "writes to (unknown code)"),
    ],
)
def test_planted_differences_are_found(old: str, new: str, what: str | None) -> None:
    assert old in RIGHT
    found = kinds(RIGHT.replace(old, new))
    assert found == set() if what is None else what in found


def test_where_objects_are_in_memory_is_no_difference() -> None:
    told = RIGHT.replace("ValueError('x')", "ValueError(repr(tell))").replace(
        "return ys", "return repr(G.append)"
    )
    assert kinds(told, "([7],)", told) == kinds(told, "([2],)", told) == set()


COLLECTS = """\
import gc

@flow
def main():
    return eval("collect() >= 0", {"__builtins__": {}, "collect": gc.collect})
"""


def test_what_an_earlier_program_left_is_not_told_of_this_one() -> None:
    """A coroutine that was never awaited is warned of as it dies, and in a frame without built-ins, such as
    a namedtuple's, the warning itself fails."""

    async def left() -> None: ...

    gc.disable()
    try:
        garbage: list[object] = [left()]
        garbage.append(garbage)
        del garbage
        assert reference(Program(COLLECTS, "()")).ignored == []
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("ValueError('x') from", "ValueError('z') from", "exception"),
        ("from KeyError('y')", "from None", "chain of exceptions"),
        ("        raise", "        pass\n        raise", "traceback"),
        ("        raise ValueError('x') from KeyError('y')", "        pass", "end"),
    ],
)
def test_planted_failures_are_found(old: str, new: str, what: str) -> None:
    assert old in RIGHT
    assert what in kinds(RIGHT.replace(old, new), "([7],)")


LEAVES_IT = """
G = [1]
n = 0

class A:
    n = 0
    def up(self):
        self.n += ask(1)

@flow
def main():
    global n
    n += ask(1)
    G.append(n)
    a = A()
    a.up()
    return n, G, a.n, A.n
"""


DEFAULTS = """
x = [1]
def f(y, given=x, *, named={}):
    given.append(y)
    named[y] = given
    return len(given), named
x = [2, 3]

@flow
def g(y, held=Box(x)):
    held.n = [held.n, ask(y)]
    return held.n

@flow
def main():
    made = f(ask(1)), f(ask(2)), g(1), f(ask(3)), f.__kwdefaults__, x
    f.__defaults__ = ([7],)
    return made
"""


@pytest.mark.parametrize(
    ("source", "again"),
    [
        (LEAVES_IT, True),
        ("@flow\ndef main():\n    global main\n    main = ask(1)\n    return main", True),
        ("class A:\n    n = 0\n\n@flow\ndef main():\n    A.n += ask(1)\n    return A.n", False),
        ("class A:\n    xs = []\n\n@flow\ndef main():\n    A.xs.append(ask(1))\n    return A.xs", True),
        ("class A:\n    xs = []\n\n@flow\ndef main():\n    A.xs = [ask(1), *A.xs]\n    return A.xs", True),
        ("class A:\n    xs = []\n\n@flow\ndef main():\n    del A.xs\n    return vars(A).get('xs')", False),
        ("class A:\n    xs = []\n    ys = [xs]\n\n@flow\ndef main():\n    A.ys[0] = ask(1)", False),
        ("def f(x, xs=[]):\n    xs.append(x)\n    return xs\n\n@flow\ndef main(): return f(ask(1))", True),
        (DEFAULTS, True),
        ("class A:\n    def f(self, xs=[]):\n        xs.append(ask(1))\n\n@flow\ndef main(): A().f()", False),
        ("def f(g=lambda: 1): return g()\n\n@flow\ndef main():\n    return f(), ask(1)", False),
        ("def f(): ...\n\n@flow\ndef main():\n    f.n = getattr(f, 'n', 0) + 1; return f.n, ask(1)", False),
        ("import functools\nf = functools.cache(ask)\n\n@flow\ndef main():\n    return f(1)", True),
        ("import functools as o\n@o.cache\ndef f(x): return ask(x)\n\n@flow\ndef main(): return f(1)", False),
    ],
)
def test_a_module_is_used_again_where_a_run_leaves_it_as_it_was(source: str, again: bool) -> None:
    loaded.forget()
    program = Program(source + "\n")
    expected = reference(program)
    assert list(compare(expected, overlapped(program, 1), "first")) == []
    before = loaded._last
    assert list(compare(expected, overlapped(program, 2), "second")) == []
    assert (loaded._last is before) == again


def test_a_running_call_is_found() -> None:
    outcome = Outcome("returned", running=["get(1,)"], violations=["put began while put was running"])
    assert [d.what for d in compare(Outcome("returned"), outcome, "planted")] == [
        "running after the end",
        "forbidden overlap",
    ]


def test_world_orders_what_conflicts() -> None:
    def marks(*order: tuple[str, str, str]) -> list[str]:
        world = World()
        for name, kind, path in order:
            world.leave(world.enter(name, kind, (path,), ()))
        return world.marks()

    one, two = ("one", "write", "r:1"), ("two", "write", "r:2")
    everything, above, aside = ("x", "write", ""), ("above", "write", "r"), ("aside", "write", "q")
    plus, minus = ("plus", "commute", "r:1"), ("minus", "commute", "r:1")
    assert marks(one, two) == marks(two, one)
    assert marks(one, aside) == marks(aside, one)
    assert marks(plus, minus) == marks(minus, plus)
    assert marks(one, plus) != marks(plus, one)
    assert marks(one, above) != marks(above, one)
    assert marks(one, everything) != marks(everything, one)


def test_world_lets_a_write_see_what_it_does_not_change() -> None:
    def read(path: str, *, moved: bool) -> int:
        world = World()
        if moved:
            world.leave(world.enter("move", "write", ("r:1",), (), seen=("r:0",)))
        return world.leave(world.enter("get", "read", (path,), ()))

    assert read("r:0", moved=True) == read("r:0", moved=False)
    assert read("r:1", moved=True) != read("r:1", moved=False)
    world = World()
    world.leave(world.enter("put", "write", ("r:0",), ()))
    move = world.enter("move", "write", ("r:1",), (), seen=("r:0",))
    assert move.mark != World().enter("move", "write", ("r:1",), (), seen=("r:0",)).mark


def test_world_sees_a_torn_read_and_overlapping_writes() -> None:
    world = World()
    reading = world.enter("get", "read", ("r",), ())
    alone = World()
    same = alone.enter("get", "read", ("r",), ())
    writing = world.enter("put", "write", ("r:1",), (1,))
    assert world.leave(reading) != alone.leave(same)
    world.enter("bump", "commute", ("r",), ())
    world.abandon(writing)
    assert len(world.violations) == 2


def test_canonical_numbers_shared_objects() -> None:
    a: list[int] = []
    assert canonical([a, a]) == "[<1>=[], <1>]"
    assert canonical([a, []]) == "[[], []]"
    a.append(a)  # type: ignore[arg-type]
    assert canonical(a) == "<1>=[<1>]"
    assert canonical({2, 1}) == canonical({1, 2})


LARGE = """\
G = [1, 2]

def helper(a, xs, b=2):
    put(0, xs)
    return [ask(x) for x in xs] + [a, b]

@flow
def main(n, xs, ys):
    out = helper(n, xs)
    for x in things(3) + [1]:
        try:
            if x >= 0 and not (y := ask(x)) > 20:
                out.append(guess(x, y))
                put(77, helper(x, [x, *ys]))
        except Boom as error:
            note(str(error))
        finally:
            out += [len(out)]
    return out, {x: ask(x) for x in out if flag(x)}
"""


def test_reduce_keeps_what_matters() -> None:
    def test(candidate: Program) -> list[Difference]:
        outcome = reference(candidate)
        wrong = Outcome("returned") if "r:77" in outcome.writes else outcome
        return [d for d in compare(outcome, wrong, "planted") if d.what == "writes to r:77"]

    program = Program(LARGE, "(1, [2], [3, 4])")
    small, why = reduce(program, test(program), test=test)
    assert why
    assert len(small.source.splitlines()) <= 3, small
