"""What `make bench` prints."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row"]


@dataclass
class Row:
    """One line of the table: lower is better. Without a target it is there for scale."""

    what: str
    value: float
    unit: str
    target: float | None
    detail: str

    @property
    def met(self) -> bool:
        return self.target is None or self.value <= self.target

    def __str__(self) -> str:
        mark = "" if self.target is None else "ok" if self.met else "OVER"
        return f"{self.what:<68} {self.value:>8.2f} {self.unit:<3} {self._bound:>9}  {mark:<4}  {self.detail}"

    @property
    def markdown(self) -> str:
        mark = "" if self.met else " (over)"
        return f"| {self.what[4:]} | {self.value:.2f} {self.unit}{mark} | {self._bound} |"

    @property
    def _bound(self) -> str:
        return "" if self.target is None else f"<= {self.target:g} {self.unit}"
