"""How many calls run at once, and how fast: what a server, a disk or a bill can take.

A *bucket* is one thing that is counted: the calls of one function, of one key, of one resource. A call
needs a place in each of its buckets before it starts; which buckets these are is said beside the call or
in ``stretto.toml`` (see `rules`). The `limiter` hands places out, over all runs of a process: the longest
remaining path first within a run, fair shares between runs. A bucket whose limit nobody knows finds it
(see `adaptive`).

Nothing here knows of the engine or of event loops: whoever waits for a place is told, from whatever
thread gives one back, and the time is given to it.
"""
