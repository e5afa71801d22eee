"""Answers of declared classes: what is looked at while they are still to come, and what changes them."""

from __future__ import annotations

from .blocks import Blocks, Lines, indented

__all__ = ["Answers"]


class Answers(Blocks):
    """Writes what programs do with such objects."""

    def answer(self, depth: int) -> str:
        if depth <= 0 or self.c.chance(50):
            return self.leaf("answer")
        return f"{self.c.pick(['reply', 'reply', 'reply', 'sloppy'])}({self.int(depth - 1)})"

    def on_answer(self) -> Lines | None:
        name = self.name("answer")
        form = self.c.below(28)
        if name is None or form <= 3:
            value = f"{self.c.pick(['reply', 'reply', 'reply', 'sloppy'])}({self.int(1)})"
            return [f"{self.bind('answer')} = {value}"]
        if form <= 10:
            return self._looked(name, form)
        if form <= 17:
            return self._changed(name, form)
        if form == 18:
            return self.c.pick([[f"edit({name})"], [f"note({name}.text)"], [f"put(0, {name}.counts)"]])
        if form == 19:
            return [f"{self.bind('int')} = {self.c.pick(['guess', 'ask', 'record'])}({name}.parts)"]
        if form == 20:
            part = self.scope.prefix + "x"
            with self.bound("int", part):
                body = [f"put({part} % 3, {self.int(1)})"] if self.c.chance(40) else [f"note({part})"]
            loop = [f"for {part} in [part.n for part in {name}.parts]:", *indented(body)]
            return self.c.pick([loop, [f"for part in {name}.parts:", f"    put(part.n, {name}.text)"]])
        if form == 21:
            each = self.scope.prefix + "v"
            inner = [f"note({each}.text.upper())", f"put(1, len({each}.parts))", f"{each}.text += 'x'"]
            return [f"for {each} in replies({self.int(1)}):", *indented([self.c.pick(inner)])]
        if form == 22:
            return [
                f"{self.bind('int')} = pair({self.int(1)}).{self.c.pick(['left', 'right.count(chr(97))'])}"
            ]
        if form == 23:
            size = f"row({self.int(1)})['size']"
            return [f"{self.bind('int')} = {self.c.pick([size + ' or 0', f'({size}) or ask({size})'])}"]
        if form == 24:
            return [f"{self.bind('answer')} = {name}"]
        if form == 26:
            made = self.c.pick(["part_of({})", "shape({}, into=Part)"])
            return [f"{self.bind('int')} = {made.format(self.int(1))}.value.n"]
        if form == 27:
            return [f"{self.bind('str')} = shape({self.int(1)}).value.{self.c.pick(['upper()', 'strip()'])}"]
        source = self.c.pick([f"{name}.best", f"{name}.text", f"{name}.best is None", f"{name}.parts"])
        return [f"if {source}:", *indented(self.body(2))]

    def _looked(self, name: str, form: int) -> Lines:
        if form <= 5:
            return [
                f"{self.bind('str')} = {name}.text.{self.c.pick(['strip()', 'upper()', 'strip().lower()'])}"
            ]
        if form == 6:
            return [f"if {name}.parts:", f"    {self.bind_later('int')} = {name}.parts[0].n + {self.int(1)}"]
        if form == 7:
            return [f"{self.bind('int')} = {name}.best.n if {name}.best else {self.int(1)}"]
        if form == 8:
            return [f"{self.bind('str')} = {name}.best.tag or 'none' if {name}.best else {self.str(1)}"]
        if form == 9:
            return [f"{self.bind('int')} = {name}.counts['{self.c.pick(['a', 'a', 'b', 'c'])}'] + 1"]
        return [f"{self.bind('int')} = sum(part.{self.c.pick(['n', 'n', 'loud'])} for part in {name}.parts)"]

    def _changed(self, name: str, form: int) -> Lines:
        if form == 11:
            return [f"{name}.text = {self.str(1)}"]
        if form == 12:
            return [f"{name}.parts.append(Part({self.int(1)}))"]
        if form == 13:
            return [f"if {name}.parts:", f"    {name}.parts[0].n {self.c.pick(['=', '+='])} {self.int(1)}"]
        if form == 14:
            return [
                f"{name}.best = {self.c.pick(['None', f'Part({self.int(1)})', f'Louder({self.int(1)})'])}"
            ]
        if form == 15:
            return [f"{name}.counts['a'] = {self.int(1)}"]
        if form == 16:
            return [f"{name}.parts = {name}.parts[1:]"]
        return [f"{name}.text, {name}.weight = {self.str(1)}, {self.int(1)}"]
