"""Issue: walking the blocks of a strand, in program order, without ever waiting.

A step returns None when it is done, or what the strand has to wait for. A strand that has to wait is split if
it can be, so that what does not depend on the value goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any

from ..compiler import ir
from ..compiler.fragments import MISSING, Fragment
from ..compiler.functions import Compiled
from ..compiler.guard import NeedsOrder
from ..compiler.summary import paths_of
from ..compiler.types import of_value
from .containers import Dict, List, Set, Versioned
from .failures import raise_at
from .nodes import (
    BuildNode,
    FragmentNode,
    PassNode,
    UpdateNode,
    attempt,
    lent,
    change,
    look,
    natively,
    needs,
    unbound,
)
from .slots import PENDING, UNBOUND, Output, Slot
from .strands import FINAL, FUNC, HANDLER, LOOP, SEQ, TRY, TURN, Block, Frame, Strand, Trace, Try
from .tokens import EVERYTHING, HEAP, Token, heap_path

if TYPE_CHECKING:
    from .machine import Engine

__all__ = ["OLDEST", "ROOM", "Failure", "fetch", "issue", "operand", "push_function"]

#: What a strand waits for, when that is no value.
OLDEST, ROOM = "oldest", "room"

#: Deeper than this a flow fails with RecursionError, as any Python program does at some depth.
MAX_DEPTH = 20_000


class Failure(Exception):
    """The user's program has failed at this step.

    `own_line` says that the traceback has no entry yet for the line itself; `around`, that it happened in the
    frame around the comprehension that the step is in.
    """

    def __init__(self, error: BaseException, own_line: bool = True, around: bool = False) -> None:
        super().__init__()
        self.around = around
        self.error = error
        self.own_line = own_line


def issue(engine: Engine, strand: Strand, budget: int) -> int:
    """Walk a strand until it ends, waits, or the budget is used up. What is left of the budget."""
    stack = strand.stack
    while True:
        if budget <= 0:
            engine.resume(strand)
            return 0
        budget -= 1
        block = stack[-1]
        instr: ir.Instr | None = None
        try:
            if strand.exit is not None:
                wait = unwind(engine, strand)
            else:
                pc = block.pc
                code = block.code
                if pc < len(code):
                    instr = code[pc]
                    block.pc = pc + 1
                    wait = STEPS[type(instr)](engine, strand, block, instr)
                    if wait is not None:
                        block.pc = pc
                else:
                    wait = ENDS[block.kind](engine, strand, block)
        except Failure as failure:
            at = instr if instr is not None else block.region
            trace = link(block.frame, 0, ()) if at is None else trace_of(block, at)
            if failure.around:
                trace = link(block.frame, at.lineno, at.within[:-1])
            raise_at(engine, strand, trace, block.frame.depth, block.place, failure.error, failure.own_line)
            return budget
        if wait is None:
            if not stack:
                if strand.alive:
                    finish_strand(engine, strand)
                return budget
            continue
        if not _leave_behind(engine, strand, block, instr, wait):
            return budget


def _leave_behind(engine: Engine, strand: Strand, block: Block, instr: ir.Instr | None, wait: Any) -> bool:
    """Make the strand wait; True if it was split, and goes on after the part that waits."""
    if wait is ROOM or (wait is OLDEST and instr is None):
        _wait(engine, strand, wait)
        return False
    stack = strand.stack
    if isinstance(instr, ir.Region) and instr.joinable:
        # the step itself is the region that waits
        block.pc += 1
        stack.append(Block(SEQ, (instr,), block.frame, instr, block.place))
    index = len(stack) - 1
    while index > 0 and not (stack[index].region is not None and stack[index].region.joinable):
        index -= 1
    if index == 0:
        _wait(engine, strand, wait)
        return False
    paths = paths_of(stack[index].region, stack[index].frame, called=stack[index].kind == FUNC)
    child = strand.split(index, paths)
    engine.place(child, strand)
    base = child.stack[0]
    if base.kind == FUNC:
        result = Output()
        child.result = result
        deliver(engine, strand, base, result)
    _wait(engine, child, wait)
    return True


def _wait(engine: Engine, strand: Strand, wait: Any) -> None:
    if wait is OLDEST or wait is ROOM:
        strand.waiting = wait
        if wait is ROOM:
            engine.paused.append(strand)
        if engine.order.end.following is strand:
            engine.stirred = True
    elif isinstance(wait, Slot):
        strand.missing = 1
        wait.wait(strand)
    elif isinstance(wait, Try):
        strand.missing = 1
        wait.waiting = True
    else:
        strand.missing = len(wait)
        for item in wait:
            if isinstance(item, Slot):
                item.wait(strand)
            else:
                item.waiters.append(strand)


# -- operands ------------------------------------------------------------------------------------------


def fetch(frame: Frame, name: str) -> Any:
    """What a local name is bound to: a value, or a slot whose result has not come."""
    env = frame.env
    v = env.get(name, UNBOUND)
    if isinstance(v, Slot) and v.value is not PENDING:
        v = env[name] = v.value
    if v is UNBOUND:
        raise Failure(unbound(name))
    return v


def operand(frame: Frame, source: ir.Operand) -> Any:
    if source.__class__ is str:
        return fetch(frame, source)  # type: ignore[arg-type]
    if source.__class__ is ir.Const:
        return source.value  # type: ignore[union-attr]
    return load(frame, source.name)  # type: ignore[union-attr]


def load(frame: Frame, path: str) -> Any:
    """A global or free name, perhaps with attributes."""
    first, *rest = path.split(".")
    cell = frame.cells.get(first)
    if cell is not None:
        try:
            value = cell.cell_contents
        except ValueError:
            raise Failure(
                NameError(
                    f"cannot access free variable '{first}' where it is not associated with a value in enclosing scope"
                )
            ) from None
    else:
        try:
            value = frame.form.resolve(first)
        except KeyError:
            raise Failure(NameError(f"name '{first}' is not defined", name=first)) from None
    for name in rest:
        try:
            value = getattr(value, name)
        except Exception as error:
            raise Failure(error) from None
    return value


def trace_of(block: Block, instr: ir.Instr) -> Any:
    frame = block.frame
    return link(frame, instr.lineno, instr.within)


def link(frame: Frame, lineno: int, within: tuple[tuple[str, int], ...]) -> Trace:
    """Where something is, with everything around it (see `places.rooted`)."""
    form, depth = frame.form, frame.depth
    if not within:
        return (form, lineno, frame.trace, form.name, depth)
    around, name = frame.trace, form.name
    for inner, at in within:
        around = (form, at, around, name, depth)
        name = inner
    return (form, lineno, around, name, depth)


# -- simple steps --------------------------------------------------------------------------------------


def step_run(engine: Engine, strand: Strand, block: Block, instr: ir.Run) -> Any:
    run_fragment(engine, strand, block, instr.fragment, instr.within)


def run_fragment(
    engine: Engine, strand: Strand, block: Block, fragment: Fragment, within: tuple[tuple[str, int], ...]
) -> None:
    """Run a fragment now if that is the same as running it in its turn; else leave it as a node."""
    frame = block.frame
    env = frame.env
    values: list[Any] = []
    waits = False
    copies: dict[int, Any] = {}
    for name in fragment.reads:
        v = env.get(name, UNBOUND)
        if isinstance(v, Slot):
            if v.value is PENDING:
                waits = True
            else:
                v = env[name] = v.value
        if v is UNBOUND:
            if not fragment.soft:
                fragment = fragment.softened()
            v = MISSING
        elif isinstance(v, Versioned):
            if v.pending():
                waits = True
            elif not waits:
                v = lent(v, fragment, copies)
        values.append(v)
    tokens = strand.tokens
    if fragment.trivial and not waits and not (fragment.heap and tokens):
        try:
            result = fragment.native(frame.cells)(*values)
        except NameError as error:
            raise Failure(error, own_line=False) from None
        bind(env, fragment, result)
        return
    types = tuple([_type_of(v) for v in values])
    verdict = fragment.verdict(types)
    before = tokens.before_read(HEAP) if tokens and (verdict.heap or not verdict.pure) else None
    if not waits and not before:
        try:
            if verdict.pure:
                result = natively(fragment.native(frame.cells), values, strand.exc)
            elif engine.order.end.following is strand and fragment.plain_change(types):
                result = natively(fragment.native(frame.cells), values, strand.exc)
            else:
                result = attempt(fragment, values, frame.cells, strand.exc)
        except NeedsOrder:
            pass
        except BaseException as error:
            raise Failure(error, own_line=False) from None
        else:
            bind(env, fragment, result)
            return
    node = FragmentNode(
        strand, link(frame, fragment.lineno, within), frame.depth, block.place, fragment, values, frame.cells
    )
    engine.place(node, strand)
    if before:
        node.await_tokens(before)
    if not verdict.pure:
        node.token = Token(1)
        settled_order = not waits and not before
        path = EVERYTHING
        if fragment.mutates is not None and fragment.plain_change(types):
            path = heap_path(values[fragment.reads.index(fragment.mutates)])
            settled_order = True
        tokens.write(path, node.token, certain=settled_order)
    if fragment.soft or len(fragment.binds) != 1:
        for name in fragment.binds:
            output = Output()
            output.name = name
            output.open = output.unsure = fragment.soft
            node.outputs.append((name, output))
            env[name] = output
    else:
        env[fragment.binds[0]] = node
        node.type = verdict.type
    if node.gather(values) and node.missing == 0:
        engine.ready.append(node)


def _type_of(v: Any) -> Any:
    if isinstance(v, Slot):
        return v.type
    if isinstance(v, Versioned):
        return of_value(v.kind())
    return of_value(v)


def bind(env: dict[str, Any], fragment: Fragment, result: Any) -> None:
    binds = fragment.binds
    if len(binds) == 1 and result is not MISSING:
        env[binds[0]] = result
    elif binds:
        for name, value in fragment.results(result).items():
            if value is MISSING:
                env.pop(name, None)
            else:
                env[name] = value


def step_move(engine: Engine, strand: Strand, block: Block, instr: ir.Move) -> Any:
    frame = block.frame
    frame.env[instr.target] = bound(engine, strand, block, instr, operand(frame, instr.source))


def bound(engine: Engine, strand: Strand, block: Block, instr: Any, v: Any) -> Any:
    """An operand that may turn out not to be bound: if so, the failure is here and nowhere later."""
    if isinstance(v, Output) and v.unsure:
        node = PassNode(strand, trace_of(block, instr), block.frame.depth, block.place, v, v.name)
        engine.place(node, strand)
        v.wait(node)
        node.missing = 1
        return node
    return v


def step_assign(engine: Engine, strand: Strand, block: Block, instr: ir.Assign) -> Any:
    if engine.order.end.following is not strand:
        return OLDEST
    if instr.target:
        frame = block.frame
        if instr.source:
            v = plain(engine, strand, block, instr, fetch(frame, instr.source))
            if isinstance(v, Slot):
                frame.env[instr.source] = v
                return v
            frame.cells[instr.target].cell_contents = v
    return None


def step_delete(engine: Engine, strand: Strand, block: Block, instr: ir.Delete) -> Any:
    env = block.frame.env
    v = env.get(instr.target, UNBOUND)
    if isinstance(v, Output) and v.unsure and v.value is PENDING:
        return v
    fetch(block.frame, instr.target)
    del env[instr.target]
    return None


def step_return(engine: Engine, strand: Strand, block: Block, instr: ir.Return) -> Any:
    strand.exit = ("return", bound(engine, strand, block, instr, operand(block.frame, instr.source)))


def step_break(engine: Engine, strand: Strand, block: Block, instr: ir.Break) -> Any:
    strand.exit = ("break", instr.done)


def step_continue(engine: Engine, strand: Strand, block: Block, instr: ir.Continue) -> Any:
    strand.exit = ("continue", None)


def step_raise(engine: Engine, strand: Strand, block: Block, instr: ir.Raise) -> Any:
    if strand.exc is None:
        raise Failure(RuntimeError("No active exception to reraise"))
    raise Failure(strand.exc, own_line=False)


# -- containers that are values ----------------------------------------------------------------------


def step_new(engine: Engine, strand: Strand, block: Block, instr: ir.NewValue) -> Any:
    frame = block.frame
    if instr.kind is list:
        frame.env[instr.target] = List([element(engine, strand, block, instr, i) for i in instr.items])
        return
    items = [element(engine, strand, block, instr, i) for i in instr.items]
    keys = [element(engine, strand, block, instr, k) for k in instr.keys]
    frame.env[instr.target] = Set([]) if instr.kind is set else Dict({})
    if instr.kind is set:
        for item in items:
            update(engine, strand, block, instr, instr.target, "add", [item])
    else:
        for key, item in zip(keys, items, strict=True):
            update(engine, strand, block, instr, instr.target, "setitem", [key, item])


def element(engine: Engine, strand: Strand, block: Block, instr: ir.Instr, source: ir.Operand) -> Any:
    return plain(engine, strand, block, instr, operand(block.frame, source))


def step_update(engine: Engine, strand: Strand, block: Block, instr: ir.Update) -> Any:
    frame = block.frame
    held = frame.env.get(instr.target, UNBOUND)
    if held is UNBOUND or (isinstance(held, Slot) and held.value is UNBOUND):
        assert instr.plain is not None
        run_fragment(engine, strand, block, instr.plain, instr.within)
        return
    args = [
        operand(frame, a) if instr.method == "extend" else element(engine, strand, block, instr, a)
        for a in instr.args
    ]
    update(engine, strand, block, instr, instr.target, instr.method, args)


def update(
    engine: Engine, strand: Strand, block: Block, instr: Any, target: str, method: str, args: list[Any]
) -> None:
    """Bind a name to the next version of what it holds."""
    frame = block.frame
    held = fetch(frame, target)
    needed = [a for a in needs(method, args) if isinstance(a, Slot)]
    if method == "extend" and not needed:
        items = args[0]
        if not isinstance(items, (Versioned, list, tuple)) or (isinstance(items, list) and strand.tokens):
            # any iterable, to be gone through in its turn
            needed = [listed(engine, strand, block, instr, items)]
            args = list(needed)
    if not isinstance(held, Slot) and not needed:
        try:
            frame.env[target] = change(held, method, args)
        except Exception as error:
            raise Failure(error) from None
        return
    node = UpdateNode(strand, trace_of(block, instr), frame.depth, block.place, held, method, args, True)
    engine.place(node, strand)
    frame.env[target] = node
    _await(engine, node, held, needed)


def listed(engine: Engine, strand: Strand, block: Block, instr: ir.Instr, items: Any) -> Slot:
    from .apply import function_node

    return function_node(engine, strand, block, instr, list, [items], {})


def _await(engine: Engine, node: UpdateNode, held: Any, needed: list[Any]) -> None:
    for item in (held, *needed):
        if isinstance(item, Slot):
            item.wait(node)
            node.missing += 1
    if node.missing == 0:
        engine.ready.append(node)


def step_look(engine: Engine, strand: Strand, block: Block, instr: ir.ValueRead) -> Any:
    frame = block.frame
    env = frame.env
    method = instr.method
    if method == "copy":
        env[instr.target] = plain(engine, strand, block, instr, fetch(frame, instr.source))
        return
    held = env.get(instr.source, UNBOUND)
    if isinstance(held, Slot) and held.value is not PENDING:
        held = env[instr.source] = held.value
    certain = isinstance(held, Slot) and frame.form.values.get(instr.source) is not None
    if not isinstance(held, Versioned) and not certain:
        assert instr.plain is not None
        run_fragment(engine, strand, block, instr.plain, instr.within)
        return
    args = [operand(frame, a) for a in instr.args]
    needed = [a for a in needs(method, args) if isinstance(a, Slot)]
    if isinstance(held, Versioned) and not needed:
        try:
            env[instr.target] = look(held, method, args)
        except Exception as error:
            raise Failure(error) from None
        return
    node = UpdateNode(strand, trace_of(block, instr), frame.depth, block.place, held, method, args, False)
    engine.place(node, strand)
    env[instr.target] = node
    if method in ("len", "bool"):
        node.type = of_value(0 if method == "len" else True)
        node.open = False
    _await(engine, node, held, needed)


def plain(engine: Engine, strand: Strand, block: Block, instr: Any, value: Any) -> Any:
    """The value as an ordinary object (or a slot of one): containers that are values are copied."""
    if isinstance(value, Versioned) and not value.pending():
        return value.copy()
    if isinstance(value, Versioned) or (isinstance(value, Slot) and value.open):
        node = BuildNode(
            strand, trace_of(block, instr), block.frame.depth, block.place, _first, [value]
        )  # fmt: skip
        engine.place(node, strand)
        if not isinstance(value, Versioned):
            node.type = value.type
        if node.gather(node.values):
            engine.ready.append(node)
        return node
    return value


def _first(values: list[Any]) -> Any:
    return values[0]


# -- regions -------------------------------------------------------------------------------------------


def step_if(engine: Engine, strand: Strand, block: Block, instr: ir.If) -> Any:
    test = operand(block.frame, instr.test)
    if isinstance(test, Slot):
        return test
    arm = instr.then if test else instr.orelse
    if arm:
        strand.stack.append(Block(SEQ, arm, block.frame, instr, block.place))
    return None


def step_while(engine: Engine, strand: Strand, block: Block, instr: ir.While) -> Any:
    loop = Block(LOOP, (), block.frame, instr, (block.place, instr.label))
    strand.stack.append(loop)


def end_loop(engine: Engine, strand: Strand, block: Block) -> Any:
    if block.iterator is not None:
        from .loops import next_turn

        return next_turn(engine, strand, block)
    if engine.inflight >= engine.limit and engine.order.end.following is not strand:
        return ROOM
    turn = block.region.body
    count = block.count
    block.count = count + 1
    strand.stack.append(Block(TURN, turn.body, block.frame, turn, (block.place, count)))
    return None


def step_try(engine: Engine, strand: Strand, block: Block, instr: Any) -> Any:
    frame = block.frame
    guarded = Block(TRY, instr.body, frame, instr, block.place)
    guarded.saved = strand.handling
    ctx = guarded.ctx = Try(strand, frame.depth)
    strand.ctx, strand.ctx_frame, strand.names = ctx, frame, ()
    strand.stack.append(guarded)


def end_try(engine: Engine, strand: Strand, block: Block) -> Any:
    ctx = block.ctx
    assert ctx is not None
    if ctx.pending:
        return ctx
    strand.stack.pop()
    strand.handling = block.saved
    region = block.region
    if isinstance(region, ir.TryExcept):
        if region.orelse:
            strand.stack.append(Block(SEQ, region.orelse, block.frame, region, block.place))
    else:
        strand.stack.append(_final(strand, block, None))
    return None


def _final(strand: Strand, block: Block, pending: Any) -> Block:
    final = Block(FINAL, block.region.final, block.frame, block.region, block.place)
    final.saved = strand.handling
    final.pending = pending
    return final


def end_final(engine: Engine, strand: Strand, block: Block) -> Any:
    strand.stack.pop()
    strand.handling = block.saved
    if block.pending is None:
        return None
    kind, value = block.pending
    if kind != "raise":
        strand.exit = block.pending
        return None
    if block.region.leave is not None:
        block.frame.env.pop(ir.FAILURE, None)
        return None  # the context manager has swallowed it
    raise_again(engine, strand, block, value)
    return None


def raise_again(engine: Engine, strand: Strand, block: Block, error: BaseException) -> None:
    """Let a failure go on outwards, from a handler that is done with it."""
    raise Failure(error, own_line=False)


def step_match(engine: Engine, strand: Strand, block: Block, instr: ir.Match) -> Any:
    error = block.item
    frame = block.frame
    if instr.type is not None:
        kind = operand(frame, instr.type)
        if isinstance(kind, Slot):
            return kind
        if not _matches(error, kind):
            return None
    block.pc = len(block.code)
    if instr.name is not None:
        frame.env[instr.name] = error
        block.name = instr.name
        strand.names = (*strand.names, instr.name)
    strand.stack.append(Block(SEQ, instr.body, frame, block.region, block.place))
    return None


def _matches(error: BaseException, kind: Any) -> bool:
    trace = error.__traceback__
    context = error.__context__
    try:
        raise error
    except kind:
        return True
    except BaseException as other:
        if other is error:
            return False
        raise Failure(other) from None
    finally:
        error.__traceback__ = trace
        error.__context__ = context


def step_reraise(engine: Engine, strand: Strand, block: Block, instr: ir.Reraise) -> Any:
    index = len(strand.stack) - 1
    while strand.stack[index].kind not in (HANDLER, FINAL):
        index -= 1
    handler = strand.stack[index]
    del strand.stack[index:]
    strand.handling = handler.saved
    raise_again(engine, strand, handler, handler.item)


def end_handler(engine: Engine, strand: Strand, block: Block) -> Any:
    leave_handler(strand, block)
    return None


def leave_handler(strand: Strand, block: Block) -> None:
    strand.stack.pop()
    if block.name is not None:
        block.frame.env.pop(block.name, None)
    strand.handling = block.saved


def end_seq(engine: Engine, strand: Strand, block: Block) -> Any:
    strand.stack.pop()


def end_func(engine: Engine, strand: Strand, block: Block) -> Any:
    return_from(engine, strand, block, None)


# -- leaving ---------------------------------------------------------------------------------------------


def unwind(engine: Engine, strand: Strand) -> Any:
    """Carry out a break, continue or return, through everything on its way."""
    stack = strand.stack
    assert strand.exit is not None
    kind, value = strand.exit
    while True:
        block = stack[-1]
        what = block.kind
        if what == TRY:
            assert block.ctx is not None
            if block.ctx.pending:
                return block.ctx
            stack.pop()
            strand.handling = block.saved
            if isinstance(block.region, ir.TryFinally):
                stack.append(_final(strand, block, (kind, value)))
                strand.exit = None
                return None
        elif what == HANDLER:
            leave_handler(strand, block)
        elif what == FINAL:
            stack.pop()
            strand.handling = block.saved
        elif what == FUNC:
            strand.exit = None
            return_from(engine, strand, block, value)
            return None
        else:
            stack.pop()
            if (what == TURN and kind == "continue") or (what == LOOP and kind == "break"):
                strand.exit = None
                if value and block.region.orelse:
                    stack.append(Block(SEQ, block.region.orelse, block.frame, block.region, block.place))
                return None


def return_from(engine: Engine, strand: Strand, block: Block, value: Any) -> None:
    """A function has been issued to its end."""
    strand.stack.pop()
    if strand.stack:
        deliver(engine, strand, block, value)
    elif strand.result is not None:
        finish_strand(engine, strand, value)
    else:
        engine.ended_root(strand, value)


def deliver(engine: Engine, strand: Strand, block: Block, value: Any) -> None:
    """Give the caller a function's result."""
    caller = strand.stack[-1]
    instr = block.target
    if instr is None or instr.target is None:
        return
    frame = caller.frame
    if not (instr.keep or instr.target in frame.form.values):
        value = plain(engine, strand, caller, instr, value)
    frame.env[instr.target] = value


