"""The work of `benchmarks.work` in other libraries, each written the way its own manual shows.

Every module `with_...` has `branchy(n)` and `chain(n)`, coroutines with the results of the hand-written
ones. The modules `durable_...` have classes for runs that outlive their process: made with a folder for their
database, they run a `chain(n)` and `many(n)` of empty steps, `begin(n)` a run whose steps leave `marks`,
`resume()` it in another process, and tell how many steps' results are `recorded(folder)`.
"""
