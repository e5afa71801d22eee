# ruff: noqa
# fmt: off
"""The code of from_scratch.md, in order. Made from that page: edit the page, not this file."""

import ast, bisect, copy, heapq, inspect, itertools, math, random, textwrap


class Call:
    """A function of the outside world: how long it takes, and what it reads or writes."""

    def __init__(self, fn, seconds, reads=None, writes=None):
        self.fn, self.seconds, self.reads, self.writes = fn, seconds, reads, writes

    def __call__(self, *args):
        return self.fn(*args)


def call(seconds, **effects):
    return lambda fn: Call(fn, seconds, **effects)


PAGES = {"tides": ["moon", "sun", "sea"], "basalt": ["rock"], "moss": ["wet", "green", "old"]}
MAILBOX = []


@call(2.0, reads="web")
def search(topic):
    if topic == "void":
        raise LookupError("nothing is known of void")
    return PAGES.get(topic, [])


@call(3.0)
def summarise(text):
    return f"<{text}>"


@call(1.0, writes="mail")
def send(to, body):
    if to == "nobody":
        raise ValueError("nobody has no address")
    MAILBOX.append((to, body))


def digest(topics, to):
    notes = []
    for topic in topics:
        hits = search(topic)
        if len(hits) >= 3:
            notes.append(summarise(" ".join(hits)))
    report = summarise(" + ".join(notes))
    send(to, report)
    return report


digest(["tides", "basalt", "moss"], "ann")  # -> '<<moon sun sea> + <wet green old>>'


OPEN = object()  # "no value yet"
UNBOUND = object()  # "this name is not bound"


class Slot:
    """A result still to come. Names hold slots; the user's own objects never do."""

    def __init__(self):
        self.value, self.waiters = OPEN, []


def seen(x):
    """x, with the filled slots in front of it taken away."""
    while isinstance(x, Slot):
        x = x.value
    return x


def spine(x):
    """The open slot that hides what x is, or None: enough to append to x or to loop over it."""
    while isinstance(x, Slot):
        if x.value is OPEN:
            return x
        x = x.value
    return None


def whole(x):
    """The open slot that hides x or any part of it, or None: what a call or plain code needs."""
    hidden = spine(x)
    if hidden is None and isinstance(seen(x), List):
        hidden = next(filter(None, map(whole, seen(x).items())), None)
    return hidden


def plain(x):
    """x as the ordinary Python value that plain code may see."""
    x = seen(x)
    return [plain(item) for item in x.items()] if isinstance(x, List) else x


class List:
    """One version of a list. Versions never change; the array that they share does."""

    def __init__(self, array):
        self.array, self.neighbour, self.change = array, None, None

    def items(self):
        chain = [self]
        while chain[-1].array is None:
            chain.append(chain[-1].neighbour)
        for owner, taker in zip(chain[::-1], chain[-2::-1]):
            taker.array, owner.array = owner.array, None
            owner.neighbour, owner.change = taker, swap(taker.array, *taker.change)
        return self.array

    def replaced(self, index, item):
        array = self.items()
        new = List(array)
        self.array, self.neighbour, self.change = None, new, swap(array, index, item)
        return new


def swap(array, index, item):
    """Make one change, and give back the change that undoes it."""
    if item is UNBOUND:
        return index, array.pop()
    if index == len(array):
        array.append(item)
        return index, UNBOUND
    array[index], item = item, array[index]
    return index, item


def as_list(x):
    x = seen(x)
    return x if isinstance(x, List) else List(list(x))


def appended(xs, item):
    xs = as_list(xs)
    return xs.replaced(len(xs.items()), item)


one = List(["a"])
two = appended(one, "b")
three = appended(two, "c")
other = two.replaced(0, "z")
[list(version.items()) for version in (one, two, three, other)]
# -> [['a'], ['a', 'b'], ['a', 'b', 'c'], ['z', 'b']]