def finish_strand(engine: Engine, strand: Strand, value: Any = None) -> None:
    """A region that was left behind has been issued to its end: hand over what it bound."""
    strand.alive = False
    engine.remove(strand)
    if strand.result is not None:
        _hand_over(engine, strand.result, value)
    if strand.outputs:
        assert strand.base is not None
        env = strand.base.env
        for name, output in strand.outputs.items():
            _hand_over(engine, output, env.get(name, UNBOUND))
    token = strand.token
    if token is not None:
        for path in strand.paths:
            for other in strand.tokens.before_read(path):
                token.after(other)
        token.wake(engine)
    if strand.boundary is not None:
        strand.boundary.leave(engine)


def _hand_over(engine: Engine, output: Any, value: Any) -> None:
    if isinstance(value, Slot):
        if value.value is PENDING:
            output.source = value
            output.type = value.type
            value.wait(output)
            return
        value = value.value
    engine.resolve(output, value)


# -- functions -------------------------------------------------------------------------------------------


def push_function(
    engine: Engine, strand: Strand, caller: Block | None, form: Compiled, fn: FunctionType,
    args: list[Any], kwargs: dict[str, Any], instr: ir.Apply | None, place: Any,
) -> None:  # fmt: skip
    """Go on with the steps of a compiled function."""
    if len(args) == form.simple_arity and not kwargs:
        env = dict(zip(form.params, args, strict=True))
    else:
        try:
            env = form.binder(fn)(*args, **kwargs)
        except TypeError as error:
            raise Failure(error) from None
    depth = 0 if caller is None else caller.frame.depth + 1
    if depth > MAX_DEPTH:
        raise Failure(RecursionError("maximum recursion depth exceeded"))
    trace = None if caller is None or instr is None else trace_of(caller, instr)
    cells: dict[str, CellType] = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    frame = Frame(form, env, cells, trace, depth)
    body = form.body
    for name in form.scope.cells:
        cells[name] = CellType()
    block = Block(FUNC, body, frame, instr, place)
    block.target = instr
    strand.stack.append(block)
    if caller is not None and instr is not None:
        for name in form.packed:
            packed = env[name]
            members = packed.values() if isinstance(packed, dict) else packed
            if any(isinstance(m, (Slot, Versioned)) for m in members):
                env[name] = _pack(engine, strand, caller, instr, packed)
        for name in form.params:
            if isinstance(env[name], (Slot, Versioned)) and name not in form.values:
                env[name] = plain(engine, strand, caller, instr, env[name])
    waiting: list[str] = [n for n in form.params if n in form.scope.cells]
    if waiting:
        assigns = tuple(ir.Assign(form.lineno, target=n, source=n) for n in waiting)
        block.code = (*assigns, *body)


