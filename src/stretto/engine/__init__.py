"""Issue, execute, retire: a deterministic state machine without I/O, clock or thread.

`machine` is the whole of it from outside: events in (`complete`, `fail`), instructions out (`next`).
"""
