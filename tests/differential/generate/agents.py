"""Objects of plain classes: agents, which hold a number, a list, a dict and another agent."""

from __future__ import annotations

from .blocks import Blocks, Lines, indented

__all__ = ["Agents"]


class Agents(Blocks):
    """Writes what programs do with such objects."""

    def agent(self, depth: int) -> str:
        if self.c.chance(75):
            found = self.leaf("agent")
        else:
            peer = f", {self.leaf('agent')}" if self.c.chance(50) else ""
            kind = self.c.pick(["Agent", "Agent", "Slotted"])
            found = f"{kind}({self.int(max(0, depth - 1))}, {self.leaf('list')}{peer})"
        return f"{found}.peer" if depth > 0 and self.c.chance(20) else found

    def _agent_int(self, depth: int) -> str | None:
        name = self.name("agent")
        if name is None:
            return None
        form = self.c.below(8)
        if form == 0:
            return f"{name}.peer.n"
        if form == 1:
            return f"len({name}.xs)"
        if form == 2:
            return f"{name}.d.get({self.key(0)}, 0)"
        if form == 3:
            return f"sum({name}.xs)"
        return f"{name}.n"

    def _agent_list(self, depth: int) -> str | None:
        name = self.name("agent")
        return f"{name}{self.c.pick(['', '', '.peer'])}.xs" if name else None

    def on_agent(self) -> Lines | None:
        name = self.name("agent")
        form = self.c.below(22)
        if name is None or form <= 1:
            value = self.agent(2)
            return [f"{self.bind('agent')} = {value}"]
        if form <= 4:
            return [f"{name}.n = {self.int(2)}"]
        if form <= 6:
            return [f"{name}.n += {self.int(2)}"]
        if form <= 9:
            return [f"{name}.xs.append({self.int(2)})"]
        if form == 10:
            return [f"{name}.xs = {self.list(1)}"]
        if form == 11:
            return [f"{name}.d[{self.key(1)}] = {self.int(2)}"]
        if form == 12:
            return [f"{name}.peer = {self.agent(1)}"]
        if form == 13:
            return [f"{name}.peer.n {self.c.pick(['=', '+='])} {self.int(1)}"]
        if form == 14:
            return [f"{name}.peer.xs.append({self.int(2)})"]
        if form == 15:
            return self.c.pick([[f"stir({name})"], [f"note({name}.n, {name}.xs)"], [f"put(0, {name}.xs)"]])
        if form == 16:
            return [f"setattr({name}, 'n', {self.int(1)})"]
        if form == 17:
            return [f"if hasattr({name}, '__dict__'):", f"    vars({name})['n'] = {self.int(1)}"]
        if form == 18:
            given = self.c.pick([f"{name}.xs", name, f"[{name}.xs, {name}]"])
            return [f"{self.bind('int')} = {self.c.pick(['guess', 'ask', 'record'])}({given})"]
        if form == 19:
            return [f"if {name}.xs:", f"    {name}.xs[0] = {self.int(1)}"]
        if form == 20:
            lines = [f"{name}.n = {self.int(1)}", f"{name}.xs.append({name}.n)"]
            return [f"if {self.condition(1)}:", *indented(lines)]
        each = self.scope.bind("agent", self.scope.prefix + "v")
        names = ", ".join(self.leaf("agent") for _ in range(1 + self.c.below(3)))
        steps = [
            [f"{each}.n = ask({each}.n)"],
            [f"{each}.xs.append(ask({each}.n))"],
            [f"{each}.n += ask({each}.xs)"],
        ]
        if self.c.chance(50):
            steps.insert(self.c.below(3), [f"if flag({each}.n):", f"    {each}.xs = [{each}.n]"])
        return [f"for {each} in [{names}]:", *indented(sum(steps[: 1 + self.c.below(4)], []))]
