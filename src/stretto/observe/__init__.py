"""What happened in a run, read afterwards: where its time went, and what would have been faster."""

from .explained import RunExplanation, explain_run

__all__ = ["RunExplanation", "explain_run"]
