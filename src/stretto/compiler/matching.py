"""Lowering of ``match``: which case it is, is found by patterns that CPython itself matches."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from dataclasses import dataclass

from . import ir
from .callbacks import Callbacks
from .scope import captured_by
from .syntax import line, locate, tried
from .walking import copied

__all__ = ["Matching"]


@dataclass(slots=True)
class _Tried:
    """A case whose pattern has been tried: the temporary that says whether it is the one, and those that
    hold what its pattern has captured."""

    case: ast.match_case
    hit: str
    captures: dict[str, str]


class Matching(Callbacks, ABC):
    """Lowers ``match`` statements with calls inside.

    Patterns hold no calls of ours, so those of cases that follow each other are tried by one fragment, on
    temporaries; a guard stands between two such fragments. What was captured is bound, as CPython binds it,
    once the whole pattern has matched and before the guard is asked.
    """

    @abstractmethod
    def block(self, statements: list[ast.stmt]) -> ir.Block:
        """The steps of a block."""

    @abstractmethod
    def plain(self, s: ast.stmt) -> bool:
        """Emit a compound statement as one fragment, if nothing in it needs taking apart."""

    def do_match(self, s: ast.Match) -> None:
        if self.plain(s):
            return
        # a guard may bind the name again: what is matched stays what it was
        subject = self.named(self.operand(s.subject), s)
        self.cases(subject, s.cases, s)

    def cases(self, subject: str, cases: list[ast.match_case], s: ast.Match) -> None:
        """Emit the cases from here on, none of the earlier ones having been the one."""
        if not cases:
            return
        first = cases[0]
        if isinstance(first.pattern, ast.MatchAs) and first.pattern.pattern is None:
            captures = {first.pattern.name: subject} if first.pattern.name else {}
            self.chosen(_Tried(first, "", captures), [], cases[1:], subject, s)
            return
        run: list[ast.match_case] = []
        for case in cases:
            run.append(case)
            if case.guard is not None:
                break
        tried = self.tried(subject, run, s)
        self.chain(tried, cases[len(run) :], subject, s)

    def tried(self, subject: str, cases: list[ast.match_case], s: ast.Match) -> list[_Tried]:
        """Emit the fragment that finds which of these cases it is."""
        found: list[_Tried] = []
        arms: list[ast.match_case] = []
        for case in cases:
            captures = {name: self.fresh() for name in sorted(captured_by(case.pattern))}
            found.append(_Tried(case, self.fresh(), captures))
            pattern = _Capturing(captures).visit(copied(case.pattern))
            hit = ast.Assign([ast.Name(found[-1].hit, ast.Store())], ast.Constant(True))
            arms.append(ast.match_case(pattern, None, [locate(hit, case.pattern)]))
        binds = [name for one in found for name in (one.hit, *one.captures.values())]
        none = ast.Assign([ast.Name(name, ast.Store()) for name in binds], ast.Constant(None))
        held = ast.copy_location(ast.Name(subject, ast.Load()), s.subject)
        match = tried(ast.Match(held, arms))
        self.run([locate(none, s), locate(match, s)], s, binds=tuple(binds))
        return found

    def chain(self, tried: list[_Tried], rest: list[ast.match_case], subject: str, s: ast.Match) -> None:
        """Emit the branches to the case that it is, or to the rest of them."""
        if not tried:
            self.cases(subject, rest, s)
            return
        first, *others = tried
        at = line(first.case.pattern)
        if first.case.guard is None:
            with self.emitting() as then:
                self.chosen(first, others, rest, subject, s)
            with self.emitting() as orelse:
                self.chain(others, rest, subject, s)
            self.region(ir.If(at, test=first.hit, then=tuple(then), orelse=tuple(orelse)))
            return
        # the cases after it come next in two ways, and are there once
        right = self.fresh()
        self.emit(ir.Move(at, target=right, source=ir.Const(False)))
        with self.emitting() as then:
            self.capture(first, s)
            self.emit(ir.Move(at, target=right, source=self.truth(first.case.guard)))
        self.region(ir.If(at, test=first.hit, then=tuple(then), orelse=()), right)
        self.branch(right, first.case, others, rest, subject, s)

    def chosen(
        self, one: _Tried, others: list[_Tried], rest: list[ast.match_case], subject: str, s: ast.Match
    ) -> None:
        """Emit a case whose pattern has matched: its guard, if it has one, and its body."""
        self.capture(one, s)
        if one.case.guard is None:
            self.out.extend(self.block(one.case.body))
        else:
            self.branch(self.truth(one.case.guard), one.case, others, rest, subject, s)

    def branch(
        self, test: ir.Operand, case: ast.match_case, others: list[_Tried], rest: list[ast.match_case],
        subject: str, s: ast.Match,
    ) -> None:  # fmt: skip
        """Emit a case that is the one if its guard holds."""
        then = self.block(case.body)
        with self.emitting() as orelse:
            self.chain(others, rest, subject, s)
        self.region(ir.If(line(case.pattern), test=test, then=then, orelse=tuple(orelse)))

    def capture(self, one: _Tried, s: ast.Match) -> None:
        """Bind what a pattern has captured."""
        for name, held in one.captures.items():
            self.assign_target(ast.copy_location(ast.Name(name, ast.Store()), one.case.pattern), held, s)


class _Capturing(ast.NodeTransformer):
    """Gives the captures of a pattern other names."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.MatchAs:
        node.name = self.names[node.name] if node.name else None
        self.generic_visit(node)
        return node

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.MatchStar:
        node.name = self.names[node.name] if node.name else None
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.MatchMapping:
        node.rest = self.names[node.rest] if node.rest else None
        self.generic_visit(node)
        return node