def _pack(engine: Engine, strand: Strand, caller: Block, instr: ir.Apply, packed: Any) -> Any:
    """``*args`` or ``**kwargs`` with results still to come in it."""
    if isinstance(packed, dict):
        keys = list(packed)

        def build(values: list[Any]) -> Any:
            return dict(zip(keys, values, strict=True))
    else:
        keys = []
        build = tuple  # type: ignore[assignment]
    values = list(packed.values()) if isinstance(packed, dict) else list(packed)
    node = BuildNode(strand, trace_of(caller, instr), caller.frame.depth, caller.place, build, values)
    engine.place(node, strand)
    if node.gather(node.values):
        engine.ready.append(node)
    return node


def _steps() -> dict[type, Callable[..., Any]]:
    from .apply import step_apply
    from .loops import step_for

    return {
        ir.Run: step_run, ir.Move: step_move, ir.Assign: step_assign, ir.Delete: step_delete,
        ir.Apply: step_apply, ir.If: step_if, ir.For: step_for, ir.While: step_while, ir.TryExcept: step_try,
        ir.TryFinally: step_try, ir.Match: step_match, ir.Reraise: step_reraise, ir.Raise: step_raise,
        ir.Return: step_return, ir.Break: step_break, ir.Continue: step_continue, ir.NewValue: step_new,
        ir.Update: step_update, ir.ValueRead: step_look,
    }  # fmt: skip


ENDS: dict[int, Callable[..., Any]] = {
    FUNC: end_func, SEQ: end_seq, LOOP: end_loop, TURN: end_seq, TRY: end_try, HANDLER: end_handler, FINAL: end_final,
}  # fmt: skip
STEPS: dict[type, Callable[..., Any]] = _steps()