class Op:
    """One operation: what it needs, what it does, and its place in program order."""

    error, started = None, False

    def __init__(self, place, operands, need, do, call):
        self.place, self.operands, self.need, self.do, self.call = place, operands, need, do, call
        self.slot = Slot()


class Strand:
    """A point of issue."""

    error, call = None, None

    def __init__(self, path):
        self.path, self.place, self.count = path, (*path, math.inf), itertools.count()

    def next_place(self):
        return (*self.path, next(self.count))


class Machine:
    def __init__(self, rng=None):
        self.now, self.ticks, self.agenda = 0.0, itertools.count(), []
        self.order, self.trace, self.rng = [], [], rng

    def at(self, when, do):
        heapq.heappush(self.agenda, (when, next(self.ticks), do))

    def enter(self, item):
        bisect.insort(self.order, item, key=lambda item: item.place)

    def turn(self):
        while self.order:
            oldest = self.order[0]
            if oldest.error is not None:
                raise oldest.error  # everything before it has happened, nothing after it
            if oldest.call is not None:
                self.look(oldest)  # it may be a write whose turn has come
            self.now, _, do = heapq.heappop(self.agenda)
            do()

    def look(self, op):
        """Start op if nothing is missing; else look again when what is missing is there."""
        hidden = next(filter(None, map(op.need, op.operands)), None)
        if hidden is not None:
            hidden.waiters.append(lambda: self.look(op))
        elif op.call is None:
            self.finish(op)
        elif not op.started and (op.call.writes is None or self.order[0] is op):
            op.started = True
            seconds = op.call.seconds * (self.rng.uniform(0.1, 2) if self.rng else 1)
            self.trace.append((self.now, self.now + seconds, op.call.fn.__name__))
            self.at(self.now + seconds, lambda: self.finish(op))

    def finish(self, op):
        try:
            value = op.do(*op.operands)
        except Exception as error:
            op.error = error  # real only when op is the oldest
        else:
            self.order.remove(op)
            self.fill(op.slot, value)

    def fill(self, slot, value):
        hidden = spine(value)
        if hidden is not None:
            hidden.waiters.append(lambda: self.fill(slot, value))
            return
        slot.value = seen(value)
        for waiter in slot.waiters:
            self.at(self.now, waiter)


class Issue(Machine):
    def __init__(self, flow, rng=None):
        super().__init__(rng)
        self.flow, self.globals = flow, flow.__globals__

    def op(self, strand, operands, need, do, call=None):
        op = Op(strand.next_place(), operands, need, do, call)
        self.enter(op)
        self.look(op)
        return op.slot

    def callee(self, name, env):
        found = None if name in env else self.globals.get(name)
        return found if isinstance(found, Call) else None

    def issue(self, strand, expr, env):
        match expr:
            case ast.Name(id=name) if name in env:
                return env[name]
            case ast.List(elts=items):
                return List([self.issue(strand, item, env) for item in items])
            case ast.Call(func=ast.Name(id=name), args=args) if call := self.callee(name, env):
                operands = [self.issue(strand, arg, env) for arg in args]
                before = [env[f"${call.reads}"]] if f"${call.reads}" in env else []
                do = lambda *values: call.fn(*map(plain, values[: len(args)]))
                slot = self.op(strand, operands + before, whole, do, call)
                if call.writes:
                    env[f"${call.writes}"] = slot
                return slot
        return self.fragment(strand, expr, env)

    def fragment(self, strand, expr, env):
        made = {}

        class Lift(ast.NodeTransformer):
            def visit_Call(lift, node):
                if not (isinstance(node.func, ast.Name) and self.callee(node.func.id, env)):
                    return lift.generic_visit(node)
                slot = self.issue(strand, node, env)
                made[name := f"call_{len(made)}"] = slot
                return ast.Name(name, ast.Load())

        expr = ast.fix_missing_locations(ast.Expression(Lift().visit(copy.deepcopy(expr))))
        code = compile(expr, "<flow>", "eval")
        used = {node.id for node in ast.walk(expr) if isinstance(node, ast.Name)}
        names = {name: env[name] for name in used if name in env} | made

        def do(*values):
            bound = {n: plain(v) for n, v in zip(names, values) if seen(v) is not UNBOUND}
            return eval(code, self.globals | bound)

        return self.op(strand, list(names.values()), whole, do)


