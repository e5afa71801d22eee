"""For tests: a virtual clock."""

from ..drivers.virtual import VirtualClock

__all__ = ["VirtualClock"]
