"""What `explain` says of objects: which one a change concerns, and who waits for it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from . import ir
from .explain_model import Info
from .explain_regions import Regions
from .explain_words import fragment_text

__all__ = ["Objects"]


class Objects(Regions):
    """The part of a walk that knows attributes."""

    @abstractmethod
    def run(self, fragment: Any, line: int) -> None:
        """Any other step of plain code."""

    def do_loadattribute(self, i: ir.LoadAttribute) -> None:
        held = self.info(i.source)
        if held.late or held.type is not None:
            self.run(i.fragment, i.lineno)
            return
        text = fragment_text(i.fragment, self.words)
        if i.target.startswith("__"):
            self.words.texts[i.target] = text
        self.loaded[i.target] = text
        stored = self.stored.get(text, held)
        kind = stored.type if stored is not held else None
        # what is looked at is given at once; a slot, where it was set to one
        late = stored is not held and stored.late
        origin = stored.origin if stored is not held else (f"the type of `{text}` is not known", "")
        self.names[i.target] = Info(kind, late, origin, (stored,), stored.of, blamed=stored.blamed)

    def do_loadsuper(self, i: ir.LoadSuper | ir.LookUp) -> None:
        self.run(i.fragment, i.lineno)

    def do_lookup(self, i: ir.LookUp) -> None:
        gate = self.info(i.source).gate
        self.do_loadsuper(i)
        self.names[i.target].gate = gate

    def do_storeattribute(self, i: ir.StoreAttribute) -> None:
        held = self.info(i.source)
        if held.late:
            self.run(i.fragment, i.lineno)
            return
        owner = self.words.name(i.source)
        where = f"{owner}.{i.name}"
        if i.fragment.stores is not None:  # a name of the module
            owner = where = i.name
        self.stored[where] = self.info(i.value)
        says = (
            f"set in order, when everything before it is done; a look at `{where}` is given the value at once"
        )
        text = fragment_text(i.fragment, self.words)
        self.note("change", i.lineno, where, says, "ordered", text, ordered_by=[owner])

    def do_take(self, i: ir.Take) -> None:
        text = fragment_text(i.fragment, self.words)
        if i.target.startswith("__"):
            self.words.texts[i.target] = text
        says = "done in order, when everything before it is done; what it gives is mostly known before"
        self.note("change", i.lineno, text, says, "ordered", text, ordered_by=[text])
        self.names[i.target] = Info(origin=(f"the type of `{text}` is not known", ""))

    def change_of(self, fragment: Any, line: int) -> bool:
        """Say of a change of a container in an attribute what is ordered by it."""
        where = self.loaded.get(fragment.mutates or "")
        if where is None or not fragment.may_change:
            return False
        says = (
            f"changed in place, in order; what looks at `{where}` is given what it will be, or waits for it"
        )
        text = fragment_text(fragment, self.words)
        self.note("change", line, where, says, "ordered", text, ordered_by=[where])
        return True