class Engine(Issue):
    def run(self, *args):
        tree = ast.parse(textwrap.dedent(inspect.getsource(self.flow))).body[0]
        env = dict(zip((arg.arg for arg in tree.args.args), args))
        main, result = Strand(()), Slot()
        walk = self.block(main, tree.body, env)
        self.split(main, walk, lambda end: self.fill(result, end and end[1]))
        self.turn()
        return plain(result)

    def split(self, strand, walk, then, hidden=None):
        """Let strand issue the rest of walk by itself, once hidden is filled."""
        self.enter(strand)

        def step():
            try:
                next(walk).waiters.append(step)
            except StopIteration as end:
                self.order.remove(strand)
                then(end.value)

        hidden.waiters.append(step) if hidden else self.at(self.now, step)

    def decided(self, x):
        while (hidden := spine(x)) is not None:
            yield hidden
        return seen(x)

    def block(self, strand, body, env):
        """Issue statements. Ends with None, or with ("break",), ("continue",), ("return", x)."""
        for stmt in body:
            match stmt:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    env[name] = self.issue(strand, value, env)
                case ast.Expr(ast.Call(ast.Attribute(ast.Name(id=name), "append"), [item])):
                    item = self.issue(strand, item, env)
                    do = lambda xs, item=item: appended(xs, item)
                    env[name] = self.op(strand, [env[name]], spine, do)
                case ast.Expr(value):
                    self.issue(strand, value, env)
                case ast.Raise(exc=error):
                    error = self.issue(strand, error, env)
                    yield from self.decided(self.op(strand, [error], whole, throw))
                case ast.Return(value):
                    return "return", value and self.issue(strand, value, env)
                case ast.Break() | ast.Continue():
                    return (type(stmt).__name__.lower(),)
                case ast.If() | ast.For():
                    inside, inner = Strand(strand.next_place()), dict(env)
                    walk = self.region(inside, stmt, inner)
                    try:
                        hidden = next(walk)
                        while may_leave(stmt):  # what follows may not happen: wait
                            yield hidden
                            hidden = next(walk)
                    except StopIteration as end:  # it is through: go on with its names
                        env.update(inner)
                        if end.value is not None:
                            return end.value
                    else:  # it can only end normally: go on without it
                        later = {name: Slot() for name in self.may_bind(stmt)}
                        env.update(later)
                        self.split(inside, walk, self.filler(inner, later), hidden)
                case _:
                    raise NotImplementedError(ast.unparse(stmt))

    def region(self, strand, stmt, env):
        match stmt:
            case ast.If(test=test):
                test = self.op(strand, [self.issue(strand, test, env)], whole, plain)
                arm = stmt.body if (yield from self.decided(test)) else stmt.orelse
                return (yield from self.block(strand, arm, env))
            case ast.For(target=ast.Name(id=name), iter=items, orelse=[]):
                items = self.op(strand, [self.issue(strand, items, env)], spine, as_list)
                for item in list((yield from self.decided(items)).items()):
                    env[name] = item
                    end = yield from self.block(strand, stmt.body, env)
                    if end == ("break",):
                        return None
                    if end is not None and end != ("continue",):
                        return end

    def filler(self, inner, later):
        def then(_):
            for name, slot in later.items():
                self.fill(slot, inner.get(name, UNBOUND))

        return then

    def may_bind(self, stmt):
        for node in ast.walk(stmt):
            match node:
                case ast.Name(id=name, ctx=ast.Store()):
                    yield name
                case ast.Call(ast.Attribute(ast.Name(id=name), "append")):
                    yield name
                case ast.Call(ast.Name(id=name)) if call := self.callee(name, ()):
                    if call.writes:
                        yield f"${call.writes}"


