"""The work of `benchmarks.work` in other libraries, each written the way its own manual shows.

Every module has `branchy(n)` and `chain(n)`, coroutines with the results of the hand-written ones.
"""
