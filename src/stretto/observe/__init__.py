"""What happens in a run: told while it goes on, and read afterwards: where its time went, and what would have
been faster."""

from .explained import RunExplanation, explain_run
from .live import listening

__all__ = ["RunExplanation", "explain_run", "listening"]
