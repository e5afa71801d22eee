"""A flow's source becomes a tree of regions whose leaves are operations."""
