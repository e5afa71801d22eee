"""Expressions by type, as text. A method named after a type writes an expression that gives that type."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from .choices import Choices
from .profiles import Profile
from .scope import POOLS, Helper, Scope

__all__ = ["Expressions"]

Way = Callable[["Expressions", int], str]

MODULE_NAMES = {"list": ["G"], "dict": ["T"], "box": ["B"]}


class Expressions:
    """Writes expressions for the names of `self.scope`."""

    def __init__(self, choices: Choices, profile: Profile) -> None:
        self.c = choices
        self.profile = profile
        self.scope = Scope()
        self.helpers: list[Helper] = []
        self.fresh = 0

    # Names.

    def name(self, kind: str) -> str | None:
        """A name that holds this type, now and then one that may not be bound."""
        doubtful = self.scope.doubtful(kind)
        if doubtful and self.c.chance(4):
            return self.c.pick(doubtful)
        names = self.scope.names(kind)
        if kind in MODULE_NAMES and (not names or self.c.chance(15)):
            names = names + MODULE_NAMES[kind]
        return self.c.pick(names) if names else None

    def bind(self, kind: str) -> str:
        """A name to bind to this type."""
        return self.scope.bind(kind, self.scope.prefix + self.c.pick(POOLS[kind]))

    def variable(self) -> str:
        """A name for a comprehension or a parameter."""
        self.fresh += 1
        return "xyzijk"[self.fresh % 6]

    def within(self, *what: str) -> Inside:
        return Inside(self, what)

    # Any type.

    def expression(self, kind: str, depth: int = 2) -> str:
        if depth > 0 and self.c.chance(4):
            return self.conditional(kind, depth - 1)
        found: str = getattr(self, kind)(depth)
        return found

    def leaf(self, kind: str) -> str:
        if self.c.chance(88) and (name := self.name(kind)):
            return name
        return self.literal(kind)

    def literal(self, kind: str) -> str:
        n = self.c.below(6)
        return {
            "int": str(n),
            "bool": ("False", "True")[n % 2],
            "str": repr("abcdef"[:n]),
            "list": ("[]", "[1]", "[1, 2]", "[3, 0, 2]", "[0]", "[5, 5]")[n],
            "dict": ("{}", "{'a': 1}", "{'a': 1, 'b': 2}", "{'c': 0}", "{'b': 3}", "dict(a=4)")[n],
            "set": ("set()", "{1}", "{1, 2}", "{0, 3}", "{4}", "{2, 5}")[n],
            "pair": f"({n}, {n + 1})",
            "nest": ("[]", "[[]]", "[[1], []]", "[[2, 3]]", "[[0]]", "[[], [4]]")[n],
            "box": f"Box({n})",
            "opt": ("None", "1", "None", "2", "0", "3")[n],
            "func": "(lambda x: x + 1)",
        }[kind]

    def conditional(self, kind: str, depth: int) -> str:
        return (
            f"({self.expression(kind, depth)} if {self.condition(depth)} else {self.expression(kind, depth)})"
        )

    def choose(self, ways: list[tuple[int, str]], kind: str, depth: int) -> str:
        if depth <= 0:
            if self.c.chance(self.profile.calls // 2):
                return self.asked(kind, 0) or self.leaf(kind)
            return self.leaf(kind)
        if self.c.chance(self.profile.calls):
            found = self.asked(kind, depth - 1)
            if found:
                return found
        way = self.c.weighted(ways)
        found = getattr(self, way)(depth - 1)
        return found if found else self.leaf(kind)

    # Calls that give a type.

    ASKED: ClassVar[dict[str, tuple[str, ...]]] = {
        "int": (
            "ask(I)",
            "get(K)",
            "calc(I, I)",
            "guess(I)",
            "peek(K)",
            "guess(A, *L, tone=I)",
            "guess(L)",
            "ask(A)",
            "calc(y=I, x=K)",
            "put(K, A)",
            "get(*[K])",
            "ask(x=A)",
            "record(A)",
            "bump(K)",
            "act(A)",
            "move(K, K)",
            "tell(A)",
            "stamp()",
            "guess(*L)",
            "deny(I)",
            "spoil(K)",
            "calc(**{'x': I})",
        ),  # fmt: skip
        "bool": ("flag(I)", "flag(A)", "flag(L)"),
        "str": ("word(I)", "look()", "word(A)", "look(I)", "word(S)"),
        "list": ("items(I)", "things(I)", "scan()", "items(A)", "poke(L)", "things(L)"),
        "dict": ("pairs(I)", "pairs(A)"),
        "pair": ("duo(I)", "duo(A)"),
        "box": ("make(I)",),
        "opt": ("maybe(I)", "maybe(A)"),
    }

    def asked(self, kind: str, depth: int) -> str | None:
        """A call of the vocabulary that gives this type."""
        forms = self.ASKED.get(kind)
        if not forms:
            return None
        # The first forms are the free calls and reads; those further on are rarer.
        at = min(self.c.below(len(forms)), self.c.below(len(forms)), self.c.below(len(forms) + 4))
        return self.fill(forms[at], depth)

    def fill(self, form: str, depth: int) -> str:
        """A form with its places filled: K a key, I an int, L a list, S text, A anything."""
        out: list[str] = []
        for at, letter in enumerate(form):
            alone = not form[at - 1 : at].isalnum() and not form[at + 1 : at + 2].isalnum()
            if letter in "KILSA" and alone:
                out.append(self.place(letter, depth))
            else:
                out.append(letter)
        return "".join(out)

    def place(self, letter: str, depth: int) -> str:
        if letter == "K":
            if self.c.chance(60):
                return str(self.c.below(3))
            return f"{self.expression('int', min(depth, 1))} % 3"
        kind = {"I": "int", "L": "list", "S": "str"}.get(letter) or self.any_kind()
        return self.expression(kind, min(depth, 0 if self.c.chance(50) else 1))

    ANY: ClassVar[list[tuple[int, str]]] = [
        (6, "int"), (6, "list"), (3, "str"), (3, "dict"), (2, "bool"), (2, "pair"), (2, "nest"), (1, "box"),
        (1, "set"), (1, "opt"),
    ]  # fmt: skip

    def any_kind(self) -> str:
        return self.c.weighted(self.ANY)

    # int

    INT: ClassVar[list[tuple[int, str]]] = [
        (12, "_leaf_int"), (14, "_sum_of_two"), (5, "_quotient"), (6, "_length"), (6, "_total"), (5, "_item"),
        (4, "_looked_up"), (4, "_aggregate"), (6, "_helped_int"), (4, "_applied"), (3, "_attribute"),
        (3, "_walrus"), (2, "_popped"), (2, "_lambda_now"), (2, "_opened"), (2, "_best"), (2, "_counted"),
        (2, "_pair_item"), (1, "_operated"), (1, "_short_int"), (1, "_reduced"),
    ]  # fmt: skip

    def int(self, depth: int) -> str:
        return self.choose(self.INT, "int", depth)

    def _leaf_int(self, depth: int) -> str:
        return self.leaf("int")

    def _sum_of_two(self, depth: int) -> str:
        operator = self.c.pick(["+", "-", "*", "+", "-"])
        text = f"({self.int(depth)} {operator} {self.int(depth)})"
        return f"({text} % 97)" if operator == "*" else text

    def _quotient(self, depth: int) -> str:
        right = self.int(depth) if self.c.chance(20) else str(1 + self.c.below(4))
        return f"({self.int(depth)} {self.c.pick(['//', '%'])} {right})"

    def _length(self, depth: int) -> str:
        return f"len({self.expression(self.c.pick(['list', 'str', 'dict', 'nest']), depth)})"

    def _total(self, depth: int) -> str:
        if self.c.chance(50):
            return f"sum({self.list(depth)})"
        return f"sum({self.generator('int', depth)})"

    def _item(self, depth: int) -> str:
        if self.c.chance(70):
            return f"({self.list(depth)} or [{self.c.below(4)}])[{self.c.pick(['0', '-1'])}]"
        return f"{self.list(depth)}[{self.index(depth)}]"

    def index(self, depth: int) -> str:
        if self.c.chance(60):
            return self.c.pick(["0", "-1", "1", "2"])
        return f"{self.int(0)} % 3"

    def _looked_up(self, depth: int) -> str:
        table = self.dict(depth)
        if self.c.chance(85):
            return f"{table}.get({self.key(depth)}, {self.int(0)})"
        return f"{table}[{self.key(depth)}]"

    def key(self, depth: int) -> str:
        if self.c.chance(75):
            return repr(self.c.pick(["a", "b", "c", "d"]))
        return self.str(min(depth, 1))

    def _aggregate(self, depth: int) -> str:
        function = self.c.pick(["max", "min"])
        if self.c.chance(60):
            return f"{function}({self.generator('int', depth)}, default={self.int(0)})"
        if self.c.chance(60):
            return f"{function}(0, *{self.list(depth)})"
        return f"{function}({self.list(depth)})"

    def _helped_int(self, depth: int) -> str | None:
        return self.helped("int", depth)

    def _applied(self, depth: int) -> str | None:
        name = self.name("func")
        return f"{name}({self.int(depth)})" if name else None

    def _attribute(self, depth: int) -> str | None:
        name = self.name("box")
        return f"{name}.{self.c.pick(['n', 'n', 'loud'])}" if name else None

    def _walrus(self, depth: int) -> str | None:
        if self.scope.inside:
            return None
        value = self.int(depth)
        return f"({self.bind_later('int')} := {value})"

    def bind_later(self, kind: str) -> str:
        """A name bound within an expression: perhaps never, if the expression is not evaluated."""
        name = self.scope.prefix + self.c.pick(POOLS[kind])
        if name not in self.scope.sure.get(kind, ()):
            self.scope.maybe.setdefault(kind, set()).add(name)
        return name

    def _popped(self, depth: int) -> str | None:
        name = self.name("list")
        if not name:
            return None
        text = f"{name}.pop({self.c.pick(['', '0', ''])})"
        return f"({text} if {name} else {self.c.below(4)})" if self.c.chance(75) else text

    def _lambda_now(self, depth: int) -> str:
        return f"{self.function(depth)}({self.int(depth)})"

    def _opened(self, depth: int) -> str | None:
        name = self.name("opt")
        if not name:
            return None
        return f"({name} or 0)" if self.c.chance(50) else f"(0 if {name} is None else {name})"

    def _best(self, depth: int) -> str:
        return f"{self.c.pick(['max', 'min'])}({self.int(depth)}, {self.int(depth)})"

    def _counted(self, depth: int) -> str:
        return f"{self.list(depth)}.{self.c.weighted([(8, 'count'), (1, 'index')])}({self.int(0)})"

    def _pair_item(self, depth: int) -> str:
        return f"{self.pair(depth)}[{self.c.below(2)}]"

    def _operated(self, depth: int) -> str | None:
        name = self.name("box")
        return f"({name} + {self.int(depth)})" if name else None

    def _short_int(self, depth: int) -> str:
        return f"({self.int(depth)} {self.c.pick(['and', 'or'])} {self.int(depth)})"

    def _reduced(self, depth: int) -> str:
        if self.c.chance(50):
            return f"abs({self.int(depth)})"
        return f"round({self.int(depth)} / {1 + self.c.below(3)})"

    # bool

    BOOL: ClassVar[list[tuple[int, str]]] = [
        (14, "_compared"), (4, "_leaf_bool"), (5, "_all_any"), (4, "_member"), (5, "_both"), (4, "_not"),
        (3, "_chained"), (2, "_same"), (2, "_typed"), (3, "_equal"), (1, "_none"),
    ]  # fmt: skip

    def bool(self, depth: int) -> str:
        return self.choose(self.BOOL, "bool", depth)

    def condition(self, depth: int) -> str:
        """What a branch asks: a bool, or the truth of something else."""
        if self.c.chance(80):
            return self.bool(depth)
        kinds = [(3, "list"), (3, "int"), (2, "str"), (1, "dict"), (1, "box"), (2, "opt")]
        return self.expression(self.c.weighted(kinds), depth)

    def _leaf_bool(self, depth: int) -> str:
        return self.leaf("bool")

    def _compared(self, depth: int) -> str:
        return f"{self.int(depth)} {self.c.pick(['>', '<', '==', '>=', '!='])} {self.int(depth)}"

    def _chained(self, depth: int) -> str:
        return f"{self.int(depth)} < {self.int(depth)} <= {self.int(depth)}"

    def _all_any(self, depth: int) -> str:
        return f"{self.c.pick(['any', 'all'])}({self.generator('bool', depth)})"

    def _member(self, depth: int) -> str:
        kind = self.c.weighted([(5, "list"), (2, "set"), (2, "dict"), (1, "box")])
        item = self.key(depth) if kind == "dict" else self.int(depth)
        return f"{item} {self.c.pick(['in', 'in', 'not in'])} {self.expression(kind, depth)}"

    def _both(self, depth: int) -> str:
        return f"({self.bool(depth)} {self.c.pick(['and', 'or'])} {self.bool(depth)})"

    def _not(self, depth: int) -> str:
        return f"(not {self.condition(depth)})"

    def _same(self, depth: int) -> str:
        kind = self.c.pick(["list", "dict", "nest"])
        return f"{self.leaf(kind)} {self.c.pick(['is', 'is not', '=='])} {self.leaf(kind)}"

    def _typed(self, depth: int) -> str:
        return f"isinstance({self.expression(self.c.pick(['opt', 'int', 'list']), depth)}, int)"

    def _equal(self, depth: int) -> str:
        kind = self.c.pick(["str", "list", "pair"])
        return f"{self.expression(kind, depth)} {self.c.pick(['==', '<'])} {self.expression(kind, depth)}"

    def _none(self, depth: int) -> str:
        return f"{self.opt(depth)} {self.c.pick(['is None', 'is not None'])}"

    # str

    STR: ClassVar[list[tuple[int, str]]] = [
        (8, "_leaf_str"), (8, "_formatted"), (5, "_joined"), (4, "_concatenated"), (3, "_text_of"),
        (2, "_sliced_str"), (2, "_upper"), (2, "_helped_str"), (1, "_percent"),
    ]  # fmt: skip

    def str(self, depth: int) -> str:
        return self.choose(self.STR, "str", depth)

    def _leaf_str(self, depth: int) -> str:
        return self.leaf("str")

    def _formatted(self, depth: int) -> str:
        def part() -> str:
            with self.within("format"):
                text = self.expression(self.c.pick(["int", "str", "list"]), depth)
            # Before Python 3.12 an f-string cannot hold its own quotes, nor a backslash.
            return "0" if '"' in text or "\\" in text else text

        if self.c.chance(60):
            return f'f"<{{ {part()} }}>"'
        return f'f"{{ {part()} !r:>4}}-{{ {part()} }}"'

    def _joined(self, depth: int) -> str:
        return f"'-'.join({self.generator('str', depth)})"

    def _concatenated(self, depth: int) -> str:
        return f"({self.str(depth)} + {self.str(depth)})[-20:]"

    def _text_of(self, depth: int) -> str:
        return f"str({self.expression(self.c.pick(['int', 'list', 'dict', 'box']), depth)})"

    def _sliced_str(self, depth: int) -> str:
        return f"{self.str(depth)}[:{self.int(0)}]"

    def _upper(self, depth: int) -> str:
        return f"{self.str(depth)}.{self.c.pick(['upper()', 'strip()', 'replace(chr(97), chr(98))'])}"

    def _helped_str(self, depth: int) -> str | None:
        return self.helped("str", depth)

    def _percent(self, depth: int) -> str:
        if self.c.chance(50):
            return f"'%s' % {self.int(0)}"
        return f"'{{}} {{}}'.format({self.int(depth)}, {self.str(depth)})"

    # list

    LIST: ClassVar[list[tuple[int, str]]] = [
        (12, "_leaf_list"), (10, "_display"), (10, "_comprehended"), (4, "_sorted"), (4, "_added"),
        (4, "_sliced"), (3, "_listed"), (3, "_helped_list"), (3, "_from_dict"), (3, "_from_nest"),
        (2, "_mapped"), (2, "_box_list"), (2, "_copied"), (1, "_ranged"),
    ]  # fmt: skip

    def list(self, depth: int) -> str:
        return self.choose(self.LIST, "list", depth)

    def _leaf_list(self, depth: int) -> str:
        return self.leaf("list")

    def _display(self, depth: int) -> str:
        parts = [self.int(depth) for _ in range(self.c.below(4))]
        if self.c.chance(30):
            parts.append("*" + self.list(depth))
        return "[" + ", ".join(parts) + "]"

    def _comprehended(self, depth: int) -> str:
        return f"[{self.generator('int', depth, bare=True)}]"

    def _sorted(self, depth: int) -> str:
        if self.c.chance(25):
            return f"sorted({self.list(depth)}, key={self.function(depth)})"
        if self.c.chance(40):
            return f"sorted({self.generator('int', depth)})"
        return f"sorted({self.list(depth)}, reverse=True)"

    def _added(self, depth: int) -> str:
        return f"({self.list(depth)} + {self.list(depth)})[:9]"

    def _sliced(self, depth: int) -> str:
        return f"{self.list(depth)}[{self.c.pick(['1:', ':2', ':', '::-1', ':-1'])}]"

    def _listed(self, depth: int) -> str:
        kind = self.c.pick(["list", "pair", "set"])
        text = self.expression(kind, depth)
        return f"sorted({text})" if kind == "set" else f"list({text})"

    def _helped_list(self, depth: int) -> str | None:
        return self.helped("list", depth)

    def _from_dict(self, depth: int) -> str:
        return f"list({self.dict(depth)}.values())"

    def _from_nest(self, depth: int) -> str:
        return f"{self.nest(depth)}[{self.c.pick(['0', '-1'])}]"

    def _mapped(self, depth: int) -> str:
        return f"list(map({self.function(depth)}, {self.list(depth)}))"

    def _box_list(self, depth: int) -> str | None:
        name = self.name("box")
        return f"{name}.xs" if name else None

    def _copied(self, depth: int) -> str:
        return f"{self.leaf('list')}.copy()"

    def _ranged(self, depth: int) -> str:
        return f"list(range({self.int(0)} % 4))"

    # The rest.

    DICT: ClassVar[list[tuple[int, str]]] = [
        (8, "_leaf_dict"), (5, "_dict_display"), (4, "_dict_comprehended"), (2, "_zipped"),
        (1, "_copied_dict"),
    ]  # fmt: skip

    def dict(self, depth: int) -> str:
        return self.choose(self.DICT, "dict", depth)

    def _leaf_dict(self, depth: int) -> str:
        return self.leaf("dict")

    def _dict_display(self, depth: int) -> str:
        parts = [f"{self.key(depth)}: {self.int(depth)}" for _ in range(self.c.below(3))]
        if self.c.chance(30):
            parts.append(f"**{self.dict(depth)}")
        return "{" + ", ".join(parts) + "}"

    def _dict_comprehended(self, depth: int) -> str:
        return "{" + self.generator("item", depth, bare=True) + "}"

    def _zipped(self, depth: int) -> str:
        return f"dict(zip({self.str(0)}, {self.list(depth)}))"

    def _copied_dict(self, depth: int) -> str:
        return f"dict({self.leaf('dict')}, a={self.int(depth)})"

    def set(self, depth: int) -> str:
        if depth <= 0 or self.c.chance(40):
            return self.leaf("set")
        if self.c.chance(60):
            return "{" + self.generator("int", depth - 1, bare=True) + "}"
        return f"({self.set(depth - 1)} {self.c.pick(['|', '&', '-'])} {self.set(depth - 1)})"

    def pair(self, depth: int) -> str:
        ways = [(4, "_leaf_pair"), (6, "_tuple"), (2, "_divided"), (1, "_tupled")]
        return self.choose(ways, "pair", depth)

    def _leaf_pair(self, depth: int) -> str:
        return self.leaf("pair")

    def _tuple(self, depth: int) -> str:
        return f"({self.int(depth)}, {self.int(depth)})"

    def _divided(self, depth: int) -> str:
        return f"divmod({self.int(depth)}, {1 + self.c.below(3)})"

    def _tupled(self, depth: int) -> str:
        return f"tuple([{self.int(depth)}, {self.int(depth)}])"

    def nest(self, depth: int) -> str:
        if depth <= 0 or self.c.chance(30):
            return self.leaf("nest")
        if self.c.chance(70):
            return "[" + ", ".join(self.list(depth - 1) for _ in range(1 + self.c.below(3))) + "]"
        variable = self.variable()
        with self.within("comprehension"):
            source = self.list(depth - 1)
        with self.within("comprehension"), self.bound("int", variable):
            return f"[{self.list(depth - 1)} for {variable} in {source}]"

    def box(self, depth: int) -> str:
        if self.c.chance(60):
            return self.leaf("box")
        if self.c.chance(40):
            return f"make({self.int(depth - 1)})"
        shared = f", {self.leaf('list')}" if self.c.chance(50) else ""
        return f"Box({self.int(depth - 1)}{shared})"

    def opt(self, depth: int) -> str:
        return self.choose([(3, "_leaf_opt"), (1, "_got")], "opt", depth)

    def _leaf_opt(self, depth: int) -> str:
        return self.leaf("opt")

    def _got(self, depth: int) -> str:
        return f"{self.dict(depth)}.get({self.key(depth)})"

    def func(self, depth: int) -> str:
        if depth <= 0 or self.c.chance(25):
            return self.leaf("func")
        return self.function(depth)

    def function(self, depth: int) -> str:
        """A lambda from int to int."""
        if self.c.chance(15) and (name := self.name("func")):
            return name
        variable = self.variable()
        default = f"={self.int(0)}" if self.c.chance(10) else ""
        with self.within("lambda"), self.bound("int", variable):
            return f"(lambda {variable}{default}: {self.int(depth - 1)})"

    def helped(self, kind: str, depth: int) -> str | None:
        """A call of a helper function that gives this type."""
        helpers = [h for h in self.helpers if h.gives == kind]
        if not helpers:
            return None
        return self.helper_call(self.c.pick(helpers), depth)

    def helper_call(self, helper: Helper, depth: int) -> str:
        given = len(helper.parameters) - self.c.below(helper.defaults + 1)
        parts = [self.expression(kind, min(depth, 1)) for kind in helper.parameters[:given]]
        if helper.parameters and helper.parameters[0] == "int" and helper.name.startswith("rec"):
            parts[0] = str(self.c.below(4))
        if helper.star and given == len(helper.parameters):
            if self.c.chance(40):
                parts.append(self.int(depth))
            if self.c.chance(30):
                parts.append(f"*{self.list(0)}")
        if helper.keywords and self.c.chance(50):
            parts.append(f"tag={self.expression(self.c.pick(['int', 'str']), depth)}")
        return f"{helper.name}({', '.join(parts)})"

    def generator(self, gives: str, depth: int, *, bare: bool = False) -> str:
        """``e for x in xs if p``, in parentheses unless it is bare (then the caller has its own)."""
        variable = self.variable()
        inner: list[str] = []
        bound = [("int", variable)]
        with self.within("comprehension"):
            source, targets = self.iterable(variable, depth)
            bound = targets
            scopes = [self.bound(kind, name) for kind, name in bound]
            for scope in scopes:
                scope.__enter__()
            if self.c.chance(35):
                inner.append(f" if {self.condition(depth)}")
            if self.c.chance(12):
                second = self.variable()
                inner.append(f" for {second} in {self.list(0)}[:3]")
                extra = self.bound("int", second)
                extra.__enter__()
                scopes.append(extra)
            if gives == "item":
                element = f"{self.key(depth)}: {self.int(depth)}"
            else:
                element = self.expression(gives, depth)
            for scope in reversed(scopes):
                scope.__exit__()
        text = f"{element} for {source}{''.join(inner)}"
        return text if bare else f"({text})"

    SOURCES: ClassVar[list[tuple[int, str]]] = [
        (10, "list"), (4, "range"), (2, "enumerate"), (2, "zip"), (2, "items"), (1, "keys"), (1, "pair"),
        (1, "nest"),
    ]  # fmt: skip

    def iterable(self, variable: str, depth: int) -> tuple[str, list[tuple[str, str]]]:
        """``x in xs`` and what it binds."""
        other = variable + "2"
        form = self.c.weighted(self.SOURCES)
        if form == "range":
            end = self.c.pick(["2", "3", f"{self.int(depth)} % 4"])
            return f"{variable} in range({end})", [("int", variable)]
        if form in ("enumerate", "zip"):
            lists = [self.list(depth) for _ in range(2 if form == "zip" else 1)]
            source = f"{variable}, {other} in {form}({', '.join(lists)})"
            return source, [("int", variable), ("int", other)]
        if form == "items":
            return f"{variable}, {other} in {self.dict(depth)}.items()", [("str", variable), ("int", other)]
        if form == "keys":
            return f"{variable} in {self.dict(depth)}", [("str", variable)]
        if form == "nest":
            return f"{variable} in {self.nest(depth)}", [("list", variable)]
        return f"{variable} in {self.expression(form, depth)}", [("int", variable)]

    def bound(self, kind: str, name: str) -> Bound:
        return Bound(self.scope, kind, name)


class Inside:
    """The expression under way lies in something that walrus cannot bind through."""

    def __init__(self, writer: Expressions, what: tuple[str, ...]) -> None:
        self.writer = writer
        self.what = what

    def __enter__(self) -> None:
        self.before = self.writer.scope.inside
        self.writer.scope.inside += self.what

    def __exit__(self, *error: object) -> None:
        self.writer.scope.inside = self.before


class Bound:
    """A name is bound for the time of an expression."""

    def __init__(self, scope: Scope, kind: str, name: str) -> None:
        self.scope, self.kind, self.name = scope, kind, name

    def __enter__(self) -> None:
        self.new = self.name not in self.scope.sure.setdefault(self.kind, set())
        self.scope.sure[self.kind].add(self.name)

    def __exit__(self, *error: object) -> None:
        if self.new:
            self.scope.sure[self.kind].discard(self.name)
