"""CPython's own tests of the language, their methods run as flows.

    python -m tests.cpython                      every module, as a table
    python -m tests.cpython test_scope test_iter --verbose
    python -m tests.cpython test_with --only TestAssignTo --way flow

A test method is compiled as a flow and run in the place of the method; it has to end as it ends in plain
CPython. The doctests of these modules are run too, each made into one function. The tests are those that
come with the interpreter (see `suite.py`); none of them is kept here.
"""
