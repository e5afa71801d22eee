"""For tests: a virtual clock, and relaxations switched off."""

from ..compiler.relaxations import without
from ..drivers.virtual import VirtualClock

__all__ = ["VirtualClock", "without"]