def may_leave(stmt, in_loop=False):
    """Whether stmt may end by return, or by break or continue of a loop around it."""
    if isinstance(stmt, ast.Return):
        return True
    if isinstance(stmt, (ast.Break, ast.Continue)):
        return not in_loop
    in_loop = in_loop or isinstance(stmt, ast.For)
    return any(may_leave(part, in_loop) for part in ast.iter_child_nodes(stmt))


def throw(error):
    raise seen(error)


def timeline(engine):
    for start, end, name in sorted(engine.trace):
        print(f"{name:10}" + "   " * round(start) + "==>" * round(end - start))
    print(f"{engine.now:g} seconds")


engine = Engine(digest)
engine.run(["tides", "basalt", "moss"], "ann")  # -> '<<moon sun sea> + <wet green old>>'


timeline(engine)
# -> search    ==>==>
# -> search    ==>==>
# -> search    ==>==>
# -> summarise       ==>==>==>
# -> summarise       ==>==>==>
# -> summarise                ==>==>==>
# -> send                              ==>
# -> 9 seconds


MAILBOX.clear()
try:
    Engine(digest).run(["tides", "void"], "nobody")
except LookupError as error:
    print(error)
# -> nothing is known of void


@call(5.0)
def slow(n):
    raise TimeoutError("slow")


@call(1.0)
def quick(n):
    raise KeyError("quick")


def race(n):
    return slow(n) + quick(n)


engine = Engine(race)
try:
    engine.run(1)
except Exception as error:
    print(f"{error!r} at {engine.now:g}")
# -> TimeoutError('slow') at 5


def letters(people):
    for person in people:
        notes = search(person)
        send(person, " ".join(notes))
    return len(people)


try:
    Engine(letters).run(["tides", "nobody", "moss"])
except ValueError as error:
    print(error)
# -> nobody has no address


MAILBOX
# -> [('tides', 'moon sun sea')]


def first_long(topics, to):
    best = "nothing"
    for topic in topics:
        if topic == "skip":
            continue
        hits = search(topic)
        if len(hits) >= 3:
            best = summarise(topic)
            break
        send(to, topic)
    send(to, best)
    return best


@call(1.0, reads="mail")
def count_mail():
    return len(MAILBOX)


@call(0.5, writes="web")
def publish(topic):
    PAGES[topic] = ["new", "and", "long"]


def mixed(topics, to):
    seen_so_far = []
    last = None
    for topic in topics:
        hits = search(topic)
        if len(hits) > 3:
            return seen_so_far
        if len(hits) == 0:
            publish(topic)
            last = summarise(topic)
        seen_so_far.append(count_mail())
        for hit in hits:
            if len(summarise(hit)) > 5:
                send(to, hit)
        if to == "eve" and len(seen_so_far) == 2:
            raise PermissionError(last)
    seen_so_far.append(last)
    return seen_so_far


def outcome(run):
    """What can be seen of a run: its value or its error, and the world afterwards."""
    MAILBOX.clear()
    for topic in [topic for topic in PAGES if topic not in ("tides", "basalt", "moss")]:
        del PAGES[topic]
    try:
        value = run()
    except Exception as error:
        value = repr(error)
    return value, list(MAILBOX), dict(PAGES)


def compare(seeds):
    for seed in seeds:
        rng = random.Random(seed)
        flow = rng.choice([digest, first_long, mixed])
        topics = rng.choices(["tides", "basalt", "moss", "skip", "fog", "void"], k=rng.randrange(6))
        to = rng.choice(["ann", "bob", "eve", "nobody"])
        expected = outcome(lambda: flow(topics, to))
        found = outcome(lambda: Engine(flow, rng).run(topics, to))
        assert found == expected, (seed, flow.__name__, topics, to, found, expected)
    return f"{len(seeds)} runs, the same"


compare(range(500))  # -> '500 runs, the same'
